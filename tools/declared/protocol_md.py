"""The tables of fields in PROTOCOL.md, each between two marks in the section of its request.

A paragraph of the request's docstring that begins with `Reply:` stands behind the table. A request
without a section gets one at the end of the operations; its prose is edited by hand.
"""

import re
from dataclasses import Field
from inspect import getdoc
from pathlib import Path
from typing import Any, Final

from taskdash_protocol.request import Request, declared_fields, is_required, member_of, reader_of
from taskdash_protocol.requests import REQUESTS

PROTOCOL_MD: Final = Path("protocol/PROTOCOL.md")
_END: Final = "<!-- end -->"
_AFTER_OPERATIONS: Final = "\n## 8. "
_REPLY: Final = "\n\nReply: "
_EXACT_MAX: Final = 2**53
"""From here on, a bound is only that of the number's type, and is left out."""


def files(root: Path) -> dict[Path, str]:
    """Give PROTOCOL.md with its tables made from the declarations."""
    document = (root / PROTOCOL_MD).read_text()
    for request in REQUESTS.values():
        document = _with_table(document, request)
    return {PROTOCOL_MD: document}


def section_of(document: str, name: str) -> tuple[int, int] | None:
    """Give the start of a request's section, after its heading, and its end; None if missing."""
    heading = f"\n### {name}\n"
    at = document.find(heading)
    if at < 0:
        return None
    begin = at + len(heading)
    following = re.compile(r"^##", re.MULTILINE).search(document, begin)
    return begin, following.start() if following is not None else len(document)


def _with_table(document: str, request: type[Request]) -> str:
    name = request.request_id
    mark = f"<!-- made by tools/declare: {name} -->"
    about, reply, replied = (getdoc(request) or "").partition(_REPLY)
    table = f"{mark}\n\n{_table(request)}{reply}{replied}\n\n{_END}"
    found = section_of(document, name)
    if found is None:
        section = f"### {name}\n\n{about}\n\n{table}\n"
        return document.replace(_AFTER_OPERATIONS, f"\n{section}{_AFTER_OPERATIONS}", 1)
    begin, end = found
    section = document[begin:end]
    if mark in section:
        before, _, rest = section.partition(mark)
        _, _, after = rest.partition(_END)
    else:
        # Put the table after the first paragraph, which says what the request does.
        before, _, after = section.strip("\n").partition("\n\n")
        before, after = f"\n{before}\n\n", f"\n\n{after}\n\n" if after else "\n\n"
    return f"{document[:begin]}{before}{table}{after}{document[end:]}"


def _table(request: type[Request]) -> str:
    declared = declared_fields(request)
    if not declared:
        return "The body is empty."
    rows = [row for one in declared for row in _rows(one)]
    return "\n".join(("| field | type | meaning |", "| --- | --- | --- |", *rows))


def _rows(one: Field[Any]) -> list[str]:
    schema = reader_of(one).schema
    if not reader_of(one).of_body:
        optional = "" if is_required(one) else "?"
        return [f"| `{member_of(one)}` | {_kind(schema)}{optional} | {_meaning(one)} |"]
    required = schema.get("required", [])
    others = "the other fields of a task" if required else "fields of a task"
    return [
        *(
            f"| `{name}` | string | {_clause(schema['properties'][name]['description'])} |"
            for name in required
        ),
        f"| {others} | string? | see [Tasks](#6-tasks) |",
        "| any other member | any? | kept as part of the task |",
    ]


def _kind(schema: dict[str, Any]) -> str:
    kinds = schema["type"] if type(schema["type"]) is list else [schema["type"]]
    return " or ".join("array of strings" if kind == "array" else kind for kind in kinds)


def _meaning(one: Field[Any]) -> str:
    """Give a field's meaning, and those of its bounds that the meaning does not name."""
    schema, about = reader_of(one).schema, _clause(reader_of(one).about)
    bounds = []
    if "maxLength" in schema and "enum" not in schema:
        bounds.append(f"at most {schema['maxLength']} characters")
    if "minimum" in schema and abs(schema["maximum"]) < _EXACT_MAX:
        bounds.append(f"{_number(schema['minimum'])}-{_number(schema['maximum'])}")
    if "maxItems" in schema:
        bounds.append(f"{schema['minItems']}-{schema['maxItems']} of them")
    if type(one.default) is int:
        bounds.append(f"default {one.default}")
    elif type(one.default) is str and one.default:
        bounds.append(f"default `{one.default}`")
    known = [bound for bound in bounds if bound.removeprefix("at most ") not in about]
    return "; ".join((about, *known))


def _number(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def _clause(sentence: str) -> str:
    """Make a declaration's sentence fit for a cell: no capital first, no full stop last."""
    first = sentence.split()[0]
    small = sentence if first.isupper() and len(first) > 1 else sentence[0].lower() + sentence[1:]
    return small.removesuffix(".")
