"""Who may do what: an identity, its role, its groups. Rules only.

What an identity may not see does not exist for it: no error may tell more.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

Role = Literal["service", "reader", "operator"]

ROLES: Final[dict[Role, str]] = {
    "service": "registers and writes tasks of its groups, and reads them",
    "reader": "reads tasks of its groups",
    "operator": "may do everything",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who has signed in, or whoever comes where no sign-in is asked for."""

    name: str
    role: Role
    groups: frozenset[str] = frozenset()
    """What it is confined to; empty means every group. An operator is never confined."""
    key: str = field(default="", repr=False)
    """Tells the token that it was signed in with from another of the same name."""

    @property
    def confined_to(self) -> frozenset[str] | None:
        """Give the groups that it sees tasks of; None where it sees all."""
        return None if self.role == "operator" or not self.groups else self.groups

    @property
    def may_write(self) -> bool:
        """Tell whether it may change any task at all."""
        return self.role != "reader"

    @property
    def is_known_operator(self) -> bool:
        """Tell whether it is an operator who has signed in, and not just anyone."""
        return bool(self.name) and self.role == "operator"

    @property
    def rights(self) -> str:
        """Say for people what it is and which groups it is for."""
        return f"{self.role}, {', '.join(sorted(self.groups)) or 'all groups'}"

    def sees(self, group: str) -> bool:
        """Tell whether tasks of a group exist for it."""
        groups = self.confined_to
        return groups is None or group in groups


ANYONE: Final = Identity("", "operator")
"""Whoever connects, where the daemon asks for no token."""

LOCAL_OPERATOR: Final = Identity("operator", "operator")
"""Whoever connects to the socket in the data directory: the system has let them in."""
