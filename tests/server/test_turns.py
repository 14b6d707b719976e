"""Whose links are served in a sweep, whose wait: by a clock of the test, without an event loop."""

import socket
import time
from typing import Any, cast

import pytest

from taskdashd.server.deadlines import LinkDeadlines
from taskdashd.server.link import RECV_BYTES, Link
from taskdashd.server.tls import TlsSocket
from taskdashd.server.turns import Turns


class Clock:
    """The time, as a test sets it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def link(address: str, **more: Any) -> Link:
    return Link(cast(Any, None), 0, cast(Any, None), address=address, **more)


def sweep(turns: Turns, clock: Clock, links: list[Link], step_s: float) -> list[Link]:
    """Give the links that a sweep serves, each of which takes so long."""
    turns.begin()
    turns.sends.begin()
    served = []
    for one in links:
        if not turns.put_off(one, turns.reads, 1):
            served.append(one)
            clock.now += step_s
    turns.end()
    return served


def taken(turns: Turns, clock: Clock, step_s: float) -> list[Link]:
    served = []
    for one, _ in turns.take():
        served.append(one)
        clock.now += step_s
    return served


@pytest.mark.fault(33)
def test_who_is_alone_is_served_in_every_sweep(clock: Clock) -> None:
    """Forty links of one address are ready, before those of somebody who has one."""
    turns = Turns()
    many, one = [link("10.0.0.1") for _ in range(40)], link("10.0.0.2")
    for _ in range(50):
        began = clock.now
        served = sweep(turns, clock, [*many, one], 0.0005)
        served += taken(turns, clock, 0.0005)
        assert one in served
        assert clock.now - began < 0.003, "with everything that others had in this sweep"
    assert len(turns) >= 38, "the others wait for their turns"


@pytest.mark.fault(33)
def test_an_address_has_a_sweep_or_the_turns_behind_it(clock: Clock) -> None:
    """Two steps of one address between two of another are one too many."""
    turns = Turns()
    many = [link("10.0.0.1") for _ in range(3)]
    for _ in range(20):
        served = sweep(turns, clock, many, 0.003)
        served += taken(turns, clock, 0.003)
        assert len(served) == 1


def test_the_links_of_an_address_take_turns_too(clock: Clock) -> None:
    """None of an address's links is served twice before each was once."""
    turns = Turns()
    many = [link("10.0.0.1") for _ in range(10)]
    served: list[Link] = []
    while len(served) < 100:
        served += sweep(turns, clock, many, 0.001)
        served += taken(turns, clock, 0.001)
    assert {served.count(one) for one in many} <= {9, 10, 11}


def test_hundreds_of_addresses_make_no_long_sweep(clock: Clock) -> None:
    """Each has its one for a time; whoever comes after it has a turn."""
    turns = Turns()
    many = [link(f"10.0.0.{number}") for number in range(200)]
    began = clock.now
    assert len(sweep(turns, clock, many, 0.0005)) < 10
    assert clock.now - began < 0.004
    assert taken(turns, clock, 0.0005)[0] not in many[:5]


def test_a_busy_address_is_busy_for_a_moment(clock: Clock) -> None:
    turns, one = Turns(), link("10.0.0.1")
    assert sweep(turns, clock, [one], 0.003) == [one]
    assert sweep(turns, clock, [one], 0.0001) == []
    assert taken(turns, clock, 0.0001) == [one], "it waits for nobody where nobody else is"
    clock.now += 1
    assert sweep(turns, clock, [one], 0.0001) == [one]


def test_nobody_is_busy_for_what_others_did_in_between(clock: Clock) -> None:
    turns, one = Turns(), link("10.0.0.1")
    for _ in range(2):
        assert sweep(turns, clock, [one], 0.0001) == [one]
        clock.now += 1


class Listening:
    """A conversation that takes everything."""

    closing = False
    taken = 0

    def receive(self, data: bytes, *, more: bool = False) -> None:
        """Count the bytes."""
        self.taken += len(data)


@pytest.mark.fault(33)
def test_the_rest_of_a_peer_that_has_gone_is_read_in_pieces() -> None:
    """Megabytes may lie in the kernel: what was read at once stood in the daemon's memory."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        theirs.setblocking(False)
        sent = theirs.send(bytes(1 << 20))
        theirs.close()
        conversation = Listening()
        one = Link(ours, ours.fileno(), cast(Any, None))
        one.conversation = cast(Any, conversation)
        assert sent > RECV_BYTES
        while one.take_rest():
            assert conversation.taken <= RECV_BYTES
            sent -= conversation.taken
            conversation.taken = 0
        assert not sent


def test_a_handshake_that_waits_for_its_turn_has_its_time_once_more() -> None:
    """The daemon is late, and not the peer; who dribbles is late all the same."""
    clock = Clock()
    deadlines = LinkDeadlines(clock)
    unfinished = cast(TlsSocket, type("Unfinished", (), {"established": False}))
    waits, silent = link("10.0.0.1", tls=unfinished), link("10.0.0.2", tls=unfinished)
    for one in (waits, silent):
        deadlines.handshakes.start(one, 5)
    clock.now += 5.1
    assert list(deadlines.handshakes_due(5, lambda one: one is waits)) == [silent]
    clock.now += 4
    assert not list(deadlines.handshakes_due(5, lambda one: one is waits))
    clock.now += 1.1
    assert list(deadlines.handshakes_due(5, lambda one: one is waits)) == [waits]
