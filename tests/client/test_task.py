"""Tasks as blocks and as functions: how they begin, and how each way to end is told."""

import asyncio
from pathlib import Path

import pytest
import trio

import taskdash
from taskdash.task import ending
from taskdash.testing import running_daemon


def test_a_block_that_ends_well_is_finish(dash: taskdash.Client) -> None:
    """A block's task is running, tells its progress, and is finish with both times."""
    watch = dash.watch({"id": "block"})
    with dash.task("block", name="A block", user="wsg") as task:
        assert taskdash.current_task() is task
        task.progress(3, 7, "three of seven")
    kinds = [next(watch) for _ in range(3)]
    assert [event.task["status"] for event in kinds] == ["running", "running", "finish"]
    last = kinds[-1].task
    assert (last["name"], last["user"], last["progress"], last["description"]) == (
        "A block",
        "wsg",
        "3/7",
        "three of seven",
    )
    assert last["start_time"] <= last["stop_time"]
    with pytest.raises(LookupError):
        taskdash.current_task()


def test_an_exception_is_failed_with_its_first_line(dash: taskdash.Client) -> None:
    """The exception's first line is the reason, and the exception goes on its way."""
    with pytest.raises(ValueError, match="boom"), dash.task("broken"):
        raise ValueError("boom\nand more")
    task = dash.find("broken")
    assert (task["status"], task["reason"]) == ("failed", "ValueError: boom")


def test_ctrl_c_is_cancelled(dash: taskdash.Client) -> None:
    """Ctrl-C is no failure: somebody wanted the task to end."""
    with pytest.raises(KeyboardInterrupt), dash.task("stopped"):
        raise KeyboardInterrupt
    assert dash.find("stopped")["status"] == "cancelled"


def test_a_status_that_the_program_gave_at_the_end_stays(dash: taskdash.Client) -> None:
    """The block's end leaves a status that the program gave."""
    with dash.task("own-word") as task:
        task.update(status="failed", reason="no disk")
    task_found = dash.find("own-word")
    assert (task_found["status"], task_found["reason"]) == ("failed", "no disk")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "finish"),
        (SystemExit(0), "finish"),
        (SystemExit(None), "finish"),
        (SystemExit(3), "failed"),
        (asyncio.CancelledError(), "cancelled"),
        (GeneratorExit(), "cancelled"),
        (OSError(28, "No space left on device"), "failed"),
        (ExceptionGroup("both", [ValueError("a"), KeyError("b")]), "failed"),
        (BaseExceptionGroup("both", [KeyboardInterrupt(), KeyboardInterrupt()]), "cancelled"),
    ],
)
def test_how_each_end_is_told(error: BaseException | None, status: str) -> None:
    """Each end has its status, and a reason of one line."""
    word = ending(error)
    assert word["status"] == status
    assert "\n" not in word.get("reason", "")
    assert (status == "failed") <= bool(word.get("reason"))


def test_trios_cancellation_is_cancelled() -> None:
    """trio's Cancelled is known by its name, so that the client need not import trio."""

    async def main() -> BaseException:
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.sleep_forever()
            except trio.Cancelled as cancelled:
                caught = cancelled
                raise
        return caught

    assert ending(trio.run(main))["status"] == "cancelled"


def test_a_decorated_function_is_a_task_each_time(dash: taskdash.Client) -> None:
    """The function's result comes back, and `current_task` is known within."""

    @dash.task("decorated", user="wsg")
    def work(number: int) -> int:
        taskdash.current_task().progress(number, 10)
        return number * 2

    assert work(4) == 8
    assert dash.find("decorated")["progress"] == "4/10"
    assert work(5) == 10
    task = dash.find("decorated")
    assert (task["progress"], task["status"], work.__name__) == ("5/10", "finish", "work")


def test_a_decorated_coroutine_function_does_not_wait_for_the_daemon(tmp_path: Path) -> None:
    """The coroutine runs while the daemon is away, and its task is told once the daemon is back."""
    with running_daemon(tmp_path) as daemon:
        port = daemon.port
    with taskdash.connect(f"taskdash://127.0.0.1:{port}", background=True) as dash:

        @dash.task("coroutine")
        async def work() -> str:
            taskdash.current_task().progress(1, 2)
            return "done"

        assert asyncio.run(work()) == "done"
        assert not dash.connected
        with running_daemon(tmp_path, port=port):
            assert dash.drain(15)
            task = dash.find("coroutine")
            assert (task["status"], task["progress"]) == ("finish", "1/2")


def test_what_no_daemon_would_take_is_refused_at_once(dash: taskdash.Client) -> None:
    """The call raises: an error in the client's thread would reach nobody."""
    with dash.task("checked") as task, pytest.raises(taskdash.BadRequest, match="field user"):
        task.update(user=5)
    assert dash.find("checked")["status"] == "finish"


def test_a_reason_that_is_not_utf8_is_told_in_other_words() -> None:
    """The name of a file may hold any bytes; JSON cannot carry lone surrogates."""
    reason = ending(RuntimeError("cannot read \udcff.txt"))["reason"]
    assert reason == "RuntimeError: cannot read \\udcff.txt"
