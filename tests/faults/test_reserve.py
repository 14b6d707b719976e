"""A full disk leaves room for the operator, who makes more of it."""

import time
from pathlib import Path

import pytest

import taskdash
from taskdashd.doors import CONTROL_NAME

from .conftest import Start
from .wire import pace


@pytest.mark.fault(5)
def test_an_operator_can_write_on_a_full_disk(small_disk: Path, start: Start) -> None:
    """The reserve is given up for them; others are told 1001 until there is room again."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (1 << 19))
    data = small_disk / "data"
    daemon = start(data)
    assert (data / "reserve").stat().st_size > 0
    with daemon.connect() as service:
        for number in range(1000):
            body = {"id": f"fill{number}", "name": "x" * 20_000, "status": "finish"}
            if service.call("Register", body)["errid"]:
                break
        assert not (data / "reserve").exists()
        refused = service.call("Register", {"id": "small", "name": "n", "status": "finish"})
        assert refused["errid"] == 1001
        assert "only operators" in refused["detail"]
        with taskdash.connect(f"unix://{data / CONTROL_NAME}") as operator:
            operator.update("fill0", own=False, status="cancelled", reason="no room")
            assert operator.find("fill0")["status"] == "cancelled"
        ballast.unlink()
        end = time.monotonic() + 10
        while service.call("Register", {"id": "small", "name": "n", "status": "finish"})["errid"]:
            assert time.monotonic() < end
            pace(0.1)
        assert (data / "reserve").exists()
    daemon.no_traceback()
