"""Requests about a connection: its client introduces itself, signs in, and watches changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from taskdash_protocol.readers import integer, string, where
from taskdash_protocol.request import Request

CLIENT_CHARACTERS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Hello(Request):
    """Introduce the client, and learn what the daemon expects. Optional; may come first."""

    request_id = "Hello"
    signs_in = "token"
    over_http = False

    protocol: int = integer("The protocol version that the client speaks: 1.")
    client: str = string(
        "Name and version of the client; shown in logs and to those who find a task held by it.",
        characters_max=CLIENT_CHARACTERS_MAX,
        default="",
    )
    token: str = string("Credential; ignored by a daemon that asks for none.", default="")


@dataclass(frozen=True, slots=True)
class SignIn(Request):
    """Say who the client is, in the original framing: MessageID 1393, its body the token's text."""

    # The original framing asks this by a MessageID, not by a RequestID.
    request_id = ""
    signs_in = "token"
    over_http = False

    token: str = string("Credential.")


@dataclass(frozen=True, slots=True)
class Watch(Request):
    """Ask to be told of each change of the tasks that match."""

    request_id = "Watch"
    over_http = False

    where: Mapping[str, tuple[str, ...]] = where(
        "As in Query; the task *after* the change is what must match."
    )
    since: int | None = integer(
        "First what came after this rev; else only what comes from now on.",
        low=0,
        must="be a rev: an integer of at least 0",
        default=None,
    )


@dataclass(frozen=True, slots=True)
class Unwatch(Request):
    """End a watch."""

    request_id = "Unwatch"
    over_http = False

    watch: int = integer("The number that Watch gave.", must="be the integer that Watch gave")
