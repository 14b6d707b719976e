"""RegisterService, ServiceBeat, Services, FetchTasks, Figures: what is asked about services."""

from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Any

from taskdash_protocol import strictjson
from taskdash_protocol.errors import AuthError, BadRequest, Busy, Conflict, ServerError
from taskdash_protocol.fields import ORIGINAL_NAMES
from taskdash_protocol.requests import Register, Update
from taskdash_protocol.services import (
    FetchTasks,
    Figures,
    RegisterService,
    ServiceBeat,
    Services,
)
from taskdash_protocol.statuses import UNCLAIMED, is_live
from taskdashd.domain import claims, tasks
from taskdashd.domain.services import REMEMBERED_S, Service
from taskdashd.domain.tasks import Author
from taskdashd.domain.times import stamp
from taskdashd.operations.access import check_write, sees
from taskdashd.operations.engine import SERVICE, Engine
from taskdashd.operations.lookup import check_still
from taskdashd.operations.table import Caller, Done, session
from taskdashd.operations.tasks import put
from taskdashd.store.transaction import Transaction

Told = tuple[Register, Set[str]]
"""A task that a service tells of, and the names of what it says."""


@session(RegisterService)
def register_service(request: RegisterService, caller: Caller, done: Done) -> None:
    """Say that a service is there."""
    engine = caller.engine
    check_write(caller.identity, None, request.group_id)
    connected = caller.session.owner.serial in engine.sessions and not caller.session.is_local
    before = engine.services.find(request.url)

    def decide(transaction: Transaction) -> dict[str, Any]:
        new = _registered(request, caller, transaction, connected=connected)
        transaction.keep(SERVICE, new.url, new.to_record())
        return {"url": new.url}

    def written(outcome: Any) -> None:
        service = engine.services.find(request.url)
        if isinstance(outcome, Exception) or service is None:
            done(outcome)
            return
        if before is None or before.state == "dead":
            engine.services.tell(before or Service(request.url, request.name), "alive")
        if connected:
            engine.services.bind(service.url, caller.session.owner)
        else:
            engine.services.beat(service)
        if request.fetch:
            _fetch(service, "", caller, done)
        else:
            done(outcome)

    engine.writer.write(decide, written)


def _registered(
    request: RegisterService, caller: Caller, transaction: Transaction, *, connected: bool
) -> Service:
    engine = caller.engine
    found = transaction.record(SERVICE, request.url)
    if found is None:
        if engine.view.records.count(SERVICE) >= engine.limits.max_services:
            raise Busy(f"{engine.limits.max_services} services are known: no more are allowed")
        old = Service(request.url, serial=engine.new_serial(), registered_at=transaction.at)
    else:
        old = Service.from_record(found)
        if not caller.identity.sees(old.group_id):
            raise Conflict("field url: somebody else has registered a service there")
    before = stamp(engine.clock.wall() - REMEMBERED_S)
    return replace(
        old if old.state == "alive" else old.became("alive", transaction.at, before),
        name=request.name,
        reserved=request.reserved,
        group_id=request.group_id,
        timeout_s=request.heartbeat_timeout,
        connected=connected,
    )


@session(ServiceBeat)
def service_beat(request: ServiceBeat, caller: Caller, done: Done) -> None:
    """Take a sign of life of a service."""
    service = _seen(request.url, caller)
    check_write(caller.identity, None, service.group_id)
    caller.engine.services.beat(service, request.time, request.reserved)
    done({"url": service.url})


@session(Services)
def services(request: Services, caller: Caller, done: Done) -> None:
    """Give the services that somebody sees."""
    engine, found = caller.engine, []
    for record in engine.view.records.all(SERVICE):
        service = Service.from_record(record)
        if caller.identity.sees(service.group_id):
            found.append(about(service, engine))
    done({"services": sorted(found, key=lambda one: str(one["url"]))})


