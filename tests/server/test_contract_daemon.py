"""PROTOCOL.md, 8. "Liveness" and 2. "Frames", where the daemon itself is stopped, starved or
restarted; and peers that talk nonsense (docs/reliability.md, 15, 18, 26)."""

import json
import random
import signal
import struct
import time
from contextlib import suppress

import pytest
from processes import Pulse, descriptors
from wire_client import BEAT, ask, close_all, native

GARBAGE = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS hello": bytes.fromhex("16030100c8010000c40303") + bytes(range(200)),
    "SSH": b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "SMTP": b"EHLO example.com\r\n",
    "noise": b"\xff" + random.Random(7).randbytes(4000),
}


def quiet(wire, seconds):
    """Let time pass on a socket on which nothing may come."""
    with pytest.raises(TimeoutError):
        wire.frame(seconds)


# Restart


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_restart_gives_one_full_timeout(start, group, end):
    """Every live task gets one full timeout from the start, then is judged as ever; what is
    waiting or ended stays as it is."""
    first = start()
    wire = first.connect()
    for status in ("running", "pending", "finished"):
        wire.register(f"{group}-{status}", group_id=group, status=status, heartbeat_timeout=0.8)
    wire.register(f"{group}-taken", group_id=group, status="running", heartbeat_timeout=0.8)
    since = wire.find(f"{group}-taken")["rev"]
    getattr(first, end)()
    started_at = time.monotonic()
    second = start()
    ready_at = time.monotonic()
    watcher, owner = second.connect(), second.connect()
    watcher.watch(where={"group_id": group}, since=since)
    owner.update(f"{group}-taken", user="again")
    assert watcher.event().kind == "updated"
    while True:
        owner.beat()
        with suppress(TimeoutError):
            event = watcher.event(0.1)
            break
        assert time.monotonic() < ready_at + 1.9
    assert (event.kind, event.task["id"]) == ("shutdown", f"{group}-running")
    assert started_at + 0.8 <= event.at <= ready_at + 1.8
    for _ in range(5):
        owner.beat()
        quiet(watcher, 0.1)


def test_everything_survives_a_restart(start, group):
    """Tasks, epochs, unknown fields and shutdown states are as they were."""
    first = start()
    wire = first.connect()
    wire.register(f"{group}-1", status="running", extra={"a": [1, "值"]}, heartbeat_timeout=60)
    first.connect().update(f"{group}-1", user="u")
    wire.register(f"{group}-2", status="running", heartbeat_timeout=0.5)
    watcher = first.connect()
    watcher.watch(where={"status": "shutdown"})
    watcher.event(3)
    reader = first.connect()
    before = [reader.find(f"{group}-{n}") for n in (1, 2)]
    close_all()
    assert first.stop() == 0
    reader = start().connect()
    for n in (1, 2):
        after = reader.find(f"{group}-{n}")
        for name in set(before[n - 1]) - {"last_seen"}:
            assert after[name] == before[n - 1][name], name


@pytest.mark.fault(37)
def test_stopping_kills_nobody(start, group):
    """A daemon that is told to stop, and hears nobody any more, judges nobody: whoever beat until
    its Bye has a full timeout from the next start."""
    first = start()
    wire, lingers = first.connect(), first.connect()
    lingers.ping()
    wire.hello()
    wire.register(group, group_id=group, status="running", heartbeat_timeout=0.5)
    for _ in range(3):
        wire.beat()
        quiet(wire, 0.1)
    wire.beat()
    first.signal(signal.SIGTERM)
    wire.bye()
    wire.close()
    # `lingers` keeps its side open, so that the daemon takes its time.
    assert first.wait() == 0
    second = start()
    assert second.connect().find(group)["status"] == "running"


# Stop


