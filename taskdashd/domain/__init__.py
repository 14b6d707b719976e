"""Pure rules. No socket, no event loop, no database, no clock: time comes in as an argument."""
