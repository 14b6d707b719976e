"""The client's edges: what is no number or filter, a slip in a status, how long close takes."""

import math
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import trio

import taskdash
from taskdash import Status, aio, statuses
from taskdash.testing import RunningDaemon, running_daemon
from taskdash_protocol.families.tasks import Register
from taskdash_protocol.statuses import ENDED, WAITING, is_live

NAN = float("nan")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"loss": NAN}, "field loss is NaN or infinite"),
        ({"loss": math.inf, "none": None}, "field loss is"),
        ({"points": [{"x": 1.0}, {"x": -math.inf}]}, r"field points\.1\.x is"),
        ({"pair": (0.0, NAN)}, r"field pair\.1 is"),
    ],
)
def test_what_is_no_number_is_refused_by_name(
    dash: taskdash.Client, fields: dict[str, Any], words: str
) -> None:
    """By every way that fields go: JSON would have null for it, and nobody would be told."""
    dash.register("numbers", "n", kept=None, status="pending")
    with pytest.raises(taskdash.BadRequest, match=words):
        dash.register("numbers", "n", **fields)
    with pytest.raises(taskdash.BadRequest, match=words):
        dash.update("numbers", own=False, **fields)
    with pytest.raises(taskdash.BadRequest, match=words):
        dash.ask("Update", id="numbers", **fields)
    request = Register.parse({"id": "numbers", "name": "n", **fields})
    (outcome,) = dash.pipeline([request])
    assert isinstance(outcome, taskdash.BadRequest)
    with dash.task("numbers-in-a-block", name="n") as task:
        with pytest.raises(taskdash.BadRequest, match=words):
            task.update(**fields)
        task.update(kept=[None, 1.5])
    assert dash.find("numbers")["kept"] is None


def test_progress_is_of_numbers(dash: taskdash.Client) -> None:
    """A loss that has become NaN would stand on the board as a text."""
    with dash.task("progress", name="n") as task:
        for done, total in ((NAN, 7), (1, NAN), (math.inf, 7)):
            with pytest.raises(taskdash.BadRequest, match="progress is so much of so much"):
                task.progress(done, total)
        task.progress(3, 7)
    assert dash.find("progress")["progress"] == "3/7"


def test_a_timeout_that_is_no_number_sends_nothing(dash: taskdash.Client) -> None:
    """A call with it raises before the daemon hears of it."""
    with pytest.raises(ValueError, match="timeout_s is no number"):
        dash.register("never", "n", timeout_s=NAN)
    with pytest.raises(taskdash.NotFound):
        dash.find("never")


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("user=mx", "where is no mapping: 'user=mx': write {"),
        (["user"], "where is no mapping"),
        ({"status": 5}, r"where\['status'\] is text, or several texts"),
        ({"status": [5]}, r"where\['status'\] is text, or several texts"),
        ({"user": None}, r"where\['user'\] is text"),
        ({"user": b"mx"}, r"where\['user'\] is text"),
        ({"user": {"mx": 1}}, r"where\['user'\] is text"),
        ({5: "mx"}, "where names fields as text, not 5"),
        ({"nothing": "mx"}, "cannot be selected by 'nothing'"),
    ],
)
def test_what_is_no_filter_is_refused_at_the_call(
    dash: taskdash.Client, daemon: RunningDaemon, where: Any, words: str
) -> None:
    """With an example, in all four ways; and not only at the first task that is taken."""
    with pytest.raises(taskdash.BadRequest, match=words):
        dash.query(where)
    with pytest.raises(taskdash.BadRequest, match=words):
        dash.watch(where)

    async def main() -> None:
        async with aio.connect(daemon.url) as other:
            with pytest.raises(taskdash.BadRequest, match=words):
                other.query(where)
            with pytest.raises(taskdash.BadRequest, match=words):
                await other.watch(where)

    trio.run(main)


def test_values_may_come_from_any_iterable(dash: taskdash.Client) -> None:
    """Sets, tuples and generators do."""
    dash.register("iterable", "n", user="u-iterable", status="pending")
    for values in ({"u-iterable"}, ("u-iterable", "x"), iter(["u-iterable"])):
        assert [task["id"] for task in dash.query({"user": values})] == ["iterable"]


def test_current_task_outside_says_where_it_is_known(dash: taskdash.Client) -> None:
    """The sentence tells of threads, which are outside too."""
    with pytest.raises(LookupError, match=r"no task here: .*within `with dash\.task"):
        taskdash.current_task()
    caught: list[BaseException] = []

    def look() -> None:
        try:
            taskdash.current_task()
        except LookupError as error:
            caught.append(error)

    with dash.task("threads", name="n"):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert "hand the task to threads" in str(caught[0])


