"""Rations of the log: at most two lines of a cause in ten seconds, and who was at it is known."""

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import structlog
from structlog.testing import CapturingLogger

from taskdashd.settings.rations import JOINED_S, Rations


class Log:
    """A log with a clock, and the lines that were written: each with its time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rations = Rations(lambda: self.now)
        self.written = CapturingLogger()
        self.lines: list[tuple[float, dict[str, Any]]] = []
        structlog.configure(
            processors=[self.rations, self._note],
            logger_factory=lambda *_: self.written,
            wrapper_class=structlog.make_filtering_bound_logger(0),
        )
        self.log: Any = structlog.get_logger()

    def _note(self, _logger: object, _method: str, event: Any) -> Any:
        self.lines.append((self.now, dict(event)))
        return event

    def pass_time(self, seconds: float) -> None:
        """Let time pass as the daemon does: what is due is looked for every second."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 1.0)
            self.rations.say_joined()


@pytest.fixture
def log() -> Iterator[Log]:
    config = structlog.get_config()
    yield Log()
    structlog.configure(**config)


@pytest.mark.fault(26)
def test_the_first_is_told_at_once_and_the_rest_in_one_line(log: Log) -> None:
    """The operator learns who was first, how often it came since, who did it most and last."""
    log.log.info("closing", peer="10.0.0.1:1000", detail="the first")
    for port in range(40):
        log.log.info("closing", peer=f"10.0.0.2:{port}", detail="many")
    log.log.info("closing", peer="[fd00::3]:9", detail="the last")
    log.pass_time(JOINED_S)
    told = [line for _, line in log.lines]
    assert told == [
        {"event": "closing", "peer": "10.0.0.1:1000", "detail": "the first"},
        {
            "event": "closing",
            "peer": "[fd00::3]:9",
            "detail": "the last",
            "times": 41,
            "most": "10.0.0.2 40, [fd00::3] 1",
        },
    ]


@pytest.mark.fault(26)
def test_two_lines_of_a_cause_in_any_ten_seconds(log: Log) -> None:
    """However they come; none is lost, and no other cause waits for them."""
    draw = random.Random(3)
    said = 0
    for _ in range(3_000):
        for _ in range(draw.randrange(20)):
            said += 1
            log.log.warning("board cut off", peer=f"10.0.0.{draw.randrange(9)}:{said}")
        log.pass_time(draw.random() * draw.choice((0.1, 1, 15)))
    log.rations.say_joined(at_once=True)
    assert sum(line.get("times", 1) for _, line in log.lines) == said
    moments = [at for at, _ in log.lines[:-1]]
    assert all(third - first >= JOINED_S for first, third in pairwise(moments[::2]))
    assert all(third - first >= JOINED_S for first, third in pairwise(moments[1::2]))


def test_each_cause_has_its_own(log: Log) -> None:
    """A flood of one cause hides no line of another, nor what no peer can cause."""
    for number in range(100):
        log.log.info("closing", peer=f"10.0.0.1:{number}")
        log.log.info("backed up", file=str(number))
    log.log.info("TLS failed", peer="10.0.0.9:1")
    events = [line["event"] for _, line in log.lines]
    assert events.count("backed up") == 100
    assert events.count("closing") == 1
    assert events.count("TLS failed") == 1


def test_a_fault_is_told_whole_once_for_each_place(log: Log) -> None:
    """Of two faults under one name each has its traceback; of a repeated one there is a count."""
    for _ in range(50):
        for wrong in (lambda: {}["a"], lambda: [][1]):  # type: ignore[index]
            try:
                wrong()
            except Exception:
                log.log.exception("unexpected fault", peer="10.0.0.1:1")
    assert [line.get("exc_info") for _, line in log.lines] == [True, True]
    log.pass_time(JOINED_S)
    assert [line.get("times") for _, line in log.lines] == [None, None, 49, 49]
    assert not any("exc_info" in line for _, line in log.lines[2:])


def test_a_peer_with_many_addresses_fills_no_memory(log: Log) -> None:
    """Some are named, the others counted."""
    for number in range(10_001):
        log.log.info("closing", peer=f"10.0.{number // 250}.{number % 250}:1")
    log.pass_time(JOINED_S)
    last = log.lines[-1][1]
    assert last["times"] == 10_000
    assert last["most"].count(",") == 7
    assert last["others"] == 10_000 - 8
