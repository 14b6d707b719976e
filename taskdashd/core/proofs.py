"""Requests that bring a number and a password, each signed by itself: no sign-in is kept.

The pages of the original send both with every request. To verify a password is slow on purpose, so
a pair that was right is remembered for a while: not the password, but an HMAC under a key of this
process, for the address that it came from.
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from taskdash_protocol.errors import AuthError
from taskdash_protocol.families.people import Login
from taskdashd.core.identities import Identities
from taskdashd.core.steps import Steps
from taskdashd.core.table import Caller
from taskdashd.domain.people import Person

REMEMBERED_S: Final = 600.0
REMEMBERED_MAX: Final = 1_000

Prove = Callable[[Login, Person | None, Caller], Steps[Person]]
"""Gives the person whose number and password a request has, and counts wrong ones."""


class _Right(NamedTuple):
    """A pair that was right, and the account as it was then."""

    until: float
    person: str
    password: str
    outs: int


class Proofs:
    """See the module."""

    def __init__(self, identities: Identities, now: Callable[[], float], prove: Prove) -> None:
        self._identities = identities
        self._now = now
        self._prove = prove
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, _Right] = OrderedDict()

    def check_way(self, number: str, password: str, caller: Caller) -> Steps[None]:
        """Raise `AuthError` where somebody may not sign in this way, but has proved who they are.

        Who is an admin is told to nobody else: a wrong password is refused, and counted, as of any
        account, or of one that is not there.
        """
        person = self._identities.person(self._identities.numbers.meant(number))
        if person is not None and person.role == "admin":
            yield from self._prove(Login(person.id, password=password), person, caller)
            raise _not_here()

    def sign(self, number: str, password: str, caller: Caller) -> Steps[None]:
        """Have a request count as the person's whose number and password it brings.

        An empty password is right for an account without one, where `passwordless` allows it.
        Raises `AuthError`, `Busy`.
        """
        session, meant = caller.session, self._identities.numbers.meant(number)
        person = self._identities.person(meant)
        key = self._digest(meant, password, session.address)
        if person is None or not self._remembers(key, person):
            person = yield from self._prove(Login(meant, password=password), person, caller)
            self._remember(key, person)
        if person.role == "admin":
            raise _not_here()
        if not self._identities.sign_request(session, person):
            raise AuthError("over this token nobody signs a request").because("admin")

    def _digest(self, number: str, password: str, address: str) -> bytes:
        # Give each part its length: two other parts must not make the same text.
        text = "".join(f"{len(part)} {part}" for part in (number, password, address))
        return hmac.digest(self._key, text.encode(), "sha256")

    def _remembers(self, key: bytes, person: Person) -> bool:
        right = self._right.get(key)
        if right is None:
            return False
        known = (person.id, person.password, person.outs)
        if right[1:] != known or right.until < self._now() or not person.may_be_in:
            del self._right[key]
            return False
        # An empty password is right only as long as a setting says so.
        return bool(person.password)

    def _remember(self, key: bytes, person: Person) -> None:
        if person.password:
            until = self._now() + REMEMBERED_S
            self._right[key] = _Right(until, person.id, person.password, person.outs)
            if len(self._right) > REMEMBERED_MAX:
                self._right.popitem(last=False)


def _not_here() -> AuthError:
    return AuthError("an admin signs in on the board, not here").because("admin")
