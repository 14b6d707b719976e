"""The OpenAPI 3.1 description of `/api/v1`: a file that the daemon serves as it is."""

import json
from dataclasses import Field
from pathlib import Path
from typing import Any, Final, get_args

from taskdash_protocol import __version__
from taskdash_protocol.errors import BY_ERRID, Cause
from taskdash_protocol.readers import STRING
from taskdash_protocol.request import Request, declared_fields, is_required, member_of, reader_of
from taskdash_protocol.requests import REQUESTS
from taskdashd.web.api import STATUSES

_MEANINGS: Final = {
    400: "The request is wrong; detail names the field.",
    401: "Nobody has signed in.",
    403: "Whoever has signed in may not do that.",
    404: "No task has the id.",
    409: "The change lost, or the rules forbid it.",
    415: "The body is no JSON.",
    429: "Over a limit: try again later.",
    507: "It could not be stored: nothing of it is kept.",
}
assert set(STATUSES.values()) <= {200, *_MEANINGS}


def files(_root: Path) -> dict[Path, str]:
    """Give the file with the description."""
    text = json.dumps(describe(), indent=1, ensure_ascii=False)
    return {Path("taskdashd/web/openapi.json"): f"{text}\n"}


def describe() -> dict[str, Any]:
    """Give the description as an object."""
    offered = [request for request in REQUESTS.values() if request.over_http]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "TaskDash",
            "version": __version__,
            "description": "The operations of the wire protocol over HTTP: each is a POST of its "
            "JSON object. A browser signs in by Login and has a cookie; a script sends a token.",
        },
        "paths": {
            f"/api/v1/{request.request_id}": {"post": _operation(request)} for request in offered
        },
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "taskdash"},
            },
            "schemas": {
                "Reply": {
                    "type": "object",
                    "required": ["errid", "errmsg"],
                    "properties": {"errid": {"const": 0}, "errmsg": STRING},
                },
                "Error": {
                    "type": "object",
                    "required": ["errid", "errmsg", "detail"],
                    "properties": {
                        "errid": {"enum": sorted(BY_ERRID)},
                        "errmsg": STRING,
                        "detail": STRING,
                        "cause": {"enum": [cause for cause in get_args(Cause) if cause]},
                        "values": {"type": "object", "additionalProperties": STRING},
                    },
                },
            },
        },
        "security": [{"token": []}, {"cookie": []}],
    }


def _operation(request: type[Request]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": request.request_id,
        "summary": (request.__doc__ or "").strip().partition("\n")[0],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _schema(request)}},
        },
        "responses": {
            "200": _answer("Reply", "It is done, and on the disk."),
            **{str(status): _answer("Error", why) for status, why in sorted(_MEANINGS.items())},
        },
    }
    if request.signs_in == "person":
        described["security"] = []
    return described


def _answer(schema: str, meaning: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": meaning, "content": {"application/json": {"schema": reference}}}


def _schema(request: type[Request]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for one in declared_fields(request):
        reader = reader_of(one)
        if reader.of_body:
            properties |= reader.schema["properties"]
            required += reader.schema.get("required", [])
            continue
        properties[member_of(one)] = {**_nullable(one), "description": reader.about}
        if is_required(one):
            required.append(member_of(one))
    return {"type": "object", "properties": properties, "required": required}


def _nullable(one: Field[Any]) -> dict[str, Any]:
    """Give the schema of a field; an optional field may be null, which means left out."""
    schema = reader_of(one).schema
    if is_required(one):
        return schema
    kinds = schema["type"] if type(schema["type"]) is list else [schema["type"]]
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [*kinds, "null"], **enum}
