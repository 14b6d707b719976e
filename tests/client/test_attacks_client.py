"""Attacks on the Python client: each test states a rule that was found broken."""

import contextlib
import contextvars
import gc
import logging
import math
import os
import resource
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from simulated import TIMEOUT_S, SimulatedClient, back, found

import taskdash
from taskdash import aio
from taskdash.calls import Event, Watching
from taskdash.session import Session
from taskdash.task import TaskHandle
from taskdash.testing import RunningDaemon, running_daemon
from taskdash.write import Outcome, checked_write
from taskdash_protocol import strictjson
from taskdash_protocol.families.tasks import Find
from taskdash_protocol.frames import TASKDASH, Decoder
from taskdashd.testing import World

# Text that fits a frame, but not with all that the daemon adds: only the daemon refuses it.
TOO_LARGE = "x" * ((1 << 20) - 700)
HELLO = {"server": "fake", "heartbeat_timeout": 30, "heartbeat_interval": 10}


# The session against a simulated daemon


def live(client: SimulatedClient, seconds: float) -> None:
    end = client.world.time + seconds
    while client.world.time < end:
        client.world.advance(0.25)
        client.pump()


def begin(client: SimulatedClient, task_id: str, **fields: Any) -> None:
    client.say(task_id, replaces=True, name="n", status="running", **fields)
    client.pump()


def lose_what_is_sent(client: SimulatedClient) -> None:
    assert client.peer is not None
    client.peer.send_bytes = lambda _data: None  # type: ignore[method-assign]


def test_a_take_up_that_the_disk_refused_is_tried_again(
    world: World, client: SimulatedClient
) -> None:
    """1001 to the write that takes a task up on a new connection must not abandon the task."""
    begin(client, "a")
    client.cut()
    world.database.full = True
    back(client)
    live(client, 3)
    world.database.full = False
    live(client, TIMEOUT_S * 3)
    assert found(world, "a")["status"] == "running"


def test_a_take_up_refused_for_a_bad_write_is_tried_without_it(
    world: World, client: SimulatedClient
) -> None:
    """A refused update that rode on the take-up must not cost the task its owner."""
    begin(client, "a")
    client.cut()
    client.say("a", big=TOO_LARGE)
    back(client)
    live(client, TIMEOUT_S * 3)
    assert found(world, "a")["status"] == "running"


def test_a_task_that_was_lost_is_not_taken_back_by_the_next_word(
    world: World, client: SimulatedClient
) -> None:
    """After on_lost, say and update change nothing until the program registers the task anew."""
    begin(client, "a")
    client.cut()
    thief = world.connect("thief")
    thief.ask("Register", id="a", name="n", status="running", user="thief")
    client.mention("a", user="me")
    back(client)
    assert client.hooked[-1][0] == "lost"
    client.mention("a", status="finish")
    client.pump()
    task = found(world, "a")
    assert (task["status"], task["epoch"]) == ("running", 2)


def test_a_register_in_doubt_is_not_taken_for_done_by_an_old_record(
    world: World, client: SimulatedClient
) -> None:
    """Register replaces all fields: what an older run left behind is no proof that it arrived."""
    old = world.connect("old")
    old.ask("Register", id="a", name="n", status="running", description="of yesterday")
    old.close()
    lose_what_is_sent(client)
    begin(client, "a", fenced=True)
    client.cut()
    back(client)
    live(client, 1)
    task = found(world, "a")
    assert (task["description"], task.get("fenced")) == ("", True)


def test_an_update_of_the_timeout_in_doubt_is_not_taken_for_done(
    world: World, client: SimulatedClient
) -> None:
    """heartbeat_timeout and fenced count too when it is asked whether a write arrived."""
    begin(client, "a", heartbeat_timeout=5)
    lose_what_is_sent(client)
    client.say("a", heartbeat_timeout=600)
    client.pump()
    client.cut()
    back(client)
    live(client, 1)
    assert found(world, "a")["heartbeat_timeout"] == 600


@pytest.mark.parametrize("value", [Path("/x"), {1, 2}, "\udc80", 2**64])
def test_what_cannot_be_written_as_json_is_refused_at_the_call(value: object) -> None:
    """Such a value would kill the client's thread later, or leave the task stuck for ever."""
    with pytest.raises(taskdash.BadRequest):
        checked_write("a", {"field": value}, None, replaces=False)


