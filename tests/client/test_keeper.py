"""The keeper: one task, whatever happens to the connection."""

import signal
import socket
from pathlib import Path
from queue import Queue

from daemon import Daemon

import taskdash
from taskdash import Keeper, address


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def keep(port: int, said: "Queue[str]", **fields: str) -> Keeper:
    where = address.Address("127.0.0.1", port, 2.0)
    return Keeper(where, "keeper/1", {"id": "kept", "name": "n", **fields}, said.put)


def test_what_is_said_while_the_daemon_is_away_is_said_when_it_is_back(tmp_path: Path) -> None:
    """The task is registered late, with its newest state."""
    port, said = free_port(), Queue[str]()
    keeper = keep(port, said, status="running")
    assert "Connection refused" in said.get(timeout=5)
    keeper.update(description="half way")
    with Daemon(tmp_path, port=port) as daemon, taskdash.connect(daemon.url) as dash:
        assert "is back" in said.get(timeout=15)
        assert keeper.registered.wait(5)
        assert keeper.finish(5, status="finish")
        task = dash.find("kept")
        assert (task["status"], task["description"]) == ("finish", "half way")


def test_a_task_survives_the_daemon(tmp_path: Path) -> None:
    """kill -9, a restart, and the keeper has its task again, with the next epoch."""
    said: Queue[str] = Queue()
    with Daemon(tmp_path) as daemon:
        keeper = keep(daemon.port, said, status="running")
        assert keeper.registered.wait(5)
        port = daemon.port
        daemon.stop(signal.SIGKILL)
    keeper.update(description="meanwhile")
    with Daemon(tmp_path, port=port) as daemon, taskdash.connect(daemon.url) as dash:
        watch = dash.watch(since=1)
        event = watch.next(timeout_s=15)
        assert event is not None
        assert event.task["description"] == "meanwhile"
        assert event.task["epoch"] == 2
        assert keeper.finish(5, status="finish")


def test_a_task_that_somebody_else_took_is_left_alone(tmp_path: Path) -> None:
    """After a break the keeper finds another epoch, says so, and stops writing."""
    said: Queue[str] = Queue()
    with Daemon(tmp_path) as daemon:
        keeper = keep(daemon.port, said, status="running")
        assert keeper.registered.wait(5)
        port = daemon.port
        with taskdash.connect(daemon.url) as thief:
            thief.update("kept", user="thief")
        daemon.stop(signal.SIGKILL)
    with Daemon(tmp_path, port=port) as daemon, taskdash.connect(daemon.url) as dash:
        words = [said.get(timeout=15)]
        while "no longer ours" not in words[-1]:
            words.append(said.get(timeout=15))
        assert not keeper.finish(1, status="finish")
        task = dash.find("kept")
        assert (task["status"], task["user"]) == ("running", "thief")
