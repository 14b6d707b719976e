"""Looking for what is wrong with the database, and mending what can be mended."""

from contextlib import closing
from pathlib import Path

import apsw

from taskdashd.settings import files
from taskdashd.store import accounts
from taskdashd.store.copies import act, add_act, reading
from taskdashd.store.dialect.checking import Fault
from taskdashd.store.dialect.sqlite import texts
from taskdashd.store.dialect.sqlite.checks import faults, plain
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME
from taskdashd.store.faults import BackupError
from taskdashd.store.lock import lock

_REPAIRED = "repaired", "the task table is made anew from the log"


def check(data: Path, store: str = "") -> list[Fault]:
    """Read the database of a data directory, or a PostgreSQL, from end to end.

    Raises `BackupError` where it is missing or cannot be opened.
    """
    if store:
        # Fetched when it is asked for: not everybody has installed psycopg.
        from taskdashd.store.dialect.postgres import carrying, checks

        with carrying.reading(store) as source:
            return list(checks.faults(source.read))
    with reading(data / DATABASE_NAME) as database:
        return list(faults(database))


def admins_without_password(data: Path, store: str = "") -> list[str]:
    """Give the numbers of the administrators of a good database who have no password.

    Raises `BackupError`.
    """
    if store:
        from taskdashd.store.dialect.postgres import carrying

        return accounts.admins_without_password(carrying.accounts_of(store) or {})
    with reading(data / DATABASE_NAME) as database:
        if not database.table_exists(None, "record"):
            return []
        return accounts.admins_without_password(accounts.read(database.execute(accounts.STORED)))


def repair(data: Path, store: str = "") -> None:
    """Make the next start build the task table anew from the log.

    Raises `BackupError`, and `StoreUnusable` where a daemon uses the directory.
    """
    with closing(lock(data)):
        if store:
            from taskdashd.store.dialect.postgres import carrying, checks

            with carrying.speaking(store, "repair") as (session, _), session.transaction():
                checks.repair(session, lambda rev: act(rev, *_REPAIRED))
            return
        try:
            files.make(data / DATABASE_NAME)
            with closing(apsw.Connection(str(data / DATABASE_NAME))) as database, database:
                # Rows from before there was a kind have it in the table alone.
                database.execute(
                    "UPDATE change SET task_kind = task.kind FROM task"
                    " WHERE task.rev = change.rev AND change.task_kind IS NULL"
                )
                for statement in texts.EMPTY:
                    database.execute(statement)
                database.execute("DELETE FROM task")
                database.execute("UPDATE state SET folded_rev = 0")
                add_act(database, *_REPAIRED)
        except (OSError, apsw.Error) as error:
            raise BackupError(f"cannot repair {data}: {plain(error)}") from error