def test_a_request_that_cannot_be_written_as_json_does_not_end_the_session() -> None:
    """A call that waits for the connection must not raise in the client's thread."""
    session = Session("x")
    outcomes: list[Outcome] = []
    try:
        session.call(Find("\udc80"), outcomes.append)
    except taskdash.BadRequest:
        return
    Wire(session)
    assert isinstance(outcomes[0], taskdash.BadRequest)


def test_a_write_above_the_daemons_frame_limit_is_refused_once(
    world: World, client: SimulatedClient
) -> None:
    """Sent again and again, it would break the connection of every other task, for ever."""
    outcome = client.say("a", replaces=True, name="n", status="running", log="x" * (2 << 20))
    client.pump()
    for _ in range(5):
        back(client)
    breaks = sum(kind == "down" for kind, _ in client.hooked)
    assert (breaks <= 1, [type(one) for one in outcome]) == (True, [taskdash.BadRequest])


def test_a_word_after_the_end_does_not_hold_the_task_for_ever(
    world: World, client: SimulatedClient
) -> None:
    """An update of a finished task leaves nothing held, and a reconnect writes nothing to it."""
    begin(client, "a")
    client.say("a", status="finish")
    client.pump()
    client.say("a", description="see the log")
    client.pump()
    rev = found(world, "a")["rev"]
    client.cut()
    back(client)
    assert (found(world, "a")["rev"], client.session.tasks.held) == (rev, {})


def test_a_task_taken_over_by_update_is_beaten_for_as_its_own_timeout_asks(
    world: World, client: SimulatedClient
) -> None:
    """The first owner's heartbeat_timeout still holds: beats at our own would come too late."""
    world.connect("first").ask("Register", id="a", name="n", status="running", heartbeat_timeout=2)
    client.say("a", description="mine now")
    client.pump()
    live(client, 20)
    assert found(world, "a")["status"] == "running"


def test_a_takeover_that_says_what_we_said_is_still_a_takeover(
    world: World, client: SimulatedClient
) -> None:
    """A write in doubt on a connection that owned the task cannot have raised its epoch."""
    begin(client, "a")
    lose_what_is_sent(client)
    client.mention("a", status="running")
    client.pump()
    client.cut()
    world.connect("thief").ask("Update", id="a", user="thief")
    back(client)
    assert (client.hooked[-1][0], found(world, "a")["epoch"]) == ("lost", 2)


def test_a_read_that_nobody_waits_for_is_not_asked_again(
    world: World, client: SimulatedClient
) -> None:
    """A call that timed out after it was sent is forgotten at the reconnect."""
    client.deaf = True
    call = client.session.call(Find("x"), lambda _outcome: None)
    client.pump()
    client.session.forget(call)
    client.cut()
    assert not client.session._waiting


def test_a_bad_write_takes_no_good_one_with_it(world: World, client: SimulatedClient) -> None:
    """Of writes that were joined, only the one that is refused fails."""
    begin(client, "a")
    client.mention("a", number=0)
    good = client.say("a", description="good")
    bad = client.say("a", big=TOO_LARGE)
    client.pump()
    live(client, 3)
    assert found(world, "a")["description"] == "good"
    assert (type(good[0]), type(bad[0])) == (dict, taskdash.BadRequest)


def test_a_stall_of_the_network_shorter_than_the_daemons_timeout_is_noticed(
    world: World, client: SimulatedClient
) -> None:
    """A task that died of the stall, by a short timeout, comes back on the same connection."""
    begin(client, "long")
    begin(client, "short", heartbeat_timeout=2)
    peer = client.peer
    assert peer is not None
    late: list[bytes] = []
    peer.send_bytes, really = late.append, peer.send_bytes  # type: ignore[method-assign]
    live(client, 5)
    peer.send_bytes = really  # type: ignore[method-assign]
    for data in late:
        peer.send_bytes(data)
    live(client, 30)
    assert found(world, "short")["status"] == "running"


def test_a_daemon_that_throws_us_out_at_once_is_not_besieged(client: SimulatedClient) -> None:
    """The backoff grows while connections live for no time, though each was greeted."""
    before = client.world.time
    for _ in range(30):
        client.cut()
        back(client)
    assert client.world.time - before > 10


# The session alone, answered by hand


