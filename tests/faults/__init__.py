"""What must be survived: the daemon as a process, attacked from outside through the wire."""
