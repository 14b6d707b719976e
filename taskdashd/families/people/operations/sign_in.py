"""Login and Logout: who is signed in as whom, by what they came with."""

import secrets
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Final

from taskdash_protocol import typed
from taskdash_protocol.errors import AuthError, Conflict, ServerError
from taskdash_protocol.families.people import Login, Logout, check_new_number
from taskdashd.core.identities import PERSON, no_person, person_of
from taskdashd.core.session import Session
from taskdashd.core.steps import Start, Steps, wait_for
from taskdashd.core.storing import write
from taskdashd.core.table import Caller, Core, Result, alone
from taskdashd.domain.access import ANYONE
from taskdashd.domain.people import Person, SignedIn, key_of
from taskdashd.families.people.operations.accounts import (
    check_password,
    check_proved,
    check_room,
    check_unlike,
    password_required,
)
from taskdashd.families.people.operations.warning import confirms, warn
from taskdashd.families.people.passwords import Passwords
from taskdashd.store.transaction import Transaction

_SECRET_BYTES: Final = 32
_NOT_TOGETHER: Final = "the number and the name or password do not belong together, or are unknown"


@alone(Login)
def login(request: Login, caller: Caller) -> Steps[Result]:
    """Sign a person in; the first time make their account, if `sign_up` allows it."""
    me, core = caller.session, caller.core
    if me.is_local:
        raise Conflict("the operator's socket stays the operator's: name the user in each request")
    check_way(me)
    request = replace(request, user=core.identities.numbers.meant(request.user))
    known = core.identities.person(request.user)
    if known is None and core.limits.sign_up:
        attempts = core.identities.attempts
        attempts.check(request.user, me.address, "wrong sign-ins", at_home=False, is_there=False)
        return (yield from _make_account(request, caller))
    person = yield from prove(request, known, caller)
    if person.address in ("", me.address) or confirms(request.confirm, person.id, caller):
        return (yield from _enter(person, caller, is_new=False))
    return (yield from warn(person, caller))


def check_way(me: Session) -> None:
    """Raise `AuthError` where nobody signs in over the token that a session came with."""
    token = me.token
    if token is not None and not token.may_write:
        raise AuthError("this token may only read: nobody signs in over it")


def prove(request: Login, person: Person | None, caller: Caller) -> Steps[Person]:
    """Give the person whose number and name or password a request has. Signs nobody in.

    A refusal for the role's sake, or for want of a password, is no wrong sign-in. Whoever has a
    password is told of their role once it was right: who is an admin is told to nobody else. Raises
    `AuthError`, `Busy`.
    """
    me, core = caller.session, caller.core
    attempts, address = core.identities.attempts, me.address
    is_there = person is not None
    at_home = person is not None and person.address == address
    attempts.check(request.user, address, "wrong sign-ins", at_home=at_home, is_there=is_there)
    if person is not None and not person.password:
        _check_role(person, caller)
        if person.lacks_password or core.identities.needs_password(me):
            raise password_required(person.id)
    # Count the attempt before verifying it; otherwise any number of attempts at once would all
    # pass the limit while the first hash is computed.
    attempts.add(request.user, address, is_there=is_there)
    try:
        is_right = yield from _proves(request, person, core)
    except ServerError:
        # Take the count back: the attempt was not verified.
        attempts.take_back(request.user, address, is_there=is_there)
        raise
    if not is_right or person is None:
        who = f"{request.user} ({address})"
        core.acts.note("refused", who, "no account, or a wrong name or password")
        raise AuthError(_NOT_TOGETHER).because("wrong-sign-in")
    attempts.take_back(request.user, address)
    if not person.active:
        fault = AuthError("this account is not active: ask an administrator")
        raise fault.because("not-active", user=person.id)
    _check_role(person, caller)
    return person


def _check_role(person: Person, caller: Caller) -> None:
    """Raise `AuthError` where a person does not sign in over the token that the session has."""
    if person.identity.within_token(caller.session.token) is None:
        raise AuthError("over a service's token nobody signs in as an admin").because("admin")


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
    needs_password = core.identities.needs_password(caller.session)
    if needs_password and not core.limits.passwords and not request.password:
        raise password_required(request.user)
    check_room(core)
    core.identities.sign_ups.check(address, "accounts came from this address")
    core.identities.sign_ups.add(address)
    check_unlike(request.user, name, core.identities.numbers)
    person = Person(request.user, name, made_at=core.clock.stamp())
    if needs_password:
        check_password(request.password)
        hashed = yield from wait_for(partial(core.part(Passwords).hash, request.password))
        person = replace(person, password=hashed)
    return (yield from _enter(person, caller, is_new=True))


def _enter(person: Person, caller: Caller, *, is_new: bool) -> Steps[Result]:
    me, core = caller.session, caller.core
    core.identities.check_change(person.identity)
    # A sign-in over TCP lasts as long as its connection: keep nothing by which to come back.
    secret = "" if core.sessions.is_connected(me) else secrets.token_urlsafe(_SECRET_BYTES)
    token = me.token if me.token is not None and me.token.key else ANYONE
    outs: list[int] = []
    came_as = caller.as_identity

    def decide(transaction: Transaction) -> dict[str, Any]:
        if came_as is not None:
            core.identities.check_still(me, came_as, transaction)
        found = person_of(person.id, transaction)
        if is_new and found is not None:
            raise _changed()
        now = found or person
        if is_new:
            check_room(core)
            check_unlike(person.id, person.name, core.identities.numbers)
            now = now.changed_at(transaction.rev, None)
        elif not now.active or (now.password, now.name) != (person.password, person.name):
            raise _changed()
        if secret:
            one = SignedIn(key_of(secret), me.address, transaction.at, token.key, token.name)
            entered = now.with_sign_in(one)
        else:
            entered = now.seen_at(me.address, transaction.at)
        outs[:] = [entered.outs]
        transaction.keep(PERSON, person.id, entered.to_record())
        return {**entered.about(), "welcome": is_new}

    told = yield from write(core, decide)
    if came_as is not None:
        # A session whose token was revoked has none any more, and nothing would bound the person.
        core.identities.check_still(me, came_as)
    before = me.take_proof(secret, None if secret else outs[0])
    identity = core.identities.identity_of(me, person.id)
    if identity is None:
        me.take_proof(*before)
        raise _changed()
    core.identities.become(me, identity)
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
    is_own, everywhere = number == caller.identity.person, request.everywhere or bool(request.user)
    if everywhere:
        check_proved(caller)

    def decide(transaction: Transaction) -> dict[str, Any]:
        person = person_of(number, transaction)
        if person is None:
            raise no_person("user", number)
        left = person.signed_out() if everywhere else person.without_sign_in(key_of(me.secret))
        transaction.keep(PERSON, number, left.to_record())
        return {}

    if everywhere or me.outs is None:
        with core.identities.changing(me) if is_own else nullcontext():
            yield from write(core, decide)
            if is_own:
                core.identities.sign_out(me)
    else:
        core.identities.sign_out(me)
    core.acts.note("signed out", f"{caller.identity.name or me.peer}", number)
    return {}


def _changed() -> AuthError:
    return AuthError("the account has changed meanwhile: sign in again").because("changed")
