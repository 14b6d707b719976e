"""The operations of people: signing in, their accounts, how their tasks move, what waits."""

from taskdashd.families.people.operations import (
    accounts,
    cancel,
    claims,
    handover,
    labels,
    names,
    sign_in,
    waiting,
)

__all__ = [
    "accounts",
    "cancel",
    "claims",
    "handover",
    "labels",
    "names",
    "sign_in",
    "waiting",
]
