"""What all requests have in common: how one is declared, read and written.

A request is a frozen dataclass in `families/`. Each of its fields is declared by a function of
`readers`, which says how the field is read, what it means and what its JSON Schema is; what is
special about the request as a whole is said by the class variables below. Client, daemon, OpenAPI,
the tables of PROTOCOL.md, the page's types and the vectors are made from these declarations.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any, ClassVar, Literal, NamedTuple, Self

from taskdash_protocol.errors import BadRequest

Read = Callable[[str, Any], Any]
"""Checks the value that a body gives for a field of this name. Raises `BadRequest`."""

Schema = dict[str, Any]

_Step = tuple[str, Read, bool, str | None, Callable[[], Any]]
"""A field's name, how it is read, whether of the whole body, what is said and what is held where it
is left out."""


class Reader(NamedTuple):
    """How a field is read, and what is said of it; it stands in the field's metadata."""

    about: str
    """Its meaning: a sentence, for documents."""
    read: Read
    schema: Schema
    """The JSON Schema of a value."""
    absent: str = "is required"
    """What is said of a field that must be given and is not."""
    of_body: bool = False
    """Whether the whole body is read rather than one member; the schema then is an object's."""


class Request:
    """A request: its fields are declared by `readers`; null means the same as leaving out."""

    __slots__ = ()

    request_id: ClassVar[str] = ""
    """The RequestID that names the operation; empty for what only the original framing asks."""
    signs_in: ClassVar[Literal["token", "person"] | None] = None
    """Who may ask this before they have said who they are.

    `token`: a connection that is yet to bring its token. `person`: a browser, over HTTP.
    """
    over_http: ClassVar[bool] = True
    """Whether it can be asked over HTTP; false for what is about a connection."""
    reads_again: ClassVar[bool] = False
    """Whether a read that waited for a commit which failed is answered with what is there then.

    Where it is false, the failure of the commit is the answer.
    """
    sets_cookie: ClassVar[bool] = False
    """Whether its answer changes the browser's cookie, which only an answer of HTTP can do."""

    def task_ids(self) -> tuple[str, ...]:
        """Name the tasks that must be in memory before it is done."""
        return ()

    def counts_as_service(self) -> bool:
        """Tell whether what it writes belongs to the service that its task names, not the asker."""
        return False

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request out of a JSON object. Raises `BadRequest`."""
        given: list[Any] = []
        # mypy takes a class for unhashable.
        for name, read, of_body, absent, default in _plan(cls):  # type: ignore[arg-type]
            value = body if of_body else body.get(name)
            if value is not None:
                given.append(read(name, value))
            elif absent is None:
                given.append(default())
            else:
                raise BadRequest(f"field {name} {absent}")
        return cls(*given)

    def to_body(self) -> dict[str, Any]:
        """Give the JSON object that `parse` reads."""
        body: dict[str, Any] = {}
        for one in declared_fields(type(self)):
            value = getattr(self, one.name)
            if reader_of(one).of_body:
                body.update(value)
            elif is_required(one) or value != _default(one)():
                body[one.name] = _plain(value)
        return body


class AboutTask(Request):
    """A request about the one task that its field `id` names."""

    __slots__ = ()

    id: str

    def task_ids(self) -> tuple[str, ...]:
        """Name the task."""
        return (self.id,)


def declared_fields(request: type[Request]) -> "tuple[Field[Any], ...]":
    """Give the fields of a request, in their order."""
    return fields(request)  # type: ignore[arg-type]  # each request is a dataclass


def reader_of(one: "Field[Any]") -> Reader:
    """Give how a field is read."""
    reader: Reader = one.metadata["reader"]
    return reader


def is_required(one: "Field[Any]") -> bool:
    """Tell whether a field must be given."""
    return one.default is MISSING and one.default_factory is MISSING


@cache
def _plan(request: type[Request]) -> tuple[_Step, ...]:
    """Look at the fields of a request once, for `parse` reads them with each body."""
    return tuple(_step(one) for one in declared_fields(request))


def _step(one: "Field[Any]") -> _Step:
    reader = reader_of(one)
    absent = reader.absent if is_required(one) else None
    return one.name, reader.read, reader.of_body, absent, _default(one)


def _default(one: "Field[Any]") -> Callable[[], Any]:
    if one.default_factory is not MISSING:
        return one.default_factory
    return lambda: one.default


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return list(value) if type(value) is tuple else value
