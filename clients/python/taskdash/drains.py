"""Drains: waiting until the daemon has what was said up to a moment. No I/O."""

import math
from collections.abc import Callable, Iterable

from taskdash.calls import Call, Drain
from taskdash.tasks import Tasks


class Drains:
    """See the module. `calls` gives those that wait to be sent or answered."""

    def __init__(self, tasks: Tasks, calls: Callable[[], Iterable[Call]]) -> None:
        self._tasks = tasks
        self._calls = calls
        self._drains: dict[Drain, None] = {}

    def begin(self, then: Callable[[bool], object]) -> Drain:
        """Call `then` once all calls are answered, and all that is unsaid of tasks is said."""
        writes = {held.id: held.said for held in self._tasks.held.values() if held.unsaid}
        drain = Drain(then, writes, {call for call in self._calls() if not call.ours})
        self._drains[drain] = None
        self.check()
        return drain

    def forget(self, drain: Drain) -> None:
        """Drop a drain that nobody waits for any more."""
        self._drains.pop(drain, None)

    def end(self) -> None:
        """Tell all that nothing will be said any more."""
        drains, self._drains = self._drains, {}
        for drain in drains:
            drain.then(not drain.writes and not drain.calls)

    def check(self) -> None:
        """Tell the drains that are over."""
        for drain in list(self._drains):
            drain.calls.intersection_update(self._calls())
            self._look(drain, list(drain.writes))

    def check_after(self, answered: Call) -> None:
        """Tell the drains that are over after a reply, which come often: look at its task alone."""
        if not self._drains:
            return
        for drain in list(self._drains):
            drain.calls.discard(answered)
            self._look(drain, [str(getattr(answered.request, "id", ""))])

    def _look(self, drain: Drain, task_ids: list[str]) -> None:
        for task_id in task_ids:
            held = self._tasks.held.get(task_id)
            if held is None or held.oldest_unsaid > drain.writes.get(task_id, math.inf):
                drain.writes.pop(task_id, None)
        if not drain.writes and not drain.calls:
            del self._drains[drain]
            drain.then(True)
