"""A database that is away, without one: who is told what, and what becomes of a commit in limbo."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from test_writer import Disk, Office, act, outcome

from taskdash_protocol.errors import StorageError
from taskdashd.domain.acts import Act
from taskdashd.domain.tasks import Change
from taskdashd.store.faults import Away, Fenced, OutcomeUnknown
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal

pytestmark = pytest.mark.fault(57)

GONE = Away("the server is gone")
LOST = OutcomeUnknown("the connection was lost")


class Server(Disk):
    """A database that can be away, lose its connection in a commit, and be taken."""

    def __init__(self) -> None:
        super().__init__()
        self.is_up = True
        self.loses: bool | None = None
        """Whether the next commit is lost, and then is stored or is not; None for neither."""
        self.limbo: bool | None = None
        self.is_taken = False
        self.calls: list[str] = []

    def append(
        self,
        changes: Sequence[Change],
        acts: Sequence[Act],
        records: Sequence[Record],
        removals: Sequence[Removal],
    ) -> None:
        self.calls.append("append")
        assert self.limbo is None, "nothing is committed before the last one is settled"
        self._check()
        if self.loses is not True:
            self._fail()
        if self.loses is not False:
            super().append(changes, acts, records, removals)
        if self.loses is not None:
            self.limbo, self.loses, self.is_up = self.loses, None, False
            raise LOST

    def settle(self) -> bool | None:
        self.calls.append("settle")
        self._check()
        limbo, self.limbo = self.limbo, None
        return limbo

    def fold(self, to_rev: int) -> None:
        self._check()
        super().fold(to_rev)

    def _check(self) -> None:
        if self.is_taken:
            raise Fenced("another daemon writes to it")
        if not self.is_up:
            raise GONE


class RemoteOffice(Office):
    """An office whose database is a server."""

    def __init__(self, **bounds: int) -> None:
        super().__init__(**bounds)
        self.disk: Server = Server()
        self.writer._database = self.disk  # type: ignore[assignment]
        self.writer.absence._database = self.disk  # type: ignore[assignment]

    def lose(self, *, is_stored: bool) -> None:
        self.disk.loses = is_stored
        self.step()

    def come_back(self) -> None:
        self.disk.is_up = True
        self.writer.absence.ask()
        self.finish()


def test_what_was_lost_in_a_commit_is_told_to_nobody_and_taken_in_once_it_is_found() -> None:
    """Who waits gets neither a yes nor a no; followers see the change as if it had come late."""
    office = RemoteOffice()
    office.writer.note([act(1)])
    office.finish()
    office.write("one", "a")
    office.keep("two", "1001")
    office.lose(is_stored=True)
    assert outcome(said := office.take(), "one") is LOST
    # The second was still in the queue: nothing of it was sent, which is an answer.
    assert type(outcome(said, "two")) is Away
    assert office.view.task("a") is None
    office.come_back()
    assert office.take() == [("committed", [1])]
    task = office.view.task("a")
    assert task is not None and task.rev == 1
    assert office.writer.absence.why is None
    office.write("three", "a")
    office.finish()
    assert [change.task.rev for change in office.disk.changes] == [1, 3], "no rev comes twice"
    assert office.disk.changes[1].previous is task
    assert [one.who for one in office.disk.acts] == ["1"]


def test_what_was_lost_and_is_not_there_never_was() -> None:
    office = RemoteOffice()
    office.write("one", "a")
    office.lose(is_stored=False)
    assert outcome(office.take(), "one") is LOST
    office.come_back()
    assert (office.take(), office.view.task("a")) == ([], None)
    office.write("two", "a")
    office.finish()
    assert office.written == ["a"]
    assert office.disk.changes[0].previous is None


def test_acts_of_a_lost_commit_are_stored_once() -> None:
    for is_stored in (True, False):
        office = RemoteOffice()
        office.writer.note([act(1), act(2)])
        office.lose(is_stored=is_stored)
        office.writer.note([act(3)])
        office.come_back()
        office.writer.note([act(4)])
        office.finish()
        assert [one.who for one in office.disk.acts] == ["1", "2", "3", "4"]


def test_while_it_is_away_a_write_is_refused_at_once_and_one_at_a_time_asks() -> None:
    """None takes the time of a connection that is not made, and none of them waits."""
    office = RemoteOffice()
    office.disk.is_up = False
    office.write("one", "a")
    office.step()
    for name in ("two", "three"):
        office.write(name, "a")
    assert [(name, type(what)) for name, what in office.take()] == [
        ("one", Away),
        ("two", Away),
        ("three", Away),
    ]
    assert not office.executor.jobs
    for _ in range(3):
        office.writer.absence.ask()
    assert len(office.executor.jobs) == 1
    office.step()
    assert office.writer.absence.why is not None
    assert office.disk.calls == ["append", "settle"]
    let_in: list[str] = []
    office.writer.when_roomy(lambda: let_in.append("one"))
    office.writer.flush()
    assert let_in == ["one"], "who waits for room is told at once as well"
    office.come_back()
    office.write("four", "a")
    office.finish()
    assert office.written == ["a"]


def test_acts_and_queries_wait_within_bounds_or_are_told() -> None:
    office = RemoteOffice()
    office.write("one", "a")
    office.finish()
    office.disk.is_up = False
    office.write("two", "b")
    office.step()
    caught_up: list[Any] = []
    office.writer.catch_up(caught_up.append)
    assert [type(one) for one in caught_up] == [Away], "a Query goes on with what it can read"
    for number in range(12_000):
        office.writer.note([act(number)])
    office.come_back()
    office.finish()
    assert len(office.disk.acts) == 10_000


def test_a_query_that_waits_for_the_fold_as_it_is_lost_is_told() -> None:
    office = RemoteOffice()
    office.write("one", "a")
    office.finish()
    office.write("two", "b")
    caught_up: list[Any] = []
    office.writer.catch_up(caught_up.append)
    office.lose(is_stored=False)
    office.writer.flush()
    assert len(caught_up) == 1
    assert isinstance(caught_up[0], Away)


def test_a_look_at_an_idle_one_finds_that_it_is_away() -> None:
    """Nobody is judged meanwhile, though nobody writes: `Supervisor` asks now and then."""
    office = RemoteOffice()
    office.disk.is_up = False
    office.writer.absence.ask()
    office.step()
    assert office.writer.absence.why is GONE
    assert office.faults == [GONE]
    office.come_back()
    assert office.writer.absence.why is None
    office.writer.absence.ask()
    office.step()
    assert office.writer.absence.why is None


def test_a_write_decided_while_a_look_finds_that_it_is_away_is_told() -> None:
    """No commit of its own begins any more, and nobody may wait until the server is back."""
    office = RemoteOffice()
    office.write("one", "a")
    office.finish()
    office.disk.is_up = False
    office.writer.absence.ask()
    office.write("two", "b", flush=False)
    office.step()
    office.writer.flush()
    assert isinstance(outcome(office.take(), "two"), Away)
    assert office.writer.idle


def test_one_that_another_daemon_has_never_comes_back() -> None:
    """What it refused is not there; nothing is asked or written any more, and it is no fault."""
    for how in ("write", "look", "fold"):
        office = RemoteOffice()
        office.write("before", "a")
        office.finish()
        office.disk.is_taken = True
        office.take()
        office.disk.calls.clear()
        if how == "write":
            office.write("one", "b")
        elif how == "fold":
            office.writer.fold_some()
            office.writer.fold_some()
        else:
            office.writer.absence.ask()
        office.step()
        assert office.writer.absence.is_fenced, how
        office.write("two", "c")
        assert isinstance(outcome(office.take(), "two"), Away)
        office.writer.note([act(1)])
        office.writer.absence.ask()
        assert not office.executor.jobs, how
        assert office.written == ["a"]
        assert office.writer.idle


class AwayNowAndThen(RuleBasedStateMachine):
    """Writes and acts, by a server that comes and goes and loses commits."""

    def __init__(self) -> None:
        super().__init__()
        self.office = RemoteOffice(batch_rows_max=3)
        self.asked: list[str] = []
        self.queries: list[str] = []
        self.caught_up: list[str] = []
        self.acts = 0

    @rule(
        ids=st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True),
        flush=st.booleans(),
    )
    def write(self, ids: list[str], flush: bool) -> None:
        name = str(len(self.asked))
        self.asked.append(name)
        self.office.write(name, *ids, description=name, flush=flush)

    @rule()
    def flush(self) -> None:
        self.office.writer.flush()

    @rule()
    def catch_up(self) -> None:
        name = f"query{len(self.queries)}"
        self.queries.append(name)
        self.office.writer.catch_up(lambda _outcome: self.caught_up.append(name))

    @rule()
    def note(self) -> None:
        self.acts += 1
        self.office.writer.note([act(self.acts)])

    @rule()
    def fold(self) -> None:
        self.office.writer.fold_some()

    @precondition(lambda self: self.office.executor.jobs)
    @rule()
    def step(self) -> None:
        self.office.step()

    @precondition(lambda self: self.office.disk.limbo is None)
    @rule(how=st.sampled_from([True, False, None]))
    def lose_the_next(self, how: bool | None) -> None:
        self.office.disk.loses = how

    @rule(is_up=st.booleans())
    def go_or_come(self, is_up: bool) -> None:
        self.office.disk.is_up = is_up

    @rule()
    def ask(self) -> None:
        if self.office.writer.absence.why is not None or self.office.writer.idle:
            self.office.writer.absence.ask()

    @invariant()
    def nobody_waits_for_what_is_not_asked(self) -> None:
        office = self.office
        if not office.executor.jobs and office.writer.absence.why is not None:
            office.writer.flush()
            told = [name for name, _ in office.said if name != "committed"]
            assert sorted(told) == sorted(self.asked)
            assert sorted(self.caught_up) == sorted(self.queries)

    @invariant()
    def no_rev_comes_twice_and_followers_see_them_in_order(self) -> None:
        revs = [change.task.rev for change in self.office.disk.changes]
        assert revs == sorted(set(revs))
        seen = [rev for who, what in self.office.said if who == "committed" for rev in what]
        assert revs[: len(seen)] == seen

    @invariant()
    def each_change_stands_on_the_one_before(self) -> None:
        last: dict[str, int] = {}
        for change in self.office.disk.changes:
            before = 0 if change.previous is None else change.previous.rev
            assert before == last.get(change.task.id, 0), change.task.id
            last[change.task.id] = change.task.rev

    @invariant()
    def an_answer_is_true(self) -> None:
        stored = {change.task.body.decode() for change in self.office.disk.changes}
        for name, what in self.office.said:
            if name == "committed":
                continue
            is_there = any(f'"description":"{name}"' in body for body in stored)
            if what == name:
                assert is_there, f"{name} was answered, and is not there"
            elif not isinstance(what, OutcomeUnknown):
                assert isinstance(what, StorageError), what
                assert not is_there, f"{name} was refused, and is there"

    def teardown(self) -> None:
        office = self.office
        office.disk.loses = None
        office.finish()
        office.disk.is_up = True
        if office.writer.absence.why is not None:
            office.come_back()
        office.writer.note([act(0)])
        office.finish()
        assert office.writer.absence.why is None
        assert office.disk.limbo is None
        told = [name for name, _ in office.said if name != "committed"]
        assert sorted(told) == sorted(self.asked), "each was told once"
        seen = [rev for who, what in office.said if who == "committed" for rev in what]
        assert seen == [change.task.rev for change in office.disk.changes]
        assert sorted(int(one.who) for one in office.disk.acts) == list(range(self.acts + 1))
        assert (office.writer.waiting_rows, office.view.pending) == (0, {})
        for change in office.disk.changes:
            task = office.view.task(change.task.id)
            assert task is not None and task.rev >= change.task.rev
        for fault in office.faults:
            assert isinstance(fault, Away | OutcomeUnknown), fault


TestAwayNowAndThen = AwayNowAndThen.TestCase
TestAwayNowAndThen.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