def test_the_token_and_the_timeout_may_be_arguments(tmp_path: Path) -> None:
    """What is given so goes before the environment and the URL, also under event loops."""
    with pytest.raises(taskdash.TimeoutError, match=r"within 0\.2 s"), Silent() as url:
        taskdash.connect(f"{url}?timeout=60", timeout=0.2)
    bad: Any
    for bad in (0, -1, NAN, math.inf, "5"):
        with pytest.raises(ValueError, match="timeout must be a positive number of seconds"):
            taskdash.connect(timeout=bad)
    made = subprocess.run(
        [sys.executable, "-m", "taskdashd", "token", "create", "one", "--data", tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    with running_daemon(tmp_path, auth="tokens") as daemon:
        with taskdash.connect(daemon.url, token=made.stdout, timeout=15) as dash:
            assert dash.address.timeout_s == 15
            taskdash.connect(daemon.url, token=made.stdout, timeout=1e300).close()
            assert made.stdout.strip() not in repr((dash.address, vars(dash)))
            dash.register("a", "n", status="finish")
        with pytest.raises(taskdash.AuthError):
            taskdash.connect(daemon.url, token="td_wrong_token")

        async def main() -> None:
            async with aio.connect(daemon.url, token=made.stdout.strip(), timeout=15) as other:
                assert (await other.find("a"))["status"] == "finish"

        trio.run(main)


class Silent:
    """A port that accepts connections and says nothing."""

    def __enter__(self) -> str:
        self._socket = socket.create_server(("127.0.0.1", 0))
        return f"taskdash://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def test_close_takes_its_timeout_once(tmp_path: Path) -> None:
    """A daemon that has stopped to answer is waited for so long, and not twice as long."""
    with running_daemon(tmp_path) as daemon:
        dash = taskdash.connect(daemon.url)
        dash.register("a", "n")
        daemon.signal(signal.SIGSTOP)
        dash.say("a", number=1)
        begun = time.monotonic()
        dash.close(1.0)
        took_s = time.monotonic() - begun
        daemon.signal(signal.SIGCONT)
        assert 0.9 < took_s < 1.9


def test_code_that_holds_the_interpreters_lock_is_shut_down_and_comes_back(
    dash: taskdash.Client, daemon: RunningDaemon
) -> None:
    """As the guide says: no thread of Python runs meanwhile, that of the client neither."""
    program = """
        import ctypes, taskdash
        with taskdash.connect() as dash:
            with dash.task("held", name="n", heartbeat_timeout=0.5), dash.task("apart", name="n"):
                ctypes.PyDLL(None).usleep(2_000_000)
                dash.update("held", number=1)
    """
    with dash.watch({"id": ["held", "apart"]}) as events:
        env = {**os.environ, "TASKDASH_URL": daemon.url}
        subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, env=env)
        told = [next(events) for _ in range(6)]
    held = [(one.kind, one.task["status"]) for one in told if one.task["id"] == "held"]
    assert held[:3] == [
        ("registered", "running"),
        ("shutdown", "shutdown"),
        ("recovered", "running"),
    ]
    assert "shutdown" not in [one.kind for one in told if one.task["id"] == "apart"]


def test_each_status_is_of_its_class() -> None:
    """What the constants are named after is what the daemon takes them for."""
    named = {name: value for name, value in vars(Status).items() if name.isupper()}
    ends = {named.pop(name) for name in ("FINISH", "FAILED", "CANCELLED", "SHUTDOWN")}
    assert ends | {"finished"} == ENDED
    assert is_live(named.pop("RUNNING"))
    assert set(named.values()) == WAITING


@pytest.mark.parametrize(
    ("status", "meant"),
    [
        ("done", "finish"),
        ("Completed", "finish"),
        ("已完成", "finish"),
        ("Finish", "finish"),
        ("finihsed", "finished"),
        ("error", "failed"),
        ("faild", "failed"),
        (" Pending", "pending"),
        ("canceled", "cancelled"),
        ("cancled", "cancelled"),
    ],
)
def test_a_status_that_reads_as_an_end_and_is_none_is_warned_of(
    dash: taskdash.Client, monkeypatch: pytest.MonkeyPatch, status: str, meant: str
) -> None:
    """Once for each word, at the line that says it; the task is written as it was said."""
    monkeypatch.setattr(statuses, "_looked_at", set())
    dash.register("slip", "n", status="running")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            dash.update("slip", status=status)
    (warning,) = caught
    assert re.search(f"{status!r} is live.*Is {meant!r} meant", str(warning.message))
    assert warning.filename == __file__
    assert dash.find("slip")["status"] == status


@pytest.mark.parametrize(
    "status",
    ["", "running", "rendering", "finish", "finished", "待领取", "渲染中", "50%", "x" * 99],
)
def test_other_statuses_are_free_text(
    dash: taskdash.Client, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """Nobody is warned of a word that only the office knows."""
    monkeypatch.setattr(statuses, "_looked_at", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dash.register("free", "n", status=status)


def test_a_warning_names_the_programs_own_line(daemon: RunningDaemon) -> None:
    """By every way to say a status, from a script as people write it."""
    program = """
        import taskdash, taskdash.aio, trio
        dash = taskdash.connect()
        dash.register("way-1", "n", status="done")
        dash.update("way-1", status="closed")
        dash.say("way-1", status="ended")
        with dash.task("way-2", status="complete") as task:
            task.update(status="succeeded")
        async def main():
            async with taskdash.aio.connect() as dash:
                await dash.register("way-3", "n", status="resolved")
                async with dash.task("way-4", status="success"):
                    pass
        trio.run(main)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TASKDASH_URL": daemon.url},
    )
    lines = [line for line in done.stderr.splitlines() if "UserWarning" in line]
    assert [line.split(":")[:2] for line in lines] == [
        ["<string>", number] for number in ("4", "5", "6", "7", "8", "11", "12")
    ]
