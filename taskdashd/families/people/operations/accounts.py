"""People and SetPerson: accounts, and what every change of one must pass."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from taskdash_protocol import typed
from taskdash_protocol.errors import AuthError, BadRequest, Busy, Conflict, ServerError
from taskdash_protocol.families.people import (
    GROUPS_MAX,
    People,
    SetPerson,
    check_new_number,
)
from taskdashd.core.groups import Groups
from taskdashd.core.identities import PERSON, no_person, person_of
from taskdashd.core.numbers import Numbers
from taskdashd.core.steps import Steps, wait_for
from taskdashd.core.storing import write
from taskdashd.core.table import Caller, Core, Result, alone
from taskdashd.domain.access import Identity
from taskdashd.domain.people import Person, called, key_of
from taskdashd.families.people.passwords import Passwords
from taskdashd.families.people.roster import Roster
from taskdashd.families.people.told import Told
from taskdashd.store.transaction import Transaction

PASSWORD_CHARACTERS_MIN: Final = 8


@alone(People)
def people(request: People, caller: Caller) -> Steps[Result]:
    """Give the people whom the caller sees."""
    core = caller.core
    return (yield from core.part(Roster).seen_by(caller.identity, core.reader.turn))


@alone(SetPerson, changes=True)
def set_person(request: SetPerson, caller: Caller) -> Steps[Result]:
    """Make or change an account."""
    identity, core, me = caller.identity, caller.core, caller.session
    if request.new and request.base is not None:
        raise BadRequest("field base: a new account was never another")
    check_proved(caller)
    request = replace(request, user=core.identities.numbers.meant(request.user))
    if not identity.is_operator:
        _check_own(request, identity)
    if request.read_to is not None and request.user != identity.person:
        raise AuthError("field read_to: what somebody has seen, they alone say")
    request = yield from _in_known_groups(request, caller)
    encoded = request.password
    if request.password:
        check_password(request.password)
        known = core.identities.person(request.user)
        if not identity.is_operator and known is not None and known.password:
            yield from _prove(known, request.old_password, caller)
        encoded = yield from wait_for(partial(core.part(Passwords).hash, request.password))
    change = _change(request, caller, encoded)
    if encoded is None or me.outs is None or identity.person != request.user:
        changed = yield from write(core, change)
    else:
        # One's own new password ends all sign-ins but the one that it was given on.
        with core.identities.changing(me):
            changed = yield from write(core, change)
            me.take_proof("", changed.outs)
    if said := _said(request):
        # Having looked is no change of an account, for which the audit is kept.
        core.acts.note("person set", identity.name or me.peer, f"{request.user}: {said}")
    return changed.about()


def _prove(known: Person, old_password: str, caller: Caller) -> Steps[None]:
    """Raise `AuthError` unless `old_password` is the password that is about to be changed."""
    core, address = caller.core, caller.session.address
    attempts = core.identities.attempts
    at_home = known.address == address
    attempts.check(known.id, address, "wrong passwords", at_home=at_home)
    attempts.add(known.id, address)
    try:
        verify = partial(core.part(Passwords).verify, known.password, old_password)
        is_right = yield from wait_for(verify)
    except ServerError:
        attempts.take_back(known.id, address)
        raise
    if not is_right:
        fault = AuthError("field old_password is not the password")
        raise fault.because("wrong-password")
    attempts.take_back(known.id, address)


def _check_own(request: SetPerson, identity: Identity) -> None:
    """Raise `AuthError` unless a request changes what all people may change of their own.

    Of somebody else, a lead may change the calendar; `_change` looks whether they share a group.
    """
    if request.user != identity.person and not (identity.leads and _is_calendar_alone(request)):
        raise _only_admins()
    others = (request.role, request.groups, request.leads, request.active)
    if any(value is not None for value in others):
        raise AuthError(
            "only an admin changes role, groups and whether an account is active"
        ).because("admin")
    if request.password == "":
        raise AuthError("field password: only an admin removes a password").because("admin")


def _is_calendar_alone(request: SetPerson) -> bool:
    alone = SetPerson(request.user, calendar=request.calendar, base=request.base)
    return request == alone


def _only_admins() -> AuthError:
    return AuthError("only an admin changes somebody else's account").because("admin")


def _change(
    request: SetPerson, caller: Caller, encoded: str | None
) -> Callable[[Transaction], Person]:
    def decide(transaction: Transaction) -> Person:
        caller.core.identities.check_still(caller.session, caller.identity, transaction)
        name = request.name
        if name == "":
            raise Conflict("field name must not be blank").because("blank", field="name")
        person = known = person_of(request.user, transaction)
        if not _may(caller.identity, request.user, person):
            raise _only_admins()
        _check_base(request, person)
        if request.calendar:
            caller.core.calendars.check("calendar", request.calendar, transaction)
        if person is None and name is None:
            raise Conflict(f"field name is required: there is no person {request.user!r} yet")
        if name is not None and (person is None or not typed.is_same_name(name, person.name)):
            check_unlike(request.user, name, caller.core.identities.numbers)
        if person is None:
            check_new_number(request.user)
            check_room(caller.core)
            person = Person(request.user, name or "", made_at=transaction.at)
        changed = person.changed(
            name=name,
            role=request.role,
            groups=request.groups,
            leads=request.leads,
            active=request.active,
            calendar=request.calendar,
            password=encoded,
        )
        if len(changed.groups) > GROUPS_MAX:
            fault = BadRequest(f"field groups: nobody is in more than {GROUPS_MAX}")
            raise fault.because("too-many-groups", most=f"{GROUPS_MAX}")
        if encoded is not None or not changed.may_be_in:
            # End all other sign-ins: somebody who learnt the old password may hold one. An admin's
            # without a password end too: whoever gave the number has them.
            mine = caller.identity.person == request.user and changed.may_be_in
            changed = changed.signed_out(but=key_of(caller.session.secret) if mine else "")
        changed = changed.changed_at(transaction.rev, known)
        if changed != known:
            transaction.keep(PERSON, changed.id, changed.to_record())
        if request.read_to is not None:
            caller.core.part(Told).read(transaction, changed.id, request.read_to)
        return changed

    return decide


def _check_base(request: SetPerson, person: Person | None) -> None:
    """Raise `Conflict` where the account is not as who asks knows it, and say how it is."""
    if person is None:
        if request.base is not None:
            raise no_person("user", request.user)
        return
    who = called(person.id, person.name)
    if request.new:
        fault = Conflict(f"field user: {who} has this number")
        raise fault.because("exists", user=person.id, name=person.name)
    if request.base is not None and person.rev > request.base:
        about = {name: _told(value) for name, value in person.about().items()}
        now = ", ".join(f"{name} {value}" for name, value in about.items() if value)
        fault = Conflict(f"field base: the account of {who} has changed since; it is now: {now}")
        raise fault.because("stale", **about)


def _told(value: Any) -> str:
    if type(value) is bool:
        return "true" if value else "false"
    return ", ".join(value) if type(value) in (list, tuple) else f"{value}"


def _in_known_groups(request: SetPerson, caller: Caller) -> Steps[SetPerson]:
    """Give the request with its groups as they are meant, or as tasks and records have them."""
    given = tuple(dict.fromkeys((*(request.groups or ()), *(request.leads or ()))))
    meant = yield from caller.core.part(Groups).meant("groups", given, caller.asker)

    def spelt(groups: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return groups and tuple(dict.fromkeys(name for one in groups for name in meant[one]))

    return replace(request, groups=spelt(request.groups), leads=spelt(request.leads))


def check_unlike(number: str, name: str, numbers: Numbers) -> None:
    """Raise `Conflict` where somebody's number and name both look like these."""
    for other, theirs in numbers.alike(number):
        if typed.look(name) == typed.look(theirs):
            who = called(other, theirs)
            fault = Conflict(f"field user: {number} looks like the number of {who}: is that you?")
            raise fault.because("looks-like", user=other)


