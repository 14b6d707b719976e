"""The deadline structure: what it costs, and what it never does."""

from hypothesis import given
from hypothesis import strategies as st

from taskdashd.domain.liveness import Lease, Liveness, Owner


def test_a_beat_costs_the_same_with_ten_tasks_and_with_a_hundred_thousand() -> None:
    """Beats write one number; the heap has one entry a lease, however many tasks it holds."""
    heaps = []
    for tasks in (10, 100_000):
        liveness, owner = Liveness(30.0), Owner(1, 0.0)
        liveness.connect(owner)
        for number in range(tasks):
            liveness.supervise(str(number), owner, None)
        for beat in range(1000):
            owner.last_seen = float(beat)
            assert not list(liveness.due(float(beat)))
        heaps.append(len(liveness._heap))
    assert heaps[0] == heaps[1] == 2


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),  # owner
            st.integers(0, 3),  # task
            st.sampled_from(("supervise", "release", "beat", "wait", "close")),
            st.sampled_from((None, 1.0, 2.0, 5.0)),
        ),
        max_size=60,
    )
)
def test_due_is_exactly_what_a_look_at_every_task_would_find(
    steps: list[tuple[int, int, str, float | None]],
) -> None:
    """The heap agrees with a dict of tasks that is searched whole at every step."""
    liveness, now = Liveness(3.0), 0.0
    owners = [Owner(number, now) for number in range(3)]
    for owner in owners:
        liveness.connect(owner)
    held: dict[str, tuple[Owner, float | None]] = {}
    for who, what, action, timeout in steps:
        owner, task = owners[who], str(what)
        if action == "supervise":
            held[task] = (owner, timeout)
            liveness.supervise(task, owner, timeout)
        elif action == "release":
            held.pop(task, None)
            liveness.release(task)
        elif action == "beat":
            owner.last_seen = now
        elif action == "close":
            owner.is_open = False
        else:
            now += 0.5
        overdue = {
            task for task, (owner, own) in held.items() if now - owner.last_seen >= (own or 3.0)
        }
        found: set[str] = set()
        for entry in list(liveness.due(now)):
            if isinstance(entry, Lease):
                found |= entry.tasks
                for task in list(entry.tasks):
                    liveness.release(task)
            else:
                assert entry.is_open
                assert now - entry.last_seen >= 3.0
                liveness.again(entry, now + 0.5)
        assert found == overdue
        for task in overdue:
            del held[task]
        assert len(liveness) == len(held)


def test_an_owner_whose_longest_timeout_shrinks_is_due_earlier() -> None:
    """The entry in the heap may be too early, never too late."""
    liveness, owner = Liveness(30.0), Owner(1, 0.0)
    liveness.connect(owner)
    liveness.count(owner, 100.0, +1)
    assert liveness.silence_s(owner) == 100.0
    liveness.count(owner, 100.0, -1)
    liveness.count(owner, 2.0, +1)
    assert list(liveness.due(1.9)) == []
    assert list(liveness.due(2.0)) == [owner]


def test_a_new_default_timeout_moves_the_deadlines_that_depend_on_it() -> None:
    """Deadlines of tasks with a timeout of their own stay."""
    liveness, owner = Liveness(30.0), Owner(1, 0.0)
    liveness.supervise("default", owner, None)
    liveness.supervise("own", owner, 20.0)
    liveness.default_timeout_s = 5.0
    liveness.refresh()
    (lease,) = liveness.due(5.0)
    assert isinstance(lease, Lease)
    assert lease.tasks == {"default"}


def test_who_is_silent_is_judged_by_the_timeout_that_is_asked_about() -> None:
    """The task's own where it has one, else the default; at the timeout, not after it."""
    liveness, owner = Liveness(30.0), Owner(1, 100.0)
    for timeout, allowed in ((None, 30.0), (5.0, 5.0), (60.0, 60.0)):
        assert liveness.is_silent(owner, timeout, 100.0 + allowed - 0.5) is False
        assert liveness.is_silent(owner, timeout, 100.0 + allowed) is True
        assert liveness.is_silent(owner, timeout, 100.0 + allowed + 0.5) is True
    owner.is_open = False
    assert liveness.is_silent(owner, 60.0, 100.0) is True


