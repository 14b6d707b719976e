"""Hello, Watch and Unwatch: what a connection says about itself and wants to be told."""

from typing import Final

from taskdash_protocol import PROTOCOL_VERSION, __version__
from taskdash_protocol.errors import BadRequest, Busy
from taskdash_protocol.requests import Hello, SignIn, Unwatch, Watch
from taskdashd.operations.table import Caller, Done, Operation, session

BEATS_PER_TIMEOUT: Final = 3
"""A client that beats so often may lose all but one of its beats."""


@session(Hello)
def hello(request: Hello, caller: Caller, done: Done) -> None:
    """Greet a client and tell it what this daemon expects."""
    if request.protocol != PROTOCOL_VERSION:
        raise BadRequest(
            f"field protocol: this daemon speaks {PROTOCOL_VERSION}, not {request.protocol}"
        )
    me = caller.session
    if me.identity is None or request.token:
        caller.engine.sign_in(me, request.token)
    me.introduce("".join(filter(str.isprintable, request.client)))
    limits = caller.engine.limits
    done(
        {
            "protocol": PROTOCOL_VERSION,
            "server": f"taskdashd/{__version__}",
            "heartbeat_timeout": limits.heartbeat_timeout,
            "heartbeat_interval": limits.heartbeat_timeout / BEATS_PER_TIMEOUT,
            "max_frame": limits.max_frame,
        }
    )


def _sign_in(request: SignIn, caller: Caller, done: Done) -> None:
    caller.engine.sign_in(caller.session, request.token)
    done({})


SIGN_IN: Final = Operation(SignIn, "session", _sign_in)
"""What MessageID 1393 of the original framing asks for; it has no RequestID."""


@session(Watch)
def watch(request: Watch, caller: Caller, done: Done) -> None:
    """Tell the connection of each matching change from now, or from an older rev, on."""
    me, feed = caller.session, caller.engine.feed
    if len(me.watches) >= caller.engine.limits.max_watches:
        raise Busy(f"this connection has {len(me.watches)} watches already: end one first")
    number = me.next_watch
    where = {name: frozenset(values) for name, values in request.where.items()}
    subscription = feed.watch(number, me.subscriber, where, request.since, caller.identity.sight)
    me.next_watch += 1
    me.watches[number] = subscription
    done({"watch": number, "rev": subscription.position})
    me.subscriber.resume_watches()


@session(Unwatch)
def unwatch(request: Unwatch, caller: Caller, done: Done) -> None:
    """End a watch; no event of it follows the reply."""
    subscription = caller.session.watches.pop(request.watch, None)
    if subscription is None:
        raise BadRequest(f"field watch: this connection has no watch {request.watch}")
    caller.engine.feed.unwatch(subscription)
    done({})
