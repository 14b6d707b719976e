"""The kinds of fields of requests: a function declares each, with its reader and its JSON Schema.

A reader takes the field's name and a value that is not null, and gives the value that the request
holds; it raises `BadRequest` with a sentence that names the field.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, Final

from taskdash_protocol import folding
from taskdash_protocol.errors import BadRequest, Cause
from taskdash_protocol.fields import (
    ACKNOWLEDGED,
    ANSWERS,
    CLASS,
    LABELS,
    ORDER_FIELDS,
    SELECTABLE,
    TASK_FIELDS,
)
from taskdash_protocol.request import Reader, Schema, reader_of
from taskdash_protocol.statuses import CLASSES
from taskdash_protocol.strictjson import INT_MAX, INT_MIN

ID_CHARACTERS_MAX: Final = 128
URL_CHARACTERS_MAX: Final = 512
WHERE_VALUES_MAX: Final = 1000
PAGE_MAX: Final = 1000
PAGE_DEFAULT: Final = 100

PLAIN: Final = r"^[^\u0000-\u001f\u007f-\u009f]*$"
"""The pattern, in JSON Schema's dialect (ECMA-262), of a string without control characters."""
STRING: Final[Schema] = {"type": "string", "pattern": r"^[^\u0000]*$"}
"""The schema of a field that `string` declares."""
ID: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": ID_CHARACTERS_MAX,
    "pattern": PLAIN,
}
"""The schema of a field that `task_id` declares."""

_WORD: Final = r"\w"
_LETTERS: Final = r"\p{L}\p{N}_"
"""The same as `_WORD` in ECMA-262, whose own class of words knows ASCII alone."""
_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CREDENTIALS: Final = re.compile(r"((?:^|:)[/\\]{2,})(?:[^/?#\s]*@[/\\]*)+")
"""A URL's user and password, with what stands before them."""
_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_string(name: str, value: object) -> str:
    """Check that a value is a string without NUL. Raises `BadRequest`."""
    if type(value) is not str:
        raise BadRequest(f"field {name} must be a string")
    if "\0" in value:
        raise BadRequest(f"field {name} must not hold the character NUL")
    return value


def without_credentials(url: str) -> str:
    """Give a URL without the `user:secret@` before its host: whoever sees the task would see it."""
    return _CREDENTIALS.sub(r"\1", url) if "@" in url else url


def check_id(name: str, value: object) -> str:
    """Check that a value is the id of a task. Raises `BadRequest`."""
    if type(value) is not str:
        raise BadRequest(f"field {name} must be a string")
    if not 1 <= len(value) <= ID_CHARACTERS_MAX:
        raise BadRequest(f"field {name} must have 1 to {ID_CHARACTERS_MAX} characters")
    if not value.isprintable() and _CONTROL_CHARACTER.search(value):
        raise BadRequest(f"field {name} must not hold control characters")
    return value


def check_boolean(name: str, value: object) -> bool:
    """Check that a value is true or false. Raises `BadRequest`."""
    if type(value) is not bool:
        raise BadRequest(f"field {name} must be true or false")
    return value


def declare(reader: Reader, **kwargs: Any) -> Any:
    """Make a dataclass field of a reader; `kwargs` go to `dataclasses.field`."""
    return field(metadata={"reader": reader}, **kwargs)


def string(meaning: str, *, characters_max: int | None = None, **kwargs: Any) -> Any:
    """Declare a field that is any string without NUL."""

    def read(name: str, value: Any) -> str:
        given = check_string(name, value)
        if characters_max is not None and len(given) > characters_max:
            fault = BadRequest(f"field {name} is longer than {characters_max} characters")
            raise fault.because("too-long", field=name, most=f"{characters_max}")
        return given

    bound = {} if characters_max is None else {"maxLength": characters_max}
    return declare(Reader(meaning, read, {**STRING, **bound}), **kwargs)


def searched(meaning: str, *, characters_max: int, words_max: int) -> Any:
    """Declare the field that holds the words that are searched for."""
    one = reader_of(string(meaning, characters_max=characters_max))

    def read(name: str, value: Any) -> str:
        given: str = one.read(name, value)
        if len(folding.words(given)) > words_max:
            fault = BadRequest(f"field {name} has more than {words_max} words")
            raise fault.because("too-many-words", most=f"{words_max}")
        return given

    return declare(Reader(meaning, read, one.schema), default="")


def strings(meaning: str, **kwargs: Any) -> Any:
    """Declare a field that is a string, or a list of strings."""

    def read(name: str, value: Any) -> tuple[str, ...]:
        given = [value] if type(value) is str else value
        if type(given) is not list or any(type(one) is not str for one in given):
            raise BadRequest(f"field {name} must be a string or a list of strings")
        return tuple(given)

    schema = {**STRING, "type": ["string", "array"], "items": STRING}
    return declare(Reader(meaning, read, schema), **kwargs)


