"""What operators ask: how the daemon fares, and who did what."""
