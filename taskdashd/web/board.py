"""Every open board, and what it is told: each change within a moment of its commit.

What comes within a moment goes out as one message. Boards that see the same are told the same
bytes. A board that comes back names the last rev it knows, and is told from the log what it has
missed; one that was away for longer is told to read afresh.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, Protocol

import trio

from taskdash_protocol import strictjson
from taskdashd.domain.access import Identity, Sight
from taskdashd.domain.people import Person, sees_person
from taskdashd.domain.services import Service
from taskdashd.domain.tasks import Change
from taskdashd.operations.engine import PERSON, SERVICE, Engine
from taskdashd.operations.figures import DayFigures
from taskdashd.operations.people import about as about_person
from taskdashd.operations.services import about as about_service
from taskdashd.store.database import StoredStep
from taskdashd.store.records import Record
from taskdashd.web.frames import text_frame

MISSED_MAX: Final = 5_000
"""Revs; who has missed more reads afresh."""
_PAGE_ROWS: Final = 200
_GATHER_S: Final = 0.05
_GATHER_MAX_S: Final = 0.15
_TOLD_A_SECOND: Final = 2_000
"""Messages; with more boards than this allows, each is told a little less often."""
_FIGURES_EVERY_S: Final = 5.0


class Viewer(Protocol):
    """An open board."""

    identity: Identity
    position: int
    """Everything up to this rev has been told."""
    live: bool
    """It is told of each change as it happens."""

    def put(self, frame: bytes) -> None:
        """Take a message. Must not wait: who cannot keep up is cut off."""


class Step:
    """A change, with what it takes to know who sees it; parsed once, and only if it must be."""

    __slots__ = ("_after", "_before", "_new", "_old", "kind", "rev")

    def __init__(self, rev: int, kind: str, after: bytes, before: bytes) -> None:
        self.rev = rev
        self.kind = kind
        self._after = after
        self._before = before
        self._new: dict[str, Any] | None = None
        self._old: dict[str, Any] | None = None

    def told(self, sight: Sight | None) -> bytes | None:
        """Give what somebody is told of it; None where it is nothing to them.

        A task that they saw and do not see any more is `gone`.
        """
        if sight is None or sight.sees(self._fields()):
            return b'{"rev":%d,"kind":"%b","task":%b}' % (
                self.rev,
                self.kind.encode(),
                self._after,
            )
        if not self._before:
            return None
        if self._old is None:
            self._old = strictjson.reload(self._before)
        if not sight.sees(self._old):
            return None
        gone = {"rev": self.rev, "kind": "gone", "task": {"id": self._old["id"]}}
        return strictjson.dumps(gone)

    def _fields(self) -> dict[str, Any]:
        if self._new is None:
            self._new = strictjson.reload(self._after)
        return self._new


class Board:
    """See the module."""

    def __init__(self, engine: Engine, figures: DayFigures) -> None:
        self._engine = engine
        self._figures = figures
        self._viewers: dict[Viewer, None] = {}
        self._news: list[Step] = []
        self._changed_kinds: set[str] = set()
        self._told_rev = engine.view.committed_rev
        """Live viewers have been told up to here."""
        self._wake = trio.Event()
        self._figures_at = 0.0
        self._figures_due = False
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
            self._figures.tick()
            self._tell()

    def greet(self, viewer: Viewer) -> None:
        """Tell a board that has just come what it needs besides tasks."""
        message = {
            "rev": self._told_rev,
            "me": _me(viewer.identity),
            "now": self._engine.clock.stamp(),
            **self._beside(viewer.identity, {PERSON, SERVICE}),
        }
        viewer.put(text_frame(strictjson.dumps(message)))

    def leave(self, viewer: Viewer) -> None:
        """Forget a board."""
        self._viewers.pop(viewer, None)

    async def resume(self, viewer: Viewer, since: int | None) -> None:
        """Tell a board what it has missed since a rev; from then on it is told of each change."""
        self._viewers[viewer] = None
        if since is None or not 0 <= self._told_rev - since <= MISSED_MAX:
            self._catch_on(viewer, afresh=since is not None)
            return
        viewer.position = since
        while viewer.position < self._told_rev:
            to_rev = self._told_rev
            rows = await self._read(viewer.position)
            if isinstance(rows, Exception) or viewer not in self._viewers:
                self._catch_on(viewer, afresh=True)
                return
            # Revs of commits that failed are never used: a gap holds nothing.
            viewer.position = rows[-1].rev if rows else max(viewer.position, to_rev)
            steps = [Step(row.rev, row.kind, row.body, row.previous) for row in rows]
            message = _message(viewer.position, steps, viewer.identity.sight, b"")
            viewer.put(text_frame(message))
        viewer.live = True

    def identity_changed(self, viewer: Viewer, identity: Identity) -> None:
        """Take a board for what its person is now, and have it read afresh."""
        viewer.identity = identity
        self.greet(viewer)
        self._catch_on(viewer, afresh=True)

    def _catch_on(self, viewer: Viewer, *, afresh: bool) -> None:
        viewer.position = self._told_rev
        viewer.live = True
        if afresh:
            viewer.put(text_frame(strictjson.dumps({"rev": self._told_rev, "afresh": True})))

    async def _read(self, after_rev: int) -> Any:
        done = trio.Event()
        found: list[Any] = []

        def read(rows: list[StoredStep] | Exception) -> None:
            found.append(rows)
            done.set()

        self._engine.reader.steps(after_rev, _PAGE_ROWS, lambda: True, read)
        await done.wait()
        return found[0]

    def _follow(self, changes: Sequence[Change]) -> None:
        for change in changes:
            before = change.previous.body if change.previous is not None else b""
            self._news.append(Step(change.task.rev, change.kind, change.task.body, before))
        self._figures_due = True
        if self._viewers:
            self._wake.set()
        else:
            # Nobody looks: nothing is kept for them.
            self._told_rev = self._news[-1].rev
            self._news.clear()

    def _kept(self, records: Sequence[Record]) -> None:
        self._changed_kinds |= {record.kind for record in records}
        self._wake.set()

    def _tell(self) -> None:
        news, self._news = self._news, []
        kinds, self._changed_kinds = self._changed_kinds & {PERSON, SERVICE}, set()
        if news:
            self._told_rev = news[-1].rev
        audiences: dict[Identity, list[Viewer]] = defaultdict(list)
        for viewer in self._viewers:
            if viewer.live:
                audiences[viewer.identity].append(viewer)
        figures = self._figures_are_due()
        if not (news or kinds or figures):
            return
        frames: dict[Sight | None, tuple[bytes, bytes]] = {}
        for identity, viewers in audiences.items():
            sight = identity.sight
            # What somebody sees beside tasks hangs on the same: their groups and themselves.
            more, frame = frames.get(sight, (b"", b""))
            if not frame:
                beside = self._beside(identity, kinds, figures=figures)
                more = b"," + strictjson.dumps(beside)[1:-1] if beside else b""
                frame = text_frame(_message(self._told_rev, news, sight, more))
                frames[sight] = more, frame
            for viewer in viewers:
                mine = frame
                if news and news[0].rev <= viewer.position:
                    # It has just caught up from the log with some of them.
                    rest = [step for step in news if step.rev > viewer.position]
                    mine = text_frame(_message(self._told_rev, rest, sight, more))
                viewer.position = self._told_rev
                viewer.put(mine)

    def _figures_are_due(self) -> bool:
        now = self._engine.clock.now()
        if not self._figures_due or now < self._figures_at:
            return False
        self._figures_at = now + _FIGURES_EVERY_S
        self._figures_due = False
        return True

    def _beside(
        self, identity: Identity, kinds: set[str], *, figures: bool = False
    ) -> dict[str, Any]:
        engine = self._engine
        told: dict[str, Any] = {}
        if PERSON in kinds:
            everybody = map(Person.from_record, engine.view.records.all(PERSON))
            told["people"] = [about_person(one) for one in everybody if sees_person(identity, one)]
        if SERVICE in kinds:
            known = map(Service.from_record, engine.view.records.all(SERVICE))
            told["services"] = [
                about_service(one, engine) for one in known if identity.sees(one.group_id)
            ]
        if figures:
            told["figures"] = self._figures.tally.brief(identity.sight, engine.clock.wall())
        return told


def _me(identity: Identity) -> dict[str, Any]:
    return {
        "user": identity.person,
        "name": identity.name,
        "role": identity.role,
        "groups": sorted(identity.groups - {""}),
        "leads": sorted(identity.leads),
    }


def _message(rev: int, steps: Sequence[Step], sight: Sight | None, more: bytes) -> bytes:
    told = [one for step in steps if (one := step.told(sight)) is not None]
    return b'{"rev":%d,"events":[%b]%b}' % (rev, b",".join(told), more)
