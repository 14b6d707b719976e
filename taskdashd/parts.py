"""The daemon's parts and how they are joined: each part gets the parts it needs as arguments.

Make no socket, thread or clock here, so that tests build the same daemon without them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from taskdashd.core.access import Access
from taskdashd.core.acts import Acts
from taskdashd.core.agenda import Agenda
from taskdashd.core.calendars import Calendars
from taskdashd.core.clock import Clock
from taskdashd.core.commits import Commits
from taskdashd.core.deaths import Deaths
from taskdashd.core.forgetting import Forgetting, Touched
from taskdashd.core.groups import Groups
from taskdashd.core.housekeeping import Housekeeping
from taskdashd.core.identities import PERSON, Identities
from taskdashd.core.leading import Leading
from taskdashd.core.ownership import Ownership
from taskdashd.core.room import Room
from taskdashd.core.run import Runner
from taskdashd.core.sessions import Sessions
from taskdashd.core.table import Core
from taskdashd.core.task_times import TaskTimes
from taskdashd.core.waiting import Waiting
from taskdashd.domain.held import Held
from taskdashd.domain.liveness import Liveness
from taskdashd.families import load_operations
from taskdashd.families.figures.counting import Audience, Counting
from taskdashd.families.figures.followers import DayFigures, FiguresSection, stored_day
from taskdashd.families.figures.rules.day import PLACE_OF_STATUS
from taskdashd.families.figures.rules.tally import Tally
from taskdashd.families.people.directory import Directory
from taskdashd.families.people.expiry import claim_times
from taskdashd.families.people.passwords import Passwords
from taskdashd.families.people.roster import PEOPLE, Roster
from taskdashd.families.people.told import Told
from taskdashd.families.people.waiting import IN_WORK, TO_BEGIN, TO_CHECK, returned
from taskdashd.families.services.catalogue import SERVICES, Catalogue
from taskdashd.families.services.section import ServiceSection
from taskdashd.families.services.vigil import SERVICE, Fetch, Vigil
from taskdashd.families.tasks.plain import PlainWrites
from taskdashd.families.views import merge_views
from taskdashd.feed.watches import Feed
from taskdashd.settings.live import Live
from taskdashd.store.database import Database, Opened
from taskdashd.store.executor import Executor
from taskdashd.store.follower import Follower
from taskdashd.store.reader import ChangeLog, Reader
from taskdashd.store.records import Records
from taskdashd.store.reserve import Reserve
from taskdashd.store.slow import SlowReads
from taskdashd.store.transaction import View
from taskdashd.store.writer import Writer
from taskdashd.web.boards import Boards
from taskdashd.web.viewers import Viewers


class Web(NamedTuple):
    """What open boards are told by, and the figures that they show."""

    boards: Boards
    viewers: Viewers
    figures: DayFigures


class Parts(NamedTuple):
    """The parts that `daemon.py` opens the doors to, or runs."""

    runner: Runner
    deaths: Deaths
    agenda: Agenda
    housekeeping: Housekeeping
    web: Web | None
    """None where no board is served."""


class Environment(NamedTuple):
    """What the process gives its parts: threads, a look at its sockets, requests by HTTP."""

    writing: Executor
    """Commits."""
    reading: Executor
    """Loads tasks that are not in memory."""
    querying: Executor
    """Runs queries and reads the log: what may take long must not hold up the loading."""
    start_hashing: Callable[[], Executor]
    """Starts the thread that hashes passwords."""
    may_have_spoken: Callable[[int], bool]
    """Tells whether unread input waits in the socket of the session with a serial."""
    fetch: Fetch | None
    """Asks services for their tasks; None where the operator allows no address."""
    zone: str
    """The IANA name of the machine's time zone."""


def build(
    database: Database,
    live: Live,
    clock: Clock,
    access: Access,
    environment: Environment,
    *,
    with_board: bool,
    disk_is_full: bool = False,
) -> Parts:
    """Join the parts. Raises `StoreUnusable`."""
    load_operations()
    opened = database.start()
    records, reserve = Records(opened.records), Reserve(database.directory, live.reserve)
    view = View(opened.last_rev, live.task_cache, opened.known, records)
    acts = Acts(clock.stamp, clock.now, lambda: view.committed_rev)
    unsent = Held(lambda: live.output_buffer, lambda: live.max_frame)
    slow_reads, fetch = _slow_reads(environment.querying, live, clock, unsent), environment.fetch
    log = ChangeLog(database, slow_reads)
    liveness, feed = Liveness(live.heartbeat_timeout), _feed(opened, log, live)
    sessions = Sessions(opened.boot, live, clock, liveness, feed, access.at_first)
    identities = Identities(live, clock, access, acts, sessions, records)
    ownership = Ownership(clock, liveness, sessions, environment.may_have_spoken)
    room = Room(live, liveness, sessions, view, reserve)
    leading, task_times, touched = Leading(), TaskTimes(clock), Touched()
    tally = _tally(database, clock, records) if with_board else None
    told = Told(records)
    shown = None if tally is None else _Shown.on(tally, clock, feed, log, identities, records, told)
    # The order in which followers see a commit: owners of tasks and rights of sessions are updated
    # first, or the feed would tell people who may no longer see the change.
    followers = ownership, identities, feed, task_times, touched, told, *(shown or ())
    writer = _writer(database, environment.writing, view, clock, followers, reserve, live)
    reader = Reader(database, environment.reading, slow_reads, view, writer)
    vigil = Vigil(live, clock, leading, acts, sessions, liveness, view, reader, writer, fetch)
    agenda = Agenda(clock, leading, view, reader, writer)
    task_times.begin(agenda, reader, [claim_times(ownership, told)])
    ticks = [slow_reads.tick, task_times.tick, vigil.tick]
    families: dict[type, object] = {Vigil: vigil, Catalogue: Catalogue(records, vigil)}
    families |= _of_people(records, reader, told, environment)
    web = None
    if tally is not None and shown is not None:
        web = Web(shown.boards, shown.viewers, DayFigures(clock, tally, writer))
        counting = _counting(clock, tally, shown, database, environment, slow_reads, writer)
        ticks += [counting.tick, web.figures.tick]
        families |= {Tally: tally, Counting: counting}
    core = Core(
        live,
        clock=clock,
        leading=leading,
        acts=acts,
        view=view,
        writer=writer,
        reader=reader,
        feed=feed,
        liveness=liveness,
        sessions=sessions,
        identities=identities,
        calendars=Calendars(live, records, environment.zone),
        ownership=ownership,
        room=room,
        unsent=unsent,
        families=families,
    )
    reserve.begin(is_full=disk_is_full)
    # Tasks and services that were alive at the last stop get one full timeout from now.
    ownership.adopt(opened.live)
    vigil.adopt(records.all(SERVICE))
    leading.begin()
    deaths, housekeeping = _by_itself(core, live, touched, reserve, ticks)
    return Parts(_runner(core, vigil), deaths, agenda, housekeeping, web)


