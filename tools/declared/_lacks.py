"""What the declarations of requests lack, a sentence each: nothing is made from half of one."""

from collections.abc import Iterator

from taskdash_protocol.request import Request, declared_fields, reader_of
from taskdash_protocol.requests import request_classes


class Incomplete(Exception):
    """Nothing can be made yet; the text says what is missing, a sentence a line."""


def check() -> None:
    """Raise `Incomplete` where a declaration lacks something."""
    classes = list(request_classes())
    said = [sentence for one in classes for sentence in lacks(one)]
    if said := said or list(shared(classes)):
        raise Incomplete("\n".join(said))


def lacks(request: type[Request]) -> Iterator[str]:
    """Say what a declaration lacks."""
    name, told = request.__name__, place(request)
    if "request_id" not in vars(request):
        yield f'{told} has no request_id: write request_id = "{name}"'
    elif request.request_id not in ("", name):
        yield f"{told} has the request_id {request.request_id!r}, and its class another name"
    parameters = vars(request).get("__dataclass_params__")
    if parameters is None or not parameters.frozen or "__slots__" not in vars(request):
        yield f"{told} is not under @dataclass(frozen=True, slots=True)"
    # `dataclass` gives a class without a docstring one that is its signature.
    if (request.__doc__ or f"{name}(").startswith(f"{name}("):
        yield f"{told} has no docstring that says what it asks for"
    if parameters is not None:
        yield from _fields_lack(request, told)


def _fields_lack(request: type[Request], told: str) -> Iterator[str]:
    for one in declared_fields(request):
        if "reader" not in one.metadata:
            yield f"{told}.{one.name} is declared by no function of taskdash_protocol.readers"
        elif not reader_of(one).about.endswith("."):
            yield f"{told}.{one.name} has a meaning that does not end with a full stop"


def shared(classes: list[type[Request]]) -> Iterator[str]:
    """Say which requests have one RequestID."""
    known: dict[str, type[Request]] = {}
    for one in classes:
        other = known.setdefault(one.request_id, one) if one.request_id else one
        if other is not one:
            yield f"{place(other)} and {place(one)} have one request_id, {one.request_id!r}"


def place(request: type[Request]) -> str:
    """Say where a request is declared."""
    return f"protocol/{request.__module__.replace('.', '/')}.py: {request.__name__}"
