"""Next: what waits for a person, in the sections that families add to it."""

from functools import partial

from taskdash_protocol.errors import AuthError, Conflict
from taskdash_protocol.families.people import Next
from taskdashd.core.identities import no_person
from taskdashd.core.steps import Steps, wait_for
from taskdashd.core.table import Caller, Result, alone
from taskdashd.core.waiting import Waiting
from taskdashd.domain.people import sees_person


@alone(Next)
def next_(request: Next, caller: Caller) -> Steps[Result]:
    """Give what waits for a person: oneself, or somebody in a group that one leads."""
    identity, core = caller.identity, caller.core
    number = core.identities.numbers.meant(request.user) or identity.person
    if not number:
        raise Conflict("field user is required: what waits for whom?")
    person = core.identities.person(number)
    if person is None or not sees_person(identity, person):
        raise no_person("user", number)
    leads = not identity.leads.isdisjoint(person.groups)
    if not (number == identity.person or identity.is_operator or leads):
        raise AuthError("only a lead sees what waits for others").because("lead")
    look = core.part(Waiting).look(person, identity.sight)
    reply: bytes = yield from wait_for(partial(core.reader.at_desk, look, caller.asker))
    return reply
