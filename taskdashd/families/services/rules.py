"""Task services: their records, and their state by silence. Rules only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, Self

State = Literal["alive", "late", "dead"]

LATE_AFTER: Final = 2 / 3
"""The part of its timeout after which a silent service is late: two beats have not come."""
CHANGES_MAX: Final = 60
"""Changes of a service's state that are remembered."""
REMEMBERED_S: Final = 86400.0
"""How long changes of a service's state are remembered."""
FORGOTTEN_S: Final = 7 * 86400.0
"""After so long dead a service is forgotten: one that comes back registers again."""


@dataclass(frozen=True, slots=True)
class Service:
    """A task service."""

    url: str
    name: str = ""
    reserved: str = ""
    group_id: str = ""
    timeout_s: float | None = None
    """The service's own heartbeat timeout; None where the daemon's default holds."""
    serial: int = 0
    """The serial that owns its tasks where it beats without a connection; never changes."""
    connected: bool = False
    """Whether it registered by a connection, whose signs of life then count as the service's."""
    registered_at: str = ""
    changes: tuple[tuple[str, State], ...] = ()
    """When it came into which state, RFC 3339, the oldest first; the last is its present state."""
    acknowledged: Mapping[str, Any] | None = None
    """Who has seen that it is dead; None where nobody has, or it is not."""

    @property
    def state(self) -> State:
        """Give the state that the service was last found in."""
        return self.changes[-1][1] if self.changes else "dead"

    @property
    def called(self) -> str:
        """The service's name and URL, for people."""
        return f"{self.name} ({self.url})" if self.name else self.url

    def became(self, state: State, at: str, forget_before: str) -> "Service":
        """Give the service after a change of state; changes before `forget_before` are dropped."""
        kept = self.changes[-(CHANGES_MAX - 1) :]
        # Keep the last change before that time too: it tells in which state the time began.
        while len(kept) > 1 and kept[1][0] < forget_before:
            kept = kept[1:]
        return replace(self, changes=(*kept, (at, state)), acknowledged=None)

    def to_record(self) -> dict[str, Any]:
        """Give the record to store."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read a stored record."""
        changes = tuple((at, state) for at, state in record["changes"])
        return cls(**{**record, "changes": changes})


def in_group_instead(record: Mapping[str, Any], _of: str, into: str) -> dict[str, Any]:
    """Give a stored service with its group replaced by another."""
    return {**record, "group_id": into}


def judged(silence_s: float, timeout_s: float) -> State:
    """Give the state of a service after a silence."""
    if silence_s >= timeout_s:
        return "dead"
    return "late" if silence_s >= timeout_s * LATE_AFTER else "alive"
