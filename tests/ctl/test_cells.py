"""A cell of CSV is no formula, by whatever it is split, on the page as on the command line."""

import csv
import io
import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import node

from taskdash_ctl.cells import Lines, guarded, unguarded

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "protocol/vectors/cells.json").read_text())["vectors"]
NASTY = st.text(
    st.sampled_from(";,|\t\n\r\v\x85\u2028'\" \u3000\u200b\ufeff=+-@＝＋－＠｜−﹦x1王"), max_size=20
)
SCRIPT = """
import { readFileSync } from 'node:fs';
const { cell } = await import('./taskdashd/web/static/rules/cells.js');
console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(cell)));
"""


def of_page(values: list[object]) -> list[str]:
    cells: list[str] = node(SCRIPT, values)
    return cells


def is_formula(text: str) -> bool:
    """Tell whether a program that is as careless as can be would run this."""
    shown = "".join(one for one in text if unicodedata.category(one) not in ("Cf", "Zs"))
    return unicodedata.normalize("NFKC", shown.lstrip('"'))[:1] in tuple("=+-@|−")


@pytest.mark.parametrize("one", VECTORS, ids=lambda one: ascii(one["text"]))
def test_a_cell_is_guarded_as_the_vectors_say(one: dict[str, str]) -> None:
    assert guarded(one["text"]) == one["guarded"]
    assert unguarded(one["guarded"]) == one["text"]


@given(NASTY)
def test_no_program_finds_a_formula_wherever_it_splits_and_import_finds_the_text(
    text: str,
) -> None:
    parts = re.split("[;,|\t\n\r\v\x85\u2028]", guarded(text))
    assert not [one for one in parts if is_formula(one)]
    assert unguarded(guarded(text)) == text


@given(NASTY)
def test_what_was_guarded_once_is_guarded_again_and_comes_back(text: str) -> None:
    """Text from a file that was guarded is text like any other: nothing of it is lost."""
    assert unguarded(guarded(guarded(text))) == guarded(text)


@settings(max_examples=10)
@given(st.lists(NASTY, min_size=100, max_size=200))
def test_the_page_writes_the_cells_that_the_command_line_writes(texts: list[str]) -> None:
    output = io.StringIO()
    for text in texts:
        Lines(output).write([text])
    ours = "".join(f"{cell}\n" for cell in of_page(list(texts)))
    assert ours == output.getvalue()


def test_the_page_puts_every_cell_in_quotes() -> None:
    values = [None, 5, -1.5, True, {"a": "x;=1"}, ["=1"], 'say "x"', *(v["text"] for v in VECTORS)]
    cells = of_page(values)
    assert cells[:7] == [
        '""', '"5"', '"-1.5"', '"true"', '"{""a"":""x;\'=1""}"', '"[""=1""]"', '"say ""x"""',
    ]  # fmt: skip
    assert cells[7:] == ['"' + v["guarded"].replace('"', '""') + '"' for v in VECTORS]


@given(st.lists(NASTY, min_size=1, max_size=4))
def test_a_line_has_every_cell_in_quotes_and_is_read_back(cells: list[str]) -> None:
    output = io.StringIO()
    Lines(output).write(cells)
    line = output.getvalue()
    assert line.startswith('"')
    assert line.endswith('"\n')
    (read,) = csv.reader(io.StringIO(line, newline=""))
    assert [unguarded(one) for one in read] == cells
