"""SQLite: the embedded engine, one file on the daemon's own disk."""
