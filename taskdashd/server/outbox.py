"""Replies in the order of their requests, and the bytes that are ready to be sent.

A reply takes its `Slot` when its request is begun and is filled in when it is known; only filled
slots at the head become output. Events have no place in that order and go out at once.
"""

from collections import deque
from typing import Final

SEND_BYTES: Final = 256 << 10


class Slot:
    """A reply's place in the order, and about how many bytes it holds or will hold."""

    __slots__ = ("frame", "size")

    def __init__(self, size: int) -> None:
        self.frame: bytes | None = None
        self.size = size


class Outbox:
    """What is on its way to the peer."""

    def __init__(self) -> None:
        self._slots: deque[Slot] = deque()
        self.slot_bytes = 0
        """About how much the replies hold that are not output yet."""
        self._output: deque[bytes] = deque()
        self.output_bytes = 0
        """Ready to be sent."""

    def __len__(self) -> int:
        """How many replies are not output yet."""
        return len(self._slots)

    def slot(self, size: int = 0) -> Slot:
        """Take the next place in the order, for a reply of about so many bytes."""
        slot = Slot(size)
        self._slots.append(slot)
        self.slot_bytes += size
        return slot

    def fill(self, slot: Slot, frame: bytes) -> bool:
        """Put a reply in its place; True if it is the next to go out."""
        self.slot_bytes += len(frame) - slot.size
        slot.frame, slot.size = frame, len(frame)
        return bool(self._slots) and self._slots[0] is slot

    def release(self) -> None:
        """Turn the replies at the head that are known into output."""
        slots = self._slots
        while slots and (frame := slots[0].frame) is not None:
            self.put(frame)
            self.slot_bytes -= slots.popleft().size

    def put(self, frame: bytes) -> None:
        """Add a frame to the output, outside the order of replies."""
        self._output.append(frame)
        self.output_bytes += len(frame)

    def take(self) -> bytes:
        """Give bytes that are ready to be sent: all, or as much as one `send` is likely to take."""
        output, pieces, size = self._output, [], 0
        while output and size < SEND_BYTES:
            piece = output.popleft()
            pieces.append(piece)
            size += len(piece)
        self.output_bytes -= size
        return b"".join(pieces)

    def put_back(self, rest: bytes) -> None:
        """Take back what the socket did not."""
        self._output.appendleft(rest)
        self.output_bytes += len(rest)

    def drop_output(self) -> None:
        """Forget what is ready to be sent."""
        self._output.clear()
        self.output_bytes = 0

    def clear(self) -> None:
        """Forget everything: nobody is left to read it."""
        self._slots.clear()
        self.slot_bytes = 0
        self.drop_output()