@session(FetchTasks)
def fetch_tasks(request: FetchTasks, caller: Caller, done: Done) -> None:
    """Ask a service for its tasks, and keep what it says."""
    service = _seen(request.url, caller)
    check_write(caller.identity, None, service.group_id)
    _fetch(service, request.id, caller, done)


@session(Figures)
def figures(request: Figures, caller: Caller, done: Done) -> None:
    """Give the figures of the day."""
    engine = caller.engine
    if engine.tally is None:
        raise Conflict("the figures are counted where the web board is on: start with --web")
    done(engine.tally.report(caller.identity.sight, engine.clock.wall()))


def about(service: Service, engine: Engine) -> dict[str, Any]:
    """Say of a service what people want to know."""
    silence_s = engine.services.silence_s(service.url)
    time, reserved = engine.services.said(service)
    return {
        "url": service.url,
        "name": service.name,
        "reserved": reserved,
        "time": time,
        "group_id": service.group_id,
        "state": service.state,
        "since": service.changes[-1][0] if service.changes else "",
        "silent_s": None if silence_s is None else round(silence_s, 1),
        "heartbeat_timeout": service.timeout_s or engine.limits.heartbeat_timeout,
        "registered_at": service.registered_at,
        "changes": [list(one) for one in service.changes],
    }


def _seen(url: str, caller: Caller) -> Service:
    service = caller.engine.services.find(url)
    if service is None or not caller.identity.sees(service.group_id):
        raise Conflict(f"field url: there is no service {url[:200]!r}: RegisterService first")
    return service


def _fetch(service: Service, task_id: str, caller: Caller, done: Done) -> None:
    engine = caller.engine
    if engine.services.fetch is None:
        fault = AuthError("this daemon asks no service: fetch_allow names no address")
        done(fault.because("fetch-not-allowed"))
        return

    def fetched(said: Any) -> None:
        if isinstance(said, Exception):
            done(said)
            return
        try:
            wanted = [_registration(one, service.url) for one in said]
        except ServerError as refusal:
            done(refusal)
            return
        engine.reader.load([one.id for one, _ in wanted], lambda fault: loaded(wanted, fault))

    def loaded(wanted: list[Told], fault: Exception | None) -> None:
        author = engine.services.author_for(service.url, caller) or caller.author
        if fault is not None:
            done(fault)
        elif not all(engine.view.knows(one.id) for one, _ in wanted):
            done(Busy("the tasks do not fit into memory together: make task_cache larger"))
        else:
            engine.writer.write(
                lambda transaction: _keep(wanted, caller, author, transaction), done
            )
            engine.writer.flush()

    engine.services.fetch(service.url, task_id, fetched)


def _keep(
    wanted: list[Told], caller: Caller, author: Author, transaction: Transaction
) -> dict[str, Any]:
    check_still(caller, transaction)
    for request, said in wanted:
        old = transaction.task(request.id)
        if old is not None and not sees(caller.identity, old):
            raise Conflict(f"the task {request.id!r} is not yours to write")
        check_write(caller.identity, old, request.fields["group_id"])
        moment = caller.engine.moment(transaction, old)
        if old is None:
            change = tasks.register(None, request, author, moment)
        else:
            change = tasks.update(
                old, Update(request.id, _news(old, request, said)), author, moment
            )
        put(change, caller, transaction)
    return {"tasks": [request.id for request, _ in wanted]}


def _news(old: tasks.Task, request: Register, said: Set[str]) -> dict[str, Any]:
    """Give what a service says anew of a task, and no more than it says.

    Whose it is and how far is theirs, once somebody has or had it.
    """
    status = strictjson.reload(old.body)["status"]
    is_peoples = not is_live(status) and claims.state_of(status) != UNCLAIMED
    theirs = {"status", "user", "checker"} if is_peoples else set()
    return {name: request.fields[name] for name in said - theirs if name in request.fields}


def _registration(said: Any, url: str) -> tuple[Register, Set[str]]:
    """Read a task that a service tells of, in our names or the original ones; with what it says."""
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
