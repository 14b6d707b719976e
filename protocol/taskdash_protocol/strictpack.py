"""MessagePack as the wire contract wants it: one value, bounded, without extension types."""

from functools import partial
from typing import Any, Final

import msgpack

from taskdash_protocol.errors import BadRequest

HEADER_ENTRIES_MAX: Final = 32
_HEADER_CONTAINERS_MAX: Final = 64
_SMALL_PAYLOAD_BYTES: Final = 4096


def _refuse_extension(code: int, data: bytes) -> object:
    raise BadRequest("MessagePack extension types are not allowed")


class _ContainerBudget:
    """Counts arrays and maps as they are read, and stops a payload of a megabyte of empty ones."""

    def __init__(self) -> None:
        self._left = _HEADER_CONTAINERS_MAX

    def __call__(self, container: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise BadRequest("the header holds too many arrays and maps")
        return container


_unpack_bounded: Final = partial(
    msgpack.unpackb,
    raw=False,
    strict_map_key=True,
    max_array_len=HEADER_ENTRIES_MAX,
    max_map_len=HEADER_ENTRIES_MAX,
    max_ext_len=0,
    ext_hook=_refuse_extension,
)


def loads(payload: bytes) -> Any:
    """Read one value. Raises `BadRequest`."""
    try:
        if len(payload) <= _SMALL_PAYLOAD_BYTES:
            # Skip the count, which slows reading: so few bytes cannot hold enough arrays to hurt.
            return _unpack_bounded(payload)
        budget = _ContainerBudget()
        return _unpack_bounded(payload, list_hook=budget, object_hook=budget)
    except msgpack.ExtraData:
        raise BadRequest("bytes follow the payload's array inside the frame") from None
    except (ValueError, TypeError, msgpack.UnpackException):
        raise BadRequest(
            "the payload is not valid MessagePack within the limits "
            f"(at most {HEADER_ENTRIES_MAX} entries, no extension types)"
        ) from None