class Wire:
    """The daemon's side of a session: greets it, and answers as a test says."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.seq = 1
        session.connected(0.0)
        self.reply(1, **HELLO)

    def reply(self, seq: int, errid: int = 0, **body: Any) -> None:
        frame = TASKDASH.reply({"Seq": seq}, strictjson.dumps({"errid": errid, **body}))
        self.session.receive(frame, 0.0)


def begun(session: Session, task_id: str) -> None:
    write = checked_write(task_id, {"name": "n", "status": "running"}, None, replaces=True)
    session.hold(task_id, write, 0.0)


def test_ten_thousand_tasks_leave_room_for_calls() -> None:
    """Requests that the client makes for its tasks do not count as calls of the program."""
    session = Session("x")
    for number in range(10_001):
        begun(session, f"t{number}")
    Wire(session)
    outcomes: list[Outcome] = []
    session.call(Find("x"), outcomes.append)
    assert outcomes == []


def least(took: Callable[[int], float], tasks: int) -> float:
    """Measure a few times and take the least: other processes, and the collector, only add."""
    return min(took(tasks) for _ in range(3))


def test_the_cost_of_a_reply_does_not_grow_with_the_tasks_held() -> None:
    """Ten times the tasks take about ten times as long to be taken up, not a hundred times."""

    def took(tasks: int) -> float:
        session = Session("x")
        for number in range(tasks):
            begun(session, f"t{number}")
        wire = Wire(session)
        before = time.thread_time()
        for number in range(tasks):
            wire.reply(number + 2, epoch=1)
        return time.thread_time() - before

    assert least(took, 3000) < 40 * least(took, 300)


def test_a_watch_that_a_busy_daemon_refuses_to_resume_is_asked_for_again() -> None:
    """1005 says try again later: it is no end of a watch that lives over connections."""
    session = Session("x")
    wire = Wire(session)
    told: list[object] = []
    session.watch(Watching({}, None, told.append, lambda _outcome: None))
    wire.reply(2, watch=1, rev=5)
    session.disconnected(0.0, taskdash.ConnectionError("cut"))
    Wire(session).reply(2, errid=1005)
    assert told == []


def test_drain_waits_only_for_what_was_said_before_it() -> None:
    """Other threads that go on writing must not keep drain from ever returning."""
    session = Session("x")
    wire = Wire(session)
    begun(session, "mine")
    drained: list[bool] = []
    session.drain(drained.append)
    begun(session, "theirs")
    wire.reply(2, epoch=1)
    assert drained == [True]


# A task's handle


def handle() -> tuple[TaskHandle, list[dict[str, Any]]]:
    said: list[dict[str, Any]] = []

    def hold(_id: str, fields: dict[str, Any], _done: Any, *, replaces: bool = False) -> None:
        said.append(fields)

    return TaskHandle(hold, "x", {}), said


def test_a_last_status_stays_whatever_else_is_said_after_it() -> None:
    """update(status="failed"), then update(description=...): the end says nothing over it."""
    task, _ = handle()
    task.update(status="failed")
    task.update(description="see the log")
    assert task._last_word(None) is None


def test_progress_shows_large_numbers_in_full() -> None:
    """1234567 of 10000000 is not 1.23457e+06/1e+07."""
    task, said = handle()
    task.progress(1234567, 10000000)
    assert said[0]["progress"] == "1234567/10000000"


# The client, with a real daemon or none


@pytest.fixture
def nowhere() -> Iterator[str]:
    """Give the URL of a port that refuses connections, and that nobody else takes."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"taskdash://127.0.0.1:{bound.getsockname()[1]}"


class FakeDaemon:
    """Answers each request with what a function gives: a body, bytes, or None for silence."""

    def __init__(self, answer: Callable[[str, int], dict[str, Any] | bytes | None]) -> None:
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"taskdash://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __enter__(self) -> "FakeDaemon":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
                with peer:
                    self._talk(peer)
            except OSError:
                if self._server.fileno() == -1 or not self._listens():
                    return

    def _listens(self) -> bool:
        return bool(self._server.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))

    def _talk(self, peer: socket.socket) -> None:
        decoder = Decoder(framing=TASKDASH)
        while data := peer.recv(65536):
            decoder.feed(data)
            while (message := decoder.next()) is not None:
                header = getattr(message, "header", None) or {}
                if "RequestID" not in header:
                    continue
                out = self._answer(header["RequestID"], header["Seq"])
                if isinstance(out, dict):
                    out = TASKDASH.reply(header, strictjson.dumps({"errid": 0, **out}))
                if out:
                    peer.sendall(out)


def steal(daemon: RunningDaemon, task_id: str) -> None:
    with taskdash.connect(daemon.url) as thief:
        thief.register(task_id, "n", user="thief", status="finish")


