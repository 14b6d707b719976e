"""The operations on task services, and Acknowledge: somebody has seen what died, or its service."""

from collections.abc import Mapping, Set
from dataclasses import replace
from functools import partial
from typing import Any

from taskdash_protocol import strictjson
from taskdash_protocol.errors import AuthError, BadRequest, Busy, Conflict
from taskdash_protocol.families.services import (
    Acknowledge,
    FetchTasks,
    RegisterService,
    RetireService,
    ServiceBeat,
    Services,
)
from taskdash_protocol.fields import ACKNOWLEDGED, ORIGINAL_NAMES
from taskdash_protocol.readers import without_credentials
from taskdash_protocol.requests import Register, Update
from taskdash_protocol.statuses import FREE, is_live
from taskdashd.core.access import check_write, sees
from taskdashd.core.actors import Actor, actor_of, check_known, find_typed, put
from taskdashd.core.steps import Steps, wait_for
from taskdashd.core.storing import load, load_and_write, write
from taskdashd.core.table import Caller, Result, alone
from taskdashd.domain import tasks
from taskdashd.domain.answers import DIED
from taskdashd.domain.tasks import Author
from taskdashd.domain.times import stamp
from taskdashd.families.services.catalogue import Catalogue
from taskdashd.families.services.rules import REMEMBERED_S, Service
from taskdashd.families.services.vigil import SERVICE, Vigil
from taskdashd.store.transaction import Transaction

Told = tuple[Register, Set[str]]
"""A task of a service's answer, and the names of the fields that the answer gives."""


@alone(RegisterService, changes=True)
def register_service(request: RegisterService, caller: Caller) -> Steps[Result]:
    """Register a service, new or come back; fetch its tasks if the request asks for it."""
    core, vigil, me = caller.core, caller.core.part(Vigil), caller.session
    given, request = request.url, replace(request, url=without_credentials(request.url))
    check_write(caller.identity, None, request.group_id)
    connected = core.sessions.is_connected(me) and not me.is_local
    before = vigil.find(request.url)

    def decide(transaction: Transaction) -> dict[str, Any]:
        new = _registered(request, caller, transaction, connected=connected)
        transaction.keep(SERVICE, new.url, new.to_record())
        return {"url": new.url}

    done = yield from write(core, decide)
    service = vigil.find(request.url)
    if service is None:
        return done
    if before is None or before.state == "dead":
        vigil.tell(before or Service(request.url, request.name), "alive")
    if connected:
        vigil.bind(service.url, me.owner)
    else:
        vigil.beat(service)
    return (yield from _fetch(service, given, "", caller)) if request.fetch else done


def _registered(
    request: RegisterService, caller: Caller, transaction: Transaction, *, connected: bool
) -> Service:
    core = caller.core
    found = transaction.record(SERVICE, request.url)
    if found is None:
        if core.view.records.count(SERVICE) >= core.limits.max_services:
            raise Busy(f"{core.limits.max_services} services are known: no more are allowed")
        old = Service(request.url, serial=core.sessions.next_serial(), registered_at=transaction.at)
    else:
        old = Service.from_record(found)
        if not caller.identity.sees(old.group_id):
            raise Conflict("field url: somebody else has registered a service there")
    before = stamp(core.clock.wall() - REMEMBERED_S)
    return replace(
        old if old.state == "alive" else old.became("alive", transaction.at, before),
        name=request.name,
        reserved=request.reserved,
        group_id=request.group_id,
        timeout_s=request.heartbeat_timeout,
        connected=connected,
    )


@alone(ServiceBeat)
def service_beat(request: ServiceBeat, caller: Caller) -> Result:
    """Take a sign of life of a service."""
    service = _seen(request.url, caller)
    check_write(caller.identity, None, service.group_id)
    caller.core.part(Vigil).beat(service, request.time, request.reserved)
    return {"url": service.url}


