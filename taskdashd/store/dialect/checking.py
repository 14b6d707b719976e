"""What can be wrong with a database, as each engine's checks tell it."""

from typing import Final, NamedTuple


class Fault(NamedTuple):
    """Something wrong with a database, and what to do about it."""

    what: str
    cure: str


RESTORE: Final = "put a backup in its place: taskdashd restore FILE --force, or --newest"
REBUILD: Final = "make the table again from the log: taskdashd check --repair"

LINKS: Final = (
    """SELECT count(*) FROM change AS c CROSS JOIN state
       WHERE c.previous_rev > state.pruned_rev AND NOT EXISTS (
           SELECT 1 FROM change AS p WHERE p.rev = c.previous_rev AND p.task_id = c.task_id
       )""",
    "{count} changes lead to one before them that is not there",
    RESTORE,
)
"""What both engines look for in the same words: a history is a list whose links are all there."""
