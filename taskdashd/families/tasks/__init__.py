"""The tasks of services: registered, updated, found."""