def test_a_hook_may_call_the_client(daemon: RunningDaemon) -> None:
    """on_lost may ask who has the task now: the call is answered before its timeout."""
    heard: list[object] = []
    called = threading.Event()

    def lost(task_id: str, _error: Exception) -> None:
        try:
            heard.append(dash.find(task_id, timeout_s=0.5)["user"])
        except taskdash.TaskDashError as error:
            heard.append(error)
        called.set()

    with taskdash.connect(daemon.url, on_lost=lost) as dash:
        dash.register("asks", "n", status="running")
        steal(daemon, "asks")
        dash.say("asks", user="me")
        assert called.wait(2)
    assert heard == ["thief"]


def test_a_hook_that_takes_long_stops_no_heartbeat(tmp_path: Path) -> None:
    """The thread that sends heartbeats does not run the program's code."""
    release = threading.Event()
    with running_daemon(tmp_path, heartbeat_timeout=0.6) as daemon:
        with (
            taskdash.connect(daemon.url) as other,
            taskdash.connect(daemon.url, on_lost=lambda *_: release.wait(2)) as dash,
        ):
            dash.register("lives", "n", status="running")
            dash.register("lost", "n", status="running")
            watch = other.watch({"id": "lives"})
            steal(daemon, "lost")
            dash.say("lost", user="me")
            event = watch.next(1.6)
            release.set()
        assert event is None


def test_nothing_is_logged_while_the_lock_is_held(daemon: RunningDaemon) -> None:
    """A logging handler that calls the client would deadlock, and every thread with it."""
    locked: list[bool] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            locked.append(dash._link.is_held_here)

    handler = Handler()
    logging.getLogger("taskdash").addHandler(handler)
    try:
        with taskdash.connect(daemon.url) as dash:
            dash.register("logged", "n", status="running")
            steal(daemon, "logged")
            dash.say("logged", user="me")
            dash.drain()
    finally:
        logging.getLogger("taskdash").removeHandler(handler)
    assert locked == [False]


def test_a_program_with_many_open_files_reconnects(nowhere: str) -> None:
    """select() cannot wait for a descriptor of 1024 or more; the client's thread dies of it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with taskdash.connect(nowhere, background=True) as dash:
            dash._link._thread.join(0.7)
            assert not dash.closed
    finally:
        for number in files:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_drain_is_false_where_the_client_gave_up(nowhere: str) -> None:
    """drain returns True only where the daemon has every write."""
    with taskdash.connect(nowhere, background=True, reconnect_for_s=0.05) as dash:
        dash.say("x", status="finish")
        assert dash.drain(2) is False


def test_updates_that_timed_out_do_not_pile_up(nowhere: str) -> None:
    """Once nobody waits for a write, only the newest state of its task is kept."""
    with taskdash.connect(nowhere, background=True) as dash:
        for number in range(100):
            with pytest.raises(taskdash.TaskDashError):
                dash.update("x", timeout_s=0, number=number)
        assert len(dash._link.session.tasks.held["x"]._queue) < 5


def test_drains_that_timed_out_do_not_pile_up(nowhere: str) -> None:
    """A program that polls with drain(0.1) for a week must not fill the memory."""
    with taskdash.connect(nowhere, background=True) as dash:
        dash.say("x", status="finish")
        for _ in range(100):
            dash.drain(0)
        assert len(dash._link.session.drains._drains) < 5


def test_what_a_pipeline_gave_up_is_not_sent_later(nowhere: str) -> None:
    """Writes that were given up free their places, or every other call is refused as Busy."""
    with taskdash.connect(nowhere, background=True) as dash:
        list(dash.pipeline((Find("x") for _ in range(300)), timeout_s=0))
        assert len(dash._link.session._waiting) == 0


def test_a_register_that_raised_begins_no_task(tmp_path: Path, nowhere: str) -> None:
    """A block that was not entered must not leave a task that runs for as long as the client."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with taskdash.connect(f"taskdash://127.0.0.1:{port}", background=True) as dash:
        with pytest.raises(taskdash.TaskDashError), dash.task("zombie", timeout_s=0):
            pass
        with running_daemon(tmp_path, port=port):
            assert dash.drain(10)
            left = [task["status"] for task in dash.query({"id": "zombie"}, timeout_s=10)]
    assert "running" not in left


def test_a_block_whose_beginning_was_cancelled_begins_no_task(daemon: RunningDaemon) -> None:
    """Cancelled while it registers: the task is not left running."""

    async def main() -> list[str]:
        async with aio.connect(daemon.url) as dash:
            with trio.CancelScope() as scope:
                scope.cancel()
                async with dash.task("unborn"):
                    pass
            await dash.drain()
            return [task["status"] async for task in dash.query({"id": "unborn"})]

    assert "running" not in trio.run(main)


