"""The board's static files, read once, each with its ETag and gzipped."""

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple, Self

from taskdash_protocol import strictjson
from taskdashd.web.joined import joined
from taskdashd.web.messages import Request, Response

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
_PACKED_FROM_BYTES: Final = 512
_KEPT_S: Final = 365 * 86400


class File(NamedTuple):
    """A file, ready to be sent."""

    content: bytes
    packed: bytes | None
    kind: str
    etag: str
    caching: str
    """Whether a browser asks each time (and mostly gets a 304), or keeps the file for good."""


class Files:
    """All static files, by their path in a URL."""

    def __init__(self, known: Mapping[str, File]) -> None:
        self._known = known

    @classmethod
    def read(cls, prefix: str = "") -> Self:
        """Read all static files, join them as they are served, and gzip those that are large.

        The page is told below what path browsers find the board.
        """
        static = resources.files("taskdashd.web") / "static"
        known: dict[str, File] = {}
        for path, content in joined(dict(_read(static, "")), prefix).items():
            kind = _TYPES[path.rpartition(".")[2]]
            known[f"/static/{path}"] = _file(content, kind, is_kept=path != "index.html")
        # The page itself tells the screen on a wall from the board, by its path.
        known["/"] = known["/wall"] = known.pop("/static/index.html")
        return cls(known)

    def find(self, request: Request) -> Response | None:
        """Give a file, or 304 if the browser has it; None where the path names none."""
        if not request.path and request.prefix:
            # The page asks for what is beside it: without the slash that would be beside the board.
            there = f"{request.prefix}/{request.query and '?'}{request.query}"
            headers = [("location", there), ("cache-control", "no-cache")]
            return Response(HTTPStatus.PERMANENT_REDIRECT, b"", headers)
        file = self._known.get(request.path)
        if file is None:
            return None
        # The tag is weak: it names gzipped and plain bytes.
        headers = [("etag", f"W/{file.etag}"), ("cache-control", file.caching)]
        headers += [("content-type", file.kind), ("vary", "accept-encoding")]
        known = request.headers.get("if-none-match", "").split(",")
        if any(tag.strip().removeprefix("W/") in (file.etag, "*") for tag in known):
            return Response(HTTPStatus.NOT_MODIFIED, b"", headers)
        if file.packed is not None and _takes_gzip(request.headers.get("accept-encoding", "")):
            return Response(HTTPStatus.OK, file.packed, [*headers, ("content-encoding", "gzip")])
        return Response(HTTPStatus.OK, file.content, headers)


def read_description() -> bytes:
    """Read the OpenAPI 3.1 description of `/api/v1`, which `tools/declare` has made."""
    written = (resources.files("taskdashd.web") / "openapi.json").read_bytes()
    return strictjson.dumps(strictjson.reload(written))


def _takes_gzip(accepted: str) -> bool:
    for one in accepted.split(","):
        name, _, weight = one.replace(" ", "").partition(";q=")
        if name == "gzip":
            return weight.rstrip("0.") != "" if weight else True
    return False


def _file(content: bytes, kind: str, *, is_kept: bool) -> File:
    packed = gzip.compress(content, 9, mtime=0) if len(content) >= _PACKED_FROM_BYTES else None
    caching = f"max-age={_KEPT_S}, immutable" if is_kept else "no-cache"
    return File(content, packed, kind, f'"{hashlib.sha256(content).hexdigest()[:20]}"', caching)


def _read(folder: Traversable, under: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        path = f"{under}{entry.name}"
        if entry.is_dir():
            yield from _read(entry, f"{path}/")
        elif path.rpartition(".")[2] in _TYPES:
            yield path, entry.read_bytes()
