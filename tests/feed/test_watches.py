"""Watches without a connection: live, behind, cut off, and told of a fault of the log."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol import strictjson
from taskdash_protocol.errors import Busy, Conflict, Outcome, ServerError, StorageError
from taskdash_protocol.families.tasks import Register
from taskdash_protocol.frames import TASKDASH, TCPX
from taskdashd.domain import tasks
from taskdashd.domain.access import Sight
from taskdashd.domain.held import Held
from taskdashd.domain.selecting import matches
from taskdashd.domain.tasks import Author, Change, Moment
from taskdashd.feed.watches import Event, EventRow, Feed, Watch

AT = "2026-01-01T00:00:00.000Z"
ALL_THAT_FITS = 1 << 20


class Peer:
    """A subscriber that keeps what it is told."""

    def __init__(self, feed: Feed | None = None, room: int = 1 << 30) -> None:
        self.feed = feed
        self.room = room
        self.told: list[tuple[int, int]] = []
        """The watch's number and the rev of each event."""
        self.deliveries: list[int] = []
        self.faults: list[tuple[int, ServerError]] = []
        self.resumed = 0
        self.watch: Watch | None = None
        self.on_delivery: Callable[[], None] = lambda: None

    def deliver(self, watch: int, events: Sequence[Event]) -> None:
        self.told += [(watch, event.rev) for event in events]
        self.deliveries.append(len(events))
        self.room -= len(events)
        self.on_delivery()

    whose = "somebody"

    def has_room(self) -> bool:
        return self.room > 0

    def resume_watches(self) -> None:
        self.resumed += 1
        if self.feed is not None and self.watch is not None:
            self.feed.resume(self.watch)

    def on_fault(self, watch: int, error: ServerError) -> None:
        self.faults.append((watch, error))

    @property
    def revs(self) -> list[int]:
        return [rev for _, rev in self.told]


