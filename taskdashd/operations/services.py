"""RegisterService, ServiceBeat, Services, FetchTasks, Figures: task services and how they fare."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import structlog

from taskdash_protocol.errors import AuthError, BadRequest, Busy, Conflict, ServerError
from taskdash_protocol.requests import Query, Register
from taskdash_protocol.services import (
    FetchTasks,
    Figures,
    RegisterService,
    ServiceBeat,
    Services,
)
from taskdashd.domain import tasks
from taskdashd.domain.liveness import Owner
from taskdashd.domain.services import REMEMBERED_S, Service, judged
from taskdashd.domain.times import stamp
from taskdashd.operations.access import check_write, sees
from taskdashd.operations.engine import NOBODY, SERVICE, Engine
from taskdashd.operations.session import Session
from taskdashd.operations.table import Caller, Done, session
from taskdashd.operations.tasks import put
from taskdashd.store.query import Page
from taskdashd.store.transaction import Transaction

_TICK_S: Final = 0.5
_ADOPTED_BYTES: Final = 1 << 20

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Fetch = Callable[[str, str, Callable[[Any], None]], None]
"""Ask the service at a URL for its tasks, or for one; then call with what it said or a fault."""


class Supervised:
    """Which owner's signs of life are a service's, and what it was last found to be."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.fetch: Fetch | None = None
        """None where the operator allows no address to be asked."""
        self._owners: dict[str, Owner] = {}
        self._stand_ins: dict[str, Session] = {}
        """For services that beat without a connection, by URL."""
        self._next = 0.0
        self._judging: set[str] = set()
        for record in engine.view.records.all(SERVICE):
            service = Service.from_record(record)
            # Like a task it gets one full timeout from the start.
            self._owners[service.url] = Owner(NOBODY, engine.clock.now())

    def bind(self, url: str, owner: Owner) -> None:
        """Take a connection's signs of life for a service's."""
        self._owners[url] = owner

    def beat(self, service: Service, serial: int) -> Session:
        """Take a sign of life of a service that has no connection; give what stands in for it."""
        session = self._stand_ins.get(service.url)
        now = self._engine.clock.now()
        if session is None:
            session = self._engine.stand_in(serial, service.name or service.url)
            self._stand_ins[service.url] = session
            self._adopt(service, session.owner, None)
        session.owner.last_seen = now
        owner = self._owners.get(service.url)
        if owner is None or not owner.is_open:
            self._owners[service.url] = session.owner
        elif owner is not session.owner:
            owner.last_seen = now
        return session

    def session_for(self, url: str) -> Session | None:
        """Give what stands in for the service at a URL."""
        return self._stand_ins.get(url)

    def silence_s(self, url: str) -> float:
        """Say for how long nothing was heard of a service, in seconds."""
        owner = self._owners.get(url)
        return float("inf") if owner is None else self._engine.clock.now() - owner.last_seen

    def _adopt(self, service: Service, owner: Owner, after: str | None) -> None:
        """Keep its tasks alive that it registered before a restart of ours."""
        engine = self._engine

        def read(page: Any) -> None:
            if not isinstance(page, Page):
                log.warning("the tasks of a service could not be read", error=str(page))
                return
            ids = [row.id for row in page.rows]
            engine.reader.load(ids, lambda _fault: self._supervise(ids, owner))
            if page.next is not None:
                self._adopt(service, owner, page.next)

        request = Query({"url": (service.url,), "class": ("live",)}, "id", 1000, after)
        engine.reader.query(request, None, _ADOPTED_BYTES, lambda: True, read)

    def _supervise(self, ids: list[str], owner: Owner) -> None:
        view, liveness = self._engine.view, self._engine.liveness
        for task_id in ids:
            task = view.committed(task_id) if view.knows(task_id) else None
            present = liveness.owner_of(task_id)
            if task is not None and task.owner == owner.serial and present is not None:
                liveness.supervise(task_id, owner, task.timeout_s)

    def tick(self) -> None:
        """Find out who has become late or dead, or alive again."""
        now = self._engine.clock.now()
        if now < self._next:
            return
        self._next = now + _TICK_S
        for record in list(self._engine.view.records.all(SERVICE)):
            service = Service.from_record(record)
            timeout_s = service.timeout_s or self._engine.limits.heartbeat_timeout
            state = judged(self.silence_s(service.url), timeout_s)
            if state != service.state and service.url not in self._judging:
                self._judging.add(service.url)
                self._engine.writer.write(
                    partial(self._become, service.url, state), partial(self._became, service, state)
                )

    def _become(self, url: str, state: Any, transaction: Transaction) -> None:
        found = transaction.record(SERVICE, url)
        if found is not None:
            service = Service.from_record(found)
            before = stamp(self._engine.clock.wall() - REMEMBERED_S)
            after = service.became(state, transaction.at, before)
            transaction.keep(SERVICE, url, after.to_record())

    def _became(self, old: Service, state: str, outcome: Any) -> None:
        self._judging.discard(old.url)
        if isinstance(outcome, Exception):
            return
        name = f"{old.name} ({old.url})" if old.name else old.url
        if state == "dead":
            owner = self._owners.get(old.url)
            tasks = sum(len(lease.tasks) for lease in owner.leases.values()) if owner else 0
            log.warning("service died", service=name, live_tasks=tasks)
            self._engine.acts.note("service died", name, f"{tasks} live tasks of its go with it")
        elif old.state == "dead":
            log.info("service came", service=name)
            self._engine.acts.note("service came", name)


