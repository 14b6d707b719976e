"""The watch over task services: which signs of life are a service's, which are late or dead."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Protocol

import structlog

from taskdash_protocol.errors import AuthError, Outcome, ServerError
from taskdash_protocol.requests import Query
from taskdashd.core.access import check_write
from taskdashd.core.acts import Acts
from taskdashd.core.clock import Clock
from taskdashd.core.housekeeping import STEADY_S
from taskdashd.core.leading import Leading
from taskdashd.core.ownership import NOBODY
from taskdashd.core.session import Session
from taskdashd.core.sessions import Sessions
from taskdashd.core.steps import Done, Steps, drive, wait_for
from taskdashd.core.table import Caller
from taskdashd.domain.liveness import Liveness, Owner
from taskdashd.domain.tasks import Author
from taskdashd.domain.times import stamp
from taskdashd.families.services.rules import FORGOTTEN_S, REMEMBERED_S, Service, State, judged
from taskdashd.store.reader import Reader
from taskdashd.store.records import Value
from taskdashd.store.slow import for_itself
from taskdashd.store.transaction import Transaction, View
from taskdashd.store.writer import Writer

SERVICE: Final = "service"
"""The kind of the records that hold services."""

_TICK_S: Final = 0.5
_AGAIN_S: Final = 2.0
_ADOPTED_AT_ONCE: Final = 200
_ADOPTED_BYTES: Final = 1 << 20

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Fetch = Callable[[str, str, Done[list[Any]]], None]
"""Asks the service at a URL for all tasks, or for one by id; calls back with them or a fault."""


class VigilLimits(Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    heartbeat_timeout: float


class Vigil:
    """Watches over all services. `tick` is called a few times a second."""

    def __init__(
        self,
        limits: VigilLimits,
        clock: Clock,
        leading: Leading,
        acts: Acts,
        sessions: Sessions,
        liveness: Liveness,
        view: View,
        reader: Reader,
        writer: Writer,
        fetch: Fetch | None,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._leading = leading
        self._acts = acts
        self._sessions = sessions
        self._liveness = liveness
        self._view = view
        self._reader = reader
        self._writer = writer
        self.fetch = fetch
        """Asks a service for its tasks; None where the operator allows no address."""
        self._owners: dict[str, Owner] = {}
        """By URL: the service's connection; after a start, an owner `NOBODY` until it speaks."""
        self._stand_ins: dict[str, Session] = {}
        """By URL: the session that owns the tasks of a service which beats without a connection."""
        self._said: dict[str, tuple[float | None, str]] = {}
        """By URL: the time and the words of the service's last beat."""
        self._to_adopt: dict[str, tuple[float, str | None]] = {}
        """By URL: when to go on looking for its tasks of before this start, and after which id."""
        self._tasks: dict[str, int] = {}
        """By URL: how many live tasks the service had when it was last seen alive."""
        self._judging: set[str] = set()
        """URLs of services whose new state waits for its commit."""
        self._next = 0.0
        self._forget_before = ""

    def adopt(self, records: Iterable[Value]) -> None:
        """Watch over the services of before this start: each gets one full timeout from now."""
        for record in records:
            service = Service.from_record(record)
            if service.state != "dead":
                self._owners[service.url] = Owner(NOBODY, self._clock.now())

    def find(self, url: str) -> Service | None:
        """Give the service of a URL, as of the last commit."""
        found = self._view.records.committed(SERVICE, url)
        return None if found is None else Service.from_record(found)

    def bind(self, url: str, owner: Owner) -> None:
        """Count a connection's signs of life as a service's."""
        self._owners[url] = owner

    def beat(self, service: Service, time: float | None = None, reserved: str = "") -> None:
        """Note a sign of life of a service that has no connection."""
        session = self._stand_in(service)
        session.owner.last_seen = self._clock.now()
        self._said[service.url] = time, reserved
        owner = self._owners.get(service.url)
        if owner is not None and owner.serial == NOBODY:
            del self._owners[service.url]

    def said(self, service: Service) -> tuple[float | None, str]:
        """Give the time and the words that a service last sent."""
        time, reserved = self._said.get(service.url, (None, ""))
        return time, reserved or service.reserved

    def author_for(self, url: str, caller: Caller) -> Author | None:
        """Give the caller as author of a task that the service at a URL owns, and keeps alive.

        None where there is no such service, or the caller may not write for it.
        """
        service = self.find(url)
        if service is None:
            return None
        if service.connected:
            owner = self._owners.get(url)
            session = self._sessions.find(owner.serial) if owner is not None else None
        else:
            session = self._stand_in(service)
        try:
            check_write(caller.identity, None, service.group_id)
        except AuthError:
            return None
        if session is None:
            return None
        asker = caller.author
        name = f"{service.name or url} ({asker.name})"
        return asker._replace(name=name, for_owner=session.owner.serial)

    def silence_s(self, url: str) -> float | None:
        """Give the seconds since a service's last sign of life; None where it gave none."""
        stand_in = self._stand_ins.get(url)
        owners = [self._owners.get(url), stand_in.owner if stand_in is not None else None]
        seen = [owner.last_seen for owner in owners if owner is not None]
        return self._clock.now() - max(seen) if seen else None

    def tick(self) -> None:
        """Find the services that have become late, dead, or alive again."""
        now = self._clock.now()
        if now < self._next or not self._leading.leads:
            return
        self._next = now + _TICK_S
        for url, (at, after) in list(self._to_adopt.items()):
            if now >= at and (stand_in := self._stand_ins.get(url)) is not None:
                self._adopt(url, stand_in.owner, after)
        # By a clock that is wrong for a while every dead service would be forgotten.
        is_steady = self._clock.steady_s() >= STEADY_S
        self._forget_before = stamp(self._clock.wall() - FORGOTTEN_S) if is_steady else ""
        for record in list(self._view.records.all(SERVICE)):
            self._look_at(record)

    def _look_at(self, record: Value) -> None:
        # Read single fields: at most ticks no state has changed, and the rest need not be parsed.
        url, timeout_s = record["url"], record["timeout_s"]
        silence_s = self.silence_s(url)
        if silence_s is not None:
            silence_s = min(silence_s, self._clock.now() - self._liveness.spared_at)
        limit_s = timeout_s or self._limits.heartbeat_timeout
        state = "dead" if silence_s is None else judged(silence_s, limit_s)
        since, was = record["changes"][-1]
        if state == was == "dead" and since < self._forget_before and url not in self._judging:
            self._judging.add(url)
            self._writer.write(partial(self._forget, url), partial(self._forgot, url))
            return
        if state == "alive":
            self._tasks[url] = self._live_tasks(url)
        if state != was and url not in self._judging:
            self._judging.add(url)
            service = Service.from_record(record)
            self._writer.write(
                partial(self._become, url, state), partial(self._became, service, state)
            )

    def _live_tasks(self, url: str) -> int:
        stand_in = self._stand_ins.get(url)
        owners = {self._owners.get(url), stand_in.owner if stand_in is not None else None} - {None}
        return sum(len(lease.tasks) for owner in owners if owner for lease in owner.leases.values())

    def _forget(self, url: str, transaction: Transaction) -> None:
        found = transaction.record(SERVICE, url)
        # Look at the record again: the service may have registered since `tick` looked.
        if found is not None and tuple(found["changes"][-1]) < (self._forget_before, "dead"):
            transaction.keep(SERVICE, url, None)

    def _forgot(self, url: str, outcome: Outcome[None]) -> None:
        self._judging.discard(url)
        if isinstance(outcome, ServerError) or self.find(url) is not None:
            return
        self._drop(url)

    def retired(self, service: Service) -> None:
        """Watch over a service no longer, whose record has just gone.

        Live tasks of one without a connection have until their own deadline, as those of a
        connection that was closed.
        """
        now = self.find(service.url)
        # The service may have registered again in the same commit: then its new serial counts.
        if now is None or now.serial != service.serial:
            self._drop(service.url)

    def _drop(self, url: str) -> None:
        stand_in = self._stand_ins.pop(url, None)
        if stand_in is not None:
            stand_in.owner.is_open = False
            self._sessions.forget(stand_in.owner.serial)
        for known in (self._owners, self._said, self._tasks, self._to_adopt):
            known.pop(url, None)

    def _become(self, url: str, state: State, transaction: Transaction) -> None:
        found = transaction.record(SERVICE, url)
        if found is not None:
            service = Service.from_record(found)
            before = stamp(self._clock.wall() - REMEMBERED_S)
            after = service.became(state, transaction.at, before)
            transaction.keep(SERVICE, url, after.to_record())

    def _became(self, old: Service, state: State, outcome: Outcome[None]) -> None:
        self._judging.discard(old.url)
        if not isinstance(outcome, ServerError):
            self.tell(old, state)

    def tell(self, old: Service, state: State) -> None:
        """Log and note that a service died or came: once, and not once for each of its tasks."""
        name = old.called
        if state == "dead":
            tasks = self._tasks.pop(old.url, 0)
            log.warning("service died", service=name, live_tasks=tasks)
            self._acts.note("service died", name, f"{tasks} live tasks of its go with it")
        elif old.state == "dead":
            log.info("service came", service=name)
            self._acts.note("service came", name)

    def _stand_in(self, service: Service) -> Session:
        session = self._stand_ins.get(service.url)
        if session is None:
            session = self._sessions.stand_in(service.serial, service.name or service.url)
            self._stand_ins[service.url] = session
            self._adopt(service.url, session.owner, None)
        return session

    def _adopt(self, url: str, owner: Owner, after: str | None) -> None:
        """Have a service own the live tasks that it registered before the daemon's restart."""
        self._to_adopt.pop(url, None)
        drive(self._look_for_tasks(url, owner, after), lambda _outcome: None)

    def _look_for_tasks(self, url: str, owner: Owner, after: str | None) -> Steps[None]:
        while True:
            query = Query({"url": (url,), "class": ("live",)}, "id", _ADOPTED_AT_ONCE, after)
            look = partial(self._reader.query, query, None, _ADOPTED_BYTES, for_itself("services"))
            try:
                page = yield from wait_for(look)
                ids = [row.id for row in page.rows]
                yield from wait_for(partial(self._reader.load, ids))
            except ServerError as fault:
                log.warning(
                    "the tasks of a service could not be read", service=url, error=str(fault)
                )
                self._to_adopt[url] = self._clock.now() + _AGAIN_S, after
                return
            self._supervise(ids, owner)
            if page.next is None:
                return
            after = page.next

    def _supervise(self, ids: list[str], owner: Owner) -> None:
        view, liveness = self._view, self._liveness
        for task_id in ids:
            task = view.task(task_id) if view.knows(task_id) else None
            if task is not None and task.owner == owner.serial and liveness.owner_of(task_id):
                liveness.supervise(task_id, owner, task.timeout_s)
