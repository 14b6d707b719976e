"""The warning to somebody who signs in from another address than last time."""

import hmac
import secrets
from functools import partial
from typing import Final

from taskdash_protocol import strictjson
from taskdash_protocol.errors import ServerError
from taskdash_protocol.requests import Audit
from taskdashd.core.history import told
from taskdashd.core.steps import Steps, wait_for
from taskdashd.core.table import Caller, Result
from taskdashd.domain.people import Person, done_by
from taskdashd.store.audit import Entry

BACK_OUT_S: Final = 5
"""Seconds for which a page holds up a sign-in from another address, before it goes on by itself."""
_CONFIRM_S: Final = 60
_TOLD_MAX: Final = 5
_LAST_BYTES_MAX: Final = 64 << 10
# The key of this process alone: after a restart a person who was warned is warned again.
_CONFIRM_KEY: Final = secrets.token_bytes(32)


def warn(person: Person, caller: Caller) -> Steps[Result]:
    """Tell the person where they last signed in and what they did last; nothing is stored."""
    me, core = caller.session, caller.core
    identity = person.identity.within_token(me.token) or person.identity
    kinds = ("registered", "updated", "recovered")
    request = Audit(kinds=kinds, limit=_TOLD_MAX)
    try:
        look = partial(core.reader.audit, request, _LAST_BYTES_MAX, caller.asker)
        found = yield from wait_for(partial(look, by=done_by(person.id)))
        entries = found.entries
    except ServerError:
        # The person has proved who they are: a log that cannot be read must not keep them out.
        entries = []
    did = [
        {name: entry[name] for name in ("at", "kind", "task", "why")}
        for entry in (
            told(one, identity)
            for one in entries
            if isinstance(one, Entry) and identity.sees_task(strictjson.reload(one.task))
        )
    ]
    last = {"address": person.address, "at": person.signed_in_at, "did": did}
    ticket = _confirmation(person.id, me.address, int(core.clock.elapsed()))
    return {"user": person.id, "confirm": ticket, "wait": BACK_OUT_S, "last": last}


def _confirmation(number: str, address: str, at: int) -> str:
    text = f"{number}\n{address}\n{at}".encode()
    return f"{at}.{hmac.digest(_CONFIRM_KEY, text, 'sha256').hex()}"


def confirms(given: str, number: str, caller: Caller) -> bool:
    """Tell whether a person has been warned, and goes on all the same."""
    at, _, _ = given.partition(".")
    address = caller.session.address
    if not at.isascii() or not at.isdigit() or len(at) > 18:
        return False
    fresh = 0 <= caller.core.clock.elapsed() - int(at) <= _CONFIRM_S
    return fresh and hmac.compare_digest(given, _confirmation(number, address, int(at)))
