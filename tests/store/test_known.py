"""The filter of ids that may be on disk."""

from hypothesis import given
from hypothesis import strategies as st

from taskdashd.store.known import KnownIds

ids = st.sets(st.text(min_size=1, max_size=20), max_size=50)


@given(ids, ids)
def test_an_id_that_was_added_is_never_denied(before: set[str], after: set[str]) -> None:
    """An added id is known, whether it was there at the start or came later."""
    known = KnownIds(before)
    for task_id in after:
        known.add(task_id)
    assert all(task_id in known for task_id in before | after)


def test_few_others_are_taken_for_known_however_far_it_has_grown() -> None:
    """A Register of a new id seldom waits for a look at the disk."""
    known = KnownIds(f"old-{number}" for number in range(300_000))
    assert all(f"old-{number}" in known for number in range(0, 300_000, 997))
    wrong = sum(f"new-{number}" in known for number in range(20_000))
    assert wrong < 20_000 * 0.05
