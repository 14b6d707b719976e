"""What a connection says about itself, and what it wants to be told."""
