"""TLS on a non-blocking socket, with the methods that the poller needs of a socket.

TLS is done in memory (`ssl.MemoryBIO`): so the number of bytes read from the kernel is known, and
no decrypted input hides in a buffer that epoll cannot see.
"""

import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

_RAW_BYTES: Final = 64 << 10
_PIECE_BYTES: Final = 64 << 10


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
        """The context for connections accepted from now on."""
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
        """Encrypted bytes read from the kernel so far."""
        self.setblocking, self.setsockopt = sock.setblocking, sock.setsockopt
        self.fileno, self.close = sock.fileno, sock.close

    @property
    def has_unsent(self) -> bool:
        """Whether bytes wait that the kernel did not take yet."""
        return bool(self._unsent)

    @property
    def unsent_bytes(self) -> int:
        """How many bytes those are."""
        return len(self._unsent)

    @property
    def peer_name(self) -> str | None:
        """Give the common name of the client's certificate; None where it showed none."""
        certificate: dict[str, Any] = self._tls.getpeercert() or {}
        for (kind, value), *_ in certificate.get("subject", ()):
            if kind == "commonName":
                return str(value)
        return None

    def recv(self, _size: int) -> bytes:
        """Give decrypted bytes from the peer; none where the peer has closed its side.

        Raises `BlockingIOError` where more bytes must come first, `ssl.SSLError` for invalid TLS,
        and `OSError`.
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
                # Send our part of the handshake, or the alert that says why it failed.
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
        """Encrypt and send as much as the kernel takes, a piece at a time; tell how much that was.

        `has_unsent` tells whether some of the last piece is left. A large reply is never encrypted
        as a whole: OpenSSL keeps the room that its bytes once took, on each connection.
        Raises `BlockingIOError`, with nothing taken, while bytes of an earlier call are unsent.
        """
        self._flush()
        if self._unsent:
            raise BlockingIOError
        taken = 0
        while taken < len(data) and not self._unsent:
            taken += self._tls.write(data[taken : taken + _PIECE_BYTES])
            self._flush()
        return taken

    def _flush(self) -> None:
        self._unsent += self._outgoing.read()
        if self._unsent:
            try:
                sent = self._sock.send(self._unsent)
            except BlockingIOError:
                return
            self._unsent = self._unsent[sent:]

    def shutdown(self, how: int) -> None:
        """End the sending side, in TLS (close_notify) and of the socket."""
        if self.established:
            # `unwrap` raises for want of the peer's close_notify, which the daemon does not need.
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
