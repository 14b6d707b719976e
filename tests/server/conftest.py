"""Daemons for the contract suite: one a module, or as many as a test wants."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from wire_client import Wire, WiredDaemon, close_all, end, unique


@pytest.fixture(autouse=True)
def _no_socket_left() -> Iterator[None]:
    yield
    close_all()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WiredDaemon]:
    """One daemon for the tests of a module, with the contract's defaults."""
    running = WiredDaemon(tmp_path_factory.mktemp("daemon"))
    yield running
    end(running)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., WiredDaemon]]:
    """Start a daemon with settings; `data` names a directory under the test's own."""
    running: list[WiredDaemon] = []

    def run(data: str = "data", **settings: Any) -> WiredDaemon:
        running.append(WiredDaemon(tmp_path / data, settings))
        return running[-1]

    yield run
    close_all()
    for one in running:
        end(one)


@pytest.fixture
def wire(daemon: WiredDaemon) -> Wire:
    """A connection to the module's daemon."""
    return daemon.connect()


@pytest.fixture
def task_id() -> str:
    """An id that no other test uses."""
    return unique()


@pytest.fixture
def group():
    """A group_id that no other test uses."""
    return unique("g")


@pytest.fixture
def watcher(daemon, group):
    """A connection that is told of everything in the group."""
    wire = daemon.connect()
    wire.watch(where={"group_id": group})
    return wire
