"""How a command is to be run, and the reading of a plain `run` without click.

click and the declarations that its options need take longer to import than a short command runs.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
"""As `typing.TYPE_CHECKING`, without the import: a command waits for all that is imported here."""

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Final

    Say = Callable[[str], None]

REPORT_TIMEOUT_S: Final = 10.0

TEXTS: Final = {
    "--name": "name",
    "--id": "id",
    "--description": "description",
    "--url": "url",
    "--project": "project_id",
    "--group": "group_id",
    "--user": "user",
    "--status": "status",
}
"""Options of `run` that are a field of its task."""
NUMBERS: Final = ("--heartbeat-timeout", "--timeout", "--report-timeout")
FLAGS: Final = ("--progress-from-stdout", "--quiet", "-q")


class Wishes:
    """How a command is to be run."""

    def __init__(
        self,
        fields: Mapping[str, Any],
        *,
        report_timeout_s: float = REPORT_TIMEOUT_S,
        timeout_s: float | None = None,
        lock: bool = False,
        progress: bool = False,
        quiet: bool = False,
    ) -> None:
        """`fields` are the task's; they take the place of those that are found out."""
        self.fields = fields
        self.report_timeout_s = report_timeout_s
        self.timeout_s = timeout_s
        self.lock = lock
        self.progress = progress
        self.quiet = quiet


class Plain:
    """A `run` that was read without click."""

    def __init__(self, server: str | None, command: Sequence[str], wishes: Wishes) -> None:
        self.server, self.command, self.wishes = server, command, wishes


def read(words: Sequence[str]) -> Plain | None:
    """Read the words after the program's name; None where only click may judge them.

    Those are other commands, --help, every mistake, and what is not needed before the command
    begins: with --lock the daemon is asked first.
    """
    server, at = _server(words)
    if words[at : at + 1] != ["run"]:
        return None
    given: dict[str, Any] = {}
    at += 1
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        word = words[at]
        at += 1
        if word == "--":
            break
        if word in FLAGS:
            given[word] = True
            continue
        name, equals, value = word.partition("=")
        if not equals:
            if at == len(words):
                return None
            value = words[at]
            at += 1
        if name in TEXTS:
            given[name] = value
        elif name in NUMBERS and (number := _positive(value)) is not None:
            given[name] = number
        else:
            return None
    return Plain(server, words[at:], _wishes(given)) if at < len(words) else None


def _server(words: Sequence[str]) -> tuple[str | None, int]:
    """Give the address that stands before the command's name, and where that is."""
    if words[:1] == ["--server"]:
        return (words[1], 2) if len(words) > 1 else (None, 0)
    if words and words[0].startswith("--server="):
        return words[0].partition("=")[2], 1
    return None, 0


def _positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < math.inf else None


def _wishes(given: Mapping[str, Any]) -> Wishes:
    fields = {TEXTS[name]: value for name, value in given.items() if name in TEXTS}
    if "--heartbeat-timeout" in given:
        fields["heartbeat_timeout"] = given["--heartbeat-timeout"]
    return Wishes(
        fields,
        report_timeout_s=given.get("--report-timeout", REPORT_TIMEOUT_S),
        timeout_s=given.get("--timeout"),
        progress="--progress-from-stdout" in given,
        quiet=not given.keys().isdisjoint(("--quiet", "-q")),
    )
