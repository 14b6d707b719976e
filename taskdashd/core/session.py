"""A session: whoever asks, as operations see them, with identity, owner, budgets and watches."""

from typing import Final

from taskdash_protocol.errors import Busy
from taskdashd.domain.access import LOCAL_OPERATOR, Identity
from taskdashd.domain.budget import Budget
from taskdashd.domain.liveness import Owner
from taskdashd.domain.people import Person
from taskdashd.domain.tasks import Author
from taskdashd.feed.watches import Subscriber, Watch

TOO_MANY: Final = "too many requests a second: slow down, and try this one again later"
"""The refusal's words where `may_ask` is False."""
TOO_MANY_CHANGES: Final = "you change too much in a second: slow down, and try this again later"
"""The refusal's words where a person is beyond `person_rate`."""
UNREAD: Final = Busy("too much waits for you to be read: read it, and ask again")
"""The refusal of a large reply to who leaves so much unread, see `output_buffer`."""
_DRAWN_AT_ONCE: Final = 16
"""Requests drawn from the budgets at a time, so that most requests cost one subtraction."""


class Session:
    """The session of a connection, of an HTTP visitor, or of a service without a connection."""

    __slots__ = (
        "_allowed",
        "_budget",
        "_shared_budget",
        "admitted",
        "author",
        "changes",
        "client",
        "hears",
        "identity",
        "is_changing",
        "next_watch",
        "outs",
        "owner",
        "peer",
        "said_hello",
        "secret",
        "sees_all",
        "since",
        "stands_in",
        "subscriber",
        "watches",
    )

    def __init__(
        self,
        serial: int,
        peer: str,
        now: float,
        identity: Identity | None,
        budget: Budget,
        *,
        stands_in: bool = False,
    ) -> None:
        self.peer = peer
        self.since = now
        self.client = ""
        self.said_hello = False
        self.hears = True
        """Whether replies reach the peer; requests that change something are done all the same."""
        self._budget = budget
        self._shared_budget: Budget | None = None
        """The budget that all connections of the identity share."""
        self.changes: Budget | None = None
        """The budget of a person's changes, on all connections; None where no person signed in."""
        self.admitted: Identity | None = None
        """The token's identity that let the session in, once a person has signed in on it."""
        self.stands_in = stands_in
        """Whether the session stands for a service without a connection."""
        self.secret = ""
        """The secret of the browser's cookie, set or about to be: proof of the person's sign-in."""
        self.outs: int | None = None
        """On a connection: `Person.outs` when the person signed in, which proves it instead."""
        self.is_changing = False
        """Whether its own Logout or new password is under way: it does not put the session out."""
        self._allowed = 0
        self.author = Author(serial, peer)
        self.signed_in(identity)
        self.owner = Owner(serial, now)
        self.watches: dict[int, Watch] = {}
        self.next_watch = 1
        """A number that no watch of this connection has had."""

    def attach(self, subscriber: Subscriber) -> None:
        """Have a connection receive the events of the session's watches."""
        self.subscriber = subscriber

    def detach(self) -> None:
        """Drop the reference to the connection, which refers to its session in turn.

        The cycle would keep both for hours after the socket has closed: the garbage collector looks
        for cycles seldom.
        """
        del self.subscriber

    @property
    def address(self) -> str:
        """Give the peer's address without the port, which a proxy need not tell."""
        address, _, port = self.peer.rpartition(":")
        return address if self.is_local or port.isdecimal() else self.peer

    @property
    def whose(self) -> str:
        """Say whose turns and bytes the session's are: an identity's; without one, an address's."""
        identity = self.identity
        return self.address if identity is None or not identity.key else identity.key

    @property
    def is_local(self) -> bool:
        """Whether the session came by the operators' socket, which needs no sign-in."""
        return self.identity is LOCAL_OPERATOR

    def may_ask(self) -> bool:
        """Count a request, and tell whether the request rates allow it."""
        self._allowed -= 1
        return self._allowed >= 0 or self._draw()

    def may_ask_up_to(self, most: int) -> int:
        """Count requests, `most` of them at most; give how many the request rates allow."""
        left = max(0, self._allowed)
        if left < most:
            left += self._drawn(max(most - left, _DRAWN_AT_ONCE))
        allowed = min(most, left)
        self._allowed = left - allowed
        return allowed

    def give_back_some(self, unused: int) -> None:
        """Take back requests that were counted and not done."""
        self._allowed += unused

    def count_change(self) -> None:
        """Count a change, if a person makes it. Raises `Busy` beyond `person_rate`."""
        if self.changes is not None and not self.changes.draw(1):
            raise Busy(TOO_MANY_CHANGES)

    def hear_no_more(self) -> None:
        """Note that the peer reads nothing any more: what it asked need not be read for it."""
        self.hears = False

    def share_changes(self, budget: Budget | None) -> None:
        """Draw a person's changes from this budget from now on."""
        self.changes = budget

    def share(self, budget: Budget) -> None:
        """Draw from an identity's budget too, from now on."""
        if budget is not self._shared_budget:
            self.give_back()
            self._shared_budget = budget

    def give_back(self) -> None:
        """Return drawn but unused requests to the budgets."""
        unused, self._allowed = max(0, self._allowed), 0
        self._budget.give_back(unused)
        if self._shared_budget is not None:
            self._shared_budget.give_back(unused)

    def _draw(self) -> bool:
        drawn = self._drawn(_DRAWN_AT_ONCE)
        self._allowed = max(0, drawn - 1)
        return drawn > 0

    def _drawn(self, many: int) -> int:
        """Draw from both budgets, `many` requests at most; give how many."""
        drawn = many if self.is_local else self._budget.draw(many)
        if self._shared_budget is not None and drawn:
            shared = self._shared_budget.draw(drawn)
            self._budget.give_back(drawn - shared)
            drawn = shared
        return drawn

    def add_watch(self, watch: Watch) -> None:
        """Keep a watch that was begun with the number `next_watch`."""
        self.watches[self.next_watch] = watch
        self.next_watch += 1

    def introduce(self, client: str) -> None:
        """Take the name that the client gives itself in Hello."""
        self.said_hello = True
        self.client = client
        self._name_author()

    @property
    def token(self) -> Identity | None:
        """The identity that the session came with: a token's, `ANYONE`, or None where none yet."""
        identity = self.identity
        if self.admitted is not None or identity is None or identity.person:
            return self.admitted
        return identity

    def is_in_as(self, person: Person | None) -> bool:
        """Tell whether the session's sign-in as a person still stands."""
        if person is None:
            return False
        if self.outs is None:
            return person.knows(self.secret)
        return person.may_be_in and person.outs == self.outs

    def identity_as(self, person: Person | None) -> Identity | None:
        """Give a person's identity in this session; None where it is not signed in as them.

        The session's token bounds it, and may allow none.
        """
        if person is None or not self.is_in_as(person):
            return None
        return person.identity.within_token(self.token)

    def take_proof(self, secret: str, outs: int | None) -> tuple[str, int | None]:
        """Take what proves the person's sign-in: a cookie's secret, or `Person.outs`.

        Returns what has proved one so far.
        """
        before = self.secret, self.outs
        self.secret, self.outs = secret, outs
        return before

    def changes_account(self, *, is_on: bool) -> None:
        """Note that the session's own Logout or new password is under way, or done."""
        self.is_changing = is_on

    def remember_admission(self, identity: Identity) -> None:
        """Keep the token's identity, where a person is about to sign in over it."""
        if not identity.person:
            self.admitted = None
        elif self.identity is not None and not self.identity.person:
            self.admitted = self.identity

    def come_back(self, secret: str, token: Identity | None = None) -> None:
        """Take the secret in the browser's cookie, and the identity of the token behind it."""
        self.secret, self.outs = secret, None
        self.admitted = token

    def signed_out(self, at_first: Identity | None) -> None:
        """Go back to the identity before a person signed in: the token's, or `at_first`."""
        self.secret, self.outs = "", None
        self.signed_in(self.admitted or at_first)
        self.admitted = None

    def signed_in(self, identity: Identity | None) -> None:
        """Take the session's identity; None where nobody has signed in."""
        self.identity = identity
        self.sees_all = identity is not None and identity.confined_to is None
        self._name_author()

    def _name_author(self) -> None:
        serial, identity = self.author.serial, self.identity
        name = identity.name if identity is not None else ""
        known = f"{name}, {self.peer}" if name else self.peer
        overrides = identity is not None and identity.is_known_operator
        self.author = Author(
            serial, f"{self.client} ({known})" if self.client else known, overrides
        )