def test_a_connection_may_be_silent_for_as_long_as_its_most_patient_task() -> None:
    """A timeout counts while the owner has any task with it, and a shorter one does not."""
    liveness, owner = Liveness(30.0), Owner(1, 0.0)
    liveness.count(owner, 5.0, +1)
    assert liveness.silence_s(owner) == 5.0
    liveness.count(owner, None, +1)
    assert liveness.silence_s(owner) == 30.0
    liveness.count(owner, 100.0, +1)
    liveness.count(owner, 100.0, +1)
    liveness.count(owner, 100.0, -1)
    assert liveness.silence_s(owner) == 100.0
    liveness.count(owner, 100.0, -1)
    assert liveness.silence_s(owner) == 30.0
    assert owner.timeouts == {5.0: 1, None: 1}
    # Tasks of a service from before a restart were not counted.
    liveness.count(owner, 7.0, -1)
    liveness.count(owner, None, -1)
    liveness.count(owner, 5.0, -1)
    assert owner.timeouts == {}
    assert liveness.silence_s(owner) == 30.0


def test_a_task_that_is_counted_moves_no_deadline_of_a_closed_connection() -> None:
    liveness, owner = Liveness(30.0), Owner(1, 0.0, is_open=False)
    liveness.count(owner, 5.0, +1)
    assert liveness.next_look() is None
    assert list(liveness.due(100.0)) == []


def test_a_new_default_is_taken_over_at_once() -> None:
    liveness, owner = Liveness(30.0), Owner(1, 0.0)
    liveness.connect(owner)
    liveness.adopt(5.0)
    assert liveness.default_timeout_s == 5.0
    assert liveness.silence_s(owner) == 5.0
    assert liveness.next_look() == 5.0
    assert list(liveness.due(5.0)) == [owner]


def test_a_closed_connection_is_not_due_and_its_tasks_are() -> None:
    liveness, owner = Liveness(30.0), Owner(1, 0.0)
    liveness.connect(owner)
    liveness.supervise("a", owner, None)
    liveness.disconnect(owner)
    assert not owner.is_open
    (lease,) = liveness.due(30.0)
    assert isinstance(lease, Lease)
    assert lease.tasks == {"a"}


def test_a_supervised_task_has_one_owner() -> None:
    """The owner that wrote it last; whether the timeout stays the same or changes."""
    liveness, first, second = Liveness(30.0), Owner(1, 0.0), Owner(2, 0.0)
    assert (first.serial, second.serial) == (1, 2)
    assert liveness.owner_of("a") is None
    liveness.supervise("a", first, None)
    assert liveness.owner_of("a") is first
    liveness.supervise("a", second, None)
    assert liveness.owner_of("a") is second
    assert first.leases == {}
    liveness.supervise("a", second, 5.0)
    assert list(second.leases) == [5.0]
    assert len(liveness) == 1
    liveness.release("a")
    liveness.release("a")
    assert liveness.owner_of("a") is None
    assert len(liveness) == 0
    assert second.leases == {}
    assert list(liveness.due(1000.0)) == []


def test_a_write_that_changes_no_owner_leaves_the_heap_alone() -> None:
    """The only task of a lease is written every second for a day: still one entry."""
    liveness, owner = Liveness(30.0), Owner(1, 0.0)
    for _ in range(100):
        liveness.supervise("a", owner, 86_400.0)
    assert len(liveness._heap) == 1
    assert liveness.next_look() == 86_400.0


def test_what_is_void_does_not_stay_until_its_deadline() -> None:
    """Tasks and connections with a timeout of a day come and go all day long."""
    liveness, holder = Liveness(86_400.0), Owner(0, 0.0)
    liveness.connect(holder)
    liveness.supervise("stays", holder, 50.0)
    for number in range(3000):
        owner = Owner(number, 0.0)
        liveness.connect(owner)
        liveness.supervise(str(number), owner, None)
        liveness.release(str(number))
        liveness.disconnect(owner)
        assert len(liveness._heap) < 2100
    for number in range(1500):
        owner = Owner(number, 0.0)
        liveness.connect(owner)
        liveness.disconnect(owner)
    assert len(liveness._heap) < 2100
    assert liveness.next_look() == 50.0
    (lease,) = liveness.due(50.0)
    assert isinstance(lease, Lease)
    assert lease.tasks == {"stays"}


