"""The frames of the requests' vectors, and a beginning of the vectors that are missing.

A vector that is begun here is marked `todo`, until its author has completed it by hand.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

from declared._lacks import Incomplete
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.frames import TASKDASH
from taskdash_protocol.request import Request, declared_fields, is_required, member_of, reader_of
from taskdash_protocol.requests import REQUESTS

VECTORS: Final = Path("protocol/vectors/requests.json")
_TODO: Final = "say in `meaning` what this shows, make `body` show it, and take this line away"


def files(root: Path) -> dict[Path, str]:
    """Give the vectors, missing ones begun, each body also in the frame that carries it."""
    whole = read(root)
    vectors: list[dict[str, Any]] = whole["vectors"]
    for request in REQUESTS.values():
        for valid in (True, False):
            if not any(
                one["request"] == request.request_id and one["valid"] is valid for one in vectors
            ):
                vectors.append(_begun(request, valid=valid))
    for one in vectors:
        if "body" in one:
            header = {"RequestID": one["request"]}
            one["hex"] = TASKDASH.request(header, one["body"].encode()).hex()
    return {VECTORS: f"{json.dumps(whole, indent=1, ensure_ascii=False)}\n"}


def read(root: Path) -> Any:
    """Read the vectors. Raises `Incomplete` where a hand has left no JSON."""
    try:
        return json.loads((root / VECTORS).read_text())
    except ValueError as error:
        raise Incomplete(f"{VECTORS} is no JSON: {error}") from None


def _begun(request: type[Request], *, valid: bool) -> dict[str, Any]:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", request.request_id).lower()
    body: Any = _accepted(request)
    detail = "object"
    if not valid:
        body, detail = _refused(request, body)
    begun: dict[str, Any] = {
        "name": f"{name}-{'accepted' if valid else 'refused'}",
        # Not the last member, or the comma of the one before it would have to go with it.
        "todo": _TODO,
        "request": request.request_id,
        "body": json.dumps(body, separators=(",", ":")),
        "hex": "",
        "meaning": (request.__doc__ or "").partition("\n")[0] if valid else "A field is wrong.",
        "valid": valid,
    }
    if not valid:
        begun |= {"errid": BadRequest.errid, "detail": detail}
    return begun


def _accepted(request: type[Request]) -> dict[str, Any]:
    """Give the smallest body that is accepted, as far as a schema tells."""
    body: dict[str, Any] = {}
    for one in declared_fields(request):
        schema = reader_of(one).schema
        if reader_of(one).of_body:
            names = schema.get("required", [])
            body |= {name: _example(schema["properties"][name]) for name in names}
        elif is_required(one):
            body[member_of(one)] = _example(schema)
    return body


def _refused(request: type[Request], accepted: dict[str, Any]) -> tuple[Any, str]:
    """Give a body whose first field has a wrong type, and the name of that field."""
    declared = declared_fields(request)
    if not declared:
        return [], "object"
    first = declared[0]
    wrong = "x" if reader_of(first).schema["type"] in ("integer", "number") else 5
    return {**accepted, member_of(first): wrong}, member_of(first)


def _example(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] in ("integer", "number"):
        return max(schema["minimum"], min(1, schema["maximum"]))
    if schema["type"] == "array":
        return [_example(schema["items"])] * max(1, schema.get("minItems", 0))
    if schema["type"] == "string":
        if schema.get("format") == "date-time":
            return "2026-01-31T12:00:00Z"
        return "http://127.0.0.1:8080/" if "https?" in schema["pattern"] else "x"
    return {"boolean": True, "object": {}}[schema["type"]]
