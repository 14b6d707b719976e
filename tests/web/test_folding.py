"""Page and daemon fold what is searched alike: vectors that both must meet."""

import ast
import json
import re
from pathlib import Path

import pytest
from processes import node

from taskdash_protocol.folding import fold, whole, words
from taskdashd.domain import search

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "protocol/vectors/folding.json").read_text())["vectors"]
TASK = dict.fromkeys(search.SEARCHED, "") | {
    "id": "t-1",
    "name": "Straße",
    "description": "x" * 3_998 + "\U0001f600yz",
    "reason": "ﬁne",
    "user": "1001",
}
PEOPLE = {"1001": "王小明"}
SOUGHT = ("strasse T-1", "FINE 小明", "1001", "\U0001f600y", "yz", "nobody", "straßet", "")
SCRIPT = """
import { readFileSync } from 'node:fs';
const { fold, whole, words, finds } = await import('data:text/javascript,' + encodeURIComponent(
    readFileSync('taskdashd/web/static/rules/folding.js', 'utf8')));
const { vectors, task, sought, people } = JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify({
    folded: vectors.map((one) => [fold(one.text), words(one.text)]),
    whole: vectors.map((one) => whole(one.text)),
    found: sought.map((one) => finds(words(one), task, (user) => people[user] ?? user)),
}));
"""


def test_the_daemon_folds_as_the_vectors_say() -> None:
    for vector in VECTORS:
        assert fold(vector["text"]) == vector["folded"]
        assert list(words(vector["text"])) == vector["words"]
        assert fold(vector["folded"]) == vector["folded"]


def test_the_page_folds_as_the_vectors_say_and_finds_what_the_daemon_finds() -> None:
    given = {"vectors": VECTORS, "task": TASK, "sought": SOUGHT, "people": PEOPLE}
    page = node(SCRIPT, given)
    assert page["whole"] == [whole(one["text"]) for one in VECTORS]
    assert "a b c d" in page["whole"]
    assert page["folded"] == [[one["folded"], one["words"]] for one in VECTORS]
    wanted = [search.sought(one, PEOPLE.items()) for one in SOUGHT]
    assert page["found"] == [one is None or one.finds(TASK) for one in wanted]
    assert page["found"] == [True, True, True, True, False, False, False, True]


@pytest.mark.parametrize("name", ["CHARACTERS_MAX", "SEARCHED"])
def test_page_and_daemon_search_the_same_of_a_task(name: str) -> None:
    script = (ROOT / "taskdashd/web/static/rules/folding.js").read_text()
    (value_written,) = re.findall(rf"^const {name} = (.*?);$", script, re.MULTILINE | re.DOTALL)
    said = ast.literal_eval(value_written)
    value = getattr(search, name)
    assert said == (list(value) if isinstance(value, tuple) else value)
