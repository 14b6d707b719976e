"""The interface by which a family adds its own part to open boards."""

from collections.abc import Callable
from typing import Protocol

from taskdashd.domain.access import Identity

News = Callable[[Identity], bytes | None]
"""Gives an identity's news: members of a JSON object as bytes, each with a comma before it.

None puts the news off: boards are served again soon, and a section that would take long at once can
take its turn in parts.
"""


class BoardSection(Protocol):
    """A family's part of what open boards are told, beside the changes of tasks."""

    def whole(self, identity: Identity) -> bytes:
        """Give the whole section, in the form of `News`, for a board that is opened."""

    def news(self) -> News | None:
        """Give the changes since the last call of `news`; None where nothing has changed."""
