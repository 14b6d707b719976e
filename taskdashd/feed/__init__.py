"""Who is told of what changes: live, or behind and catching up from the log."""
