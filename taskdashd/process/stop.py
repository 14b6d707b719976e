"""The stop of the process, in order: answer the requests that were read, then close everything."""

import os
from typing import Final

import structlog
import trio

from taskdash_protocol.errors import Busy
from taskdashd.process.chores import tell_systemd
from taskdashd.process.threads import Threads
from taskdashd.server.poller import Poller
from taskdashd.settings.logs import RATIONS
from taskdashd.store.database import Database
from taskdashd.store.faults import Fenced
from taskdashd.store.writer import Writer

EXIT_FENCED: Final = 3
"""Another daemon has the database: a start would take it back, and so in turn for ever."""
_POLL_S: Final = 0.01

log: structlog.stdlib.BoundLogger = structlog.get_logger("taskdashd")


async def finish(poller: Poller, writer: Writer, timeout_s: float) -> None:
    """Answer requests that were read, commit what they decided, and say goodbye, within a time."""
    tell_systemd("STOPPING=1")
    poller.stop_accepting()
    poller.stop_reading()
    with trio.move_on_after(timeout_s / 2):
        while not (writer.idle and poller.quiet):
            await trio.sleep(_POLL_S)
    poller.say_goodbye(Busy("the daemon is being stopped: connect again later"))
    with trio.move_on_after(timeout_s / 2):
        while len(poller):
            await trio.sleep(_POLL_S)


def close(database: Database, threads: Threads, *, is_fenced: bool) -> None:
    """End the threads and close the database; exit at once where what it is on does not answer.

    Raises `Fenced` in the end where another daemon has the database.
    """
    database.interrupt()
    RATIONS.say_joined(at_once=True)
    readers_ended = threads.reading.close(1.0, drop=True) and threads.querying.close(1.0, drop=True)
    if not threads.writing.close(1.0):
        where = "server" if database.engine.may_be_away else "disk"
        log.error(f"the {where} does not answer: leaving without closing the database")
        os._exit(EXIT_FENCED if is_fenced else 1)
    if not readers_ended:
        log.warning("a look at the database does not end: leaving without closing it")
        # Exiting is safe: every acknowledged write is on the disk, and the next start recovers
        # the file.
        os._exit(EXIT_FENCED if is_fenced else 0)
    database.close()
    log.info("stopped")
    if is_fenced:
        raise Fenced(database.engine.where)
