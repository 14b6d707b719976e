"""The schema of PostgreSQL, by the rules of SQLite's migrations."""
