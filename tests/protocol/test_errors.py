"""The errors: their codes, what a reply makes of them, and who holds a task."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol.errors import (
    BY_ERRID,
    OK_ERRMSG,
    AuthError,
    BadRequest,
    Busy,
    Conflict,
    FrameError,
    NotFound,
    ServerError,
    StorageError,
    TaskDashError,
    from_reply,
    unexpected_fault,
)

CODES = [
    (BadRequest, 1000, "请求格式不正确", False),
    (StorageError, 1001, "数据库存储失败", True),
    (NotFound, 1002, "不存在该任务id", False),
    (AuthError, 1003, "未授权", False),
    (Conflict, 1004, "冲突", False),
    (Busy, 1005, "服务繁忙", True),
]


@pytest.mark.parametrize(("kind", "errid", "errmsg", "retryable"), CODES)
def test_the_codes_of_the_wire(
    kind: type[ServerError], errid: int, errmsg: str, retryable: bool
) -> None:
    error = kind("why")
    assert (error.errid, error.errmsg, error.retryable) == (errid, errmsg, retryable)
    assert (error.detail, str(error), error.task_id) == ("why", "why", None)
    assert (error.cause, error.values) == ("", {})
    assert BY_ERRID[errid] is kind
    told = from_reply(errid, "told otherwise", "why")
    assert type(told) is kind
    assert (told.errid, told.errmsg, told.detail) == (errid, "told otherwise", "why")


def test_there_are_no_other_codes() -> None:
    assert [kind for kind, *_ in CODES] == list(BY_ERRID.values())
    assert OK_ERRMSG == "正确"
    assert not TaskDashError.retryable
    assert not FrameError("x").retryable


def test_a_code_of_a_newer_daemon_is_kept() -> None:
    told = from_reply(2000, "新", "")
    assert type(told) is ServerError
    assert (told.errid, told.errmsg, told.detail) == (2000, "新", "新")
    assert from_reply(1002, "没有", "").detail == "没有"
    assert from_reply(2000, "新", "why").detail == "why"
    assert (ServerError("x").errid, ServerError("x").errmsg) == (-1, "")
    assert ServerError("x", errid=7, errmsg="m").errid == 7
    assert ServerError("x", errid=0, errmsg="").errid == 0


def test_a_cause_comes_with_its_details() -> None:
    error = Conflict("why")
    assert error.because("taken", who="1001") is error
    assert (error.cause, error.values) == ("taken", {"who": "1001"})


@given(st.text(), st.text(), st.integers(0, 2**63 - 1))
def test_the_holder_is_read_out_of_the_refusal_that_names_it(
    why: str, holder: str, epoch: int
) -> None:
    """Whatever the client calls itself: the name ends where the time begins."""
    since = "2026-01-01T00:00:00.000Z"
    error = Conflict.held("because", holder, since, epoch)
    assert error.detail == f"because: held by {holder} since {since} with epoch {epoch}"
    assert error.holder == holder
    assert type(error) is Conflict
    assert Conflict(why.replace("held by", "")).holder is None


def test_a_fault_of_the_daemon_is_told_without_what_it_was() -> None:
    error = unexpected_fault()
    assert type(error) is StorageError
    assert error.detail == "an unexpected fault: it was logged"
