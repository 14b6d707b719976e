"""Login, Logout, People, SetPerson: accounts, and who is signed in as whom."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from taskdash_protocol import strictjson, typed
from taskdash_protocol.errors import AuthError, BadRequest, Busy, Conflict, ServerError
from taskdash_protocol.families.people import (
    GROUPS_MAX,
    Login,
    Logout,
    People,
    SetPerson,
    check_new_number,
)
from taskdash_protocol.requests import Audit, Query
from taskdashd.core.history import told
from taskdashd.core.identities import PERSON, check_still, no_person, person_of
from taskdashd.core.numbers import Numbers
from taskdashd.core.steps import Start, Steps, wait_for
from taskdashd.core.storing import write
from taskdashd.core.table import Caller, Core, Result, alone
from taskdashd.domain.access import Identity
from taskdashd.domain.people import Person, SignedIn, called, done_by, key_of
from taskdashd.families.people.passwords import Passwords
from taskdashd.families.people.roster import Roster
from taskdashd.store.audit import Entry
from taskdashd.store.transaction import Transaction

BACK_OUT_S: Final = 5
"""Seconds for which a page holds up a sign-in from another address, before it goes on by itself."""
PASSWORD_CHARACTERS_MIN: Final = 8
_CONFIRM_S: Final = 60
_TOLD_MAX: Final = 5
_SECRET_BYTES: Final = 32
_NOT_TOGETHER: Final = "the number and the name or password do not belong together, or are unknown"
_LAST_BYTES_MAX: Final = 64 << 10
# The key of this process alone: after a restart a person who was warned is warned again.
_CONFIRM_KEY: Final = secrets.token_bytes(32)


@alone(Login)
def login(request: Login, caller: Caller) -> Steps[Result]:
    """Sign a person in; the first time make their account, if `sign_up` allows it."""
    me, core = caller.session, caller.core
    if me.is_local:
        raise Conflict("the operator's socket stays the operator's: name the user in each request")
    request = replace(request, user=core.identities.numbers.meant(request.user))
    attempts, address = core.identities.attempts, me.address
    person = core.identities.person(request.user)
    at_home = person is not None and person.address == address
    attempts.check(request.user, address, "wrong sign-ins", at_home=at_home)
    if person is None and core.limits.sign_up:
        return (yield from _make_account(request, caller))
    # Count the attempt before verifying it; otherwise any number of attempts at once would all
    # pass the limit while the first hash is computed.
    attempts.add(request.user, address)
    try:
        is_right = yield from _proves(request, person, core)
    except ServerError:
        # Take the count back: the attempt was not verified.
        attempts.take_back(request.user, address)
        raise
    if not is_right or person is None:
        who = f"{request.user} ({address})"
        core.acts.note("refused", who, "no account, or a wrong name or password")
        raise AuthError(_NOT_TOGETHER).because("wrong-sign-in")
    attempts.take_back(request.user, address)
    if not person.active:
        fault = AuthError("this account is not active: ask an administrator")
        raise fault.because("not-active", user=person.id)
    if person.address in ("", address) or _confirms(request.confirm, person.id, caller):
        return (yield from _enter(person, caller, is_new=False))
    return (yield from _warn(person, caller))


def _proves(request: Login, person: Person | None, core: Core) -> Steps[bool]:
    password = "" if person is None else person.password
    if core.limits.passwords or password:
        passwords = core.part(Passwords)
        verify: Start[bool] = partial(passwords.verify, password, request.password)
        return (yield from wait_for(verify))
    name = request.name
    return person is not None and (not name or typed.is_same_name(name, person.name))


def _make_account(request: Login, caller: Caller) -> Steps[Result]:
    core, address = caller.core, caller.session.address
    name = request.name
    if not name:
        raise Conflict("field name is required the first time: what are you called?").because(
            "name-required"
        )
    check_new_number(request.user)
    _check_room(core)
    core.identities.sign_ups.check(address, "accounts came from this address")
    core.identities.sign_ups.add(address)
    _check_unlike(request.user, name, core.identities.numbers)
    person = Person(request.user, name, made_at=core.clock.stamp())
    if core.limits.passwords:
        _check_password(request.password)
        hashed = yield from wait_for(partial(core.part(Passwords).hash, request.password))
        person = replace(person, password=hashed)
    return (yield from _enter(person, caller, is_new=True))


def _warn(person: Person, caller: Caller) -> Steps[Result]:
    """Tell the person where they last signed in and what they did last; nothing is stored."""
    me, core = caller.session, caller.core
    kinds = ("registered", "updated", "recovered")
    request = Audit(kinds=kinds, limit=_TOLD_MAX)
    try:
        look = partial(core.reader.audit, request, _LAST_BYTES_MAX, caller.asker)
        found = yield from wait_for(partial(look, by=done_by(person.id)))
        entries = found.entries
    except ServerError:
        # The person has proved who they are: a log that cannot be read must not keep them out.
        entries = []
    did = [
        {name: entry[name] for name in ("at", "kind", "task", "why")}
        for entry in (
            told(one, person.identity)
            for one in entries
            if isinstance(one, Entry) and person.identity.sees_task(strictjson.reload(one.task))
        )
    ]
    last = {"address": person.address, "at": person.signed_in_at, "did": did}
    ticket = _confirmation(person.id, me.address, int(core.clock.elapsed()))
    return {"user": person.id, "confirm": ticket, "wait": BACK_OUT_S, "last": last}


def _enter(person: Person, caller: Caller, *, is_new: bool) -> Steps[Result]:
    me, core = caller.session, caller.core
    core.identities.check_change(person.identity)
    secret = secrets.token_urlsafe(_SECRET_BYTES)

    def decide(transaction: Transaction) -> dict[str, Any]:
        found = person_of(person.id, transaction)
        if is_new and found is not None:
            raise _changed()
        now = found or person
        if is_new:
            _check_room(core)
            _check_unlike(person.id, person.name, core.identities.numbers)
        elif not now.active or (now.password, now.name) != (person.password, person.name):
            raise _changed()
        one = SignedIn(key_of(secret), me.address, transaction.at)
        entered = now.with_sign_in(one)
        transaction.keep(PERSON, person.id, entered.to_record())
        return {**entered.about(), "welcome": is_new}

    told = yield from write(core, decide)
    entered = core.identities.person(person.id)
    if entered is None or not entered.knows(secret):
        raise _changed()
    me.come_back(secret)
    core.identities.become(me, entered.identity)
    return told


@alone(Logout, changes=True)
def logout(request: Logout, caller: Caller) -> Steps[Result]:
    """End the session's sign-in, or all sign-ins of a person."""
    me, core = caller.session, caller.core
    number = core.identities.numbers.meant(request.user) or caller.identity.person
    if number != caller.identity.person and not caller.identity.is_operator:
        raise AuthError("field user: only an admin signs others out")
    if not number:
        raise Conflict("field user is required: nobody is signed in here")
    key = None if request.everywhere or request.user else key_of(me.secret)

    def decide(transaction: Transaction) -> dict[str, Any]:
        person = person_of(number, transaction)
        if person is None:
            raise no_person("user", number)
        transaction.keep(PERSON, number, person.without_sign_in(key).to_record())
        return {}

    done = yield from write(core, decide)
    core.acts.note("signed out", f"{caller.identity.name or me.peer}", number)
    if number == caller.identity.person:
        core.identities.sign_out(me)
    return done


