"""A client in a forked process: pre-fork servers, multiprocessing, a fork within a block."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

import taskdash
from taskdash import aio
from taskdash.testing import RunningDaemon, running_daemon


def in_child(act: Callable[[], object]) -> int:
    """Act in a forked child; give its exit code: 0, or 9 where the act raised."""
    child = os.fork()
    if not child:
        signal.alarm(20)
        code = 9
        try:
            act()
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_forked_child_makes_a_connection_of_its_own(dash: taskdash.Client) -> None:
    """At its first use; a decorator of before the fork works in it, and the parent goes on."""

    @dash.task("of-child")
    def work() -> int:
        taskdash.current_task().progress(1, 2)
        return os.getpid()

    def act() -> None:
        assert not dash.connected
        assert work() == os.getpid()
        assert dash.connected
        assert dash.find("of-child")["status"] == "finish"
        assert [task["id"] for task in dash.query({"id": "of-child"})] == ["of-child"]
        with dash.watch({"id": "seen"}) as events:
            dash.register("seen", "n", status="finish")
            assert next(events).kind == "registered"
        dash.close()
        with pytest.raises(taskdash.ConnectionError, match="closed"):
            dash.find("of-child")

    assert in_child(act) == 0
    assert dash.find("of-child")["progress"] == "1/2"


def test_the_parents_tasks_stay_the_parents(dash: taskdash.Client) -> None:
    """No word of a child takes a task, or ends it; from outside it may be changed."""
    with dash.task("of-parent") as task:
        epoch = dash.find("of-parent")["epoch"]

        def act() -> None:
            with pytest.raises(taskdash.Conflict, match="held by the process that forked"):
                task.progress(1, 2)
            with pytest.raises(taskdash.Conflict, match="held by the process that forked"):
                dash.update("of-parent", number=1)
            dash.update("of-parent", own=False, number=2)
            task.__exit__(None, None, None)
            assert in_child(lambda: task.update(number=3)) == 9

        assert in_child(act) == 0
        now = dash.find("of-parent")
        assert (now["epoch"], now["status"], now["number"]) == (epoch, "running", 2)
        task.progress(2, 2)
    assert dash.find("of-parent")["progress"] == "2/2"


def test_a_child_may_register_anew_what_the_parent_holds(dash: taskdash.Client) -> None:
    """To register is to take, from whomever: as for every other process."""
    dash.register("taken", "n")
    assert in_child(lambda: (dash.register("taken", "n"), dash.say("taken", number=1))) == 0
    with pytest.raises(taskdash.Conflict):
        dash.update("taken", number=2)


def test_a_watch_of_the_parents_says_so_in_the_child(dash: taskdash.Client) -> None:
    """To wait for it would be for ever; and to leave its block begins no connection."""
    with dash.watch({"id": "nothing"}) as events:

        def act() -> None:
            with pytest.raises(taskdash.ConnectionError, match="before fork"):
                events.next(timeout_s=5)
            events.close()
            assert not dash.connected

        assert in_child(act) == 0


def test_a_fork_while_threads_use_the_client(dash: taskdash.Client) -> None:
    """A lock that another thread holds at the fork is not waited for in the child."""
    stop = threading.Event()

    def hammer(number: int) -> None:
        while not stop.is_set():
            dash.register(f"hammer-{number}", "n")
            dash.say(f"hammer-{number}", number=1)

    threads = [threading.Thread(target=hammer, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        codes = [in_child(lambda: dash.find("hammer-0", timeout_s=15)) for _ in range(30)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert codes == [0] * 30


def test_the_end_of_the_parent_is_seen_though_a_child_lives(tmp_path: Path) -> None:
    """A child that never uses the client keeps no socket of the parent's open."""
    program = """
        import os, sys, taskdash
        dash = taskdash.connect()
        dash.register("mine", "n", heartbeat_timeout=3600)
        if not os.fork():
            sys.stdin.read()
            os._exit(0)
        print(dash.ask("Status")["connections"], flush=True)
        os._exit(0)
    """
    with (
        running_daemon(tmp_path) as daemon,
        taskdash.connect(daemon.url) as dash,
        _started(program, daemon) as parent,
    ):
        assert parent.stdout is not None
        assert parent.stdin is not None
        assert parent.stdout.readline() == "2\n"
        parent.wait(10)
        # Far below the heartbeat timeout: it is the socket's end that is seen.
        ends_at = time.monotonic() + 10
        while dash.ask("Status")["connections"] > 1:
            assert time.monotonic() < ends_at
        parent.stdin.close()


