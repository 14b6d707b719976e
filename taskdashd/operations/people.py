"""Login, Logout, People, SetPerson: accounts, and who is signed in as whom."""

import hmac
import re
import secrets
from dataclasses import replace
from typing import Any, Final

from taskdash_protocol import strictjson
from taskdash_protocol.errors import AuthError, BadRequest, Busy, Conflict
from taskdash_protocol.people import GROUPS_MAX, Login, Logout, People, SetPerson
from taskdash_protocol.requests import Audit
from taskdashd.domain.people import Person, SignedIn, key_of, sees_person
from taskdashd.operations.audit import told
from taskdashd.operations.engine import PERSON, Engine
from taskdashd.operations.lookup import check_still, no_person, person_of
from taskdashd.operations.session import Session
from taskdashd.operations.table import Caller, Done, session
from taskdashd.store.audit import Entry, History
from taskdashd.store.transaction import Transaction

BACK_OUT_S: Final = 5
"""So long a page gives somebody who comes from another address, before it goes on by itself."""
PASSWORD_CHARACTERS_MIN: Final = 8
_CONFIRM_S: Final = 60
_TOLD_MAX: Final = 5
_SECRET_BYTES: Final = 32
_NOT_TOGETHER: Final = "the number and the name or password do not belong together, or are unknown"
_PEER: Final = r"[0-9A-Fa-f.:\[\]]+"
_LAST_BYTES_MAX: Final = 64 << 10
# Of this process: who was warned before a restart is warned again.
_CONFIRM_KEY: Final = secrets.token_bytes(32)


@session(Login)
def login(request: Login, caller: Caller, done: Done) -> None:
    """Sign a person in; the first time make their account, if people may."""
    me, engine = caller.session, caller.engine
    if me.is_local:
        raise Conflict("the operator's socket stays the operator's: name the user in each request")
    engine.failures.check(me.address, "wrong sign-ins")
    person = engine.person(request.user)
    if person is None and engine.limits.sign_up:
        _make_account(request, caller, done)
        return
    # Counted before it is looked at: many at once are no more than many.
    engine.failures.add(me.address)

    def proved(is_right: Any) -> None:
        if isinstance(is_right, Exception):
            # Nobody has looked at it.
            engine.failures.take_back(me.address)
            done(is_right)
        elif not is_right or person is None:
            who = f"{request.user} ({me.address})"
            engine.acts.note("refused", who, "no account, or a wrong name or password")
            done(AuthError(_NOT_TOGETHER).because("wrong-sign-in"))
        else:
            engine.failures.take_back(me.address)
            _go_on(person, request.confirm, caller, done)

    password = "" if person is None else person.password
    if engine.limits.passwords or password:
        engine.passwords.verify(password, request.password, proved)
    else:
        same = request.name.strip().casefold()
        proved(person is not None and same in ("", person.name.casefold()))


def _make_account(request: Login, caller: Caller, done: Done) -> None:
    engine, limits = caller.engine, caller.engine.limits
    name = request.name.strip()
    if not name:
        raise Conflict("field name is required the first time: what are you called?").because(
            "name-required"
        )
    _check_room(engine)
    engine.sign_ups.check(caller.session.address, "accounts")
    engine.sign_ups.add(caller.session.address)
    person = Person(request.user, name, made_at=engine.clock.stamp())
    if not limits.passwords:
        _enter(person, caller, done, is_new=True)
        return
    _check_password(request.password)

    def hashed(encoded: Any) -> None:
        if isinstance(encoded, Exception):
            done(encoded)
        else:
            _enter(replace(person, password=encoded), caller, done, is_new=True)

    engine.passwords.hash(request.password, hashed)


