"""MessagePack: bounded in every way, with a sentence of ours for whatever is wrong."""

from typing import Any

import msgpack
import pytest

from taskdash_protocol import strictpack
from taskdash_protocol.errors import BadRequest


def refusal(payload: bytes) -> str:
    with pytest.raises(BadRequest) as refused:
        strictpack.loads(payload)
    return refused.value.detail


@pytest.mark.parametrize("size", [0, 1, 31, 32])
def test_as_many_entries_as_a_header_may_have(size: int) -> None:
    """In a short payload and in a long one, which is read another way."""
    for padding in (b"", b"x" * 5000):
        for value in ({str(n): n for n in range(size)}, list(range(size))):
            given: Any = [2, value, padding]
            assert strictpack.loads(msgpack.packb(given)) == given


@pytest.mark.parametrize("padding", [b"", b"x" * 5000])
def test_one_more_is_refused(padding: bytes) -> None:
    said = "at most 32 entries, no extension types"
    for value in ({str(n): n for n in range(33)}, list(range(33))):
        assert said in refusal(msgpack.packb([2, value, padding]))


@pytest.mark.parametrize(("containers", "is_read"), [(63, True), (64, False)])
def test_a_long_payload_has_so_many_arrays_and_maps(containers: int, is_read: bool) -> None:
    """The payload's own array is one of the sixty-four."""
    for kind in ([], {}):
        header: list[Any] = [[kind] * 15, [kind] * 15, [kind] * 14, [kind] * (containers - 48)]
        counted = 1 + len(header) + sum(len(inner) for inner in header)
        assert counted == containers + 1
        payload = msgpack.packb([*header, b"x" * 5000])
        if is_read:
            assert len(strictpack.loads(payload)) == 5
        else:
            assert refusal(payload) == "the header holds too many arrays and maps"


@pytest.mark.parametrize(("bytes_more", "is_counted"), [(0, False), (1, True)])
def test_a_short_payload_is_read_without_counting(bytes_more: int, is_counted: bool) -> None:
    """What fits 4,096 bytes cannot hold enough to hurt."""
    inner = [[[]] * 32] * 32
    start = len(msgpack.packb([inner, b"x" * 256]))
    payload = msgpack.packb([inner, b"x" * (4096 - start + 256 + bytes_more)])
    assert len(payload) == 4096 + bytes_more
    if is_counted:
        assert refusal(payload) == "the header holds too many arrays and maps"
    else:
        assert strictpack.loads(payload)[0] == inner


@pytest.mark.parametrize("padding", [b"", b"x" * 5000])
def test_whatever_is_wrong_is_refused_in_words_of_ours(padding: bytes) -> None:
    end = msgpack.packb(padding)
    whole = msgpack.packb([2, None, padding])
    assert refusal(whole + b"\xc0") == "bytes follow the payload's array inside the frame"
    for payload in (
        whole[:-1],
        b"",
        b"\x93\x02\xc1" + end,
        b"\x93\x02\x81\x01\x02" + end,
        b"\x93\x02\x81\x90\x01" + end,
        b"\x93\x02\xa1\xff" + end,
        b"\x93" * 2000,
    ):
        assert refusal(payload).startswith("the payload is not valid MessagePack within the limits")
    for extension in (b"\xd4\x01x", b"\xc7\x00\x01", b"\xd6\xff\x00\x00\x00\x00"):
        said = refusal(b"\x93\x02" + extension + end)
        assert "xtension types" in said or "not valid MessagePack" in said


def test_strings_are_text_and_bytes_are_bytes() -> None:
    assert strictpack.loads(b"\x93\xa1a\xc4\x01a\xc0") == ["a", b"a", None]
