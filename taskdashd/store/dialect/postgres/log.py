"""The log on PostgreSQL: each commit is fenced, and what became of one that was lost is found out.

The row of `state` is fence, counter and memory: it says whose the database is (`boot`, `term`), and
how many commits it has, so that one whose answer was lost is there or is not.
"""

import time
from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg.pq import TransactionStatus

from taskdashd.domain.acts import Act
from taskdashd.domain.tasks import Change
from taskdashd.store.dialect import rows, sql
from taskdashd.store.dialect.postgres.session import Session, Wire, plain, spoken
from taskdashd.store.dialect.postgres.sql import PostgresSql
from taskdashd.store.faults import Away, Fenced, OutcomeUnknown
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal

_BETWEEN_TRIES_S: Final = 0.2
_COPIED_MIN: Final = 17
"""So many rows are cheaper by COPY, which takes turns of its own with the server."""

# A fence that is lost must *raise*: an UPDATE that hits no row would let what follows it in the
# pipeline commit.
_FENCE: Final = """
WITH fence AS (
    UPDATE state SET rev = %s, commits = commits + 1
    WHERE term = %s AND rev = %s AND commits = %s RETURNING 1
)
SELECT 1 / count(*) FROM fence
"""
TAKE: Final = "UPDATE state SET term = term + 1, boot = boot + 1"
"""Takes the database: whoever had it can commit nothing any more."""
_TAKE_AT: Final = f"""
{TAKE}, rev = greatest(rev, %s), forgotten_rev = greatest(forgotten_rev, %s)
RETURNING term, boot, rev, commits
"""
_COLUMNS: Final = ", ".join(rows.COLUMNS)
_INSERT: Final = f"INSERT INTO change ({_COLUMNS}) VALUES ({', '.join(['%s'] * len(rows.COLUMNS))})"


class Log:
    """The commits of one daemon, by the connection that writes."""

    def __init__(self, session: Session, sql: PostgresSql, where: str, lease_s: float) -> None:
        self._session = session
        self._sql = sql
        self._where = where
        self._lease_s = lease_s
        self._term = self._boot = self._rev = self._commits = 0
        self._is_unsettled = False
        """Whether there is a commit whose outcome is not known."""
        self.is_settling = False

    def take(self, least_rev: int) -> int:
        """Take the database: whoever had it can commit nothing any more. Gives the newest rev.

        That is `least_rev` at least; where that is not 0, no watch can resume from below it.
        """
        (taken,) = self._session.live().execute(_TAKE_AT, (least_rev, least_rev))
        self._term, self._boot, self._rev, self._commits = taken
        return self._rev

    def append(
        self,
        changes: Sequence[Change],
        acts: Sequence[Act],
        records: Sequence[Record],
        removals: Sequence[Removal],
    ) -> None:
        """Commit changes, and acts and records beside them: see `Engine.append`."""
        try:
            if self._is_unsettled:
                self.settle()
            wire = self._session.fresh()
            self._session.limit(None)
        except psycopg.Error as error:
            raise Away(f"the database does not answer: {plain(error)}") from error
        newest = max(
            changes[-1].task.rev if changes else 0,
            max((record.rev for record in records), default=0),
            self._rev,
        )
        try:
            self._append(wire, newest, changes, acts, records, removals)
        except psycopg.errors.DivisionByZero:
            # The fence comes before all that it guards: nothing of that is there.
            self._is_refused(wire)
            raise self._why_fenced() from None
        except Exception:
            if self._is_refused(wire):
                raise
            self._is_unsettled = True
            if not self._settled_in_time():
                # Nothing of it is there, and nothing of it comes: the old session has ended.
                raise
            return
        self._rev, self._commits = newest, self._commits + 1

    def _append(
        self,
        wire: Wire,
        newest: int,
        changes: Sequence[Change],
        acts: Sequence[Act],
        records: Sequence[Record],
        removals: Sequence[Removal],
    ) -> None:
        few = len(changes) < _COPIED_MIN
        with wire.pipeline():
            wire.execute("BEGIN")
            wire.execute(_FENCE, (newest, self._term, self._rev, self._commits))
            for removal in removals:
                for statement, given in self._sql.removing(removal):
                    wire.execute(spoken(statement), given)
            if few and changes:
                wire.cursor().executemany(_INSERT, list(map(rows.of, changes)))
            if acts:
                wire.cursor().executemany(spoken(sql.ADD_ACT), list(acts))
            for statement, given in sql.keeping(records):
                wire.execute(spoken(statement), given)
            if few:
                wire.execute("COMMIT")
        if not few:
            with wire.cursor().copy(f"COPY change ({_COLUMNS}) FROM STDIN") as copy:
                for change in changes:
                    copy.write_row(rows.of(change))
            wire.execute("COMMIT")

    @staticmethod
    def _is_refused(wire: Wire) -> bool:
        """Roll back; tell whether the server has said that nothing of the transaction is there.

        One whose connection ends after its COMMIT was sent is told of that by an error as well.
        """
        status = wire.info.transaction_status
        within = status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)
        try:
            wire.execute("ROLLBACK")
        except psycopg.Error:
            wire.close()
            return False
        return within

    def _settled_in_time(self) -> bool:
        """Ask, for as long as the lease, whether a commit is there. Raises `OutcomeUnknown`."""
        until = time.monotonic() + self._lease_s
        self.is_settling = True
        try:
            while True:
                try:
                    return self.settle() is True
                except psycopg.Error as error:
                    if time.monotonic() >= until:
                        why = f"whether the write is stored is not known: {plain(error)}"
                        raise OutcomeUnknown(why) from error
                    time.sleep(_BETWEEN_TRIES_S)
        finally:
            self.is_settling = False

    def settle(self) -> bool | None:
        """Tell whether the commit whose outcome was unknown is there: see `Engine.settle`."""
        if not self._is_unsettled:
            self.mine(self._session.live())
            return None
        # The row is locked: a lost session that has come to its fence has ended by then. One that
        # has still to read it from the network finds another term, and its fence raises.
        with self._session.transaction() as wire:
            term, rev, commits = self.mine(wire, " FOR UPDATE")
            wire.execute("UPDATE state SET term = %s", (term + 1,))
        is_stored = commits > self._commits
        self._term, self._rev, self._commits = term + 1, rev, commits
        self._is_unsettled = False
        return is_stored

    def mine(self, wire: Wire, lock: str = "") -> tuple[int, int, int]:
        """Give the term, the rev and the count of commits. Raises `Fenced` if they are another's.

        The term may be a higher one, by a `settle` of which nobody has heard that it was committed;
        only a start counts `boot`.
        """
        ((boot, term, rev, commits),) = wire.execute(
            f"SELECT boot, term, rev, commits FROM state{lock}"
        )
        if boot != self._boot:
            raise Fenced(f"another daemon writes to {self._where}")
        if commits < self._commits:
            raise Fenced(
                f"{self._where} has lost what was stored after rev {rev}, as a replica that took"
                " over may"
            )
        return term, rev, commits

    def _why_fenced(self) -> Fenced | Away:
        """Say why a fence was lost."""
        try:
            self.mine(self._session.live())
        except Fenced as fenced:
            return fenced
        except psycopg.Error as error:
            return Away(f"the database does not answer: {plain(error)}")
        return Fenced(f"somebody else has written to {self._where}")