def too_long(name: str, characters_max: int) -> BadRequest:
    """Make the refusal of a text that is too long."""
    fault = BadRequest(f"field {name} has more than {characters_max} characters")
    return fault.because("too-long", field=name, most=f"{characters_max}")


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

    `words` is a pattern that the string must match, unless empty, and its description for people.
    """

    def read(name: str, value: Any) -> str:
        given = check_string(name, value)
        if one_of is not None and given not in one_of:
            raise BadRequest(f"field {name} must be one of {', '.join(one_of)}")
        if not empty and not given:
            raise BadRequest(f"field {name} must not be empty")
        if len(given) > characters_max:
            raise too_long(name, characters_max)
        if _CONTROL_CHARACTER.search(given):
            fault = BadRequest(f"field {name} must not hold control characters")
            raise fault.because("characters", field=name)
        if words is not None and given and re.fullmatch(words[0], given) is None:
            raise BadRequest(f"field {name} must be made of {words[1]}")
        return given

    schema: Schema = {"type": "string", "maxLength": characters_max, "pattern": PLAIN}
    if one_of is not None:
        schema["enum"] = list(one_of)
    if not empty:
        schema["minLength"] = 1
    if words is not None:
        schema["pattern"] = f"^({words[0].replace(_WORD, _LETTERS)}){'?' if empty else ''}$"
    return declare(Reader(meaning, read, schema), **kwargs)


def texts(
    meaning: str,
    *,
    many_max: int,
    many_min: int = 0,
    characters_max: int = 0,
    of: Any = None,
    too_many: Cause = "",
    **kwargs: Any,
) -> Any:
    """Declare a field that is a list of strings, none of them empty; repeated ones are dropped.

    `of` is the declaration of one; without it, one is a text of `characters_max`. `too_many` is the
    cause of the refusal of too long a list, where people may have typed it.
    """
    one = reader_of(of or text(meaning, characters_max=characters_max, empty=False))

    def read(name: str, value: Any) -> tuple[str, ...]:
        if type(value) is not list:
            raise BadRequest(f"field {name} must be a list of strings")
        if not many_min <= len(value) <= many_max:
            fault = BadRequest(f"field {name} must have {many_min} to {many_max} members")
            raise fault.because(too_many, most=f"{many_max}") if too_many else fault
        return tuple(dict.fromkeys(one.read(name, member) for member in value))

    bounds = {"minItems": many_min, "maxItems": many_max}
    schema = {"type": "array", "items": one.schema, **bounds}
    return declare(Reader(meaning, read, schema), **kwargs)


def url(meaning: str, **kwargs: Any) -> Any:
    """Declare a field that is the http:// or https:// URL of a service."""
    one = reader_of(text(meaning, characters_max=URL_CHARACTERS_MAX, empty=False))

    def read(name: str, value: Any) -> str:
        given: str = one.read(name, value)
        if not given.startswith(("http://", "https://")):
            raise BadRequest(f"field {name} must be an http:// or https:// URL")
        return given

    schema = {**one.schema, "pattern": r"^https?://[^\u0000-\u001f\u007f-\u009f]*$"}
    return declare(Reader(meaning, read, schema), **kwargs)


def task_id(**kwargs: Any) -> Any:
    """Declare a field that is the id of a task."""
    return declare(Reader(TASK_FIELDS["id"], check_id, ID), **kwargs)


def boolean(meaning: str, **kwargs: Any) -> Any:
    """Declare a field that is true or false."""
    return declare(Reader(meaning, check_boolean, {"type": "boolean"}), **kwargs)


