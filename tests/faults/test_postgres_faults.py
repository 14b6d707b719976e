"""A PostgreSQL that ends sessions, crashes, fills up, stands still, or is taken by another daemon.

For all of them: what was answered 0 is in the log with that rev, what was answered 1001 is not.
"""

import random
from pathlib import Path

import postgres
import pytest

from .conftest import Serve, end_all, is_sound
from .ledger import Writers, ids_of

_END_ONE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'taskdashd' AND datname = %s ORDER BY random() LIMIT 1
"""


def _ended_at_random(serve: Serve, cluster: postgres.Cluster, database: str, ends: int) -> None:
    daemon = serve()
    draw = random.Random(21)
    with cluster.connect(database) as server:
        with Writers(daemon, "w") as writers:
            for _ in range(ends):
                writers.wait_stored(draw.randrange(1, 40))
                server.execute(_END_ONE, (database,))
            writers.wait_stored(20)
        writers.ledger.check(server)
    is_sound(daemon)
    assert daemon.stop() == 0
    ledger = writers.ledger
    print(
        f"\n{ends} sessions ended: {len(ledger.stored)} stored, {len(ledger.refused)} refused,"
        f" {len(ledger.unanswered)} not answered"
    )


@pytest.mark.fault(56)
def test_sessions_ended_at_random(serve: Serve, cluster: postgres.Cluster, database: str) -> None:
    """`pg_terminate_backend` under four writers: each answer is true, and writing goes on."""
    _ended_at_random(serve, cluster, database, 25)


@pytest.mark.fault(56)
@pytest.mark.soak
def test_many_sessions_ended_at_random(
    serve: Serve, cluster: postgres.Cluster, database: str
) -> None:
    _ended_at_random(serve, cluster, database, 400)


def _crashes(serve: Serve, cluster: postgres.Cluster, database: str, rounds: int) -> None:
    daemon = serve()
    with Writers(daemon, "w") as writers:
        for number in range(rounds):
            writers.wait_stored(50 + 37 * (number % 5))
            cluster.stop("immediate")
            if number % 2:
                # Away for longer than the lease: what is written is refused, and not only held.
                writers.wait_refused()
            cluster.start()
        writers.wait_stored(50)
    with cluster.connect(database) as server:
        writers.ledger.check(server)
    is_sound(daemon)
    assert daemon.stop() == 0


@pytest.mark.fault(56)
def test_crashes(serve: Serve, cluster: postgres.Cluster, database: str) -> None:
    """`pg_ctl stop -m immediate` under four writers, and started again."""
    _crashes(serve, cluster, database, 2)


@pytest.mark.fault(56)
@pytest.mark.soak
def test_many_crashes(serve: Serve, cluster: postgres.Cluster, database: str) -> None:
    _crashes(serve, cluster, database, 20)


@pytest.mark.fault(58)
def test_a_second_daemon_fences_the_first(
    serve: Serve, cluster: postgres.Cluster, database: str
) -> None:
    """The first says so in one line and ends, with a status after which systemd starts none.

    Nothing of it comes after the second is ready, and what it has answered is there.
    """
    first = serve("first")
    with Writers(first, "first") as writers:
        writers.wait_stored(100)
        second = serve("second")
        with cluster.connect(database) as server, second.connect() as client:
            before = len(ids_of(server, "first"))
            client.good("Register", id="second", name="n")
            assert first.wait() == 3
            assert len(ids_of(server, "first")) == before
            log = writers.ledger.check(server)
    assert log[-1] == "second"
    said = [line for line in first.log if line["level"] == "error"]
    assert [line["event"] for line in said] == [
        "this daemon ends: its database is not its own any more"
    ]
    assert "another daemon" in said[0]["why"]
    is_sound(first)
    unit = (Path(__file__).parents[2] / "systemd" / "taskdashd.service").read_text()
    assert "RestartPreventExitStatus=2 3\n" in unit
    # The second stays: nobody takes the database back.
    second.stop()
    is_sound(second)


@pytest.mark.fault(58)
def test_an_idle_daemon_finds_that_it_is_fenced(serve: Serve) -> None:
    """Without a write: whoever still asks it would be told of tasks that have changed since."""
    first = serve("first")
    second = serve("second")
    assert first.wait() == 3
    with second.connect() as client:
        client.good("Register", id="a", name="n")


@pytest.mark.fault(57)
def test_sessions_that_were_lost_while_idle_cost_no_read(
    serve: Serve, cluster: postgres.Cluster, database: str
) -> None:
    """All are ended, as by a fail-over or a firewall: the next read opens them anew."""
    daemon = serve()
    with daemon.connect() as client:
        for number in range(3):
            client.good("Register", id=f"t{number}", name="n", status="pending")
    assert daemon.stop() == 0
    # A daemon that has just started has no task in memory.
    daemon = serve()
    with daemon.connect() as client, cluster.connect(database) as server:
        for number in range(3):
            client.good("Query")
            for operation, body in (("Find", {"id": f"t{number}"}), ("Query", {}), ("Audit", {})):
                end_all(server, database)
                client.good(operation, **body)
    is_sound(daemon)


@pytest.mark.fault(57)
def test_another_database_at_the_same_address_is_refused(
    serve: Serve, cluster: postgres.Cluster, database: str
) -> None:
    """A reconnect to one that was restored, or made anew: its tasks are not those in memory."""
    daemon = serve()
    with daemon.connect() as client:
        client.good("Register", id="a", name="n", status="pending")
    assert daemon.stop() == 0
    daemon = serve()
    with daemon.connect() as client, cluster.connect(database) as server:
        server.execute("UPDATE state SET cluster = 'another'")
        end_all(server, database)
        answer = client.call("Find", {"id": "a"})
        assert answer["errid"] == 1001
        assert "another database" in answer["detail"]
        assert client.call("Register", {"id": "b", "name": "n"})["errid"] == 1001
        assert server.execute("SELECT count(*) FROM change").fetchone() == (1,)
    is_sound(daemon)