def _runner(core: Core, vigil: Vigil) -> Runner:
    return Runner(core, vigil.author_for, PlainWrites(core))


def _of_people(
    records: Records, reader: Reader, told: Told, environment: Environment
) -> dict[type, object]:
    """Give the parts of the family `people`; what waits for people and their groups, of all."""
    parts: tuple[object, ...] = (
        Roster(records),
        told,
        Waiting([IN_WORK, TO_BEGIN, TO_CHECK, returned(told)]),
        Passwords(environment.start_hashing),
        Groups(records, reader, [PEOPLE, SERVICES], [merge_views]),
    )
    return {type(part): part for part in parts}


def _counting(
    clock: Clock,
    tally: Tally,
    shown: "_Shown",
    database: Database,
    environment: Environment,
    slow_reads: SlowReads,
    writer: Writer,
) -> Counting:
    audience, engine = shown.audience, database.engine
    return Counting(clock, tally, audience, engine, environment.writing, slow_reads, writer)


def _by_itself(
    core: Core,
    live: Live,
    touched: Touched,
    reserve: Reserve,
    ticks: Sequence[Callable[[], None]],
) -> tuple[Deaths, Housekeeping]:
    """Give the parts that decide what nobody has asked for."""
    clock, reader, writer = core.clock, core.reader, core.writer
    forgetting = Forgetting(live, clock, touched, core.view, reader, writer)
    deaths = Deaths(clock, core.leading, core.liveness, core.view, reader, writer)
    return deaths, Housekeeping(
        live, clock, core.leading, core.acts, reader, writer, reserve, forgetting, ticks
    )


def _slow_reads(querying: Executor, live: Live, clock: Clock, unsent: Held) -> SlowReads:
    def may_have_more(whose: str) -> bool:
        return not unsent.is_full(whose, unsent.of(whose))

    return SlowReads(querying, live, clock.now, may_have_more)


def _feed(opened: Opened, log: ChangeLog, live: Live) -> Feed:
    watched = Held(lambda: live.input_buffer, lambda: live.max_frame)
    revs = opened.last_rev, opened.gaps_rev
    return Feed(*revs, log.changes, watched, recent_bytes_max=live.event_cache)


class _Shown(NamedTuple):
    """The followers that a board stands on, in the order in which they see a commit."""

    people: Directory
    services: ServiceSection
    audience: Audience
    day: FiguresSection
    boards: Boards
    viewers: Viewers

    @classmethod
    def on(
        cls,
        tally: Tally,
        clock: Clock,
        feed: Feed,
        log: ChangeLog,
        identities: Identities,
        records: Records,
        told: Told,
    ) -> "_Shown":
        people, services, audience = Directory(records), ServiceSection(records), Audience(tally)
        audience.admit(records.all(PERSON))
        day = FiguresSection(clock, tally, audience)
        boards = Boards(clock, feed, log, (people, services, day, told))
        return cls(people, services, audience, day, boards, Viewers(identities, boards))


def _tally(database: Database, clock: Clock, records: Records) -> Tally:
    """Count the stored tasks. No write comes before `build` has returned: none is counted twice."""

    def people() -> Iterator[str]:
        return (one["id"] for one in records.all(PERSON))

    counts = database.count_for_figures(PLACE_OF_STATUS)
    return Tally(counts, clock.wall(), people, stored_day(records))


def _writer(
    database: Database,
    writing: Executor,
    view: View,
    clock: Clock,
    followers: Sequence[Follower],
    reserve: Reserve,
    live: Live,
) -> Writer:
    return Writer(
        database,
        writing,
        view,
        now=clock.stamp,
        follower=Commits(followers),
        on_fault=reserve.on_fault,
        waiting_rows_max=live.writes_waiting,
        waiting_bytes_max=live.writes_waiting_bytes,
        batch_rows_max=live.commit_rows,
        fold_lag_max=live.fold_lag,
    )
