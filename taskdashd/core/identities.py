"""Signing sessions in and out, the request budget of each identity, and failed attempts."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from taskdash_protocol.errors import AuthError, Busy, Conflict, ServerError
from taskdashd.core.access import Access
from taskdashd.core.acts import Acts
from taskdashd.core.clock import Clock
from taskdashd.core.commits import Following
from taskdashd.core.failures import SIGN_UPS_MAX, Attempts, Failures
from taskdashd.core.numbers import PERSON as PERSON
from taskdashd.core.numbers import Numbers
from taskdashd.core.session import TOO_MANY_CHANGES, Session
from taskdashd.core.sessions import Sessions
from taskdashd.domain.access import Identity
from taskdashd.domain.budget import Budget
from taskdashd.domain.people import Person
from taskdashd.store.records import Record, Records
from taskdashd.store.transaction import Transaction

_BUDGETS_MAX: Final = 10_000
_BURST_S: Final = 5.0
"""A person who was quiet for so long may make all its changes at once: a page may act on many."""


class IdentityLimits(Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    identity_rate: int | None
    person_rate: int | None
    passwords: bool
    passwordless: str


class Identities(Following):
    """Signs sessions in and out, by token or as a person."""

    def __init__(
        self,
        limits: IdentityLimits,
        clock: Clock,
        access: Access,
        acts: Acts,
        sessions: Sessions,
        records: Records,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._access = access
        self._acts = acts
        self._sessions = sessions
        self._records = records
        self._budgets: OrderedDict[str, Budget] = OrderedDict()
        """By `Identity.key`: one budget for all connections of an identity."""
        self.numbers = Numbers(records)
        self.attempts = Attempts(clock.now)
        """Wrong sign-ins and passwords of people, by account and by address."""
        self.sign_ups = Failures(clock.now, SIGN_UPS_MAX)
        """Accounts that people make for themselves, by address."""

    @property
    def required(self) -> bool:
        """Whether a connection must sign in."""
        return self._access.required

    def person(self, number: str) -> Person | None:
        """Give the account of an employee number, as of the last commit."""
        found = self._records.committed(PERSON, number)
        return None if found is None else Person.from_record(found)

    def tokens_in(self, group: str) -> Iterable[str]:
        """Give the names of the tokens that are confined to a group, among others or alone."""
        return self._access.in_group(group)

    def sign_in(self, session: Session, token: str) -> None:
        """Sign a session in by a token, unless it is the operators'. Raises `AuthError`, `Busy`."""
        if not session.is_local:
            self.become(session, self._access.sign_in(token, session.address))

    def recognise(self, session: Session, name: str | None) -> None:
        """Sign a session in by the name in its verified certificate, if a token has that name."""
        identity = None if name is None else self._access.named(name)
        if identity is not None and identity.signs_in:
            self.become(session, identity)

    def refusal(self, session: Session, token: object) -> ServerError | None:
        """Sign a session in by the token of a request's header; give the refusal, or None.

        The sign-in holds for this request and for later ones without a token.
        """
        try:
            self.sign_in(session, token if type(token) is str else "")
        except ServerError as refusal:
            return refusal.with_traceback(None)
        return None

    def identity_of(self, session: Session, number: str) -> Identity | None:
        """Give a person's identity in a session, as of the last commit; None if not signed in."""
        return session.identity_as(self.person(number))

    def come_back(self, session: Session, number: str, secret: str) -> None:
        """Sign a session over HTTP in by its cookie, if the sign-in and the token behind it stand.

        Where nobody signs in without a password, who has none does not come back either.
        """
        person = self.person(number)
        one = None if person is None else person.sign_in_of(secret)
        if person is None or one is None:
            return
        if not person.password and self._limits.passwordless == "off":
            return
        token = self._access.behind(one.token_name, one.token) if one.token else None
        identity = person.identity.within_token(token)
        if identity is not None and (token is not None or not one.token):
            self.take_for(session, identity)
            session.come_back(secret, token)

    def sign_request(self, session: Session, person: Person) -> bool:
        """Have the requests of a session over HTTP count as a person's, and keep no sign-in.

        Call it once the person has proved who they are; False where the session's token forbids.
        """
        identity = person.identity.within_token(session.token)
        if identity is None or not person.may_be_in:
            return False
        session.remember_admission(identity)
        session.take_proof("", person.outs)
        self.take_for(session, identity)
        return True

    def needs_password(self, session: Session) -> bool:
        """Tell whether nobody may sign in here without a password.

        An operator's token vouches for anybody. A service's vouches too, unless it is forbidden
        everywhere: the service may act for the person anyway, within the groups of both. Without a
        token, signing in by the number alone is for browsers, unless a setting says otherwise.
        """
        token, may = session.token, self._limits.passwordless
        if self._limits.passwords:
            return True
        if token is not None and token.key:
            return may == "off" and not token.is_operator
        return may == "off" or (may == "board" and self._sessions.is_connected(session))

    def check_still(
        self, session: Session, asked: Identity, transaction: Transaction | None = None
    ) -> None:
        """Raise `AuthError` where a session may no longer be told, or do, what it asked as `asked`.

        What was read or hashed took its time, and of a session over HTTP nobody tells when its
        person is signed out, or its token revoked. With a transaction, the account counts as a
        write that waits for its commit leaves it.
        """
        if not asked.person:
            same = session.identity == asked
        elif transaction is not None:
            same = session.identity_as(person_of(asked.person, transaction)) == asked
        elif self._sessions.is_connected(session):
            same = session.identity == asked
        else:
            same = self.identity_of(session, asked.person) == asked
        if not same or not self._access.stands(session.token):
            raise changed_meanwhile()

    def become(self, session: Session, identity: Identity) -> None:
        """Sign a session in as an identity; watches that it began as another identity end."""
        if session.is_local:
            return
        before = session.identity
        if before is not None and before != identity:
            self._sessions.end_watches(session)
        if identity.name and before != identity:
            self._acts.note("signed in", f"{identity.name} ({session.peer})", identity.rights)
        session.remember_admission(identity)
        self.take_for(session, identity)

    def take_for(self, session: Session, identity: Identity) -> None:
        """Give a session an identity and its budget, without noting a sign-in for the audit."""
        session.signed_in(identity)
        if identity.key:
            session.share(self._budget_of(identity))
        session.share_changes(self._changes_of(identity) if identity.person else None)

    def share_of_address(self, session: Session) -> None:
        """Have a session that has not signed in share one budget with all others of its address."""
        session.share(self._budget_of(Identity("", "reader", key=f"address {session.address}")))

    def sign_out(self, session: Session) -> None:
        """Put a session back to its identity before a person signed in on it."""
        self._sessions.end_watches(session)
        session.signed_out(self._access.at_first)
        session.share_changes(None)

    def refused(self, session: Session, error: AuthError) -> None:
        """Note for the audit that a session was refused."""
        name = session.identity.name if session.identity is not None else ""
        who = f"{name} ({session.address})" if name else session.address
        self._acts.note("refused", who, error.detail)

    def kept(self, records: Sequence[Record]) -> None:
        """Give sessions signed in as a person the person's new rights, or sign them out."""
        changed = {record.key for record in records if record.kind == PERSON}
        if not changed:
            return
        for number in changed:
            self.numbers.add(number)
        for session in self._sessions:
            identity = session.identity
            if identity is not None and identity.person in changed and not session.is_changing:
                self.check_person(session)

    def check_person(self, session: Session) -> None:
        """Give a connection signed in as a person that person's present rights, or end it."""
        identity = session.identity
        if identity is None or not identity.person:
            return
        now = self.identity_of(session, identity.person)
        if now is None:
            self.end(session, AuthError("you were signed out: sign in again").because("changed"))
        elif now.sight == identity.sight:
            session.signed_in(now)
        else:
            fault = Conflict("what you may see has changed: connect and watch again")
            for watch in list(session.watches):
                session.subscriber.on_fault(watch, fault)
            self.become(session, now)

    @contextmanager
    def changing(self, session: Session) -> Iterator[None]:
        """Have what a session does to its own account not put the session itself out meanwhile."""
        session.changes_account(is_on=True)
        try:
            yield
        finally:
            session.changes_account(is_on=False)
            if self._sessions.is_connected(session):
                self.check_person(session)

    def end(self, session: Session, error: ServerError) -> None:
        """End a connection whose sign-in or token is over; it is nobody's from now on.

        What it asked and is not begun must not be done as whom it was before: who has sent a
        person's requests would send them as an operator. So it does not go back to its token.
        """
        self._sessions.end_watches(session)
        session.signed_in(None)
        session.subscriber.expire(error)

    def check_tokens(self, stands: Callable[[Identity], bool]) -> None:
        """End the connections of tokens that were revoked or have expired."""
        for session in self._sessions:
            token = session.token
            if session.stands_in or session.is_local or token is None or not token.key:
                continue
            if not stands(token):
                over = AuthError("the token was revoked or has expired")
                self.refused(session, over)
                self.end(session, over)

    def check_change(self, identity: Identity) -> None:
        """Count a change by a person who has yet to sign in. Raises `Busy` beyond `person_rate`."""
        if not self._changes_of(identity).draw(1):
            raise Busy(TOO_MANY_CHANGES)

    def _budget_of(self, identity: Identity) -> Budget:
        return self._budget(identity.key, lambda: self._limits.identity_rate)

    def _changes_of(self, person: Identity) -> Budget:
        return self._budget(f"changes {person.key}", lambda: self._limits.person_rate, _BURST_S)

    def _budget(self, key: str, rate: Callable[[], int | None], burst_s: float = 1.0) -> Budget:
        budget = self._budgets.get(key)
        if budget is None:
            if len(self._budgets) >= _BUDGETS_MAX:
                # Drop the budget unused for longest: it has filled again, so a new one is the same.
                self._budgets.popitem(last=False)
            budget = self._budgets[key] = Budget(rate, self._clock.now, burst_s)
        self._budgets.move_to_end(key)
        return budget


def person_of(number: str, transaction: Transaction) -> Person | None:
    """Give an account as the next writing operation must see it; None if there is none."""
    found = transaction.record(PERSON, number)
    return None if found is None else Person.from_record(found)


def no_person(field: str, number: str) -> Conflict:
    """Make the refusal of a field that names no account."""
    fault = Conflict(f"field {field}: there is no person {number!r}")
    return fault.because("no-person", user=number)


def changed_meanwhile() -> AuthError:
    """Make the refusal of what was asked with rights that are not the asker's any more."""
    return AuthError("who you are has changed meanwhile: ask again").because("changed")
