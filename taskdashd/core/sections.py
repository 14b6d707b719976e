"""What a family tells of itself wherever several families are shown together."""

from collections.abc import Callable
from typing import Protocol

from taskdashd.domain.access import Identity

News = Callable[[Identity], bytes]
"""What somebody is told of what has changed: members of a JSON object, each behind a comma."""


class BoardSection(Protocol):
    """What open boards are told by a family, beside the changes of tasks."""

    def whole(self, identity: Identity) -> bytes:
        """Give all that somebody may know, as `News` would: for a board that is opened."""

    def news(self) -> News | None:
        """Take what has changed since this was last called; None where that is nothing."""
