"""The parts that operations work on, joined: store, liveness, feed, and who is connected.

The engine also does what follows from every commit, in the commit's order: who owns what, who is
supervised, who is told. Nothing of that happens before the commit, so one that fails has nothing
to take back.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from taskdash_protocol.errors import AuthError, Busy, Conflict, ServerError, StorageError
from taskdash_protocol.statuses import is_live
from taskdashd.domain.access import Identity
from taskdashd.domain.budget import Budget
from taskdashd.domain.liveness import Liveness, Owner
from taskdashd.domain.people import Person
from taskdashd.domain.tally import Tally
from taskdashd.domain.tasks import Change, Moment, Task, refreshed
from taskdashd.feed import Feed, Subscriber
from taskdashd.operations.access import Access
from taskdashd.operations.acts import Acts
from taskdashd.operations.clock import Clock
from taskdashd.operations.failures import SIGN_UPS_MAX, Failures
from taskdashd.operations.session import Session as Session
from taskdashd.store.database import Opened
from taskdashd.store.reader import Reader
from taskdashd.store.records import Record
from taskdashd.store.reserve import Reserve
from taskdashd.store.transaction import Transaction, View
from taskdashd.store.writer import Writer

PERSON: Final = "person"
SERVICE: Final = "service"

if TYPE_CHECKING:
    from taskdashd.operations.vigil import Vigil

NOBODY: Final = 0
"""Serial of the owner that stands for connections which are gone."""

_BUDGETS_MAX: Final = 10_000

_TIMEOUTS_MAX: Final = 1000
"""Different heartbeat timeouts that one connection's tasks may have."""

REPLY_RESERVE_BYTES: Final = 1024
"""What a reply or an event may need beside the task that it carries."""


class Limits(Protocol):
    """The settings that operations read; they may change while the daemon runs."""

    heartbeat_timeout: float
    max_frame: int
    max_live_tasks: int
    max_watches: int
    request_rate: int | None
    identity_rate: int | None
    audit_keep: float | None
    sign_up: bool
    passwords: bool
    claim_limit: float | None
    max_people: int
    max_services: int


class Hashing(Protocol):
    """What hashes passwords, somewhere that may take its time."""

    def hash(self, password: str, then: Callable[[Any], None]) -> None:
        """Call `then` with the encoded hash, or an exception."""

    def verify(self, encoded: str, password: str, then: Callable[[Any], None]) -> None:
        """Call `then` with whether the password is the one, or an exception."""


