"""Rates, overload and the operator's own socket, step by step and on the real daemon."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import taskdashd
from wire_client import Wire, ask

import taskdash
from taskdash.testing import running_daemon
from taskdash_protocol.frames import TASKDASH
from taskdashd.domain.access import Identity
from taskdashd.process.doors import CONTROL_NAME
from taskdashd.testing import Peer, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, request_rate=20, identity_rate=30, commit_rows=2, queue_timeout=3.0)
    yield world
    world.close()


def answers(world: World, *peers: Peer, count: int) -> list[int]:
    """Send so many Finds from each, and give the errids of the replies."""
    for peer in peers:
        for _ in range(count):
            peer.send("Find", {"id": "absent"}, seq=1)
    world.drain()
    errids = [reply["errid"] for peer in peers for reply in peer.replies]
    for peer in peers:
        peer.replies.clear()
    return errids


def test_a_connection_that_asks_too_often_is_told_so(world: World) -> None:
    """A second's worth at once, then 1005; after a second it may ask again. Others are served."""
    greedy, other = world.connect("greedy"), world.connect("other")
    assert answers(world, greedy, count=30) == [1002] * 20 + [1005] * 10
    assert answers(world, other, count=5) == [1002] * 5
    world.advance(1.0)
    assert answers(world, greedy, count=20) == [1002] * 20


def test_a_refused_request_has_done_nothing(world: World) -> None:
    """Heartbeats are no requests, and never too many."""
    peer = world.connect("greedy")
    for number in range(30):
        peer.send("Register", {"id": f"t{number}", "name": "n"})
    world.drain()
    refused = [reply["id"] for reply in peer.replies if reply["errid"] == 1005]
    assert refused == [f"t{number}" for number in range(20, 30)]
    other = world.connect("other")
    assert other.ask("Find", id="t20")["errid"] == 1002
    for _ in range(100):
        peer.send_bytes(TASKDASH.beat({"Seq": 1}))
    world.sweep()
    assert len(peer.beats) == 100


def test_an_identity_has_one_rate_for_all_its_connections(tmp_path: Path) -> None:
    """A second connection brings no second rate; another identity has its own."""
    world = World(tmp_path, asks_for_tokens=True, request_rate=20, identity_rate=30)
    world.identities = {
        "a": Identity("a", "operator", key="1"),
        "b": Identity("b", "operator", key="2"),
    }
    peers = [world.connect(name) for name in "aab"]
    for peer, token in zip(peers, "aab", strict=True):
        assert peer.ask("Hello", protocol=1, token=token)["errid"] == 0
    first = answers(world, *peers[:2], count=18)
    assert 1005 in first
    assert 28 <= first.count(1002) <= 30
    assert answers(world, peers[2], count=15) == [1002] * 15
    world.close()


def test_short_connections_give_back_what_they_did_not_use(tmp_path: Path) -> None:
    """Unused parts of a rate go back at the close; a token in each request costs 1, not 16."""
    world = World(tmp_path, asks_for_tokens=True, request_rate=None, identity_rate=100)
    world.identities = {"a": Identity("a", "operator", key="1")}
    for _ in range(45):
        peer = world.connect("short")
        assert peer.ask("Hello", protocol=1, token="a")["errid"] == 0
        assert peer.ask("Find", id="absent")["errid"] == 1002
        peer.close()
    world.advance(1.0)
    peer = world.connect("header")
    for _ in range(90):
        header = {"RequestID": "Find", "Token": "a"}
        peer.send_bytes(TASKDASH.request(header, b'{"id":"absent"}'))
        world.drain()
    assert [reply["errid"] for reply in peer.replies] == [1002] * 90
    world.close()


def test_a_rate_that_is_off_is_off(tmp_path: Path) -> None:
    """Without a rate no request is one too many."""
    world = World(tmp_path, request_rate=None, identity_rate=None)
    peer = world.connect()
    assert answers(world, peer, count=500) == [1002] * 500
    world.close()


def test_what_has_waited_too_long_is_refused_and_then_it_goes_on(tmp_path: Path) -> None:
    """Requests that waited too long for a slow disk get 1005; a later request is served."""
    world = World(tmp_path, commit_rows=2, queue_timeout=3.0, request_rate=None)
    peer = world.connect("many")
    for number in range(50):
        peer.send("Register", {"id": f"many-{number}", "name": "n" * 1000})
    world.sweep()
    assert not peer.replies
    world.time += 4.0
    # Send one more while the others still wait.
    peer.send("Register", {"id": "last", "name": "n"})
    world.drain()
    errids = [reply["errid"] for reply in peer.replies]
    assert len(errids) == 51
    assert errids[:4] == [0] * 4
    assert errids[-1] == 1005
    assert set(errids) == {0, 1005}
    assert peer.ask("Register", id="again", name="n")["errid"] == 0
    world.close()


