"""The daemon's times: one form, and nothing else is taken for one."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdashd.domain.times import is_stamp, stamp

SECONDS = st.floats(0, 253_402_300_799, allow_nan=False)


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    assert stamp(0) == "1970-01-01T00:00:00.000Z"
    assert stamp(1_800_000_000.25) == "2027-01-15T08:00:00.250Z"


@given(SECONDS)
def test_what_is_written_is_read_as_the_same_time(seconds: float) -> None:
    """To the millisecond, always as long, and so in the order of text."""
    text = stamp(seconds)
    assert is_stamp(text)
    assert len(text) == 24
    read = datetime.fromisoformat(text)
    assert read.tzinfo is UTC
    assert 0 <= seconds - read.timestamp() + 0.000_1 < 0.0012


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.000000Z",
        "2026-01-01T00:00:00.000000",
        "2026-01-01T00:00:00.00000",
        "2026-13-01T00:00:00.000Z",
        "2026-02-30T00:00:00.000Z",
        "at the time that it was.Z",
        "x" * 23 + "Z",
        "2026-01-01T00:00:00.000z",
    ],
)
def test_what_is_not_written_so_is_no_time_of_the_daemon(text: str) -> None:
    assert is_stamp(text) is False
