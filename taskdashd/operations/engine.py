"""The parts that operations work on, joined: store, liveness, feed, and who is connected.

The engine also does what follows from every commit, in the commit's order: who owns what, who is
supervised, who is told. Nothing of that happens before the commit, so one that fails has nothing
to take back.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from taskdash_protocol.errors import AuthError, Busy, ServerError, StorageError
from taskdash_protocol.statuses import is_live
from taskdashd.domain.access import LOCAL_OPERATOR, Identity
from taskdashd.domain.budget import Budget
from taskdashd.domain.liveness import Liveness, Owner
from taskdashd.domain.tasks import Author, Change, Moment, Task, refreshed
from taskdashd.feed import Feed, Subscriber, Watch
from taskdashd.operations.access import Access
from taskdashd.operations.acts import Acts
from taskdashd.operations.clock import Clock
from taskdashd.store.database import Opened
from taskdashd.store.reader import Reader
from taskdashd.store.reserve import Reserve
from taskdashd.store.transaction import Transaction, View
from taskdashd.store.writer import Writer

NOBODY: Final = 0
"""Serial of the owner that stands for connections which are gone."""

_DRAWN_AT_ONCE: Final = 16
"""Requests for which a connection's budget is asked at once."""

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


class Session:
    """One connection, as operations see it: who it is, what it owns, what it watches."""

    __slots__ = (
        "_allowed",
        "author",
        "budget",
        "client",
        "identity",
        "next_watch",
        "owner",
        "peer",
        "said_hello",
        "sees_all",
        "shared_budget",
        "since",
        "subscriber",
        "watches",
    )

    def __init__(
        self,
        serial: int,
        peer: str,
        subscriber: Subscriber,
        now: float,
        identity: Identity | None,
        budget: Budget,
    ) -> None:
        self.peer = peer
        self.since = now
        self.client = ""
        self.said_hello = False
        self.budget = budget
        self.shared_budget: Budget | None = None
        """That of the identity, for all its connections."""
        self._allowed = 0
        self.author = Author(serial, peer)
        self.signed_in(identity)
        self.owner = Owner(serial, now)
        self.subscriber = subscriber
        self.watches: dict[int, Watch] = {}
        self.next_watch = 1

    @property
    def address(self) -> str:
        """Give where it comes from, without the port."""
        return self.peer.rpartition(":")[0]

    @property
    def is_local(self) -> bool:
        """Whether it is the operator's, on the socket that always gets in."""
        return self.identity is LOCAL_OPERATOR

    def may_ask(self) -> bool:
        """Count a request, and tell whether the rates allow it."""
        self._allowed -= 1
        return self._allowed >= 0 or self._draw()

    def share(self, budget: Budget) -> None:
        """From now on draw from an identity's budget too."""
        if budget is not self.shared_budget:
            self.give_back()
            self.shared_budget = budget

    def give_back(self) -> None:
        """Return what was drawn and not used."""
        unused, self._allowed = max(0, self._allowed), 0
        self.budget.give_back(unused)
        if self.shared_budget is not None:
            self.shared_budget.give_back(unused)

    def _draw(self) -> bool:
        drawn = _DRAWN_AT_ONCE if self.is_local else self.budget.draw(_DRAWN_AT_ONCE)
        if self.shared_budget is not None and drawn:
            shared = self.shared_budget.draw(drawn)
            self.budget.give_back(drawn - shared)
            drawn = shared
        self._allowed = max(0, drawn - 1)
        return drawn > 0

    def introduce(self, client: str) -> None:
        """Take the name that the client gives itself."""
        self.said_hello = True
        self.client = client
        self._name_author()

    def signed_in(self, identity: Identity | None) -> None:
        """Take whom it stands for; None for nobody yet."""
        self.identity = identity
        self.sees_all = identity is not None and identity.confined_to is None
        self._name_author()

    def _name_author(self) -> None:
        serial, identity = self.author.serial, self.identity
        name = identity.name if identity is not None else ""
        known = f"{name}, {self.peer}" if name else self.peer
        overrides = identity is not None and identity.is_known_operator
        self.author = Author(
            serial, f"{self.client} ({known})" if self.client else known, overrides
        )


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
        self._budgets: dict[str, Budget] = {}
        """By the identity's key."""
        self._serial = opened.boot << 32
        # What was live before this start gets one full timeout from now to be taken up.
        before = self._orphaned()
        for task_id, timeout_s in opened.live:
            self.liveness.supervise(task_id, before, timeout_s)

    def join(self, writer: Writer, reader: Reader, feed: Feed) -> None:
        """Get the parts that in their turn need `committed`."""
        self.writer = writer
        self.reader = reader
        self.feed = feed
        writer.on_forgotten = feed.forgotten

    # Connections

    def connect(self, peer: str, subscriber: Subscriber) -> Session:
        """Begin a session for a connection that was just accepted."""
        self._serial += 1
        now, identity = self.clock.now(), self.access.at_first
        budget = Budget(lambda: self.limits.request_rate, self.clock.now)
        session = Session(self._serial, peer, subscriber, now, identity, budget)
        self.sessions[self._serial] = session
        self.liveness.connect(session.owner)
        return session

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
        session.signed_in(identity)
        if identity.key:
            session.share(self._budget_of(identity))

    def _budget_of(self, identity: Identity) -> Budget:
        budget = self._budgets.get(identity.key)
        if budget is None:
            if len(self._budgets) >= _BUDGETS_MAX:
                # Of tokens that were exchanged: those in use keep theirs.
                self._budgets.clear()
            budget = Budget(lambda: self.limits.identity_rate, self.clock.now)
            self._budgets[identity.key] = budget
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
