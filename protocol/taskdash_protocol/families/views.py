"""Requests about views: what a person or a group wants to see again, under a name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from taskdash_protocol import typed
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.families.groups import GROUP_CHARACTERS_MAX
from taskdash_protocol.families.people import PERSON_CHARACTERS_MAX
from taskdash_protocol.readers import boolean, declare, text
from taskdash_protocol.request import Reader, Request, Schema, reader_of

VIEWS_MAX: Final = 50
"""Views of one person, and of one group."""
NAME_CHARACTERS_MAX: Final = 64
_QUERY_CHARACTERS_MAX: Final = 1000
_OWNERS: Final = {
    "person": reader_of(text("", characters_max=PERSON_CHARACTERS_MAX, empty=False)),
    "group": reader_of(text("", characters_max=GROUP_CHARACTERS_MAX, empty=False)),
}


def _name(meaning: str) -> Any:
    one = reader_of(text(meaning, characters_max=NAME_CHARACTERS_MAX, empty=False))

    def read(name: str, value: Any) -> str:
        meant = typed.name(one.read(name, value))
        if len(meant) > NAME_CHARACTERS_MAX:
            raise BadRequest(f"field {name} has more than {NAME_CHARACTERS_MAX} characters")
        if not meant:
            raise BadRequest(f"field {name} must not be blank")
        return meant

    return declare(Reader(meaning, read, one.schema))


def _owner(meaning: str) -> Any:
    def read(name: str, value: Any) -> Mapping[str, str]:
        if type(value) is not dict or len(value) != 1 or not _OWNERS.keys() >= value.keys():
            raise BadRequest(f"field {name} must be an object of person or group")
        ((kind, given),) = value.items()
        return {kind: _OWNERS[kind].read(f"{name}.{kind}", given)}

    schema: Schema = {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {kind: one.schema for kind, one in _OWNERS.items()},
    }
    return declare(Reader(meaning, read, schema), default=None)


@dataclass(frozen=True, slots=True)
class Views(Request):
    """Ask for the views that one may see: one's own, and those of one's groups.

    Reply: `views`, a list of `name`, `of` and `query`, those of a person first; `more`, whether
    there are others for which the reply has no room: ask by `of`.
    """

    request_id = "Views"

    of: Mapping[str, str] | None = _owner("Only those of this person, or of this group.")


@dataclass(frozen=True, slots=True)
class SetView(Request):
    """Keep, change or remove a view: one's own; of a group, who leads it.

    Reply: the view, as in Views.
    """

    request_id = "SetView"

    name: str = _name("What it is called.")
    of: Mapping[str, str] | None = _owner("Whose it is; one's own where it is left out.")
    query: str = text(
        "What it shows, as the board's address has it behind `#/`: list?group=cut&q=film.",
        characters_max=_QUERY_CHARACTERS_MAX,
        default="",
    )
    remove: bool = boolean("It is not needed any more.", default=False)
