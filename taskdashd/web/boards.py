"""Every open board, and what it is told: each change within a moment of its commit.

What comes within a moment goes out as one message. Boards that see the same are told the same
bytes. A board that comes back names the last rev it knows, and is told from the log what it has
missed; one that was away for longer, or sees other tasks than then, is told to read afresh.
"""

from collections import defaultdict
from collections.abc import Sequence
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
from taskdashd.store.database import StoredStep
from taskdashd.store.reader import ChangeLog
from taskdashd.store.records import Record
from taskdashd.web.frames import text_frame
from taskdashd.web.told import Step

MISSED_MAX: Final = 5_000
"""Revs; who has missed more reads afresh."""
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

    @property
    def identity(self) -> Identity:
        """Whose it is."""

    def become(self, identity: Identity) -> None:
        """Take it for somebody else's from now on."""

    def put(self, frame: bytes) -> None:
        """Take a message. Must not wait: who cannot keep up is cut off."""

    def has_room(self) -> bool:
        """Tell whether little waits to be read; once it does again, `Boards.resume` is called."""


class _Told(CatchUp[StoredStep]):
    """How far a board has been told, and from the log what it has missed."""

    __slots__ = ("_boards", "_since", "live", "viewer")

    def __init__(self, boards: "Boards", viewer: Viewer, since: int) -> None:
        super().__init__(since)
        self._boards = boards
        self._since = since
        self.viewer = viewer
        self.live = False
        """Whether it is told of each change as it happens."""

    def take(self) -> bool:
        """Tell of the page that is held in one message, if there is room for it."""
        if not self.held:
            return True
        if self._boards.pruned_rev > self._since:
            # What was forgotten meanwhile may be what this board would have to be told.
            self.close()
            self._boards.read_afresh(self.viewer)
            return False
        if not self.viewer.has_room():
            return False
        sight = self.viewer.identity.sight
        steps = [Step(row.rev, row.kind, row.body, row.previous) for row in self.held]
        told = [one for step in steps if (one := step.told(sight)) is not None]
        self.position = self.held[-1].rev
        self.held.clear()
        self.viewer.put(text_frame(_message(self.position, told, b"")))
        return True

    def failed(self, fault: ServerError) -> None:
        """Have the board read afresh: the log cannot tell it what it has missed."""
        self._boards.read_afresh(self.viewer)

    def go_on_later(self) -> None:
        """Go on at once: no message waits for another."""
        self._boards.resume(self.viewer)

    def catch_on(self, rev: int) -> None:
        """Be told of each change after a rev from now on."""
        self.position = max(self.position, rev)
        self.live = True


class Boards(Following):
    """See the module."""

    def __init__(
        self,
        clock: Clock,
        feed: Feed,
        changes: ChangeLog,
        sections: Sequence[BoardSection],
        told_rev: int,
    ) -> None:
        self._clock = clock
        self._feed = feed
        self._log = changes
        self._sections = sections
        self._viewers: dict[Viewer, _Told] = {}
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

    @property
    def pruned_rev(self) -> int:
        """The log up to here may have gaps."""
        return self._feed.pruned_rev

    def join(self, viewer: Viewer, place: Place | None) -> None:
        """Greet a board, and tell it what it has missed; then it is told of each change."""
        self._greet(viewer, place)
        if place is None:
            self._begin(viewer, self._told_rev).catch_on(self._told_rev)
        elif self._can_resume(viewer, place):
            self._begin(viewer, place.rev)
            self.resume(viewer)
        else:
            self.read_afresh(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Forget a board."""
        told = self._viewers.pop(viewer, None)
        if told is not None:
            told.close()

    def resume(self, viewer: Viewer) -> None:
        """Tell a board more of what it has missed, as far as it has room; then it is live."""
        told = self._viewers.get(viewer)
        if told is None or told.live or not told.go_on(self._told_rev, self._log.steps):
            return
        told.catch_on(self._told_rev)
        # What has changed beside the tasks meanwhile.
        beside = self._beside(viewer.identity)
        viewer.put(text_frame(_message(told.position, [], beside)))

    def read_afresh(self, viewer: Viewer) -> None:
        """Have a board read again what it shows, and tell it of each change from now on."""
        told = self._begin(viewer, self._told_rev)
        told.catch_on(self._told_rev)
        viewer.put(text_frame(strictjson.dumps({"rev": told.position, "afresh": True})))

    def identity_changed(self, viewer: Viewer, identity: Identity) -> None:
        """Take a board for what its person is now, and have it read afresh."""
        viewer.become(identity)
        if viewer in self._viewers:
            self._greet(viewer, None)
            self.read_afresh(viewer)

    def _begin(self, viewer: Viewer, since: int) -> _Told:
        """Tell a board from a rev on; what it was told as before ends."""
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
        """Give what is told beside tasks, as members of a JSON object that has some already."""
        return b"".join(section.whole(identity) for section in self._sections)

    def _can_resume(self, viewer: Viewer, place: Place) -> bool:
        if place.sight != tag_of(viewer.identity) or place.rev < self._feed.pruned_rev:
            return False
        return 0 <= self._told_rev - place.rev <= MISSED_MAX

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
        beside_of = [tell for section in self._sections if (tell := section.news()) is not None]
        if news:
            self._told_rev = max(self._told_rev, news[-1].rev)
        if not (news or beside_of) or not self._viewers:
            return
        audiences: dict[Sight | None, list[_Told]] = defaultdict(list)
        for viewer, told_so_far in self._viewers.items():
            if told_so_far.live:
                audiences[viewer.identity.sight].append(told_so_far)
        frames: dict[tuple[Any, ...], bytes] = {}
        for sight, audience in audiences.items():
            beside = b"".join(told_to(audience[0].viewer.identity) for told_to in beside_of)
            if is_much:
                beside += b',"afresh":true'
            told = [] if is_much else [(step, step.told(sight)) for step in news]
            for one in audience:
                mine = [text for step, text in told if text and step.rev > one.position]
                one.catch_on(self._told_rev)
                # Fragments are made once: those who see the same see the very same ones.
                key = (one.position, beside, *map(id, mine))
                frame = frames.get(key)
                if frame is None:
                    frame = frames[key] = text_frame(_message(one.position, mine, beside))
                one.viewer.put(frame)


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
