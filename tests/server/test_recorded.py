"""A recorded exchange, played again: what the daemon says through any door is what it said before.

`RECORD=1 pytest tests/server/test_recorded.py` records it anew. Read what has changed in
recorded.txt before you commit it: each line of it is something that a client may rely on.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import chapters
import chapters_web
import pytest
from stage import CHAPTERS, Stage, make_tokens

BOOK = Path(__file__).with_name("recorded.txt")
SHOWN, SHOWN_CHARACTERS = 5, 160
STATUSES = {"0": 200, "1000": 400, "1001": 507, "1002": 404, "1003": 403, "1004": 409, "1005": 429}
# Of the tours through the other doors only the differences from TCP are kept.
FIRST_TOUR = "tour_tcp"
assert chapters
assert chapters_web


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Make the tokens that every chapter's daemon knows; give them and their directory."""
    data = tmp_path_factory.mktemp("tokens")
    return data, make_tokens(data)


@pytest.fixture
def stage(tmp_path: Path, made: tuple[Path, dict[str, str]]) -> Iterator[Stage]:
    stage = Stage(tmp_path, *made)
    yield stage
    stage.close()


def book() -> dict[str, dict[str, str]]:
    """Read what was recorded: by chapter, what was said to what was asked."""
    known: dict[str, dict[str, str]] = {}
    for line in BOOK.read_text().splitlines() if BOOK.exists() else ():
        if line.startswith("# "):
            said = known[line[2:]] = {}
        elif line.startswith("> "):
            asked = line[2:]
        else:
            said[asked] = line[2:]
    return known


def write(known: dict[str, dict[str, str]]) -> None:
    lines: list[str] = []
    for name in CHAPTERS:
        lines.append(f"# {name}")
        for asked, got in known.get(name, {}).items():
            lines += [f"> {asked}", f"< {got}"]
    BOOK.write_text("\n".join([*lines, ""]))


def as_said_by(name: str, reply: str) -> str:
    """Give a reply over TCP as another door would say it."""
    if name == "tour_tcpx":
        return reply
    # Only TCP names the id of a request that could not be read.
    reply = re.sub(r'^\{"id":"[^"]*",(?=<1000>)', "{", reply)
    if name == "tour_board":
        return reply.replace("{", '{"seq":7,', 1)
    (errid,) = re.findall(r"<(\d+)>", reply)[-1:]
    return f"{STATUSES[errid]} {reply}"


def difference(was: str | None, now: str | None) -> str:
    """Show two replies from a little before the place where they part."""
    if was is None or now is None:
        return f"  was {(was or 'not asked')[:400]}\n  now {(now or 'not asked')[:400]}"
    pairs = enumerate(zip(was, now, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(was), len(now)))
    start = max(0, same - SHOWN_CHARACTERS // 2)
    dots, end = "…" if start else "", same + SHOWN_CHARACTERS
    return f"  was {dots}{was[start:end]}\n  now {dots}{now[start:end]}"


def without_engine(said: dict[str, str]) -> dict[str, str]:
    """Leave out what Status says of the engine, which alone tells which it is."""
    return {one: re.sub(r'"database":\{[^{}]*\}', "<database>", got) for one, got in said.items()}


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_daemon_says_what_it_said(
    stage: Stage, name: str, request: pytest.FixtureRequest
) -> None:
    """Every exchange of a chapter has the same words, in the same order, on each engine."""
    CHAPTERS[name](stage)
    known, said = book(), stage.tape.said
    if request.config.getoption("--store") == "postgres":
        known = {chapter: without_engine(words) for chapter, words in known.items()}
        said = without_engine(said)
    as_over_tcp: dict[str, str] = {}
    if name.startswith("tour_") and name != FIRST_TOUR:
        first = known[FIRST_TOUR]
        as_over_tcp = {one: as_said_by(name, first[one]) for one in said if one in first}
    if os.environ.get("RECORD"):
        odd = {one: got for one, got in said.items() if as_over_tcp.get(one) != got}
        write({**known, name: odd})
        return
    was = {**as_over_tcp, **known[name]}
    wrong = [one for one in {**was, **said} if was.get(one) != said.get(one)]
    told = [f"{one}\n{difference(was.get(one), said.get(one))}" for one in wrong[:SHOWN]]
    how = "if all are meant, record anew: RECORD=1 pytest tests/server/test_recorded.py"
    assert not wrong, "\n".join([f"{len(wrong)} exchanges of {name!r} differ; {how}", *told])
    assert [one for one in said if one in known[name]] == list(known[name])
