"""The accounts in two states of a database: which of them a restore makes what they were."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from taskdash_protocol import strictjson
from taskdashd.domain.people import called

# A tombstone has no value.
STORED: Final = "SELECT key, value FROM record WHERE kind = 'person' AND value <> ''"


class Account(NamedTuple):
    """What lets somebody in."""

    name: str
    password: str
    active: bool
    role: str


class Revived(NamedTuple):
    """An account that is what it was in the copy, and was something else since."""

    who: str
    what: str


def read(rows: Iterable[tuple[str, str]]) -> dict[str, Account]:
    """Give the accounts of a database, by number, from its rows of `STORED`."""
    found = {}
    for key, value in rows:
        fields = strictjson.reload(value.encode())
        name, word, active, role = map(fields.get, ("name", "password", "active", "role"))
        found[key] = Account(name, word, bool(active), role)
    return found


def revived(replaced: dict[str, Account], copy: dict[str, Account]) -> list[Revived]:
    """Name the accounts of a copy that let in whom those of what it replaces would not."""
    found = []
    for number, then in sorted(copy.items()):
        since = replaced.get(number)
        said = _said(since, then)
        if said:
            found.append(Revived(called(number, then.name), ", ".join(said)))
    return found


def _said(since: Account | None, then: Account) -> list[str]:
    if since is None:
        return ["has no account in what was replaced"]
    said = []
    if since.password != then.password:
        said.append("another password since" if then.password else "had no password then")
    if then.active and not since.active:
        said.append("was made inactive since")
    if since.role != then.role:
        said.append(f"was made {since.role} since, is {then.role} again")
    return said


def admins_without_password(accounts: dict[str, Account]) -> list[str]:
    """Give the numbers of the administrators who sign in nowhere: they have no password."""
    known = sorted(accounts.items())
    return [key for key, one in known if one.active and one.role == "admin" and not one.password]