@pytest.mark.parametrize("leave", ["pass", "sys.exit(3)", "raise ValueError('x')"])
def test_the_last_words_of_a_child_of_multiprocessing_arrive(
    daemon: RunningDaemon, leave: str
) -> None:
    """Such a child runs no atexit; what it said without waiting is sent all the same."""
    program = f"""
        import multiprocessing, sys, taskdash
        dash = taskdash.connect()
        def work():
            dash.hold("pooled", {{"name": "n", "status": "running"}}, None, replaces=True)
            dash.say("pooled", status="finish", log="x" * 100_000)
            {leave}
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join()
    """
    with taskdash.connect(daemon.url) as dash:
        dash.register("pooled", "old", status="pending")
        with _started(program, daemon) as parent:
            parent.wait(30)
        assert dash.find("pooled")["status"] == "finish"


def _spawned(url: str) -> None:
    dash = taskdash.connect(url, background=True)
    dash.hold("spawned", {"name": "n", "status": "running"}, None, replaces=True)
    dash.say("spawned", status="finish")


def test_the_last_words_of_a_spawned_child_arrive(daemon: RunningDaemon) -> None:
    """So do those of a client that was made there, and had no connection yet."""
    child = multiprocessing.get_context("spawn").Process(target=_spawned, args=(daemon.url,))
    child.start()
    child.join()
    with taskdash.connect(daemon.url) as dash:
        assert dash.find("spawned")["status"] == "finish"


def test_close_waits_for_a_connection_that_is_under_way(daemon: RunningDaemon) -> None:
    """A client that does not wait for the daemon, and is closed at once, says what it was told."""
    for number in range(20):
        dash = taskdash.connect(daemon.url, background=True)
        dash.hold(f"soon-{number}", {"name": "n", "status": "finish"}, None, replaces=True)
        dash.close()
    with taskdash.connect(daemon.url) as dash:
        assert {task["status"] for task in dash.query() if "soon-" in task["id"]} == {"finish"}
        assert sum("soon-" in task["id"] for task in dash.query()) == 20


def test_a_pre_fork_server_with_the_client_at_module_level(tmp_path: Path) -> None:
    """As gunicorn --preload: one application made before the fork, workers that serve it."""
    program = """
        import os, signal, socket, sys, taskdash
        from http.server import BaseHTTPRequestHandler, HTTPServer

        dash = taskdash.connect()
        master = dash.register("master", "n", heartbeat_timeout=60)

        @dash.task("request", name="n")
        def handle():
            taskdash.current_task().update(worker=os.getpid())
            return f"request {os.getpid()}"

        class Application(BaseHTTPRequestHandler):
            def do_GET(self):
                with dash.task(f"worker-{os.getpid()}") as task:
                    body = handle().encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *_):
                pass

        servers = [HTTPServer(("127.0.0.1", 0), Application) for _ in range(3)]
        workers = []
        for server in servers:
            workers.append(os.fork())
            if not workers[-1]:
                signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
                server.serve_forever()
        print(*(server.server_port for server in servers), flush=True)
        sys.stdin.read()
        assert dash.update("master", number=1) == master
        for worker in workers:
            os.kill(worker, signal.SIGTERM)
            assert os.waitpid(worker, 0)[1] == 0
        print("ended", flush=True)
    """
    with running_daemon(tmp_path) as daemon, _started(program, daemon) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        ports = parent.stdout.readline().split()
        pids = set()
        for port in ports * 3:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=20) as reply:
                pids.add(int(reply.read().split()[1]))
        assert len(pids) == 3
        parent.stdin.close()
        assert parent.stdout.readline() == "ended\n"
        with taskdash.connect(daemon.url) as dash:
            tasks = {task["id"]: task for task in dash.query()}
        assert {tasks[f"worker-{pid}"]["status"] for pid in pids} == {"finish"}
        assert tasks["request"]["worker"] in pids
        assert tasks["master"]["number"] == 1


def test_an_asynchronous_client_says_that_it_is_its_loops(daemon: RunningDaemon) -> None:
    """No event loop lives through a fork, and so no client of one does."""

    async def main() -> None:
        async with aio.connect(daemon.url) as dash:

            def act() -> None:
                with pytest.raises(taskdash.ConnectionError, match="connect in the child"):
                    dash.say("x", number=1)

            assert in_child(act) == 0
            assert await dash.register("of-loop", "n", status="finish") >= 1

    trio.run(main)


def test_a_closed_client_is_closed_in_the_child(daemon: RunningDaemon) -> None:
    """No thread and no connection is begun there."""
    dash = taskdash.connect(daemon.url)
    dash.close()

    def act() -> None:
        with pytest.raises(taskdash.ConnectionError, match="closed"):
            dash.find("x")
        assert dash.closed

    assert in_child(act) == 0


def _started(program: str, daemon: RunningDaemon) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TASKDASH_URL": daemon.url},
    )
