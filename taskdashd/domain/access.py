"""Identities, their roles and groups, and the tasks and people they may see. Rules only.

A task that an identity may not see does not exist for it: no error may tell the difference.
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
"""The roles of tokens, and what each may do."""

PersonRole = Literal["worker", "lead", "admin"]

EVERYBODYS: Final = ""
"""The group of tasks that name no group: every person sees them."""


class Sight(NamedTuple):
    """The tasks that exist for an identity: those of some groups, and a person's own."""

    groups: frozenset[str]
    person: str
    """The employee number of the person; empty where the identity is a token's."""

    def sees(self, fields: Mapping[str, Any]) -> bool:
        """Tell whether a task with these fields may be seen."""
        return self.covers(fields["group_id"], fields["user"], fields["checker"])

    def covers(self, group: str, user: str, checker: str) -> bool:
        """Tell whether a task of this group, user and checker may be seen."""
        return group in self.groups or (self.person != "" and self.person in (user, checker))


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a session: a token's, a person's, or `ANYONE` where no sign-in is needed."""

    name: str
    role: Role | PersonRole
    groups: frozenset[str] = frozenset()
    """The groups whose tasks it may see; empty means all for a token. Operators see all anyway."""
    key: str = field(default="", repr=False)
    """Tells apart a token, by its hash, from a later one of the same name; a person's says who."""
    person: str = ""
    """The employee number of a person, who sees no more than `groups` unless admin; else empty."""
    leads: frozenset[str] = frozenset()
    """The groups that a person leads."""

    @property
    def is_operator(self) -> bool:
        """Tell whether the identity may do everything."""
        return self.role in ("operator", "admin")

    @property
    def confined_to(self) -> frozenset[str] | None:
        """Give the groups whose tasks the identity sees; None where it sees all tasks."""
        if self.role in ("operator", "admin") or not (self.groups or self.person):
            return None
        return self.groups

    @property
    def sight(self) -> Sight | None:
        """Give the tasks that the identity sees; None where it sees all tasks."""
        groups = self.confined_to
        return None if groups is None else Sight(groups, self.person)

    @property
    def may_write(self) -> bool:
        """Tell whether the identity may write the fields of any task at all."""
        return self.role in ("service", "operator", "admin")

    @property
    def is_known_operator(self) -> bool:
        """Tell whether the identity is an operator who has signed in, and not `ANYONE`."""
        return bool(self.name) and self.is_operator

    @property
    def rights(self) -> str:
        """Give the role and the groups, in words for people."""
        groups = ", ".join(sorted(self.groups - {EVERYBODYS}))
        return f"{self.role}, {groups or ('no group' if self.person else 'all groups')}"

    def sees(self, group: str) -> bool:
        """Tell whether tasks of a group exist for the identity."""
        groups = self.confined_to
        return groups is None or group in groups

    def sees_task(self, fields: Mapping[str, Any]) -> bool:
        """Tell whether a task with these fields exists for the identity."""
        sight = self.sight
        return sight is None or sight.sees(fields)


ANYONE: Final = Identity("", "operator")
"""The identity of every connection, where the daemon asks for no token."""

LOCAL_OPERATOR: Final = Identity("operator", "operator")
"""The identity on the operators' socket in the data directory: file permissions guard it."""
