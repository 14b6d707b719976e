"""What all doors stand on: sockets, bytes, deadlines; and the wire protocol. No rule of tasks."""
