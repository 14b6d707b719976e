"""The page's words: all that it asks for are there, in both languages."""

import json
import re
from pathlib import Path
from typing import get_args

from taskdash_protocol.errors import Cause

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "taskdashd" / "web" / "static"
ACTS = ("claim", "begin", "submit", "approve", "reject", "release", "assign")
COLUMNS = ("waits", "free", "claimed", "editing", "review", "live", "dead", "done")


def words(language: str) -> dict[str, str]:
    """Give all words of a language, of whatever room."""
    found: dict[str, str] = {}
    for path in sorted(STATIC.rglob("words.json")):
        found |= json.loads(path.read_text())[language]
    return found


def named(text: str) -> list[str]:
    """Give the names that a text is filled with."""
    return sorted(set(re.findall(r"\{(\w+)\}", text)))


def test_both_languages_have_all_words() -> None:
    """Every word that the page asks for is there, with the same things to fill in."""
    english, chinese = words("en"), words("zh")
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert text
        assert chinese[key]
        assert named(text) == named(chinese[key]), key
    asked: set[str] = set()
    for path in STATIC.rglob("*.js"):
        asked |= set(re.findall(r"\bt\(\s*'([\w.-]+)'", path.read_text()))
    assert asked <= english.keys()


def test_words_whose_keys_are_put_together_are_there() -> None:
    """Of each act, state, place, view and cause."""
    english = words("en")
    for name in ACTS:
        assert {f"act.{name}", f"act.{name}.done"} <= english.keys()
    for name in COLUMNS:
        assert {f"state.{name}", f"empty.{name}"} <= english.keys()
    places = (STATIC / "rules" / "places.js").read_text()
    for place, views in re.findall(r"^  (\w+): \[([^]]+)\],$", places, re.MULTILINE):
        assert f"place.{place}" in english
        shown = [one for one in re.findall(r"'(\w+)'", views) if one != "task"]
        assert {f"view.{one}" for one in shown} <= english.keys()
    causes = [cause for cause in get_args(Cause) if cause]
    assert {f"cause.{cause}" for cause in causes} <= english.keys()
    spoken = (ROOT / "protocol" / "PROTOCOL.md").read_text()
    assert [cause for cause in causes if f"| `{cause}` |" not in spoken] == []


def test_no_word_is_left_over() -> None:
    """A word that nothing asks for would be translated for nobody."""
    code = "\n".join(path.read_text() for path in STATIC.rglob("*.js"))
    built = set(re.findall(r"`([\w.]+\.)\$\{", code))
    quoted = set(re.findall(r"'([\w.-]+)'", code))
    left = [
        key
        for key in words("en")
        if key.removesuffix(".one") not in quoted and not key.startswith(tuple(built))
    ]
    assert left == []