@pytest.mark.fault(37)
def test_sigterm(start, group):
    """Exit 0, a Bye to those who said Hello, just the end to the others; both framings."""
    daemon = start()
    polite, curt, mute = daemon.connect(), daemon.connect(), daemon.connect()
    polite.hello()
    polite.register(group)
    curt.ping()
    daemon.signal(signal.SIGTERM)
    assert polite.bye()["errid"] in (0, 1000, 1001, 1002, 1003, 1004, 1005)
    curt.eof()
    mute.eof()
    began = time.monotonic()
    assert daemon.wait() == 0
    assert time.monotonic() - began < 10


@pytest.mark.fault(37)
def test_sigterm_under_load(start, group):
    """What was acknowledged is there, exit 0; the Bye comes after the replies."""
    daemon = start()
    wire = daemon.connect()
    wire.hello()
    count = 3000
    wire.send(b"".join(ask("Register", {"id": f"{group}-{n}", "name": "n"}) for n in range(count)))
    wire.check(wire.reply())
    daemon.signal(signal.SIGTERM)
    acknowledged = 1
    while (frame := wire.reply()).message_id == 2:
        wire.check(frame)
        acknowledged += 1
    assert frame.header == {"Bye": True}
    wire.eof()
    wire.close()
    assert daemon.wait() == 0
    reader = start().connect()
    for n in range(0, acknowledged, 7):
        reader.find(f"{group}-{n}")
    reader.find(f"{group}-{acknowledged - 1}")


# Stalls


@pytest.mark.fault(15)
def test_stopped_daemon_kills_nobody_who_beats(start, group):
    """Frames that wait in the sockets are read before anyone is judged."""
    daemon = start()
    wires = [daemon.connect() for _ in range(30)]
    watcher = daemon.connect()
    watcher.watch(where={"group_id": group})
    with Pulse(*wires):
        for n, wire in enumerate(wires):
            wire.register(f"{group}-{n}", group_id=group, status="running", heartbeat_timeout=0.5)
            watcher.event()
        daemon.signal(signal.SIGSTOP)
        quiet(watcher, 1.6)
        daemon.signal(signal.SIGCONT)
        quiet(watcher, 0.8)
        watcher.ping()
        assert not watcher.events


@pytest.mark.fault(15)
@pytest.mark.parametrize("stall", [0.8, 2.0])
def test_time_of_a_stall_does_not_count(start, group, stall):
    """Time that the daemon itself was not running does not count, however short: who was silent
    only because nobody listened has the rest of the timeout left."""
    daemon = start()
    wire, watcher = daemon.connect(), daemon.connect()
    watcher.watch(where={"group_id": group})
    wire.register(group, group_id=group, status="running", heartbeat_timeout=0.7)
    assert watcher.event().kind == "registered"
    daemon.signal(signal.SIGSTOP)
    quiet(watcher, stall)
    daemon.signal(signal.SIGCONT)
    resumed = time.monotonic()
    for _ in range(3):
        quiet(watcher, 0.1)
    wire.ping()
    quiet(watcher, 0.4)
    low = wire.sent_at
    event = watcher.event(3)
    assert event.kind == "shutdown"
    assert low + 0.7 <= event.at <= low + 1.8
    assert event.at > resumed + 0.7


@pytest.mark.fault(15)
def test_silent_after_a_stall(start, group):
    """Who stays silent is shut down after the rest of its timeout, at most 1 s later."""
    daemon = start()
    wire, watcher = daemon.connect(), daemon.connect()
    watcher.watch(where={"group_id": group})
    wire.register(group, group_id=group, status="running", heartbeat_timeout=1.0)
    low = wire.sent_at
    assert watcher.event().kind == "registered"
    quiet(watcher, 0.35)
    daemon.signal(signal.SIGSTOP)
    stopped = time.monotonic()
    quiet(watcher, 1.6)
    daemon.signal(signal.SIGCONT)
    resumed = time.monotonic()
    event = watcher.event(3)
    assert event.kind == "shutdown"
    assert resumed + 1.0 - (stopped - low) - 0.02 <= event.at <= resumed + 2.0, (
        f"{event.at - resumed:.3f} s after the stall"
    )


# Peers


