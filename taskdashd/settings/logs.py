"""Structured logs on standard error: for people on a terminal, JSON elsewhere."""

import io
import logging
import math
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TextIO

import structlog

from taskdashd.settings.rations import Rations

_SILENT_S: Final = 60.0
RATIONS: Final = Rations()
"""What the lines of the process are rationed by."""


def configure(log_format: str, level: str) -> None:
    """Set up structlog. `log_format` is auto, human or json; `level` a name that logging knows."""
    human = log_format == "human" or (log_format == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # structlog's own formatter prints local variables, such as tokens and cached tasks.
            exception_formatter=_traceback,
        )
        if human
        else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            RATIONS,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *([] if human else [structlog.processors.format_exc_info]),
            _printable,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(_Unbreakable(sys.stderr)),
        cache_logger_on_first_use=False,
    )


class Sparing:
    """Logs an event that repeats at most once a minute, with how often it came in between."""

    def __init__(self, say: Callable[..., object], event: str) -> None:
        self._say = say
        self._event = event
        self._facts: dict[str, object] = {}
        self._said_at = -math.inf
        self._unsaid = 0

    def __call__(self, **facts: object) -> None:
        """Log the event, unless it was logged with the same facts within the last minute."""
        now = time.monotonic()
        if facts == self._facts and now - self._said_at < _SILENT_S:
            self._unsaid += 1
            return
        more = {"times_since": self._unsaid} if self._unsaid else {}
        self._say(self._event, **facts, **more)
        self._facts, self._said_at, self._unsaid = facts, now, 0


class _Unbreakable(io.StringIO):
    """A stream that drops text that cannot be written.

    An error of standard error, on a full disk or with the log's reader gone, would end the daemon.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, or drop it where the stream fails."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream, where it does not fail."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def _traceback(to: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    """Write a traceback, indented: text that an exception quotes could pass for a log line."""
    for line in "".join(traceback.format_exception(*exc_info)).splitlines():
        to.write(f"    {_escaped(line)}\n")


def _escaped(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _printable(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    # Logged names come from the network: an escape sequence in one must not reach a terminal.
    for key, value in event.items():
        if key != "exception" and isinstance(value, str):
            event[key] = _escaped(value)
    return event
