"""Task services: who they are, and how they fare. Rules only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, Self

State = Literal["alive", "late", "dead"]

LATE_AFTER: Final = 2 / 3
"""Of its timeout: two beats in a row have not come."""
CHANGES_MAX: Final = 60
"""Of its state that are remembered."""
REMEMBERED_S: Final = 86400.0
FORGOTTEN_S: Final = 7 * 86400.0
"""After so long dead it is forgotten: whoever comes back registers again."""


@dataclass(frozen=True, slots=True)
class Service:
    """A task service."""

    url: str
    name: str = ""
    reserved: str = ""
    group_id: str = ""
    timeout_s: float | None = None
    """Its own; None where the daemon's default holds."""
    serial: int = 0
    """Of the owner that stands for it where it beats without a connection; its own for good."""
    connected: bool = False
    """It has registered by a connection, whose signs of life are its own."""
    registered_at: str = ""
    changes: tuple[tuple[str, State], ...] = ()
    """Since when it has been what, the oldest first; the last is what it is now."""

    @property
    def state(self) -> State:
        """Give what it was last found to be."""
        return self.changes[-1][1] if self.changes else "dead"

    def became(self, state: State, at: str, forget_before: str) -> "Service":
        """Give the service after a change of its state; what is older than a time is forgotten."""
        kept = self.changes[-(CHANGES_MAX - 1) :]
        # What it was when the time begins must be known too.
        while len(kept) > 1 and kept[1][0] < forget_before:
            kept = kept[1:]
        return replace(self, changes=(*kept, (at, state)))

    def to_record(self) -> dict[str, Any]:
        """Give what is stored."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read what was stored."""
        changes = tuple((at, state) for at, state in record["changes"])
        return cls(**{**record, "changes": changes})


def judged(silence_s: float, timeout_s: float) -> State:
    """Say what a service is after so long a silence."""
    if silence_s >= timeout_s:
        return "dead"
    return "late" if silence_s >= timeout_s * LATE_AFTER else "alive"
