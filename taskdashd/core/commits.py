"""Who follows each commit, in one list and one order.

Nothing follows before the commit is on disk, so a commit that fails leaves nothing to take back.
"""

from collections.abc import Sequence

from taskdashd.domain.tasks import Change
from taskdashd.store.records import Record
from taskdashd.store.writer import Follower


class Commits:
    """Passes each commit on to all followers, in the order in which they were given."""

    def __init__(self, followers: Sequence[Follower]) -> None:
        self._followers = followers

    def committed(self, changes: Sequence[Change]) -> None:
        """Take in a commit's changes, in the order of their revs."""
        for follower in self._followers:
            follower.committed(changes)

    def kept(self, records: Sequence[Record]) -> None:
        """Take in a commit's records."""
        for follower in self._followers:
            follower.kept(records)

    def forgotten(self, rev: int) -> None:
        """Note that the log up to a rev may have gaps."""
        for follower in self._followers:
            follower.forgotten(rev)


class Following:
    """A follower of nothing: whoever follows some of a commit overrides that."""

    def committed(self, changes: Sequence[Change]) -> None:
        """Take in a commit's changes, in the order of their revs."""

    def kept(self, records: Sequence[Record]) -> None:
        """Take in a commit's records."""

    def forgotten(self, rev: int) -> None:
        """Note that the log up to a rev may have gaps."""
