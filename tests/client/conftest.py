"""Fixtures that the tests of the client share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated import TIMEOUT_S, SimulatedClient

import taskdash
from taskdash.calls import State
from taskdash.testing import RunningDaemon, running_daemon
from taskdashd.testing import World


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with running_daemon(tmp_path_factory.mktemp("data")) as daemon:
        yield daemon


@pytest.fixture
def dash(daemon: RunningDaemon) -> Iterator[taskdash.Client]:
    with taskdash.connect(daemon.url, client="test/1") as dash:
        yield dash


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, heartbeat_timeout=TIMEOUT_S)
    yield world
    world.close()


@pytest.fixture
def client(world: World) -> SimulatedClient:
    client = SimulatedClient(world)
    client.pump()
    assert client.session.state is State.UP
    return client
