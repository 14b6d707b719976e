"""A client of TLS 1.3 that does what no library offers: it changes its keys again and again.

The handshake is the standard library's. Its key log gives the client's traffic secret, from which
the records behind it are made here (RFC 8446, 5.2, 7.1 to 7.3).
"""

import hashlib
import hmac
import socket
import ssl
import struct
import tempfile
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

_HANDSHAKE: Final = 22
KEY_UPDATE: Final = bytes.fromhex("18 000001 01")
"""A message of the handshake's: change keys, and change yours."""


class Keys:
    """What a client's records are made with."""

    def __init__(self, cipher: str, secret: bytes) -> None:
        self._hash = "sha384" if cipher.endswith("SHA384") else "sha256"
        self._cipher = ChaCha20Poly1305 if "CHACHA" in cipher else AESGCM
        self._key_bytes = 16 if "_128_" in cipher else 32
        self._begin(secret)

    def _begin(self, secret: bytes) -> None:
        self._secret, self._number = secret, 0
        self._aead = self._cipher(self._expand(b"key", self._key_bytes))
        self._iv = self._expand(b"iv", 12)

    def _expand(self, label: bytes, size: int) -> bytes:
        """HKDF-Expand-Label, for what one block of the hash is enough for."""
        full = b"tls13 " + label
        info = struct.pack(">HB", size, len(full)) + full + b"\0"
        return hmac.digest(self._secret, info + b"\x01", self._hash)[:size]

    def record(self, data: bytes, kind: int = 23) -> bytes:
        """Give a record that holds some data."""
        inner = data + bytes([kind])
        head = struct.pack(">BHH", 23, 0x0303, len(inner) + 16)
        nonce = int.from_bytes(self._iv, "big") ^ self._number
        self._number += 1
        return head + self._aead.encrypt(nonce.to_bytes(12, "big"), inner, head)

    def update(self) -> bytes:
        """Give a record that changes the keys, and change them."""
        record = self.record(KEY_UPDATE, _HANDSHAKE)
        self._begin(self._expand(b"traffic upd", hashlib.new(self._hash).digest_size))
        return record


def shake_hands(sock: socket.socket) -> Keys:
    """Do a handshake on a connected socket, and give the keys for what comes behind it."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "keys"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.keylog_filename = str(log)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                if not (data := sock.recv(1 << 16)):
                    raise ConnectionError from None
                incoming.write(data)
        sock.sendall(outgoing.read())
        secrets = {line.split()[0]: line.split()[2] for line in log.read_text().splitlines()}
        cipher = tls.cipher()
        assert cipher is not None
        return Keys(cipher[0], bytes.fromhex(secrets["CLIENT_TRAFFIC_SECRET_0"]))


def flood_behind_handshake(sock: socket.socket, count: int) -> bytes:
    """Do a handshake, and give so many changes of keys to send behind it."""
    keys = shake_hands(sock)
    return b"".join(keys.update() for _ in range(count))
