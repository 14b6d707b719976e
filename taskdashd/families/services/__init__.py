"""Task services: registered, alive, late or dead, and asked for their tasks."""
