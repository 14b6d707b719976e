"""Pure rules that families share. No socket, event loop, database or clock: time is an argument."""
