"""A closed connection's memory is freed at once: no cycle waits for the rare collector."""

import gc
import weakref
from pathlib import Path

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
