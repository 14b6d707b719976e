"""People: accounts, roles and groups, and the browsers where they are signed in. Rules only."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

from taskdashd.domain.access import EVERYBODYS, Identity, PersonRole

SIGNED_IN_MAX: Final = 20
"""Sign-ins of one person by browser; the one unused for longest is ended.

Those that a token vouched for make room among themselves first: a service needs no password, and
could end all others by signing in again and again.
"""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A browser that a person is signed in with."""

    key: str
    """SHA-256 of the secret in the browser's cookie, in hexadecimal."""
    address: str
    since: str
    """RFC 3339."""
    token: str = ""
    """`Identity.key` of the token that vouched for the sign-in, which ends with it; or empty."""
    token_name: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """An account."""

    id: str
    """Employee number."""
    name: str
    role: PersonRole = "worker"
    groups: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()
    """The groups that a lead leads, all of them among `groups`."""
    active: bool = True
    password: str = ""
    """Argon2id, encoded as PHC string; empty for an account without a password."""
    made_at: str = ""
    address: str = ""
    """The peer's address at the last sign-in."""
    signed_in_at: str = ""
    signed_in: tuple[SignedIn, ...] = ()
    calendar: str = ""
    """The name of their own calendar; empty where the office's holds for them."""
    outs: int = 0
    """How often all sign-ins were ended: one on a connection stands while this stays the same."""
    rev: int = 0
    """The rev of the last change of the account, which signing in is not; 0 where none is known."""

    @property
    def identity(self) -> Identity:
        """Give the identity of a session signed in as this person."""
        return Identity(
            # Always with the number in brackets, which no token's name can hold: an account whose
            # number and name are `backup` must not stand in the audit as the token `backup`.
            f"{self.name or self.id} ({self.id})",
            self.role,
            frozenset((*self.groups, EVERYBODYS)),
            f"person {self.id}",
            self.id,
            frozenset(self.leads if self.role == "lead" else ()),
        )

    def about(self) -> dict[str, Any]:
        """Give the fields of the account that others may see."""
        return {
            "user": self.id,
            "name": self.name,
            "role": self.role,
            "groups": list(self.groups),
            "leads": list(self.leads),
            "active": self.active,
            "calendar": self.calendar,
            "rev": self.rev,
        }

    def to_record(self) -> dict[str, Any]:
        """Give the record to store."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read a stored record."""
        return cls(
            **{
                **record,
                "groups": tuple(record["groups"]),
                "leads": tuple(record["leads"]),
                "signed_in": tuple(SignedIn(**one) for one in record["signed_in"]),
            }
        )

    def changed(self, **fields: Any) -> "Person":
        """Give the person after a change; who leads a group is in it, and only leads lead."""
        fields = {name: value for name, value in fields.items() if value is not None}
        new = replace(self, **fields)
        leads: tuple[str, ...] = ()
        if new.role == "lead":
            kept = tuple(group for group in self.leads if group in new.groups)
            # A person who is made a lead without naming groups leads all of their groups.
            leads = fields.get("leads", kept or new.groups)
        groups = tuple(dict.fromkeys((*new.groups, *leads)))
        return replace(new, leads=leads, groups=groups)

    def changed_at(self, rev: int, before: "Person | None") -> "Person":
        """Give the person with the rev of this change, if the account was another `before`."""
        if before is None:
            return replace(self, rev=rev)
        is_same = (before.about(), before.password) == (self.about(), self.password)
        return self if is_same else replace(self, rev=rev)

    @property
    def lacks_password(self) -> bool:
        """Whether the person is an admin without a password, who signs in nowhere."""
        return self.role == "admin" and not self.password

    @property
    def may_be_in(self) -> bool:
        """Whether sign-ins of the person count."""
        return self.active and not self.lacks_password

    def sign_in_of(self, secret: str) -> SignedIn | None:
        """Give the sign-in that a secret from a cookie proves; None where none stands."""
        key = key_of(secret)
        same = [one for one in self.signed_in if hmac.compare_digest(one.key, key)]
        return same[0] if same and self.may_be_in else None

    def knows(self, secret: str) -> bool:
        """Tell whether a secret from a cookie proves a sign-in of this person that still stands."""
        return self.sign_in_of(secret) is not None

    def with_sign_in(self, one: SignedIn) -> "Person":
        """Give the person after another sign-in with a browser."""
        kept = [other for other in self.signed_in if other.key != one.key]
        seen = self.seen_at(one.address, one.since)
        if len(kept) >= SIGNED_IN_MAX:
            of_tokens = [other for other in kept if other.token] if one.token else []
            same = [other for other in of_tokens if other.token == one.token]
            kept.remove((same or of_tokens or kept)[0])
        return replace(seen, signed_in=(*kept, one))

    def seen_at(self, address: str, at: str) -> "Person":
        """Give the person after a sign-in that lasts no longer than its connection."""
        return replace(self, address=address, signed_in_at=at)

    def without_sign_in(self, key: str) -> "Person":
        """Give the person after the end of a browser's sign-in."""
        return replace(self, signed_in=tuple(one for one in self.signed_in if one.key != key))

    def signed_out(self, but: str = "") -> "Person":
        """Give the person after the end of all sign-ins but one, by its key."""
        kept = tuple(one for one in self.signed_in if one.key == but)
        return replace(self, signed_in=kept, outs=self.outs + 1)


def key_of(secret: str) -> str:
    """Give the hash by which a cookie's secret is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def called(number: str, name: str) -> str:
    """Write a person's name and number for people."""
    return f"{name} ({number})" if name and name != number else number


def done_by(number: str) -> re.Pattern[str]:
    """Give what the audit's `who` matches where a person did it, whatever they were called then.

    Only the end of `who` counts, which the daemon has added: a client may put anything before it.
    """
    whose = re.escape(number)
    return re.compile(rf"(\({whose}\)|(^|\(){whose}), [^\s(),]+\)*$")


def names_seen(
    identity: Identity, records: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Give numbers and names of those among the stored people whom an identity sees.

    Works on records, since to read each of thousands as a `Person` would take the loop for long.
    """
    sees_all = identity.confined_to is None
    for one in records:
        if (
            sees_all
            or one["id"] == identity.person
            or not identity.groups.isdisjoint(one["groups"])
        ):
            yield one["id"], one["name"]


def in_group_instead(record: Mapping[str, Any], of: str, into: str) -> dict[str, Any]:
    """Give a stored person with one group in place of another. Works on records as `names_seen`."""

    def merged(groups: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(into if group == of else group for group in groups))

    groups, leads = merged(record["groups"]), merged(record["leads"])
    return {"rev": 0, **record, "groups": groups, "leads": leads}


def sees_person(identity: Identity, person: Person) -> bool:
    """Tell whether an identity sees a person: itself, and people of its groups."""
    if identity.confined_to is None or identity.person == person.id:
        return True
    return not identity.groups.isdisjoint(person.groups)
