"""The asynchronous client, under both event loops."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import taskdash
from taskdash import aio
from taskdash.testing import RunningDaemon, running_daemon

Main = Callable[[], Awaitable[None]]
Run = Callable[[Main], None]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with running_daemon(tmp_path_factory.mktemp("data"), heartbeat_timeout=0.6) as daemon:
        yield daemon


@pytest.fixture(params=["trio", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine function under one of the loops."""
    if request.param == "trio":
        return lambda main: trio.run(main)

    async def within(main: Main) -> None:
        await main()

    return lambda main: asyncio.run(within(main))


def test_the_same_names_do_the_same(daemon: RunningDaemon, run: Run) -> None:
    """register, update, find, query, watch and task do what the blocking client does."""

    async def main() -> None:
        async with aio.connect(daemon.url) as dash:
            assert dash.server.startswith("taskdashd/")
            assert dash.connected
            watch = await dash.watch({"group_id": "aio"})
            async with dash.task("block", group_id="aio") as task:
                task.progress(1, 2)
            assert await dash.drain()
            events = [await watch.next(5) for _ in range(3)]
            assert [e.task["status"] for e in events if e] == ["running", "running", "finish"]
            assert (await dash.find("block"))["progress"] == "1/2"
            for number in range(5):
                await dash.register(f"q{number}", "n", group_id="aio", status="finish")
            await dash.update("q3", own=False, description="changed")
            found = [task["id"] async for task in dash.query({"group_id": "aio"}, page=2)]
            assert found == ["block", *(f"q{number}" for number in range(5))]
            watch.close()
            with pytest.raises(taskdash.NotFound):
                await dash.find("nobody")
            with pytest.raises(taskdash.BadRequest):
                await dash.register("bad", "n", user=5)

    run(main)


def test_a_busy_event_loop_starves_no_heartbeat(daemon: RunningDaemon, run: Run) -> None:
    """The loop stands still for several timeouts; the task lives."""

    async def main() -> None:
        with taskdash.connect(daemon.url) as other:
            watch = other.watch({"id": "busy"})
            async with aio.connect(daemon.url) as dash:
                await dash.register("busy", "n", status="running")
                event = watch.next(5)
                assert event is not None
                assert event.task["status"] == "running"
                # Block this loop on purpose, waiting for a shutdown event that must not come.
                assert watch.next(1.8) is None
                await dash.update("busy", status="finish")

    run(main)


async def cancel_when_started(dash: aio.Client) -> None:
    """Begin an endless task, and cancel it once it runs."""

    async def work(started: Any, wait: Any) -> None:
        async with dash.task("endless"):
            started.set()
            await wait()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        begun = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, begun, trio.sleep_forever)
            await begun.wait()
            nursery.cancel_scope.cancel()
        return
    event = asyncio.Event()
    task = asyncio.create_task(work(event, asyncio.Event().wait))
    await event.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_an_exception_ends_the_task_as_failed_and_a_cancellation_as_cancelled(
    daemon: RunningDaemon, run: Run
) -> None:
    """The last status is written even while the task's own scope is being cancelled."""

    async def main() -> None:
        async with aio.connect(daemon.url) as dash:
            with pytest.raises(KeyError):
                async with dash.task("broken"):
                    raise KeyError("x")

            await cancel_when_started(dash)
            assert await dash.drain()
            assert (await dash.find("broken"))["reason"] == "KeyError: 'x'"
            assert (await dash.find("endless"))["status"] == "cancelled"

    run(main)


def test_a_daemon_that_is_not_there_is_said_to_be_unreachable(run: Run) -> None:
    """A refused connection is reported at once, a silent daemon after the timeout."""

    async def main() -> None:
        with pytest.raises(taskdash.ConnectionError, match="refused"):
            async with aio.connect("taskdash://127.0.0.1:1"):
                pass

    run(main)


def test_hooks_run_on_the_loop(tmp_path: Path, run: Run) -> None:
    """Hooks run on the loop's thread, so they may touch objects that belong to it."""
    called: list[tuple[str, int]] = []

    def hook(name: str) -> Callable[..., None]:
        return lambda *_: called.append((name, threading.get_ident()))

    async def main() -> None:
        with running_daemon(tmp_path) as first:
            async with aio.connect(
                first.url, on_disconnect=hook("down"), on_reconnect=hook("up")
            ) as dash:
                await dash.register("hooked", "n", status="running")
                first.stop()
                with running_daemon(tmp_path, port=first.port):
                    assert (await dash.find("hooked", timeout_s=15))["name"] == "n"

    run(main)
    assert called[:2] == [("down", threading.get_ident()), ("up", threading.get_ident())]


def test_many_calls_at_once_share_the_connection(daemon: RunningDaemon, run: Run) -> None:
    """Each call gets its own reply."""
    found: dict[int, str] = {}

    async def main() -> None:
        async with aio.connect(daemon.url) as dash:

            async def one(number: int) -> None:
                await dash.register(f"many-{number}", str(number), status="finish")
                found[number] = (await dash.find(f"many-{number}"))["name"]

            try:
                asyncio.get_running_loop()
                await asyncio.gather(*(one(number) for number in range(50)))
            except RuntimeError:
                async with trio.open_nursery() as nursery:
                    for number in range(50):
                        nursery.start_soon(one, number)

    run(main)
    assert found == {number: str(number) for number in range(50)}


def test_a_watch_is_iterated_over_or_entered_at_once(daemon: RunningDaemon, run: Run) -> None:
    """`watch` needs no await of its own; a watch ends with the client or its block."""

    async def main() -> None:
        async with aio.connect(daemon.url) as dash:
            await dash.register("at-once", "n", status="pending")
            async for event in dash.watch({"id": "at-once"}, since=0):
                assert event.task["id"] == "at-once"
                break
            async with dash.watch({"id": "at-once"}, since=0) as watch:
                again = await watch.next(10)
                assert again is not None
                assert again.task["id"] == "at-once"

    run(main)