def _go_on(person: Person, confirm: str, caller: Caller, done: Done) -> None:
    """Sign somebody in who is who they say; warn first where they come from another address."""
    me, engine = caller.session, caller.engine
    if not person.active:
        fault = AuthError("this account is not active: ask an administrator")
        done(fault.because("not-active", user=person.id))
    elif person.address in ("", me.address) or _confirms(confirm, person.id, me, engine):
        _enter(person, caller, done, is_new=False)
    else:
        _warn(person, caller, done)


def _warn(person: Person, caller: Caller, done: Done) -> None:
    """Say where this person was last and what they did; nothing is kept of this."""
    me, engine = caller.session, caller.engine

    def read(found: Any) -> None:
        entries = found.entries if isinstance(found, History) else []
        did = [
            {name: entry[name] for name in ("at", "kind", "task", "why")}
            for entry in (
                told(one, person.identity)
                for one in entries
                # A client may call itself as it likes; whom it stands for is what we have added.
                if isinstance(one, Entry)
                and re.search(theirs, one.who)
                and person.identity.sees_task(strictjson.reload(one.task))
            )
        ]
        last = {"address": person.address, "at": person.signed_in_at, "did": did}
        ticket = _confirmation(person.id, me.address, int(engine.clock.now()))
        done({"user": person.id, "confirm": ticket, "wait": BACK_OUT_S, "last": last})

    theirs = rf"(^|\(){re.escape(person.identity.name)}, {_PEER}\)?$"
    kinds = ("registered", "updated", "recovered")
    request = Audit(who=f"({person.id})", kinds=kinds, limit=_TOLD_MAX)
    engine.reader.audit(request, _LAST_BYTES_MAX, lambda: True, read)


def _enter(person: Person, caller: Caller, done: Done, *, is_new: bool) -> None:
    me, engine = caller.session, caller.engine
    secret = secrets.token_urlsafe(_SECRET_BYTES)

    def decide(transaction: Transaction) -> dict[str, Any]:
        found = person_of(person.id, transaction)
        if is_new and found is not None:
            raise _changed()
        now = found or person
        if is_new:
            _check_room(engine)
        elif not now.active or (now.password, now.name) != (person.password, person.name):
            raise _changed()
        one = SignedIn(key_of(secret), me.address, transaction.at)
        entered = now.with_sign_in(one)
        transaction.keep(PERSON, person.id, entered.to_record())
        return {**about(entered), "welcome": is_new}

    def written(outcome: Any) -> None:
        if not isinstance(outcome, Exception):
            entered = engine.person(person.id)
            if entered is None or not entered.knows(secret):
                outcome = _changed()
            else:
                me.secret = secret
                engine.become(me, entered.identity)
        done(outcome)

    engine.writer.write(decide, written)


@session(Logout)
def logout(request: Logout, caller: Caller, done: Done) -> None:
    """End a sign-in, or all of a person's."""
    me, engine = caller.session, caller.engine
    number = request.user or caller.identity.person
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

    def written(outcome: Any) -> None:
        if not isinstance(outcome, Exception):
            engine.acts.note("signed out", f"{caller.identity.name or me.peer}", number)
            if number == caller.identity.person:
                engine.sign_out(me)
        done(outcome)

    engine.writer.write(decide, written)


@session(People)
def people(request: People, caller: Caller, done: Done) -> None:
    """Give the people whom somebody sees."""
    identity = caller.identity
    everybody = [Person.from_record(one) for one in caller.engine.view.records.all(PERSON)]
    seen = [about(person) for person in everybody if sees_person(identity, person)]
    done({"people": sorted(seen, key=lambda one: str(one["user"]))})


