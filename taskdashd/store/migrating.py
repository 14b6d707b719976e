"""Brings a database file to the schema of this version, by the files in `migrations/`."""

from pathlib import Path
from typing import Final

from playhouse.migrations import Runner

from taskdashd.store import dialect
from taskdashd.store.lock import StoreUnusable

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def migrate(connection: dialect.Connection, path: Path) -> None:
    """Migrate a file. Raises `StoreUnusable` for one that a newer version has written."""
    runner = Runner(connection, str(MIGRATIONS))
    newer = [migration.name for migration in runner.status() if migration.path is None]
    if newer:
        raise StoreUnusable(
            f"{path} was written by a newer taskdashd (schema {newer[-1]}): install that"
            " version or later, or choose another data directory"
        )
    runner.up()
