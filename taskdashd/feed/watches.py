"""The change feed: each watch gets its events in the order of `rev`, none missing, none twice.

A watch is either *live* (each commit's events go straight to it) or *behind*: it asked to resume
from an older rev, and is fed from the log where the recent events held here do not reach back far
enough. A watch that is behind is fed page by page, no faster than its peer reads, and becomes live
in the same step in which it reaches the newest event.

The watches of one framing and number, on however many connections, share an event's frame.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from sys import getsizeof
from typing import Any, Final, Protocol

from taskdash_protocol import strictjson
from taskdash_protocol.errors import Busy, Conflict, ServerError
from taskdash_protocol.frames import Framing
from taskdashd.domain.access import Sight
from taskdashd.domain.held import Held
from taskdashd.domain.selecting import matches
from taskdashd.domain.tasks import Change, Task
from taskdashd.feed.behind import CatchUp, ReadPage
from taskdashd.feed.interest import Interest

_OVERHEAD_BYTES: Final = 200
"""Memory that a recent event takes beside the task's body, roughly."""

_WATCH_BYTES: Final = 1 << 10
_VALUE_BYTES: Final = 400
"""Memory that a watch, and each value of its `where` with its place in `Interest`, takes beside the
text, roughly."""


class Event:
    """A change as watches are told of it; parsed and encoded only when needed, and then once."""

    __slots__ = ("_body", "_fields", "_frames", "_status", "_task", "kind", "rev")

    def __init__(self, rev: int, kind: str, task_body: bytes, status: str | None = None) -> None:
        self.rev = rev
        self.kind = kind
        self._task = task_body
        self._status = status
        self._body = b""
        self._fields: dict[str, Any] | None = None
        self._frames: dict[tuple[Framing, int], bytes] | None = None

    def matches(self, where: Mapping[str, frozenset[str]]) -> bool:
        """Tell whether the task after the change satisfies a Watch's `where`."""
        if self._status is not None:
            # Compare the status first: most watches ask for it, and it needs no parsing.
            if self._status not in where.get("status", (self._status,)):
                return False
            if where.keys() <= {"status"}:
                return True
        return matches(where, self.fields)

    @property
    def fields(self) -> dict[str, Any]:
        """Give the task's fields after the change."""
        if self._fields is None:
            self._fields = strictjson.reload(self._task)
        return self._fields

    def frame(self, framing: Framing, watch: int) -> bytes:
        """Give the event as a frame for the watch of this number."""
        if self._frames is None:
            self._frames = {}
            self._body = b'{"rev":%d,"kind":"%b","task":%b}' % (
                self.rev,
                self.kind.encode(),
                self._task,
            )
        frame = self._frames.get((framing, watch))
        if frame is None:
            frame = self._frames[framing, watch] = framing.event({"Watch": watch}, self._body)
        return frame


class Subscriber(Protocol):
    """A connection, as its watches see it: it takes their events."""

    @property
    def whose(self) -> str:
        """Say whose turns it takes."""

    def deliver(self, watch: int, events: Sequence[Event]) -> None:
        """Take events. Must not wait: a subscriber cuts off its peer where that cannot keep up."""

    def has_room(self) -> bool:
        """Tell whether a watch that is behind may be given another page."""

    def resume_watches(self) -> None:
        """Call `Feed.resume` for the watches that are behind, until one cannot go on."""

    def expire(self, error: ServerError) -> None:
        """End the connection for a reason; nothing that it has asked is begun any more."""

    def on_fault(self, watch: int, error: ServerError) -> None:
        """Take the fault for which a watch that is behind cannot go on."""


EventRow = tuple[int, str, bytes]
"""A row of the log: its rev, its kind, and the task's JSON after the change."""


class Watch(CatchUp[EventRow]):
    """A connection's subscription to the changes that match `where`, within its sight."""

    __slots__ = ("held_bytes", "held_for", "number", "sight", "subscriber", "where")

    def __init__(
        self,
        number: int,
        subscriber: Subscriber,
        where: dict[str, frozenset[str]],
        position: int,
        sight: Sight | None = None,
    ) -> None:
        super().__init__(position)
        self.number = number
        self.subscriber = subscriber
        self.where = where
        self.sight = sight
        self.held_for = subscriber.whose
        values = (value for values in where.values() for value in values)
        self.held_bytes = _WATCH_BYTES + sum(_VALUE_BYTES + getsizeof(value) for value in values)
        """About how many bytes the watch takes, while it is open."""

    @property
    def whose(self) -> str:
        """Say whose turn the reading takes."""
        return self.subscriber.whose

    def let_go(self) -> int:
        """Count its bytes no more; returns how many they were."""
        held_bytes, self.held_bytes = self.held_bytes, 0
        return held_bytes

    def take(self) -> bool:
        """Tell of the rows in `held`, one at a time, while the subscriber has room."""
        while self.held:
            if not self.subscriber.has_room():
                return False
            self.tell((Event(*self.held.popleft()),))
        return True

    def failed(self, fault: ServerError) -> None:
        """Tell the subscriber that the watch cannot go on."""
        self.subscriber.on_fault(self.number, fault)

    def go_on_later(self) -> None:
        """Have the subscriber resume its watches."""
        self.subscriber.resume_watches()

    def tell(self, events: Sequence[Event]) -> None:
        """Pass on the events, given in the order of `rev`, that are new, match and are in sight."""
        if events[0].rev <= self.position:
            events = [event for event in events if event.rev > self.position]
        if not events:
            return
        self.position = events[-1].rev
        if self.where:
            events = [event for event in events if event.matches(self.where)]
        if self.sight is not None:
            events = [event for event in events if self.sight.sees(event.fields)]
        if events:
            self.subscriber.deliver(self.number, events)


