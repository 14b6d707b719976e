"""The open boards: each is told of every change that it may see, a moment after its commit.

The changes of 50 to 150 ms go out as one message. Boards that see the same tasks are told the same
bytes. A board that comes back names the last rev it knows, and is told from the log what it has
missed; a board that was away for longer, or saw other tasks then, is told to read afresh.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol
from zlib import crc32

import structlog
import trio

from taskdash_protocol import strictjson
from taskdash_protocol.errors import ServerError
from taskdashd.core.clock import Clock
from taskdashd.core.commits import Following
from taskdashd.core.sections import BoardSection
from taskdashd.domain.access import Identity, Sight
from taskdashd.domain.tasks import Change
from taskdashd.feed.behind import CatchUp
from taskdashd.feed.watches import Feed
from taskdashd.store.reader import ChangeLog
from taskdashd.store.records import Record
from taskdashd.store.stored import StoredStep
from taskdashd.web.frames import text_frame
from taskdashd.web.told import Step, whole

MISSED_MAX: Final = 5_000
"""Revs; a board that has missed more reads afresh."""
_GATHER_S: Final = 0.05
_GATHER_MAX_S: Final = 0.15
_TOLD_A_SECOND: Final = 2_000
"""Messages; where boards are more than this allows, changes are gathered for longer."""
_AT_ONCE_S: Final = 0.001
"""Boards are told for so long at a time: hundreds, each with a sight of its own, take longer."""
_LOOK_EVERY_S: Final = 5.0
"""Sections are asked at least so often: they may have news without a commit."""
_MESSAGE_BYTES_MAX: Final = 1 << 20
"""The most bytes of changes in a message; where there are more, boards read afresh instead."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Place(NamedTuple):
    """How far a board that comes back had been told, and with which sight."""

    rev: int
    sight: str
    """The tag that `tag_of` gave of the board's sight then."""


class Viewer(Protocol):
    """An open board, as `Boards` sees it: the websocket of a page."""

    @property
    def identity(self) -> Identity:
        """The identity that the board is signed in as."""

    def become(self, identity: Identity) -> None:
        """Take over a changed identity of the same person."""

    @property
    def whose(self) -> str:
        """Say whose turns it takes."""

    def put(self, frame: bytes) -> None:
        """Take a message. Must not wait: a board that cannot keep up is cut off."""

    def has_room(self) -> bool:
        """Tell whether little waits to be sent; the viewer calls `Boards.resume` when it drains."""


class _Told(CatchUp[StoredStep]):
    """How far a board has been told; tells it from the log what it has missed."""

    __slots__ = ("_boards", "_since", "live", "viewer")

    def __init__(self, boards: "Boards", viewer: Viewer, since: int) -> None:
        super().__init__(since)
        self._boards = boards
        self._since = since
        self.viewer = viewer
        self.live = False
        """Whether the board is told of each commit; before that, it catches up from the log."""

    @property
    def whose(self) -> str:
        """Say whose turn the reading takes."""
        return self.viewer.whose

    def take(self) -> bool:
        """Tell of the rows in `held` in one message, if there is room for it."""
        if not self.held:
            return True
        if self._boards.gaps_rev > self._since:
            # Changes that this board has missed may have been deleted while it caught up.
            self.close()
            self._boards.start_over(self.viewer)
            return False
        if not self.viewer.has_room():
            return False
        sight = self.viewer.identity.sight
        steps = [Step(row.rev, row.kind, row.body, row.previous) for row in self.held]
        told = [one for step in steps if (one := step.told(sight)) is not None]
        self.position = self.held[-1].rev
        self.held.clear()
        self.viewer.put(_message(self.position, told, b""))
        return True

    def failed(self, fault: ServerError) -> None:
        """Have the board read afresh: the log cannot tell it what it has missed."""
        self._boards.start_over(self.viewer)

    def go_on_later(self) -> None:
        """Resume the board at once: unlike watches of one connection, it takes turns with none."""
        self._boards.resume(self.viewer)

    def catch_on(self, rev: int) -> None:
        """Become live: told of each change after a rev, as it is committed."""
        self.position = max(self.position, rev)
        self.live = True


