"""Page and daemon part the names that people type alike: vectors that both must meet."""

import json
import sys
from pathlib import Path

from processes import node

from taskdash_protocol import typed

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "protocol/vectors/typed.json").read_text())["names"]
SCRIPT = """
import { readFileSync } from 'node:fs';
const { namesIn } = await import('data:text/javascript,' + encodeURIComponent(
    readFileSync('taskdashd/web/static/rules/separators.js', 'utf8')));
const { texts, last } = JSON.parse(readFileSync(0, 'utf8'));
const parts = [];
for (let one = 0; one <= last; one++) {
    if (namesIn(`a${String.fromCodePoint(one)}b`).length > 1) {
        parts.push(one);
    }
}
console.log(JSON.stringify({ names: texts.map(namesIn), parts }));
"""


def test_page_and_daemon_part_names_alike() -> None:
    given = {"texts": [one["text"] for one in VECTORS], "last": sys.maxunicode}
    page = node(SCRIPT, given)
    for vector, parts in zip(VECTORS, page["names"], strict=True):
        # The page sends the names as they were typed, and the daemon folds them.
        meant = dict.fromkeys(filter(None, map(typed.name, parts)))
        assert list(meant) == vector["names"], vector["text"]
    every = range(sys.maxunicode + 1)
    assert page["parts"] == [one for one in every if len(typed.names(f"a{chr(one)}b")) > 1]
