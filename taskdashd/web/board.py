"""Every open board, and what it is told: each change within a moment of its commit.

What comes within a moment goes out as one message. Boards that see the same are told the same
bytes. A board that comes back names the last rev it knows, and is told from the log what it has
missed; one that was away for longer, or sees other tasks than then, is told to read afresh.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol
from zlib import crc32

import structlog
import trio

from taskdash_protocol import strictjson
from taskdash_protocol.errors import Outcome, ServerError
from taskdashd.core.clock import Clock
from taskdashd.core.commits import Following
from taskdashd.core.sections import BoardSection
from taskdashd.domain.access import Identity, Sight
from taskdashd.domain.tasks import Change
from taskdashd.feed.watches import Feed
from taskdashd.store.database import StoredStep
from taskdashd.store.reader import Log
from taskdashd.store.records import Record
from taskdashd.web.frames import text_frame
from taskdashd.web.told import Step

MISSED_MAX: Final = 5_000
"""Revs; who has missed more reads afresh."""
_PAGE_ROWS: Final = 200
_GATHER_S: Final = 0.05
_GATHER_MAX_S: Final = 0.15
_TOLD_A_SECOND: Final = 2_000
"""Messages; with more boards than this allows, each is told a little less often."""
_LOOK_EVERY_S: Final = 5.0
"""Sections may have something to tell also where nothing was committed."""
_MESSAGE_BYTES_MAX: Final = 1 << 20
"""Of changes; where there are more at once, boards read afresh what they show."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Place(NamedTuple):
    """Where a board was when it last was there."""

    rev: int
    sight: str
    """What it saw, as `tag_of` names it."""


class Viewer(Protocol):
    """An open board."""

    identity: Identity
    position: int
    """Everything up to this rev has been told."""
    live: bool
    """It is told of each change as it happens."""

    def put(self, frame: bytes) -> None:
        """Take a message. Must not wait: who cannot keep up is cut off."""

    async def has_room(self) -> None:
        """Wait until little waits to be read."""


