"""What happens around a client: names, broken routes, sleep, pickling, cancellation, the end."""

import asyncio
import atexit
import copy
import gc
import pickle
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import trio

import taskdash
from taskdash import aio, link
from taskdash.calls import State
from taskdash.testing import RunningDaemon
from taskdash.waiting import now_s

Resolve = Callable[..., list[Any]]


@pytest.fixture
def black_hole() -> Iterator[tuple[str, int]]:
    """Give an address that takes no connection and refuses none, as a route that is broken."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            # Fill the queue of what nobody accepts: from then on SYNs are dropped.
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


def resolve_to(monkeypatch: pytest.MonkeyPatch, addresses: list[tuple[str, int]]) -> None:
    """Have the name `office` mean what the list holds at the moment."""
    real: Resolve = socket.getaddrinfo

    def resolve(host: str, port: int, *args: Any, **more: Any) -> list[Any]:
        if host != "office":
            return real(host, port, *args, **more)
        return [found for one in addresses for found in real(*one, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_an_address_that_swallows_packets_leaves_time_for_the_next(
    daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch, black_hole: tuple[str, int]
) -> None:
    """Where IPv6 is broken and comes first, as it does, the other address is reached in time."""
    resolve_to(monkeypatch, [black_hole, ("127.0.0.1", daemon.port)])
    with taskdash.connect("taskdash://office?timeout=2") as dash:
        assert dash.connected
    resolve_to(monkeypatch, [black_hole, black_hole])
    begun = time.monotonic()
    with pytest.raises((taskdash.ConnectionError, taskdash.TimeoutError)):
        taskdash.connect("taskdash://office?timeout=0.4")
    assert time.monotonic() - begun < 2


def test_a_name_is_resolved_anew_for_each_connection(
    daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that has moved is found, and a name that is not there yet is waited for."""
    addresses: list[tuple[str, int]] = []
    resolve_to(monkeypatch, addresses)
    away, back = threading.Event(), threading.Event()
    with taskdash.connect(
        "taskdash://office",
        background=True,
        on_disconnect=lambda _error: away.set(),
        on_reconnect=back.set,
    ) as dash:
        assert away.wait(10)
        assert "the host has no address" in str(dash.fault)
        addresses.append(("127.0.0.1", 1))
        addresses.append(("127.0.0.1", daemon.port))
        assert back.wait(20)


