"""The accounts in two states of a database: which of them a restore makes what they were."""

from typing import Any, Final, NamedTuple

import apsw

from taskdashd.domain.people import called

_KIND: Final = "person"
# A tombstone has no value.
_FIELDS: Final = """
SELECT key, value->>'name', value->>'password', value->>'active', value->>'role' FROM record
WHERE kind = ? AND value <> ''
"""


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


def read(database: apsw.Connection) -> dict[str, Account]:
    """Read the accounts of a database, by number. Raises `apsw.Error`."""
    if not database.table_exists(None, "record"):
        return {}
    rows: Any = database.execute(_FIELDS, (_KIND,))
    return {key: Account(name, word, bool(active), role) for key, name, word, active, role in rows}


def as_of(database: apsw.Connection) -> str:
    """Give when the newest change or act of a database was made; empty where there is none."""
    newest = [
        database.execute(f"SELECT max(at) FROM {table}").get  # names of ours
        for table in ("change", "act")
        if database.table_exists(None, table)
    ]
    return max((at for at in newest if at), default="")


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


def admins_without_password(database: apsw.Connection) -> list[str]:
    """Give the numbers of the administrators who sign in nowhere: they have no password."""
    known = sorted(read(database).items())
    return [key for key, one in known if one.active and one.role == "admin" and not one.password]
