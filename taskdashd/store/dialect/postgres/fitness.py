"""What a database must be before a daemon starts on it, and why one could not be reached.

Each refusal is one sentence that says what to do.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import structlog

from taskdashd.store.dialect.postgres.session import SCHEMA, Wire, plain
from taskdashd.store.lock import StoreUnusable

_SERVER_MIN: Final = 130_000
_LOOKS: Final = 5
"""A pooler gives the session that was left last: so few transactions show that it gives others."""

_CURES: Final = (
    (
        r"session is read-only",
        "it is a replica, or read-only: give the primary's address, or all hosts in one, as in"
        " postgresql://USER@HOST1,HOST2/DATABASE",
    ),
    (r'role ".*" does not exist', "make it with CREATE ROLE … LOGIN"),
    (r'database ".*" does not exist', "make it with CREATE DATABASE … ENCODING 'UTF8'"),
    (
        r"no password supplied|password authentication failed",
        "the password is read from ~/.pgpass, or the file that PGPASSFILE names",
    ),
    (r"pg_hba\.conf", "let the role in there"),
)
_SCHEMA: Final = f"""
SELECT current_database(), current_user, n.nspowner::regrole::text, n.oid IS NULL,
    has_database_privilege(current_database(), 'CREATE'),
    n.oid IS NULL OR pg_has_role(n.nspowner, 'MEMBER'),
    (SELECT min(c.relname) FROM pg_class AS c WHERE c.relnamespace = n.oid),
    EXISTS (SELECT 1 FROM pg_class AS c
            WHERE c.relnamespace = n.oid AND c.relname = 'schema_migration')
FROM (VALUES (1)) AS one (x) LEFT JOIN pg_namespace AS n ON n.nspname = '{SCHEMA}'
"""
_SETTINGS: Final = """
SELECT name, setting FROM pg_settings
WHERE name IN ('fsync', 'server_encoding', 'synchronous_standby_names')
"""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def told(error: Exception) -> str:
    """Say why a database could not be opened, and what to do where that is known."""
    text = plain(error)
    for symptom, cure in _CURES:
        if re.search(symptom, text):
            return f"{text}: {cure}"
    return text


def check(wires: Sequence[Wire], where: str) -> None:
    """Refuse a server on which an acknowledged write could be lost, or which has no sessions.

    Raises `StoreUnusable`.
    """
    if wires[0].info.server_version < _SERVER_MIN:
        raise StoreUnusable(f"{where} is older than PostgreSQL 13: upgrade it")
    if _shares_sessions(wires):
        raise StoreUnusable(
            f"{where} is a pooler that gives each transaction another session: give the"
            " address of PostgreSQL itself, or set pool_mode = session"
        )
    settings = dict(wires[0].execute(_SETTINGS).fetchall())
    if settings["fsync"] != "on":
        raise StoreUnusable(f"{where} runs with fsync = off: a power cut would damage it")
    if settings["server_encoding"] != "UTF8":
        encoding = settings["server_encoding"]
        raise StoreUnusable(
            f"{where} is encoded in {encoding}:"
            " make it anew with ENCODING 'UTF8' TEMPLATE template0"
        )
    _check_schema(wires[0], where)
    (replicas,) = _one(wires[0], "SELECT count(*) FROM pg_stat_replication")
    if replicas and not settings["synchronous_standby_names"]:
        log.warning(
            "a replica that takes over may lack the last writes that were acknowledged:"
            " synchronous_standby_names is empty",
            store=where,
        )


def _shares_sessions(wires: Sequence[Wire]) -> bool:
    """Tell whether connections do not have one process of the server each, and the same always."""
    seen = [_one(wire, "SELECT pg_backend_pid()")[0] for _turn in range(_LOOKS) for wire in wires]
    return seen != seen[: len(wires)] * _LOOKS or len(set(seen)) < len(wires)


def _check_schema(wire: Wire, where: str) -> None:
    database, role, owner, is_new, may_make, is_own, table, is_ours = _one(wire, _SCHEMA)
    if is_new and not may_make:
        raise StoreUnusable(
            f"{where}: the role {role} may make no schema there:"
            f" CREATE SCHEMA {SCHEMA} AUTHORIZATION {role} in the database {database}"
        )
    if not is_own:
        raise StoreUnusable(
            f"{where}: the schema {SCHEMA} belongs to the role {owner}, and not to {role}:"
            " sign in as that one, or choose another database"
        )
    if table is not None and not is_ours:
        raise StoreUnusable(
            f"{where}: its schema {SCHEMA} holds what taskdashd has not made, such as {table}:"
            " choose another database"
        )


def _one(wire: Wire, statement: str) -> Any:
    return wire.execute(statement).fetchone()
