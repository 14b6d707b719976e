"""Page and daemon fold and find alike: vectors that both must meet, and texts of all scripts."""

import ast
import json
import random
import re
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from processes import node

from taskdash_protocol import statuses, typed
from taskdash_protocol.folding import fold, whole, words
from taskdashd.domain import search

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "protocol/vectors/folding.json").read_text())["vectors"]
TYPED = json.loads((ROOT / "protocol/vectors/typed.json").read_text())["vectors"]
RULES = "./taskdashd/web/static/rules"
STRINGS = 100_000
ODD = [
    *(" ", "\t", "\x1c", "\x85", "\u00a0", "\u2800", "\u200b", "\u200d", "\u00ad", "\ufe0f"),
    *(
        "\u30fb",
        "\u2022",
        "\uff65",
        "\u0301",
        "\u0327",
        "\u0130",
        "\u03c3",
        "\u03c2",
        "\u1161",
        "\u11a8",
    ),
]
TASK: dict[str, Any] = dict.fromkeys(search.SEARCHED, "") | {
    "id": "t-1",
    "name": "Straße",
    "description": "x" * 3_998 + "\U0001f600yz",
    "reason": "ﬁne",
    "user": "1001",
    "checker": "1003",
    "group_id": "ＶＩＰ Ü",
    "status": "待审核",
}
PEOPLE = {"1001": "王小明", "1002": "1002", "1003": "玛丽·安"}
FOUND = {
    "strasse T-1": True,
    "FINE 小明": True,
    "1001": True,
    "\U0001f600y": True,
    "yz": False,
    "nobody": False,
    "straßet": False,
    "": True,
    "vip ü": True,
    "玛丽・安": True,
    "玛丽\u2022安": True,
    "小\u200b明": True,
    "\u200b": False,
    "To  CHECK": True,
    "待审核 t-1": True,
    "check": False,
    "审核": False,
    "to claim": False,
    "running": False,
}
STATUSES = [*search.CALLED, "rendering", "", "RUNNING 3", "failed or lost", "constructor"]
PHRASES = [
    *sorted({phrase.upper() for phrases in search.CALLED.values() for phrase in phrases}),
    *("render", "run", "work", "claim", "待", "work in", "to claim to check", "t-1 to check"),
    *("constructor", "live"),
]
SCRIPT = f"""
import {{ readFileSync }} from 'node:fs';
const {{ fold, whole, words }} = await import('{RULES}/folding.js');
const {{ typedNumber, typedName, compared }} = await import('{RULES}/typed.js');
const {{ soughtIn, finds }} = await import('{RULES}/finding.js');
const {{ texts, sought, tasks, people }} = JSON.parse(readFileSync(0, 'utf8'));
const nameOf = (user) => people[user] ?? user;
console.log(JSON.stringify({{
    folded: texts.map((one) =>
        [fold(one), words(one), typedNumber(one), typedName(one), compared(one), whole(one)]),
    found: tasks.map((task) => sought.map((one) => finds(soughtIn(one), task, nameOf))),
}}));
"""


def page(**given: Any) -> Any:
    """Give what the page makes of texts, and what it finds."""
    return node(SCRIPT, {"texts": [], "sought": [], "tasks": [], "people": PEOPLE, **given})


def daemon_folds(text: str) -> list[Any]:
    """Give what the daemon makes of a text."""
    named = [typed.number(text), typed.name(text), typed.compared(text)]
    return [fold(text), [*words(text)], *named, whole(text)]


def daemon_finds(sought: str, task: dict[str, Any]) -> bool:
    """Tell whether the daemon finds a task."""
    meant = search.sought(sought, PEOPLE.items())
    return meant is None or meant.finds(task)


