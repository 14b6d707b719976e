"""What all requests have in common, and a way to declare those that are but a list of fields."""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, Final, Literal, Self

from taskdash_protocol.checks import check_text
from taskdash_protocol.errors import BadRequest

_WORD: Final = r"\w"
_LETTERS: Final = r"\p{L}\p{N}_"
"""How ECMA-262 says it of all alphabets."""

Read = Callable[[str, Any], Any]
"""Checks the value that a body gives for a field of this name. Raises `BadRequest`."""

URL_CHARACTERS_MAX: Final = 512
PLAIN: Final = r"^[^\u0000-\u001f\u007f-\u009f]*$"
"""What has no control characters, as JSON Schema says it (ECMA-262)."""


def about(meaning: str, **kwargs: Any) -> Any:
    """Declare a field that its class reads by itself."""
    return field(metadata={"about": meaning}, **kwargs)


class Request:
    """What all requests have in common."""

    request_id: ClassVar[str]
    signs_in: ClassVar[Literal["token", "person"] | None] = None
    over_http: ClassVar[bool] = True
    reads_again: ClassVar[bool] = False
    sets_cookie: ClassVar[bool] = False

    def task_ids(self) -> tuple[str, ...]:
        """Name the tasks that must be in memory before it is done."""
        task_id = getattr(self, "id", None)
        return () if task_id is None or self.request_id == "FetchTasks" else (task_id,)

    def counts_as_service(self) -> bool:
        """Tell whether what it writes belongs to the service that its task names, not the asker."""
        return self.request_id == "Register" or bool(
            self.request_id == "Update" and self.own  # type: ignore[attr-defined]
        )

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request out of a JSON object. Raises `BadRequest`."""
        raise NotImplementedError

    def to_body(self) -> dict[str, Any]:
        """Give the JSON object that `parse` reads."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Declared(Request):
    """A request whose fields each say how they are read; null means the same as leaving out."""

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request. Raises `BadRequest`."""
        given: dict[str, Any] = {}
        for one in fields(cls):
            value = body.get(one.name)
            if value is not None:
                given[one.name] = one.metadata["read"](one.name, value)
            elif is_required(one):
                raise BadRequest(f"field {one.name} is required")
        return cls(**given)

    def to_body(self) -> dict[str, Any]:
        """Give the JSON object."""
        body: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if is_required(one) or value != one.default:
                body[one.name] = list(value) if type(value) is tuple else value
        return body


def is_required(one: "Field[Any]") -> bool:
    """Tell whether a field must be given."""
    return one.default is MISSING and one.default_factory is MISSING


def text(
    meaning: str,
    *,
    characters_max: int,
    one_of: tuple[str, ...] | None = None,
    empty: bool = True,
    words: tuple[str, str] | None = None,
    **kwargs: Any,
) -> Any:
    """Declare a field that is a string without control characters.

    `words` is a pattern that it must match, unless it is empty, and how that is said to people.
    """

    def read(name: str, value: Any) -> str:
        check_text(name, value)
        if one_of is not None and value not in one_of:
            raise BadRequest(f"field {name} must be one of {', '.join(one_of)}")
        if not empty and not value:
            raise BadRequest(f"field {name} must not be empty")
        if len(value) > characters_max:
            raise BadRequest(f"field {name} has more than {characters_max} characters")
        if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in value):
            raise BadRequest(f"field {name} must not hold control characters")
        assert type(value) is str
        if words is not None and value and re.fullmatch(words[0], value) is None:
            raise BadRequest(f"field {name} must be made of {words[1]}")
        return value

    schema: dict[str, Any] = {"type": "string", "maxLength": characters_max, "pattern": PLAIN}
    if one_of is not None:
        schema["enum"] = list(one_of)
    if not empty:
        schema["minLength"] = 1
    if words is not None:
        schema["pattern"] = f"^({words[0].replace(_WORD, _LETTERS)}){'?' if empty else ''}$"
    return field(metadata={"about": meaning, "read": read, "schema": schema}, **kwargs)


def texts(
    meaning: str, *, characters_max: int, many_max: int, many_min: int = 0, **kwargs: Any
) -> Any:
    """Declare a field that is a list of strings, none of them empty, none twice."""
    one = text(meaning, characters_max=characters_max, empty=False)

    def read(name: str, value: Any) -> tuple[str, ...]:
        if type(value) is not list:
            raise BadRequest(f"field {name} must be a list of strings")
        if not many_min <= len(value) <= many_max:
            raise BadRequest(f"field {name} must have {many_min} to {many_max} members")
        return tuple(dict.fromkeys(one.metadata["read"](name, member) for member in value))

    bounds = {"minItems": many_min, "maxItems": many_max}
    schema = {"type": "array", "items": one.metadata["schema"], **bounds}
    return field(metadata={"about": meaning, "read": read, "schema": schema}, **kwargs)


def number(meaning: str, low: float, high: float, **kwargs: Any) -> Any:
    """Declare a field that is a number within bounds."""

    def read(name: str, value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise BadRequest(f"field {name} must be a number from {low:g} to {high:g}")
        return float(value)

    schema = {"type": "number", "minimum": low, "maximum": high}
    return field(metadata={"about": meaning, "read": read, "schema": schema}, **kwargs)


def boolean(meaning: str, **kwargs: Any) -> Any:
    """Declare a field that is true or false."""

    def read(name: str, value: Any) -> bool:
        if type(value) is not bool:
            raise BadRequest(f"field {name} must be true or false")
        return value

    return field(metadata={"about": meaning, "read": read, "schema": {"type": "boolean"}}, **kwargs)


def url(meaning: str, **kwargs: Any) -> Any:
    """Declare a field that is the URL of a service."""
    one = text(meaning, characters_max=URL_CHARACTERS_MAX, empty=False)

    def read(name: str, value: Any) -> str:
        given: str = one.metadata["read"](name, value)
        if not given.startswith(("http://", "https://")):
            raise BadRequest(f"field {name} must be an http:// or https:// URL")
        return given

    schema = {**one.metadata["schema"], "pattern": r"^https?://[^\u0000-\u001f\u007f-\u009f]*$"}
    return field(metadata={"about": meaning, "read": read, "schema": schema}, **kwargs)
