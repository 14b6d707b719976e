"""What waits for a person: the sections of the operation Next, which families add.

A section is asked on the loop for a *look*, which holds what of it is in memory; the looks of all
sections then run on the query thread, on one state of the tasks.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from taskdash_protocol import strictjson
from taskdash_protocol.families.tasks import Query
from taskdashd.domain.access import Sight
from taskdashd.domain.people import Person
from taskdashd.store.desk import Desk

SHOWN_MAX: Final = 200
"""Entries of a section in a reply; all are counted up to `LOOKED_MAX`."""
LOOKED_MAX: Final = 1000
"""Tasks that are looked at for one Query of a section."""
TEXT_CHARACTERS_MAX: Final = 500
"""Longer texts of a task are cut in an entry: services may write ones as long as a frame."""
_MEMBERS: Final = (
    *("id", "name", "status", "user", "checker", "group_id", "project_id", "task_type"),
    *("submitted_by", "progress", "reason", "claim_until", "created_at", "updated_at"),
)
_BYTES_MAX: Final = 8 << 20

Entry = dict[str, Any]
Fields = Mapping[str, Any]


class Reading:
    """What a look reads with: the tasks that the asker sees."""

    def __init__(self, desk: Desk, sight: Sight | None) -> None:
        self._desk = desk
        self._sight = sight
        self.is_cut = False
        """Whether there are more tasks than were looked at."""

    def tasks(self, where: Mapping[str, tuple[str, ...]]) -> list[Fields]:
        """Give the tasks that a Query's `where` selects, those unchanged for longest first."""
        request = Query(where, "rev", LOOKED_MAX, None)
        page = self._desk.query(request, self._sight, None, _BYTES_MAX)
        self.is_cut |= page.next is not None
        return [strictjson.reload(row.body) for row in page.rows]

    def by_id(self, ids: Sequence[str]) -> dict[str, Fields]:
        """Give tasks by id: those that are there, and that the asker sees."""
        found = {
            task_id: strictjson.reload(body) for task_id, body in self._desk.bodies(ids).items()
        }
        sight = self._sight
        return {
            task_id: fields
            for task_id, fields in found.items()
            if sight is None or sight.sees(fields)
        }


Look = Callable[[Reading], list[Entry]]
"""Gives a section's entries, in order."""


class Section(NamedTuple):
    """A section of Next: its name, and what gives the look for a person."""

    name: str
    look: Callable[[Person], Look]


class Waiting:
    """All sections, in the order in which `parts.build` names them."""

    def __init__(self, sections: Sequence[Section]) -> None:
        self._sections = sections

    def look(self, person: Person, sight: Sight | None) -> Callable[[Desk], bytes]:
        """Give the look for all that waits for a person, as far as `sight` sees it: a reply."""
        looks = [(section.name, section.look(person)) for section in self._sections]

        def read(desk: Desk) -> bytes:
            reading = Reading(desk, sight)
            found = {name: look(reading) for name, look in looks}
            counts: dict[str, Any] = {name: len(entries) for name, entries in found.items()}
            # A task may stand in two sections, as one that was given and is now to do.
            counts["all"] = len({one["id"] for entries in found.values() for one in entries})
            counts["more"] = reading.is_cut
            shown = {name: entries[:SHOWN_MAX] for name, entries in found.items()}
            return strictjson.dumps({**shown, "counts": counts})

        return read


def entry(fields: Fields, *why: str, since: str = "") -> Entry:
    """Make the entry of a task: what a card shows of it, and why it is there."""
    shown: Entry = {"epoch": fields["epoch"], "rev": fields["rev"]}
    for name in _MEMBERS:
        value = fields.get(name, "")
        shown[name] = value[:TEXT_CHARACTERS_MAX] if type(value) is str else ""
    return {**shown, "why": list(why), "since": since or shown["updated_at"]}
