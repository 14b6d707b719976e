"""Identities, their roles and groups, and the tasks and people they may see. Rules only.

A task that an identity may not see does not exist for it: no error may tell the difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple
from unicodedata import category

Role = Literal["service", "reader", "operator", "ping"]


class Rights(NamedTuple):
    """What a token of a role may do."""

    about: str
    signs_in: bool
    """Whether it signs in, on any door, and from then on reads the tasks of its groups."""
    writes: bool
    """Whether it may write the fields of tasks."""
    pings: Literal["none", "own", "any"]
    """Which tasks it may ping: only those whose ids begin with its name, or all of its groups."""


ROLES: Final[dict[Role, Rights]] = {
    "service": Rights("registers, writes, pings and reads tasks of its groups", True, True, "any"),
    "reader": Rights("reads tasks of its groups", True, False, "none"),
    "operator": Rights("may do everything but ping", True, True, "none"),
    "ping": Rights(
        "pings tasks of its groups whose ids begin with its name, and nothing else",
        False,
        False,
        "own",
    ),
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
    within: frozenset[str] | None = None
    """The only groups whose tasks exist, one's own tasks included; None where there is no bound."""

    def sees(self, fields: Mapping[str, Any]) -> bool:
        """Tell whether a task with these fields may be seen."""
        return self.covers(fields["group_id"], fields["user"], fields["checker"])

    def covers(self, group: str, user: str, checker: str) -> bool:
        """Tell whether a task of this group, user and checker may be seen."""
        if self.within is not None and group not in self.within:
            return False
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
    home: str = ""
    """The first group of a token, which what it makes by a ping gets; empty where it has none."""
    within: frozenset[str] | None = None
    """The groups of the service's token that a person signed in over; None where nothing bounds."""
    confined_to: frozenset[str] | None = field(init=False, repr=False, compare=False)
    """The groups whose tasks the identity sees; None where it sees all tasks."""
    sight: Sight | None = field(init=False, repr=False, compare=False)
    """The tasks that the identity sees; None where it sees all tasks."""

    def __post_init__(self) -> None:
        # Once and not when asked: each open board is asked for its sight at each change.
        sees_all = self.is_operator or not (self.groups or self.person)
        groups = None if sees_all else self.groups
        sight = None if groups is None else Sight(groups, self.person, self.within)
        object.__setattr__(self, "confined_to", groups)
        object.__setattr__(self, "sight", sight)

    @property
    def is_operator(self) -> bool:
        """Tell whether the identity may do everything."""
        return self.role in ("operator", "admin")

    @property
    def may_write(self) -> bool:
        """Tell whether the identity may write the fields of any task at all."""
        rights = self._rights
        return self.role == "admin" if rights is None else rights.writes

    @property
    def signs_in(self) -> bool:
        """Tell whether the identity may be a session's: a token that only pings may not."""
        rights = self._rights
        return rights is None or rights.signs_in

    def may_ping(self, task_id: str) -> bool:
        """Tell whether the identity may ping a task of this id, if it is in its groups.

        An id begins with a token's name if it is the name, or goes on with what is neither a letter
        nor a digit, but can be seen: `backup` pings `backup-db` and `backup/1`, and not `backup2`
        of another token, nor what looks the same for a mark or a character without width.
        """
        pings = "none" if self._rights is None else self._rights.pings
        if pings != "own":
            return pings == "any"
        if not task_id.startswith(self.name):
            return False
        return task_id == self.name or category(task_id[len(self.name)])[0] in "PSZ"

    @property
    def _rights(self) -> Rights | None:
        """Give what a token's role may do; None for a person's."""
        return ROLES.get(self.role)  # type: ignore[arg-type]  # a person's role is no key

    @property
    def is_known_operator(self) -> bool:
        """Tell whether the identity is an operator who has signed in, and not `ANYONE`."""
        return bool(self.name) and self.is_operator

    @property
    def rights(self) -> str:
        """Give the role and the groups, in words for people."""
        groups = ", ".join(sorted(self.groups - {EVERYBODYS}))
        return f"{self.role}, {groups or ('no group' if self.person else 'all groups')}"

    def within_token(self, token: "Identity | None") -> "Identity | None":
        """Give a person's identity as the token that it came with allows; None where it does not.

        An operator's token vouches for anybody, and so does a connection without one. Over a
        service's a person sees and does what both may, and is no admin. Others vouch for nobody.
        """
        if token is None or token.role == "operator":
            return self
        if token.role != "service" or self.is_operator:
            return None
        both = token.confined_to
        if both is None:
            return self
        return replace(self, groups=self.groups & both, leads=self.leads & both, within=both)

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
