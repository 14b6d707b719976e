"""Which engine a data directory has: a file of SQLite's, or the database that `store` names."""

from pathlib import Path

from taskdashd.store.deadline import Deadline
from taskdashd.store.dialect.engine import Engine
from taskdashd.store.dialect.sqlite.engine import SqliteEngine


def engine(directory: Path, store: str, lease_s: float, deadline: Deadline) -> Engine:
    """Open the engine of a data directory.

    Raises `StoreUnusable`, and `ModuleNotFoundError` where psycopg is not installed.
    """
    if not store:
        return SqliteEngine.open(directory, deadline)
    # Fetched when it is asked for: psycopg takes memory, and not everybody has installed it.
    from taskdashd.store.dialect.postgres.engine import PostgresEngine

    return PostgresEngine.open(store, directory, lease_s, deadline)
