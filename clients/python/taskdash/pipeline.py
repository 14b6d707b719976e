"""Many requests on their way at once, from a thread that takes their outcomes in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice

from taskdash.calls import Call
from taskdash.link import Link
from taskdash.session import Session
from taskdash.waiting import Pending
from taskdash.write import Outcome
from taskdash_protocol.errors import TaskDashError
from taskdash_protocol.request import Request


def pipelined(
    link: Link,
    requests: Iterable[Request],
    depth: int,
    timeout_s: float,
    too_late: Callable[[], TaskDashError],
) -> Iterator[Outcome]:
    """Send requests, at most `depth` ahead; give each outcome, or what `too_late` makes of none.

    What `requests` raises is raised after the outcomes before it.
    """
    waiting = deque[tuple[Pending, Call]]()
    more, fault = iter(requests), None
    exhausted = False
    try:
        while waiting or not exhausted:
            batch: list[Request] = []
            try:
                batch.extend(islice(more, depth - len(waiting)))
                exhausted = len(waiting) + len(batch) < depth
            except Exception as error:  # raised below, after the outcomes before it
                exhausted, fault = True, error
            waiting.extend(link.do(partial(_call_all, batch)) or ())
            # Take half of the window before sending again: one step then sends many requests, while
            # the other half is still on its way.
            for _ in range(len(waiting) if exhausted else max(1, len(waiting) - depth // 2)):
                answer, call = waiting[0]
                outcome = answer.outcome or answer.wait(timeout_s)
                if outcome is None:
                    _forget(link, [call])
                    outcome = too_late()
                waiting.popleft()
                yield outcome
    finally:
        _forget(link, [call for _, call in waiting])
    if fault is not None:
        raise fault


def _call_all(batch: list[Request], session: Session, _now: float) -> list[tuple[Pending, Call]]:
    answers = [Pending() for _ in batch]
    calls = [Call(one, answer.set) for one, answer in zip(batch, answers, strict=True)]
    session.call_all(calls)
    return list(zip(answers, calls, strict=True))


def _forget(link: Link, calls: list[Call]) -> None:
    if calls:
        link.take_back(lambda session, _now: session.forget(*calls))
