"""Status: what the daemon says of itself, by a client of our own protocol only."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from wire_client import Wire, WiredDaemon


def status(wire: Wire, **body: Any) -> dict[str, Any]:
    return wire.call("Status", body)


def test_it_counts_and_measures(
    start: Callable[..., WiredDaemon], pytestconfig: pytest.Config
) -> None:
    """Tasks by status, connections, watches, commits and the file."""
    daemon = start()
    wire = daemon.connect()
    before = status(wire)
    assert before["errid"] == 0
    assert (before["tasks"], before["live_tasks"], before["rev"]) == ({}, 0, 0)
    assert before["commits"] == {"count": 0}
    for number, name in enumerate(("running", "running", "review", "finish")):
        wire.call("Register", {"id": str(number), "name": "n", "status": name})
    other = daemon.connect()
    other.call("Watch", {})
    after = status(wire)
    assert after["tasks"] == {"running": 2, "review": 1, "finish": 1}
    assert (after["live_tasks"], after["connections"], after["watches"]) == (2, 2, 1)
    assert (after["rev"], after["writes_waiting"]) == (4, 0)
    assert 1 <= after["commits"]["count"] <= 4
    assert 0 < after["commits"]["p50_ms"] <= after["commits"]["max_ms"]
    assert after["pid"] == daemon.pid
    assert after["uptime"] > 0
    assert after["started_at"] < after["time"]
    assert after["memory_bytes"] > 1 << 20
    database = after["database"]
    if pytestconfig.getoption("--store") == "postgres":
        # Nothing else is known of a server's disk.
        assert set(database) == {"engine", "version", "bytes"}
        assert database["engine"] == "PostgreSQL"
        assert re.fullmatch(r"\d+\.\d+", database["version"])
        assert database["bytes"] > 0
        return
    assert set(database) == {
        *("engine", "version", "bytes", "wal_bytes", "free_bytes", "reusable_bytes"),
        *("gives_back", "sqlite"),
    }
    assert (database["engine"], database["gives_back"]) == ("SQLite", True)
    assert database["version"] == database["sqlite"]


def test_the_database_is_checked_when_that_is_asked_for(daemon: WiredDaemon) -> None:
    """The check reads the whole file, so it is made on request alone."""
    assert status(daemon.connect(), check=True)["database"]["check"] == "ok"


def test_a_bad_field_is_refused(daemon: WiredDaemon) -> None:
    """The refusal names the field."""
    reply = daemon.connect().call("Status", {"check": "yes"}, errid=1000)
    assert "check" in reply["detail"]
