"""A replica takes over: nothing is lost where it was synchronous, and else the loss is told."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import postgres
import psycopg
import pytest
from processes import taskdashd

import taskdash
from taskdash.testing import running_daemon
from taskdashd.store import acknowledged, backup
from taskdashd.store.database import Database

pytestmark = pytest.mark.sqlite("what has both engines by itself")


class Pair:
    """A server and its replica."""

    def __init__(self) -> None:
        self.first = postgres.Cluster()
        self.second = postgres.Replica(self.first)
        self.port = self.second.port
        wait_until(lambda: self.asked(self.first.port, "SELECT count(*) FROM pg_stat_replication"))

    @property
    def store(self) -> str:
        """Both, as a daemon is told of them."""
        hosts = f"127.0.0.1:{self.first.port},127.0.0.1:{self.port}"
        return f"postgresql://{postgres.USER}@{hosts}/postgres"

    def asked(self, port: int, statement: str) -> Any:
        with psycopg.connect(self.first.dsn("postgres", port), autocommit=True) as server:
            (value,) = server.execute(statement).fetchone() or (None,)
            return value

    def tell(self, port: int, *statements: str) -> None:
        with psycopg.connect(self.first.dsn("postgres", port), autocommit=True) as server:
            for statement in (*statements, "SELECT pg_reload_conf()"):
                server.execute(statement)  # type: ignore[arg-type]

    def fail_over(self) -> None:
        """End the first by a crash, and have the other take its place."""
        self.first.stop("immediate")
        self.second.promote()

    def remove(self) -> None:
        self.second.remove()
        self.first.start()
        self.first.remove()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.remove()


def wait_until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_is_lost_where_replication_is_synchronous(pair: Pair, tmp_path: Path) -> None:
    pair.tell(pair.first.port, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    with running_daemon(tmp_path, store=pair.store) as daemon:
        with taskdash.connect(daemon.url) as dash:
            for number in range(30):
                dash.register(f"t{number}", name="n", status="finish")
            pair.fail_over()
        daemon.kill()
    with running_daemon(tmp_path, store=pair.store) as daemon, taskdash.connect(daemon.url) as dash:
        assert len(list(dash.query())) == 30
        dash.register("more", name="n", status="finish")
        assert dash.find("more")["rev"] == 31
    assert backup.check(tmp_path, pair.store) == []


def test_what_an_asynchronous_replica_lacks_is_told(pair: Pair, tmp_path: Path) -> None:
    """The daemon warns of it at its start; afterwards it does not start, unless told to."""
    with running_daemon(tmp_path, store=pair.store) as daemon:
        (warned,) = [line for line in daemon.log if "replica" in line["event"]]
        assert "synchronous_standby_names is empty" in warned["event"]
        with taskdash.connect(daemon.url) as dash:
            dash.register("there", name="n", status="finish")
            at = pair.asked(pair.first.port, "SELECT pg_current_wal_lsn()")
            replayed = f"SELECT pg_last_wal_replay_lsn() >= '{at}'"
            wait_until(lambda: pair.asked(pair.port, replayed))
            pair.tell(pair.port, "ALTER SYSTEM SET primary_conninfo = ''")
            receiving = "SELECT count(*) FROM pg_stat_wal_receiver"
            wait_until(lambda: not pair.asked(pair.port, receiving))
            dash.register("lost", name="n", status="finish")
            noted = tmp_path / acknowledged.NAME
            wait_until(lambda: noted.read_text().split()[1] == f"{2:020}")
            pair.fail_over()
        daemon.kill()
    done = taskdashd("run", "--data", tmp_path, "--store", pair.store, "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert "ends at rev 1, and about rev 2 was acknowledged" in done.stderr
    with closing(Database.open(tmp_path, store=pair.store, accept_loss=True)) as database:
        database.start()
    with running_daemon(tmp_path, store=pair.store) as daemon, taskdash.connect(daemon.url) as dash:
        assert [task["id"] for task in dash.query()] == ["there"]
        dash.register("next", name="n", status="finish")
        assert dash.find("next")["rev"] == 2 + (1 << 20)
        with pytest.raises(taskdash.Conflict, match="no longer held"):
            dash.watch(since=2)
