"""Connections to PostgreSQL: statements in its words, bounded waits, and reconnecting."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg import conninfo

SCHEMA: Final = "taskdash"
CONNECT_TIMEOUT_S: Final = 5
_FETCHED_MAX: Final = 512
_FETCHED_BYTES: Final = 256 << 10
_PARAMETER: Final = re.compile(r"\?|(?<!:):([a-z_][a-z_0-9]*)|%")


@lru_cache(maxsize=1_000)
def spoken(statement: str) -> str:
    """Give a statement with its parameters as psycopg names them.

    No statement of ours holds a `?`, a `%` or a `:name` in a literal.
    """
    return _PARAMETER.sub(_mark, statement)


def _mark(found: re.Match[str]) -> str:
    if found[0] == "%":
        return "%%"
    return f"%({found[1]})s" if found[1] else "%s"


def _storable(params: Any) -> Any:
    """Have what is compared with texts hold no NUL: no stored text does, and the server refuses it.

    As a list, it matches what the others do; by itself it is null, which nothing is equal to.
    """
    if not isinstance(params, dict):
        return params
    return {
        name: [one for one in value if type(one) is not str or "\0" not in one]
        if type(value) is list
        else None
        if type(value) is str and "\0" in value
        else value
        for name, value in params.items()
    }


class Wire(psycopg.Connection[Any]):
    """A connection whose server must answer in time: one that does not is as good as cut.

    A network that drops packets, or a server that is stopped, would else hold a thread for ever.
    """

    _limit_s: float | None = None

    def limit(self, limit_s: float | None) -> None:
        """Wait no longer than that for each answer; None: as long as it takes."""
        self._limit_s = limit_s

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for the server, for the limit at most. Raises `OperationalError`."""
        try:
            return super().wait(gen, interval, self._limit_s if timeout is None else timeout)
        except psycopg.errors._WaitTimeout as error:  # it has no public name
            # What comes later would be taken for the answer to the next statement.
            self.pgconn.finish()
            text = f"the server has not answered for {self._limit_s:g} s"
            raise psycopg.OperationalError(text) from error


class Session:
    """One connection for one thread at a time; where it was lost, the next statement opens it."""

    def __init__(self, dsn: str, limit_s: float | None) -> None:
        self._dsn = dsn
        self._limit_s = limit_s
        self._wire: Wire | None = None
        self._cursors = 0

    def live(self) -> Wire:
        """Give the connection, opened if need be. Raises `psycopg.Error`."""
        wire = self._wire
        if wire is None or wire.closed:
            wire = self._wire = self._connect()
        return wire

    def _connect(self) -> Wire:
        wire: Wire = Wire.connect(
            self._dsn,
            autocommit=True,
            application_name="taskdashd",
            connect_timeout=CONNECT_TIMEOUT_S,
            client_encoding="utf8",
            keepalives=1,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            target_session_attrs="read-write",
        )
        wire.limit(self._limit_s)
        wire.execute(f"SET search_path = {SCHEMA}")
        if self._limit_s is not None:
            # A transaction that its client has left holds its locks until the server ends it.
            limit_ms = int(self._limit_s * 1000)
            for name in ("idle_in_transaction_session_timeout", "lock_timeout"):
                wire.execute(f"SET {name} = {limit_ms}")
        return wire

    def execute_sql(self, statement: str, params: Any = None) -> Any:
        """Run a statement; gives a cursor, which is also an iterator over the rows."""
        return self.live().execute(spoken(statement), _storable(params) or None)

    def stream(self, statement: str, params: Sequence[Any] | Mapping[str, Any]) -> Iterator[Any]:
        """Run a statement within a transaction, and fetch its rows as they are asked for.

        As many as are small are fetched at a time, and large ones one by one.
        """
        self._cursors += 1
        name, many = f"rows_{self._cursors}", 16
        wire = self.live()
        wire.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {spoken(statement)}", params or None)
        while True:
            cursor = wire.execute(f"FETCH {many} FROM {name}")
            rows = cursor.fetchall()
            yield from rows
            if len(rows) < many:
                break
            size = sum(len(value) for row in rows for value in row if type(value) is str)
            many = max(1, min(_FETCHED_MAX, many * _FETCHED_BYTES // max(size, 1), many * 4))
        wire.execute(f"CLOSE {name}")

    @contextmanager
    def transaction(self, begin: str = "BEGIN") -> Iterator[Wire]:
        """Commit what is done within, or nothing of it."""
        wire = self.live()
        wire.execute(begin)
        try:
            yield wire
        except BaseException:
            if not wire.closed:
                wire.execute("ROLLBACK")
            raise
        wire.execute("COMMIT")

    def interrupt(self) -> None:
        """Abort the statement that runs. Safe to call from any thread."""
        if self._wire is not None and not self._wire.closed:
            self._wire.cancel_safe(timeout=1.0)

    def close(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._wire.close()


def where(dsn: str) -> str:
    """Name a database for messages, without what is secret. Raises `psycopg.ProgrammingError`."""
    given = conninfo.conninfo_to_dict(dsn)
    user = f"{given['user']}@" if "user" in given else ""
    port = f":{given['port']}" if "port" in given else ""
    if "service" in given:
        return f"postgresql://?service={given['service']}"
    return f"postgresql://{user}{given.get('host', '')}{port}/{given.get('dbname', '')}"


def plain(error: Exception) -> str:
    """Say in one line what went wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return re.sub(r"^(connection failed: |connection is bad: )+", "", lines[0])
