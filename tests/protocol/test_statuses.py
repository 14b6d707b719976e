"""Each status is of one class, and only live ones are supervised."""

import pytest

from taskdash_protocol.statuses import CLASSES, ENDED, WAITING, is_live, status_class


@pytest.mark.parametrize(
    ("status", "of"),
    [
        *[(one, "ended") for one in ("finish", "finished", "failed", "cancelled", "shutdown")],
        *[
            (one, "waiting")
            for one in ("待领取", "已领取", "编辑中", "待审核", "pending", "review")
        ],
        *[(one, "live") for one in ("", "running", "Finish", "执行中", " ")],
    ],
)
def test_a_status_is_of_one_class(status: str, of: str) -> None:
    assert status_class(status) == of
    assert is_live(status) is (of == "live")
    assert (status in ENDED, status in WAITING) == (of == "ended", of == "waiting")


def test_the_classes_by_name() -> None:
    assert CLASSES == ("live", "waiting", "ended")
