"""Requests about groups: a group is a name that people, services and tasks have."""

from dataclasses import dataclass
from typing import Any, Final

from taskdash_protocol.readers import text
from taskdash_protocol.request import Request

GROUP_CHARACTERS_MAX: Final = 128


def _group(meaning: str) -> Any:
    return text(meaning, characters_max=GROUP_CHARACTERS_MAX, empty=False)


@dataclass(frozen=True, slots=True)
class MergeGroups(Request):
    """Put all who and what is in one group into another, which may be a new one: operators.

    Reply: `from` and `into`, as they are meant; `people`, `services` and `tasks`, how many have
    come into it; `left`, a list of `id` and `why` of tasks that could not be changed (100 at most);
    `more`, whether tasks are in the old one still: after some seconds the reply comes with them
    left, and who asks the same again goes on; `tokens`, the names of the tokens that name the old
    one, which stay as they are.
    """

    request_id = "MergeGroups"

    from_: str = _group("The group that is to be empty.")
    into: str = _group("The group instead.")