def test_the_last_word_is_said_where_the_client_is_cancelled_with_its_task(
    daemon: RunningDaemon,
) -> None:
    """Under trio the client's own end is cancelled too; `cancelled` must arrive all the same."""

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with aio.connect(daemon.url) as dash, dash.task("word") as task:
                task.progress(1, 2)
                scope.cancel()
                await trio.sleep_forever()

    trio.run(main)
    for thread in threading.enumerate():
        if thread.name == "taskdash":
            thread.join(1)
    with taskdash.connect(daemon.url) as dash:
        assert dash.find("word")["status"] == "cancelled"


def test_a_hook_that_raises_does_not_crash_trio(nowhere: str) -> None:
    """An exception in run_sync_soon ends the whole program with TrioInternalError."""

    async def main() -> None:
        called = trio.Event()

        def hook(_error: Exception) -> None:
            called.set()
            raise ValueError("the hook's own")

        async with aio.connect(nowhere, background=True, on_disconnect=hook):
            await called.wait()
            await trio.lowlevel.checkpoint()

    trio.run(main)


def test_an_async_hook_is_refused_or_run(nowhere: str) -> None:
    """Called as a plain function, it would make a coroutine that nobody awaits."""
    ran: list[object] = []
    called = threading.Event()

    async def hook(error: Exception) -> None:
        ran.append(error)

    def note(*args: Any) -> Any:
        called.set()
        return hook(*args)

    async def main() -> None:
        try:
            aio.connect(nowhere, on_disconnect=hook)
        except TypeError:
            ran.append(None)
            return
        async with aio.connect(nowhere, background=True, on_disconnect=note):
            while not called.is_set():
                await trio.lowlevel.checkpoint()
            await trio.testing.wait_all_tasks_blocked()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trio.run(main)
        gc.collect()
    assert ran


def test_each_of_two_that_wait_for_a_watch_gets_an_event(daemon: RunningDaemon) -> None:
    """The first waiter must not be forgotten when the second begins to wait."""

    async def main() -> list[int]:
        got: list[int] = []
        async with aio.connect(daemon.url) as dash:
            watch = await dash.watch({"group_id": "two"})

            async def take() -> None:
                with trio.move_on_after(1):
                    event = await watch.next()
                    assert event is not None
                    got.append(event.rev)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(take)
                nursery.start_soon(take)
                await trio.testing.wait_all_tasks_blocked()
                for number in range(2):
                    await dash.register(f"two-{number}", "n", group_id="two", status="finish")
        return got

    assert len(trio.run(main)) == 2


def test_a_watch_with_much_to_tell_lets_other_tasks_run(daemon: RunningDaemon) -> None:
    """Each `next` is a checkpoint, also where the event is there already."""

    async def main() -> bool:
        async with aio.connect(daemon.url) as dash:
            watch = await dash.watch({"id": "point"})
            await dash.register("point", "n", status="finish")
            await watch.next()
            watch._put(Event(10**9, "updated", {}))
            with trio.CancelScope() as scope:
                scope.cancel()
                await watch.next()
            return scope.cancelled_caught

    assert trio.run(main)


def test_a_greeting_that_makes_no_sense_is_a_protocol_error_at_once() -> None:
    """A bad greeting must not kill the client's thread and leave callers to their timeouts."""
    with (
        FakeDaemon(lambda _request, _seq: {"server": "x"}) as fake,
        pytest.raises(taskdash.ProtocolError),
    ):
        taskdash.connect(f"{fake.url}?timeout=1")


def test_a_reply_that_makes_no_sense_breaks_the_connection_and_not_the_client() -> None:
    """The client goes on with the next connection."""
    fake = FakeDaemon(lambda request, _seq: HELLO if request == "Hello" else {})
    with fake, taskdash.connect(fake.url) as dash:
        dash.say("x", status="finish")
        dash._link._thread.join(0.5)
        assert not dash.closed


def test_ctrl_c_within_a_call_leaves_the_client_whole(daemon: RunningDaemon) -> None:
    """A step that was interrupted half way must not leave its task unable to speak."""
    dash = taskdash.connect(daemon.url)
    try:
        dash.register("stopped", "n", status="running")
        talk = dash._link.session._talk
        ask = talk.ask

        def interrupted(_request: Any) -> Any:
            talk.ask = ask  # type: ignore[method-assign]
            raise KeyboardInterrupt

        talk.ask = interrupted  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            dash.say("stopped", number=1)
        assert dash.update("stopped", status="cancelled", timeout_s=1)
    finally:
        dash.close(0)