def test_a_machine_that_has_slept_is_noticed_at_once(
    daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock goes on while the machine sleeps: who wakes asks what became of the tasks."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert abs(now_s() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1
    lost: list[str] = []
    away = threading.Event()

    def gone(error: taskdash.TaskDashError) -> None:
        lost.append(str(error))
        away.set()

    with taskdash.connect(daemon.url, on_disconnect=gone) as dash:
        dash.register("sleeper", "n", status="running")
        monkeypatch.setattr(link, "now_s", lambda: now_s() + 3600)
        assert away.wait(10)
        assert "stood still" in lost[0]
        assert dash.update("sleeper", number=1, timeout_s=15) > 1


def test_a_client_is_not_pickled_and_says_why(dash: taskdash.Client) -> None:
    """Nor what holds it; the words are no riddle about a lock or a lambda."""
    with dash.task("pickled", name="n") as task, dash.watch() as watch:
        for one in (dash, task, watch, dash.task("other")):
            with pytest.raises(TypeError, match="connect in each process"):
                pickle.dumps(one)
            with pytest.raises(TypeError, match="connect in each process"):
                copy.deepcopy(one)


@pytest.mark.parametrize(
    "error",
    [
        taskdash.Conflict.held("no", "them", "2026-01-01T00:00:00Z", 3),
        taskdash.Busy("busy").because("too-many-tries", seconds="3"),
        taskdash.ServerError("unknown", errid=99, errmsg="m"),
        taskdash.ConnectionError("gone"),
        taskdash.TimeoutError("late"),
        taskdash.ProtocolError("odd"),
    ],
)
def test_errors_come_whole_out_of_another_process(error: taskdash.TaskDashError) -> None:
    """A pool pickles what its workers raise; one that cannot be read back would hang it."""
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_a_cancelled_call_gives_its_reply_to_nobody_else(daemon: RunningDaemon) -> None:
    """Each later call gets its own reply, whenever the one before it was cancelled."""

    async def main() -> None:
        async with aio.connect(daemon.url) as dash:
            for number in range(10):
                await dash.register(f"mine-{number}", str(number), status="pending")
            for number in range(200):
                asked = asyncio.create_task(dash.find(f"mine-{number % 10}"))
                for _ in range(number % 7):
                    await asyncio.sleep(0)
                asked.cancel()
                other = (number + 3) % 10
                assert (await dash.find(f"mine-{other}"))["name"] == str(other)
                await asyncio.wait([asked])
            assert await dash.drain()

    asyncio.run(main())


def test_who_breaks_out_of_a_query_leaves_no_generator(daemon: RunningDaemon) -> None:
    """No warning comes, which trio and asyncio have for generators that nobody has closed."""

    async def main() -> None:
        async with aio.connect(daemon.url) as dash:
            for number in range(5):
                await dash.register(f"broken-{number}", "n", group_id="b", status="pending")
            rows = dash.query({"group_id": "b"}, page=2)
            async for row in rows:
                assert row["id"] == "broken-0"
                break
            assert [row["id"] async for row in rows] == [f"broken-{n}" for n in range(1, 5)]
            rows = dash.query(page=2)
            async for _row in rows:
                break
            await rows.aclose()
            assert [row async for row in rows] == []
            async for _row in dash.query(page=2):
                break
        gc.collect()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trio.run(main)
        asyncio.run(main())
    assert not [one for one in caught if "generator" in str(one.message)]


def test_the_last_words_go_out_where_no_hook_can_be_called(
    daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Python 3.12 starts no thread while the program ends: what is to be sent is sent."""
    dash = taskdash.connect(daemon.url, on_lost=lambda *_: None)
    dash.register("taken-late", "n")
    dash.register("said-late", "n")
    with taskdash.connect(daemon.url) as other:
        other.register("taken-late", "n", status="finish")
        real = threading.Thread.start

        def start(thread: threading.Thread) -> None:
            if thread.name == "taskdash-hooks":
                raise RuntimeError("can't create new thread at interpreter shutdown")
            real(thread)

        monkeypatch.setattr(threading.Thread, "start", start)
        dash.say("taken-late", status="finish")
        dash.say("said-late", status="finish")
        dash.close()
        assert other.find("said-late")["status"] == "finish"
    assert "a hook of the program is not called" in caplog.text


def test_clients_that_were_closed_leave_nothing_behind(daemon: RunningDaemon) -> None:
    """A service that connects for each job grows by none of them, whichever face it uses."""

    async def main() -> None:
        async with aio.connect(daemon.url) as dash:
            dash.hold("job", {"name": "n", "status": "finish"}, None, replaces=True)

    def connect() -> None:
        taskdash.connect(daemon.url).close()
        asyncio.run(main())

    connect()
    gc.collect()
    before, callbacks = len(list(link._links)), atexit._ncallbacks()
    for _ in range(20):
        connect()
    for thread in threading.enumerate():
        if thread.name == "taskdash" and len(list(link._links)) > before:
            thread.join(0.5)
    gc.collect()
    assert len(list(link._links)) <= before
    assert atexit._ncallbacks() == callbacks


def test_what_is_said_just_before_close_is_sent(
    daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread has seen that nothing is to be said, and then looks whether it should end."""
    real = link.Link._tell
    seen, go_on = threading.Event(), threading.Event()

    def tell(one: link.Link) -> None:
        real(one)
        if one.session.state is State.GREETING and not seen.is_set():
            seen.set()
            go_on.wait(10)

    monkeypatch.setattr(link.Link, "_tell", tell)
    dash = taskdash.connect(daemon.url, background=True)
    assert seen.wait(10)
    dash.hold("between", {"name": "n", "status": "finish"}, None, replaces=True)
    dash.close(0)
    go_on.set()
    assert dash._link._thread is not None
    dash._link._thread.join(10)
    with taskdash.connect(daemon.url) as other:
        assert other.find("between")["status"] == "finish"