class Board(Following):
    """See the module."""

    def __init__(
        self,
        clock: Clock,
        feed: Feed,
        changes: Log,
        sections: Sequence[BoardSection],
        told_rev: int,
    ) -> None:
        self._clock = clock
        self._feed = feed
        self._log = changes
        self._sections = sections
        self._viewers: dict[Viewer, int] = {}
        """Each with the number of the turn in which it is told what it has missed."""
        self._turn = 0
        self._news: list[Step] = []
        self._news_bytes = 0
        self._told_rev = told_rev
        """Live viewers have been told up to here."""
        self._wake = trio.Event()

    async def run(self) -> None:
        """Tell the boards, until cancelled."""
        while True:
            with trio.move_on_after(_LOOK_EVERY_S):
                await self._wake.wait()
            gather_s = max(_GATHER_S, min(_GATHER_MAX_S, len(self._viewers) / _TOLD_A_SECOND))
            await trio.sleep(gather_s)
            self._wake = trio.Event()
            try:
                self._tell()
            except Exception:
                log.exception("unexpected fault while the boards were told")

    def leave(self, viewer: Viewer) -> None:
        """Forget a board."""
        self._viewers.pop(viewer, None)

    async def join(self, viewer: Viewer, place: Place | None) -> None:
        """Greet a board, and tell it what it has missed; then it is told of each change."""
        self._turn += 1
        turn = self._viewers[viewer] = self._turn
        self._greet(viewer, place)
        if place is None or not self._can_resume(viewer, place):
            self._catch_on(viewer, afresh=place is not None)
            return
        viewer.position = place.rev
        while viewer.position < self._told_rev:
            to_rev = self._told_rev
            await viewer.has_room()
            rows = await self._read(viewer)
            if self._viewers.get(viewer) != turn:
                # It has gone, or is somebody else by now.
                return
            if isinstance(rows, ServerError):
                self._catch_on(viewer, afresh=True)
                return
            # Revs of commits that failed are never used: a gap holds nothing.
            viewer.position = rows[-1].rev if rows else max(viewer.position, to_rev)
            if place.rev < self._feed.pruned_rev:
                # What was forgotten meanwhile may be what this board would have to be told.
                self._catch_on(viewer, afresh=True)
                return
            steps = [Step(row.rev, row.kind, row.body, row.previous) for row in rows]
            told = [one for step in steps if (one := step.told(viewer.identity.sight)) is not None]
            viewer.put(text_frame(_message(viewer.position, told, b"")))
        viewer.live = True
        # What has changed beside the tasks meanwhile.
        beside = self._beside(viewer.identity)
        viewer.put(text_frame(_message(viewer.position, [], beside)))

    def identity_changed(self, viewer: Viewer, identity: Identity) -> None:
        """Take a board for what its person is now, and have it read afresh."""
        viewer.identity = identity
        if viewer not in self._viewers:
            return
        self._turn += 1
        self._viewers[viewer] = self._turn
        self._greet(viewer, None)
        self._catch_on(viewer, afresh=True)

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
        """Give what is told beside tasks, as members of a JSON object that has some already."""
        return b"".join(section.whole(identity) for section in self._sections)

    def _can_resume(self, viewer: Viewer, place: Place) -> bool:
        if place.sight != tag_of(viewer.identity) or place.rev < self._feed.pruned_rev:
            return False
        return 0 <= self._told_rev - place.rev <= MISSED_MAX

    def _catch_on(self, viewer: Viewer, *, afresh: bool) -> None:
        viewer.position = max(viewer.position, self._told_rev)
        viewer.live = True
        if afresh:
            viewer.put(text_frame(strictjson.dumps({"rev": viewer.position, "afresh": True})))

    async def _read(self, viewer: Viewer) -> Outcome[list[StoredStep]]:
        done = trio.Event()
        found: list[Outcome[list[StoredStep]]] = []

        def read(rows: Outcome[list[StoredStep]]) -> None:
            found.append(rows)
            done.set()

        wanted = partial(self._viewers.__contains__, viewer)
        self._log.steps(viewer.position, _PAGE_ROWS, wanted, read)
        await done.wait()
        return found[0]

    def committed(self, changes: Sequence[Change]) -> None:
        """Take in a commit's changes, in the order of their revs."""
        if not self._viewers:
            # Nobody looks: nothing is kept for them.
            self._news, self._news_bytes = [], 0
            self._told_rev = changes[-1].task.rev
            return
        for change in changes:
            before = change.previous.body if change.previous is not None else b""
            self._news.append(Step(change.task.rev, change.kind, change.task.body, before))
            self._news_bytes += len(change.task.body)
        self._wake.set()

    def kept(self, records: Sequence[Record]) -> None:
        """Take in a commit's records: of those, a section may have something to tell."""
        self._wake.set()

    def _tell(self) -> None:
        news, self._news = self._news, []
        is_much, self._news_bytes = self._news_bytes > _MESSAGE_BYTES_MAX, 0
        beside_of = [one for section in self._sections if (one := section.news()) is not None]
        if news:
            self._told_rev = max(self._told_rev, news[-1].rev)
        if not (news or beside_of) or not self._viewers:
            return
        audiences: dict[Sight | None, list[Viewer]] = defaultdict(list)
        for viewer in self._viewers:
            if viewer.live:
                audiences[viewer.identity.sight].append(viewer)
        frames: dict[tuple[Any, ...], bytes] = {}
        for sight, viewers in audiences.items():
            beside = b"".join(told_to(viewers[0].identity) for told_to in beside_of)
            if is_much:
                beside += b',"afresh":true'
            told = [] if is_much else [(step, step.told(sight)) for step in news]
            for viewer in viewers:
                mine = [one for step, one in told if one is not None and step.rev > viewer.position]
                # Fragments are made once: those who see the same see the very same ones.
                viewer.position = max(viewer.position, self._told_rev)
                key = (viewer.position, beside, *map(id, mine))
                frame = frames.get(key)
                if frame is None:
                    frame = frames[key] = text_frame(_message(viewer.position, mine, beside))
                viewer.put(frame)


def tag_of(identity: Identity) -> str:
    """Name what somebody sees, so that it can be told whether it is still the same."""
    sight = identity.sight
    groups = ["all"] if sight is None else sorted(sight.groups)
    return f"{crc32(strictjson.dumps([identity.person, groups])):08x}"


def _me(identity: Identity) -> dict[str, Any]:
    return {
        "user": identity.person,
        "name": identity.name,
        "role": identity.role,
        "groups": sorted(identity.groups - {""}),
        "leads": sorted(identity.leads),
    }


def _message(rev: int, told: Sequence[bytes], beside: bytes) -> bytes:
    return b'{"rev":%d,"events":[%b]%b}' % (rev, b",".join(told), beside)
