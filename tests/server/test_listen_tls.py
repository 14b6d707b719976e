"""TLS: the same protocol over it, and what is refused."""

import ipaddress
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from processes import taskdashd
from web.office import post
from wire_client import REQUEST, TOKEN, tcpx

import taskdash
from taskdash.testing import RunningDaemon, running_daemon
from taskdash_protocol.families.tasks import Register
from taskdash_protocol.frames import TASKDASH
from taskdashd.server.tls import TlsSocket


class Office:
    """An authority, a server certificate on disk, and a daemon that uses them."""

    def __init__(self, directory: Path) -> None:
        self.ca = trustme.CA()
        self.ca_file = directory / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.ca_file))
        self.directory = directory
        self.issue()
        self.env = {
            "TASKDASHD_LISTEN_TLS": "127.0.0.1:0",
            "TASKDASHD_TLS_CERT": str(directory / "server.pem"),
            "TASKDASHD_TLS_KEY": str(directory / "server.key"),
            "TASKDASHD_TLS_CLIENT_CA": str(self.ca_file),
            "TASKDASHD_HANDSHAKE_TIMEOUT": "2",
        }

    def issue(self) -> str:
        """Issue a server certificate; gives its serial number as ssl shows it."""
        made = self.ca.issue_cert("127.0.0.1", "localhost")
        made.private_key_pem.write_to_path(str(self.directory / "server.key"))
        for number, blob in enumerate(made.cert_chain_pems):
            blob.write_to_path(str(self.directory / "server.pem"), append=number > 0)
        return made.cert_chain_pems[0].bytes().decode()

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office"))


@pytest.fixture(scope="module")
def daemon(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with running_daemon(tmp_path_factory.mktemp("data"), env=office.env) as daemon:
        yield daemon
        assert not any("traceback" in str(line).lower() for line in daemon.log)


def tls_port(daemon: RunningDaemon) -> int:
    return int(daemon.wait_for("listening with TLS")["address"].rpartition(":")[2])


def url(daemon: RunningDaemon, office: Office) -> str:
    return f"taskdashs://127.0.0.1:{tls_port(daemon)}?ca={office.ca_file}"


def closed(sock: socket.socket) -> bool:
    """Read to the end: True if that comes before the socket's timeout."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def test_all_is_as_without_it(daemon: RunningDaemon, office: Office) -> None:
    """Small and large requests, one after another and many at once, and a watch work."""
    with taskdash.connect(url(daemon, office)) as dash, dash.watch() as watch:
        dash.register("t", name="n", project_id="all", status="finish", text="x" * 500_000)
        assert len(dash.find("t")["text"]) == 500_000
        one = {"name": "n", "project_id": "all", "status": "finish", "text": "y" * 2_000}
        many = [Register.parse({**one, "id": f"many-{number}"}) for number in range(500)]
        assert len(list(dash.pipeline(many))) == 500
        found = list(dash.query({"project_id": "all"}))
        assert len(found) == 501
        seen = {next(iter(watch)).task["id"] for _ in range(501)}
        assert len(seen) == 501


def test_silence_is_judged_by_what_was_read(daemon: RunningDaemon, office: Office) -> None:
    """A task behind TLS dies in time, though the kernel counts other bytes than we do."""
    with taskdash.connect(daemon.url) as plain, plain.watch({"status": "shutdown"}) as watch:
        raw = socket.create_connection(("127.0.0.1", tls_port(daemon)), 5)
        with office.context().wrap_socket(raw, server_hostname="127.0.0.1") as sock:
            body = b'{"id":"silent","name":"n","status":"running","heartbeat_timeout":0.5}'
            for _ in range(50):
                sock.sendall(TASKDASH.heartbeat)
            sock.sendall(TASKDASH.request({"RequestID": "Register"}, body))
            assert next(iter(watch)).task["id"] == "silent"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_records_may_be_split_anywhere(daemon: RunningDaemon, office: Office, size: int) -> None:
    """Handshake and frames work in pieces of any size."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = office.context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", tls_port(daemon)), 10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def flush() -> None:
            data = outgoing.read()
            for at in range(0, len(data), size):
                sock.sendall(data[at : at + size])

        def until(step: object) -> bytes:
            while True:
                try:
                    result = step()  # type: ignore[operator]
                except ssl.SSLWantReadError:
                    flush()
                    incoming.write(sock.recv(65536))
                    continue
                flush()
                return result or b""

        until(tls.do_handshake)
        tls.write(TASKDASH.request({"RequestID": "Find"}, b'{"id":"nobody"}'))
        flush()
        assert b'"errid":1002' in until(lambda: tls.read(65536))


