"""The protocols that others speak, known by their first bytes: whose port it is, or who came here.

Every one of them reads as a frame of more bytes than any limit allows, so the decoder refuses it
as soon as four bytes are there; here is what people are told instead of that number.
"""

from typing import Final

SHOWN_MAX: Final = 60
"""Of a greeting in text, so many characters are shown."""

_HTTP_METHODS: Final = (
    b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI", b"DELE", b"PATC", b"CONN", b"TRAC", b"PRI ",
)  # fmt: skip
_TLS_RECORDS: Final = {b"\x16\x03": "handshake", b"\x15\x03": "alert"}


def is_http_request(start: bytes) -> bool:
    """Tell whether bytes begin a request of HTTP."""
    return start[:4] in _HTTP_METHODS


def of_server(start: bytes) -> str:
    """Say what answers at an address that is taken for taskdashd's; empty where nobody knows."""
    if start[:4] == b"HTTP":
        return "this is an HTTP server: is it the board's port?"
    if start[:4] == b"SSH-":
        return "this is an SSH server: is it the wrong port?"
    if start[:2] in _TLS_RECORDS:
        return "TLS is spoken here: write taskdashs:// instead of taskdash://"
    line = start.splitlines()[0] if start.strip() else b""
    if line.isascii() and (text := line.decode("ascii").strip()).isprintable() and text:
        return f"this is no taskdashd: it says {text[:SHOWN_MAX]!r}"
    return ""


def of_client(start: bytes) -> str:
    """Say who has come to taskdashd's port and speaks something else; empty where nobody knows."""
    if is_http_request(start):
        return "this is an HTTP request: the board has a port of its own (setting web)"
    if start[:2] in _TLS_RECORDS:
        return "this is TLS, and none is spoken on this port: see setting listen_tls"
    if start[:4] == b"SSH-":
        return "this is an SSH client"
    return ""
