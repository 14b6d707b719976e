"""What is in memory: bounded by bytes, as small as it can be, and not thrown out too soon."""

from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol.families.tasks import Register
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Moment, Task
from taskdashd.store import kept
from taskdashd.store.cache import Cache

AT = "2026-01-01T00:00:00.000Z"


def task(task_id: str, rev: int = 1, size: int = 0) -> Task:
    request = Register.parse({"id": task_id, "name": "n", "description": "x" * size})
    return tasks.register(None, request, Author(1, "me"), Moment(rev, AT)).task


def ask_for(cache: Cache, task_id: str) -> bool:
    """Look for a task as a Find does, and have it loaded where it is not here; tell whether so."""
    if cache.entries.get(task_id) is not None:
        return False
    cache.begin_look_up()
    cache.bring(task_id, kept.of(task(task_id)))
    assert cache.entries.get(task_id) is not None, "who had it loaded needs it now"
    return True


def test_who_asks_in_turn_for_more_than_fits_finds_most_of_what_does() -> None:
    """An LRU cache would find none: each was thrown out just before it is asked for again."""
    each = 150 + len(kept.of(task("t00000")))
    ids = [f"t{number:05}" for number in range(2_000)]
    cache = Cache(1_600 * each)
    for _ in range(3):
        misses = sum(ask_for(cache, task_id) for task_id in ids)
    assert 400 <= misses < 600
    assert cache.bytes <= 1_600 * each


def test_those_who_ask_for_others_have_these_in_memory_in_the_end() -> None:
    """What nobody asks for any more goes, one for each sixteen that had no room."""
    each = 150 + len(kept.of(task("t00000")))
    cache = Cache(500 * each)
    for number in range(500):
        ask_for(cache, f"o{number:05}")
    ids = [f"t{number:05}" for number in range(450)]
    misses = [sum(ask_for(cache, task_id) for task_id in ids) for _ in range(60)]
    assert misses[0] == 450
    assert misses[-1] < 100


def test_a_task_is_kept_as_bytes_until_a_member_is_needed() -> None:
    cache = Cache(1 << 20)
    stays = kept.of(task("a"))
    cache.bring("a", stays)
    assert cache.entries.get("a") is stays
    made = cache.task("a")
    assert made == task("a")
    assert cache.task("a") is made, "not made twice"
    assert cache.entries.get("a") is made


def test_what_is_written_is_bytes_once_look_ups_need_the_room() -> None:
    """As a `Task` it takes three times the room; but to make bytes of it takes time."""
    cache = Cache(60 * 1_300)
    for number in range(50):
        cache.put(f"t{number:02}", task(f"t{number:02}"))
    assert all(isinstance(one, Task) for one in cache.entries.values())
    for number in range(60):
        ask_for(cache, f"o{number}")
    assert len(cache.entries) == 110
    assert isinstance(cache.entries.get("t00"), bytes)
    assert isinstance(cache.entries.get("t49"), Task)
    assert cache.task("t00") == task("t00")


def test_what_is_written_beyond_the_room_takes_the_place_of_what_was_before() -> None:
    cache = Cache(20 * 1_300)
    for number in range(100):
        cache.put(f"t{number:02}", task(f"t{number:02}"))
        assert cache.bytes <= 20 * 1_300
    assert 15 < len(cache.entries) <= 30
    assert "t99" in cache.entries
    assert "t00" not in cache.entries


def test_what_was_used_last_stays_a_task() -> None:
    cache = Cache(100 * 1_200)
    for number in range(100):
        cache.put(f"t{number:02}", task(f"t{number:02}"))
        assert isinstance(cache.entries.get("t00"), Task)
        cache.task("t00")


def test_what_one_look_up_brings_is_there_together() -> None:
    """An operation may need a thousand at once, and none of them is of use alone."""
    each = 150 + len(kept.of(task("t0000")))
    cache = Cache(1_100 * each)
    for number in range(1_100):
        ask_for(cache, f"o{number:04}")
    cache.begin_look_up()
    ids = [f"t{number:04}" for number in range(1_000)]
    for task_id in ids:
        cache.bring(task_id, kept.of(task(task_id)))
    assert all(map(cache.entries.get, ids))
    assert cache.bytes <= 1_100 * each


def test_the_last_one_stays_however_large_it_is() -> None:
    """Or the operation that had it loaded would load it for ever."""
    cache = Cache(1)
    cache.put("a", task("a", size=1_000))
    cache.put("b", task("b", size=1_000))
    assert [one in cache.entries for one in "ab"] == [False, True]
    cache.bring("c", kept.of(task("c", size=1_000)))
    assert "c" in cache.entries
    cache.bring("d", None)
    assert "d" in cache.entries
    assert cache.task("d") is None


def cost(entry: Task | bytes | None) -> int:
    if isinstance(entry, Task):
        return 800 + len(entry.body)
    return 150 + (0 if entry is None else len(entry))


@given(st.integers(0, 5_000))
def test_to_look_at_one_task_makes_none_unknown(bytes_max: int) -> None:
    """An operation sees that all its tasks are here, and then looks at them one after another."""
    cache = Cache(bytes_max)
    ids = [f"t{number}" for number in range(6)]
    cache.begin_look_up()
    for task_id in ids:
        cache.bring(task_id, kept.of(task(task_id)))
    there = [task_id for task_id in ids if task_id in cache.entries]
    for _ in range(2):
        for task_id in there:
            assert cache.task(task_id) == task(task_id)
    cache.put("new", task("new"))
    assert cache.bytes <= bytes_max or len(cache.entries) <= 2


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("put", "bring", "absent", "task", "drop", "look-up", "clear")),
        st.sampled_from("abcdefghij"),
        st.integers(0, 600),
    ),
    max_size=60,
)


@given(STEPS, st.sampled_from((1, 2_000, 6_000, 1 << 20)))
def test_it_has_what_was_put_last_and_counts_what_it_has(
    steps: list[tuple[str, str, int]], bytes_max: int
) -> None:
    cache, there = Cache(bytes_max), dict[str, Task | None]()
    for rev, (what, task_id, size) in enumerate(steps, 1):
        if what == "put":
            there[task_id] = task(task_id, rev, size)
            cache.put(task_id, there[task_id])  # type: ignore[arg-type]
            assert task_id in cache.entries
        elif what in ("bring", "absent") and task_id not in cache.entries:
            there[task_id] = one = task(task_id, rev, size) if what == "bring" else None
            cache.bring(task_id, None if one is None else kept.of(one))
            assert task_id in cache.entries
        elif what == "task" and task_id in cache.entries:
            assert cache.task(task_id) == there[task_id]
            assert task_id in cache.entries
        elif what == "drop":
            cache.drop(task_id)
            assert task_id not in cache.entries
        elif what == "look-up":
            cache.begin_look_up()
        elif what == "clear":
            cache.clear()
            assert (len(cache.entries), cache.bytes) == (0, 0)
        entries = [cache.entries.get(one) for one in "abcdefghij" if one in cache.entries]
        assert cache.bytes == sum(map(cost, entries))
        # To look makes objects of bytes, a quarter of the room at most, and drops nothing.
        most = bytes_max if what in ("put", "bring") else bytes_max * 5 // 4 + 1_500
        assert cache.bytes <= most or len(cache.entries) <= 2
