"""The connection to a PostgreSQL cut at each point of a commit's bytes, or held there for a while.

For all points: what was answered 0 is in the log, what was answered 1001 is not, and never comes.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import postgres
import psycopg
import pytest
from processes import taskdashd

from taskdash_protocol.errors import StorageError
from taskdash_protocol.families.tasks import Register
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Change, Moment
from taskdashd.store.database import Database
from taskdashd.store.dialect.postgres.session import Session
from taskdashd.store.faults import Fenced, OutcomeUnknown

from .conftest import Start, is_sound
from .ledger import Ledger, register, until_written
from .proxy import Proxy

pytestmark = pytest.mark.fault(56)

_POINTS = 200
_END_BYTES = 200
"""COMMIT and its answer have as many."""


@pytest.fixture
def proxy(cluster: postgres.Cluster) -> Iterator[Proxy]:
    with Proxy(cluster.port) as proxy:
        yield proxy


def _change(rev: int, rows_at: str = "2026-01-01T00:00:00.000Z") -> Change:
    request = Register.parse({"id": f"t-{rev}", "name": "n", "status": "pending"})
    return tasks.register(None, request, Author(1, "me"), Moment(rev, rows_at))


class Committer:
    """Commits through the proxy, a few rows at a time, and notes what it is told."""

    def __init__(self, database: Database, proxy: Proxy, rows: int = 1) -> None:
        self._database, self._proxy, self._rows = database, proxy, rows
        # All revs have as many digits, and so all commits as many bytes.
        self._rev = database.start().last_rev + 1_000_000
        self.ledger = Ledger()

    def commit(self) -> None:
        changes = [_change(self._rev + number) for number in range(1, self._rows + 1)]
        self._rev += self._rows
        ids = [change.task.id for change in changes]
        try:
            self._database.append(changes)
        except OutcomeUnknown:
            self.ledger.unanswered.update(ids)
        except Fenced:
            raise
        except StorageError:
            self.ledger.refused.update(ids)
        else:
            self.ledger.stored += ids

    def connect_anew(self) -> None:
        """Have the next commit be the first of its connection: only such have all their bytes."""
        self._proxy.cut_at(1)
        self.commit()
        self._proxy.let_go()

    def length(self) -> int:
        """Say how many bytes a commit has, with its answers, on a connection that is new."""
        self.commit()
        self.connect_anew()
        self._proxy.count()
        self.commit()
        return self._proxy.count()


def _points(length: int, many: int) -> list[int]:
    """Give places in a commit: a quarter of them at its end, where it is decided."""
    end, before = many // 4, many - many // 4
    evenly = [(length - _END_BYTES) * number // before for number in range(before)]
    return evenly + [length - _END_BYTES + _END_BYTES * number // end for number in range(end)]


def _database(cluster: postgres.Cluster, name: str, proxy: Proxy, lease_s: float) -> Database:
    directory = cluster.directory / name
    directory.mkdir()
    return Database.open(directory, store=cluster.dsn(name, proxy.port), lease_s=lease_s)


@pytest.mark.parametrize("rows", [1, 40])
def test_cut_at_each_point_of_a_commit(
    rows: int, cluster: postgres.Cluster, database: str, proxy: Proxy
) -> None:
    """By the pipeline, and by COPY: it is known of each whether it is there."""
    with closing(_database(cluster, database, proxy, 5.0)) as store:
        committer = Committer(store, proxy, rows)
        length = committer.length()
        for point in _points(length, _POINTS):
            proxy.cut_at(point)
            committer.commit()
            proxy.let_go()
        ledger = committer.ledger
        assert proxy.happened >= _POINTS * 0.9, "the points were not in the commit"
        committer.commit()
    assert not ledger.unanswered
    assert ledger.refused, "a commit cut at its beginning is not there"
    assert len(ledger.stored) > 4 * rows, "what was cut in its answer is"
    with cluster.connect(database) as server:
        ledger.check(server)
    print(f"\n{_POINTS} cuts: {len(ledger.stored)} stored, {len(ledger.refused)} refused")


def _held(
    points: int,
    rows: int,
    cluster: postgres.Cluster,
    database: str,
    proxy: Proxy,
) -> None:
    with (
        closing(_database(cluster, database, proxy, 0.5)) as store,
        cluster.connect(database) as at,
    ):
        committer = Committer(store, proxy, rows)
        length, held = committer.length(), 0
        for point in _points(length, points):
            committer.connect_anew()
            before = proxy.happened
            proxy.hold_at(point)
            committer.commit()
            held += proxy.happened - before
            # Late, and after all was settled: it must change nothing.
            proxy.let_go()
            committer.commit()
            committer.ledger.check(at)
        assert held >= points * 0.9, "the points were not in the commit"
        # The sessions whose bytes were late have had them by now, or have ended.
        _until_alone(at)
        committer.ledger.check(at)
        assert not committer.ledger.unanswered
        assert committer.ledger.refused
        print(
            f"\n{points} holds: {len(committer.ledger.stored)} stored,"
            f" {len(committer.ledger.refused)} refused"
        )


def _until_alone(server: "psycopg.Connection[object]") -> None:
    for _ in range(500):
        found = server.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'taskdashd'"
            " AND datname = current_database() AND state <> 'idle' AND pg_sleep(0.01) IS NOT NULL"
        ).fetchone()
        if found == (0,):
            return
    pytest.fail("a session that was lost goes on")


@pytest.mark.parametrize("rows", [1, 40])
def test_held_at_points_of_a_commit(
    rows: int, cluster: postgres.Cluster, database: str, proxy: Proxy
) -> None:
    """Bytes that come once it is settled that they did not are too late."""
    _held(12, rows, cluster, database, proxy)


@pytest.mark.soak
@pytest.mark.parametrize("rows", [1, 40])
def test_held_at_each_point_of_a_commit(
    rows: int, cluster: postgres.Cluster, database: str, proxy: Proxy
) -> None:
    _held(_POINTS, rows, cluster, database, proxy)


def test_the_fence_alone_keeps_late_bytes_out(
    cluster: postgres.Cluster, database: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the lost session cannot be ended, as after a fail-over by another address."""
    monkeypatch.setattr(Session, "_end_backends", lambda _self, _wire: None)
    with (
        closing(_database(cluster, database, proxy, 0.5)) as store,
        cluster.connect(database) as at,
    ):
        committer = Committer(store, proxy)
        committer.commit()
        for point in (1, 10, 40):
            proxy.hold_at(point)
            committer.commit()
            assert len(committer.ledger.refused) == 1
            proxy.let_go()
            _until_alone(at)
            committer.commit()
            committer.ledger.check(at)
            committer.ledger.refused.clear()


