"""Connections to PostgreSQL: statements in its words, bounded waits, and reconnecting."""

import logging
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg import conninfo, generators
from psycopg.pq import TransactionStatus

SCHEMA: Final = "taskdash"
APPLICATION: Final = "taskdashd"
CONNECT_TIMEOUT_S: Final = 5.0
_CONNECTS_AGAIN_S: Final = 0.5
"""After a connection that came to nothing, the next is tried no sooner."""
_FETCHED_MAX: Final = 512
_FETCHED_BYTES: Final = 256 << 10
# A number of a process may be another's by now.
_BACKEND: Final = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_END_BACKEND: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s
"""
_SYNCED: Final = """
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') IN ('off', 'local')
"""
# A statement is planned for the values that it is given: among a million tasks, the plan for any is
# a bad one for most. To compile one takes longer than to run it. A page of an index is mostly in
# memory: by the costs of a disk that turns, all of a state's tasks would be sorted for a hundred.
_PLANNED: Final = (
    "SET plan_cache_mode = force_custom_plan; SET jit = off; SET random_page_cost = 1.1"
)
_CONNECTING: Final = re.compile(
    r"^(- host: .*?: (?=connection (?:failed|is bad): ))?(connection (?:failed|is bad): )*"
)
_PARAMETER: Final = re.compile(r"\?|(?<!:):([a-z_][a-z_0-9]*)|%")

# What psycopg logs of a lost connection it raises too, and its lines would be in no format of ours.
logging.getLogger("psycopg").setLevel(logging.CRITICAL)


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


class Unanswered(psycopg.OperationalError):
    """The server has not answered in time: to ask again would take as long again."""


class Wire(psycopg.Connection[Any]):
    """A connection whose server must answer in time: one that does not is as good as cut.

    A network that drops packets, or a server that is stopped, would else hold a thread for ever.
    """

    waits = False
    """Whether an answer is waited for at this moment."""
    _limit_s: float | None = None

    def limit(self, limit_s: float | None) -> None:
        """Wait no longer than that for each answer; None: as long as it takes."""
        self._limit_s = limit_s

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for the server, for the limit at most. Raises `Unanswered`."""
        self.waits = True
        try:
            return super().wait(gen, interval, self._limit_s if timeout is None else timeout)
        except psycopg.errors._WaitTimeout as error:  # it has no public name
            # What comes later would be taken for the answer to the next statement.
            self.pgconn.finish()
            text = f"the server has not answered for {self._limit_s or 0:.3g} s"
            raise Unanswered(text) from error
        finally:
            self.waits = False


