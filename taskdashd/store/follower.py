"""What a part that acts on commits must have."""

from collections.abc import Sequence
from typing import Protocol

from taskdashd.domain.tasks import Change, Task
from taskdashd.store.records import Record


class Follower(Protocol):
    """A part that acts on changes once they are on disk."""

    def committed(self, changes: Sequence[Change]) -> None:
        """Take in a commit's changes, in the order of their revs."""

    def kept(self, records: Sequence[Record]) -> None:
        """Take in a commit's records."""

    def forgotten(self, tasks: Sequence[Task]) -> None:
        """Take in that a commit has removed tasks, given as they last were, before its changes."""

    def pruned(self, rev: int) -> None:
        """Note that the log up to a rev may have gaps."""