@pytest.mark.fault(36)
def test_other_protocols_are_shown_out(daemon: RunningDaemon) -> None:
    """Plain frames and HTTP on the TLS port, TLS on the plain one are closed in a moment."""
    for data in (TASKDASH.heartbeat * 10, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", tls_port(daemon)), 5) as sock:
            sock.sendall(data)
            assert closed(sock)
    assert daemon.wait_for("TLS failed")["reason"]
    with (
        socket.create_connection(("127.0.0.1", daemon.port), 5) as sock,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        ssl.create_default_context().wrap_socket(sock, server_hostname="localhost")


@pytest.mark.fault(27)
def test_a_handshake_that_does_not_come_is_not_waited_for(daemon: RunningDaemon) -> None:
    """A handshake that stops half-way is not either; others are served meanwhile."""
    with (
        socket.create_connection(("127.0.0.1", tls_port(daemon)), 5) as nothing,
        socket.create_connection(("127.0.0.1", tls_port(daemon)), 5) as half,
    ):
        half.sendall(bytes.fromhex("160301 0200 01 0001fc 0303"))
        with taskdash.connect(daemon.url) as dash:
            dash.query()
        assert closed(nothing)
        assert closed(half)


@pytest.mark.fault(36)
def test_one_connection_too_many_is_told_so(office: Office, tmp_path: Path) -> None:
    """What is said to whoever is turned away waits for the handshake."""
    with running_daemon(tmp_path, env=office.env, max_connections_per_address=1) as daemon:
        first = socket.create_connection(("127.0.0.1", tls_port(daemon)), timeout=10)
        plain = socket.create_connection(("127.0.0.1", tls_port(daemon)), timeout=10)
        with first, office.context().wrap_socket(plain, server_hostname="127.0.0.1") as second:
            second.sendall(TASKDASH.heartbeat)
            assert b'"errid":1005' in second.recv(65536)
            assert closed(second)


def test_a_large_reply_is_not_encrypted_as_a_whole(office: Office) -> None:
    """What the kernel does not take stays in the outbox, where it is counted."""
    near, far = socket.socketpair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(office.directory / "server.pem", office.directory / "server.key")
    with near, far:
        far.settimeout(10)
        near.setblocking(False)
        peer = office.context().wrap_socket(
            far, server_hostname="127.0.0.1", do_handshake_on_connect=False
        )
        sock = TlsSocket(near, context)
        shaking = threading.Thread(target=peer.do_handshake)
        shaking.start()
        while not sock.established:
            select.select([near], [], [], 10)
            with suppress(BlockingIOError):
                sock.recv(65536)
        shaking.join()
        data = bytes(4 << 20)
        taken = sock.send(data)
        assert 0 < taken < len(data) // 2
        assert 0 < sock.unsent_bytes <= 80_000
        peer.close()


def test_old_versions_are_refused(daemon: RunningDaemon, office: Office) -> None:
    """TLS 1.1 and below are refused (RFC 8996)."""
    context = office.context()
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection(("127.0.0.1", tls_port(daemon)), 5) as sock,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(sock, server_hostname="127.0.0.1")


@pytest.mark.fault(36)
def test_a_certificate_that_is_over_is_not_believed(daemon: RunningDaemon, office: Office) -> None:
    """The daemon refuses a client's expired certificate."""
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    over = office.ca.issue_cert("127.0.0.1", common_name="boss", not_after=long_ago)
    refuses(daemon, office, over)


@pytest.mark.fault(36)
def test_a_clients_certificate_of_another_authority(daemon: RunningDaemon, office: Office) -> None:
    """A certificate of an unknown authority is refused, not taken for none."""
    refuses(daemon, office, trustme.CA().issue_cert("127.0.0.1", common_name="boss"))


def refuses(daemon: RunningDaemon, office: Office, certificate: trustme.LeafCert) -> None:
    context = office.context()
    certificate.configure_cert(context)
    began = time.monotonic()

    def talk(sock: socket.socket) -> None:
        # With TLS 1.3 the client hears of the refusal only after its own part of the handshake.
        with context.wrap_socket(sock, server_hostname="127.0.0.1") as tls:
            tls.sendall(TASKDASH.request({"RequestID": "Find"}, b'{"id":"x"}'))
            assert tls.recv(1), "closed"

    with (
        socket.create_connection(("127.0.0.1", tls_port(daemon)), 5) as sock,
        pytest.raises((ssl.SSLError, ConnectionError, AssertionError)),
    ):
        talk(sock)
    assert time.monotonic() - began < 5


@pytest.mark.fault(36)
def test_another_authority_is_not_believed(daemon: RunningDaemon, tmp_path: Path) -> None:
    """The client does not believe the daemon, nor the daemon the client."""
    other = Office(tmp_path)
    with pytest.raises(taskdash.TaskDashError):
        taskdash.connect(url(daemon, other) + "&timeout=1")


def test_a_new_certificate_is_taken_up_by_a_reload(office: Office, tmp_path: Path) -> None:
    """SIGHUP reads the files again; a bad certificate is logged and the old one stays."""
    with running_daemon(tmp_path, env=office.env) as daemon:

        def shown() -> str:
            return ssl.get_server_certificate(("127.0.0.1", tls_port(daemon)))

        before = shown()
        (office.directory / "server.pem").write_text("no certificate")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("certificate not reloaded, the old one stays")
        assert shown() == before
        office.issue()
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("certificate reloaded")
        assert shown() != before


def test_a_client_certificate_is_an_identity(office: Office, tmp_path: Path) -> None:
    """A certificate's common name signs in if a token has that name; others must bring a token."""
    command = [sys.executable, "-m", "taskdashd", "token", "create", "backup", "--data", tmp_path]
    subprocess.run([*command, "--group", "a"], check=True, capture_output=True)
    with running_daemon(tmp_path, auth="tokens", env=office.env) as daemon:
        for name, errid in (("backup", 0), ("stranger", 1003)):
            context = office.context()
            office.ca.issue_cert(common_name=name).configure_cert(context)
            raw = socket.create_connection(("127.0.0.1", tls_port(daemon)), 5)
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as sock:
                body = b'{"id":"c","name":"n","group_id":"a","status":"finish"}'
                sock.sendall(TASKDASH.request({"RequestID": "Register"}, body))
                assert f'"errid":{errid}'.encode() in sock.recv(65536)


@pytest.mark.fault(35)
def test_no_door_is_shut_to_a_good_token(office: Office, tmp_path: Path) -> None:
    """Wrong tokens from an address, on TCP and the web, keep nobody out who has a good one."""
    made = taskdashd("token", "create", "backup", "--data", tmp_path, "--role", "reader")
    good, env = made.stdout.strip(), {**office.env, "TASKDASHD_WEB": "127.0.0.1:0"}
    with running_daemon(tmp_path, auth="tokens", env=env) as daemon:
        web = daemon.wait_for("the board is at")["address"]

        def by_frame(*frames: bytes, cert: str = "") -> bytes:
            context = office.context()
            if cert:
                office.ca.issue_cert(common_name=cert).configure_cert(context)
            raw = socket.create_connection(("127.0.0.1", tls_port(daemon)), 5)
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as sock:
                for frame in frames:
                    sock.sendall(frame)
                    said = sock.recv(65536)
                return said

        def by_http(token: str) -> int:
            where = f"http://{web}/api/v1/Query"
            return post(where, b"{}", authorization=f"Bearer {token}")[0]

        def hello(token: str) -> bytes:
            said = json.dumps({"protocol": 1, "token": token}).encode()
            return TASKDASH.request({"RequestID": "Hello"}, said)

        query = TASKDASH.request({"RequestID": "Query"}, b"{}")
        for guess in range(4):
            assert b'"errid":1003' in by_frame(hello(f"td_backup_{guess}"))
        assert by_http("td_backup_4") == 401
        # Both doors count together, and each says so.
        assert b'"errid":1005' in by_frame(hello("td_backup_5"))
        assert by_http("td_backup_6") == 429
        header = TASKDASH.request({"RequestID": "Query", "Token": good}, b"{}")
        old = tcpx(REQUEST, {"RequestID": "Query"}, b"{}")
        for said in (
            by_frame(hello(good), query),
            by_frame(header),
            by_frame(tcpx(TOKEN, None, good.encode()), old),
            by_frame(query, cert="backup"),
        ):
            assert b'"errid":0' in said, said
        assert by_http(good) == 200


def test_cert_init_makes_all_that_an_office_needs(tmp_path: Path) -> None:
    """The printed lines work as they are; a second run keeps the authority."""
    command = [sys.executable, "-m", "taskdashd", "cert", "init", "localhost", "127.0.0.1"]
    for _ in range(2):
        told = subprocess.run(
            [*command, "--dir", tmp_path / "tls"], check=True, capture_output=True, text=True
        ).stdout
        authority = (tmp_path / "tls" / "ca.pem").read_bytes()
    assert authority == (tmp_path / "tls" / "ca.pem").read_bytes()
    lines = dict(line.split(" = ") for line in told.splitlines() if " = " in line)
    env = {
        "TASKDASHD_LISTEN_TLS": "127.0.0.1:0",
        "TASKDASHD_TLS_CERT": lines["tls_cert"].strip('"'),
        "TASKDASHD_TLS_KEY": lines["tls_key"].strip('"'),
    }
    for name in ("ca.key", "server.key"):
        assert os.stat(tmp_path / "tls" / name).st_mode & 0o077 == 0  # noqa: PTH116
    with running_daemon(tmp_path / "data", env=env) as daemon:
        where = f"taskdashs://localhost:{tls_port(daemon)}?ca={tmp_path / 'tls' / 'ca.pem'}"
        with taskdash.connect(where) as dash:
            dash.register("t", name="n", status="finish")


def cert_init(directory: Path, *names: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "taskdashd", "cert", "init", *names, "--dir", str(directory)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("words", [("--data", "d"), ("--dir", "d/tls")])
def test_cert_init_prints_what_can_be_pasted_anywhere(tmp_path: Path, words: tuple[str]) -> None:
    """Whole paths, whatever was typed; an IPv6 address as a URL has it."""
    command = [sys.executable, "-m", "taskdashd", "cert", "init", "fd00::7", *words]
    told = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    tls = tmp_path / "d/tls"
    assert f'tls_cert = "{tls}/server.pem"\ntls_key = "{tls}/server.key"\n' in told
    assert f"Copy {tls}/ca.pem to each client" in told
    assert f"next certificate: {tls}/ca.key\n" in told
    assert "TASKDASH_URL='taskdashs://[fd00::7]:13921?ca=/path/to/ca.pem'" in told


def test_the_authority_is_one_for_the_office_alone(tmp_path: Path) -> None:
    """By OpenSSL's own judgement: what its key signs for another name, no client believes."""
    tls = tmp_path / "tls"
    told = cert_init(tls, "pi.office.lan", "203.0.113.7").stdout
    assert "may sign for pi.office.lan, 203.0.113.7/32, .local, localhost, private addre" in told
    assert f"bring it back for the next certificate: {tls / 'ca.key'}" in told
    beyond = cert_init(tls, "bank.example")
    assert beyond.returncode == 1
    assert "the authority may not sign for bank.example" in beyond.stderr
    for names in (("pi.local", "192.168.3.4", "fd00::7"), ("pi.office.lan", "sub.pi.office.lan")):
        assert cert_init(tls, *names).returncode == 0
    authority = x509.load_pem_x509_certificate((tls / "ca.pem").read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    for name, is_good in {
        "pi.office.lan": True,
        "x.local": True,
        "localhost": True,
        "203.0.113.7": True,
        "10.255.0.1": True,
        "172.31.0.1": True,
        "fe80::1": True,
        "office.lan": False,
        "evil-pi.office.lan": False,
        "notlocal": False,
        "bank.example": False,
        "203.0.113.8": False,
        "172.32.0.1": False,
        "2001:db8::1": False,
    }.items():
        forge(tls, name)
        judged = subprocess.run(
            ["openssl", "verify", "-CAfile", tls / "ca.pem", tls / "forged.pem"],
            capture_output=True,
            text=True,
        )
        assert (judged.returncode == 0) == is_good, f"{name}: {judged.stdout}{judged.stderr}"
    key = tls / "ca.key"
    key.rename(tmp_path / "drawer.key")
    away = cert_init(tls, "pi.local")
    assert away.returncode == 1
    assert f"{key} is not there: put the authority's key back" in away.stderr
    (tmp_path / "drawer.key").rename(key)
    assert cert_init(tls, "pi.local").returncode == 0


def test_an_authority_of_before_is_told_of(tmp_path: Path) -> None:
    """An authority without constraints goes on, and the command says that it may sign for all."""
    tls = tmp_path / "tls"
    assert cert_init(tls, "pi.local").returncode == 0
    forge(tls, "", "ca.pem")
    told = cert_init(tls, "bank.example")
    assert told.returncode == 0
    assert "may sign for any name in the world" in told.stdout


def forge(tls: Path, name: str, into: str = "forged.pem") -> None:
    """Sign for a name with the authority's key; without one, make an authority for any."""
    signer = serialization.load_pem_private_key((tls / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    authority = x509.load_pem_x509_certificate((tls / "ca.pem").read_bytes())
    key = ec.generate_private_key(ec.SECP256R1()) if name else signer
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "forged")])
    general: x509.GeneralName = x509.DNSName(name)
    with suppress(ValueError):
        general = x509.IPAddress(ipaddress.ip_address(name))
    begun = (
        x509.CertificateBuilder()
        .subject_name(own if name else authority.subject)
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(authority.not_valid_before_utc)
        .not_valid_after(authority.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=not name, path_length=None), critical=True)
    )
    if name:
        begun = begun.add_extension(x509.SubjectAlternativeName([general]), critical=False)
    made = begun.sign(signer, hashes.SHA256())
    (tls / into).write_bytes(made.public_bytes(serialization.Encoding.PEM))


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """A daemon does not start with only a part of what TLS needs."""
    command = [sys.executable, "-m", "taskdashd", "run", "--data", str(tmp_path)]
    command += ["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"]
    for env, told in (
        ({}, "cert init"),
        ({"TASKDASHD_TLS_CERT": "/nowhere", "TASKDASHD_TLS_KEY": "/nowhere"}, "No such file"),
    ):
        done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True)
        assert done.returncode == 1
        assert told in done.stderr
