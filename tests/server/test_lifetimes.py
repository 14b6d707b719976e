"""A closed connection's memory is freed at once: no cycle waits for the rare collector."""

import gc
import weakref
from pathlib import Path

import pytest

from taskdashd.testing import World


def test_a_connection_leaves_nothing_behind(tmp_path: Path) -> None:
    """Nothing waits for the cycle collector, of connections that watched, owned or queried."""
    world = World(tmp_path)
    gc.collect()
    gc.disable()
    try:
        gone = []
        for number in range(3):
            peer = world.connect(f"peer-{number}")
            peer.ask("Hello", protocol=1, client="c")
            peer.ask("Watch", where={"status": "a"})
            peer.ask("Register", id=f"t{number}", name="n", status="running")
            peer.ask("Query")
            peer.ask("Audit", task=f"t{number}")
            peer.ask("Find", id=f"t{number}")
            gone += [weakref.ref(peer.connection), weakref.ref(peer.connection.inbox)]
            peer.close()
            del peer
        world.advance(1)
        assert [ref() for ref in gone] == [None] * 6
    finally:
        gc.enable()
        world.close()


@pytest.mark.parametrize(
    ("request_id", "body"),
    [
        pytest.param("Handover", {"of": "1", "to": ["1"]}, id="at once"),
        pytest.param("Audit", {"task": "nothing"}, id="after it has waited"),
        pytest.param("RegisterService", {"url": "http://s", "name": "s"}, id="by the disk"),
        pytest.param("Update", {"id": "nothing", "name": "n"}, id="when it writes"),
        pytest.param("Find", {"id": "nothing"}, id="when it reads"),
        pytest.param("Find", {"id": 5}, id="by its fields"),
    ],
)
def test_a_refusal_leaves_nothing_behind(
    tmp_path: Path, request_id: str, body: dict[str, object]
) -> None:
    """A refusal that was raised must not keep the connection that it was told to."""
    world = World(tmp_path)
    gc.collect()
    gc.disable()
    try:
        world.database.full = request_id == "RegisterService"
        peer = world.connect()
        assert peer.ask(request_id, **body)["errid"] != 0
        gone = weakref.ref(peer.connection)
        peer.close()
        del peer
        assert gone() is None
    finally:
        gc.enable()
        world.close()