@session(RegisterService)
def register_service(request: RegisterService, caller: Caller, done: Done) -> None:
    """Say that a service is there."""
    engine = caller.engine
    check_write(caller.identity, None, request.group_id)
    connected = caller.session.owner.serial in engine.sessions and not caller.session.is_local

    def decide(transaction: Transaction) -> dict[str, Any]:
        found = transaction.record(SERVICE, request.url)
        old = Service(request.url) if found is None else Service.from_record(found)
        if found is None and engine.view.records.count(SERVICE) >= engine.limits.max_services:
            raise Busy(f"{engine.limits.max_services} services are known: no more are allowed")
        if found is not None:
            check_write(caller.identity, None, old.group_id)
        serial = 0 if connected else old.serial or engine.new_serial()
        before = stamp(engine.clock.wall() - REMEMBERED_S)
        new = replace(
            old if old.state == "alive" else old.became("alive", transaction.at, before),
            name=request.name,
            reserved=request.reserved,
            group_id=request.group_id,
            timeout_s=request.heartbeat_timeout,
            serial=serial,
            registered_at=old.registered_at or transaction.at,
        )
        transaction.keep(SERVICE, new.url, new.to_record())
        return {"url": new.url}

    def written(outcome: Any) -> None:
        if isinstance(outcome, Exception):
            done(outcome)
            return
        service = service_of(request.url, engine)
        if service is not None:
            if service.serial:
                engine.services.beat(service, service.serial)
            else:
                engine.services.bind(service.url, caller.session.owner)
        if request.fetch:
            _fetch(request.url, "", caller, done)
        else:
            done(outcome)

    engine.writer.write(decide, written)


