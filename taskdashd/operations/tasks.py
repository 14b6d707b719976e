"""Register, Update, Find and Query."""

from typing import Any

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest, NotFound
from taskdash_protocol.requests import Find, Query, Register, Update
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Change, Task
from taskdashd.operations.access import check_write, sees
from taskdashd.operations.engine import NOBODY, REPLY_RESERVE_BYTES
from taskdashd.operations.table import Caller, Done, Result, reads, session, writes
from taskdashd.store.query import Page
from taskdashd.store.transaction import Transaction


@writes(Register)
def register(request: Register, caller: Caller, transaction: Transaction) -> Result:
    """Create a task, or replace the client fields of the one with this id."""
    old = transaction.task(request.id)
    if request.epoch and not sees(caller.identity, old):
        # Refused as for a task that is not there.
        old = None
    check_write(caller.identity, old, request.fields["group_id"])
    # How the owner fares matters only where a fence stands.
    moment = caller.engine.moment(transaction, old if old is not None and old.fenced else None)
    change = tasks.register(old, request, caller.author, moment)
    return put(change, caller, transaction)


@writes(Update)
def update(request: Update, caller: Caller, transaction: Transaction) -> Result:
    """Change some fields of a task that exists."""
    old = transaction.task(request.id)
    if old is None or not sees(caller.identity, old):
        raise NotFound(f"no task has the id {request.id!r}")
    check_write(caller.identity, old, request.fields.get("group_id"))
    moment = caller.engine.moment(transaction, None if request.own else old)
    change = tasks.update(old, request, caller.author, moment)
    return put(change, caller, transaction)


@reads(Find)
def find(request: Find, caller: Caller, task: Task | None) -> Result:
    """Give one task."""
    if task is None or not sees(caller.identity, task):
        raise NotFound(f"no task has the id {request.id!r}")
    return caller.engine.body(task)


@session(Query)
def query(request: Query, caller: Caller, done: Done) -> None:
    """Give a page of tasks, as of everything that is committed when it runs."""
    engine = caller.engine

    def read(page: Any) -> None:
        done(_page(page, caller) if isinstance(page, Page) else page)

    bytes_max = engine.limits.max_frame - REPLY_RESERVE_BYTES
    engine.reader.query(request, caller.identity.sight, bytes_max, caller.is_there, read)


def put(change: Change, caller: Caller, transaction: Transaction) -> dict[str, Any]:
    """Write a change, if the limits allow it. Raises `BadRequest`, `Busy`, `StorageError`."""
    task = change.task
    largest = caller.engine.limits.max_frame - REPLY_RESERVE_BYTES
    if len(task.body) > largest:
        raise BadRequest(f"the task would take {len(task.body)} bytes, more than {largest}")
    caller.engine.check_room(change.previous, task)
    caller.engine.check_disk(caller.identity)
    transaction.put(change)
    return {"id": task.id, "epoch": task.epoch}


def _page(page: Page, caller: Caller) -> bytes:
    liveness, clock = caller.engine.liveness, caller.engine.clock
    bodies: list[bytes] = []
    for task_id, body in page.rows:
        owner = liveness.owner_of(task_id)
        if owner is not None and owner.serial != NOBODY:
            body = tasks.refreshed(body, clock.stamp_of(owner.last_seen))
        bodies.append(body)
    return b'{"tasks":[%b],"next":%b}' % (b",".join(bodies), strictjson.dumps(page.next))
