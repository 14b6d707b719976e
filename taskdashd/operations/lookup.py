"""People as the next writing operation must see them: others, and whoever asks."""

from taskdash_protocol.errors import AuthError, Conflict
from taskdashd.domain.people import Person
from taskdashd.operations.engine import PERSON
from taskdashd.operations.table import Caller
from taskdashd.store.transaction import Transaction


def person_of(number: str, transaction: Transaction) -> Person | None:
    """Give the account of an employee number; None if there is none."""
    found = transaction.record(PERSON, number)
    return None if found is None else Person.from_record(found)


def no_person(field: str, number: str) -> Conflict:
    """Refuse a field that names nobody."""
    fault = Conflict(f"field {field}: there is no person {number!r}")
    return fault.because("no-person", user=number)


def check_still(caller: Caller, transaction: Transaction) -> None:
    """Raise `AuthError` where who asked is not who they were, by the time that it is done."""
    asked, session = caller.as_identity, caller.session
    if asked is None or not asked.person:
        same = asked == session.identity
    else:
        # Over HTTP nobody tells the session: what counts is what is stored, or on its way there.
        person = person_of(asked.person, transaction)
        same = person is not None and person.identity == asked and person.knows(session.secret)
    if not same:
        raise AuthError("who you are has changed meanwhile: ask again").because("changed")
