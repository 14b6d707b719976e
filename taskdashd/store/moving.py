"""A move of all that a store has from a file to a PostgreSQL, or back, while no daemon runs.

What is left behind stays as it is. A move that dies half way leaves its target marked: no daemon
starts on that before the move is done again.
"""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw

from taskdashd.settings.owner import OwnerError
from taskdashd.store import acknowledged
from taskdashd.store.copies import act, carried, note, reading, remove
from taskdashd.store.database import Database
from taskdashd.store.dialect.carrying import LAST_REV, Row, Say
from taskdashd.store.dialect.sqlite import carrying
from taskdashd.store.dialect.sqlite.checks import plain
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME, MOVING_NAME
from taskdashd.store.faults import BackupError
from taskdashd.store.lock import lock
from taskdashd.store.restoring import check_empty, put


class Moved(NamedTuple):
    """What a move has brought to its target."""

    rev: int
    tasks: int
    aside: Path | str | None
    """Where that is which was there before: a directory, or a schema."""


def to_store(data: Path, store: str, say: Say, *, force: bool = False) -> Moved:
    """Move the database of a data directory to a PostgreSQL.

    Raises `BackupError`, and `StoreUnusable` where a daemon uses the directory.
    """
    # Fetched when it is asked for: not everybody has installed psycopg.
    from taskdashd.store.dialect.postgres import carrying as postgres

    path = data / DATABASE_NAME
    if not path.is_file():
        raise BackupError(f"there is no database at {path}")

    def last(rev: int) -> Row:
        # What was acknowledged of another database is no loss of this one.
        acknowledged.forget(data)
        return act(rev, "moved", f"from {path.absolute()}")

    with closing(lock(data)), reading(path) as database:
        database.execute("BEGIN")
        if not carrying.is_of_this_version(database):
            raise BackupError(f"start taskdashd once on {data}, to bring it to this version")
        rev = database.execute(LAST_REV).get
        aside = postgres.fill(store, carrying.reader(database), say, force=force, last=last)
        tasks = database.execute("SELECT count(DISTINCT task_id) FROM change").get
    _fold(data, store)
    return Moved(rev, tasks, aside)


def to_directory(store: str, data: Path, say: Say, *, force: bool = False) -> Moved:
    """Move the database of a PostgreSQL to a data directory; a daemon that writes to it ends.

    Raises `BackupError`, and `StoreUnusable` where a daemon uses the directory.
    """
    with closing(lock(data)):
        check_empty(data, "moves the other there", force=force)
        fresh = data / MOVING_NAME
        try:
            copy = carried(store, fresh, say, takes=True)
            note(fresh, "moved", "from a PostgreSQL")
            aside = put(fresh, data)
            acknowledged.forget(data)
        except (OSError, apsw.Error, OwnerError) as error:
            raise BackupError(f"cannot move to {data}: {plain(error)}") from error
        except BackupError:
            remove(fresh)
            raise
    _fold(data)
    return Moved(copy.rev, copy.tasks, aside)


def _fold(data: Path, store: str = "") -> None:
    """Make the tables that the log folds to, as the next start would, while people wait for it."""
    with closing(Database.open(data, store=store)) as database:
        database.start()
