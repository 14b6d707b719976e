"""The fields of a request of the original HTTP API: of a query, a form, a multipart or JSON body.

Nothing is guessed: text that is not what it says it is gets an error. A status of which half the
bytes were replaced would find no task, and an empty list reads as "nothing to do".
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from multipart import MultipartError, PushMultipartParser, parse_options_header

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest

FORM_BYTES_MAX: Final = 64 << 10
FIELDS_MAX: Final = 32
_CONTENT_TYPE_CHARACTERS_MAX: Final = 1024
_CHARSETS: Final = {
    **dict.fromkeys(("", "utf-8", "utf8", "us-ascii", "ascii"), "utf-8"),
    # Of the three Chinese sets the one that holds the others.
    **dict.fromkeys(("gb2312", "gbk", "x-gbk", "cp936", "gb18030"), "gb18030"),
}
"""The codec for each character set that a form may say it is in."""
_CHARSET_FIELD: Final = "_charset_"
"""The field in which a form says its character set (HTML, 4.10.21.5): browsers fill it in."""


def fields_of(query: str, content_type: str, body: bytes) -> Mapping[str, Any]:
    """Give the fields of a request; where query and body both have one, the body's.

    Raises `BadRequest`.
    """
    return {**_urlencoded(query.encode("latin-1"), ""), **_of_body(content_type, body)}


def _of_body(content_type: str, body: bytes) -> Mapping[str, Any]:
    if not body:
        return {}
    kind, options = parse_options_header(content_type[:_CONTENT_TYPE_CHARACTERS_MAX])
    if "json" in kind or body.lstrip()[:1] == b"{":
        return strictjson.loads_object(body)
    if len(body) > FORM_BYTES_MAX:
        raise BadRequest(f"the form has more than {FORM_BYTES_MAX} bytes")
    if kind == "multipart/form-data":
        return _multipart(body, options.get("boundary", ""), options.get("charset", ""))
    return _urlencoded(body, options.get("charset", ""))


def _urlencoded(text: bytes, charset: str) -> Mapping[str, str]:
    if not text:
        return {}
    try:
        fields = parse_qsl(
            text.decode("latin-1"),
            keep_blank_values=True,
            strict_parsing=True,
            # Keep each byte as one character until the character set is known.
            encoding="latin-1",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError:
        raise BadRequest("the body must be a form or a JSON object") from None
    return _decoded([(name, value.encode("latin-1"), "") for name, value in fields], charset)


def _multipart(body: bytes, boundary: str, charset: str) -> Mapping[str, str]:
    fields: list[tuple[str, bytes, str]] = []
    try:
        with PushMultipartParser(
            boundary, max_segment_count=FIELDS_MAX, header_charset="latin-1", strict=True
        ) as parser:
            segment, value = None, b""
            for part in parser.parse(body):
                if isinstance(part, bytes | bytearray):
                    value += part
                elif part is not None:
                    segment, value = part, b""
                elif segment is not None and segment.filename is None:
                    # A file is no field: none of the operations takes one.
                    fields.append((segment.name, value, segment.charset or ""))
    except MultipartError as error:
        raise BadRequest(f"the multipart form cannot be read: {error}") from None
    return _decoded(fields, charset)


def _decoded(fields: list[tuple[str, bytes, str]], charset: str) -> Mapping[str, str]:
    """Decode fields, each with the character set that it names itself, or else the form's."""
    own = [value.decode("latin-1") for name, value, _ in fields if name == _CHARSET_FIELD]
    form = own[0] if own and not charset else charset
    decoded = {}
    for name, value, its in fields:
        codec = _codec(its or form)
        try:
            decoded[name.encode("latin-1").decode(codec)] = value.decode(codec)
        except UnicodeDecodeError:
            why = f"field {name[:64]!r} is not in {codec}, as the form says"
            if codec == "utf-8":
                why = f"field {name[:64]!r} is not in UTF-8: a form in GBK says so by charset=gbk"
            raise BadRequest(why) from None
    return decoded


def _codec(charset: str) -> str:
    # Not `codecs.lookup`: it keeps each unknown name that a peer thinks of for good.
    try:
        return _CHARSETS[charset.strip().lower()]
    except KeyError:
        raise BadRequest(f"charset: a form is in UTF-8 or GBK, not {charset[:64]!r}") from None