@session(ServiceBeat)
def service_beat(request: ServiceBeat, caller: Caller, done: Done) -> None:
    """Take a sign of life of a service."""
    engine = caller.engine
    service = _seen(request.url, caller)
    check_write(caller.identity, None, service.group_id)
    if service.serial:
        engine.services.beat(service, service.serial)
        done({"url": service.url})
        return

    def decide(transaction: Transaction) -> dict[str, Any]:
        # It had a connection so far, and has none from now on.
        found = transaction.record(SERVICE, request.url)
        now = service if found is None else Service.from_record(found)
        now = replace(now, serial=now.serial or engine.new_serial())
        transaction.keep(SERVICE, now.url, now.to_record())
        return {"url": now.url}

    def written(outcome: Any) -> None:
        now = service_of(request.url, engine)
        if not isinstance(outcome, Exception) and now is not None:
            engine.services.beat(now, now.serial)
        done(outcome)

    engine.writer.write(decide, written)


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
    _fetch(request.url, request.id, caller, done)


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
    return {
        "url": service.url,
        "name": service.name,
        "reserved": service.reserved,
        "group_id": service.group_id,
        "state": service.state,
        "since": service.changes[-1][0] if service.changes else "",
        "silent_s": round(silence_s, 1) if silence_s < 1e9 else None,
        "heartbeat_timeout": service.timeout_s or engine.limits.heartbeat_timeout,
        "registered_at": service.registered_at,
        "changes": [list(one) for one in service.changes],
    }


def service_of(url: str, engine: Engine) -> Service | None:
    """Give the service of a URL, as of the last commit."""
    found = engine.view.records.committed(SERVICE, url)
    return None if found is None else Service.from_record(found)


def _seen(url: str, caller: Caller) -> Service:
    service = service_of(url, caller.engine)
    if service is None or not caller.identity.sees(service.group_id):
        raise BadRequest(f"field url: there is no service {url[:200]!r}: RegisterService first")
    return service


def _fetch(url: str, task_id: str, caller: Caller, done: Done) -> None:
    engine = caller.engine
    if engine.services.fetch is None:
        done(AuthError("this daemon asks no service: fetch_allow names no address"))
        return

    def fetched(said: Any) -> None:
        if isinstance(said, Exception):
            done(said)
            return
        try:
            wanted = [_registration(one, url) for one in said]
        except ServerError as refusal:
            done(refusal)
            return
        engine.reader.load([one.id for one in wanted], lambda fault: loaded(wanted, fault))

    def loaded(wanted: list[Register], fault: Exception | None) -> None:
        if fault is not None:
            done(fault)
        elif not all(engine.view.knows(one.id) for one in wanted):
            done(Busy("the tasks do not fit into memory together: make task_cache larger"))
        else:
            engine.writer.write(lambda transaction: _keep(wanted, caller, transaction), done)
            engine.writer.flush()

    engine.services.fetch(url, task_id, fetched)


def _keep(wanted: list[Register], caller: Caller, transaction: Transaction) -> dict[str, Any]:
    written: list[str] = []
    for request in wanted:
        old = transaction.task(request.id)
        if old is not None and not sees(caller.identity, old):
            raise Conflict(f"the task {request.id!r} is not yours to write")
        check_write(caller.identity, old, request.fields["group_id"])
        author = caller.session.author
        moment = caller.engine.moment(transaction, old if old and old.fenced else None)
        put(tasks.register(old, request, author, moment), caller, transaction)
        written.append(request.id)
    return {"tasks": written}


_ORIGINAL_NAMES: Final = {
    "ID": "id",
    "ProjectID": "project_id",
    "InstanceID": "instance_id",
    "TaskID": "task_id",
    "TaskType": "task_type",
    "URL": "url",
    "Status": "status",
    "EditInfo": "edit_info",
    "User": "user",
    "Checker": "checker",
    "Group": "group_id",
    "Reserved": "reserved",
    "Name": "name",
}


def translated(said: Mapping[str, Any]) -> dict[str, Any]:
    """Give a task in our names where a service says it in the original ones."""
    return {_ORIGINAL_NAMES.get(name, name): value for name, value in said.items()}


def _registration(said: Any, url: str) -> Register:
    if type(said) is not dict:
        raise BadRequest("the service's answer: a task must be an object")
    fields = {"url": url, **translated(said)}
    fields.pop("CreateTime", None)
    fields.setdefault("name", fields.get("task_id") or fields.get("id") or "")
    try:
        return Register.parse(fields)
    except BadRequest as error:
        raise BadRequest(f"the service's answer: {error.detail}") from None
