"""A full disk leaves room for operators, so that they can make more."""

import contextlib
import os
import time
from pathlib import Path

import pytest

import taskdash
from taskdashd.process.doors import CONTROL_NAME

from .conftest import Start
from .wire import Client, pace

pytestmark = pytest.mark.sqlite("the disk under the file")


@pytest.mark.fault(5)
def test_a_daemon_starts_on_a_full_disk(small_disk: Path, start: Start) -> None:
    """The reserve gives room to start; once there is room, it is as large as before."""
    data = small_disk / "data"
    daemon = start(data)
    kept = (data / "reserve").stat().st_size
    with daemon.connect() as client:
        client.good("Register", id="a", name="n", status="finish")
    assert daemon.stop() == 0
    ballast = small_disk / "ballast"
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(file, b"\0" * 4096)
    os.close(file)
    again = start(data)
    with again.connect() as client:
        assert client.good("Find", id="a")["name"] == "n"
        refused = client.call("Register", {"id": "b", "name": "n", "status": "finish"})
        assert refused["errid"] == 1001
        ballast.unlink()
        _wait_for_room(client)
    assert (data / "reserve").stat().st_size >= kept * 3 // 4
    again.no_traceback()


def _wait_for_room(client: Client) -> None:
    end = time.monotonic() + 30
    while client.call("Register", {"id": "small", "name": "n", "status": "finish"})["errid"]:
        assert time.monotonic() < end
        pace(0.1)


@pytest.mark.fault(5)
def test_an_operator_can_write_on_a_full_disk(small_disk: Path, start: Start) -> None:
    """The reserve is given up for operators; others are told 1001 until there is room again."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (1 << 19))
    data = small_disk / "data"
    daemon = start(data)
    assert (data / "reserve").stat().st_size > 0
    with daemon.connect() as service:
        for number in range(1000):
            body = {"id": f"fill{number}", "name": "n", "status": "finish"}
            if service.call("Register", body | {"description": "x" * 20_000})["errid"]:
                break
        assert not (data / "reserve").exists()
        refused = service.call("Register", {"id": "small", "name": "n", "status": "finish"})
        assert refused["errid"] == 1001
        assert "only operators" in refused["detail"]
        with taskdash.connect(f"unix://{data / CONTROL_NAME}") as operator:
            operator.update("fill0", own=False, status="cancelled", reason="no room")
            assert operator.find("fill0")["status"] == "cancelled"
        ballast.unlink()
        _wait_for_room(service)
        assert (data / "reserve").exists()
    daemon.no_traceback()