def test_a_daemon_whose_connection_is_cut_answers_what_is_true(
    cluster: postgres.Cluster, database: str, proxy: Proxy, start: Start, tmp_path: Path
) -> None:
    """The whole way: 0 or 1001 to the client, and the next write is stored."""
    store = cluster.dsn(database, proxy.port)
    daemon = start(tmp_path / "data", store=store, leader_lease=5)
    ledger = Ledger()
    with daemon.connect() as client, cluster.connect(database) as server:
        for number in range(30):
            proxy.cut_at(number * 100)
            ledger.note(f"w-{number}", register(client, f"w-{number}"))
        proxy.let_go()
        until_written(daemon, ledger, "last")
        assert not ledger.unanswered
        ledger.check(server)
    is_sound(daemon)
    assert daemon.stop() == 0


def _token(data: Path, name: str, *words: str) -> str:
    made = taskdashd("token", "create", name, "--data", data, *words)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_who_asks_by_http_gets_no_answer_where_nobody_knows_one(
    cluster: postgres.Cluster, database: str, proxy: Proxy, start: Start, tmp_path: Path
) -> None:
    """A request of the API and a ping: the connection ends without a word; the next one gets 507.

    The commit is cut in its middle, and the server cannot be reached for longer than the lease.
    """
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    api, ping = _token(data, "api"), _token(data, "cron", "--role", "ping")
    store = cluster.dsn(database, proxy.port)
    daemon = start(data, store=store, leader_lease=1, web="127.0.0.1:0")
    host, _, port = daemon.wait_for("the board is at")["address"].rpartition(":")
    body = json.dumps({"id": "a", "name": "n", "status": "pending"})
    asked = (
        f"POST /api/v1/Register HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {api}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}",
        f"GET /ping/{ping}/cron-job HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n",
    )
    for number, text in enumerate(asked):
        until_written(daemon, Ledger(), f"before-{number}")
        proxy.cut_at(900, refuses=True)
        with socket.create_connection((host, int(port)), timeout=20) as sock:
            sock.sendall(text.encode())
            assert sock.recv(1000) == b""
        with socket.create_connection((host, int(port)), timeout=20) as sock:
            sock.sendall(text.encode())
            assert sock.recv(1000).startswith(b"HTTP/1.1 507 ")
        proxy.let_go()
    until_written(daemon, Ledger(), "after")
    is_sound(daemon)
    assert daemon.stop() == 0
