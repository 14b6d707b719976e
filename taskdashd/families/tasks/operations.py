"""Register, Update, Find and Query: services write their tasks, and anybody reads them."""

from functools import partial

from taskdash_protocol import strictjson
from taskdash_protocol.errors import NotFound
from taskdash_protocol.requests import Find, Query, Register, Update
from taskdashd.core.access import check_write, sees
from taskdashd.core.identities import PERSON
from taskdashd.core.ownership import NOBODY
from taskdashd.core.steps import Steps, wait_for
from taskdashd.core.table import Caller, Core, Result, alone, reads, writes
from taskdashd.domain import search, tasks
from taskdashd.domain.people import names_seen
from taskdashd.domain.tasks import Moment, Task
from taskdashd.store.query import Page
from taskdashd.store.transaction import Transaction


@writes(Register)
def register(request: Register, caller: Caller, transaction: Transaction) -> Result:
    """Create a task, or replace the client fields of the one with this id."""
    identity, core = caller.identity, caller.core
    old = transaction.task(request.id)
    if request.epoch and not sees(identity, old):
        # Refuse the epoch as for an absent task: the caller must not learn that this one exists.
        old = None
    check_write(identity, old, request.fields["group_id"])
    # Only a fenced task asks whether its owner is gone; spare all others the look at the owner.
    if old is not None and old.fenced:
        moment = core.ownership.moment(transaction, old)
    else:
        moment = Moment(transaction.rev, transaction.at)
    change = tasks.register(old, request, caller.author, moment)
    told = core.room.put(change, identity, transaction)
    if old is not None and tasks.is_kept(old, change):
        return {**told, "status": change.task.status}
    return told


@writes(Update)
def update(request: Update, caller: Caller, transaction: Transaction) -> Result:
    """Change some fields of a task that exists."""
    identity, core = caller.identity, caller.core
    old = transaction.task(request.id)
    if old is None or not sees(identity, old):
        raise NotFound(f"no task has the id {request.id!r}")
    check_write(identity, old, request.fields.get("group_id"))
    # A write with `own` false is no sign of life: the task keeps its owner's, so look that up.
    moment = core.ownership.moment(transaction, None if request.own else old)
    change = tasks.update(old, request, caller.author, moment)
    return core.room.put(change, identity, transaction)


@reads(Find)
def find(request: Find, caller: Caller, task: Task | None) -> Result:
    """Give one task."""
    if task is None or not sees(caller.identity, task):
        raise NotFound(f"no task has the id {request.id!r}")
    return caller.core.ownership.body(task)


@alone(Query)
def query(request: Query, caller: Caller) -> Steps[Result]:
    """Give a page of tasks, as of everything that is committed when it runs."""
    core, identity = caller.core, caller.identity
    sight, bytes_max = identity.sight, core.room.reply_bytes
    # A word may stand for people by their names: those whom the caller sees, or a search would
    # tell the names of others.
    people = names_seen(identity, core.view.records.all(PERSON)) if request.contains else ()
    sought = search.sought(request.contains, people)
    page = yield from wait_for(
        partial(core.reader.query, request, sight, bytes_max, caller.asker, sought=sought)
    )
    return _page(page, core)


def _page(page: Page, core: Core) -> bytes:
    bodies: list[bytes] = []
    for task_id, body in page.rows:
        owner = core.liveness.owner_of(task_id)
        if owner is not None and owner.serial != NOBODY:
            body = tasks.refreshed(body, core.clock.stamp_of(owner.last_seen))
        bodies.append(body)
    return b'{"tasks":[%b],"next":%b}' % (b",".join(bodies), strictjson.dumps(page.next))
