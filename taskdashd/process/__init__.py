"""The daemon's process: sockets, threads, signals, systemd, start and stop. No rules of tasks."""
