"""How task services fare: whose signs of life are a service's, who is late, and who has died."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import structlog

from taskdash_protocol.errors import AuthError
from taskdash_protocol.requests import Query
from taskdashd.domain.liveness import Owner
from taskdashd.domain.services import FORGOTTEN_S, REMEMBERED_S, Service, State, judged
from taskdashd.domain.tasks import Author
from taskdashd.domain.times import stamp
from taskdashd.operations.access import check_write
from taskdashd.operations.engine import NOBODY, SERVICE, Engine
from taskdashd.operations.session import Session
from taskdashd.operations.table import Caller
from taskdashd.store.query import Page
from taskdashd.store.records import Value
from taskdashd.store.transaction import Transaction

_TICK_S: Final = 0.5
_AGAIN_S: Final = 2.0
_ADOPTED_AT_ONCE: Final = 200
_ADOPTED_BYTES: Final = 1 << 20

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Fetch = Callable[[str, str, Callable[[Any], None]], None]
"""Ask the service at a URL for its tasks, or for one; then call with what it said or a fault."""


class Vigil:
    """All services. `tick` is called a few times a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.fetch: Fetch | None = None
        """None where the operator allows no address to be asked."""
        self._owners: dict[str, Owner] = {}
        """Connections, and before a service has spoken since the start, nobody."""
        self._stand_ins: dict[str, Session] = {}
        """For services that beat without a connection: what owns their tasks."""
        self._said: dict[str, tuple[float | None, str]] = {}
        """What a service said with its last beat."""
        self._to_adopt: dict[str, tuple[float, str | None]] = {}
        """Whose tasks of before this start are still to be found, from when on, and where."""
        self._tasks: dict[str, int] = {}
        """How many live tasks each service had when it was last seen to be alive."""
        self._judging: set[str] = set()
        self._next = 0.0
        self._forget_before = ""
        for record in engine.view.records.all(SERVICE):
            service = Service.from_record(record)
            if service.state != "dead":
                # Like a task it gets one full timeout from the start.
                self._owners[service.url] = Owner(NOBODY, engine.clock.now())

    def find(self, url: str) -> Service | None:
        """Give the service of a URL, as of the last commit."""
        found = self._engine.view.records.committed(SERVICE, url)
        return None if found is None else Service.from_record(found)

    def bind(self, url: str, owner: Owner) -> None:
        """Take a connection's signs of life for a service's."""
        self._owners[url] = owner

    def beat(self, service: Service, time: float | None = None, reserved: str = "") -> None:
        """Take a sign of life of a service that has no connection."""
        session = self._stand_in(service)
        session.owner.last_seen = self._engine.clock.now()
        self._said[service.url] = time, reserved
        owner = self._owners.get(service.url)
        if owner is not None and owner.serial == NOBODY:
            del self._owners[service.url]

    def said(self, service: Service) -> tuple[float | None, str]:
        """Give a service's own time and words, as it last said them."""
        time, reserved = self._said.get(service.url, (None, ""))
        return time, reserved or service.reserved

    def author_for(self, url: str, caller: Caller) -> Author | None:
        """Say as whom a task of the service at a URL is written, so that its beats keep it alive.

        None where there is no such service, or whoever asks may not write for it.
        """
        service = self.find(url)
        if service is None:
            return None
        if service.connected:
            owner = self._owners.get(url)
            session = self._engine.sessions.get(owner.serial) if owner is not None else None
        else:
            session = self._stand_in(service)
        try:
            check_write(caller.identity, None, service.group_id)
        except AuthError:
            return None
        if session is None:
            return None
        asker = caller.author
        return Author(
            session.owner.serial, f"{service.name or url} ({asker.name})", asker.overrides
        )

    def silence_s(self, url: str) -> float | None:
        """Say for how long nothing was heard of a service, in seconds; None for never."""
        stand_in = self._stand_ins.get(url)
        owners = [self._owners.get(url), stand_in.owner if stand_in is not None else None]
        seen = [owner.last_seen for owner in owners if owner is not None]
        return self._engine.clock.now() - max(seen) if seen else None

    def tick(self) -> None:
        """Find out who has become late or dead, or alive again."""
        now = self._engine.clock.now()
        if now < self._next:
            return
        self._next = now + _TICK_S
        for url, (at, after) in list(self._to_adopt.items()):
            if now >= at and (stand_in := self._stand_ins.get(url)) is not None:
                self._adopt(url, stand_in.owner, after)
        self._forget_before = stamp(self._engine.clock.wall() - FORGOTTEN_S)
        for record in list(self._engine.view.records.all(SERVICE)):
            self._look_at(record)

    def _look_at(self, record: Value) -> None:
        # Most often nothing has changed: then the record need not be understood whole.
        url, timeout_s = record["url"], record["timeout_s"]
        silence_s = self.silence_s(url)
        limit_s = timeout_s or self._engine.limits.heartbeat_timeout
        state = "dead" if silence_s is None else judged(silence_s, limit_s)
        since, was = record["changes"][-1]
        if state == was == "dead" and since < self._forget_before and url not in self._judging:
            self._judging.add(url)
            self._engine.writer.write(partial(self._forget, url), partial(self._forgot, url))
            return
        if state == "alive":
            self._tasks[url] = self._live_tasks(url)
        if state != was and url not in self._judging:
            self._judging.add(url)
            service = Service.from_record(record)
            self._engine.writer.write(
                partial(self._become, url, state), partial(self._became, service, state)
            )

    def _live_tasks(self, url: str) -> int:
        stand_in = self._stand_ins.get(url)
        owners = {self._owners.get(url), stand_in.owner if stand_in is not None else None} - {None}
        return sum(len(lease.tasks) for owner in owners if owner for lease in owner.leases.values())

    def _forget(self, url: str, transaction: Transaction) -> None:
        found = transaction.record(SERVICE, url)
        # It may be registering again at this very moment.
        if found is not None and tuple(found["changes"][-1]) < (self._forget_before, "dead"):
            transaction.keep(SERVICE, url, None)

    def _forgot(self, url: str, outcome: Any) -> None:
        self._judging.discard(url)
        if isinstance(outcome, Exception) or self.find(url) is not None:
            return
        stand_in = self._stand_ins.pop(url, None)
        if stand_in is not None:
            self._engine.sessions.pop(stand_in.owner.serial, None)
        for known in (self._owners, self._said, self._tasks, self._to_adopt):
            known.pop(url, None)

    def _become(self, url: str, state: State, transaction: Transaction) -> None:
        found = transaction.record(SERVICE, url)
        if found is not None:
            service = Service.from_record(found)
            before = stamp(self._engine.clock.wall() - REMEMBERED_S)
            after = service.became(state, transaction.at, before)
            transaction.keep(SERVICE, url, after.to_record())

    def _became(self, old: Service, state: State, outcome: Any) -> None:
        self._judging.discard(old.url)
        if not isinstance(outcome, Exception):
            self.tell(old, state)

    def tell(self, old: Service, state: State) -> None:
        """Say that a service has died, or has come: once, and not once for each of its tasks."""
        name = f"{old.name} ({old.url})" if old.name else old.url
        if state == "dead":
            tasks = self._tasks.pop(old.url, 0)
            log.warning("service died", service=name, live_tasks=tasks)
            self._engine.acts.note("service died", name, f"{tasks} live tasks of its go with it")
        elif old.state == "dead":
            log.info("service came", service=name)
            self._engine.acts.note("service came", name)

    def _stand_in(self, service: Service) -> Session:
        session = self._stand_ins.get(service.url)
        if session is None:
            session = self._engine.stand_in(service.serial, service.name or service.url)
            self._stand_ins[service.url] = session
            self._adopt(service.url, session.owner, None)
        return session

    def _adopt(self, url: str, owner: Owner, after: str | None) -> None:
        """Take for a service the live tasks that it registered before a restart of ours."""
        engine = self._engine
        self._to_adopt.pop(url, None)

        def again() -> None:
            self._to_adopt[url] = engine.clock.now() + _AGAIN_S, after

        def read(page: Any) -> None:
            if not isinstance(page, Page):
                log.warning("the tasks of a service could not be read", error=str(page))
                again()
                return
            ids = [row.id for row in page.rows]
            engine.reader.load(ids, lambda fault: loaded(ids, page.next, fault))

        def loaded(ids: list[str], following: str | None, fault: Exception | None) -> None:
            if fault is not None:
                again()
                return
            self._supervise(ids, owner)
            if following is not None:
                self._adopt(url, owner, following)

        request = Query({"url": (url,), "class": ("live",)}, "id", _ADOPTED_AT_ONCE, after)
        engine.reader.query(request, None, _ADOPTED_BYTES, lambda: True, read)

    def _supervise(self, ids: list[str], owner: Owner) -> None:
        view, liveness = self._engine.view, self._engine.liveness
        for task_id in ids:
            task = view.task(task_id) if view.knows(task_id) else None
            if task is not None and task.owner == owner.serial and liveness.owner_of(task_id):
                liveness.supervise(task_id, owner, task.timeout_s)
