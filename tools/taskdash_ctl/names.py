"""What people are called whom tasks name by number, for screens that people read."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import taskdash
from taskdash_ctl.show import PEOPLE, clean
from taskdash_protocol.families.people import NAMED_BY_MAX

_KNOWN_FOR_S: Final = 60.0


class Names:
    """Names by number, asked for many at once, and again after a minute.

    A number without an account is remembered as such: a service that writes one into each of its
    tasks would else cost a request for each.
    """

    def __init__(self, dash: taskdash.Client) -> None:
        self._dash = dash
        self._names: dict[str, tuple[str, float]] = {}

    def learn(self, tasks: Iterable[Mapping[str, Any]]) -> None:
        """Ask what those are called whom these tasks name."""
        now = time.monotonic()
        asked = {number: task["id"] for task in tasks for number in self._unknown(task, now)}
        ids = list(dict.fromkeys(asked.values()))
        told: dict[str, str] = {}
        for at in range(0, len(ids), NAMED_BY_MAX):
            try:
                told |= self._dash.ask("Names", ids=ids[at : at + NAMED_BY_MAX])["names"]
            except taskdash.TaskDashError:
                # A daemon from before there were names, a token that may not ask, or a daemon that
                # restarts: numbers do, and no watch ends for want of a name.
                break
        self._names |= {number: (told.get(number, ""), now) for number in asked}

    def called(self, number: Any) -> str:
        """Write somebody as `Ann (1001)`, or as the number where no name is known."""
        name, _ = self._names.get(number, ("", 0.0)) if type(number) is str else ("", 0.0)
        return f"{clean(name)} ({clean(number)})" if name and name != number else clean(number)

    def _unknown(self, task: Mapping[str, Any], now: float) -> Iterator[str]:
        for member in PEOPLE & task.keys():
            number = task[member]
            if type(number) is str and number:
                known = self._names.get(number)
                if known is None or now - known[1] > _KNOWN_FOR_S:
                    yield number
