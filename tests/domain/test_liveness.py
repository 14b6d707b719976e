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