def made_up(count: int) -> list[str]:
    """Make up texts of all scripts, with what is invisible or part of a letter among them."""
    chance = random.Random(18)
    scripts: dict[str, list[str]] = {}
    for one in map(chr, range(sys.maxunicode + 1)):
        # What this Unicode has not assigned yet, a later one may fold.
        if unicodedata.category(one) not in ("Cn", "Cs", "Co"):
            scripts.setdefault(unicodedata.name(one, "CONTROL").split(" ")[0], []).append(one)
    alphabets = [*scripts.values()]
    every = [one for letters in alphabets for one in letters]
    texts = [one for one in every if unicodedata.category(one) != "Lo"]
    for _ in range(count):
        letters = chance.choice((every, *chance.sample(alphabets, 3)))
        size = chance.randint(1, 4)
        mixed = [*chance.choices(letters, k=size), *chance.choices(ODD, k=size)]
        chance.shuffle(mixed)
        texts.append("".join(mixed))
    return texts


def test_the_daemon_folds_as_the_vectors_say() -> None:
    for vector in VECTORS:
        assert fold(vector["text"]) == vector["folded"]
        assert list(words(vector["text"])) == vector["words"]
        assert fold(vector["folded"]) == vector["folded"]


def test_the_page_folds_as_the_vectors_say() -> None:
    folded = page(texts=[one["text"] for one in VECTORS])["folded"]
    assert [one[:2] for one in folded] == [[one["folded"], one["words"]] for one in VECTORS]
    folded = page(texts=[one["text"] for one in TYPED])["folded"]
    assert [one[2:4] for one in folded] == [[one["number"], one["name"]] for one in TYPED]


def test_the_page_folds_as_the_daemon_does_whatever_the_script() -> None:
    """Each character by itself, and a hundred thousand texts made up of them."""
    texts = made_up(STRINGS)
    told = page(texts=texts)["folded"]
    unlike = [one for one, by_page in zip(texts, told, strict=True) if daemon_folds(one) != by_page]
    assert not [(ascii(one), daemon_folds(one)) for one in unlike[:9]], len(unlike)


def test_the_page_finds_what_the_daemon_finds() -> None:
    found = page(sought=[*FOUND], tasks=[TASK])["found"][0]
    assert dict(zip(FOUND, found, strict=True)) == FOUND
    assert {one: daemon_finds(one, TASK) for one in FOUND} == FOUND


def test_the_page_finds_by_states_what_the_daemon_finds() -> None:
    tasks = [{**TASK, "status": status} for status in STATUSES]
    wanted = [[daemon_finds(one, task) for one in PHRASES] for task in tasks]
    assert page(sought=PHRASES, tasks=tasks)["found"] == wanted


def test_a_task_is_found_by_each_word_that_the_page_shows_of_its_state() -> None:
    """In either language, whichever the reader has chosen."""
    static = ROOT / "taskdashd/web/static"
    states = (static / "rules/states.js").read_text()
    names = dict(re.findall(r"^  (\S+): '(\w+)',$", states, re.MULTILINE))
    names |= {"pending": names["待领取"], "review": names["待审核"], search.LIVE: "live"}
    assert {*names} == {*search.CALLED}
    spoken = json.loads((static / "parts/words.json").read_text())
    for said in spoken.values():
        for status, name in names.items():
            task = {**TASK, "status": status}
            assert daemon_finds(said[f"state.{name}"], task), (status, said[f"state.{name}"])
        for status in (statuses.CLAIMED, statuses.EDITING):
            assert daemon_finds(said["state.work"], {**TASK, "status": status})


@pytest.mark.parametrize("name", ["CHARACTERS_MAX", "SEARCHED"])
def test_page_and_daemon_search_the_same_of_a_task(name: str) -> None:
    script = (ROOT / "taskdashd/web/static/rules/finding.js").read_text()
    (value_written,) = re.findall(rf"^const {name} = (.*?);$", script, re.MULTILINE | re.DOTALL)
    said = ast.literal_eval(value_written)
    value = getattr(search, name)
    assert said == (list(value) if isinstance(value, tuple) else value)
