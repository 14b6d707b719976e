"""The OpenAPI 3.1 description of `/api/v1`, made from the requests' own declarations."""

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any, Final, get_args

from taskdash_protocol import __version__
from taskdash_protocol.errors import BY_ERRID, Cause
from taskdash_protocol.fields import CONTROL_FIELDS, TASK_FIELDS
from taskdash_protocol.request import PLAIN, Declared, Request, is_required
from taskdash_protocol.requests import (
    CONTAINS_CHARACTERS_MAX,
    HEARTBEAT_TIMEOUT_MAX_S,
    HEARTBEAT_TIMEOUT_MIN_S,
    ID_CHARACTERS_MAX,
    ORDER_FIELDS,
    WHERE_FIELDS,
    Audit,
    Find,
    Query,
    Register,
    Status,
    Update,
)
from taskdash_protocol.statuses import CLASSES
from taskdashd.core.table import Operation
from taskdashd.web.api import STATUSES

_TEXT: Final[dict[str, Any]] = {"type": "string", "pattern": r"^[^\u0000]*$"}
_CURSOR: Final[dict[str, Any]] = {**_TEXT, "type": ["string", "null"]}
_ID: Final[dict[str, Any]] = {
    "type": "string",
    "minLength": 1,
    "maxLength": ID_CHARACTERS_MAX,
    "pattern": PLAIN,
}
_LIMIT: Final[dict[str, Any]] = {"type": "integer", "minimum": 1, "maximum": 1000}
_CLASS: Final = {"enum": list(CLASSES)}
_WHERE: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        **{
            name: {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "maxItems": 1000}]}
            for name in sorted(WHERE_FIELDS)
        },
        "class": {"anyOf": [_CLASS, {"type": "array", "items": _CLASS}]},
    },
}
_ORDERS: Final = [sign + name for name in sorted(ORDER_FIELDS) for sign in ("", "-")]
_CONTROL: Final[dict[str, Any]] = {
    "heartbeat_timeout": {
        "type": "number",
        "minimum": HEARTBEAT_TIMEOUT_MIN_S,
        "maximum": HEARTBEAT_TIMEOUT_MAX_S,
    },
    "epoch": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
    "fenced": {"type": "boolean"},
}
_BY_HAND: Final[dict[type[Request], dict[str, Any]]] = {
    Find: {"id": _ID},
    Query: {
        "where": _WHERE,
        "order": {"enum": _ORDERS},
        "limit": _LIMIT,
        "after": _CURSOR,
        "contains": {**_TEXT, "maxLength": CONTAINS_CHARACTERS_MAX},
    },
    Status: {"check": {"type": "boolean"}},
    Audit: {
        "task": _TEXT,
        "who": _TEXT,
        "kinds": {"type": "array", "items": _TEXT},
        "since": {"type": "string", "format": "date-time"},
        "until": {"type": "string", "format": "date-time"},
        "limit": _LIMIT,
        "after": _CURSOR,
    },
}


def describe(offered: Mapping[str, Operation]) -> dict[str, Any]:
    """Give the description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "TaskDash",
            "version": __version__,
            "description": "The operations of the wire protocol over HTTP: each is a POST of its "
            "JSON object. A browser signs in by Login and has a cookie; a script sends a token.",
        },
        "paths": {
            f"/api/v1/{name}": {"post": _operation(name, one.request)}
            for name, one in offered.items()
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
                    "properties": {"errid": {"const": 0}, "errmsg": _TEXT},
                },
                "Error": {
                    "type": "object",
                    "required": ["errid", "errmsg", "detail"],
                    "properties": {
                        "errid": {"enum": sorted(BY_ERRID)},
                        "errmsg": _TEXT,
                        "detail": _TEXT,
                        "cause": {"enum": [cause for cause in get_args(Cause) if cause]},
                        "values": {"type": "object", "additionalProperties": _TEXT},
                    },
                },
            },
        },
        "security": [{"token": []}, {"cookie": []}],
    }


def _operation(name: str, request: type[Request]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": name,
        "summary": (request.__doc__ or "").strip().partition("\n")[0],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _schema(request)}},
        },
        "responses": {
            "200": _answer("Reply", "It is done, and on the disk."),
            **{
                str(status): _answer("Error", meaning)
                for status, meaning in sorted(_MEANINGS.items())
            },
        },
    }
    if request.signs_in == "person":
        described["security"] = []
    return described


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


def _answer(schema: str, meaning: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": meaning, "content": {"application/json": {"schema": reference}}}


def _schema(request: type[Request]) -> dict[str, Any]:
    if request in (Register, Update):
        properties: dict[str, Any] = {
            name: {**_TEXT, "description": about} for name, about in TASK_FIELDS.items()
        }
        properties["id"] = {**_ID, "description": TASK_FIELDS["id"]}
        for name, schema in _CONTROL.items():
            properties[name] = {**schema, "description": CONTROL_FIELDS[name]}
        if request is Update:
            properties["own"] = {"type": "boolean", "description": CONTROL_FIELDS["own"]}
        required = ["id", "name"] if request is Register else ["id"]
    elif issubclass(request, Declared):
        properties = {
            one.name: {**_declared(one), "description": one.metadata["about"]}
            for one in fields(request)
        }
        required = [one.name for one in fields(request) if is_required(one)]
    else:
        properties = {
            one.name: {**_BY_HAND[request][one.name], "description": one.metadata["about"]}
            for one in fields(request)  # type: ignore[arg-type]
        }
        required = ["id"] if request is Find else []
    return {"type": "object", "properties": properties, "required": required}


def _declared(one: Field[Any]) -> dict[str, Any]:
    """Describe a field; null means the same as leaving out, where that may be."""
    schema: dict[str, Any] = one.metadata["schema"]
    if is_required(one):
        return schema
    kind = {"type": [schema["type"], "null"]}
    return {**schema, **kind, **({"enum": [*schema["enum"], None]} if "enum" in schema else {})}
