"""TLS on a non-blocking socket, with the methods that the poller needs of a socket.

TLS is done in memory (`ssl.MemoryBIO`): so the number of bytes read from the kernel is known, and
no decrypted input hides in a buffer that epoll cannot see.
"""

import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from taskdash_protocol import handwritten
from taskdash_protocol.foreign import is_http_request

_RAW_BYTES: Final = 16 << 10
"""Read at once: about a record of full size."""
_RAW_BYTES_SMALL: Final = 2 << 10
"""Read at once where records are small: some hundred, each of which takes time."""
_SMALL_BYTES: Final = 1 << 10
_PIECE_BYTES: Final = 64 << 10
_HEADER_BYTES: Final = 5
_RECORD_BYTES_MAX: Final = _HEADER_BYTES + (16 << 10) + (2 << 10)
_RECORD_TYPES: Final = (20, 21, 22, 23)
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_NO_TLS: Final = bytes.fromhex("15 0301 0002 0246")
"""A fatal alert, protocol_version: OpenSSL hangs up on a peer without TLS, and says nothing."""
_TO_HTTP: Final = (
    b"HTTP/1.1 400 Bad Request\r\n"
    b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n"
    b"This port speaks TLS: a browser asks by https://, a service by taskdashs://.\n"
)
_HELLO_BYTES_MAX: Final = 8 << 10
"""Of a ClientHello: OpenSSL would take 128 KiB, and makes room for as much as is announced."""
_WITHOUT_DATA_MAX: Final = 32
"""Records without data: those of a handshake, and changes of keys behind it."""
_BYTES_FOR_ONE: Final = 1 << 20
"""For so many bytes of data another record without data is free."""


class TlsError(Exception):
    """A certificate or key that cannot be used; the message says why."""


class TlsRefused(ssl.SSLError):
    """A peer's TLS that is valid and asks too much."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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
    """A connection's socket, and TLS on it.

    TLS lets a peer ask for much by few bytes: a handshake costs a signature, and each change of
    keys (RFC 8446, 4.6.3) as much as a hundred small records. So records are counted here, which
    OpenSSL does not do, and one call takes few of them.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = sock
        self._context = context
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._begun: ssl.SSLObject | None = None
        self._raw_bytes = _RAW_BYTES_SMALL
        self._raw = bytearray()
        """A record that is not whole yet."""
        self._data_bytes = 0
        self._without_data = 0
        """Records so far that held no data of the peer's."""
        self._unsent = b""
        self.established = False
        """Whether the handshake is done."""
        self.ended = False
        """Whether the peer has said that it sends no more (close_notify)."""
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

    @property
    def _tls(self) -> ssl.SSLObject:
        # Begin with the first record alone: OpenSSL's state takes some tens of KiB, which nobody
        # gets for a mere connection.
        if self._begun is None:
            self._begun = self._context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        return self._begun

    def recv(self, _size: int) -> bytes:
        """Give decrypted bytes from the peer; none where the peer has closed its side.

        At most `_RAW_BYTES` are read from the kernel, and no record is left here that is whole.
        Raises `BlockingIOError` where more bytes must come first, `ssl.SSLError` for TLS that is
        invalid or asks too much, and `OSError`.
        """
        if self.ended:
            return b""
        raw = self._sock.recv(self._raw_bytes)
        if not raw:
            return b""
        self.raw_bytes_in += len(raw)
        self._raw += raw
        pieces: list[bytes] = []
        records = 0
        try:
            if self._begun is None and self._raw[0] not in _RECORD_TYPES:
                self._unsent = _TO_HTTP if is_http_request(bytes(self._raw[:4])) else _NO_TLS
                raise TlsRefused("what has come is no TLS")
            while not self.ended and (record := self._next_record()):
                records += 1
                self._incoming.write(record)
                self._read(pieces)
        finally:
            # Send our part of the handshake, or the alert that says why it failed. A peer that is
            # gone hears nothing, and what it had sent is decrypted all the same.
            with suppress(OSError):
                self._flush()
        is_small = records * _SMALL_BYTES > len(raw)
        self._raw_bytes = _RAW_BYTES_SMALL if is_small else _RAW_BYTES
        if not pieces and not self.ended:
            raise BlockingIOError
        return b"".join(pieces)

    def _next_record(self) -> bytes:
        """Take the next whole record; what is none goes to OpenSSL as it is, which refuses it."""
        raw = self._raw
        if len(raw) < _HEADER_BYTES:
            return self._take(len(raw)) if raw and raw[0] not in _RECORD_TYPES else b""
        size = _HEADER_BYTES + int.from_bytes(raw[3:5], "big")
        if raw[0] not in _RECORD_TYPES or size > _RECORD_BYTES_MAX:
            return self._take(len(raw))
        if len(raw) < size:
            return b""
        if self._begun is None and not _is_short_hello(raw):
            raise TlsRefused("the ClientHello is too long, or none")
        return self._take(size)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._raw[:size])
        del self._raw[:size]
        return taken

    def _read(self, pieces: list[bytes]) -> None:
        """Have a record decrypted."""
        count = len(pieces)
        try:
            if not self.established:
                self._tls.do_handshake()
                self.established = True
            while piece := self._tls.read(_RAW_BYTES):
                pieces.append(piece)
                self._data_bytes += len(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        if len(pieces) == count:
            self._without_data += 1
            if self._without_data > _WITHOUT_DATA_MAX + self._data_bytes // _BYTES_FOR_ONE:
                raise TlsRefused("too many records that hold no data")

    def send(self, data: bytes) -> int:
        """Encrypt and send as much as the kernel takes, a piece at a time; tell how much that was.

        `has_unsent` tells whether some of the last piece is left. A large reply is never encrypted
        as a whole: OpenSSL keeps the room that its bytes once took, on each connection.
        Raises `BlockingIOError`, with nothing taken, while bytes of an earlier call are unsent.
        """
        self._flush()
        if self._unsent:
            raise BlockingIOError
        if data and not self.established:
            raise TlsRefused("there is something to say before the handshake")
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


def _is_short_hello(record: bytearray) -> bool:
    """Tell whether a first record begins a ClientHello (RFC 8446, 4) of a bounded length."""
    at = _HEADER_BYTES
    if record[0] != _HANDSHAKE:
        return True  # OpenSSL refuses it.
    size = int.from_bytes(record[at + 1 : at + 4], "big")
    return len(record) >= at + 4 and record[at] == _CLIENT_HELLO and size <= _HELLO_BYTES_MAX


def _load(files: CertificateFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # TLS 1.0 and 1.1 are deprecated (RFC 8996).
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A peer could ask for a signature again and again; OpenSSL before 3.0 allows it by default.
    context.options |= ssl.OP_NO_RENEGOTIATION
    named = ", ".join(str(path) for path in files if path is not None)
    try:
        for path in filter(None, files):
            handwritten.check_unmarked(path.name, path.read_bytes())
        context.load_cert_chain(files.certificate, files.key)
        if files.client_ca is not None:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ValueError) as error:  # an SSLError is the first
        what = getattr(error, "strerror", None) or str(error)
        raise TlsError(f"cannot use the certificate ({named}): {what}") from None
    return context
