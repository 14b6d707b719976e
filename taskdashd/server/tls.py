"""TLS on a socket that does not block: bytes from the kernel in, bytes of the peer out.

It has what the poller needs of a socket. The TLS itself is done in memory (`ssl.MemoryBIO`), so
that it is known how many bytes were read from the kernel, and nothing hides in a buffer that epoll
does not know of.
"""

import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

_RAW_BYTES: Final = 64 << 10


class TlsError(Exception):
    """A certificate or key that cannot be used; the message says why."""


class CertificateFiles(NamedTuple):
    """Where a certificate, its key and the authority for clients stand."""

    certificate: Path
    key: Path
    client_ca: Path | None


class TlsContext:
    """The daemon's certificate, and which clients' certificates it believes."""

    def __init__(self, files: CertificateFiles, context: ssl.SSLContext) -> None:
        self._files = files
        self._context = context

    @classmethod
    def read(cls, files: CertificateFiles) -> "TlsContext":
        """Read the files. Raises `TlsError`."""
        return cls(files, _load(files))

    def reload(self) -> None:
        """Read the files again, for connections from now on. Raises `TlsError`; the old stay."""
        self._context = _load(self._files)

    def wrap(self, sock: socket.socket) -> "TlsSocket":
        """Begin TLS on an accepted socket; the handshake is done as bytes come."""
        return TlsSocket(sock, self._context)

    @property
    def context(self) -> ssl.SSLContext:
        """What is in force now."""
        return self._context


class TlsSocket:
    """A connection's socket, and TLS on it."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._unsent = b""
        self.established = False
        """Whether the handshake is done."""
        self.raw_bytes_in = 0
        """Read from the kernel."""
        self.setblocking, self.setsockopt = sock.setblocking, sock.setsockopt
        self.fileno, self.close = sock.fileno, sock.close

    @property
    def has_unsent(self) -> bool:
        """Whether bytes wait that the kernel did not take yet."""
        return bool(self._unsent)

    @property
    def peer_name(self) -> str | None:
        """Give the common name of the client's certificate; None where it showed none."""
        certificate: dict[str, Any] = self._tls.getpeercert() or {}
        for (kind, value), *_ in certificate.get("subject", ()):
            if kind == "commonName":
                return str(value)
        return None

    def recv(self, _size: int) -> bytes:
        """Give what the peer sent, nothing where it has ended.

        Raises `BlockingIOError` where more bytes must come first, `ssl.SSLError` for what is no
        good TLS, and `OSError`.
        """
        while True:
            raw = self._sock.recv(_RAW_BYTES)
            if not raw:
                return b""
            self.raw_bytes_in += len(raw)
            self._incoming.write(raw)
            try:
                data = self._read()
            finally:
                # The peer's half of the handshake, or an alert that says why there is none.
                self._flush()
            if data is not None:
                return data

    def _read(self) -> bytes | None:
        pieces: list[bytes] = []
        try:
            if not self.established:
                self._tls.do_handshake()
                self.established = True
            while piece := self._tls.read(_RAW_BYTES):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            return b"".join(pieces) or None
        except ssl.SSLZeroReturnError:
            pass
        return b"".join(pieces)

    def send(self, data: bytes) -> int:
        """Take all of the data, and give the kernel what it takes; see `has_unsent`."""
        self._flush()
        if self._unsent:
            raise BlockingIOError
        if data:
            self._tls.write(data)
            self._flush()
        return len(data)

    def _flush(self) -> None:
        self._unsent += self._outgoing.read()
        if self._unsent:
            try:
                sent = self._sock.send(self._unsent)
            except BlockingIOError:
                return
            self._unsent = self._unsent[sent:]

    def shutdown(self, how: int) -> None:
        """Say that no more will come, in TLS and below it."""
        if self.established:
            # It would wait for the peer's answer, which we do not need.
            with suppress(ssl.SSLError):
                self._tls.unwrap()
            self._flush()
        self._sock.shutdown(how)


def _load(files: CertificateFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # TLS 1.0 and 1.1 are deprecated (RFC 8996).
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(files.certificate, files.key)
        if files.client_ca is not None:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
    except OSError as error:  # an SSLError is one
        what = error.strerror or str(error)
        named = ", ".join(str(path) for path in files if path is not None)
        raise TlsError(f"cannot use the certificate ({named}): {what}") from None
    return context
