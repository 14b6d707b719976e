"""Websocket frames for many boards: a server's are not masked (RFC 6455, 5.1), so all alike."""

from typing import Final

from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

# Without extensions a frame depends on nothing that was sent before it.
_ENCODER: Final = Connection(ConnectionType.SERVER)


def text_frame(message: bytes) -> bytes:
    """Encode a text message as a frame."""
    return _ENCODER.send(TextMessage(message.decode()))
