"""The daemon beats on a board's websocket, and does nothing of what comes after its time."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from office import FREE, Office, furnish
from test_socket import Board, sign_in
from wsproto.events import TextMessage

import taskdashd
from taskdash_protocol import strictjson
from taskdashd.core.table import OPERATIONS
from taskdashd.families import load_operations
from taskdashd.web.socket import BEAT_S

WIRE = Path(taskdashd.__file__).parent / "web" / "static" / "wire"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("office")) as office:
        furnish(office)
        yield office


@pytest.fixture
def board(office: Office) -> Iterator[Board]:
    with Board(office, sign_in(office, "1001")) as board:
        yield board


def beat(board: Board) -> int:
    told: int = board.until(lambda said: "beat" in said)["beat"]
    return told


def claim(board: Board, task: str, **more: Any) -> dict[str, Any]:
    board.seq += 1
    message = {"seq": board.seq, "op": "Claim", "body": {"id": task}, **more}
    board.send(TextMessage(strictjson.dumps(message).decode()))
    return board.until(lambda said: said.get("seq") == board.seq)


def test_a_page_knows_the_daemons_time_before_it_can_ask(board: Board) -> None:
    board.until(lambda said: "me" in said)
    beat(board)


def test_a_page_hears_the_daemon_again_and_again(board: Board) -> None:
    """A beat comes so often that three may be lost before the page gives the daemon up."""
    first = beat(board)
    second = beat(board)
    assert BEAT_S * 1000 <= second - first <= BEAT_S * 2000
    silent_ms = re.search(r"SILENT_MS = ([\d_]+)", (WIRE / "pace.js").read_text())
    assert silent_ms
    assert int(silent_ms[1]) >= 3 * BEAT_S * 1000


def test_what_comes_after_its_time_is_not_done(office: Office, board: Board) -> None:
    """What a dead network delivers late, after the page has said that nothing is known of it."""
    now = beat(board)
    late = claim(board, "cut-5", by=now - 1)
    assert (late["errid"], late["detail"]) == (
        1005,
        "the request came too late, and nothing was done",
    )
    assert office.dash.find("cut-5")["status"] == FREE
    assert claim(board, "cut-5", by=now + 60_000)["errid"] == 0
    assert office.dash.find("cut-5")["user"] == "1001"


def test_a_time_is_a_number_of_milliseconds(office: Office, board: Board) -> None:
    for by in ("5000", 1.5, True, [], {}):
        assert claim(board, "cut-6", by=by)["errid"] == 1000, by
    assert office.dash.find("cut-6")["status"] == FREE
    assert claim(board, "cut-6", by=None)["errid"] == 0


def test_a_page_asks_again_only_what_changes_nothing() -> None:
    """The page knows by name what may be asked again on another connection."""
    reads = re.search(r"READS = new Set\(\[(.*?)\]\);", (WIRE / "wire.js").read_text(), re.DOTALL)
    assert reads
    load_operations()
    changing = {name for name, one in OPERATIONS.items() if one.kind == "writes" or one.changes}
    named = set(re.findall(r"'(\w+)'", reads[1]))
    assert named
    assert not named & (changing | {"Login", "Logout"})
