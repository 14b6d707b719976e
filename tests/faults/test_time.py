"""Faults 15 and 34: time that jumps, and a daemon that stands still."""

import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from processes import stretch

from taskdash.testing import COMMAND

from .conftest import Start
from .wire import BEAT, Client, WiredDaemon, pace, request

_TIMEOUT_S = 1.5
_LASTS_S = 3.5


def _library() -> Path | None:
    return next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


def _lives_and_dies(
    daemon: WiredDaemon, jump: float | None = None, file: Path | None = None
) -> str:
    """Check that a beating task lives and a silent one dies in time, while the clock jumps."""
    with daemon.connect() as alive, daemon.connect() as watcher:
        name = f"{jump}"
        alive.good("Register", id=f"alive{name}", name="n", heartbeat_timeout=_TIMEOUT_S)
        watcher.good("Watch", where={"id": [f"alive{name}", f"dead{name}"]})
        with daemon.connect() as dead:
            dead.good("Register", id=f"dead{name}", name="n", heartbeat_timeout=_TIMEOUT_S)
            spoke = time.monotonic()
            if file is not None:
                file.write_text(f"{jump:+.0f}d")
            died = 0.0
            while time.monotonic() < spoke + _LASTS_S:
                alive.send(BEAT)
                watcher.send(BEAT)
                try:
                    watcher.receive(0.1)
                except TimeoutError:
                    continue
                for at, _, body in watcher.events:
                    if body["kind"] == "shutdown":
                        assert body["task"]["id"] == f"dead{name}"
                        died = at
                watcher.events.clear()
        assert _TIMEOUT_S - 0.05 <= died - spoke <= _TIMEOUT_S + 1.1
        answer = alive.good("Update", id=f"alive{name}", description="x")
        assert answer["errid"] == 0
        return str(alive.good("Find", id=f"alive{name}")["updated_at"])


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have daemons read from a file by how much their wall clock is wrong."""
    library = _library()
    if library is None:
        pytest.skip("faketime is not installed")
    file = tmp_path / "time"
    file.write_text("+0d")
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(file))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    with monkeypatch.context() as loading:
        loading.setenv("LD_PRELOAD", str(library))
        yield file


@pytest.mark.soak
@pytest.mark.fault(34)
def test_a_wall_clock_that_jumps(start: Start, file: Path) -> None:
    """Jumps of 400 days both ways: liveness does not notice, and stamps follow the clock."""
    daemon = start()
    year = time.gmtime().tm_year
    for jump in (400, -400, 0):
        at = _lives_and_dies(daemon, jump, file)
        expected = time.gmtime(time.time() + jump * 86400)
        assert at[:10] == time.strftime("%Y-%m-%d", expected), (jump, year)
    assert not any("stood still" in line["event"] for line in daemon.log)
    daemon.no_traceback()


@pytest.mark.fault(34)
@pytest.mark.parametrize("hours", [10, -10])
def test_a_claim_lasts_as_long_whatever_the_clock_is_set_to(
    start: Start, file: Path, hours: int
) -> None:
    """NTP sets a Pi that has no clock: a claim of three seconds ends after three, not before."""
    daemon = start()
    with daemon.connect() as client, daemon.connect() as watcher:
        client.good("SetPerson", user="ann", name="Ann")
        client.good("Register", id="t", name="n", status="待领取")
        until = client.good("Claim", id="t", user="ann", limit=3)["claim_until"]
        claimed = time.monotonic()
        watcher.good("Watch", where={"id": ["t"]})
        pace(1.0)
        file.write_text(f"{hours:+d}h")
        pace(1.0)
        assert client.good("Find", id="t")["claim_until"] == until
        watcher.receive(5.0)
        ((at, _, body),) = watcher.events
    assert body["task"]["status"] == "待领取"
    assert -0.1 <= at - claimed - 3 <= 1.0 * stretch()
    told = datetime.fromisoformat(body["task"]["updated_at"])
    assert abs((told - datetime.fromisoformat(until)).total_seconds() - hours * 3600) < 1.5
    daemon.no_traceback()


@pytest.mark.fault(34)
@pytest.mark.parametrize("seconds", [0, 10_000_000])
def test_a_monotonic_clock_from_anywhere(seconds: int, start: Start) -> None:
    """On a machine that has been up for months, or was just started; and in a zone with DST."""
    prefix = ("unshare", "--time", "--monotonic", str(seconds)) if seconds else ()
    daemon = start(command=("env", "TZ=Europe/Berlin", *prefix, *COMMAND))
    assert _lives_and_dies(daemon).endswith("Z")
    daemon.no_traceback()


@pytest.mark.soak
@pytest.mark.fault(15)
def test_a_daemon_that_stands_still_for_a_minute(start: Start, seconds: float | None) -> None:
    """Nobody is blamed; requests from meanwhile are done, and their answers are true."""
    daemon = start(heartbeat_timeout=2)
    with daemon.connect() as client, daemon.connect() as other:
        client.good("Register", id="a", name="n", status="running")
        other.good("Register", id="b", name="n", status="running")
        daemon.signal(signal.SIGSTOP)
        for number in range(50):
            client.send(request("Update", {"id": "a", "description": f"{number}"}))
        pace(seconds or 60.0)
        daemon.signal(signal.SIGCONT)
        for _ in range(50):
            assert client.reply()["errid"] == 0
        other.send(BEAT)
        assert client.good("Find", id="a")["description"] == "49"
        pace(1.0)
        for task_id in ("a", "b"):
            assert client.good("Find", id=task_id)["status"] == "running"
    _is_stored(daemon)


def _is_stored(daemon: WiredDaemon) -> None:
    daemon.kill()
    again = WiredDaemon(daemon.data)
    try:
        with Client(again.port) as client:
            assert client.good("Find", id="a")["description"] == "49"
    finally:
        again.kill()
