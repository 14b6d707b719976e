"""The client's half of a connection, against frames as a daemon would send them."""

from typing import Any

import pytest

from taskdash_protocol import PROTOCOL_VERSION, strictjson
from taskdash_protocol.conversation import (
    BEAT_INTERVAL_S,
    REPLY_BYTES_MAX,
    Bye,
    Conversation,
    ProtocolError,
    Reply,
    TaskEvent,
    encode,
)
from taskdash_protocol.errors import BadRequest, Busy, Conflict, FrameError, ServerError
from taskdash_protocol.families.connections import Hello
from taskdash_protocol.families.tasks import Find, Query, Register
from taskdash_protocol.frames import FRAME_BYTES_MAX, TASKDASH, Decoder, Message

AGREED = {"errid": 0, "server": "taskdashd/1", "heartbeat_timeout": 20, "heartbeat_interval": 6}


def sent(frame: bytes) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Give the header and the body of a frame that the client sends: exactly one."""
    decoder = Decoder(1 << 30, TASKDASH)
    decoder.feed(frame)
    message = decoder.next()
    assert isinstance(message, Message)
    assert decoder.buffered_bytes == 0
    assert message.header is not None
    return message.header, None if message.body is None else strictjson.loads_object(message.body)


def reply(seq: object, **body: Any) -> bytes:
    header = {"RequestID": "Find", "Seq": seq}
    return TASKDASH.reply(header, strictjson.dumps({"errid": 0, **body}))


def event(header: dict[str, Any], **body: Any) -> bytes:
    return TASKDASH.event(header, strictjson.dumps(body))


def agreed(now: float = 100.0, **body: Any) -> Conversation:
    """Give a conversation whose Hello was answered."""
    talk = Conversation("me/1")
    talk.hello(now)
    talk.receive(reply(1, **{**AGREED, **body}), now)
    return talk


def test_the_first_frame_introduces_the_client() -> None:
    header, body = sent(Conversation("me/1", "secret").hello(0.0))
    assert header == {"RequestID": "Hello", "Seq": 1}
    assert body == {"protocol": PROTOCOL_VERSION, "client": "me/1", "token": "secret"}
    assert PROTOCOL_VERSION == 1
    assert sent(Conversation("me/1").hello(0.0))[1] == {"protocol": 1, "client": "me/1"}


def test_requests_are_numbered_up_and_each_reply_finds_its_own() -> None:
    """Whatever the order in which they are answered; no number is used twice."""
    talk = agreed()
    asked = []
    for name in "abcd":
        seq, frame = talk.ask(Find(name))
        assert sent(frame) == ({"RequestID": "Find", "Seq": seq}, {"id": name})
        asked.append(seq)
    assert asked == [2, 3, 4, 5]
    for seq in (4, 2, 5, 3):
        (said,) = talk.receive(reply(seq, id=str(seq)), 100.0)
        assert said == Reply(seq, {"errid": 0, "id": str(seq)}, None)
    assert talk.ask(Find("e"))[0] == 6


def test_a_reply_that_nobody_asked_for_ends_the_conversation() -> None:
    """So does the second reply to one request: which call would it be for?"""
    talk = agreed()
    seq, _ = talk.ask(Find("a"))
    talk.receive(reply(seq), 100.0)
    for odd in (seq, seq + 1, 0, -1, "2", None, 2.0, True):
        with pytest.raises(ProtocolError, match="answered what nobody asked"):
            talk.receive(reply(odd), 100.0)


def test_an_error_that_answers_no_request_is_about_the_stream() -> None:
    talk = agreed()
    frame = reply(None, errid=1000, errmsg="x", detail="the frame is wrong")
    with pytest.raises(BadRequest, match="the frame is wrong"):
        talk.receive(frame, 100.0)


def test_a_refusal_is_told_with_its_cause() -> None:
    talk = agreed()
    seq, _ = talk.ask(Find("a"))
    refused = {"errid": 1004, "errmsg": "冲突", "detail": "d", "cause": "taken"}
    (said,) = talk.receive(reply(seq, **refused, values={"who": 7}), 100.0)
    assert isinstance(said, Reply)
    error = said.error
    assert isinstance(error, Conflict)
    assert (error.detail, error.errmsg, error.cause) == ("d", "冲突", "taken")
    assert error.values == {"who": "7"}
    assert said.body["errid"] == 1004


@pytest.mark.parametrize("values", [None, [], "x", 7])
def test_a_refusal_without_sound_details_is_one_all_the_same(values: Any) -> None:
    talk = agreed()
    seq, _ = talk.ask(Find("a"))
    (said,) = talk.receive(reply(seq, errid=4242, values=values), 100.0)
    assert isinstance(said, Reply)
    assert type(said.error) is ServerError
    assert (said.error.errid, said.error.errmsg, said.error.cause) == (4242, "", "")
    assert said.error.detail == ""
    assert said.error.values == {}


def test_a_reply_without_an_errid_is_none_that_succeeded() -> None:
    talk = agreed()
    seq, _ = talk.ask(Find("a"))
    frame = TASKDASH.reply({"Seq": seq}, b'{"detail":"what?"}')
    (said,) = talk.receive(frame, 100.0)
    assert isinstance(said, Reply)
    assert type(said.error) is ServerError
    assert (said.error.errid, said.error.detail) == (-1, "what?")


def test_events_and_the_daemon_s_bye_are_told_apart() -> None:
    talk = agreed()
    task = {"id": "a", "status": "running"}
    stream = (
        event({"Watch": 3}, rev=7, kind="updated", task=task)
        + event({}, rev=8, kind="updated", task=task)
        + event({"Bye": True}, errid=1005, errmsg="服务繁忙", detail="too slow")
    )
    first, second, bye = talk.receive(stream, 100.0)
    assert first == TaskEvent(3, 7, "updated", task)
    assert second == TaskEvent(0, 8, "updated", task)
    assert isinstance(bye, Bye)
    assert isinstance(bye.error, Busy)
    assert bye.error.detail == "too slow"


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (TASKDASH.event({"Watch": 1}, b'{"rev":1,"kind":"updated"}'), "make no sense"),
        (TASKDASH.event({"Watch": 1}, b"[]"), "bad body"),
        (TASKDASH.event({"Watch": 1}, b"{"), "bad body"),
        (bytes.fromhex("00000004") + b"\x93\x07\xc0\xc0", "MessageID 7"),
        (bytes.fromhex("00000001") + b"\x93", "malformed frame"),
        (reply([1]), "nobody asked"),
    ],
)
def test_who_does_not_speak_the_protocol_is_named_as_such(frame: bytes, said: str) -> None:
    with pytest.raises(ProtocolError, match=said):
        agreed().receive(frame, 100.0)


@pytest.mark.parametrize("missing", [{"heartbeat_timeout": None}, {"heartbeat_interval": "x"}])
def test_a_hello_whose_answer_makes_no_sense_is_no_hello(missing: dict[str, Any]) -> None:
    talk = Conversation("me/1")
    talk.hello(0.0)
    with pytest.raises(ProtocolError, match="make no sense"):
        talk.receive(reply(1, **{**AGREED, **missing}), 0.0)


def test_tasks_at_the_deepest_nesting_are_read_in_a_page_of_them() -> None:
    """A task may be as deep as a request, and a page holds it two levels down."""
    talk = agreed()
    for levels, is_read in ((31, True), (34, False)):
        deep: Any = 1
        for _ in range(levels):
            deep = [deep]
        seq, _ = talk.ask(Find("a"))
        if is_read:
            (said,) = talk.receive(reply(seq, tasks=[{"x": deep}]), 100.0)
            assert isinstance(said, Reply)
        else:
            with pytest.raises(ProtocolError, match="nested"):
                talk.receive(reply(seq, tasks=[{"x": deep}]), 100.0)


def test_a_frame_that_comes_in_parts_is_one_and_counts_when_it_is_whole() -> None:
    talk = agreed(100.0)
    seq, _ = talk.ask(Find("a"))
    frame = reply(seq)
    assert talk.receive(frame[:10], 110.0) == []
    assert talk.heard_at == 100.0
    assert talk.receive(frame[10:] + TASKDASH.heartbeat, 115.0) == [Reply(seq, {"errid": 0}, None)]
    assert talk.heard_at == 115.0


def test_a_frame_above_the_limit_loses_the_stream() -> None:
    talk = agreed()
    assert REPLY_BYTES_MAX == 64 << 20
    assert talk.receive((64 << 20).to_bytes(4, "big"), 0.0) == []
    with pytest.raises(FrameError):
        agreed().receive(((64 << 20) + 1).to_bytes(4, "big"), 0.0)


# Heartbeats and silence


def test_until_the_daemon_names_its_interval_the_client_beats_every_ten_seconds() -> None:
    talk = Conversation("me/1")
    assert (talk.beat_at, talk.heard_at, talk.server) == (0.0, None, "")
    assert not talk.is_silent(1e9), "nobody waits before the first frame"
    talk.hello(100.0)
    assert BEAT_INTERVAL_S == 10.0
    assert (talk.beat_at, talk.beat_interval_s, talk.heartbeat_timeout_s) == (110.0, 10.0, 30.0)
    assert talk.heard_at == 100.0
    assert not talk.is_silent(130.0)
    assert talk.is_silent(130.1)


def test_the_daemon_s_interval_holds_from_its_answer_on() -> None:
    talk = agreed(100.0)
    assert (talk.beat_interval_s, talk.heartbeat_timeout_s) == (6.0, 20.0)
    assert (talk.beat_at, talk.server) == (106.0, "taskdashd/1")
    assert agreed(100.0, heartbeat_interval=60).beat_at == 110.0, (
        "a beat that is due is not put off"
    )
    header, body = sent(talk.beat(106.5))
    assert (header, body) == ({"Seq": 0}, None)
    assert talk.beat_at == 112.5


def test_any_whole_frame_is_a_sign_of_the_daemon_s_life() -> None:
    talk = agreed(100.0)
    assert not talk.is_silent(120.0)
    assert talk.is_silent(120.5)
    assert talk.receive(TASKDASH.beat({"Seq": 0}), 119.0) == []
    assert not talk.is_silent(139.0)
    assert talk.is_silent(139.5)


def test_a_hello_that_is_refused_agrees_on_nothing() -> None:
    talk = Conversation("me/1")
    talk.hello(100.0)
    (said,) = talk.receive(reply(1, **{**AGREED, "errid": 1003}), 101.0)
    assert isinstance(said, Reply)
    assert said.error is not None
    assert (talk.beat_interval_s, talk.server) == (10.0, "")


def test_only_the_answer_to_hello_is_one() -> None:
    talk = agreed(100.0)
    seq, _ = talk.ask(Find("a"))
    talk.receive(reply(seq, server="x", heartbeat_timeout=1, heartbeat_interval=1), 100.0)
    assert (talk.beat_interval_s, talk.server) == (6.0, "taskdashd/1")


# What is too large, or no JSON


def test_a_request_is_as_large_as_the_daemon_takes_and_no_larger() -> None:
    """A larger one is refused before it takes a number: the daemon would cut the connection off."""
    empty = len(Conversation("me/1").ask(Register("a", {"name": ""}))[1]) - 4
    for talk, most in (
        (agreed(max_frame=1000), 1000),
        (agreed(), FRAME_BYTES_MAX),
        (Conversation("me/1"), FRAME_BYTES_MAX),
    ):
        # The body's length takes more bytes in a longer frame, by 1 or 3.
        grown = 1 if most < 1 << 16 else 3
        seq, frame = talk.ask(Register("a", {"name": "x" * (most - empty - grown)}))
        assert len(frame) - 4 == most
        with pytest.raises(BadRequest, match=rf"takes {most + 1} bytes.*at most {most}"):
            talk.ask(Register("a", {"name": "x" * (most - empty - grown + 1)}))
        assert talk.ask(Find("a"))[0] == seq + 1


@pytest.mark.parametrize("value", [object(), 1 << 70, "\ud800", {1: 2}])
def test_what_is_no_json_is_refused_before_it_is_sent(value: Any) -> None:
    talk = agreed()
    with pytest.raises(BadRequest, match="cannot be written as JSON"):
        talk.ask(Register("a", {"name": "n", "x": value}))
    assert talk.ask(Find("a"))[0] == 2


def test_a_request_is_encoded_as_its_body() -> None:
    assert encode(Hello(1)) == b'{"protocol":1}'
    in_a_list: list[Any] = []
    in_a_list.append(in_a_list)
    in_an_object: dict[str, Any] = {}
    in_an_object["x"] = in_an_object
    for looped in (in_a_list, in_an_object):
        with pytest.raises(BadRequest, match="cannot be written as JSON"):
            encode(Register("a", {"name": "n", "x": looped}))
        with pytest.raises(BadRequest, match="cannot be written as JSON"):
            encode(Query(where={"user": looped}))  # type: ignore[dict-item]
