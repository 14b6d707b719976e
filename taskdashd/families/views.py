"""Views and SetView: what a person or a group wants to see again, under a name.

The daemon does not read what a view shows: that is the board's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from taskdash_protocol import strictjson
from taskdash_protocol.errors import AuthError, BadRequest, Busy, Conflict
from taskdash_protocol.families.views import NAME_CHARACTERS_MAX, VIEWS_MAX, SetView, Views
from taskdashd.core.groups import Groups
from taskdashd.core.identities import no_person, person_of
from taskdashd.core.steps import Steps, in_slices
from taskdashd.core.storing import write
from taskdashd.core.table import Caller, Result, alone
from taskdashd.domain.access import EVERYBODYS
from taskdashd.store.records import Value
from taskdashd.store.transaction import Transaction

VIEWS: Final = "views"
"""The kind of the records: each has all views of a person or a group, by their names."""


class _Owner(NamedTuple):
    """Whose views they are."""

    kind: str
    """`person` or `group`."""
    name: str

    @property
    def key(self) -> str:
        """The key of the record."""
        return f"{self.kind} {self.name}"


@alone(Views)
def views(request: Views, caller: Caller) -> Steps[Result]:
    """Give the views that the caller may see, as many as a reply has room for."""
    core = caller.core
    kept = core.view.records.committed
    owners = yield from _asked(request, caller)
    of_all = [kept(VIEWS, owner.key) for owner in owners]
    there = [one for one in of_all if one is not None]
    told = yield from in_slices(there, _told, _size_of, core.reader.turn)
    left, shown = core.room.reply_bytes, list[bytes]()
    for one in (one for several in told for one in several):
        left -= len(one) + 1
        if left < 0:
            break
        shown.append(one)
    more = b"true" if left < 0 else b"false"
    return b'{"views":[%b],"more":%b}' % (b",".join(shown), more)


@alone(SetView, changes=True)
def set_view(request: SetView, caller: Caller) -> Steps[Result]:
    """Keep, change or remove a view."""
    identity, core = caller.identity, caller.core
    owner = yield from _owner(request.of, caller)
    if owner.kind == "group" and not (identity.is_operator or owner.name in identity.leads):
        raise AuthError("only a lead sets the views of a group").because("lead")
    if not (request.query or request.remove):
        raise BadRequest("field query is required")
    told = yield from write(core, _change(request, owner, caller))
    if owner.kind == "group":
        kind = "view removed" if request.remove else "view set"
        detail = f"{request.name} of {owner.name}"
        core.acts.note(kind, caller.known_as, detail)
    return told


def _owner(of: Mapping[str, str] | None, caller: Caller) -> Steps[_Owner]:
    """Give whose views are meant. Raises `AuthError`, `BadRequest`, `Conflict`."""
    me = caller.identity.person
    if of is None:
        if not me:
            raise Conflict("field of is required: whose view?")
        return _Owner("person", me)
    ((kind, given),) = of.items()
    if kind == "group":
        group = yield from caller.core.part(Groups).one_meant("of.group", given, caller.asker)
        return _Owner(kind, group)
    number = caller.core.identities.numbers.meant(given)
    if number != me and not caller.identity.is_operator:
        raise AuthError("field of: a person's views are their own")
    return _Owner(kind, number)


def _asked(request: Views, caller: Caller) -> Steps[Sequence[_Owner]]:
    """Give whose views are asked for. Raises as `_owner`; of a group, `AuthError`."""
    identity = caller.identity
    if request.of is not None:
        owner = yield from _owner(request.of, caller)
        if owner.kind == "group" and not identity.sees(owner.name):
            raise AuthError("field of: only who is in a group sees its views")
        return [owner]
    own = [_Owner("person", identity.person)] if identity.person else []
    groups = identity.confined_to
    if groups is None:
        stored = (one["of"] for one in caller.core.view.records.all(VIEWS))
        groups = frozenset(of["group"] for of in stored if "group" in of)
    return [*own, *(_Owner("group", name) for name in sorted(groups - {EVERYBODYS}))]


def _change(
    request: SetView, owner: _Owner, caller: Caller
) -> Callable[[Transaction], dict[str, Any]]:
    def decide(transaction: Transaction) -> dict[str, Any]:
        caller.core.identities.check_still(caller.session, caller.identity, transaction)
        if owner.kind == "person" and person_of(owner.name, transaction) is None:
            raise no_person("of", owner.name)
        found = transaction.record(VIEWS, owner.key)
        known = {} if found is None else dict(found["views"])
        told = {"name": request.name, "of": {owner.kind: owner.name}, "query": request.query}
        if request.remove:
            if request.name not in known:
                fault = Conflict(f"field name: there is no view {request.name!r}")
                raise fault.because("no-view", name=request.name)
            told["query"] = known.pop(request.name)
        elif request.name not in known and len(known) >= VIEWS_MAX:
            raise Busy(f"there are {VIEWS_MAX} views of {owner.name}: remove one first").because(
                "too-many-views", most=f"{VIEWS_MAX}"
            )
        else:
            known[request.name] = request.query
        transaction.keep(VIEWS, owner.key, _record(owner, known))
        return told

    return decide


def _record(owner: _Owner, known: Mapping[str, str]) -> Value | None:
    return {"of": {owner.kind: owner.name}, "views": known} if known else None


def merge_views(of: str, into: str, transaction: Transaction) -> None:
    """Put the views of a group to those of another, all of them: each under a name of its own."""
    old, new = _Owner("group", of), _Owner("group", into)
    found = transaction.record(VIEWS, old.key)
    if found is None:
        return
    there = transaction.record(VIEWS, new.key)
    known = {} if there is None else dict(there["views"])
    for name, query in found["views"].items():
        if known.get(name, query) != query:
            name = next(one for one in _others(name) if one not in known)
        known[name] = query
    transaction.keep(VIEWS, old.key, None)
    transaction.keep(VIEWS, new.key, _record(new, known))


def _others(name: str) -> Iterator[str]:
    return (f"{name[: NAME_CHARACTERS_MAX - 9]} ({number})" for number in range(2, 1_000_000))


def _told(record: Value) -> list[bytes]:
    of = record["of"]
    return [
        strictjson.dumps({"name": name, "of": of, "query": record["views"][name]})
        for name in sorted(record["views"])
    ]


def _size_of(record: Value) -> int:
    return 256 * len(record["views"])