@alone(People)
def people(request: People, caller: Caller) -> Result:
    """Give the people whom the caller sees."""
    return caller.core.part(Roster).seen_by(caller.identity)


@alone(SetPerson, changes=True)
def set_person(request: SetPerson, caller: Caller) -> Steps[Result]:
    """Make or change an account."""
    identity, core = caller.identity, caller.core
    request = replace(request, user=core.identities.numbers.meant(request.user))
    if not identity.is_operator:
        _check_own(request, identity)
    request = yield from _in_known_groups(request, caller)
    encoded = request.password
    if request.password:
        _check_password(request.password)
        known = core.identities.person(request.user)
        if not identity.is_operator and known is not None and known.password:
            yield from _prove(known, request.old_password, caller)
        encoded = yield from wait_for(partial(core.part(Passwords).hash, request.password))
    changed = yield from write(core, _change(request, caller, encoded))
    core.acts.note("person set", identity.name or caller.session.peer, _said(request))
    return changed


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
    return request == SetPerson(request.user, calendar=request.calendar)


def _only_admins() -> AuthError:
    return AuthError("only an admin changes somebody else's account").because("admin")


def _change(
    request: SetPerson, caller: Caller, encoded: str | None
) -> Callable[[Transaction], dict[str, Any]]:
    def decide(transaction: Transaction) -> dict[str, Any]:
        check_still(caller.session, caller.identity, transaction)
        name = request.name
        if name == "":
            raise Conflict("field name must not be blank")
        person = person_of(request.user, transaction)
        if not _may(caller.identity, request.user, person):
            raise _only_admins()
        if request.calendar:
            caller.core.calendars.check("calendar", request.calendar, transaction)
        if person is None and name is None:
            raise Conflict(f"field name is required: there is no person {request.user!r} yet")
        if name is not None and (person is None or not typed.is_same_name(name, person.name)):
            _check_unlike(request.user, name, caller.core.identities.numbers)
        if person is None:
            check_new_number(request.user)
            _check_room(caller.core)
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
            raise BadRequest(f"field groups: nobody is in more than {GROUPS_MAX}")
        if not changed.active or encoded is not None:
            # End all other sign-ins: somebody who learnt the old password may hold one.
            mine = caller.identity.person == request.user
            key = key_of(caller.session.secret)
            kept = tuple(one for one in changed.signed_in if mine and one.key == key)
            changed = replace(changed, signed_in=kept if changed.active else ())
        transaction.keep(PERSON, changed.id, changed.to_record())
        return changed.about()

    return decide


