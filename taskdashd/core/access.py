"""Signing in by token, and the checks of an identity's rights that operations call."""

from collections.abc import Callable, Iterable

from taskdash_protocol.errors import AuthError
from taskdashd.core.failures import WrongTokens
from taskdashd.domain.access import ANYONE, Identity
from taskdashd.domain.tasks import Task


class Access:
    """Turns tokens into identities. Where the daemon asks for no token, everybody is `ANYONE`."""

    def __init__(
        self,
        identify: Callable[[str], Identity | None],
        now: Callable[[], float],
        *,
        required: bool,
        named: Callable[[str], Identity | None] = lambda _name: None,
        stands: Callable[[Identity], bool] = lambda _identity: True,
        wrong: WrongTokens | None = None,
        in_group: Callable[[str], Iterable[str]] = lambda _group: (),
    ) -> None:
        self._identify = identify
        self._now = now
        self.named = named
        """Gives the identity for the name in a verified certificate; None where no token has it."""
        self.in_group = in_group
        """Gives the names of the tokens that name a group."""
        self._stands = stands
        self.required = required
        self._wrong = WrongTokens(now) if wrong is None else wrong

    def of_board(self) -> "Access":
        """Give the same for the web board, where a token is asked for whatever TCP does.

        Wrong tokens are counted together: who tries at one door is known at the other.
        """
        return Access(
            self._identify,
            self._now,
            required=True,
            named=self.named,
            stands=self._stands,
            wrong=self._wrong,
        )

    @property
    def at_first(self) -> Identity | None:
        """Give a connection's identity before it signs in; None where it must sign in first."""
        return None if self.required else ANYONE

    def stands(self, token: Identity | None) -> bool:
        """Tell whether what a session came with still counts: a token's, `ANYONE`, or nothing."""
        if token is None or not token.key:
            return True
        return self._stands(token)

    def behind(self, name: str, key: str) -> Identity | None:
        """Give the identity of the very token of a name and key; None where it is over."""
        found = self.named(name)
        return found if found is not None and found.key == key else None

    def sign_in(self, given: str, address: str) -> Identity:
        """Give a token's identity. Raises `AuthError`, or `Busy` after too many wrong tokens.

        A good token always gets in, whatever came from its address before: nobody guesses 256 bits,
        and whoever shares an address could keep the others out.
        """
        if not self.required:
            return ANYONE
        identity = self.pinger(given, address)
        if not identity.signs_in:
            raise AuthError("this token may only ping: it signs nobody in")
        return identity

    def pinger(self, given: str, address: str) -> Identity:
        """Give the identity of the token in a ping's path, of any role. Raises as `sign_in`."""
        if not given:
            raise AuthError("this daemon asks for a token: say it in Hello")
        identity = self._identify(given)
        if identity is None:
            self._wrong.add(address, given)
            raise AuthError("the token is wrong, was revoked or has expired")
        return identity


def sees(identity: Identity, task: Task | None) -> bool:
    """Tell whether a task exists and the identity may see it."""
    if task is None:
        return False
    sight = None if identity is ANYONE else identity.sight
    return sight is None or sight.covers(task.group_id, task.user, task.checker)


def check_write(identity: Identity, old: Task | None, group: str | None) -> None:
    """Raise `AuthError` unless an identity may change the task `old`, or create it where None.

    `group` is the group that the write puts the task into; None where the task keeps its group.
    """
    if identity is ANYONE:
        # Where no token is asked for, each write comes by here: the rest is spared.
        return
    if not identity.may_write:
        if identity.person:
            raise AuthError("people do not write tasks: they claim, submit and approve them")
        raise AuthError("this token may only read")
    if identity.confined_to is None:
        return
    # Check the group first: the refusal of a foreign group must be the same whether the task
    # exists or not, or it would tell of tasks that the identity may not see.
    if group is not None and not identity.sees(group):
        raise AuthError(f"field group_id: this token may not write tasks of {group[:64]!r}")
    if old is not None and not sees(identity, old):
        raise AuthError("this token may not write the task of this id")