class Feed:
    """All watches, and the recent events that a watch can resume from without the log."""

    def __init__(
        self,
        last_rev: int,
        gaps_rev: int,
        read_log: ReadPage[EventRow],
        watched: Held,
        *,
        recent_bytes_max: int,
    ) -> None:
        self._last_rev = last_rev
        self._gaps_rev = gaps_rev
        self._read_log = read_log
        self._watched = watched
        """The bytes that all `where` take together."""
        self._recent: deque[tuple[int, str, bytes, str]] = deque()
        """For each recent change, the arguments of its `Event`, made only where a watch resumes."""
        self._recent_bytes = 0
        self._recent_bytes_max = recent_bytes_max
        self._recent_from = last_rev
        """The events after this rev are all in `_recent`."""
        self._live: dict[Watch, None] = {}
        self._interest: Interest[Watch] = Interest()

    @property
    def rev(self) -> int:
        """The rev of the newest event."""
        return self._last_rev

    @property
    def gaps_rev(self) -> int:
        """The rev up to which the log may have gaps."""
        return self._gaps_rev

    def watch(
        self,
        number: int,
        subscriber: Subscriber,
        where: dict[str, frozenset[str]],
        since: int | None,
        sight: Sight | None = None,
    ) -> Watch:
        """Subscribe: every matching event in sight after the watch's `position` will be told.

        Raises `Conflict` where `since` is older than the log reaches, or newer than its newest
        rev, and `Busy` where the open watches of the same, or of all, take too much. Nothing is
        delivered before `resume` is called.
        """
        if since is not None:
            self._check_since(since)
        position = self._last_rev if since is None else since
        watch = Watch(number, subscriber, where, position, sight)
        whose, size = watch.held_for, watch.held_bytes
        if self._watched.is_full(whose, self._watched.of(whose), size):
            raise Busy("the watches that are open ask for too much together: end one first")
        self._watched.add(whose, size)
        return watch

    def _check_since(self, since: int) -> None:
        if since < self._gaps_rev:
            raise Conflict(
                f"field since: changes up to rev {self._gaps_rev} are no longer held; Query, and"
                " watch from the rev that the new watch names"
            )
        if since > self._last_rev:
            raise Conflict(
                f"field since: rev {since} has not been reached here, {self._last_rev} is the"
                " newest; Query, and watch from the rev that the new watch names"
            )

    def pruned(self, rev: int) -> None:
        """Note that the log up to a rev has gaps now."""
        self._gaps_rev = max(self._gaps_rev, rev)

    def forgotten(self, tasks: Sequence[Task]) -> None:
        """Tell nobody of tasks that were removed, but note that the log has gaps up to them."""
        self.pruned(max(task.rev for task in tasks))

    def resume(self, watch: Watch) -> bool:
        """Feed a watch what it lacks, as far as its subscriber has room; True once it is live."""
        if watch.closed or watch in self._live:
            return True
        if not watch.go_on(self._recent_from, self._read_log):
            return False
        position = watch.position
        unseen = deque(Event(*made_of) for made_of in self._recent if made_of[0] > position)
        while unseen:
            if not watch.subscriber.has_room():
                return False
            watch.tell((unseen.popleft(),))
        self._live[watch] = None
        self._interest.add(watch, watch.where)
        return True

    def unwatch(self, watch: Watch) -> None:
        """End a subscription."""
        watch.close()
        self._watched.add(watch.held_for, -watch.let_go())
        if watch in self._live:
            del self._live[watch]
            self._interest.remove(watch, watch.where)

    def kept(self, records: Sequence[Any]) -> None:
        """Do nothing with a commit's records: watches are told of tasks only."""

    def committed(self, changes: Sequence[Change]) -> None:
        """Tell everyone of a commit's changes, in the order of their revs."""
        news = [(task.rev, kind, task.body, task.status) for kind, task, _, _, _ in changes]
        self._last_rev = news[-1][0]
        if self._live:
            self._tell(changes)
        self._recent.extend(news)
        self._recent_bytes += sum(_OVERHEAD_BYTES + len(body) for _, _, body, _ in news)
        while self._recent_bytes > self._recent_bytes_max:
            rev, _, body, _ = self._recent.popleft()
            self._recent_bytes -= len(body) + _OVERHEAD_BYTES
            self._recent_from = rev

    def _tell(self, changes: Sequence[Change]) -> None:
        told: dict[Watch, list[Event]] = {}
        for kind, task, _, _, _ in changes:
            event = None
            for watch in self._interest.concerned(task):
                event = event or Event(task.rev, kind, task.body, task.status)
                told.setdefault(watch, []).append(event)
        # All were found before: a subscriber that is cut off while being told unwatches meanwhile.
        for watch, events in told.items():
            if not watch.closed:
                watch.tell(events)
