"""Hello, SignIn, Watch and Unwatch: a connection introduces itself and watches changes."""

from typing import Final

from taskdash_protocol import PROTOCOL_VERSION, __version__
from taskdash_protocol.errors import BadRequest, Busy
from taskdash_protocol.requests import Hello, SignIn, Unwatch, Watch
from taskdashd.core.table import Caller, Result, alone

BEATS_PER_TIMEOUT: Final = 3
"""A client that beats so often in each timeout lives on if one of those beats arrives."""


@alone(Hello)
def hello(request: Hello, caller: Caller) -> Result:
    """Greet a client and tell it what this daemon expects."""
    if request.protocol != PROTOCOL_VERSION:
        raise BadRequest(
            f"field protocol: this daemon speaks {PROTOCOL_VERSION}, not {request.protocol}"
        )
    me, core = caller.session, caller.core
    if me.identity is None or request.token:
        core.identities.sign_in(me, request.token)
    me.introduce("".join(filter(str.isprintable, request.client)))
    limits = core.limits
    return {
        "protocol": PROTOCOL_VERSION,
        "server": f"taskdashd/{__version__}",
        "heartbeat_timeout": limits.heartbeat_timeout,
        "heartbeat_interval": limits.heartbeat_timeout / BEATS_PER_TIMEOUT,
        "max_frame": limits.max_frame,
    }


@alone(SignIn)
def sign_in(request: SignIn, caller: Caller) -> Result:
    """Sign the connection in by a token."""
    caller.core.identities.sign_in(caller.session, request.token)
    return {}


@alone(Watch)
def watch(request: Watch, caller: Caller) -> Result:
    """Send the connection each matching change from now on, or from an older rev on.

    The connection resumes the new watch once the reply is queued, so no event precedes the reply.
    """
    me, core = caller.session, caller.core
    if len(me.watches) >= core.limits.max_watches:
        raise Busy(f"this connection has {len(me.watches)} watches already: end one first")
    where = {name: frozenset(values) for name, values in request.where.items()}
    number, sight = me.next_watch, caller.identity.sight
    subscription = core.feed.watch(number, me.subscriber, where, request.since, sight)
    me.add_watch(subscription)
    return {"watch": number, "rev": subscription.position}


@alone(Unwatch)
def unwatch(request: Unwatch, caller: Caller) -> Result:
    """End a watch; no event of it follows the reply."""
    subscription = caller.session.watches.pop(request.watch, None)
    if subscription is None:
        raise BadRequest(f"field watch: this connection has no watch {request.watch}")
    caller.core.feed.unwatch(subscription)
    return {}