def one_line_each(daemon, ports):
    """Each of these peers is named in exactly one line of the log."""
    daemon.connect().ping()
    close_all()
    daemon.stop()
    return {port: sum(f':{port}"' in json.dumps(line) for line in daemon.log) for port in ports}


@pytest.mark.fault(26)
@pytest.mark.parametrize("name", GARBAGE)
def test_garbage(daemon, wire, name):
    """Another protocol is told 1000 and closed within 1 s; others are served."""
    stranger = daemon.connect()
    stranger.send(GARBAGE[name])
    stranger.check(stranger.reply(1.0), 1000)
    stranger.eof(1.0)
    wire.ping()


@pytest.mark.fault(26)
def test_garbage_leaves_two_log_lines(start):
    """The first peer that talks nonsense is named at once; those of the next ten seconds are
    joined into one line, which names them all, says how often it came, and who was last."""
    daemon = start()
    sources = [f"127.0.0.{number}" for number in range(2, 2 + len(GARBAGE))]
    for source, garbage in zip(sources, GARBAGE.values(), strict=True):
        for _ in range(1 if source == sources[0] else 20):
            stranger = daemon.connect(source=source)
            stranger.send(garbage)
            stranger.reply()
            stranger.eof()
    daemon.stop()
    first, joined = (line for line in daemon.log if line["event"] == "closing")
    assert first["peer"].startswith(f"{sources[0]}:")
    assert joined["peer"].startswith(f"{sources[-1]}:")
    assert joined["times"] == 20 * len(sources[1:])
    assert {f"{source} 20" for source in sources[1:]} == set(joined["most"].split(", "))


@pytest.mark.fault(26)
def test_noise_never_harms(start):
    """Noise of every shape: refused or cut off, and the daemon serves on."""
    daemon = start(frame_timeout=0.5)
    random_bytes = random.Random(42)
    wire = daemon.connect()
    good = ask("Register", {"id": "noise", "name": "n"}, Seq=1)
    for turn in range(150):
        stranger = daemon.connect()
        kind = turn % 3
        with suppress(OSError):
            if kind == 0:
                stranger.send(random_bytes.randbytes(random_bytes.randrange(1, 5000)))
            elif kind == 1:
                payload = bytearray(good[4:])
                for _ in range(random_bytes.randrange(1, 6)):
                    payload[random_bytes.randrange(len(payload))] = random_bytes.randrange(256)
                stranger.send(struct.pack(">I", len(payload)) + payload)
            else:
                size = random_bytes.randrange(1, 200)
                noise = random_bytes.randbytes(size)
                stranger.send(struct.pack(">I", size) + b"\0" * (turn % 2) + noise)
        if turn % 2:
            stranger.reset()
        wire.ping()


@pytest.mark.fault(18)
def test_reset_in_mid_frame(start):
    """A peer that resets in the middle of a frame leaves one log line at most, no
    traceback, and harms nobody; replies that were under way go nowhere."""
    daemon = start()
    wire = daemon.connect()
    frame = ask("Register", {"id": "reset", "name": "n"})
    ports = []
    for cut in (1, 4, 5, 20, len(frame) - 1, len(frame)):
        peer = daemon.connect()
        ports.append(peer.sock.getsockname()[1])
        peer.send(BEAT + frame * 50 + frame[:cut])
        peer.reset()
        wire.ping()
    assert max(one_line_each(daemon, ports).values()) <= 1
    assert not daemon.faults()


def test_connections_that_come_and_go(daemon, wire):
    """Half a thousand connections opened and closed at once leave no descriptor behind."""
    wire.ping()
    before = descriptors(daemon.pid)
    for turn in range(500):
        peer = daemon.connect()
        if turn % 3 == 0:
            peer.send(native(1392, {"Seq": 1})[: turn % 15])
        if turn % 2:
            peer.reset()
        else:
            peer.close()
    for _ in range(100):
        wire.ping()
        if descriptors(daemon.pid) <= before:
            return
        with suppress(TimeoutError):
            wire.frame(0.05)
    pytest.fail(f"{descriptors(daemon.pid)} descriptors, {before} before")