@session(SetPerson)
def set_person(request: SetPerson, caller: Caller, done: Done) -> None:
    """Make or change an account."""
    identity, engine = caller.identity, caller.engine
    if not identity.is_operator:
        _check_own(request, identity.person)
    if request.password:
        _check_password(request.password)

    def write(encoded: Any) -> None:
        if isinstance(encoded, Exception):
            done(encoded)
        else:
            engine.writer.write(
                lambda transaction: _decide(request, caller, encoded, transaction), written
            )
            engine.writer.flush()

    def written(outcome: Any) -> None:
        if not isinstance(outcome, Exception):
            engine.acts.note("person set", identity.name or caller.session.peer, _said(request))
        done(outcome)

    def proved(is_right: Any) -> None:
        if isinstance(is_right, Exception):
            engine.failures.take_back(caller.session.address)
            done(is_right)
        elif not is_right:
            fault = AuthError("field old_password is not the password")
            done(fault.because("wrong-password"))
        else:
            engine.failures.take_back(caller.session.address)
            engine.passwords.hash(request.password or "", write)

    known = engine.person(request.user)
    if not request.password:
        write(request.password)
    elif identity.is_operator or known is None or not known.password:
        engine.passwords.hash(request.password, write)
    else:
        engine.failures.check(caller.session.address, "wrong passwords")
        engine.failures.add(caller.session.address)
        engine.passwords.verify(known.password, request.old_password, proved)


def _check_own(request: SetPerson, person: str) -> None:
    """Raise `AuthError` unless it is something that everybody may change of their own."""
    if request.user != person:
        raise AuthError("only an admin changes somebody else's account").because("admin")
    others = (request.role, request.groups, request.leads, request.active)
    if any(value is not None for value in others):
        raise AuthError(
            "only an admin changes role, groups and whether an account is active"
        ).because("admin")
    if request.password == "":
        raise AuthError("field password: only an admin removes a password").because("admin")


def _decide(
    request: SetPerson, caller: Caller, encoded: str | None, transaction: Transaction
) -> dict[str, Any]:
    check_still(caller, transaction)
    name = None if request.name is None else request.name.strip()
    if name == "":
        raise Conflict("field name must not be blank")
    person = person_of(request.user, transaction)
    if person is None and name is None:
        raise Conflict(f"field name is required: there is no person {request.user!r} yet")
    if person is None:
        _check_room(caller.engine)
        person = Person(request.user, name or "", made_at=transaction.at)
    changed = person.changed(
        name=name,
        role=request.role,
        groups=request.groups,
        leads=request.leads,
        active=request.active,
        password=encoded,
    )
    if len(changed.groups) > GROUPS_MAX:
        raise BadRequest(f"field groups: nobody is in more than {GROUPS_MAX}")
    if not changed.active or encoded is not None:
        # Whoever has learnt the old one is out.
        mine = caller.identity.person == request.user
        key = key_of(caller.session.secret)
        kept = tuple(one for one in changed.signed_in if mine and one.key == key)
        changed = replace(changed, signed_in=kept if changed.active else ())
    transaction.keep(PERSON, changed.id, changed.to_record())
    return about(changed)


def about(person: Person) -> dict[str, Any]:
    """Say of a person what others may know."""
    return {
        "user": person.id,
        "name": person.name,
        "role": person.role,
        "groups": list(person.groups),
        "leads": list(person.leads),
        "active": person.active,
    }


def _check_room(engine: Engine) -> None:
    if engine.view.records.count(PERSON) >= engine.limits.max_people:
        most = engine.limits.max_people
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
        for name in ("name", "role", "groups", "leads", "active", "password")
        if (value := getattr(request, name)) is not None
    ]
    return f"{request.user}: {', '.join(told) or 'nothing'}"


def _confirmation(number: str, address: str, at: int) -> str:
    text = f"{number}\n{address}\n{at}".encode()
    return f"{at}.{hmac.digest(_CONFIRM_KEY, text, 'sha256').hex()}"


def _confirms(given: str, number: str, me: Session, engine: Engine) -> bool:
    at, _, _ = given.partition(".")
    if not at.isascii() or not at.isdigit() or len(at) > 18:
        return False
    fresh = 0 <= engine.clock.now() - int(at) <= _CONFIRM_S
    return fresh and hmac.compare_digest(given, _confirmation(number, me.address, int(at)))
