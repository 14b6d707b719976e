"""Every open board, and what it is told: each change within a moment of its commit.

What comes within a moment goes out as one message. Boards that see the same are told the same
bytes. A board that comes back names the last rev it knows, and is told from the log what it has
missed; one that was away for longer, or sees other tasks than then, is told to read afresh.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol
from zlib import crc32

import structlog
import trio

from taskdash_protocol import strictjson
from taskdashd.domain.access import Identity, Sight
from taskdashd.domain.tasks import Change
from taskdashd.operations.engine import PERSON, SERVICE, Engine
from taskdashd.operations.figures import DayFigures
from taskdashd.store.database import StoredStep
from taskdashd.store.records import Record
from taskdashd.web.frames import text_frame
from taskdashd.web.told import Directory, Step

MISSED_MAX: Final = 5_000
"""Revs; who has missed more reads afresh."""
_PAGE_ROWS: Final = 200
_GATHER_S: Final = 0.05
_GATHER_MAX_S: Final = 0.15
_TOLD_A_SECOND: Final = 2_000
"""Messages; with more boards than this allows, each is told a little less often."""
_FIGURES_EVERY_S: Final = 5.0
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


class Board:
    """See the module."""

    def __init__(self, engine: Engine, figures: DayFigures) -> None:
        self._engine = engine
        self._figures = figures
        self._people = Directory(engine)
        self._viewers: dict[Viewer, int] = {}
        """Each with the number of the turn in which it is told what it has missed."""
        self._turn = 0
        self._news: list[Step] = []
        self._news_bytes = 0
        self._people_changed = False
        self._people_are_new = False
        """Of those that have changed, what others may know has."""
        self._services_changed: set[str] = set()
        self._service_groups: dict[str, str] = {}
        self._told_rev = engine.view.committed_rev
        """Live viewers have been told up to here."""
        self._wake = trio.Event()
        self._figures_at = 0.0
        self._figures_due = False
        self._look_at_services([one["url"] for one in engine.view.records.all(SERVICE)])
        engine.followers.append(self._follow)
        engine.on_kept.append(self._kept)

    async def run(self) -> None:
        """Tell the boards, until cancelled."""
        while True:
            with trio.move_on_after(_FIGURES_EVERY_S):
                await self._wake.wait()
            gather_s = max(_GATHER_S, min(_GATHER_MAX_S, len(self._viewers) / _TOLD_A_SECOND))
            await trio.sleep(gather_s)
            self._wake = trio.Event()
            try:
                self._figures.tick()
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
            if isinstance(rows, Exception):
                self._catch_on(viewer, afresh=True)
                return
            # Revs of commits that failed are never used: a gap holds nothing.
            viewer.position = rows[-1].rev if rows else max(viewer.position, to_rev)
            if place.rev < self._engine.feed.pruned_rev:
                # What was forgotten meanwhile may be what this board would have to be told.
                self._catch_on(viewer, afresh=True)
                return
            steps = [Step(row.rev, row.kind, row.body, row.previous) for row in rows]
            told = [one for step in steps if (one := step.told(viewer.identity.sight)) is not None]
            viewer.put(text_frame(_message(viewer.position, told, b"")))
        viewer.live = True
        # What has changed beside the tasks meanwhile.
        beside = self._beside(viewer.identity, {PERSON, SERVICE})
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

    def _look_at_people(self) -> None:
        if self._people_changed:
            self._people_changed = False
            self._people_are_new |= self._people.refresh()

    def _greet(self, viewer: Viewer, place: Place | None) -> None:
        identity = viewer.identity
        self._look_at_people()
        for url in self._services_changed - self._service_groups.keys():
            self._look_at_services([url])
        message: dict[str, Any] = {
            "me": {**_me(identity), "sight": tag_of(identity)},
            "now": self._engine.clock.stamp(),
        }
        if place is None:
            message["rev"] = self._told_rev
        beside = self._beside(identity, {PERSON, SERVICE})
        viewer.put(text_frame(strictjson.dumps(message)[:-1] + beside + b"}"))

    def _can_resume(self, viewer: Viewer, place: Place) -> bool:
        if place.sight != tag_of(viewer.identity) or place.rev < self._engine.feed.pruned_rev:
            return False
        return 0 <= self._told_rev - place.rev <= MISSED_MAX

    def _catch_on(self, viewer: Viewer, *, afresh: bool) -> None:
        viewer.position = max(viewer.position, self._told_rev)
        viewer.live = True
        if afresh:
            viewer.put(text_frame(strictjson.dumps({"rev": viewer.position, "afresh": True})))

    async def _read(self, viewer: Viewer) -> Any:
        done = trio.Event()
        found: list[Any] = []

        def read(rows: list[StoredStep] | Exception) -> None:
            found.append(rows)
            done.set()

        wanted = partial(self._viewers.__contains__, viewer)
        self._engine.reader.steps(viewer.position, _PAGE_ROWS, wanted, read)
        await done.wait()
        return found[0]

    def _follow(self, changes: Sequence[Change]) -> None:
        self._figures_due = True
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

    def _kept(self, records: Sequence[Record]) -> None:
        self._people_changed |= any(record.kind == PERSON for record in records)
        self._services_changed |= {one.key for one in records if one.kind == SERVICE}
        self._wake.set()

    def _tell(self) -> None:
        news, self._news = self._news, []
        is_much, self._news_bytes = self._news_bytes > _MESSAGE_BYTES_MAX, 0
        self._look_at_people()
        services = {url: self._service_groups.get(url) for url in self._services_changed}
        self._services_changed.clear()
        kinds: set[str] = set()
        if self._people_are_new:
            self._people_are_new = False
            kinds.add(PERSON)
        if news:
            self._told_rev = max(self._told_rev, news[-1].rev)
        figures = self._figures_are_due()
        if not (news or kinds or figures or services) or not self._viewers:
            self._look_at_services(services)
            return
        briefs: dict[Any, bytes] = {}
        audiences: dict[Sight | None, list[Viewer]] = defaultdict(list)
        for viewer in self._viewers:
            if viewer.live:
                audiences[viewer.identity.sight].append(viewer)
        frames: dict[tuple[Any, ...], bytes] = {}
        for sight, viewers in audiences.items():
            beside = self._beside(viewers[0].identity, kinds)
            beside += self._services(viewers[0].identity, services)
            if figures:
                beside += self._brief(sight, briefs)
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
        self._look_at_services(services)

    def _look_at_services(self, urls: Iterable[str]) -> None:
        """Remember in which group each service is told of."""
        for url in urls:
            record = self._engine.view.records.committed(SERVICE, url)
            if record is None:
                self._service_groups.pop(url, None)
            else:
                self._service_groups[url] = record["group_id"]

    def _figures_are_due(self) -> bool:
        now = self._engine.clock.now()
        if not self._figures_due or now < self._figures_at:
            return False
        self._figures_at = now + _FIGURES_EVERY_S
        self._figures_due = False
        return True

    def _beside(self, identity: Identity, kinds: set[str]) -> bytes:
        """Give what is told beside tasks, as members of a JSON object that has some already."""
        told = b""
        if PERSON in kinds:
            told += b',"people":' + self._people.seen_by(identity)
        if SERVICE in kinds:
            told += self._services(identity, dict.fromkeys(self._service_groups))
        return told

    def _services(self, identity: Identity, changed: Mapping[str, str | None]) -> bytes:
        """Tell how services fare; what they were during the day is asked for by `Services`.

        `changed` has the group that each was in when it was last told of: whoever saw it there, and
        does not see it now, is told that it is gone.
        """
        told: list[dict[str, Any]] = []
        for url, group in changed.items():
            record = self._engine.view.records.committed(SERVICE, url)
            if record is not None and identity.sees(record["group_id"]):
                since, state = record["changes"][-1]
                about = {name: record[name] for name in ("url", "name", "group_id")}
                told.append({**about, "state": state, "since": since})
            elif group is not None and identity.sees(group):
                told.append({"url": url, "state": None})
        return b',"services":' + strictjson.dumps(told) if told else b""

    def _brief(self, sight: Sight | None, known: dict[Any, bytes]) -> bytes:
        """Give the figures that may have changed; those of the same groups are made once."""
        groups = None if sight is None else sight.groups
        person = "" if sight is None else sight.person
        has_more = self._figures.tally.has_own(groups, person)
        key = (groups, person if has_more else "")
        if key not in known:
            brief = self._figures.tally.brief(sight, self._engine.clock.wall())
            known[key] = b',"figures":' + strictjson.dumps(brief)
        return known[key]


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
