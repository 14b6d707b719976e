"""The schema of a database of PostgreSQL: brought to this version, filled, or not yet whole."""

from contextlib import closing
from pathlib import Path
from typing import Final

import peewee
import psycopg
from playhouse.postgres_ext import Psycopg3Database
from psycopg.types.json import Json, Jsonb

from taskdashd.store.dialect.postgres.session import CONNECT_TIMEOUT_S, SCHEMA, Wire
from taskdashd.store.lock import StoreUnusable
from taskdashd.store.migrating import migrate, migrations

MIGRATIONS: Final = Path(__file__).parent / "migrations"
FILLING: Final = "filling"
"""A table that is there while another store is carried to this one: nothing else may use it."""

# The store has fetched peewee without psycopg, which takes megabytes where nobody needs it.
vars(peewee).update(
    psycopg=psycopg,
    TransactionStatus=psycopg.pq.TransactionStatus,
    Json_pg3=Json,
    Jsonb_pg3=Jsonb,
)


def bring(dsn: str, where: str, *, filling: bool = False) -> None:
    """Bring a database to this version's schema; `filling` is said by who makes it whole.

    Raises `StoreUnusable` for one that is not whole, or newer, and what peewee and psycopg raise.
    """
    # peewee knows one of the two ways to begin an address.
    address = dsn.replace("postgres://", "postgresql://", 1) if dsn[:11] == "postgres://" else dsn
    how = {"connect_timeout": int(CONNECT_TIMEOUT_S), "target_session_attrs": "read-write"}
    with closing(Psycopg3Database(address, **how)) as database:
        database.connect()
        # Asked for first: to make it takes a privilege, also where it is there.
        if not database.execute_sql(f"SELECT to_regnamespace('{SCHEMA}')").fetchone()[0]:
            database.execute_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        database.execute_sql(f"SET search_path = {SCHEMA}")
        mark = f"SELECT to_regclass('{SCHEMA}.{FILLING}')"
        if not filling and database.execute_sql(mark).fetchone()[0]:
            raise StoreUnusable(unfinished(where))
        migrate(database, where, MIGRATIONS)


def unfinished(where: str) -> str:
    """Say that a database is not whole."""
    return f"a move or a restore to {where} runs, or was interrupted: then do it again"


def missing(wire: Wire) -> str:
    """Say what keeps a database from being read as this version's; empty where nothing does."""
    if not has(wire, "schema_migration"):
        return "there is no database of taskdashd at"
    if has(wire, FILLING):
        return "a move or a restore runs, or was interrupted and is to be done again, at"
    known = {path.stem for path in migrations(MIGRATIONS)}
    applied = {name for (name,) in wire.execute("SELECT name FROM schema_migration")}
    if applied - known:
        return "a newer taskdashd has written"
    return "" if applied == known else "start taskdashd once, to bring it to this version, on"


def has(wire: Wire, table: str) -> bool:
    """Tell whether a table is there."""
    found = wire.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.{table}",)).fetchone()
    return found is not None and found[0] is not None