def _may(identity: Identity, number: str, person: Person | None) -> bool:
    if identity.is_operator or number == identity.person:
        return True
    return person is not None and not identity.leads.isdisjoint(person.groups)


def check_room(core: Core) -> None:
    """Raise `Busy` where no more accounts are allowed."""
    if core.view.records.count(PERSON) >= core.limits.max_people:
        most = core.limits.max_people
        raise Busy(f"{most} people have accounts: no more are allowed").because(
            "too-many-people", most=f"{most}"
        )


def check_password(password: str) -> None:
    """Raise `BadRequest` for a password that is too short."""
    if len(password) < PASSWORD_CHARACTERS_MIN:
        least = PASSWORD_CHARACTERS_MIN
        raise BadRequest(f"field password must have {least} characters or more").because(
            "short-password", least=f"{least}"
        )


def check_proved(caller: Caller) -> None:
    """Raise `AuthError` where a service's token alone vouches for the person who asks.

    The service could otherwise give itself a password, and be the person without its token.
    """
    token, number = caller.session.token, caller.identity.person
    person = caller.core.identities.person(number) if number else None
    if person is not None and not person.password and token is not None and not token.is_operator:
        raise password_required(number)


def password_required(number: str) -> AuthError:
    """Make the refusal of a sign-in or a change for want of a password."""
    fault = AuthError(
        "this account has no password, and does not sign in here without one: on the daemon's"
        f" machine, `taskdash-ctl person {number} --password` sets one"
    )
    return fault.because("password-required", user=number)


def _said(request: SetPerson) -> str:
    told = [
        f"{name} {'changed' if name == 'password' else _told(value) or 'none'}"
        for name in ("name", "role", "groups", "leads", "active", "calendar", "password")
        if (value := getattr(request, name)) is not None
    ]
    return ", ".join(told)
