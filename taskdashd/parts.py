"""The daemon's parts and how they are joined: each part gets the parts it needs as arguments.

Make no socket, thread or clock here, so that tests build the same daemon without them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from taskdashd.core.access import Access
from taskdashd.core.acts import Acts
from taskdashd.core.clock import Clock
from taskdashd.core.commits import Commits
from taskdashd.core.deaths import Deaths
from taskdashd.core.housekeeping import Housekeeping
from taskdashd.core.identities import PERSON, Identities
from taskdashd.core.ownership import Ownership
from taskdashd.core.passwords import Passwords
from taskdashd.core.room import Room
from taskdashd.core.run import Runner
from taskdashd.core.sessions import Sessions
from taskdashd.core.table import Core
from taskdashd.domain.liveness import Liveness
from taskdashd.families import load_operations
from taskdashd.families.figures.followers import DayFigures, FiguresSection, stored_day
from taskdashd.families.figures.rules import Tally
from taskdashd.families.people.directory import Directory
from taskdashd.families.people.expiry import ClaimTimes, Expiry
from taskdashd.families.services.section import ServiceSection
from taskdashd.families.services.vigil import SERVICE, Fetch, Vigil
from taskdashd.feed.watches import Feed
from taskdashd.settings.live import Live
from taskdashd.store.database import Database, TallyRow
from taskdashd.store.executor import Executor
from taskdashd.store.reader import Log, Patient, Reader
from taskdashd.store.records import Records
from taskdashd.store.reserve import Reserve
from taskdashd.store.transaction import View
from taskdashd.store.writer import Follower, Writer
from taskdashd.web.boards import Boards
from taskdashd.web.viewers import Viewers


class Parts(NamedTuple):
    """The parts that `daemon.py` needs: the runner for its doors, and what it runs beside them."""

    runner: Runner
    deaths: Deaths
    housekeeping: Housekeeping
    boards: Boards
    viewers: Viewers
    figures: DayFigures


class Ways(NamedTuple):
    """Means of the process that parts need: threads, a look at its sockets, requests by HTTP."""

    committing: Executor
    looking: Executor
    """Loads tasks that are not in memory."""
    querying: Executor
    """Runs queries and reads the log: what may take long must not hold up the loading."""
    start_hashing: Callable[[], Executor]
    """Starts the thread that hashes passwords."""
    may_have_spoken: Callable[[int], bool]
    """Tells whether unread input waits in the socket of the session with a serial."""
    fetch: Fetch | None
    """Asks services for their tasks; None where the operator allows no address."""


def build(
    database: Database,
    live: Live,
    clock: Clock,
    access: Access,
    ways: Ways,
    *,
    with_board: bool = False,
    disk_is_full: bool = False,
) -> Parts:
    """Join the parts. Raises `StoreUnusable`.

    Without `with_board` the parts of the board exist too, but follow no commit.
    """
    load_operations()
    opened = database.start()
    records = Records(opened.records)
    view = View(opened.last_rev, live.task_cache, opened.known, records)
    reserve = Reserve(database.path.parent, live.reserve)
    acts = Acts(clock.stamp, clock.now, lambda: view.committed_rev)
    patient = Patient(ways.querying)
    log = Log(database, patient)
    liveness = Liveness(live.heartbeat_timeout)
    feed = Feed(opened.last_rev, opened.pruned_rev, log.changes, recent_bytes_max=live.event_cache)
    sessions = Sessions(opened.boot, live, clock, liveness, feed, access.at_first)
    identities = Identities(live, clock, access, acts, sessions, records)
    ownership = Ownership(clock, liveness, sessions, ways.may_have_spoken)
    room = Room(live, liveness, sessions, view, reserve)
    claim_times = ClaimTimes()
    # Count the stored tasks here: no write comes before `build` has returned, so the figures miss
    # no change and count none twice.
    tally = _tally(database.tally() if with_board else (), clock, records)
    sections = Directory(records), ServiceSection(records), FiguresSection(clock, tally)
    boards = Boards(clock, feed, log, sections, opened.last_rev)
    viewers = Viewers(identities, boards)
    shown: tuple[Follower, ...] = (*sections, boards, viewers) if with_board else ()
    # The order in which followers see a commit: owners of tasks and rights of sessions are updated
    # first, or the feed would tell people who may no longer see the change.
    commits = Commits([ownership, identities, feed, claim_times, *shown])
    writer = _writer(database, ways.committing, view, clock, commits, reserve, live)
    reader = Reader(database, ways.looking, patient, view, writer)
    vigil = Vigil(live, clock, acts, sessions, liveness, view, reader, writer, ways.fetch)
    expiry = Expiry(claim_times, clock, ownership, view, reader, writer)
    figures = DayFigures(clock, tally, writer)
    ticks = [expiry.tick, vigil.tick, *([figures.tick] if with_board else [])]
    families = {Vigil: vigil, Passwords: Passwords(ways.start_hashing)}
    core = Core(
        *(live, clock, acts, view, writer, reader, feed, liveness),
        *(sessions, identities, ownership, room),
        {**families, Tally: tally} if with_board else families,
    )
    reserve.begin(is_full=disk_is_full)
    # Tasks and services that were alive at the last stop get one full timeout from now.
    ownership.adopt(opened.live)
    vigil.adopt(records.all(SERVICE))
    return Parts(
        Runner(core, vigil.author_for),
        Deaths(clock, liveness, view, reader, writer),
        Housekeeping(live, clock, acts, reader, writer, reserve, ticks),
        boards,
        viewers,
        figures,
    )


def _tally(rows: Sequence[TallyRow], clock: Clock, records: Records) -> Tally:
    def people() -> Iterator[str]:
        return (one["id"] for one in records.all(PERSON))

    return Tally(rows, clock.wall(), people, stored_day(records))


def _writer(
    database: Database,
    committing: Executor,
    view: View,
    clock: Clock,
    commits: Commits,
    reserve: Reserve,
    live: Live,
) -> Writer:
    return Writer(
        database,
        committing,
        view,
        now=clock.stamp,
        follower=commits,
        on_fault=reserve.on_fault,
        waiting_rows_max=live.writes_waiting,
        waiting_bytes_max=live.writes_waiting_bytes,
        batch_rows_max=live.commit_rows,
        fold_lag_max=live.fold_lag,
    )