def test_a_few_void_entries_cost_no_rebuild() -> None:
    """The heap is rebuilt where half of it is void: beside many that stand, a thousand are few."""
    liveness = Liveness(86_400.0)
    standing = [Owner(number, 0.0) for number in range(2000)]
    for owner in standing:
        liveness.connect(owner)
    for number in range(1400):
        owner = Owner(number, 0.0)
        liveness.connect(owner)
        liveness.disconnect(owner)
    assert len(liveness._heap) == 3400


def test_a_due_entry_comes_up_once_and_again_when_it_is_put_back() -> None:
    liveness, owner = Liveness(10.0), Owner(1, 0.0)
    assert liveness.next_look() is None
    liveness.connect(owner)
    assert liveness.next_look() == 10.0
    assert list(liveness.due(9.9)) == []
    assert list(liveness.due(10.0)) == [owner]
    assert list(liveness.due(1000.0)) == []
    liveness.again(owner, 12.0)
    assert list(liveness.due(11.9)) == []
    assert list(liveness.due(12.0)) == [owner]


def test_a_deadline_that_has_moved_on_is_looked_at_when_it_comes() -> None:
    """An entry that comes up too early goes back for the true deadline, and stays one entry."""
    liveness, owner = Liveness(10.0), Owner(1, 0.0)
    liveness.connect(owner)
    owner.last_seen = 7.0
    assert list(liveness.due(10.0)) == []
    assert liveness.next_look() == 17.0
    assert list(liveness.due(16.9)) == []
    assert list(liveness.due(17.0)) == [owner]


def test_entries_of_one_moment_come_up_in_the_order_they_were_put_there() -> None:
    """Owners cannot be compared: equal times must not fall to them."""
    liveness = Liveness(10.0)
    owners = [Owner(number, 0.0) for number in range(20)]
    for owner in owners:
        liveness.connect(owner)
    assert list(liveness.due(10.0)) == owners


def test_a_refresh_keeps_one_entry_of_each() -> None:
    """An entry that was scheduled anew leaves an older one, void, behind."""
    liveness, owner = Liveness(100.0), Owner(1, 0.0)
    liveness.connect(owner)
    liveness.count(owner, 50.0, +1)
    liveness.supervise("a", owner, 50.0)
    gone = Owner(2, 0.0)
    liveness.connect(gone)
    gone.is_open = False
    assert len(liveness._heap) == 4
    liveness.refresh()
    assert len(liveness._heap) == 2
    assert len(list(liveness.due(50.0))) == 2
    assert not list(liveness.due(1000.0))


def test_an_entry_that_was_scheduled_earlier_does_not_come_up_a_second_time() -> None:
    liveness, owner = Liveness(100.0), Owner(1, 0.0)
    liveness.connect(owner)
    liveness.count(owner, 50.0, +1)
    assert list(liveness.due(50.0)) == [owner]
    assert list(liveness.due(1000.0)) == []


def test_the_heap_is_rebuilt_once_for_a_thousand_void_entries() -> None:
    """A rebuild looks at everything: it must not come with every connection that is closed."""

    class Counted(Liveness):
        rebuilt = 0

        def refresh(self) -> None:
            self.rebuilt += 1
            super().refresh()

    liveness = Counted(86_400.0)
    for number in range(5000):
        owner = Owner(number, 0.0)
        liveness.connect(owner)
        liveness.disconnect(owner)
    assert 3 <= liveness.rebuilt <= 5


def test_a_deadline_that_is_put_off_takes_no_second_entry() -> None:
    """A service with tasks of ever longer timeouts has one entry, which is only ever too early."""
    liveness, owner = Liveness(30.0), Owner(1, 0.0)
    liveness.connect(owner)
    liveness.connect(owner)
    for timeout in range(40, 90):
        liveness.count(owner, float(timeout), +1)
    assert len(liveness._heap) == 1
    assert liveness.next_look() == 30.0
    assert list(liveness.due(88.9)) == []
    assert list(liveness.due(89.0)) == [owner]
