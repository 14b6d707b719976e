"""Forms: what the original's pages send is read alike, however they send it, or refused."""

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest
from taskdashd.web.forms import FIELDS_MAX, FORM_BYTES_MAX, fields_of

CHINESE = st.text(st.sampled_from("待领取已完成编辑中 a&=%+王\n"), max_size=20)
NAMES = st.text(st.sampled_from("abcXYZ"), min_size=1, max_size=8)
FIELDS = st.dictionaries(NAMES, CHINESE, min_size=1, max_size=8)
FORM = "application/x-www-form-urlencoded"


def multipart(fields: Mapping[str, str], charset: str = "utf-8", extra: bytes = b"") -> bytes:
    parts = [
        b'--xyz\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        % (name.encode(charset), value.encode(charset))
        for name, value in fields.items()
    ]
    return b"".join(parts) + extra + b"--xyz--\r\n"


@given(FIELDS)
def test_a_field_is_read_alike_from_query_form_multipart_and_json(fields: dict[str, str]) -> None:
    encoded = urlencode(fields)
    assert fields_of(encoded, "", b"") == fields
    assert fields_of("", FORM, encoded.encode()) == fields
    assert fields_of("", "multipart/form-data; boundary=xyz", multipart(fields)) == fields
    assert fields_of("", "application/json", strictjson.dumps(fields)) == fields


@given(FIELDS, st.sampled_from(["gbk", "GB2312", "gb18030"]))
def test_a_form_that_says_that_it_is_in_gbk_is_read_so(fields: dict[str, str], named: str) -> None:
    encoded = urlencode(fields, encoding="gbk")
    assert fields_of("", f"{FORM}; charset={named}", encoded.encode()) == fields
    kind = f"multipart/form-data; boundary=xyz; charset={named}"
    assert fields_of("", kind, multipart(fields, "gbk")) == fields
    said = fields_of(f"_charset_={named}&{encoded}", "", b"")
    assert said == {"_charset_": named, **fields}


@given(FIELDS)
def test_a_body_counts_before_the_query(fields: dict[str, str]) -> None:
    query = urlencode(dict.fromkeys(fields, "old") | {"operation": "x"})
    assert fields_of(query, FORM, urlencode(fields).encode()) == {"operation": "x", **fields}


def test_files_are_no_fields() -> None:
    file = (
        b'--xyz\r\nContent-Disposition: form-data; name="user"; filename="a.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\xff\xfe\r\n"
    )
    body = multipart({"user": "1001"}, extra=file)
    assert fields_of("", "multipart/form-data; boundary=xyz", body) == {"user": "1001"}


GBK = urlencode({"status": "待领取"}, encoding="gbk").encode()


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        (FORM, GBK, "not in UTF-8: a form in GBK says so by charset=gbk"),
        (FORM, b"status=\xff", "not in UTF-8"),
        (f"{FORM}; charset=gbk", b"status=%FF%FF", "not in gb18030, as the form says"),
        (f"{FORM}; charset=utf-7", b"a=b", "a form is in UTF-8 or GBK, not 'utf-7'"),
        (FORM, b"&".join([b"a="] * (FIELDS_MAX + 1)), "must be a form or a JSON object"),
        (FORM, b"a=" + b"x" * FORM_BYTES_MAX, f"more than {FORM_BYTES_MAX} bytes"),
        ("multipart/form-data", multipart({"a": "b"}), "the multipart form cannot be read"),
        ("multipart/form-data; boundary=xyz", multipart({"a": "b"})[:-9], "cannot be read"),
        (
            "multipart/form-data; boundary=xyz",
            multipart({f"f{n}": "" for n in range(FIELDS_MAX + 1)}),
            "cannot be read",
        ),
        ("multipart/form-data; boundary=xyz", multipart({"a": "待"}, "gbk"), "not in UTF-8"),
        ("application/json", b"[]", "not a JSON object"),
    ],
)
def test_what_cannot_be_read_is_refused_and_why(kind: str, body: bytes, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        fields_of("", kind, body)


@given(st.binary(max_size=300), st.text(st.characters(max_codepoint=255), max_size=60))
def test_hostile_bodies_are_read_or_refused(body: bytes, kind: str) -> None:
    for told in (kind, f"multipart/form-data; boundary={kind}", "multipart/form-data; boundary=x"):
        for sent in (body, b"--x\r\n" + body):
            with suppress(BadRequest):
                fields_of("", told, sent)
