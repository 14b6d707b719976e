"""taskdashs:// through a relay that speaks TLS and passes on to a plain daemon."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

import taskdash
from taskdash.testing import running_daemon


class Relay:
    """Accepts TLS on a port of its own and joins each connection to the daemon."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._context = context
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with (
            suppress(OSError),
            raw,
            self._context.wrap_socket(raw, server_side=True) as peer,
            socket.create_connection(("127.0.0.1", self._to)) as daemon,
        ):
            back = threading.Thread(target=self._pump, args=(daemon, peer), daemon=True)
            back.start()
            self._pump(peer, daemon)
            daemon.shutdown(socket.SHUT_RDWR)
            back.join()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Relay]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with running_daemon(tmp_path_factory.mktemp("data")) as daemon:
        relay = Relay(context, daemon.port)
        yield relay
        relay.close()


def test_everything_works_over_tls(relay: Relay, authority: trustme.CA, tmp_path: Path) -> None:
    """With the office's own authority; also for large replies, which come in many TLS records."""
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    with taskdash.connect(f"taskdashs://localhost:{relay.port}?ca={ca}") as dash:
        for number in range(20):
            dash.register(f"big-{number}", "n", status="finish", url="x" * 50_000)
        assert sum(len(task["url"]) for task in dash.query()) == 1_000_000
        watch = dash.watch({"id": "tls"})
        with dash.task("tls"):
            pass
        assert [next(watch).task["status"] for _ in range(2)] == ["running", "finish"]


@pytest.mark.fault(36)
def test_a_certificate_of_nobody_known_is_refused(relay: Relay) -> None:
    """The error is one line that says so."""
    with pytest.raises(taskdash.ConnectionError, match="certificate is not trusted"):
        taskdash.connect(f"taskdashs://localhost:{relay.port}")


@pytest.mark.fault(36)
def test_another_hosts_certificate_is_refused(
    relay: Relay, authority: trustme.CA, tmp_path: Path
) -> None:
    """The certificate must name the host that was asked for."""
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    with pytest.raises(taskdash.ConnectionError, match=r"not trusted: .*127"):
        taskdash.connect(f"taskdashs://127.0.0.1:{relay.port}?ca={ca}")


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """An authority that cannot be read is a ValueError with its path, as for a bad URL."""
    with pytest.raises(ValueError, match=r"nothing\.pem"):
        taskdash.connect(f"taskdashs://localhost:1?ca={tmp_path}/nothing.pem")