@alone(Services)
def services(request: Services, caller: Caller) -> Steps[Result]:
    """Give the services that the caller sees."""
    core, default_s = caller.core, caller.core.limits.heartbeat_timeout
    return (yield from core.part(Catalogue).seen_by(caller.identity, default_s, core.reader.turn))


@alone(FetchTasks, changes=True)
def fetch_tasks(request: FetchTasks, caller: Caller) -> Steps[Result]:
    """Ask a service for its tasks, and store the tasks of its answer."""
    service = _seen(request.url, caller)
    check_write(caller.identity, None, service.group_id)
    return (yield from _fetch(service, request.url, request.id, caller))


@alone(Acknowledge, changes=True)
def acknowledge(request: Acknowledge, caller: Caller) -> Steps[Result]:
    """Note that somebody has seen that a task or a service died."""
    core = caller.core
    if bool(request.id) == bool(request.url):
        raise Conflict("field id: it or url is required, and not both")
    if request.url:
        url = without_credentials(request.url)
        service, who = yield from write(core, partial(_acknowledge_service, request, caller, url))
        # A task's audit is its log; what happens to a service is an act.
        core.acts.note("service acknowledged", who, service.called)
        return {"url": url, ACKNOWLEDGED: service.acknowledged}
    meant = request.as_meant() or request
    decide = partial(_acknowledge_task, request, meant, caller)
    return (yield from load_and_write(core, {request.id, meant.id}, decide))


def _acknowledge_task(
    request: Acknowledge, meant: Acknowledge, caller: Caller, transaction: Transaction
) -> dict[str, Any]:
    actor, answer = _answer(request, caller, transaction)
    task, fields = find_typed(caller, actor, request.id, meant.id, transaction)
    if task.status not in DIED:
        shown = task.status[:64]
        fault = Conflict(f"only what died or failed is acknowledged: its status is {shown!r}")
        raise fault.because("wrong-state", status=shown)
    if _is_same(fields.get(ACKNOWLEDGED), answer):
        answer = fields[ACKNOWLEDGED]
    else:
        task = put(caller, actor.author, task, {ACKNOWLEDGED: answer}, transaction)
    told = {"id": task.id, "epoch": task.epoch, "rev": task.rev}
    return {**told, ACKNOWLEDGED: answer}


def _acknowledge_service(
    request: Acknowledge, caller: Caller, url: str, transaction: Transaction
) -> tuple[Service, str]:
    """Keep the answer in the service's record; give the service, and who it was, for people."""
    actor, answer = _answer(request, caller, transaction)
    found = transaction.record(SERVICE, url)
    group = "" if found is None else found["group_id"]
    if found is None or not (caller.identity.sees(group) and actor.identity.sees(group)):
        check_known(caller, actor, transaction)
        raise _no_service(url).because("no-service", url=url)
    service = Service.from_record(found)
    if service.state != "dead":
        fault = Conflict(f"only a dead service is acknowledged: this one is {service.state}")
        raise fault.because("wrong-state", status=service.state)
    if not _is_same(service.acknowledged, answer):
        service = replace(service, acknowledged=answer)
        transaction.keep(SERVICE, url, service.to_record())
    return service, actor.author.name


def _answer(
    request: Acknowledge, caller: Caller, transaction: Transaction
) -> tuple[Actor, dict[str, Any]]:
    """Give who acknowledges, and what is kept of it."""
    caller.core.identities.check_still(caller.session, caller.identity, transaction)
    actor = actor_of(caller, request.user, transaction)
    by = actor.person or caller.identity.name or caller.author.name
    return actor, {"by": by, "at": transaction.at, "word": request.word, "hide": request.hide}


def _is_same(before: Mapping[str, Any] | None, answer: Mapping[str, Any]) -> bool:
    """Tell whether it was said before: by a client whose reply was lost."""
    return before is not None and {**before, "at": ""} == {**answer, "at": ""}


