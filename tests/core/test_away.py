"""A daemon whose database is away: who is told what, who is judged, and how it goes on afterwards.

The database is the real one, made to fail as a server does.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskdash_protocol.errors import Busy
from taskdashd.store.faults import Away, Fenced, OutcomeUnknown
from taskdashd.testing import Peer, World

pytestmark = pytest.mark.fault(57)

GONE = Away("the server is gone")
LOST = OutcomeUnknown("the connection was lost")


class Remote:
    """The world's database as a server that is lost and found."""

    def __init__(self, world: World) -> None:
        self._database = world.database
        self._append, self._settle = self._database.append, self._database.settle
        self.is_up = True
        self.loses: bool | None = None
        self.limbo: bool | None = None
        self.asked = 0
        vars(self._database).update(append=self.append, settle=self.settle)

    def append(self, *what: Any) -> None:
        if not self.is_up:
            raise GONE
        if self.loses is not False:
            self._append(*what)
        if self.loses is not None:
            self.limbo, self.loses, self.is_up = self.loses, None, False
            raise LOST

    def settle(self) -> bool | None:
        self.asked += 1
        if not self.is_up:
            raise GONE
        limbo, self.limbo = self.limbo, None
        return limbo


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, heartbeat_timeout=2)
    yield world
    world.close()


@pytest.fixture
def remote(world: World) -> Remote:
    return Remote(world)


def beating(world: World, peers: list[Peer], seconds: float) -> None:
    for _ in range(int(seconds * 4)):
        for peer in peers:
            peer.beat()
        world.advance(0.25)


@pytest.mark.parametrize("is_stored", [True, False])
def test_who_waits_for_a_lost_write_gets_no_reply_and_a_bye(
    world: World, remote: Remote, is_stored: bool
) -> None:
    """What was answered before comes, what was asked since does not; others are told 1001."""
    one, other, reader = world.connect("one"), world.connect("other"), world.connect("reader")
    assert one.ask("Hello", protocol=1)["errid"] == 0
    assert one.ask("Register", id="a", name="n")["errid"] == 0
    remote.loses = is_stored
    one.send("Register", {"id": "b", "name": "n"})
    one.send("Find", {"id": "a"})
    world.sweep()
    other.send("Register", {"id": "c", "name": "n"})
    world.drain()
    assert (one.replies, one.open) == ([], False)
    assert [body["errid"] for body in one.byes] == [1005]
    assert "Find" in one.byes[0]["detail"]
    assert [body["errid"] for body in other.replies] == [1001]
    assert other.open
    assert reader.ask("Find", id="a")["errid"] == 0, "reads of what is in memory go on"
    assert reader.ask("Register", id="d", name="n")["errid"] == 1001
    remote.is_up = True
    world.advance(1)
    assert reader.ask("Find", id="b")["errid"] == (0 if is_stored else 1002)
    assert reader.ask("Register", id="d", name="n")["errid"] == 0
    assert reader.ask("Find", id="c")["errid"] == 1002


def test_a_connection_that_ends_already_does_so_without_the_reply(
    world: World, remote: Remote
) -> None:
    """Such as one that is silent for too long while its write waits."""
    silent = world.connect("silent")
    remote.loses = False
    silent.send("Register", {"id": "a", "name": "n"})
    world.sweep()
    world.expire(silent.connection.session.owner.serial, Busy("no frame came"))
    world.sweep()
    assert silent.open
    world.drain()
    assert (silent.open, silent.replies) == (False, [])


def test_a_read_of_what_is_lost_is_answered_with_what_was_before(
    world: World, remote: Remote
) -> None:
    """Nobody has been told of the write: it may come to be later, or never."""
    writer, reader = world.connect("writer"), world.connect("reader")
    writer.ask("Register", id="a", name="before")
    remote.loses = True
    writer.send("Update", {"id": "a", "name": "after"})
    world.sweep()
    reader.send("Find", {"id": "a"})
    world.drain()
    assert [body["name"] for body in reader.replies] == ["before"]
    remote.is_up = True
    world.advance(1)
    assert reader.ask("Find", id="a")["name"] == "after"


def test_nobody_is_judged_meanwhile_and_everybody_gets_one_full_timeout(
    world: World, remote: Remote
) -> None:
    """Who was silent all the time, too: nothing of the time without a database counts."""
    silent, alive, watcher = (world.connect(name) for name in ("silent", "alive", "watcher"))
    silent.ask("Register", id="silent", name="n", status="running")
    alive.ask("Register", id="alive", name="n", status="running")
    watcher.ask("Watch")
    remote.is_up = False
    assert watcher.ask("Register", id="b", name="n")["errid"] == 1001
    beating(world, [alive, watcher], 10)
    assert remote.asked == pytest.approx(20, abs=3)
    assert watcher.ask("Find", id="silent")["status"] == "running"
    assert silent.open
    remote.is_up = True
    beating(world, [alive, watcher], 2)
    assert watcher.ask("Find", id="silent")["status"] == "running"
    beating(world, [alive, watcher], 1)
    assert watcher.ask("Find", id="silent")["status"] == "shutdown"
    assert watcher.ask("Find", id="alive")["status"] == "running"
    assert [body["kind"] for body in watcher.events] == ["shutdown"]


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_death_that_was_lost_is_written_once(
    world: World, remote: Remote, is_stored: bool
) -> None:
    silent, watcher = world.connect("silent"), world.connect("watcher")
    silent.ask("Register", id="a", name="n", status="running")
    watcher.ask("Watch")
    remote.loses = is_stored
    beating(world, [watcher], 3)
    assert remote.limbo is is_stored
    assert watcher.events == []
    remote.is_up = True
    beating(world, [watcher], 6)
    assert [body["kind"] for body in watcher.events] == ["shutdown"]
    assert watcher.ask("Find", id="a")["status"] == "shutdown"


def test_it_decides_nothing_once_it_stops_though_its_database_comes_back(
    world: World, remote: Remote
) -> None:
    silent = world.connect("silent")
    silent.ask("Register", id="a", name="n", status="running")
    remote.is_up = False
    world.connect("b").ask("Register", id="b", name="n")
    world.advance(1)
    world.core.leading.end()
    remote.is_up = True
    world.advance(10)
    assert world.connect("reader").ask("Find", id="a")["status"] == "running"


def test_a_daemon_whose_database_was_taken_ends(world: World, remote: Remote) -> None:
    """Of its write nothing is there, so that is an answer; then nothing more is decided."""
    ends: list[None] = []
    world.supervisor._end = lambda: ends.append(None)

    def fenced(*_: Any) -> None:
        raise Fenced("another daemon writes to it")

    silent, writer = world.connect("silent"), world.connect("writer")
    silent.ask("Register", id="a", name="n", status="running")
    vars(world.database).update(append=fenced)
    assert writer.ask("Register", id="b", name="n")["errid"] == 1001
    world.advance(0.25)
    assert ends
    beating(world, [writer], 10)
    assert writer.ask("Find", id="a")["status"] == "running"
    assert remote.asked == 0