class Session:
    """One connection for one thread at a time; where it was lost, the next statement opens it."""

    def __init__(self, dsn: str, limit_s: float, *, lease_s: float | None = None) -> None:
        self._dsn = dsn
        self._usual_s = self._limit_s = limit_s
        """So long each answer is waited for."""
        self._lease_s = lease_s
        """So long the server keeps the locks of a transaction that is left alone; None: as long as
        it is set up to."""
        self._wire: Wire | None = None
        self._begins = ""
        """What begins a transaction; it is sent with its first statement."""
        self._is_leaving = False
        """Whether the end of a transaction was sent, and not waited for."""
        self._cursors = 0
        self._connects_at, self._why = -math.inf, ""
        self._is_connecting = False
        self._backends: list[tuple[int, Any]] = []
        """The server's processes of what was opened before, as far as they may not have ended."""
        self._cluster: str | None = None
        """The database that it must be; None before one is known."""

    def live(self) -> Wire:
        """Give the connection, opened if need be. Raises `psycopg.Error`."""
        wire = self._wire
        if self._is_leaving:
            self._has_left()
        if wire is None or wire.closed:
            wire = self._wire = self._connect()
        return wire

    def fresh(self) -> Wire:
        """Give the connection, opened anew where its end has come while nothing was asked.

        What is sent on such a one is lost, and nobody knows at first that it is.
        """
        wire = self.live()
        try:
            # The server's last words come before the end.
            wire.pgconn.consume_input()
            wire.pgconn.consume_input()
        except psycopg.OperationalError:
            wire.close()
            wire = self.live()
        return wire

    @property
    def waits(self) -> bool:
        """Whether the server is waited for, which has its end. Safe to call from any thread."""
        return self._is_connecting or (self._wire is not None and self._wire.waits)

    def expect(self, cluster: str) -> None:
        """Have each new connection be to that database, and to no other at its address."""
        self._cluster = cluster

    def limit(self, limit_s: float | None) -> None:
        """Wait no longer than that for each answer from now on; None: as at first."""
        self._limit_s = self._usual_s if limit_s is None else limit_s
        if self._wire is not None:
            self._wire.limit(self._limit_s)

    def _connect(self) -> Wire:
        if time.monotonic() < self._connects_at:
            # A server that drops packets costs seconds each time: not each of many who wait for it.
            raise psycopg.OperationalError(self._why)
        self._is_connecting = True
        began = time.monotonic()
        try:
            wire = self._connected()
        except psycopg.Error as error:
            now, self._why = time.monotonic(), plain(error)
            self._connects_at = now + max(_CONNECTS_AGAIN_S, now - began)
            raise
        finally:
            self._is_connecting = False
        return wire

    def _connected(self) -> Wire:
        connect_s = min(CONNECT_TIMEOUT_S, self._limit_s)
        wire: Wire = Wire.connect(
            self._dsn,
            autocommit=True,
            application_name=APPLICATION,
            connect_timeout=math.ceil(connect_s),
            client_encoding="utf8",
            keepalives=1,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            target_session_attrs="read-write",
        )
        try:
            wire.limit(connect_s)
            wire.execute(f"SET search_path = {SCHEMA}")
            # What is acknowledged is on the disk, whatever the server does for others.
            wire.execute(_SYNCED)
            wire.execute(_PLANNED)
            if self._lease_s is not None:
                # A transaction that its client has left holds its locks until the server ends it.
                limit_ms = int(self._lease_s * 1000)
                for name in ("idle_in_transaction_session_timeout", "lock_timeout"):
                    wire.execute(f"SET {name} = {limit_ms}")
                self._end_backends(wire)
            if self._cluster is not None:
                self._check_cluster(wire)
        except BaseException:
            wire.close()
            raise
        wire.limit(self._limit_s)
        return wire

    def _end_backends(self, wire: Wire) -> None:
        """End the processes of connections that were lost: they may wait for bytes, with locks.

        What comes to them late, from a network that has held it, does nothing any more.
        """
        for backend in self._backends:
            wire.execute(_END_BACKEND, backend)
        self._backends = list(wire.execute(_BACKEND).fetchall())

    def _check_cluster(self, wire: Wire) -> None:
        """Refuse a database that has taken the place of another, whose tasks the daemon has."""
        (there,) = wire.execute("SELECT cluster FROM state").fetchone() or (None,)
        if there != self._cluster:
            text = f"another database is there: it is {there}, and was {self._cluster}"
            raise psycopg.OperationalError(text)

    def execute_sql(self, statement: str, params: Any = None) -> Any:
        """Run a statement; gives a cursor, which is also an iterator over the rows.

        For a connection that reads: outside of a transaction, one that was lost meanwhile, as a
        fail-over or a firewall has it, is opened anew.
        """
        return self._execute(spoken(statement), _storable(params) or None)

    def _execute(self, statement: str, given: Any) -> Any:
        wire, begins, self._begins = self.live(), self._begins, ""
        alone = wire.info.transaction_status is TransactionStatus.IDLE
        try:
            return _run(wire, begins, statement, given)
        except psycopg.Error as error:
            may_again = self._lease_s is None and alone and not isinstance(error, Unanswered)
            if not may_again or not is_lost(wire, error):
                raise
            wire.close()
        return _run(self.live(), begins, statement, given)

    def stream(self, statement: str, params: Sequence[Any] | Mapping[str, Any]) -> Iterator[Any]:
        """Run a statement within a transaction, and fetch its rows as they are asked for.

        As many as are small are fetched at a time, and large ones one by one.
        """
        self._cursors += 1
        name, many = f"rows_{self._cursors}", 16
        declared = f"DECLARE {name} NO SCROLL CURSOR FOR {spoken(statement)}"
        self._execute(declared, params or None)
        wire = self.live()
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

    def begin(self, begins: str) -> None:
        """Begin a transaction with the next statement: one turn with the server for both."""
        self._begins = begins

    def leave(self) -> None:
        """End a transaction that has only read, and wait for answers as at first.

        The server's word for it is waited for before the next statement, and is there by then.
        """
        wire, self._begins = self._wire, ""
        try:
            if wire is None or wire.closed or self._is_leaving:
                return
            if wire.info.transaction_status is not TransactionStatus.IDLE:
                wire.pgconn.send_query(b"ROLLBACK")
                self._is_leaving = True
                wire.pgconn.flush()
        finally:
            self.limit(None)

    def _has_left(self) -> None:
        self._is_leaving = False
        wire = self._wire
        if wire is not None and not wire.closed:
            with suppress(psycopg.Error):
                wire.wait(generators.fetch_many(wire.pgconn))
            if wire.info.transaction_status is not TransactionStatus.IDLE:
                # Whatever it was: a connection that cannot end its transaction is of no use.
                wire.close()

    def interrupt(self) -> None:
        """Abort the statement that runs. Safe to call from any thread."""
        if (wire := self._wire) is not None and not wire.closed:
            with suppress(psycopg.Error):
                # A server that does not answer answers the statement neither.
                wire.cancel_safe(timeout=1.0)

    def close(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._wire.close()


def _run(wire: Wire, begins: str, statement: str, params: Any) -> Any:
    if not begins:
        return wire.execute(statement, params)
    # With its values written out: several statements in one turn have no parameters.
    cursor = psycopg.ClientCursor(wire)
    cursor.execute(f"{begins}; {statement}", params)
    while cursor.nextset():
        pass
    return cursor


def is_lost(wire: Wire, error: psycopg.Error) -> bool:
    """Tell whether a connection has ended; after its server's last words that shows only later."""
    return wire.closed or error.diag.severity_nonlocalized in ("FATAL", "PANIC")


def where(dsn: str) -> str:
    """Name a database for messages, without what is secret. Raises `psycopg.ProgrammingError`."""
    given = conninfo.conninfo_to_dict(dsn)
    if "service" in given:
        return f"postgresql://?service={given['service']}"
    user = f"{given['user']}@" if "user" in given else ""
    hosts = str(given.get("host", "")).split(",")
    ports = str(given.get("port", "")).split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    places = [f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=False)]
    return f"postgresql://{user}{','.join(places)}/{given.get('dbname', '')}"


def plain(error: Exception) -> str:
    """Say in one line what went wrong: of several hosts at each."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    attempts = [line for line in lines if line.startswith("- host: ")]
    return "; ".join(dict.fromkeys(_CONNECTING.sub("", one) for one in attempts or lines[:1]))