@alone(RetireService, changes=True)
def retire_service(request: RetireService, caller: Caller) -> Steps[Result]:
    """Forget a service that is not coming back."""
    core, identity, url = caller.core, caller.identity, without_credentials(request.url)

    def decide(transaction: Transaction) -> Service:
        core.identities.check_still(caller.session, identity, transaction)
        found = transaction.record(SERVICE, url)
        if found is None or not identity.sees(found["group_id"]):
            raise _no_service(url).because("no-service", url=url)
        if not identity.is_operator and found["group_id"] not in identity.leads:
            raise AuthError("only a lead of its group retires a service").because("lead")
        transaction.keep(SERVICE, url, None)
        return Service.from_record(found)

    service = yield from write(core, decide)
    core.part(Vigil).retired(service)
    core.acts.note("service retired", caller.known_as, service.called)
    return {"url": url}


def _seen(given: str, caller: Caller) -> Service:
    url = without_credentials(given)
    service = caller.core.part(Vigil).find(url)
    if service is None or not caller.identity.sees(service.group_id):
        raise _no_service(url)
    return service


def _no_service(url: str) -> Conflict:
    return Conflict(f"field url: there is no service {url[:200]!r}: RegisterService first")


def _fetch(service: Service, given: str, task_id: str, caller: Caller) -> Steps[Result]:
    core, vigil = caller.core, caller.core.part(Vigil)
    if vigil.fetch is None:
        fault = AuthError("this daemon asks no service: fetch_allow names no address")
        raise fault.because("fetch-not-allowed")
    if given != service.url:
        raise BadRequest(
            f"field url: with a user or a password before it, {service.url[:200]!r} names no host"
            " that can be asked"
        )
    said = yield from wait_for(partial(vigil.fetch, service.url, task_id))
    wanted = [_registration(one, service.url) for one in said]
    yield from load(core, [one.id for one, _ in wanted])
    # Ask for the author before the transaction: for a service that beats, that may begin a Query.
    author = vigil.author_for(service.url, caller) or caller.author
    return (yield from write(core, partial(_keep, wanted, caller, author)))


def _keep(
    wanted: list[Told], caller: Caller, author: Author, transaction: Transaction
) -> dict[str, Any]:
    core = caller.core
    core.identities.check_still(caller.session, caller.identity, transaction)
    for request, said in wanted:
        old = transaction.task(request.id)
        if old is not None and not sees(caller.identity, old):
            raise Conflict(f"the task {request.id!r} is not yours to write")
        check_write(caller.identity, old, request.fields["group_id"])
        moment = core.ownership.moment(transaction, old)
        if old is None:
            change = tasks.register(None, request, author, moment)
        else:
            change = tasks.update(
                old,
                Update(request.id, _news(old, request, said), epoch=request.epoch),
                author,
                moment,
            )
        core.room.put(change, caller.identity, transaction)
    return {"tasks": [request.id for request, _ in wanted]}


def _news(old: tasks.Task, request: Register, said: Set[str]) -> dict[str, Any]:
    """Give the fields of a known task that a service's answer names, and no defaults for others.

    Once people have or had the task, its status, user and checker stay, and the word with them: the
    service does not know their work and would undo it.
    """
    status = strictjson.reload(old.body)["status"]
    is_peoples = not is_live(status) and status not in FREE
    theirs = {"status", "user", "checker", "reason"} if is_peoples else set()
    return {name: request.fields[name] for name in said - theirs if name in request.fields}


def _registration(said: Any, url: str) -> tuple[Register, Set[str]]:
    """Read a task of a service's answer, with our names of fields or the original ones."""
    if type(said) is not dict:
        raise BadRequest("the service's answer: a task must be an object")
    known: Mapping[str, Any] = said
    fields = {"url": url, **{ORIGINAL_NAMES.get(name, name): known[name] for name in known}}
    fields.pop("CreateTime", None)
    fields.setdefault("name", fields.get("task_id") or fields.get("id") or "")
    try:
        return Register.parse(fields), fields.keys()
    except BadRequest as error:
        raise BadRequest(f"the service's answer: {error.detail}") from None
