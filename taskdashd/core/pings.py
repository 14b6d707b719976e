"""Pings: one ping of a task, decided like any other write; a mere sign of life writes nothing."""

from functools import partial

from taskdash_protocol.errors import AuthError
from taskdash_protocol.requests import Register
from taskdash_protocol.statuses import is_live
from taskdashd.core.access import sees
from taskdashd.core.clock import Clock
from taskdashd.core.ownership import PINGS
from taskdashd.core.steps import Steps
from taskdashd.core.storing import load, write
from taskdashd.core.table import Caller
from taskdashd.domain import pings, tasks
from taskdashd.domain.pings import Ping
from taskdashd.domain.tasks import Moment
from taskdashd.domain.times import stamp
from taskdashd.store.transaction import Transaction


def ping(asked: Ping, caller: Caller) -> Steps[None]:
    """Do a ping. Raises `AuthError`, `Conflict`, and what any write may raise."""
    core = caller.core
    if not core.view.knows(asked.id):
        yield from load(core, (asked.id,))
        # Loading took its time: the token may have been revoked meanwhile.
        core.identities.check_still(caller.session, caller.identity)
    yield from write(core, partial(_decide, asked, caller))


def _decide(asked: Ping, caller: Caller, transaction: Transaction) -> None:
    core, identity = caller.core, caller.identity
    old = transaction.task(asked.id)
    if old is not None and not sees(identity, old):
        raise AuthError("the task of this id is in none of this token's groups")
    write: pings.Write
    if old is None:
        write = pings.first(asked, identity.home, transaction.at)
    else:
        takes_over = old.owner != PINGS
        just_before = partial(_stamp_before, core.clock, pings.REPEATED_S)
        write = pings.next_(old, asked, transaction.at, just_before, takes_over=takes_over)
        if not takes_over and is_live(old.status) and asked.id not in core.view.pending:
            # Count the sign of life now: the task must not be judged while a write of the ping
            # waits for the disk, nor for the disk's fault.
            core.ownership.pinged(old)
    if write is None:
        return
    author, moment = caller.author._replace(serial=PINGS), Moment(transaction.rev, transaction.at)
    if isinstance(write, Register):
        change = tasks.register(None, write, author, moment)
    else:
        assert old is not None
        change = tasks.update(old, write, author, moment)
    core.room.put(change, identity, transaction)


def _stamp_before(clock: Clock, seconds: float) -> str:
    return stamp(clock.wall() - seconds)
