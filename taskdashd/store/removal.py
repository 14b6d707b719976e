"""What is forgotten in one commit: tasks, and the rows of the log that go with them."""

from collections.abc import Sequence
from typing import NamedTuple

from taskdashd.domain.tasks import Task


class Going(NamedTuple):
    """A task that is to be forgotten, and the rows of the log that go with it."""

    task: Task
    revs: list[int]


class Cut(NamedTuple):
    """Rows out of the middle of a history that is too long to go at once."""

    task_id: str
    rev: int
    """The newest row of the task: it stays, and names an older row as the one before it."""
    previous_rev: int
    revs: list[int]


class Removal(NamedTuple):
    """What goes in one commit."""

    going: Sequence[Going]
    cut: Cut | None = None
    """In place of tasks: the first of them has too long a history, which is made shorter."""
    seen: int = 0
    """How many of the tasks that were asked for this is about, with those that cannot be read."""

    @property
    def tasks(self) -> list[Task]:
        """The tasks as they last were."""
        return [one.task for one in self.going]

    @property
    def revs(self) -> list[int]:
        """The revs of all rows of the log that go."""
        cut = self.cut.revs if self.cut is not None else []
        return [rev for one in self.going for rev in one.revs] + cut

    @property
    def last_rev(self) -> int:
        """The newest rev that goes."""
        return max(self.revs, default=0)
