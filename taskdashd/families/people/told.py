"""What others did with a person's tasks, until the person has seen it.

Each is a record of its own, by person and task, written in the commit of the act: so it is there
after a restart and in another browser, and an act costs one small row however much is unseen.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taskdashd.core.commits import Following
from taskdashd.core.identities import PERSON
from taskdashd.core.sections import News
from taskdashd.domain.access import Identity
from taskdashd.domain.tasks import Task
from taskdashd.families.people import rules
from taskdashd.store.records import Record, Records, Value
from taskdashd.store.transaction import Transaction

TOLD: Final = "told"
"""The kind of these records; the key is the person's number, a blank, and the task's id."""
UNSEEN_MAX: Final = 1000
"""Records for one person: who looks at none of them, as after having left, is told no more."""
_NAME_CHARACTERS_MAX: Final = 200


class Told(Following):
    """Writes what a person is to be told, and gives it until it was seen: a `BoardSection`."""

    def __init__(self, records: Records) -> None:
        self._of: dict[str, dict[str, Value]] = {}
        """By person and task, as of the last commit, in the order in which it happened."""
        self._changed: set[str] = set()
        """Whose records have changed since boards were told."""
        for one in sorted(records.all(TOLD), key=lambda value: value["rev"]):
            self._of.setdefault(one["person"], {})[one["id"]] = one

    def tell(
        self,
        transaction: Transaction,
        task: Task,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        actor: str,
        by: str,
    ) -> None:
        """Tell those whom an act concerns; `actor` is who did it, `by` the same for people to read.

        Whoever acts on a task has seen what they were told of it.
        """
        if actor and transaction.record(TOLD, _key(actor, task.id)) is not None:
            transaction.keep(TOLD, _key(actor, task.id), None)
        for person, why in rules.told(before, after, actor).items():
            key = _key(person, task.id)
            is_new = transaction.record(TOLD, key) is None
            if transaction.record(PERSON, person) is None or (
                is_new and len(self._of.get(person, ())) >= UNSEEN_MAX
            ):
                continue
            value = {"person": person, "id": task.id, "name": after["name"][:_NAME_CHARACTERS_MAX]}
            value |= {"why": why, "by": by, "word": after["reason"], "at": transaction.at}
            transaction.keep(TOLD, key, {**value, "rev": task.rev})

    def read(self, transaction: Transaction, person: str, rev: int) -> None:
        """Forget what a person was told up to a rev."""
        for task_id, one in self._of.get(person, {}).items():
            now = transaction.record(TOLD, _key(person, task_id))
            if now is not None and now["rev"] <= rev and one["rev"] <= rev:
                transaction.keep(TOLD, _key(person, task_id), None)

    def unseen(self, person: str) -> list[Value]:
        """Give what a person was told and has not seen, as of the last commit, the oldest first."""
        return list(self._of.get(person, {}).values())

    def kept(self, records: Sequence[Record]) -> None:
        """Take in a commit's records."""
        for record in records:
            if record.kind == TOLD:
                person, _, task_id = record.key.partition(" ")
                self._changed.add(person)
                mine = self._of.setdefault(person, {})
                # Put the newest last, also where it takes the place of an older one.
                mine.pop(task_id, None)
                if record.value is not None:
                    mine[task_id] = record.value

    def whole(self, identity: Identity) -> bytes:
        """Give how much is unseen, where there is any."""
        return self._encoded(identity) if self._of.get(identity.person) else b""

    def news(self) -> News | None:
        """Give how much is unseen for those for whom that has changed."""
        changed, self._changed = self._changed, set()

        def told(identity: Identity) -> bytes:
            return self._encoded(identity) if identity.person in changed else b""

        return told if changed else None

    def _encoded(self, identity: Identity) -> bytes:
        return b',"unseen":%d' % len(self._of.get(identity.person, ()))


def _key(person: str, task_id: str) -> str:
    return f"{person} {task_id}"
