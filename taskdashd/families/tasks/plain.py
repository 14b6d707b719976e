"""Where a run of plain writes may be decided at once, and how it is stored and answered.

`protocol.plain` recognises the writes in a peer's bytes, and `domain.runs` decides them. What these
leave out of sight, `may_run` looks at: who asks, how much room there is, what else is under way.
All that a write is refused for, or must wait for, is refused or waited for on the general path
(`server.exchange`, `core.run`, `operations`): a run takes only what will surely be written, and
stops before the rest. So the order of a connection's requests, and of all writes, stays.
"""

from collections.abc import Callable, Sequence

from taskdash_protocol.errors import Outcome, ServerError
from taskdash_protocol.plain import PlainWrite, replies
from taskdashd.core.session import Session
from taskdashd.core.table import Core
from taskdashd.domain import runs
from taskdashd.domain.access import ANYONE

Told = Callable[[Outcome[bytes]], None]
"""Takes the frames that answer a run."""


class PlainWrites:
    """Decides runs; one for the daemon."""

    most = 32
    """So many writes are decided, and taken in from their commit, in one step."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def may_run(self, session: Session) -> bool:
        """Tell whether a session's plain writes may be decided in a run now.

        Each condition has its sentence in the refusals, or its wait, of the general path.
        """
        identity, core = session.identity, self._core
        return (
            identity is not None
            # No person, nobody who only reads, nobody whose sight is bounded.
            and session.sees_all
            and session.changes is None
            and (identity is ANYONE or identity.may_write)
            and core.writer.takes(self.most)
            and core.room.takes(session, self.most)
            # What is to be forgotten is gone for writes already, and may be in memory still.
            and not core.view.leaving
        )

    def write(self, writes: Sequence[PlainWrite], session: Session, told: Told) -> int:
        """Decide writes up to the first that is not for a run; give how many that were.

        `told` gets the frames that answer these, or the refusal of all, once that is final.
        """
        core = self._core
        view, writer, largest = core.view, core.writer, core.room.reply_bytes
        at = writer.stamp()
        changes = runs.decided(writes, view.newest, session.author, at, view.next_rev, largest)
        if changes:

            def done(why: ServerError | None) -> None:
                told(why or replies(writes, (change.task.epoch for change in changes)))

            writer.put(changes, done)
        return len(changes)
