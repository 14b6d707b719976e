"""Rations of log lines: what others can cause as fast as they send must not fill the disk.

A processor of structlog, so no call can forget it: each line that names who caused it (`NAMED_BY`)
or bears a traceback has its ration by its cause, which is the event's name and, for a fault, where
it was raised. The first line of a cause is written as it is. What comes within the ten seconds
behind it is joined into one line: the last one's facts, how many there were, and who caused most.
So a cause writes at most two lines in ten seconds, and who was at it is known all the same.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final

import structlog

JOINED_S: Final = 10.0
"""What comes of a cause within so long is joined into one line."""
NAMED_BY: Final = ("peer", "service", "operation", "url")
"""The facts that name who, or what of theirs, caused a line; the first that it has counts."""
_NAMES_SAID: Final = 8
_NAMES_MAX: Final = 256
"""Names that are counted for a cause; a peer that changes its address must not fill the memory."""

Cause = tuple[str, str]


@dataclass
class _Held:
    """The lines of a cause that are held back, and since when."""

    since: float
    times: int = 0
    method: str = ""
    last: dict[str, Any] = field(default_factory=dict)
    by: Counter[str] = field(default_factory=Counter)
    unnamed: int = 0

    def hold(self, method: str, event: structlog.typing.EventDict, who: str) -> None:
        """Hold a line back, of which `who` is the one who caused it."""
        self.times += 1
        self.method = method
        self.last = {key: value for key, value in event.items() if key != "exc_info"}
        if who in self.by or len(self.by) < _NAMES_MAX:
            self.by[who] += 1
        else:
            self.unnamed += 1

    def facts(self) -> dict[str, object]:
        """Give the facts of the line that stands for all."""
        facts = {**self.last, "times": self.times}
        most = [f"{who} {count}" for who, count in self.by.most_common(_NAMES_SAID) if who]
        if self.times > 1 and most:
            facts["most"] = ", ".join(most)
        if (others := max(0, len(self.by) - _NAMES_SAID) + self.unnamed) > 0:
            facts["others"] = others
        return facts


class Rations:
    """See the module. Lines come from any thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._held: dict[Cause, _Held] = {}
        self._lock = threading.Lock()

    def __call__(
        self, _logger: object, method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        """Let a line pass, or hold it back: then raises `DropEvent`."""
        named = next((key for key in NAMED_BY if key in event), None)
        if "times" in event or (named is None and not event.get("exc_info")):
            return event
        cause = str(event["event"]), _raised_at(event)
        with self._lock:
            held = self._held.get(cause)
            if held is None:
                self._held[cause] = _Held(self._now())
                return event
            held.hold(method, event, "" if named is None else _who(named, str(event[named])))
        raise structlog.DropEvent

    def say_joined(self, *, at_once: bool = False) -> None:
        """Write what was held back for long enough, or all of it `at_once`."""
        now = self._now()
        with self._lock:
            over = {
                cause: held
                for cause, held in self._held.items()
                if at_once or now - held.since >= JOINED_S
            }
            for cause in over:
                del self._held[cause]
        log: structlog.stdlib.BoundLogger = structlog.get_logger()
        for held in over.values():
            if held.times:
                getattr(log, held.method)(**held.facts())


def _who(named: str, name: str) -> str:
    """Give a peer's address alone: with each connection it comes from another port."""
    return name.rpartition(":")[0] or name if named == "peer" else name


def _raised_at(event: structlog.typing.EventDict) -> str:
    """Say where a fault was raised: a place in the code, of which there are few."""
    error = event.get("exc_info")
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if not isinstance(error, BaseException):
        return ""
    last: TracebackType | None = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = "" if last is None else f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
    return f"{type(error).__name__} {place}"