class Log:
    """The changes on disk, read at once, or when `answer` is called."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.rows: list[EventRow] = []
        self.fault: ServerError | None = None
        self.reads: list[int] = []
        self.at_once = at_once
        self.waiting: list[Callable[[], None]] = []

    def read(
        self,
        whose: str,
        after: int,
        rows_max: int,
        wanted: Callable[[], bool],
        then: Callable[[Outcome[Sequence[EventRow]]], None],
    ) -> None:
        self.reads.append(after)
        assert whose == "somebody"

        def answer() -> None:
            if wanted():
                found = [row for row in self.rows if row[0] > after][:rows_max]
                then(self.fault if self.fault is not None else found)

        if self.at_once:
            answer()
        else:
            self.waiting.append(answer)


def change(rev: int, task_id: str = "a", **fields: str) -> Change:
    request = Register.parse({"id": task_id, "name": "n", "status": "running", **fields})
    return tasks.register(None, request, Author(1, "me"), Moment(rev, AT))


def commit(feed: Feed, log: Log, *changes: Change) -> None:
    log.rows += [(one.task.rev, one.kind, one.task.body) for one in changes]
    feed.committed(changes)


def new_feed(log: Log, last_rev: int = 0, pruned: int = 0, recent: int = ALL_THAT_FITS) -> Feed:
    watched = Held(lambda: 100_000, lambda: 0)
    return Feed(last_rev, pruned, log.read, watched, recent_bytes_max=recent)


def begin(feed: Feed, peer: Peer, number: int = 1, **how: Any) -> Watch:
    watch = feed.watch(number, peer, how.get("where", {}), how.get("since"), how.get("sight"))
    peer.feed, peer.watch = feed, watch
    return watch


def test_a_live_watch_is_told_of_each_commit_at_once_and_in_one_go() -> None:
    log = Log()
    feed, peer = new_feed(log, 4, 2), Peer()
    assert (feed.rev, feed.gaps_rev) == (4, 2)
    watch = begin(feed, peer, 7)
    assert watch.position == 4
    commit(feed, log, change(5))
    assert peer.told == [], "nothing before it is resumed"
    assert feed.resume(watch)
    assert peer.told == [(7, 5)]
    commit(feed, log, change(6), change(8))
    assert peer.told == [(7, 5), (7, 6), (7, 8)]
    assert peer.deliveries == [1, 2]
    assert (feed.rev, watch.position) == (8, 8)
    assert feed.resume(watch), "a live watch stays live"
    assert peer.revs == [5, 6, 8]
    assert log.reads == [], "what is recent is not read again"


@pytest.mark.fault(51)
def test_what_watches_ask_for_is_bounded_for_each_and_for_all() -> None:
    """A quarter for one, by what it takes in memory; an ended watch gives its part back."""
    feed = new_feed(Log())
    large = {"user": frozenset(f"user-{number}" for number in range(20))}
    watches = [begin(feed, Peer(), where=large) for _ in range(2)]
    with pytest.raises(Busy, match="too much together"):
        begin(feed, Peer(), where=large)
    feed.unwatch(watches[0])
    feed.unwatch(watches[0])
    begin(feed, Peer(), where=large)
    with pytest.raises(Busy):
        begin(feed, Peer(), where=large)
    other = Peer()
    other.whose = "another"
    begin(feed, other, where=large)


def test_an_ended_watch_is_told_nothing() -> None:
    log = Log()
    feed, peer = new_feed(log), Peer()
    watch = begin(feed, peer)
    assert feed.resume(watch)
    feed.unwatch(watch)
    feed.unwatch(watch)
    assert not feed._live, "a feed keeps nothing of watches that have ended"
    commit(feed, log, change(1))
    assert feed.resume(watch), "an ended watch lacks nothing"
    assert peer.told == []
    never_live = begin(feed, peer)
    feed.unwatch(never_live)
    assert feed.resume(never_live)
    commit(feed, log, change(2))
    assert peer.told == []


def test_a_watch_that_is_ended_while_others_are_told_hears_nothing_more() -> None:
    """A subscriber that cannot keep up is cut off in the middle of a commit, with all it has."""
    log = Log()
    feed, peer = new_feed(log), Peer()
    first, second = begin(feed, peer, 1), begin(feed, peer, 2)
    for watch in (first, second):
        feed.resume(watch)

    def cut_off() -> None:
        feed.unwatch(first)
        feed.unwatch(second)

    peer.on_delivery = cut_off
    commit(feed, log, change(1))
    assert peer.told == [(1, 1)]


@pytest.mark.parametrize(("since", "refused"), [(2, "no longer held"), (6, "has not been reached")])
def test_a_watch_from_where_the_log_does_not_reach_is_refused(since: int, refused: str) -> None:
    feed = new_feed(Log(), 5, 3)
    with pytest.raises(Conflict, match=refused) as error:
        feed.watch(1, Peer(), {}, since)
    assert str(3 if since == 2 else 5) in error.value.detail
    for allowed in (3, 4, 5):
        assert feed.watch(1, Peer(), {}, allowed).position == allowed


def test_the_log_that_was_pruned_reaches_less_far_back_and_never_further() -> None:
    feed = new_feed(Log(), 9, 3)
    feed.pruned(5)
    feed.pruned(4)
    assert feed.gaps_rev == 5
    with pytest.raises(Conflict, match="rev 5"):
        feed.watch(1, Peer(), {}, 4)


def test_a_watch_that_is_behind_reads_the_log_and_then_what_is_recent() -> None:
    """Only two changes are held in memory: the rest comes from the log, each once, in order."""
    log = Log()
    size = len(change(1).task.body) + 200
    feed, peer = new_feed(log, recent=2 * size + 2), Peer()
    for rev in range(1, 10):
        commit(feed, log, change(rev))
    watch = begin(feed, peer, since=0)
    feed.resume(watch)
    assert peer.revs == list(range(1, 10))
    assert log.reads == [0], "what is recent is not read from the log"
    commit(feed, log, change(10))
    assert peer.revs == list(range(1, 11))
    within = begin(feed, other := Peer(), since=8)
    assert feed.resume(within)
    assert (other.revs, log.reads) == ([9, 10], [0])


def test_what_is_recent_is_bounded_by_its_bytes() -> None:
    """The last change that has no room left goes, and is read from the log from then on."""
    log = Log()
    size = len(change(1).task.body) + 200
    for room, reads in ((3 * size, []), (3 * size - 1, [2])):
        log.rows.clear()
        log.reads.clear()
        feed = new_feed(log, recent=room)
        commit(feed, log, *[change(rev) for rev in range(1, 6)])
        watch = begin(feed, peer := Peer(), since=2)
        feed.resume(watch)
        assert peer.revs == [3, 4, 5]
        assert log.reads == reads


def test_a_watch_that_is_behind_is_told_no_more_than_there_is_room() -> None:
    log = Log()
    feed, peer = new_feed(log, recent=0), Peer(room=2)
    commit(feed, log, *[change(rev) for rev in range(1, 6)])
    watch = begin(feed, peer, since=0)
    assert not feed.resume(watch)
    assert (peer.revs, watch.position) == ([1, 2], 2)
    commit(feed, log, change(6))
    assert peer.revs == [1, 2], "it is not live"
    peer.room = 10
    feed.resume(watch)
    assert peer.revs == [1, 2, 3, 4, 5, 6]


def test_so_is_one_that_lacks_recent_changes_alone() -> None:
    log = Log()
    feed, peer = new_feed(log), Peer(room=2)
    commit(feed, log, *[change(rev) for rev in range(1, 6)])
    watch = begin(feed, peer, since=0)
    assert not feed.resume(watch)
    assert (peer.revs, watch.position) == ([1, 2], 2)
    commit(feed, log, change(6))
    assert peer.revs == [1, 2]
    peer.room = 10
    assert feed.resume(watch)
    assert peer.revs == [1, 2, 3, 4, 5, 6]


def test_a_log_that_cannot_be_read_ends_the_watch_and_says_which() -> None:
    """Once; and nothing is told from then on, though later changes are there to be told."""
    log = Log()
    log.fault = StorageError("the disk is gone")
    feed, peer = new_feed(log, recent=0), Peer()
    commit(feed, log, change(1))
    watch = begin(feed, peer, 3, since=0)
    assert not feed.resume(watch)
    assert peer.faults == [(3, log.fault)]
    assert watch.closed
    log.fault = None
    assert feed.resume(watch)
    commit(feed, log, change(2))
    assert peer.told == []
    assert log.reads == [0]
    assert len(peer.faults) == 1


def test_a_watch_that_waits_for_its_page_asks_for_no_other() -> None:
    log = Log(at_once=False)
    feed, peer = new_feed(log, recent=0), Peer()
    commit(feed, log, change(1), change(2))
    watch = begin(feed, peer, since=0)
    for _ in range(3):
        assert not feed.resume(watch)
    assert log.reads == [0]
    commit(feed, log, change(3))
    log.waiting.pop()()
    assert peer.resumed == 1
    while log.waiting:
        log.waiting.pop()()
    assert peer.revs == [1, 2, 3]


def test_a_watch_that_ends_while_its_page_is_read_is_told_nothing_of_it() -> None:
    log = Log(at_once=False)
    feed, peer = new_feed(log, recent=0), Peer()
    commit(feed, log, change(1))
    watch = begin(feed, peer, since=0)
    assert not feed.resume(watch)
    feed.unwatch(watch)
    log.waiting.pop()()
    assert (peer.told, peer.resumed, peer.faults) == ([], 0, [])


def test_a_gap_at_the_end_of_the_log_holds_nothing_and_nobody_up() -> None:
    """Revs of commits that failed are never used."""
    log = Log()
    feed, peer = new_feed(log, last_rev=9), Peer()
    log.rows = [(2, "updated", change(2).task.body)]
    watch = begin(feed, peer, since=0)
    feed.resume(watch)
    assert peer.revs == [2]
    commit(feed, log, change(10))
    assert peer.revs == [2, 10]


WHERES = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from((frozenset({"running"}), frozenset({"finish", "running"}))),
        "user": st.sampled_from((frozenset({"u"}), frozenset({"u", "v"}))),
        "class": st.sampled_from((frozenset({"live"}), frozenset({"ended"}))),
    },
)


@given(
    where=WHERES,
    sight=st.sampled_from((None, Sight(frozenset("g"), "u"), Sight(frozenset(), "v"))),
    made=st.lists(
        st.tuples(
            st.sampled_from(("running", "finish")), st.sampled_from("uv"), st.sampled_from("gh")
        ),
        max_size=12,
    ),
    since=st.integers(0, 12),
    live_from=st.integers(0, 12),
    recent=st.sampled_from((0, 1500, ALL_THAT_FITS)),
    room=st.integers(1, 3),
)
def test_each_matching_change_in_sight_is_told_once_and_in_order(
    where: dict[str, frozenset[str]],
    sight: Sight | None,
    made: list[tuple[str, str, str]],
    since: int,
    live_from: int,
    recent: int,
    room: int,
) -> None:
    """Whenever the watch begins, wherever it begins, and however little room its peer has."""
    log = Log()
    feed, peer = new_feed(log, recent=recent), Peer(room=room)
    changes = [
        change(rev, status=status, user=user, group_id=group)
        for rev, (status, user, group) in enumerate(made, 1)
    ]
    live_from = min(live_from, len(changes))
    since = min(since, live_from)
    for one in changes[:live_from]:
        commit(feed, log, one)
    watch = begin(feed, peer, since=since, where=where, sight=sight)
    for one in changes[live_from:]:
        peer.room = room
        feed.resume(watch)
        commit(feed, log, one)
    for _ in range(50):
        peer.room = room
        feed.resume(watch)
    wanted = []
    for one in changes[since:]:
        fields = strictjson.loads(one.task.body)
        if matches(where, fields) and (sight is None or sight.sees(fields)):
            wanted.append(one.task.rev)
    assert peer.revs == wanted


def test_an_event_is_one_frame_for_all_watches_of_a_number_and_framing() -> None:
    task = change(5).task
    event = Event(5, "registered", task.body, task.status)
    frame = event.frame(TASKDASH, 1)
    body = b'{"rev":5,"kind":"registered","task":%b}' % task.body
    assert frame == TASKDASH.event({"Watch": 1}, body)
    assert event.frame(TASKDASH, 1) is frame
    assert event.frame(TASKDASH, 2) == TASKDASH.event({"Watch": 2}, body)
    assert event.frame(TCPX, 1) == TCPX.event({"Watch": 1}, body)
    assert event.frame(TASKDASH, 1) is frame


def test_most_events_are_matched_without_parsing_the_task() -> None:
    """A watch asks for a status most often, and each change is matched by each watch."""
    event = Event(1, "updated", b"no JSON at all", "running")
    assert event.matches({"status": frozenset({"running"})}) is True
    assert event.matches({"status": frozenset({"finish"})}) is False
    assert event.matches({"status": frozenset({"finish"}), "user": frozenset({"u"})}) is False
    assert event.matches({}) is True


def test_an_event_is_parsed_once() -> None:
    event = Event(1, "updated", change(1, user="u").task.body)
    assert event.fields["user"] == "u"
    assert event.fields is event.fields
    assert event.matches({"status": frozenset({"running"}), "user": frozenset({"u"})}) is True
    assert event.matches({"status": frozenset({"running"}), "user": frozenset({"v"})}) is False
    assert event.matches({"status": frozenset({"finish"}), "user": frozenset({"u"})}) is False


def test_records_of_a_commit_are_no_events() -> None:
    log = Log()
    feed, peer = new_feed(log), Peer()
    feed.resume(begin(feed, peer))
    feed.kept([("person", "1001", {})])
    assert peer.deliveries == []


@pytest.mark.parametrize("since", [None, 0])
def test_what_is_out_of_sight_is_not_told(since: int | None) -> None:
    """A live watch leaves it out as one does that reads the log."""
    log = Log()
    feed, peer = new_feed(log, recent=0), Peer()
    hidden, own = change(1, group_id="h"), change(2, group_id="h", user="u")
    if since is not None:
        commit(feed, log, hidden, own)
    watch = begin(feed, peer, since=since, sight=Sight(frozenset("g"), "u"))
    feed.resume(watch)
    if since is None:
        commit(feed, log, hidden, own)
    assert peer.revs == [2]
    commit(feed, log, change(3, group_id="h"), change(4, group_id="g"))
    assert peer.revs == [2, 4]
    assert watch.position == 4


@pytest.mark.parametrize("known", [1, 2])
def test_what_the_log_has_told_before_its_commit_was_announced_is_not_told_again(
    known: int,
) -> None:
    """The reader may see a commit before the event loop hears of it from the writer."""
    log = Log()
    feed, peer = new_feed(log, recent=0), Peer()
    commit(feed, log, change(1))
    early = [change(rev) for rev in (2, 3)][:known]
    log.rows += [(one.task.rev, one.kind, one.task.body) for one in early]
    watch = begin(feed, peer, since=0)
    feed.resume(watch)
    assert peer.revs == [1, 2, 3][: known + 1]
    feed.committed([change(2), change(3)])
    assert peer.revs == [1, 2, 3]
    commit(feed, log, change(4))
    assert peer.revs == [1, 2, 3, 4]
