"""MergeGroups: who and what is in one group comes into another."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from taskdash_protocol.errors import AuthError, ServerError
from taskdash_protocol.families.groups import MergeGroups
from taskdash_protocol.requests import Query
from taskdash_protocol.statuses import status_class
from taskdashd.core import actors
from taskdashd.core.groups import Grouped, Groups
from taskdashd.core.steps import Steps, in_slices, wait_for
from taskdashd.core.storing import load_and_write, write_together
from taskdashd.core.table import Caller, Core, Result, alone
from taskdashd.store.records import Value
from taskdashd.store.slow import for_itself
from taskdashd.store.transaction import Transaction

_RECORDS_AT_ONCE: Final = 32
"""So many records are decided as one write; all the writes share a commit, which is taken in write
by write."""
_RECORD_BYTES: Final = 512
_FOUND_AT_ONCE: Final = 500
_TASKS_AT_ONCE: Final = 64
"""So many tasks are changed in a step and a commit: about two milliseconds of the loop."""
_TAKES_S: Final = 3.0
"""Who asks waits no longer: a client or a page would give the request up, and ask again."""
_LEFT_MAX: Final = 100
_PAGE_BYTES: Final = 8 << 20


@alone(MergeGroups, changes=True)
def merge_groups(request: MergeGroups, caller: Caller) -> Steps[Result]:
    """Put people and services into another group in one commit, then tasks, a few at a time.

    A kill in between leaves tasks behind: who asks again has them moved.
    """
    core, identity = caller.core, caller.identity
    if not identity.is_operator:
        raise AuthError("only an operator merges groups").because("admin")
    merge = yield from _meant(request, caller)
    counts, moved = Counter[str](), _Moved(0, [], False)
    if merge.of != merge.into:
        counts = yield from _merge_records(merge, caller)
        core.acts.note("groups merged", caller.known_as, _said(merge, counts))
        moved = yield from _merge_tasks(merge, caller)
    return {
        "from": merge.of,
        "into": merge.into,
        **{grouped.name: counts[grouped.name] for grouped in core.part(Groups).kinds},
        "tasks": moved.done,
        "left": moved.left,
        "more": moved.more,
        "tokens": sorted(core.identities.tokens_in(merge.of)),
    }


class _Merge(NamedTuple):
    of: str
    into: str


class _Moved(NamedTuple):
    """What has become of the tasks of a group."""

    done: int
    left: list[dict[str, str]]
    more: bool


def _meant(request: MergeGroups, caller: Caller) -> Steps[_Merge]:
    groups, asker = caller.core.part(Groups), caller.asker
    names = (yield from groups.meant("from", [request.from_], asker))[request.from_]
    into = yield from groups.one_meant("into", request.into, asker)
    # An old name that is some names is one that was emptied already: asked again, it is none.
    return _Merge(names[0] if len(names) == 1 else request.from_, into)


def _said(merge: _Merge, counts: Mapping[str, int]) -> str:
    told = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    return f"{merge.of} into {merge.into}" + (f": {told}" if told else "")


class _Prepared(NamedTuple):
    """A record as it was, and as it is to be."""

    was: Value
    new: dict[str, Any]


class _Allowed:
    """Looks at the asker's rights before the first of the writes, and not again.

    The first may change these rights: an administrator is in the group as anybody is.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._is_checked = False

    @property
    def core(self) -> Core:
        """The daemon's parts."""
        return self._caller.core

    def check(self, transaction: Transaction) -> None:
        """Raise `AuthError` where the asker's rights are not any more what they were."""
        if not self._is_checked:
            caller = self._caller
            caller.core.identities.check_still(caller.session, caller.identity, transaction)
            self._is_checked = True


def _merge_records(merge: _Merge, caller: Caller) -> Steps[Counter[str]]:
    """Change all records that name the group; gives how many of each kind."""
    core, kinds = caller.core, caller.core.part(Groups).kinds
    writes: list[tuple[Grouped, Sequence[_Prepared]]] = []
    for grouped in kinds:
        # Make the new records in slices: the one step of all writes is left with keeping them.
        prepared = yield from in_slices(
            [one for one in core.view.records.now(grouped.kind) if merge.of in grouped.of(one)],
            partial(_prepared, grouped, merge),
            lambda _: _RECORD_BYTES,
            core.reader.turn,
        )
        writes += [(grouped, part) for part in _parts(prepared, _RECORDS_AT_ONCE)]
    allowed = _Allowed(caller)
    decides = [partial(_keep, grouped, part, merge, allowed) for grouped, part in writes]
    kept = yield from write_together(core, [*decides, partial(_keep_beside, merge, allowed)])
    counts = Counter[str]()
    for (grouped, _), count in zip(writes, kept, strict=False):
        counts[grouped.name] += count
    return counts


def _prepared(grouped: Grouped, merge: _Merge, one: Value) -> _Prepared:
    return _Prepared(one, grouped.merged(one, merge.of, merge.into))


def _keep(
    grouped: Grouped,
    prepared: Sequence[_Prepared],
    merge: _Merge,
    allowed: _Allowed,
    transaction: Transaction,
) -> int:
    allowed.check(transaction)
    records, kind, key, rev = allowed.core.view.records, grouped.kind, grouped.key, transaction.rev
    for was, new in prepared:
        # Each record stands here once: the transaction need not be searched for its own.
        now = records.get(kind, was[key])
        if now is None or merge.of not in grouped.of(now):
            continue
        if now is not was:
            new = grouped.merged(now, merge.of, merge.into)
        if "rev" in new:
            new["rev"] = rev
        transaction.keep(kind, was[key], new)
    return len(transaction.records)


def _keep_beside(merge: _Merge, allowed: _Allowed, transaction: Transaction) -> int:
    allowed.check(transaction)
    for put in allowed.core.part(Groups).beside:
        put(merge.of, merge.into, transaction)
    return 0


def _merge_tasks(merge: _Merge, caller: Caller) -> Steps[_Moved]:
    """Change the tasks of the group that have not ended, those unchanged for longest first.

    What services go on writing into the group is met too, as long as it comes slower than it goes.
    The asker's rights are not looked at any more: with the people, all was decided.
    """
    core, left, done = caller.core, list[dict[str, str]](), 0
    until, after = core.clock.now() + _TAKES_S, None
    where = {"group_id": (merge.of,), "class": ("live", "waiting")}
    while True:
        query = Query(where, "rev", _FOUND_AT_ONCE, after)
        look = partial(core.reader.query, query, None, _PAGE_BYTES, for_itself("groups"))
        page = yield from wait_for(look)
        for ids in _parts([row.id for row in page.rows], _TASKS_AT_ONCE):
            change = partial(_change, ids, merge, caller, left)
            done += yield from load_and_write(core, ids, change)
        after = page.next
        if after is None or core.clock.now() >= until:
            return _Moved(done, left, after is not None)


def _change(
    ids: Sequence[str],
    merge: _Merge,
    caller: Caller,
    left: list[dict[str, str]],
    transaction: Transaction,
) -> int:
    count = 0
    for task_id in ids:
        task = transaction.task(task_id)
        if task is None or task.group_id != merge.of or status_class(task.status) == "ended":
            continue
        try:
            actors.put(caller, caller.author, task, {"group_id": merge.into}, transaction)
            count += 1
        except ServerError as refusal:
            if len(left) < _LEFT_MAX:
                left.append({"id": task_id, "why": refusal.detail})
    return count


def _parts(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[first : first + size] for first in range(0, len(items), size)]
