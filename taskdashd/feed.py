"""The change feed: who is told of what, in the order of `rev`, none missing, none twice.

A watch is either *live* (each commit's events go straight to it) or *behind*: it asked to resume
from an older rev, or is being read from the log because the recent events held here do not reach
back far enough. A watch that is behind is fed page by page, no faster than its reader takes it,
and becomes live in the same step in which it reaches the newest event.

An event is encoded once for each framing, however many watch.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from taskdash_protocol import strictjson
from taskdash_protocol.errors import Conflict, ServerError
from taskdash_protocol.frames import Framing
from taskdashd.domain.tasks import Change, matches

_PAGE_ROWS: Final = 200
_CHANGE_OVERHEAD_BYTES: Final = 1000


class Event:
    """One change, ready to be sent."""

    __slots__ = ("_body", "_fields", "_frames", "_task", "kind", "rev")

    def __init__(self, rev: int, kind: str, task_body: bytes) -> None:
        self.rev = rev
        self.kind = kind
        self._task = task_body
        self._body: bytes | None = None
        self._fields: dict[str, Any] | None = None
        self._frames: dict[tuple[Framing, int], bytes] = {}

    @property
    def fields(self) -> dict[str, Any]:
        """The task's fields after the change."""
        if self._fields is None:
            self._fields = strictjson.reload(self._task)
        return self._fields

    def frame(self, framing: Framing, watch: int) -> bytes:
        """Give the event as a frame for the watch of this number."""
        key = (framing, watch)
        frame = self._frames.get(key)
        if frame is None:
            if self._body is None:
                kind = self.kind.encode()
                self._body = b'{"rev":%d,"kind":"%b","task":%b}' % (self.rev, kind, self._task)
            frame = self._frames[key] = framing.event({"Watch": watch}, self._body)
        return frame


class Subscriber(Protocol):
    """Whoever takes events: a connection."""

    def deliver(self, watch: int, event: Event) -> None:
        """Take an event. Must not wait: a subscriber that cannot keep up is cut off by itself."""

    def has_room(self) -> bool:
        """Tell whether a watch that is behind may be given another page."""

    def resume_watches(self) -> None:
        """Call `Feed.resume` for the watches that are behind, until one cannot go on."""

    def on_fault(self, watch: int, error: ServerError) -> None:
        """Learn that a watch that was behind cannot go on."""


ReadLog = Callable[[int, int, Callable[[Any], None]], None]
"""Read rows of the log: after this rev, at most so many (fewer where they are large); then call
with the rows or a fault."""


class Watch:
    """One subscription."""

    __slots__ = ("closed", "held", "number", "position", "reading", "subscriber", "where")

    def __init__(
        self, number: int, subscriber: Subscriber, where: dict[str, frozenset[str]], position: int
    ) -> None:
        self.number = number
        self.subscriber = subscriber
        self.where = where
        self.position = position
        """Everything up to this rev has been told."""
        self.closed = False
        self.reading = False
        self.held: deque[Event] = deque()
        """A page of the log that the subscriber has no room for yet."""

    def tell(self, event: Event) -> None:
        """Pass an event on, if it matches and is new."""
        if event.rev > self.position:
            self.position = event.rev
            if not self.where or matches(self.where, event.fields):
                self.subscriber.deliver(self.number, event)


class Feed:
    """All watches, and the recent events that a watch can resume from without the log."""

    def __init__(
        self, last_rev: int, pruned_rev: int, read_log: ReadLog, *, recent_bytes_max: int
    ) -> None:
        self._last_rev = last_rev
        self._pruned_rev = pruned_rev
        self._read_log = read_log
        self._recent: deque[Change] = deque()
        self._recent_bytes = 0
        self._recent_bytes_max = recent_bytes_max
        self._recent_from = last_rev
        """The events after this rev are all in `_recent`."""
        self._live: dict[Watch, None] = {}

    @property
    def rev(self) -> int:
        """The rev of the newest event."""
        return self._last_rev

    def watch(
        self,
        number: int,
        subscriber: Subscriber,
        where: dict[str, frozenset[str]],
        since: int | None,
    ) -> Watch:
        """Subscribe: every matching event after the watch's `position` will be told.

        Raises `Conflict` where `since` is older than the log reaches or newer than it is. Nothing
        is delivered before `resume` is called.
        """
        if since is None:
            return Watch(number, subscriber, where, self._last_rev)
        if since < self._pruned_rev:
            raise Conflict(
                f"field since: changes up to rev {self._pruned_rev} are no longer held; Query, and"
                " watch from the rev that the new watch names"
            )
        if since > self._last_rev:
            raise Conflict(
                f"field since: rev {since} has not been reached here, {self._last_rev} is the"
                " newest; Query, and watch from the rev that the new watch names"
            )
        return Watch(number, subscriber, where, since)

    def resume(self, watch: Watch) -> bool:
        """Feed a watch what it lacks, as far as its subscriber has room; True once it is live."""
        if watch.closed or watch in self._live:
            return True
        if watch.reading or not self._tell_while_room(watch, watch.held):
            return False
        if watch.position < self._recent_from:
            self._read_page(watch)
            return False
        position = watch.position
        unseen = deque(_event(change) for change in self._recent if change.task.rev > position)
        if not self._tell_while_room(watch, unseen):
            return False
        self._live[watch] = None
        return True

    @staticmethod
    def _tell_while_room(watch: Watch, events: deque[Event]) -> bool:
        while events:
            if not watch.subscriber.has_room():
                return False
            watch.tell(events.popleft())
        return True

    def _read_page(self, watch: Watch) -> None:
        watch.reading = True
        held_from = self._recent_from
        self._read_log(watch.position, _PAGE_ROWS, lambda rows: self._page(watch, rows, held_from))

    def unwatch(self, watch: Watch) -> None:
        """End a subscription."""
        watch.closed = True
        self._live.pop(watch, None)

    def publish(self, changes: Sequence[Change]) -> None:
        """Tell everyone of a commit's changes."""
        self._last_rev = changes[-1].task.rev
        if self._live:
            events = [_event(change) for change in changes]
            # A subscriber may be cut off, and unwatch, while it is being told.
            for watch in list(self._live):
                for event in events:
                    if watch.closed:
                        break
                    watch.tell(event)
        self._recent.extend(changes)
        self._recent_bytes += sum(map(_size, changes))
        while self._recent_bytes > self._recent_bytes_max:
            oldest = self._recent.popleft()
            self._recent_bytes -= _size(oldest)
            self._recent_from = oldest.task.rev

    def _page(self, watch: Watch, rows: Any, held_from: int) -> None:
        watch.reading = False
        if watch.closed:
            return
        if isinstance(rows, Exception):
            self.unwatch(watch)
            fault = rows if isinstance(rows, ServerError) else Conflict("the log cannot be read")
            watch.subscriber.on_fault(watch.number, fault)
            return
        watch.held.extend(Event(rev, kind, body) for rev, kind, body in rows)
        if not rows:
            # Revs of commits that failed are never used again: the gap holds nothing.
            watch.position = max(watch.position, held_from)
        watch.subscriber.resume_watches()


def _event(change: Change) -> Event:
    return Event(change.task.rev, change.kind, change.task.body)


def _size(change: Change) -> int:
    # A change keeps the task before it alive, too.
    before = change.previous
    return _CHANGE_OVERHEAD_BYTES + len(change.task.body) + (len(before.body) if before else 0)