class Engine:
    """All state of a running daemon that is not a socket."""

    def __init__(
        self,
        opened: Opened,
        limits: Limits,
        clock: Clock,
        view: View,
        access: Access,
        reserve: Reserve,
    ) -> None:
        self.access = access
        self.reserve = reserve
        self.acts = Acts(clock.stamp, clock.now, lambda: view.committed_rev)
        self.limits = limits
        self.clock = clock
        self.view = view
        self.liveness = Liveness(limits.heartbeat_timeout)
        self.sessions: dict[int, Session] = {}
        self.started = clock.now()
        self.started_at = clock.stamp()
        self.may_have_spoken: Callable[[int], bool] = lambda _serial: False
        """Whether something waits in the socket of the session with this serial."""
        self._budgets: OrderedDict[str, Budget] = OrderedDict()
        """By the identity's key."""
        self.tally: Tally | None = None
        """Counts as tasks change, where somebody looks at the figures."""
        self.failures = Failures(clock.now)
        """Of people who sign in."""
        self.sign_ups = Failures(clock.now, SIGN_UPS_MAX)
        """Of accounts that people make for themselves."""
        self.followers: list[Callable[[Sequence[Change]], None]] = []
        """Told of each commit's changes, after the feed."""
        self.on_kept: list[Callable[[Sequence[Record]], None]] = [self._people_changed]
        """Told of each commit's records."""
        self._serial = opened.boot << 32
        # What was live before this start gets one full timeout from now to be taken up.
        before = self._orphaned()
        for task_id, timeout_s in opened.live:
            self.liveness.supervise(task_id, before, timeout_s)

    services: "Vigil"
    passwords: "Hashing"

    def join(self, writer: Writer, reader: Reader, feed: Feed) -> None:
        """Get the parts that in their turn need `committed`."""
        self.writer = writer
        self.reader = reader
        self.feed = feed
        writer.on_forgotten = feed.forgotten
        writer.on_kept = self._kept

    # Connections

    def connect(self, peer: str, subscriber: Subscriber) -> Session:
        """Begin a session for a connection that was just accepted."""
        session = self.visit(peer, subscriber, self.access.at_first)
        self.sessions[session.owner.serial] = session
        self.liveness.connect(session.owner)
        return session

    def visit(
        self, peer: str, subscriber: Subscriber | None = None, identity: Identity | None = None
    ) -> Session:
        """Begin a session for somebody whose silence means nothing: who asks over HTTP."""
        budget = Budget(lambda: self.limits.request_rate, self.clock.now)
        return Session(self.new_serial(), peer, subscriber, self.clock.now(), identity, budget)

    def stand_in(self, serial: int, name: str) -> Session:
        """Begin a session for a service that has no connection, under a number that is its own."""
        session = Session(
            serial,
            name,
            None,
            self.clock.now(),
            None,
            Budget(lambda: self.limits.request_rate, self.clock.now),
        )
        session.stands_in = True
        self.sessions[serial] = session
        return session

    def new_serial(self) -> int:
        """Give a number that no owner of a task has had."""
        self._serial += 1
        return self._serial

    def disconnect(self, session: Session) -> None:
        """End a session. Its live tasks keep their deadline."""
        self.liveness.disconnect(session.owner)
        session.give_back()
        del self.sessions[session.owner.serial]
        self.end_watches(session)
        # It has the session, in its turn: as a cycle they would outlive the connection by far.
        del session.subscriber

    def end_watches(self, session: Session) -> None:
        """Tell a session of nothing more."""
        for watch in session.watches.values():
            self.feed.unwatch(watch)
        session.watches.clear()

    def become(self, session: Session, identity: Identity) -> None:
        """Take a session for somebody; what it watched as somebody else ends."""
        if session.is_local:
            return
        if session.identity is not None and session.identity != identity:
            self.end_watches(session)
        if identity.name and session.identity != identity:
            self.acts.note("signed in", f"{identity.name} ({session.peer})", identity.rights)
        if not identity.person:
            session.admitted = None
        elif session.identity is not None and not session.identity.person:
            session.admitted = session.identity
        self.take_for(session, identity)

    def take_for(self, session: Session, identity: Identity) -> None:
        """Take a session for somebody who has signed in before."""
        session.signed_in(identity)
        if identity.key:
            session.share(self._budget_of(identity))

    def share_of_address(self, session: Session) -> None:
        """Let somebody who has not signed in draw from what all of their address may ask."""
        session.share(self._budget_of(Identity("", "reader", key=f"address {session.address}")))

    def _budget_of(self, identity: Identity) -> Budget:
        budget = self._budgets.get(identity.key)
        if budget is None:
            if len(self._budgets) >= _BUDGETS_MAX:
                # The one unused for longest is full again by now, as good as a new one.
                self._budgets.popitem(last=False)
            budget = Budget(lambda: self.limits.identity_rate, self.clock.now)
            self._budgets[identity.key] = budget
        self._budgets.move_to_end(identity.key)
        return budget

    def sign_in(self, session: Session, token: str) -> None:
        """Take a session for whom a token stands for. Raises `AuthError`, `Busy`."""
        if not session.is_local:
            self.become(session, self.access.sign_in(token, session.address))

    def refused(self, session: Session, error: AuthError) -> None:
        """Note that somebody may not do what they have asked."""
        name = session.identity.name if session.identity is not None else ""
        who = f"{name} ({session.address})" if name else session.address
        self.acts.note("refused", who, error.detail)

    def recognise(self, session: Session, name: str | None) -> None:
        """Take somebody for whom their verified certificate names, if that name has a token."""
        identity = None if name is None else self.access.named(name)
        if identity is not None:
            self.become(session, identity)

    def refusal(self, session: Session, signs_in: bool, token: object) -> ServerError | None:
        """Say why a request is not done of somebody who has not signed in; None if it may be.

        It may if it is there to sign in, or brings a good token in its header. That stands for
        this request, and for those after it that bring none.
        """
        if signs_in:
            return None
        try:
            self.sign_in(session, token if type(token) is str else "")
        except ServerError as refusal:
            return refusal
        return None

    def after_stall(self) -> None:
        """Put right what was stamped between the end of a stall and its discovery."""
        now = self.clock.now()
        for session in self.sessions.values():
            session.owner.last_seen = min(session.owner.last_seen, now)
        self.liveness.refresh()

    # What rules want to know

    def moment(self, transaction: Transaction, old: Task | None = None) -> Moment:
        """Say when a change happens, and how the present owner of the task fares."""
        if old is None:
            return Moment(transaction.rev, transaction.at)
        return Moment(transaction.rev, transaction.at, self._is_gone(old), self.seen(old))

    def check_room(self, old: Task | None, new: Task) -> None:
        """Raise `Busy` if keeping this task would go over a limit."""
        # What is pending counts whole, though some of it may be live already.
        full = len(self.liveness) + len(self.view.pending) >= self.limits.max_live_tasks
        if full and is_live(new.status) and (old is None or not is_live(old.status)):
            raise Busy(f"{self.limits.max_live_tasks} live tasks are supervised: no more fit")
        session = self.sessions.get(new.owner)
        if session is None:
            return
        timeouts = session.owner.timeouts
        if len(timeouts) >= _TIMEOUTS_MAX and new.timeout_s not in timeouts:
            raise Busy(f"one connection's tasks have {_TIMEOUTS_MAX} different timeouts already")

    def check_disk(self, identity: Identity) -> None:
        """Raise `StorageError` where the last of the disk is kept for operators."""
        reserve = self.reserve
        if reserve.given_up and not reserve.is_over() and not identity.is_known_operator:
            raise StorageError("the disk is full: only operators may write until there is room")

    def body(self, task: Task) -> bytes:
        """Give a task's JSON with its owner's newest sign of life."""
        if not is_live(task.status):
            return task.body
        return refreshed(task.body, self.seen(task))

    # What follows from a commit

    def committed(self, changes: Sequence[Change]) -> None:
        """Draw the consequences of changes that are on disk now."""
        for change in changes:
            self._follow(change)
        self.feed.publish(changes)
        for follow in self.followers:
            follow(changes)

    def _kept(self, records: Sequence[Record]) -> None:
        for follow in self.on_kept:
            follow(records)

    def _people_changed(self, records: Sequence[Record]) -> None:
        """Take everybody who is connected as a person for what that person is now."""
        changed = {record.key for record in records if record.kind == PERSON}
        if not changed:
            return
        for session in self.sessions.values():
            number = session.identity.person if session.identity is not None else ""
            if number in changed:
                person = self.person(number)
                if person is None or not person.knows(session.secret):
                    self.sign_out(session)
                elif person.identity.sight == session.identity.sight:  # type: ignore[union-attr]
                    session.signed_in(person.identity)
                else:
                    fault = Conflict("what you may see has changed: connect and watch again")
                    for watch in list(session.watches):
                        session.subscriber.on_fault(watch, fault)
                    self.become(session, person.identity)

    def sign_out(self, session: Session) -> None:
        """Take a session for what it was before somebody signed in as a person."""
        self.end_watches(session)
        session.secret = ""
        session.signed_in(session.admitted or self.access.at_first)
        session.admitted = None

    def person(self, number: str) -> Person | None:
        """Give the account of an employee number, as of the last commit."""
        found = self.view.records.committed(PERSON, number)
        return None if found is None else Person.from_record(found)

    def _follow(self, change: Change) -> None:
        """Count the task for its owner, and supervise it if it is live."""
        old, new = change.previous, change.task
        session = self.sessions.get(new.owner)
        if old is None or old.owner != new.owner or old.timeout_s != new.timeout_s:
            if old is not None and (loser := self.sessions.get(old.owner)):
                self.liveness.count(loser.owner, old.timeout_s, -1)
            if session is not None:
                self.liveness.count(session.owner, new.timeout_s, +1)
        if not is_live(new.status):
            self.liveness.release(new.id)
        elif session is not None:
            self.liveness.supervise(new.id, session.owner, new.timeout_s)
        else:
            present = self.liveness.owner_of(new.id)
            same = old is not None and old.owner == new.owner
            # A hand from outside does not move the deadline of a task whose service is gone.
            owner = present if present is not None and same else self._orphaned()
            self.liveness.supervise(new.id, owner, new.timeout_s)

    def _orphaned(self) -> Owner:
        owner = Owner(NOBODY, self.clock.now())
        owner.is_open = False
        return owner

    def _is_gone(self, task: Task) -> bool:
        session = self.sessions.get(task.owner)
        if session is None or task.shutdown_at:
            return True
        silent = self.liveness.is_silent(session.owner, task.timeout_s, self.clock.now())
        return silent and not self.may_have_spoken(task.owner)

    def seen(self, task: Task) -> str:
        """Give the last sign of life of a task's owner; empty if it gave none since the start."""
        owner = self.speaks_for(task)
        return "" if owner is None else self.clock.stamp_of(owner.last_seen)

    def speaks_for(self, task: Task) -> Owner | None:
        """Give the connection whose signs of life are the task's; None where none is known."""
        session = self.sessions.get(task.owner)
        owner = session.owner if session is not None else self.liveness.owner_of(task.id)
        return None if owner is None or owner.serial == NOBODY else owner
