"""PROTOCOL.md, 2. "Frames" and 5. "Errors": lengths that cannot be trusted, and frames that are
never completed."""

import socket
import struct

import pytest
from processes import memory_kib
from wire_client import EVENT, HEARTBEAT, WiredDaemon, ask, end, native

FIND = ask("Find", {"id": "1234567"})

# Lengths


@pytest.mark.fault(21)
@pytest.mark.parametrize("size", [0, (1 << 20) + 1, 1 << 31, (1 << 32) - 1])
def test_length_that_cannot_be_trusted(wire, size):
    """Length 0 or above 1 MiB: 1000 and close, in turn; four bytes are enough to judge it."""
    wire.send(ask("Find", {"id": "no"}, Seq=1) + struct.pack(">I", size))
    assert wire.reply().header["Seq"] == 1
    wire.check(wire.reply(), 1000)
    wire.eof()


@pytest.mark.parametrize("size", [0, (1 << 20) + 1, (1 << 32) - 1])
def test_length_that_cannot_be_trusted_comes_first(wire, size):
    """The same holds for the first four bytes of a connection, though no fifth ever comes."""
    wire.send(struct.pack(">I", size))
    wire.check(wire.reply(), 1000)
    wire.eof()


@pytest.mark.fault(21)
def test_nothing_after_a_bad_length_is_done(daemon, wire, task_id):
    """The stream cannot be trusted past a bad length."""
    wire.send(b"\0\0\0\0" + ask("Register", {"id": task_id, "name": "n"}))
    wire.check(wire.reply(), 1000)
    wire.eof()
    daemon.connect().find(task_id, errid=1002)


@pytest.mark.fault(21)
def test_frame_of_exactly_the_limit(wire):
    """1 MiB is not above 1 MiB."""
    empty = len(ask("Find", b" " * 70_000)) - 70_000 - 4
    frame = ask("Find", b'{"id":"no"}'.ljust((1 << 20) - empty))
    assert len(frame) - 4 == 1 << 20
    wire.send(frame)
    wire.check(wire.reply(), 1002)
    wire.ping()


def test_limit_is_a_setting_and_told(start):
    """The limit is a setting (default 1 MiB); Hello's reply names it."""
    wire = start(max_frame=8192).connect()
    assert wire.hello()["max_frame"] == 8192
    wire.send(struct.pack(">I", 8193))
    wire.check(wire.reply(), 1000)


def test_bad_length_after_hello_says_bye(wire):
    """To a client that said Hello, the daemon says Bye before it closes (limit)."""
    wire.hello()
    wire.send(b"\0\0\0\0")
    wire.check(wire.reply(), 1000)
    wire.bye()


@pytest.mark.fault(21)
def test_length_alone_reserves_no_memory(daemon):
    """A length alone never makes the daemon reserve memory."""
    probe = daemon.connect()
    probe.ping()
    before = memory_kib(daemon.pid, "Rss")
    for _ in range(100):
        daemon.connect().send(struct.pack(">I", 1 << 20) + b"\x93")
    probe.ping()
    assert memory_kib(daemon.pid, "Rss") - before < 4 << 10


# frame_timeout


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A daemon that waits 0.5 s for the rest of a frame."""
    running = WiredDaemon(tmp_path_factory.mktemp("hasty"), {"frame_timeout": 0.5})
    yield running
    end(running)


@pytest.mark.fault(27)
def test_frame_not_completed(hasty):
    """A frame that is begun and not completed within frame_timeout: 1000 and close."""
    wires = []
    for cut in (1, 3, 4, 5, 20, len(FIND) - 1):
        wires.append(hasty.connect())
        wires[-1].find("no", errid=1002)
        wires[-1].send(FIND[:cut])
    for wire in wires:
        frame = wire.reply(1.5)
        wire.check(frame, 1000)
        assert frame.at - wire.sent_at >= 0.49
        wire.eof()


def test_first_frame_not_completed(hasty):
    """The same holds for a connection's first frame, of which two bytes of a length came."""
    wire = hasty.connect()
    wire.send(b"\0\0")
    wire.check(wire.reply(1.5), 1000)
    wire.eof()


def test_frame_timeout_after_hello_says_bye(hasty):
    """To a client that said Hello, the daemon says Bye before it closes (timeout)."""
    wire = hasty.connect()
    wire.hello()
    wire.send(FIND[:10])
    wire.check(wire.reply(1.5), 1000)
    wire.bye()


@pytest.mark.fault(27)
def test_slowloris(hasty):
    """A byte now and then does not move the deadline of its frame."""
    wire, other = hasty.connect(), hasty.connect()
    began = None
    for at in range(len(FIND) - 1):
        wire.send(FIND[at : at + 1])
        began = began or wire.sent_at
        other.find("no", errid=1002)
        try:
            frame = wire.frame(0.1)
        except TimeoutError:
            continue
        wire.check(frame, 1000)
        assert 0.49 <= frame.at - began <= 1.5
        wire.eof()
        return
    pytest.fail("never cut")


def test_deadline_is_each_frames_own(hasty):
    """A stream that is always in the middle of some frame, each of them quick, is never cut."""
    wire = hasty.connect()
    frame = native(HEARTBEAT, {"Seq": 1})
    wire.send(frame[:7])
    for _ in range(12):
        with pytest.raises(TimeoutError):
            wire.frame(0.1)
        wire.send(frame[7:] + frame[:7])
        assert wire.reply().header == {"Seq": 1}


def test_idle_connection_has_begun_no_frame(hasty):
    """Between frames the frame_timeout does not run."""
    wire, silent = hasty.connect(), hasty.connect()
    wire.ping()
    wire.silent(0.9)
    wire.ping()
    silent.ping()


def test_replies_go_out_before_the_close(hasty):
    """Whole frames are answered, then the cut frame gets 1000."""
    wire = hasty.connect()
    wire.send(FIND + FIND + FIND[:-1])
    wire.check(wire.reply(), 1002)
    wire.check(wire.reply(), 1002)
    wire.check(wire.reply(1.5), 1000)
    wire.eof()


def test_events_are_not_for_clients(wire, task_id):
    """MessageID 3 is the daemon's: it runs no operation."""
    wire.send(native(EVENT, {"RequestID": "Register"}, {"id": task_id, "name": "n"}))
    wire.send(ask("Find", {"id": task_id}, Seq="end"))
    frame = wire.reply()
    while frame.header.get("Seq") != "end":
        frame = wire.reply()
    wire.check(frame, 1002)


def test_close_is_orderly_with_unread_input(wire):
    """The 1000 before a close arrives even though more was on its way (no reset)."""
    wire.send(struct.pack(">I", 0) + b"z" * 300_000)
    wire.check(wire.reply(), 1000)
    wire.eof()
    wire.sock.shutdown(socket.SHUT_WR)