@pytest.mark.parametrize("name", ["connect", "watch"])
def test_ctrl_c_while_it_waits_leaves_nothing_behind(
    name: str, daemon: RunningDaemon, dash: taskdash.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted, connect leaves no thread behind, and watch leaves no watch open."""
    before = set(threading.enumerate())
    with monkeypatch.context() as patch:

        def interrupted(_self: object, _timeout_s: float) -> None:
            raise KeyboardInterrupt

        patch.setattr("taskdash.client.Pending.wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            taskdash.connect(daemon.url) if name == "connect" else dash.watch()
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(0.5)
    assert not any(thread.is_alive() for thread in left)
    assert not dash._link.session._watches


def test_connect_takes_no_longer_than_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timeout holds for a slow name server too."""
    release = threading.Event()
    resolve = socket.getaddrinfo

    def slow(*args: Any, **kwargs: Any) -> Any:
        release.wait(2)
        return resolve(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    began = time.monotonic()
    with pytest.raises(taskdash.TaskDashError):
        taskdash.connect("taskdash://127.0.0.1:1?timeout=0.1")
    took_s = time.monotonic() - began
    release.set()
    assert took_s < 1


def test_close_takes_no_longer_than_its_timeout(
    nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timeout holds even while the client connects to a host that does not answer."""
    release = threading.Event()

    def slow(*_args: Any, **_kwargs: Any) -> Any:
        release.wait(2)
        raise OSError("no answer")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    dash = taskdash.connect(nowhere, background=True)
    began = time.monotonic()
    dash.close(timeout_s=0.1)
    took_s = time.monotonic() - began
    release.set()
    assert took_s < 1


def test_an_infinite_timeout_is_a_timeout(dash: taskdash.Client) -> None:
    """math.inf is allowed, as in the asynchronous face and as the default of reconnect_for_s."""
    assert dash.drain(math.inf)


def test_a_negative_timeout_does_not_wait_for_ever(nowhere: str) -> None:
    """timeout_s=-1, the rest of a deadline that has passed, is over at once or refused."""
    with taskdash.connect(nowhere, background=True) as dash:

        def call() -> None:
            with pytest.raises((taskdash.TaskDashError, ValueError)):
                dash.find("x", timeout_s=-1)

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        thread.join(0.5)
        assert not thread.is_alive()


def test_running_daemon_needs_no_pytest() -> None:
    """`taskdash.testing` works without pytest, as its docstring promises."""
    code = "import sys; sys.modules['pytest'] = None; import taskdash.testing"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_block_that_ends_in_another_context_ends_its_task(dash: taskdash.Client) -> None:
    """Frameworks run the two halves of a generator each in a context of its own."""

    def block() -> Iterator[None]:
        with dash.task("context"):
            yield

    halves = block()
    contextvars.copy_context().run(next, halves)
    contextvars.copy_context().run(next, halves, None)
    assert dash.find("context")["status"] == "finish"


def test_a_host_that_is_no_name_is_said_at_once() -> None:
    """A label that is empty or too long raises UnicodeError in the resolver, no OSError."""
    with pytest.raises((taskdash.ConnectionError, ValueError), match=r"foo\.\.bar"):
        taskdash.connect("taskdash://foo..bar?timeout=1")


def test_a_generator_function_is_refused_or_is_the_task(dash: taskdash.Client) -> None:
    """A generator's task must not be finished before the body begins."""

    def work() -> Iterator[str]:
        yield dash.find("generator")["status"]

    try:
        decorated = dash.task("generator")(work)
    except TypeError:
        return
    assert list(decorated()) == ["running"]


def test_a_watch_that_failed_gives_no_later_event(
    dash: taskdash.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After events were dropped, the watch only raises that it failed: no silent gap."""
    monkeypatch.setattr("taskdash.watch.EVENTS_WAITING_MAX", 2)
    watch = dash.watch({"group_id": "over"})
    for number in range(4):
        dash.register(f"over-{number}", "n", group_id="over", status="finish")
    assert watch.next(1)
    assert watch.next(1)
    dash.register("over-late", "n", group_id="over", status="finish")
    for _ in range(3):
        with pytest.raises(taskdash.TaskDashError):
            watch.next(1)
    watch.close()


def test_sys_exit_in_a_hook_does_not_end_the_client_in_silence(daemon: RunningDaemon) -> None:
    """SystemExit is no Exception: not caught, it ends the client's thread without a word."""
    with taskdash.connect(daemon.url, on_lost=lambda *_: sys.exit(3)) as dash:
        dash.register("exits", "n", status="running")
        steal(daemon, "exits")
        dash.say("exits", user="me")
        dash._link._thread.join(0.5)
        assert not dash.closed


def test_what_a_call_would_leave_out_is_refused(
    daemon: RunningDaemon, dash: taskdash.Client
) -> None:
    """say(own=False) would take the task over, register(epoch=0) would overwrite: both drop it."""
    dash.register("owned", "n", status="running")
    with taskdash.connect(daemon.url) as other:
        with pytest.raises((taskdash.BadRequest, TypeError)):
            other.say("owned", own=False, description="x")
        with pytest.raises((taskdash.TaskDashError, TypeError)):
            other.register("owned", "n", epoch=0)


def test_a_signal_handler_may_call_the_client(daemon: RunningDaemon) -> None:
    """The handler runs inside any step of the main thread, even with the client's lock held."""
    dash = taskdash.connect(daemon.url)
    dash.register("signal", "n", status="running")
    talk = dash._link.session._talk
    ask = talk.ask

    def interrupted(request: Any) -> Any:
        talk.ask = ask  # type: ignore[method-assign]
        dash.say("signal", status="cancelled")
        return ask(request)

    talk.ask = interrupted  # type: ignore[method-assign]
    thread = threading.Thread(target=lambda: dash.say("signal", number=1), daemon=True)
    thread.start()
    thread.join(0.5)
    stuck = thread.is_alive()
    if stuck:
        # Release the lock that the stuck thread never will, so that the test run can end.
        dash._link._lock.release()
        thread.join()
    dash.close(0.1)
    assert not stuck


# Faults that the fixes of those above had left or brought


def test_a_slow_greeting_is_waited_for_though_a_task_has_a_short_timeout() -> None:
    """GREETING_S holds for Hello: a task's 0.5 s must not cut every reconnect off before it."""
    session = Session("x")
    wire = Wire(session)
    write = checked_write(
        "a", {"name": "n", "status": "running", "heartbeat_timeout": 0.5}, None, replaces=True
    )
    session.hold("a", write, 0.0)
    wire.reply(2, epoch=1)
    session.disconnected(1.0, taskdash.ConnectionError("cut"))
    session.connected(2.0)
    now = 2.0
    while now < 5.0:
        now += session.wait_s(now)
        session.tick(now)


@pytest.mark.parametrize("errid", [0, 1001])
def test_the_cost_of_a_reply_does_not_grow_with_what_is_unsaid(errid: int) -> None:
    """A reply costs no more while a drain waits for many tasks, or many wait for their retry."""

    def took(tasks: int) -> float:
        session = Session("x")
        wire = Wire(session)
        for number in range(tasks):
            begun(session, f"t{number}")
        if not errid:
            session.drain(lambda _done: None)
        before = time.thread_time()
        for number in range(tasks):
            wire.reply(number + 2, errid, epoch=1)
        return time.thread_time() - before

    assert least(took, 800) < 30 * least(took, 80)


def test_words_that_were_joined_do_not_fall_with_a_bad_one(
    world: World, client: SimulatedClient
) -> None:
    """Values that no daemon takes (64 bits, 32 levels) are refused at the call, as `say` says."""
    begin(client, "a")
    client.mention("a", number=0)
    client.mention("a", description="good")
    with contextlib.suppress(taskdash.BadRequest):
        client.mention("a", big=2**63)
    client.pump()
    live(client, 2)
    assert found(world, "a")["description"] == "good"


def test_a_block_that_is_not_entered_leaves_the_task_of_another(dash: taskdash.Client) -> None:
    """A refused beginning takes back only the task that it began, and cancels nothing else."""
    with dash.task("nested"):
        with pytest.raises(taskdash.BadRequest), dash.task("nested", user=5):
            pass
        dash.drain()
        assert dash.find("nested")["status"] == "running"


def test_a_block_that_is_not_entered_leaves_what_others_said(nowhere: str) -> None:
    """Only the block's own Register is withdrawn: other writers still get their outcomes."""
    with taskdash.connect(nowhere, background=True) as dash:
        outcomes: list[Outcome] = []
        dash.hold("shared", {"name": "n"}, outcomes.append, replaces=True)
        with pytest.raises(taskdash.TaskDashError), dash.task("shared", timeout_s=0):
            pass
        held = dash._link.session.tasks.held.get("shared")
        assert outcomes or (held is not None and held.unsaid)


def test_a_word_of_a_task_that_does_not_exist_is_logged(
    dash: taskdash.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for such a write, so only a line of the log tells of the mistake."""
    dash.say("no-such-task", description="x")
    dash.drain()
    dash.close()
    assert "no-such-task" in caplog.text


def test_drain_is_false_for_what_was_given_up_before_it_was_called(nowhere: str) -> None:
    """drain is False, too, once the client has ended and for writes said to an ended client."""
    dash = taskdash.connect(nowhere, background=True, reconnect_for_s=0.3)
    dash.say("x", status="finish")
    dash._link._thread.join(2)
    assert dash.closed
    assert dash.drain() is False


class Sock:
    """A socket that calls something right after its next `send`, as a signal handler would run."""

    def __init__(self, link: Any, then: Callable[[], None]) -> None:
        self._link, self._real, self._then = link, link._sock, then
        link._sock = self

    def send(self, data: bytes) -> int:
        self._link._sock = self._real
        sent: int = self._real.send(data)
        self._then()
        return sent


def test_ctrl_c_while_it_sends_does_not_send_twice(
    daemon: RunningDaemon, dash: taskdash.Client
) -> None:
    """Interrupted between the socket's `send` and the buffer's `del`, the frame is out already."""
    dash.register("sent", "n", status="running")
    rev = dash.find("sent")["rev"]

    def interrupt() -> None:
        raise KeyboardInterrupt

    Sock(dash._link, interrupt)
    with pytest.raises(KeyboardInterrupt):
        dash.say("sent", number=1)
    assert dash.drain()
    with taskdash.connect(daemon.url) as other:
        watch = other.watch({"id": "sent"}, since=rev)
        first, second = watch.next(1), watch.next(0.2)
    assert first is not None
    # The only change that may follow is the write that takes the task up on a new connection.
    assert second is None or second.task["epoch"] == first.task["epoch"] + 1


def test_a_signal_handler_may_call_the_client_while_it_sends(daemon: RunningDaemon) -> None:
    """The client's lock is held in `send` too, and a call spends most of its time there."""
    dash = taskdash.connect(daemon.url)
    dash.register("sends", "n", status="running")
    Sock(dash._link, lambda: dash.say("sends", status="cancelled"))

    def say() -> None:
        with contextlib.suppress(RuntimeError):
            dash.say("sends", number=1)

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    thread.join(0.5)
    stuck = thread.is_alive()
    if stuck:
        dash._link._lock.release()
        thread.join()
    dash.close(0.1)
    assert not stuck


def test_a_signal_handler_that_closes_the_client_does_not_sit_out_the_timeouts(
    daemon: RunningDaemon,
) -> None:
    """A SIGTERM handler may hold the lock that the threads need which `close` waits for."""
    dash = taskdash.connect(f"{daemon.url}?timeout=1")
    dash.register("term", "n", status="running")
    talk = dash._link.session._talk
    ask = talk.ask
    took_s: list[float] = []

    def interrupted(request: Any) -> Any:
        talk.ask = ask  # type: ignore[method-assign]
        began = time.monotonic()
        dash.close(1)
        took_s.append(time.monotonic() - began)
        return ask(request)

    talk.ask = interrupted  # type: ignore[method-assign]
    dash.say("term", number=1)
    assert took_s[0] < 0.5


def test_the_last_word_is_said_though_the_program_ends_at_once() -> None:
    """An interpreter that exits kills the thread that would still say it after a cancellation."""
    heard: list[str] = []

    def answer(request: str, _seq: int) -> dict[str, Any]:
        if request == "Hello":
            return HELLO
        heard.append(request)
        # Answer late, as with a slow disk.
        threading.Event().wait(0.2)
        return {"epoch": 1}

    code = """if True:
        import sys, trio, taskdash.aio
        async def main():
            with trio.CancelScope() as scope:
                async with taskdash.aio.connect(sys.argv[1]) as dash, dash.task("x") as task:
                    task.progress(1, 2)
                    scope.cancel()
                    await trio.sleep_forever()
        trio.run(main)
    """
    with FakeDaemon(answer) as fake:
        subprocess.run([sys.executable, "-c", code, fake.url], check=True, timeout=20)
    assert heard == ["Register", "Update", "Update"]