def control(data: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(str(data / CONTROL_NAME))
    return sock


@pytest.mark.fault(30)
def test_the_operators_socket_always_gets_in(tmp_path: Path, monkeypatch) -> None:
    """The operator gets in however many are connected, without a token, and past others' fences."""
    made = taskdash_token(tmp_path)
    with running_daemon(tmp_path, auth="tokens", max_connections=2) as daemon:
        path = tmp_path / CONTROL_NAME
        assert path.stat().st_mode & 0o777 == 0o600
        monkeypatch.setenv("TASKDASH_TOKEN", made)
        crowd = [Wire(("127.0.0.1", daemon.port)) for _ in range(3)]
        crowd[2].check(crowd[2].reply(), 1005)
        monkeypatch.delenv("TASKDASH_TOKEN")
        with taskdash.connect(f"unix://{path}") as dash:
            dash.register("t", name="n", status="finish")
            assert dash.find("t")["id"] == "t"
        for wire in crowd:
            wire.close()
        assert daemon.stop() == 0
    assert not path.exists()


def taskdash_token(data: Path) -> str:
    return taskdashd("token", "create", "svc", "--data", data).stdout.strip()


def test_a_socket_that_a_dead_daemon_left_is_replaced(tmp_path: Path) -> None:
    """A socket left by kill -9 is replaced, also where its path is too long for an address."""
    data = tmp_path / ("d" * 60) / ("e" * 60)
    with running_daemon(data):
        pass
    assert (data / CONTROL_NAME).exists()
    with running_daemon(data), taskdash.connect(f"unix://{data / CONTROL_NAME}") as dash:
        dash.register("t", name="n", status="finish")


@pytest.mark.fault(30)
def test_connections_from_one_address_are_bounded(tmp_path: Path) -> None:
    """One connection too many is told which limit it is; another address gets in."""
    with running_daemon(tmp_path, max_connections_per_address=2) as daemon:
        crowd = [Wire(("127.0.0.1", daemon.port)) for _ in range(3)]
        told = crowd[2].check(crowd[2].reply(), 1005)
        assert "2 connections from 127.0.0.1" in told["detail"]
        crowd[2].eof()
        other = socket.create_connection(
            ("127.0.0.1", daemon.port), 10, source_address=("127.0.0.2", 0)
        )
        other.sendall(ask("Find", {"id": "x"}))
        assert b"1002" in other.recv(1000)
        other.close()
        for wire in crowd:
            wire.close()


@pytest.mark.fault(21)
def test_unfinished_frames_of_many_are_bounded_together(tmp_path: Path) -> None:
    """Unfinished frames get 1005 once all together hold too much; small requests are served."""
    with running_daemon(tmp_path, input_buffer=1 << 20) as daemon:
        begun = struct.pack(">I", 900_000) + b"\x93" + b"x" * 200_000
        holders = [Wire(("127.0.0.1", daemon.port)) for _ in range(12)]
        for wire in holders:
            wire.send(begun)
        told = 0
        for wire in holders[::-1]:
            try:
                told += wire.reply(2.0).body["errid"] == 1005
            except (TimeoutError, AssertionError):
                break
            wire.eof()
        assert told >= 5
        small = Wire(("127.0.0.1", daemon.port))
        small.find("x", errid=1002)


def test_who_has_not_signed_in_may_send_only_small_frames(tmp_path: Path) -> None:
    """After the sign-in large frames pass, also right behind the Hello."""
    token = taskdash_token(tmp_path)
    with running_daemon(tmp_path, auth="tokens") as daemon:
        stranger = Wire(("127.0.0.1", daemon.port))
        stranger.send(struct.pack(">I", 100_000))
        assert stranger.reply().body["errid"] == 1000
        stranger.eof()
        member = Wire(("127.0.0.1", daemon.port))
        large = ask("Register", {"id": "t", "name": "n" * 500_000})
        member.send(ask("Hello", {"protocol": 1, "token": token}) + large)
        member.check(member.reply())
        member.check(member.reply())
