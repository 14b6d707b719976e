"""Many requests at once: who waits for each outcome, and what of them a session takes."""

import threading

from taskdash.calls import Call
from taskdash.session import CALLS_MAX, Session
from taskdash.waiting import Pending
from taskdash_protocol.conversation import Conversation
from taskdash_protocol.errors import Busy
from taskdash_protocol.families.tasks import Find
from taskdash_protocol.frames import TASKDASH

AGREED = b'{"errid":0,"server":"t/1","heartbeat_timeout":20,"heartbeat_interval":6}'


def up() -> Session:
    session = Session("me/1")
    session.connected(1.0)
    session.receive(TASKDASH.reply({"RequestID": "Hello", "Seq": 1}, AGREED), 1.0)
    return session


def test_an_outcome_reaches_who_waits_whichever_comes_first() -> None:
    """The lock is made only by who waits: set before, meanwhile or after, none is missed."""
    waits = [Pending() for _ in range(20_000)]
    thread = threading.Thread(target=lambda: [one.set({"n": n}) for n, one in enumerate(waits)])
    thread.start()
    assert [one.wait(30) for one in waits] == [{"n": n} for n in range(len(waits))]
    thread.join()


def test_who_has_waited_in_vain_finds_a_later_outcome() -> None:
    pending = Pending()
    assert pending.wait(0) is None
    pending.set({"errid": 0})
    assert pending.wait(0) == {"errid": 0}
    assert pending.outcome == {"errid": 0}


def test_many_are_sent_as_one_after_another_are() -> None:
    one, many = up(), up()
    sent = [Find(f"task-{number}") for number in range(200)]
    for request in sent:
        one.call(request, lambda _outcome: None)
    many.call_all([Call(request, lambda _outcome: None) for request in sent])
    assert many.output == one.output
    assert many._asked == one._asked == len(sent)


def test_of_too_many_those_are_refused_for_which_there_is_no_room() -> None:
    """As if each had been sent alone, up or not."""
    for session in (up(), Session("me/1")):
        refused: list[object] = []
        session.call_all([Call(Find("a"), refused.append) for _ in range(CALLS_MAX - 1)])
        session.call_all([Call(Find("a"), refused.append) for _ in range(3)])
        assert [type(one) for one in refused] == [Busy, Busy]
        assert session._asked == CALLS_MAX


def test_after_the_end_each_is_told_of_it() -> None:
    session, told = up(), list[object]()
    session.end(Busy("over"))
    session.call_all([Call(Find("a"), told.append) for _ in range(3)])
    assert [str(one) for one in told] == [str(session.ended)] * 3


def test_a_request_that_cannot_be_written_is_refused_alone() -> None:
    session, told = up(), list[object]()
    session.output.clear()
    calls = [Call(Find("a"), told.append), Call(Find("\ud800"), told.append)]
    session.call_all(calls)
    assert len(told) == 1
    assert session._asked == 1
    assert len(session.output) == len(Conversation("me/1").ask(Find("a"))[1])
