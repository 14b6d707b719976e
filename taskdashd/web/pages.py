"""Who asks by the original API: by a session, by a token, or by credentials in each request."""

from collections.abc import Callable
from typing import NamedTuple

from taskdash_protocol.errors import AuthError, Busy, Outcome
from taskdash_protocol.request import Request as Parsed
from taskdash_protocol.requests import Query
from taskdashd.core.proofs import Proofs
from taskdashd.core.run import Runner
from taskdashd.core.session import TOO_MANY, Session
from taskdashd.core.steps import Steps
from taskdashd.core.table import Caller, Result
from taskdashd.domain.access import Identity
from taskdashd.web.api import ask


class Pages(NamedTuple):
    """An `original.Asker` for a request."""

    runner: Runner
    proofs: Proofs
    session: Session
    note: Callable[[Identity, str], None]

    @property
    def person(self) -> str:
        """The employee number of who has signed in."""
        return "" if self.session.identity is None else self.session.identity.person

    def check_way(self, number: str, password: str) -> Steps[None]:
        """Raise `AuthError` where somebody may not sign in by this API."""
        yield from self.proofs.check_way(number, password, self._caller)

    def sign(self, number: str, password: str) -> Steps[None]:
        """Have this request, and no other, count as a person's."""
        session = self.session
        if not session.may_ask():
            raise Busy(TOO_MANY)
        yield from self.proofs.sign(number, password, self._caller)
        assert session.identity is not None
        self.note(session.identity, session.address)

    @property
    def _caller(self) -> Caller:
        return Caller(self.session, self.runner.core, self.session.identity)

    def ask(self, asked: Parsed) -> Steps[Outcome[Result]]:
        """Run a request."""
        if isinstance(asked, Query) and self.session.identity is None:
            return AuthError("sign in first: userLogin opens a session")
        return (yield from ask(asked, self.session, self.runner))
