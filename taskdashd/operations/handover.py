"""Handover: all that somebody holds or is to check goes to others, in one act."""

from collections.abc import Mapping
from typing import Any, Final

from taskdash_protocol.errors import AuthError, Busy, Conflict, ServerError
from taskdash_protocol.people import Handover
from taskdash_protocol.requests import Query
from taskdash_protocol.statuses import IN_REVIEW
from taskdashd.domain import claims
from taskdashd.domain.claims import Standing
from taskdashd.domain.people import Person
from taskdashd.operations.claims import Actor, act, actor_of, find, receiver, until_
from taskdashd.operations.lookup import check_still
from taskdashd.operations.table import Caller, Done, session
from taskdashd.store.query import Page
from taskdashd.store.transaction import Transaction

MOVED_MAX: Final = 1000
"""In one act."""
_STATUSES: Final = (*claims.HELD, IN_REVIEW, "review")
_BYTES_MAX: Final = 8 << 20


@session(Handover)
def handover(request: Handover, caller: Caller, done: Done) -> None:
    """Move the tasks that somebody holds, and those they are to check."""
    if request.of in request.to:
        raise Conflict("field to names the one whose tasks are to go")
    identity = caller.identity
    if identity.person != request.of and not (identity.may_write or identity.leads):
        raise AuthError("only a lead gives away what others hold").because("lead")
    _Handover(request, caller, done).look([{"user": (request.of,)}, {"checker": (request.of,)}])


class _Handover:
    """One of them, from one answer of the store to the next."""

    def __init__(self, request: Handover, caller: Caller, done: Done) -> None:
        self._request = request
        self._caller = caller
        self._done = done
        self._ids: dict[str, None] = {}
        self._load = dict.fromkeys(request.to, 0)
        """How many tasks those who get them have."""

    def look(self, wheres: list[Mapping[str, tuple[str, ...]]]) -> None:
        """Find the tasks that are to go."""
        engine, caller = self._caller.engine, self._caller
        if not wheres:
            engine.reader.tally(self._counted)
            return

        def read(page: Any) -> None:
            if not isinstance(page, Page):
                self._done(page)
                return
            self._ids |= dict.fromkeys(row.id for row in page.rows)
            if page.next is not None or len(self._ids) > MOVED_MAX:
                of = self._request.of
                fault = Conflict(f"{of} has more than {MOVED_MAX} tasks: assign some first")
                self._done(fault.because("too-many-tasks", user=of, most=f"{MOVED_MAX}"))
            else:
                self.look(wheres[1:])

        query = Query({**wheres[0], "status": _STATUSES}, "id", MOVED_MAX, None)
        engine.reader.query(query, caller.identity.sight, _BYTES_MAX, caller.is_there, read)

    def _counted(self, rows: Any) -> None:
        if isinstance(rows, Exception):
            self._done(rows)
            return
        for _, status, user, _, count in rows:
            if user in self._load and claims.state_of(status) in claims.HELD:
                self._load[user] += count
        self._caller.engine.reader.load(self._ids, self._loaded)

    def _loaded(self, fault: Exception | None) -> None:
        engine = self._caller.engine
        if fault is not None:
            self._done(fault)
        elif not all(engine.view.knows(one) for one in self._ids):
            self._done(Busy("the tasks do not fit into memory together: make task_cache larger"))
        else:
            engine.writer.write(self._move, self._done)
            engine.writer.flush()

    def _move(self, transaction: Transaction) -> dict[str, Any]:
        check_still(self._caller, transaction)
        actor = actor_of(self._caller, self._request.user, transaction)
        people = {
            number: receiver(number, None, transaction, "to", self._caller.identity)
            for number in self._request.to
        }
        moved: list[dict[str, str]] = []
        left: list[dict[str, Any]] = []
        refusals: list[ServerError] = []
        for task_id in self._ids:
            try:
                moved.append(self._move_one(task_id, people, actor, transaction))
            except ServerError as refusal:
                why = {"why": refusal.detail, "cause": refusal.cause, "values": refusal.values}
                left.append({"id": task_id, **why})
                refusals.append(refusal)
        if refusals and not moved:
            first = refusals[0]
            fault = type(first)(f"nothing could be moved: {first.detail}")
            fault.cause, fault.values = first.cause, first.values
            raise fault
        return {"moved": moved, "left": left}

    def _move_one(
        self, task_id: str, people: Mapping[str, Person], actor: Actor, transaction: Transaction
    ) -> dict[str, str]:
        of = self._request.of
        task, fields = find(self._caller, actor, task_id, transaction)
        holder = fields["user"]
        if of not in (holder, fields["checker"]):
            raise Conflict("somebody else has it by now").because("taken", user=holder, since="")
        role = "user" if holder == of else "checker"
        fit = [
            number
            for number, person in people.items()
            # Nobody comes to check their own work.
            if person.identity.sees(fields["group_id"])
            and number != fields["checker" if role == "user" else "user"]
            and (role == "user" or number != fields.get("submitted_by"))
        ]
        if not fit:
            group = fields["group_id"]
            fault = Conflict(f"none of them can take it in its group {group!r}")
            raise fault.because("nobody-fits", group=group)
        to = min(fit, key=self._load.__getitem__)

        def rule(fields: Mapping[str, Any], standing: Standing) -> dict[str, Any]:
            if of == actor.person:
                # Whoever goes on leave may say to whom.
                standing = standing._replace(lead=True)
            change = claims.moved("hand over", fields, self._request.word, standing)
            if fields.get("claim_until") and role == "user":
                # Whoever gets it has as much time as if they had claimed it now.
                change["claim_until"] = until_(self._caller, None)
            return {**change, role: to}

        told = act(self._caller, actor, task, fields, transaction, rule)
        self._load[to] += 1
        return {"id": task_id, "to": to, "as": role, "status": told["status"]}
