"""Who may do what: an identity, its role, its groups. Rules only.

What an identity may not see does not exist for it: no error may tell more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

Role = Literal["service", "reader", "operator"]

ROLES: Final[dict[Role, str]] = {
    "service": "registers and writes tasks of its groups, and reads them",
    "reader": "reads tasks of its groups",
    "operator": "may do everything",
}
"""Of tokens."""

PersonRole = Literal["worker", "lead", "admin"]

EVERYBODYS: Final = ""
"""The group of tasks that name none: they are there for every person."""


class Sight(NamedTuple):
    """Which tasks exist for somebody: those of some groups, and a person's own."""

    groups: frozenset[str]
    person: str
    """Whose own tasks; empty where it is no person who looks."""

    def sees(self, fields: Mapping[str, Any]) -> bool:
        """Tell whether a task with these fields is there."""
        return fields["group_id"] in self.groups or (
            self.person != "" and self.person in (fields["user"], fields["checker"])
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who has signed in, or whoever comes where no sign-in is asked for."""

    name: str
    role: Role | PersonRole
    groups: frozenset[str] = frozenset()
    """What it is confined to; empty means every group. An operator is never confined."""
    key: str = field(default="", repr=False)
    """Tells the token that it was signed in with from another of the same name."""
    person: str = ""
    """The employee number, where it is a person. They are always confined, but for admins."""
    leads: frozenset[str] = frozenset()
    """The groups that a person leads."""

    @property
    def is_operator(self) -> bool:
        """Tell whether it may do everything."""
        return self.role in ("operator", "admin")

    @property
    def confined_to(self) -> frozenset[str] | None:
        """Give the groups that it sees tasks of; None where it sees all."""
        if self.role in ("operator", "admin") or not (self.groups or self.person):
            return None
        return self.groups

    @property
    def sight(self) -> Sight | None:
        """Give what it sees; None where that is everything."""
        groups = self.confined_to
        return None if groups is None else Sight(groups, self.person)

    @property
    def may_write(self) -> bool:
        """Tell whether it may write the fields of any task at all."""
        return self.role in ("service", "operator", "admin")

    @property
    def is_known_operator(self) -> bool:
        """Tell whether it is an operator who has signed in, and not just anyone."""
        return bool(self.name) and self.is_operator

    @property
    def rights(self) -> str:
        """Say for people what it is and which groups it is for."""
        groups = ", ".join(sorted(self.groups - {EVERYBODYS}))
        return f"{self.role}, {groups or ('no group' if self.person else 'all groups')}"

    def sees(self, group: str) -> bool:
        """Tell whether tasks of a group exist for it."""
        groups = self.confined_to
        return groups is None or group in groups

    def sees_task(self, fields: Mapping[str, Any]) -> bool:
        """Tell whether a task with these fields exists for it."""
        sight = self.sight
        return sight is None or sight.sees(fields)


ANYONE: Final = Identity("", "operator")
"""Whoever connects, where the daemon asks for no token."""

LOCAL_OPERATOR: Final = Identity("operator", "operator")
"""Whoever connects to the socket in the data directory: the system has let them in."""
