"""The Python client against the real daemon."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskdash
from taskdash import address
from taskdash.testing import RunningDaemon, running_daemon
from taskdash_protocol.families.tasks import Find


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with running_daemon(tmp_path_factory.mktemp("data"), heartbeat_timeout=0.6) as daemon:
        yield daemon


def test_a_task_goes_in_and_comes_out(dash: taskdash.Client) -> None:
    """register, update and find keep contract fields and the program's own fields."""
    assert dash.server.startswith("taskdashd/")
    assert dash.register("in-out", "In and out", user="wsg", reels=[1, 2]) == 1
    assert dash.update("in-out", status="finish") == 1
    task = dash.find("in-out")
    assert (task["name"], task["user"], task["status"], task["reels"]) == (
        "In and out",
        "wsg",
        "finish",
        [1, 2],
    )
    assert "errid" not in task


def test_heartbeats_go_out_by_themselves(dash: taskdash.Client) -> None:
    """While the program does something else for several timeouts, its task lives."""
    dash.register("beats", "n", status="running")
    with taskdash.connect(f"taskdash://127.0.0.1:{dash.address.port}") as other:
        watch = other.watch({"id": "beats"})
        assert watch.next(timeout_s=2.0) is None
        dash.close()
        event = watch.next(timeout_s=5.0)
    assert event is not None
    assert (event.kind, event.task["status"]) == ("shutdown", "shutdown")


def test_a_query_gives_every_page(dash: taskdash.Client) -> None:
    """query gives an iterator over every task, whatever the page's size."""
    for number in range(7):
        dash.register(f"page-{number}", "n", group_id="pages", status="finish")
    found = dash.query({"group_id": "pages"}, order="-id", page=3)
    assert [task["id"] for task in found] == [f"page-{number}" for number in range(6, -1, -1)]


def test_a_watch_resumes_without_a_gap(dash: taskdash.Client) -> None:
    """watch(since=...) gives the missed events first, then new ones."""
    watch = dash.watch({"id": ["resume-1", "resume-2"]})
    dash.register("resume-1", "n", status="finish")
    first = next(watch)
    watch.close()
    dash.register("resume-2", "n", status="finish")
    again = dash.watch({"id": ["resume-1", "resume-2"]}, since=first.rev)
    second = next(again)
    assert (first.kind, first.task["id"]) == ("registered", "resume-1")
    assert (second.kind, second.task["id"]) == ("registered", "resume-2")
    with pytest.raises(StopIteration):
        next(watch)


def test_each_errid_is_an_exception_of_its_own(
    dash: taskdash.Client, daemon: RunningDaemon
) -> None:
    """The exception repeats what the daemon said."""
    with pytest.raises(taskdash.NotFound, match="nobody") as caught:
        dash.find("nobody")
    assert caught.value.errid == 1002
    assert not caught.value.retryable
    dash.register("held", "n", fenced=True)
    with (
        taskdash.connect(daemon.url) as other,
        pytest.raises(
            taskdash.Conflict, match=r"held by test/1 \(127\.0\.0\.1:\d+\) since 20"
        ) as conflict,
    ):
        other.update("held", status="x")
    assert (conflict.value.holder or "").startswith("test/1 (127.0.0.1:")
    with pytest.raises(taskdash.BadRequest, match="field user"):
        dash.register("bad", "n", user=5)
    with pytest.raises(taskdash.Conflict, match="since") as conflict:
        dash.watch(since=10**9)
    assert conflict.value.holder is None


def test_threads_share_a_client(dash: taskdash.Client) -> None:
    """Each thread gets its own replies."""
    found: dict[int, str] = {}

    def work(number: int) -> None:
        dash.register(f"thread-{number}", str(number), status="finish")
        found[number] = dash.find(f"thread-{number}")["name"]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: str(number) for number in range(8)}


