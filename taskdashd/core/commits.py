"""The followers of commits, in one list and one order.

A follower is called only once a commit is on disk, so a failed commit leaves nothing to take back.
"""

from collections.abc import Sequence

from taskdashd.domain.tasks import Change, Task
from taskdashd.store.follower import Follower
from taskdashd.store.records import Record


class Following:
    """A follower that ignores everything: subclasses override the parts of a commit they need."""

    def committed(self, changes: Sequence[Change]) -> None:
        """Take in a commit's changes, in the order of their revs."""

    def kept(self, records: Sequence[Record]) -> None:
        """Take in a commit's records."""

    def forgotten(self, tasks: Sequence[Task]) -> None:
        """Take in that a commit has removed tasks, given as they last were, before its changes."""

    def pruned(self, rev: int) -> None:
        """Note that the log up to a rev may have gaps."""


class Commits:
    """Passes each commit on to all followers, in the order in which they were given."""

    def __init__(self, followers: Sequence[Follower]) -> None:
        # Skip methods that a follower does not override: each commit would call them for nothing.
        self._committed = [one.committed for one in followers if _follows(one, "committed")]
        self._kept = [one.kept for one in followers if _follows(one, "kept")]
        self._forgotten = [one.forgotten for one in followers if _follows(one, "forgotten")]
        self._pruned = [one.pruned for one in followers if _follows(one, "pruned")]

    def committed(self, changes: Sequence[Change]) -> None:
        """Take in a commit's changes, in the order of their revs."""
        for follow in self._committed:
            follow(changes)

    def kept(self, records: Sequence[Record]) -> None:
        """Take in a commit's records."""
        for follow in self._kept:
            follow(records)

    def forgotten(self, tasks: Sequence[Task]) -> None:
        """Take in that a commit has removed tasks, given as they last were, before its changes."""
        for follow in self._forgotten:
            follow(tasks)

    def pruned(self, rev: int) -> None:
        """Note that the log up to a rev may have gaps."""
        for follow in self._pruned:
            follow(rev)


def _follows(follower: Follower, what: str) -> bool:
    return getattr(type(follower), what) is not getattr(Following, what)
