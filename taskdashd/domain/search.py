"""What a task is found by, and whether it is found. Rules only.

The page judges the changes that come to a search by its twin, `rules/finding.js`.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from taskdash_protocol import folding, statuses, typed

SEARCHED: Final = (
    *("id", "name", "description", "reason", "group_id", "project_id", "user", "checker"),
)
"""The members of a task that are searched: of people the number; their names are in records."""
CHARACTERS_MAX: Final = 4_000
"""The characters of each member that are searched: a megabyte of text would hold up all others."""
PART: Final = "\n\n"
"""Stands before, between and behind the members: words have no line breaks, so none spans two."""

LIVE: Final = "live"
CALLED: Final = {
    statuses.UNCLAIMED: ("to claim", "待领取"),
    "pending": ("pending", "to claim", "待领取"),
    statuses.CLAIMED: ("claimed", "claimed or in work", "已领取", "处理中"),
    statuses.EDITING: ("in work", "claimed or in work", "编辑中", "处理中"),
    statuses.IN_REVIEW: ("to check", "待审核"),
    "review": ("review", "to check", "待审核"),
    statuses.DRAFT: ("not ready yet", "草稿", "未就绪"),
    statuses.TO_PERMIT: ("not ready yet", "待批准", "未就绪"),
    statuses.CONDITIONAL: ("not ready yet", "待触发", "未就绪"),
    statuses.QUEUED: ("not ready yet", "待执行", "未就绪"),
    statuses.FINISHED: ("finish", "finished", "已完成"),
    "finished": ("finished", "已完成"),
    "failed": ("failed", "失败"),
    statuses.CANCELLED: ("cancelled", "已取消"),
    statuses.SHUTDOWN: ("shutdown", "failed or lost", "已掉线"),
    LIVE: ("running", "运行中"),
}
"""What people call each status, as they read it on the page: folded, one blank between two words.

Of the statuses of running tasks, which services name as they like, LIVE stands for all. Only the
whole of it is looked for: `check` would else find all that is to check.
"""

_name = lru_cache(maxsize=20_000)(typed.compared)


def searched(fields: Mapping[str, Any]) -> str:
    """Give the folded text of a task."""
    found = [fields.get(name) for name in SEARCHED]
    if state_of(fields) == LIVE:
        found.append(fields["status"])
    texts = [text[:CHARACTERS_MAX] for text in found if type(text) is str and text]
    return folding.fold(f"{PART}{PART.join(texts)}{PART}")


def state_of(fields: Mapping[str, Any]) -> str:
    """Give what stands for a task's status in CALLED."""
    status: str = fields["status"]
    return LIVE if statuses.is_live(status) else status


class Meant(NamedTuple):
    """What a word may mean besides itself."""

    people: frozenset[str]
    """The numbers of those in whose names it is."""
    states: frozenset[str]
    """The states, as in CALLED, that it says together with the words beside it."""


class Sought(NamedTuple):
    """What is looked for: folded words, each of which a task must have or be meant by."""

    words: Mapping[str, Meant]

    def finds(self, fields: Mapping[str, Any]) -> bool:
        """Tell whether a task has every word, or is in a state or somebody's that it means."""
        text, state = searched(fields), state_of(fields)
        has = fields["user"], fields["checker"]
        return all(
            word in text or state in meant.states or not meant.people.isdisjoint(has)
            for word, meant in self.words.items()
        )


def sought(text: str, people: Iterable[tuple[str, str]] = ()) -> Sought | None:
    """Read a `contains`; `people` are numbers and names. None where nothing is looked for."""
    words = folding.words(text)
    if not words:
        return None
    # A name that is the number is found by the text of the task.
    names = [(number, _name(name)) for number, name in people if name != number]
    said = f" {' '.join(words)} "
    spoken = {
        state: {word for one in phrases if f" {one} " in said for word in one.split(" ")}
        for state, phrases in CALLED.items()
    }

    def states(word: str) -> frozenset[str]:
        return frozenset(state for state, spoken_words in spoken.items() if word in spoken_words)

    return Sought({word: Meant(_people(word, names), states(word)) for word in words})


def _people(word: str, names: Iterable[tuple[str, str]]) -> frozenset[str]:
    typed_word = typed.compared(word)
    # Nothing is left of a word that nobody sees: it is in no name, and not in all.
    if not typed_word:
        return frozenset()
    return frozenset(number for number, name in names if typed_word in name)