class Boards(Following):
    """All open boards, and the changes that are gathered to be told next."""

    def __init__(
        self,
        clock: Clock,
        feed: Feed,
        changes: ChangeLog,
        sections: Sequence[BoardSection],
    ) -> None:
        self._clock = clock
        self._feed = feed
        self._log = changes
        self._sections = sections
        self._viewers: dict[Viewer, _Told] = {}
        self._news: list[Change] = []
        self._news_bytes = 0
        self._told_rev = feed.rev
        """The rev up to which live boards have been told."""
        self._wake = trio.Event()

    async def run(self) -> None:
        """Tell the boards of what was gathered, again and again until cancelled."""
        while True:
            with trio.move_on_after(_LOOK_EVERY_S):
                await self._wake.wait()
            gather_s = max(_GATHER_S, min(_GATHER_MAX_S, len(self._viewers) / _TOLD_A_SECOND))
            await trio.sleep(gather_s)
            self._wake = trio.Event()
            try:
                for _ in self._tell():
                    await trio.lowlevel.checkpoint()
            except Exception:
                log.exception("unexpected fault while the boards were told")

    @property
    def gaps_rev(self) -> int:
        """The rev up to which the log may have gaps."""
        return self._feed.gaps_rev

    def join(self, viewer: Viewer, place: Place | None) -> None:
        """Greet a board, tell it what it has missed since `place`, and from then on each change."""
        self._greet(viewer, place)
        if place is None:
            self._begin(viewer, self._told_rev).catch_on(self._told_rev)
        elif self._can_resume(viewer, place):
            self._begin(viewer, place.rev)
            self.resume(viewer)
        else:
            self._read_afresh(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Forget a board."""
        told = self._viewers.pop(viewer, None)
        if told is not None:
            told.close()

    def resume(self, viewer: Viewer) -> None:
        """Tell a board more of what it has missed, as far as it has room; told all, it is live."""
        told = self._viewers.get(viewer)
        if told is None or told.live or not told.go_on(self._told_rev, self._log.steps):
            return
        told.catch_on(self._told_rev)
        # Send the sections whole: the log of tasks holds no news of them.
        beside = self._beside(viewer.identity)
        viewer.put(_message(told.position, [], b',"whole":true' + beside))

    def _read_afresh(self, viewer: Viewer) -> None:
        """Have a board read again what it shows, and tell it of each change from now on."""
        told = self._begin(viewer, self._told_rev)
        told.catch_on(self._told_rev)
        viewer.put(text_frame(strictjson.dumps({"rev": told.position, "afresh": True})))

    def start_over(self, viewer: Viewer) -> None:
        """Greet a board again, and have it read afresh.

        The greeting is needed too: a board that catches up is not told what changes in a section.
        """
        self._greet(viewer, None)
        self._read_afresh(viewer)

    def identity_changed(self, viewer: Viewer, identity: Identity) -> None:
        """Give a board the changed identity of its person, and have it read afresh."""
        viewer.become(identity)
        if viewer in self._viewers:
            self.start_over(viewer)

    def _begin(self, viewer: Viewer, since: int) -> _Told:
        """Tell a board from a rev on, in place of any catching up that is still under way."""
        self.leave(viewer)
        told = self._viewers[viewer] = _Told(self, viewer, since)
        return told

    def _greet(self, viewer: Viewer, place: Place | None) -> None:
        identity = viewer.identity
        message: dict[str, Any] = {
            "me": {**_me(identity), "sight": tag_of(identity)},
            "now": self._clock.stamp(),
        }
        if place is None:
            message["rev"] = self._told_rev
        beside = self._beside(identity)
        viewer.put(text_frame(strictjson.dumps(message)[:-1] + beside + b"}"))

    def _beside(self, identity: Identity) -> bytes:
        """Give the sections whole, as members for the end of a JSON object that is not empty."""
        return b"".join(section.whole(identity) for section in self._sections)

    def _can_resume(self, viewer: Viewer, place: Place) -> bool:
        if place.sight != tag_of(viewer.identity) or place.rev < self._feed.gaps_rev:
            return False
        return 0 <= self._told_rev - place.rev <= MISSED_MAX

    def committed(self, changes: Sequence[Change]) -> None:
        """Take in a commit's changes, in the order of their revs."""
        if not self._viewers:
            # No board is open: gather nothing, as a board that joins begins at `_told_rev`.
            self._news, self._news_bytes = [], 0
            self._told_rev = changes[-1].task.rev
            return
        if self._news_bytes > _MESSAGE_BYTES_MAX:
            # Boards will read afresh: keep the newest, for its rev, and no other.
            self._news = [changes[-1]]
        else:
            self._news += changes
            self._news_bytes += sum(len(change.task.body) for change in changes)
        self._wake.set()

    def kept(self, records: Sequence[Record]) -> None:
        """Take in a commit's records: sections may have news of them to tell."""
        self._wake.set()

    def _tell(self) -> Iterator[None]:
        """Tell the boards; yields now and then: others are served, and boards come and go."""
        news, self._news = self._news, []
        is_much, self._news_bytes = self._news_bytes > _MESSAGE_BYTES_MAX, 0
        beside_of = [tell for section in self._sections if (tell := section.news()) is not None]
        if news:
            self._told_rev = max(self._told_rev, news[-1].task.rev)
        if not (news or beside_of) or not self._viewers:
            return
        # The sections have looked at all that has changed: let others have a turn.
        yield
        fragments = _Fragments([] if is_much else news)
        until = self._clock.now() + _AT_ONCE_S
        frames: dict[tuple[Any, ...], bytes] = {}
        for identity, audience in self._audiences().items():
            parts = [told_to(identity) for told_to in beside_of]
            if None in parts:
                # A section has put something off: come back for it soon.
                self._wake.set()
            beside = b"".join(part for part in parts if part)
            if is_much:
                beside += b',"afresh":true'
            if not (news or beside):
                continue
            seen = fragments.seen_by(identity.sight)
            frame_after: dict[int, bytes] = {}
            for one in audience:
                if self._clock.now() > until:
                    yield
                    until = self._clock.now() + _AT_ONCE_S
                # A board that was closed meanwhile, or reads afresh, is told nothing of before.
                if self._viewers.get(one.viewer) is one:
                    since = one.position
                    one.catch_on(self._told_rev)
                    if since not in frame_after:
                        mine = seen.after(since)
                        frame_after[since] = _shared(one.position, mine, beside, frames)
                    one.viewer.put(frame_after[since])

    def _audiences(self) -> dict[Identity, list[_Told]]:
        """Give the boards that are told of each commit, by who looks.

        Not by sight alone: of those who see all, each has news of their own. Who looks now counts:
        a board that is another's by its turn reads afresh.
        """
        audiences: dict[Identity, list[_Told]] = defaultdict(list)
        for viewer, told_so_far in self._viewers.items():
            if told_so_far.live:
                audiences[viewer.identity].append(told_so_far)
        return audiences


class _Seen(NamedTuple):
    """Changes as boards are told of them, in the order of their revs."""

    revs: Sequence[int]
    texts: Sequence[bytes]

    def after(self, rev: int) -> Sequence[bytes]:
        """Give those after a rev."""
        return self.texts[bisect_right(self.revs, rev) :]


class _Fragments:
    """Changes as boards are told of them, each encoded once, if at all."""

    def __init__(self, news: Sequence[Change]) -> None:
        self._news = news
        self._whole: _Seen | None = None
        self._steps: list[Step] | None = None

    def seen_by(self, sight: Sight | None) -> _Seen:
        """Give the changes that a sight is told of."""
        if sight is not None:
            if self._steps is None:
                self._steps = [Step.of(change) for change in self._news]
            told = [(step.rev, text) for step in self._steps if (text := step.told(sight))]
            return _Seen([rev for rev, _ in told], [text for _, text in told])
        if self._whole is None:
            # Make no steps for whoever sees everything: they would double what a change costs.
            self._whole = _Seen(
                [one.task.rev for one in self._news],
                [whole(one.task.rev, one.kind, one.task.body) for one in self._news],
            )
        return self._whole


def tag_of(identity: Identity) -> str:
    """Give a short tag of an identity's sight: another tag later means that it sees other tasks."""
    sight = identity.sight
    groups = ["all"] if sight is None else sorted(sight.groups)
    bound = [] if sight is None or sight.within is None else [sorted(sight.within)]
    return f"{crc32(strictjson.dumps([identity.person, groups, *bound])):08x}"


def _me(identity: Identity) -> dict[str, Any]:
    return {
        "user": identity.person,
        "name": identity.name,
        "role": identity.role,
        "groups": sorted(identity.groups - {""}),
        "leads": sorted(identity.leads),
    }


def _shared(
    rev: int, told: Sequence[bytes], beside: bytes, frames: dict[tuple[Any, ...], bytes]
) -> bytes:
    # A change is encoded once, so sights with equal ids can share a frame.
    key = (rev, beside, *map(id, told))
    if key not in frames:
        frames[key] = _message(rev, told, beside)
    return frames[key]


def _message(rev: int, told: Sequence[bytes], beside: bytes) -> bytes:
    return text_frame(b'{"rev":%d,"events":[' % rev, b",".join(told), b"]", beside, b"}")
