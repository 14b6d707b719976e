"""The TypeScript types of tasks and of what the page may ask; no browser is sent them."""

from dataclasses import Field
from inspect import getdoc
from pathlib import Path
from typing import Any, Final

from taskdash_protocol.fields import DAEMON_FIELDS, DAEMON_OBJECTS, TASK_FIELDS
from taskdash_protocol.request import Request, declared_fields, is_required, member_of, reader_of
from taskdash_protocol.requests import REQUESTS

_KINDS: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "array": "string[]",
    "object": "Record<string, string | string[]>",
}
_ENUM_MAX: Final = 8
"""The most words in a type; an enum of more is given as `string`, which is easier to read."""


def files(_root: Path) -> dict[Path, str]:
    """Give the file of TypeScript's declarations, which the page's JSDoc names."""
    asked = [request for request in REQUESTS.values() if request.over_http]
    parts = ["// Made by tools/declare from the requests' declarations.\n"]
    parts += [_interface(request) for request in asked]
    parts.append("/** What a request may say of a task. */\n" + _block("GivenFields", _given()))
    parts.append("/** The fields of every task. */\n" + _block("TaskFields", _fields()))
    by_name = "".join(f"  {one.request_id}: {one.request_id};\n" for one in asked)
    parts.append(
        "/** Each request by the name of its operation. */\n" + _block("Requests", by_name)
    )
    return {Path("taskdashd/web/static/wire/requests.d.ts"): "\n".join(parts)}


def _interface(request: type[Request]) -> str:
    declared = declared_fields(request)
    lines = "".join(_member(one) for one in declared if not reader_of(one).of_body)
    bodies = [reader_of(one).schema for one in declared if reader_of(one).of_body]
    lines += "".join(
        f"  {name}: string;\n" for schema in bodies for name in schema.get("required", ())
    )
    summary = (getdoc(request) or "").partition("\n")[0]
    name = request.request_id + (" extends GivenFields" if bodies else "")
    return f"/** {summary} */\n{_block(name, lines)}"


def _given() -> str:
    """Declare the members of a task that a request may give, and that there may be others."""
    lines = "".join(
        f"  /** {about} */\n  {name}?: string;\n" for name, about in TASK_FIELDS.items()
    )
    return f"{lines}  /** Kept as part of the task. */\n  [member: string]: unknown;\n"


def _fields() -> str:
    kinds = {**dict.fromkeys(TASK_FIELDS, "string"), **dict.fromkeys(DAEMON_FIELDS, "string")}
    kinds |= {"rev": "number", "epoch": "number"}
    objects = dict.fromkeys(DAEMON_OBJECTS, "Record<string, unknown>")
    about = {**TASK_FIELDS, **DAEMON_FIELDS, **DAEMON_OBJECTS}
    told = [(f"{name}?" if name in objects else name, name) for name in about]
    kinds |= objects
    return "".join(f"  /** {about[name]} */\n  {shown}: {kinds[name]};\n" for shown, name in told)


def _block(name: str, lines: str) -> str:
    inside = f"\n{lines}" if lines else ""
    return f"export interface {name} {{{inside}}}\n"


def _member(one: Field[Any]) -> str:
    reader = reader_of(one)
    kind = _kind(reader.schema)
    member = (
        f"{member_of(one)}: {kind}" if is_required(one) else f"{member_of(one)}?: {kind} | null"
    )
    return f"  /** {reader.about} */\n  {member};\n"


def _kind(schema: dict[str, Any]) -> str:
    if len(schema.get("enum", ())) in range(1, _ENUM_MAX + 1):
        return " | ".join(f'"{word}"' for word in schema["enum"])
    kinds = schema["type"] if type(schema["type"]) is list else [schema["type"]]
    return " | ".join(_KINDS[kind] for kind in kinds)