def _in_known_groups(request: SetPerson, caller: Caller) -> Steps[SetPerson]:
    """Give the request with its groups as they are meant, or as tasks and people have them.

    Services send the groups of their tasks to the byte, so one that is known is that one.
    """
    core = caller.core
    person = core.identities.person(request.user)
    known = set() if person is None else {*person.groups, *person.leads}
    meant: dict[str, str] = {}
    for group in (*(request.groups or ()), *(request.leads or ())):
        meant[group] = typed.name(group)
        if group in known or group == meant[group]:
            meant[group] = group
            continue
        look = Query({"group_id": (group,)}, "id", 1)
        page = yield from wait_for(
            partial(core.reader.query, look, None, _LAST_BYTES_MAX, caller.asker)
        )
        if page.rows:
            meant[group] = group
    if not all(meant.values()):
        raise BadRequest("field groups: the name of a group must not be blank")

    def spelt(groups: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return groups and tuple(dict.fromkeys(meant[group] for group in groups))

    return replace(request, groups=spelt(request.groups), leads=spelt(request.leads))


def _check_unlike(number: str, name: str, numbers: Numbers) -> None:
    """Raise `Conflict` where somebody has the same name and a number that looks like this one."""
    for other, theirs in numbers.alike(number):
        if typed.is_same_name(name, theirs):
            who = called(other, theirs)
            fault = Conflict(f"field user: {number} looks like the number of {who}: is that you?")
            raise fault.because("looks-like", user=other)


def _may(identity: Identity, number: str, person: Person | None) -> bool:
    if identity.is_operator or number == identity.person:
        return True
    return person is not None and not identity.leads.isdisjoint(person.groups)


def _check_room(core: Core) -> None:
    if core.view.records.count(PERSON) >= core.limits.max_people:
        most = core.limits.max_people
        raise Busy(f"{most} people have accounts: no more are allowed").because(
            "too-many-people", most=f"{most}"
        )


def _check_password(password: str) -> None:
    if len(password) < PASSWORD_CHARACTERS_MIN:
        least = PASSWORD_CHARACTERS_MIN
        raise BadRequest(f"field password must have {least} characters or more").because(
            "short-password", least=f"{least}"
        )


def _changed() -> AuthError:
    return AuthError("the account has changed meanwhile: sign in again").because("changed")


def _said(request: SetPerson) -> str:
    told = [
        f"{name} {'changed' if name == 'password' else value}"
        for name in ("name", "role", "groups", "leads", "active", "calendar", "password")
        if (value := getattr(request, name)) is not None
    ]
    return f"{request.user}: {', '.join(told) or 'nothing'}"


def _confirmation(number: str, address: str, at: int) -> str:
    text = f"{number}\n{address}\n{at}".encode()
    return f"{at}.{hmac.digest(_CONFIRM_KEY, text, 'sha256').hex()}"


def _confirms(given: str, number: str, caller: Caller) -> bool:
    at, _, _ = given.partition(".")
    address = caller.session.address
    if not at.isascii() or not at.isdigit() or len(at) > 18:
        return False
    fresh = 0 <= caller.core.clock.elapsed() - int(at) <= _CONFIRM_S
    return fresh and hmac.compare_digest(given, _confirmation(number, address, int(at)))
