"""A client whose credential the daemon refuses: it waits, or takes another."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import taskdashd
from simulated import SimulatedClient

import taskdash
from taskdash.calls import State
from taskdash.session import Session
from taskdash.testing import RunningDaemon, running_daemon
from taskdash.waiting import REFUSED_S
from taskdashd.testing import World


@dataclass(frozen=True, slots=True)
class Guarded:
    """A daemon that asks for tokens, and one of them."""

    daemon: RunningDaemon
    token: str

    @property
    def board(self) -> str:
        return "http://" + str(self.daemon.wait_for("the board is at")["address"])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    data = tmp_path_factory.mktemp("guarded")
    made = taskdashd("token", "create", "backup", "--data", data)
    assert made.returncode == 0, made.stderr
    with running_daemon(data, auth="tokens", web="127.0.0.1:0") as daemon:
        yield Guarded(daemon, made.stdout.strip())


@pytest.mark.parametrize(
    ("error", "least_s", "most_s"),
    [
        (taskdash.AuthError("the token is wrong"), REFUSED_S, 1.5 * REFUSED_S),
        (taskdash.Busy("wait").because("too-many-tries", seconds="43"), 43, 54),
        (taskdash.Busy("wait").because("too-many-tries", seconds="99999999"), 60, 71),
        (taskdash.Busy("wait").because("too-many-tries", seconds="-1"), 0, 10),
        (taskdash.Busy("wait"), 0, 10),
        (taskdash.ConnectionError("gone"), 0, 10),
    ],
)
def test_how_long_a_client_waits_to_try_again(
    client: SimulatedClient, error: taskdash.TaskDashError, least_s: float, most_s: float
) -> None:
    """After a refused credential a minute or more; after Busy as long as the daemon says."""
    for _ in range(20):
        client.session.disconnected(client.world.time, error)
        assert least_s <= client.session.retry_at - client.world.time <= most_s
    assert client.session.state is State.DOWN


def test_a_client_that_gives_up_leaves_the_credential_its_time() -> None:
    """A refused client waits for another as long as for a daemon, and then gives up."""
    session = Session("x", reconnect_for_s=30)
    session.disconnected(1000, taskdash.AuthError("the token is wrong"))
    assert (session.ended, session.retry_at) == (None, 1030)
    session.disconnected(1030, taskdash.AuthError("the token is wrong"))
    assert isinstance(session.ended, taskdash.AuthError)


def test_a_hundred_services_with_revoked_tokens_are_in_nobodys_way(world: World) -> None:
    """Whoever runs on their machine gets in all the while, and they ask once a minute at most."""
    revoked = [SimulatedClient(world, f"revoked-{number}") for number in range(100)]
    started = world.time
    tries = 0
    while world.time < started + 600:
        for client in revoked:
            if world.time >= client.session.retry_at:
                tries += 1
                client.session.disconnected(world.time, taskdash.AuthError("it was revoked"))
        world.time += 1
    assert tries <= 100 * 11


def test_an_exchanged_token_file_is_taken_at_once(
    guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that was refused looks for another token, and does not sit out the minute."""
    path = tmp_path / "token"
    monkeypatch.setenv("TASKDASH_TOKEN_FILE", str(path))
    refused, back = threading.Event(), threading.Event()
    with taskdash.connect(
        guarded.daemon.url,
        background=True,
        on_disconnect=lambda _error: refused.set(),
        on_reconnect=back.set,
    ) as dash:
        assert refused.wait(10)
        assert "cannot read TASKDASH_TOKEN_FILE" in str(dash.fault)
        _write(path, "td_wrong_wrong")
        with pytest.raises(taskdash.AuthError, match="the token is wrong"):
            _ask_until_refused(dash)
        _write(path, guarded.token)
        assert back.wait(10)
        assert dash.register("a", "n", status="finish") == 1


def _write(path: Path, token: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(f"{token}\n")
    new.replace(path)


def _ask_until_refused(dash: taskdash.Client) -> None:
    """Ask until the wrong token was refused: until then the missing file is the fault."""
    while True:
        try:
            dash.find("a", timeout_s=0.2)
        except taskdash.AuthError as error:
            if "cannot read" not in str(error):
                raise


def test_a_good_token_gets_in_beside_wrong_ones(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the wire and by HTTP; further wrong ones are told to wait, wherever they come."""
    told: list[type[taskdash.TaskDashError]] = []
    for number in range(8):
        monkeypatch.setenv("TASKDASH_TOKEN", f"td_wrong_{number}")
        with pytest.raises(taskdash.TaskDashError) as caught:
            taskdash.connect(guarded.daemon.url)
        told.append(type(caught.value))
        monkeypatch.setenv("TASKDASH_TOKEN", guarded.token)
        for _ in range(8):
            taskdash.connect(guarded.daemon.url).close()
    assert told[-3:] == [taskdash.Busy] * 3
    assert told[0] is taskdash.AuthError
    assert [_status(guarded, f"td_other_{number}") for number in range(3)] == [429] * 3
    assert _status(guarded, guarded.token) == 200


def _status(guarded: Guarded, token: str) -> int:
    asked = urllib.request.Request(
        f"{guarded.board}/api/v1/Query",
        json.dumps({}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(asked, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