def test_a_daemon_that_is_not_there_is_said_to_be_unreachable() -> None:
    """Unreachable is raised at once, and names the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(taskdash.ConnectionError, match=f"127.0.0.1:{port}: Connection refused"):
        taskdash.connect(f"taskdash://127.0.0.1:{port}")


def test_a_daemon_that_says_nothing_times_out() -> None:
    """A port that accepts connections and stays silent ends in a timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"taskdash://127.0.0.1:{silent.getsockname()[1]}?timeout=0.2"
        with pytest.raises(taskdash.TimeoutError, match=r"within 0\.2 s"):
            taskdash.connect(url)


def test_what_is_no_taskdashd_is_a_protocol_error() -> None:
    """A web server's answer, for example, is a ProtocolError."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                while peer.recv(4096):
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(taskdash.ProtocolError, match="HTTP server"):
            taskdash.connect(f"taskdash://127.0.0.1:{server.getsockname()[1]}")
        thread.join()


def test_the_end_of_the_daemon_reaches_whoever_waits(tmp_path: Path) -> None:
    """Once the time to reconnect is over, watches and calls fail, and say why."""
    with (
        running_daemon(tmp_path) as daemon,
        taskdash.connect(daemon.url, reconnect_for_s=0.3) as dash,
    ):
        watch = dash.watch()
        assert daemon.stop() == 0
        with pytest.raises(taskdash.ConnectionError, match="Connection refused"):
            next(watch)
        with pytest.raises(taskdash.ConnectionError, match="Connection refused"):
            dash.find("x")
        assert dash.closed


def test_a_call_waits_for_a_daemon_that_is_away_as_long_as_its_timeout(tmp_path: Path) -> None:
    """Then the call raises that there is no connection, and why; the client goes on."""
    with running_daemon(tmp_path) as daemon, taskdash.connect(daemon.url) as dash:
        port = daemon.port
        daemon.kill()
        with pytest.raises(taskdash.ConnectionError, match=r"refused|lost|closed"):
            dash.find("x", timeout_s=0.4)
        with running_daemon(tmp_path, port=port), pytest.raises(taskdash.NotFound):
            dash.find("x", timeout_s=15)


def test_a_pipeline_gives_the_outcomes_in_order(dash: taskdash.Client) -> None:
    """Refusals keep their place; so do many more requests than may wait at once."""
    for number in range(3):
        dash.register(f"pipe-{number}", str(number), status="finish")
    wanted = [Find(f"pipe-{number % 4}") for number in range(1000)]
    outcomes = list(dash.pipeline(wanted, depth=7))
    assert len(outcomes) == 1000
    for number, outcome in enumerate(outcomes):
        if number % 4 == 3:
            assert isinstance(outcome, taskdash.NotFound)
        else:
            assert isinstance(outcome, dict)
            assert outcome["name"] == str(number % 4)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("taskdash://pi", ("pi", 13920, 5.0)),
        ("taskdash://pi:1?timeout=0.5", ("pi", 1, 0.5)),
        ("pi:99", ("pi", 99, 5.0)),
        ("taskdash://[::1]:7", ("::1", 7, 5.0)),
    ],
)
def test_urls(url: str, wanted: tuple[str, int, float]) -> None:
    """HOST, HOST:PORT and a whole URL are understood."""
    where = address.parse(url)
    assert (where.host, where.port, where.timeout_s) == wanted


@pytest.mark.parametrize(
    "url", ["http://pi", "taskdash://", "taskdash://pi:x", "pi?timeout=-1", "pi?tmieout=1"]
)
def test_a_bad_url_is_named(url: str) -> None:
    """A bad URL is a ValueError with the URL in it."""
    with pytest.raises(ValueError, match=r"taskdash://|timeout|[Pp]ort"):
        address.parse(url)


@pytest.mark.parametrize("url", ["taskdash://me:secret@pi", "taskdash://me@pi", "taskdash://pi/x"])
def test_what_would_be_ignored_in_a_url_is_refused(url: str) -> None:
    """A credential above all is refused, and the error does not repeat it."""
    with pytest.raises(ValueError, match="TASKDASH_TOKEN") as refused:
        address.parse(url)
    assert "secret" not in str(refused.value)


def test_the_environment_names_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """TASKDASH_URL is used where no URL is given."""
    monkeypatch.setenv("TASKDASH_URL", "taskdash://somewhere:5")
    assert str(address.parse()) == "somewhere:5"
