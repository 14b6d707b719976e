"""Signing in, and what an identity may do: the rules of `domain/access` at the operations' edge."""

from collections.abc import Callable

from taskdash_protocol import strictjson
from taskdash_protocol.errors import AuthError
from taskdashd.core.failures import Failures
from taskdashd.domain.access import ANYONE, Identity
from taskdashd.domain.tasks import Task


class Access:
    """Decides who has signed in. Where no token is asked for, everybody has."""

    def __init__(
        self,
        identify: Callable[[str], Identity | None],
        now: Callable[[], float],
        *,
        required: bool,
        named: Callable[[str], Identity | None] = lambda _name: None,
    ) -> None:
        self._identify = identify
        self.named = named
        """Gives whom a verified certificate stands for; None if its name has no token."""
        self.required = required
        self._failures = Failures(now)

    @property
    def at_first(self) -> Identity | None:
        """Give who somebody is that has said nothing yet."""
        return None if self.required else ANYONE

    def sign_in(self, given: str, address: str) -> Identity:
        """Give whom a token stands for. Raises `AuthError`, `Busy` after too many wrong ones."""
        if not self.required:
            return ANYONE
        self._failures.check(address, "wrong tokens")
        if not given:
            raise AuthError("this daemon asks for a token: say it in Hello")
        identity = self._identify(given)
        if identity is None:
            self._failures.add(address)
            raise AuthError("the token is wrong, was revoked or has expired")
        return identity


def sees(identity: Identity, task: Task | None) -> bool:
    """Tell whether a task is there for an identity."""
    if task is None or identity.confined_to is None:
        return task is not None
    return identity.sees_task(strictjson.reload(task.body))


def check_write(identity: Identity, old: Task | None, group: str | None) -> None:
    """Raise `AuthError` unless an identity may change a task, or make it where there is none.

    `group` is the group that the task will be in; None where that does not change.
    """
    if not identity.may_write:
        if identity.person:
            raise AuthError("people do not write tasks: they claim, submit and approve them")
        raise AuthError("this token may only read")
    if identity.confined_to is None:
        return
    # The group first: what is said of it must not depend on whether the task is there.
    if group is not None and not identity.sees(group):
        raise AuthError(f"field group_id: this token may not write tasks of {group[:64]!r}")
    if old is not None and not sees(identity, old):
        raise AuthError("this token may not write the task of this id")
