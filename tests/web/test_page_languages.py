"""The page's words: all that it asks for are there, in both languages."""

import json
import re
from pathlib import Path
from typing import get_args

from taskdash_protocol import errors
from taskdash_protocol.errors import Cause
from taskdash_protocol.fields import DAEMON_FIELDS, ORIGINAL_NAMES, TASK_FIELDS

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "taskdashd" / "web" / "static"
ACTS = ("claim", "begin", "submit", "approve", "reject", "release", "assign")
KNOWN_FIELDS = {*TASK_FIELDS, *DAEMON_FIELDS, *ORIGINAL_NAMES.values()}
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
    places = (STATIC / "rules" / "places.js").read_text().partition("PLACES = {")[2]
    places = places.partition("};")[0]
    for place, views in re.findall(r"^  (\w+): \[([^]]+)\],$", places, re.MULTILINE):
        assert f"place.{place}" in english
        shown = [one for one in re.findall(r"'(\w+)'", views) if one != "task"]
        assert {f"view.{one}" for one in shown} <= english.keys()
    causes = [cause for cause in get_args(Cause) if cause]
    assert {f"cause.{cause}" for cause in causes} <= english.keys()
    spoken = (ROOT / "protocol" / "PROTOCOL.md").read_text()
    assert [cause for cause in causes if f"| `{cause}` |" not in spoken] == []


def test_no_word_is_left_over() -> None:
    """A word that nothing asks for would be translated for nobody.

    The last part of a key that is put together is named in the page's code, or in the protocol.
    """
    code = "\n".join(path.read_text() for path in STATIC.rglob("*.js"))
    built = tuple(set(re.findall(r"`([\w.]+\.)\$\{", code)))
    quoted = set(re.findall(r"'([\w.-]+)'", code))
    refusals = {str(one.errid) for one in vars(errors).values() if hasattr(one, "errid")}
    named = set(re.findall(r"[\w-]+", code)) | refusals | {*get_args(Cause), *KNOWN_FIELDS}
    # What neither a task's page nor its history nor a filter shows is asked for only where it is
    # named whole.
    untold = code.partition("HIDDEN = new Set([")[2].partition("]);")[0]
    filters = code.partition("FIELDS = {")[2].partition("};")[0]
    hidden = set(re.findall(r"'(\w+)'", untold)) - set(re.findall(r": '(\w+)'", filters))
    assert hidden
    left = [
        key
        for key in words("en")
        for whole in [key.removesuffix(".one")]
        if whole not in quoted
        and (
            not whole.startswith(built)
            or not named.issuperset(whole.split(".")[1:])
            or whole.removeprefix("field.") in hidden
        )
    ]
    assert left == []
