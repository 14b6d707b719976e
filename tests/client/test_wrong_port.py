"""What a client is told at a port that is no taskdashd's, and what taskdashd tells strangers."""

import http.client
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

import taskdash
from taskdash.testing import RunningDaemon, running_daemon
from taskdash_protocol import foreign
from taskdash_protocol.frames import FRAME_BYTES_MAX, Decoder

DOCUMENTED = (taskdash.ProtocolError, taskdash.ConnectionError, taskdash.TimeoutError)


@contextmanager
def greeter(greeting: bytes, *, waits: bool = False) -> Iterator[int]:
    """Serve one connection that begins with a greeting, or answers by it; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                if waits:
                    peer.recv(4096)
                peer.sendall(greeting)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def refusal(url: str) -> taskdash.TaskDashError:
    with pytest.raises(DOCUMENTED) as caught:
        taskdash.connect(url)
    assert type(caught.value).__module__ != "builtins"
    return caught.value


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "this is an SSH server"),
        (b"220 mail.example.com ESMTP\r\n", "no taskdashd: it says '220 mail.example.com ESMTP'"),
        (b"-ERR unknown command\r\n", "no taskdashd: it says '-ERR unknown command'"),
        (b"J\0\0\0\x0a8.0.36\0", "this is no taskdashd"),
    ],
)
def test_whoever_answers_is_named(greeting: bytes, words: str) -> None:
    """A server of another protocol is a ProtocolError, with its name and the address."""
    with greeter(greeting) as port:
        error = refusal(f"taskdash://127.0.0.1:{port}")
    assert isinstance(error, taskdash.ProtocolError)
    assert words in str(error)
    assert str(error).startswith(f"127.0.0.1:{port}: ")


def test_a_peer_that_closes_at_once_may_be_another_server() -> None:
    """An end without a word is a ConnectionError that asks whose port it is."""
    with greeter(b"") as port:
        error = refusal(f"taskdash://127.0.0.1:{port}")
    assert isinstance(error, taskdash.ConnectionError)
    assert "is this the port of a taskdashd, without TLS?" in str(error)


def test_a_server_that_waits_for_a_line_is_asked_about() -> None:
    """A web server that reads on for a line's end says nothing: the timeout says what may be."""
    handler = http.server.BaseHTTPRequestHandler
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        error = refusal(f"taskdash://127.0.0.1:{server.server_port}?timeout=0.3")
        server.shutdown()
        thread.join()
    assert isinstance(error, taskdash.TimeoutError)
    assert "is this the port of a taskdashd?" in str(error)


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Give the ports of one daemon with all its doors: plain, TLS, and the board."""
    directory = tmp_path_factory.mktemp("doors")
    authority = trustme.CA()
    pair = authority.issue_cert("127.0.0.1")
    pair.cert_chain_pems[0].write_to_path(str(directory / "cert.pem"))
    pair.private_key_pem.write_to_path(str(directory / "key.pem"))
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    with running_daemon(
        directory / "data",
        web="127.0.0.1:0",
        listen_tls="127.0.0.1:0",
        tls_cert=directory / "cert.pem",
        tls_key=directory / "key.pem",
    ) as daemon:
        yield {
            "plain": daemon.port,
            "tls": _port(daemon, "listening with TLS"),
            "board": _port(daemon, "the board is at"),
        }


def _port(daemon: RunningDaemon, event: str) -> int:
    return int(daemon.wait_for(event)["address"].rpartition(":")[2])


def test_the_daemons_own_doors_taken_for_one_another(doors: dict[str, int]) -> None:
    """Each mistake has a sentence of its own, of a documented class."""
    board = refusal(f"taskdash://127.0.0.1:{doors['board']}")
    assert isinstance(board, taskdash.ProtocolError)
    assert "this is an HTTP server: is it the board's port?" in str(board)
    plain_to_tls = refusal(f"taskdash://127.0.0.1:{doors['tls']}")
    assert isinstance(plain_to_tls, taskdash.ProtocolError)
    assert "TLS is spoken here: write taskdashs://" in str(plain_to_tls)
    for door in ("plain", "board"):
        tls_to_plain = refusal(f"taskdashs://127.0.0.1:{doors[door]}")
        assert isinstance(tls_to_plain, taskdash.ConnectionError)
        assert "no TLS is spoken there" in str(tls_to_plain)


def test_http_at_the_services_port_reads_what_is_wrong(doors: dict[str, int]) -> None:
    """The refusal is a frame, as for all; its text is there for whoever looks at it."""
    with socket.create_connection(("127.0.0.1", doors["plain"]), timeout=10) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
        told = b"".join(iter(lambda: peer.recv(4096), b""))
    assert b"this is an HTTP request: the board has a port of its own" in told


def test_http_at_the_port_for_tls_is_told_so_in_http(doors: dict[str, int]) -> None:
    """A browser at a board by http:// gets a page that it can read, and not an empty one."""
    asking = http.client.HTTPConnection("127.0.0.1", doors["tls"], timeout=10)
    asking.request("GET", "/")
    reply = asking.getresponse()
    assert reply.status == 400
    assert b"asks by https://" in reply.read()
    asking.close()


def test_the_log_says_who_came_to_the_wrong_port(tmp_path: Path) -> None:
    """An operator reads what spoke, instead of the number that its first bytes make."""
    for index, (first, words) in enumerate(
        [(_client_hello(), "this is TLS"), (b"SSH-2.0-x\r\n", "an SSH client")]
    ):
        with running_daemon(tmp_path / str(index)) as daemon:
            with socket.create_connection(("127.0.0.1", daemon.port)) as peer:
                peer.sendall(first)
                while peer.recv(4096):
                    pass
            assert words in daemon.wait_for("closing")["detail"]


def _client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="x").do_handshake()
    return outgoing.read()


def test_every_stranger_is_too_long_a_frame() -> None:
    """No greeting that is known by name could be the length of a frame of ours."""
    for start in (b"HTTP/1.1", b"SSH-2.0", b"\x15\x03\x01\x00\x02", b"220 hello"):
        assert foreign.of_server(start)
        assert int.from_bytes(start[:4], "big") > 64 * FRAME_BYTES_MAX
    assert foreign.of_server(b"\xff\xff\xff\xff") == ""
    assert foreign.of_client(b"\0\0\0\x10") == ""
    assert not foreign.is_http_request(b"\0\0\0\0")


def test_a_stream_that_was_ours_is_not_taken_for_anothers() -> None:
    """What breaks later in a stream is damage, whatever its bytes look like."""
    decoder = Decoder()
    decoder.feed(bytes.fromhex("000000069 3cd0570c0c0".replace(" ", "")) + b"GET / HTTP/1.1\r\n")
    assert decoder.next() is not None
    with pytest.raises(Exception, match=r"must be 1 to \d+$"):
        decoder.next()
