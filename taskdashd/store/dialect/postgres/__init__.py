"""PostgreSQL: the engine for those who have one, and somebody who tends it."""
