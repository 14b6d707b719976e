"""TLS asks much of the daemon for few bytes: handshakes and changes of keys hold nobody up."""

import signal
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import trustme
from bench.keys import flood_behind_handshake

import taskdash
from taskdash.testing import RunningDaemon, running_daemon
from taskdash_protocol.frames import TASKDASH

FIND = TASKDASH.request({"RequestID": "Find"}, b'{"id":"nobody"}')


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    directory = tmp_path_factory.mktemp("certificate")
    made = trustme.CA().issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    made.private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
    settings = {
        "listen_tls": "127.0.0.1:0",
        "tls_cert": str(directory / "server.pem"),
        "tls_key": str(directory / "server.pem"),
        "handshake_timeout": "2",
    }
    with running_daemon(tmp_path_factory.mktemp("data"), **settings) as daemon:
        yield daemon
        assert not any("exception" in line for line in daemon.log)


def connect(daemon: RunningDaemon, source: str = "127.0.0.2") -> socket.socket:
    port = int(daemon.wait_for("listening with TLS")["address"].rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), 10, (source, 0))


def unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def hello() -> bytes:
    """Give a ClientHello: what has the daemon sign."""
    outgoing = ssl.MemoryBIO()
    tls = unchecked().wrap_bio(ssl.MemoryBIO(), outgoing)
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


class Finds(threading.Thread):
    """Asks Find after Find, and notes when each was answered."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._is_over = threading.Event()
        self.at: list[float] = []
        self.start()

    def run(self) -> None:
        """Ask until `end`."""
        with taskdash.connect(self._url) as dash:
            while not self._is_over.is_set():
                with suppress(taskdash.NotFound):
                    dash.find("nobody")
                self.at.append(time.monotonic())

    def end(self) -> None:
        """Ask no more."""
        self._is_over.set()
        self.join()

    def count(self, began: float, ended: float) -> int:
        """Say how many were answered within a time."""
        return sum(began <= at <= ended for at in self.at)


@pytest.mark.fault(55)
def test_handshakes_at_once_hold_nobody_up(daemon: RunningDaemon) -> None:
    """While a peer has 200 handshakes done, another is answered between one and the next."""
    finds = Finds(daemon.url)
    said = hello()
    with ExitStack() as stack:
        socks = [stack.enter_context(connect(daemon)) for _ in range(200)]
        daemon.signal(signal.SIGSTOP)
        for sock in socks:
            sock.sendall(said)
        daemon.signal(signal.SIGCONT)
        began = time.monotonic()
        for sock in socks:
            assert sock.recv(1), "the daemon has signed"
        ended = time.monotonic()
    finds.end()
    # Both are done by the same loop, so a slow machine makes neither number smaller.
    assert finds.count(began, ended) >= 40


@pytest.mark.fault(55)
def test_addresses_shake_hands_in_turns(daemon: RunningDaemon) -> None:
    """Whoever comes behind 200 handshakes of another address waits for few of them."""
    said = hello()
    with ExitStack() as stack:
        many = [stack.enter_context(connect(daemon)) for _ in range(200)]
        one = stack.enter_context(connect(daemon, "127.0.0.3"))
        # Have all of them there before the first is looked at.
        daemon.signal(signal.SIGSTOP)
        for sock in many:
            sock.sendall(said)
        one.sendall(said)
        daemon.signal(signal.SIGCONT)
        assert all(sock.recv(1) for sock in [*many, one])
        later = sum(answered_ago_ms(sock) < answered_ago_ms(one) for sock in many)
    assert later >= 100


def answered_ago_ms(sock: socket.socket) -> int:
    """Say how long ago the kernel took the last answer (tcp_info, tcpi_last_data_recv)."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int(struct.unpack_from("I", info, 52)[0])


@pytest.mark.fault(55)
def test_changes_of_keys_are_counted(daemon: RunningDaemon) -> None:
    """A peer that changes its keys without end is ended; one that does now and then is served."""
    with connect(daemon) as sock:
        sock.sendall(flood_behind_handshake(sock, 8))
        sock.settimeout(0.3)
        assert not closed(sock)
    finds = Finds(daemon.url)
    with connect(daemon) as sock:
        flood = flood_behind_handshake(sock, 2_400)
        cpu = daemon_cpu_s(daemon.pid)
        with suppress(ConnectionError):
            sock.sendall(flood)
            while sock.recv(1 << 16):
                pass
        took = daemon_cpu_s(daemon.pid) - cpu
    finds.end()
    assert daemon.wait_for("TLS failed")["reason"] == "too many records that hold no data"
    assert took < 0.1, "2,400 changes take more than that"


def closed(sock: socket.socket) -> bool:
    """Tell whether the daemon ends the connection within the socket's timeout."""
    try:
        while sock.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    return True


def daemon_cpu_s(pid: int) -> float:
    """Give the daemon's processor time."""
    nanoseconds = Path(f"/proc/{pid}/schedstat").read_text().split()[0]
    return int(nanoseconds) / 1e9


@pytest.mark.fault(55)
def test_no_room_is_made_for_what_is_announced(daemon: RunningDaemon) -> None:
    """A ClientHello of 128 KiB is refused by its first bytes; OpenSSL would make room for it."""
    with connect(daemon) as sock:
        sock.sendall(bytes.fromhex("160301 0004 01 01ff00"))
        began = time.monotonic()
        with suppress(ConnectionError):
            assert not sock.recv(1)
        assert time.monotonic() - began < 1, "refused, and not waited for"


def shake_hands(raw: socket.socket) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    """Do a handshake, and give TLS in memory: what is written goes when the test sends it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = unchecked().wrap_bio(incoming, outgoing)
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            raw.sendall(outgoing.read())
            incoming.write(raw.recv(1 << 16))
        else:
            return tls, incoming, outgoing


def test_what_came_before_the_end_is_done(daemon: RunningDaemon) -> None:
    """A peer that says in one piece all it has to, and that it ends, gets its reply and the end."""
    with connect(daemon) as raw:
        tls, incoming, outgoing = shake_hands(raw)
        tls.write(FIND)
        with suppress(ssl.SSLWantReadError):
            tls.unwrap()
        raw.sendall(outgoing.read())
        raw.settimeout(5)
        while data := raw.recv(1 << 16):
            incoming.write(data)
        assert b'"errid":1002' in tls.read(1 << 16)


def test_a_peer_that_is_reset_has_said_its_last(daemon: RunningDaemon) -> None:
    """What a peer wrote in many small records before it went counts, though it is read in turns."""
    with connect(daemon) as raw:
        tls, _, outgoing = shake_hands(raw)
        for _ in range(1_000):
            tls.write(TASKDASH.heartbeat)
        body = b'{"id":"last-words","name":"n","status":"finish"}'
        tls.write(TASKDASH.request({"RequestID": "Register"}, body))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.sendall(outgoing.read())
    with taskdash.connect(daemon.url) as dash:
        until = time.monotonic() + 5
        while time.monotonic() < until:
            with suppress(taskdash.NotFound):
                assert dash.find("last-words")["status"] == "finish"
                return
            time.sleep(0.02)
    raise AssertionError("the last words were lost")
