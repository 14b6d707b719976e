"""Replies in the order of their requests, and the bytes that are ready to be sent.

A reply takes its place when its request is begun, and its frame is filled in when the outcome is
known; only filled replies at the head become output. Events have no place in that order and go out
at once.
"""

from collections import deque
from typing import Final

SEND_BYTES: Final = 256 << 10


class Reply:
    """A place in the order of replies."""

    __slots__ = ("frame", "requests", "room")

    frame: bytes | None
    """The reply as it is sent; None until the outcome is known."""
    room: int
    """About how many bytes the frame has or will have."""
    requests: int
    """How many requests it answers: several where they were done in a run."""

    def __init__(self) -> None:
        self.frame = None
        self.room = self.requests = 0


class Outbox:
    """Replies and events on their way to the peer."""

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        """Replies that are not output yet; for who looks at it for each request."""
        self.awaited = 0
        """How many requests have no output yet."""
        self._output: deque[tuple[bytes, int]] = deque()
        """Frames, each with its length if it is a reply, or 0 if it is an event."""
        self.output_bytes = 0
        """Bytes ready to be sent, of replies and events."""
        self.held_bytes = 0
        """About how many bytes all replies take, ready or not, that no socket was offered yet."""

    def __len__(self) -> int:
        """How many replies are not output yet."""
        return len(self.replies)

    def expect(self, reply: Reply, room: int = 0, requests: int = 1) -> None:
        """Give a reply of about so many bytes the next place in the order."""
        reply.room, reply.requests = room, requests
        self.held_bytes += room
        self.awaited += requests
        self.replies.append(reply)

    def fill(self, reply: Reply, frame: bytes) -> bool:
        """Put a frame in its reply's place; True if that reply is the next to go out."""
        size = len(frame)
        self.held_bytes += size - reply.room
        reply.frame, reply.room = frame, size
        replies = self.replies
        return bool(replies) and replies[0] is reply

    def release(self) -> None:
        """Turn the filled replies at the head into output."""
        replies = self.replies
        while replies and (frame := replies[0].frame) is not None:
            self.awaited -= replies.popleft().requests
            self._output.append((frame, len(frame)))
            self.output_bytes += len(frame)

    def append(self, frame: bytes) -> None:
        """Add a reply that is known at once, in the order of replies."""
        size = len(frame)
        if self.replies:
            reply = Reply()
            reply.frame = None
            self.expect(reply, size)
            self.fill(reply, frame)
        else:
            self._output.append((frame, size))
            self.output_bytes += size
            self.held_bytes += size

    def put(self, frame: bytes) -> None:
        """Add an event to the output, behind the filled replies and before those to come."""
        if self.replies:
            self.release()
        self._output.append((frame, 0))
        self.output_bytes += len(frame)

    def take(self) -> bytes:
        """Give bytes that are ready to be sent: all, or as much as one `send` is likely to take."""
        output, pieces, size = self._output, [], 0
        while output and size < SEND_BYTES:
            piece, reply_bytes = output.popleft()
            pieces.append(piece)
            size += len(piece)
            self.held_bytes -= reply_bytes
        self.output_bytes -= size
        return b"".join(pieces)

    def put_back(self, rest: bytes) -> None:
        """Take back the bytes that the socket did not take."""
        self._output.appendleft((rest, 0))
        self.output_bytes += len(rest)

    def drop_output(self) -> None:
        """Drop the bytes that are ready to be sent."""
        while self.output_bytes:
            self.take()

    def drop_replies(self) -> None:
        """Drop the replies that are not output yet: whoever asked is to get none."""
        self.replies.clear()
        self.awaited = 0

    def clear(self) -> None:
        """Drop all replies and output: the peer is gone."""
        self.replies.clear()
        self._output.clear()
        self.output_bytes = self.held_bytes = self.awaited = 0
