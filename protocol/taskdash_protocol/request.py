"""The base of all requests: how one is declared, read from a body and written to one.

A request is a frozen dataclass in `families/`. Each of its fields is declared by a function of
`readers`, which says how the field is read, what it means and what its JSON Schema is; the class
variables below say what is special about the request as a whole. Client, daemon, OpenAPI, the
tables of PROTOCOL.md, the page's types and the vectors are made from these declarations.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, replace
from functools import cache
from typing import Any, ClassVar, Final, Literal, NamedTuple, Self

from taskdash_protocol import typed
from taskdash_protocol.errors import BadRequest

Read = Callable[[str, Any], Any]
"""Takes a field's name and its value in a body; gives the request's value. Raises `BadRequest`."""

Schema = dict[str, Any]

_NOTHING: Final = object()
"""The default of a field that must be given: no value is the same."""

_Step = tuple[str, Read, bool, str | None, Callable[[], Any]]
"""A field's member, its `read`, its `of_body`, its `absent` (None where the field may be left out),
and the maker of its default: what `parse` needs of each field."""


class Reader(NamedTuple):
    """How a field is read and described; stands in the metadata of the dataclass's field."""

    about: str
    """The field's meaning: a sentence, for documents."""
    read: Read
    schema: Schema
    """The JSON Schema of a value."""
    absent: str = "is required"
    """The refusal's words after `field NAME` where a required field is left out."""
    of_body: bool = False
    """Whether `read` takes the whole body, not one member; `schema` then is an object's."""


class Request:
    """A request: its fields are declared by `readers`; a null means that the field is left out."""

    __slots__ = ()

    request_id: ClassVar[str] = ""
    """The RequestID that names the operation; empty where only the original framing has it."""
    signs_in: ClassVar[Literal["token", "person"] | None] = None
    """Set on a request that signs in, and so is allowed before any sign-in; None on all others.

    `token`: signs in a connection by its token. `person`: signs in a browser, over HTTP.
    """
    over_http: ClassVar[bool] = True
    """Whether the request can be asked over HTTP; false where it is about a connection."""
    sets_cookie: ClassVar[bool] = False
    """Whether the reply changes the browser's cookie, which only a reply over HTTP can do."""

    def task_ids(self) -> tuple[str, ...]:
        """Give the ids of the tasks that must be in memory before the operation runs."""
        return ()

    def counts_as_service(self) -> bool:
        """Tell whether the written task belongs to the service whose URL it has, not the asker."""
        return False

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request out of a JSON object. Raises `BadRequest`."""
        given: list[Any] = []
        # mypy takes a class for unhashable, and `cache` needs a hash.
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
        for name, member, of_body, default in _writing_plan(type(self)):  # type: ignore[arg-type]
            value = getattr(self, name)
            if of_body:
                body.update(value)
            elif value != default:
                body[member] = value if type(value) is str else _plain(value)
        return body


class AboutTask(Request):
    """A request about the one task that its field `id` names."""

    __slots__ = ()

    id: str

    def task_ids(self) -> tuple[str, ...]:
        """Give the id of the one task."""
        return (self.id,)


class AboutTypedTask(AboutTask):
    """A request about one task whose id people may have typed: if there is none, as it is meant."""

    __slots__ = ()

    def as_meant(self) -> Self | None:
        """Give the request about the id that is meant; None where that is the id itself."""
        meant = typed.name(self.id)
        return replace(self, id=meant) if meant and meant != self.id else None  # type: ignore[type-var]


def declared_fields(request: type[Request]) -> "tuple[Field[Any], ...]":
    """Give the fields of a request, in the order of their declaration."""
    return fields(request)  # type: ignore[arg-type]  # each request is a dataclass


def member_of(one: "Field[Any]") -> str:
    """Give the member of a body that a field is read from: `from_` is that for `from`."""
    return one.name.removesuffix("_")


def reader_of(one: "Field[Any]") -> Reader:
    """Give the `Reader` of a field."""
    reader: Reader = one.metadata["reader"]
    return reader


def is_required(one: "Field[Any]") -> bool:
    """Tell whether a field must be given."""
    return one.default is MISSING and one.default_factory is MISSING


@cache
def _plan(request: type[Request]) -> tuple[_Step, ...]:
    """Collect what `parse` needs of a request's fields: once, rather than for every body."""
    return tuple(_step(one) for one in declared_fields(request))


@cache
def _writing_plan(request: type[Request]) -> tuple[tuple[str, str, bool, Any], ...]:
    """Collect what `to_body` needs of a field: its name, its member, its `of_body`, its default."""
    return tuple(
        (
            one.name,
            member_of(one),
            reader_of(one).of_body,
            _NOTHING if is_required(one) else _default(one)(),
        )
        for one in declared_fields(request)
    )


def _step(one: "Field[Any]") -> _Step:
    reader = reader_of(one)
    absent = reader.absent if is_required(one) else None
    return member_of(one), reader.read, reader.of_body, absent, _default(one)


def _default(one: "Field[Any]") -> Callable[[], Any]:
    if one.default_factory is not MISSING:
        return one.default_factory
    return lambda: one.default


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return list(value) if type(value) is tuple else value
