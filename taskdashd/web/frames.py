"""Websocket frames that may go to many: what a server sends is not masked (RFC 6455, 5.1)."""

from typing import Final

from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

# Without extensions a frame depends on nothing that was sent before it.
_ENCODER: Final = Connection(ConnectionType.SERVER)


def text_frame(message: bytes) -> bytes:
    """Give a text message as a frame."""
    return _ENCODER.send(TextMessage(message.decode()))