def number(meaning: str, low: float, high: float, **kwargs: Any) -> Any:
    """Declare a field that is a number within bounds."""

    def read(name: str, value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise BadRequest(f"field {name} must be a number from {low:.10g} to {high:.10g}")
        return float(value)

    schema = {"type": "number", "minimum": low, "maximum": high}
    return declare(Reader(meaning, read, schema), **kwargs)


def seconds(meaning: str, low: float, high: float, **kwargs: Any) -> Any:
    """Declare a field that is a duration in seconds, kept as written: 5 does not become 5.0."""

    def read(name: str, value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise BadRequest(
                f"field {name} must be a number of seconds from {low:.10g} to {high:.10g}"
            )
        given: float = value
        return given

    schema = {"type": "number", "minimum": low, "maximum": high}
    return declare(Reader(meaning, read, schema), **kwargs)


def integer(
    meaning: str,
    *,
    low: int = INT_MIN,
    high: int = INT_MAX,
    must: str = "be an integer",
    **kwargs: Any,
) -> Any:
    """Declare a field that is an integer; `must` ends the refusal `field NAME must ...`."""

    def read(name: str, value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise BadRequest(f"field {name} must {must}")
        return value

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return declare(Reader(meaning, read, schema, f"must {must}"), **kwargs)


def limit(meaning: str) -> Any:
    """Declare the field that bounds the entries of a page."""
    must = f"be an integer from 1 to {PAGE_MAX}"
    return integer(meaning, low=1, high=PAGE_MAX, must=must, default=PAGE_DEFAULT)


def cursor(meaning: str) -> Any:
    """Declare the field that takes the cursor of the page before."""

    def read(name: str, value: Any) -> str:
        if type(value) is not str:
            raise BadRequest(f"field {name} must be a cursor that a reply gave as next")
        return value

    return declare(Reader(meaning, read, STRING), default=None)


def order(meaning: str) -> Any:
    """Declare the field that names the field of a task by which tasks are ordered."""

    def read(name: str, value: Any) -> str:
        given = check_string(name, value)
        if given.removeprefix("-") not in ORDER_FIELDS:
            raise BadRequest(f"field {name}: tasks cannot be ordered by {given[:64]!r}")
        return given

    orders = [sign + name for name in sorted(ORDER_FIELDS) for sign in ("", "-")]
    return declare(Reader(meaning, read, {"type": "string", "enum": orders}), default="id")


def where(meaning: str) -> Any:
    """Declare the field that selects tasks by the values that their fields may have."""

    def read(name: str, value: Any) -> Mapping[str, tuple[str, ...]]:
        if type(value) is not dict:
            raise BadRequest(f"field {name} must be an object")
        return {one: _wanted(name, one, values) for one, values in value.items()}

    properties: Schema = {
        one: {"anyOf": [STRING, {"type": "array", "items": STRING, "maxItems": WHERE_VALUES_MAX}]}
        for one in sorted(SELECTABLE)
    }
    for one, words in _WORDS.items():
        word = {"enum": list(words)}
        properties[one] = {"anyOf": [word, {"type": "array", "items": word}]}
    schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return declare(Reader(meaning, read, schema), default_factory=dict)


def _wanted(name: str, one: str, value: Any) -> tuple[str, ...]:
    """Read the values given for a task's field `one`: a selected task has one of them."""
    if one not in SELECTABLE:
        raise BadRequest(f"field {name}: tasks cannot be selected by {one[:64]!r}")
    values = value if type(value) is list else [value]
    if len(values) > WHERE_VALUES_MAX:
        raise BadRequest(f"field {name}.{one} has more than {WHERE_VALUES_MAX} values")
    for wanted in values:
        check_string(f"{name}.{one}", wanted)
        if one in _WORDS and wanted not in _WORDS[one]:
            raise BadRequest(f"field {name}.{one} must be of {', '.join(_WORDS[one])}")
    fold = _FOLDS.get(one)
    return tuple(values if fold is None else map(fold, values))


_WORDS: Final = {CLASS: CLASSES, ACKNOWLEDGED: ANSWERS}
"""The words that some fields are selected by."""
_FOLDS: Final = {"url": without_credentials, LABELS: folding.whole}
"""How the values are read that are given for some fields."""


def time(meaning: str) -> Any:
    """Declare a field that is a time, read as UTC with milliseconds and `Z`; empty stays empty."""

    def read(name: str, value: Any) -> str:
        given = check_string(name, value)
        if not given:
            return ""
        try:
            at = datetime.fromisoformat(given)
            utc = at.astimezone(UTC) if at.tzinfo is not None else None
        except (ValueError, OverflowError):
            utc = None
        if utc is None:
            raise BadRequest(f"field {name} must be a time like 2026-01-31T12:00:00Z")
        return utc.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"

    return declare(Reader(meaning, read, {"type": "string", "format": "date-time"}), default="")


def date(meaning: str, *words: str, **kwargs: Any) -> Any:
    """Declare a field that is a date, or one of a few words; empty stays empty."""
    must = " or ".join(("be a date like 2026-01-31", *words))

    def read(name: str, value: Any) -> str:
        given = check_string(name, value)
        if given and given not in words and not _is_date(given):
            raise BadRequest(f"field {name} must {must}")
        return given

    schema: Schema = {"type": "string", "format": "date"}
    if words:
        schema = {"type": "string", "pattern": f"^({'|'.join((_DATE, *words))})?$"}
    return declare(Reader(meaning, read, schema), **kwargs)


def _is_date(text: str) -> bool:
    try:
        return re.fullmatch(_DATE, text) is not None and bool(datetime.fromisoformat(text))
    except ValueError:
        return False
