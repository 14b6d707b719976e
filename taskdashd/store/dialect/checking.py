"""What can be wrong with a database, as each engine's checks tell it."""

from typing import Final, NamedTuple


class Fault(NamedTuple):
    """Something wrong with a database, and what to do about it."""

    what: str
    cure: str


RESTORE: Final = "put a backup in its place: taskdashd restore FILE --force, or --newest"
REBUILD: Final = "make the table again from the log: taskdashd check --repair"
