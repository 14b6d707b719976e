"""What the daemon's process does beside serving: its sockets, its signals, systemd, its chores."""
