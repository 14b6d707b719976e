"""Brings a database file to the schema of this version, by the files in `migrations/`."""

from pathlib import Path
from typing import Any, Final

import structlog
from playhouse.migrations import Runner

from taskdashd.store.lock import StoreUnusable

MIGRATIONS: Final = Path(__file__).parent / "migrations"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def migrations(directory: Path = MIGRATIONS) -> list[Path]:
    """Give the files of a schema, in order."""
    return sorted(directory.glob("[0-9]*.py"))


def migrate(connection: Any, where: str, directory: Path) -> None:
    """Migrate a database. Raises `StoreUnusable` for one that a newer version has written."""
    runner = Runner(connection, str(directory))
    status = runner.status()
    newer = [migration.name for migration in status if migration.path is None]
    if newer:
        raise StoreUnusable(
            f"{where} was written by a newer taskdashd (schema {newer[-1]}): install that"
            " version or later, or choose another data directory"
        )
    waiting = [migration.name for migration in status if migration.applied is None]
    if waiting and len(waiting) < len(status):
        # Said before: a million tasks take minutes on a small machine, and nothing else is said.
        log.info("bringing the database to this version", path=where, steps=waiting)
    runner.up()
