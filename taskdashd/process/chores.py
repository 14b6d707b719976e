"""Regular chores of the process: reread the tokens, back up, feed systemd's watchdog."""

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Final, Protocol

import structlog
import trio

from taskdash_protocol.errors import AuthError
from taskdashd.core.acts import Acts
from taskdashd.core.table import Core
from taskdashd.process import copier, notify
from taskdashd.server.poller import Poller
from taskdashd.settings import files, logs
from taskdashd.settings.config import Settings, backup_dir
from taskdashd.settings.tokens import Token, TokenError, TokenFile
from taskdashd.store import backup
from taskdashd.store.acknowledged import Acknowledged
from taskdashd.store.database import Database
from taskdashd.store.executor import Executor
from taskdashd.store.transaction import View
from taskdashd.web.viewers import Viewers

_TOKENS_S: Final = 1.0
_LINES_S: Final = 1.0
_ACKNOWLEDGED_S: Final = 1.0
_BACKUP_SHARE_MAX: Final = 0.1
"""Of the interval between backups: one that takes longer keeps a core and the disk busy for it."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class TokenLimits(Protocol):
    """The setting that is read here; it may change while the daemon runs."""

    sign_in_timeout: float


async def watch_tokens(
    tokens: TokenFile, core: Core, poller: Poller, viewers: Viewers | None, live: TokenLimits
) -> None:
    """Reread the tokens once a second; end connections whose token is over, or came too late."""
    refused = logs.Sparing(log.error, "the tokens cannot be read; those known so far stay")
    while True:
        await trio.sleep(_TOKENS_S)
        try:
            before = tokens.tokens
            if tokens.changed():
                log.info("tokens reread", tokens=len(tokens.tokens))
                _note_tokens(core.acts, before, tokens.tokens)
        except TokenError as error:
            refused(error=str(error))
        if viewers is not None:
            viewers.check_tokens(tokens.stands)
        core.identities.check_tokens(tokens.stands)
        since = core.clock.now() - live.sign_in_timeout
        for session in core.sessions:
            if not session.stands_in and session.identity is None and session.since < since:
                late = AuthError(f"no good token came within {live.sign_in_timeout:g} s")
                poller.expire(session.owner.serial, late)
        # Only now nobody is in any more whose token was revoked.
        tokens.hold()


def _note_tokens(acts: Acts, old: Mapping[str, Token], new: Mapping[str, Token]) -> None:
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was != now and was is not None:
            acts.note("token revoked", "taskdashd token", f"{name}, {was.role}")
        if was != now and now is not None:
            acts.note("token created", "taskdashd token", f"{name}, {now.identity.rights}")


async def back_up(settings: Settings, acts: Acts) -> None:
    """Copy the database as often as the settings say; the interval goes on across restarts."""
    every_s, directory = settings.backup_every, backup_dir(settings)
    if every_s is None:
        return
    await trio.sleep(backup.due_in_s(directory, every_s, time.time()))
    while True:
        began = time.monotonic()
        try:
            data, keep, store = settings.data, settings.backup_keep, settings.store
            same = await trio.to_thread.run_sync(backup.up_to_date, data, directory, store)
            made = None if same else await copier.copy(data, directory, keep, store)
        except (backup.BackupError, OSError) as error:
            log.error("the backup failed", error=str(error), directory=str(directory))
            acts.note("backup failed", "taskdashd", str(error))
        else:
            if made is None:
                log.info("not backed up: nothing has changed since", file=str(same))
            else:
                took_s = round(time.monotonic() - began, 3)
                about = {"rev": made.rev, "tasks": made.tasks, "took_s": took_s}
                log.info("backed up", file=str(made.path), **about)
                acts.note("backed up", "taskdashd", f"{made.path}, rev {made.rev}")
                if took_s > every_s * _BACKUP_SHARE_MAX:
                    log.warning("a backup takes long", took_s=took_s, every_s=every_s)
        await trio.sleep(every_s)


async def note_acknowledged(database: Database, view: View) -> None:
    """Note once a second, beside the database, up to which rev it has been told of."""
    refused = logs.Sparing(log.error, "what was acknowledged cannot be noted")
    noted = -1
    while True:
        try:
            with closing(Acknowledged.open(database.directory, database.engine.cluster)) as file:
                while True:
                    if noted != (noted := view.committed_rev):
                        await trio.to_thread.run_sync(file.write, noted)
                    await trio.sleep(_ACKNOWLEDGED_S)
        except OSError as error:
            refused(error=files.plain(error))
            noted = -1
            await trio.sleep(_ACKNOWLEDGED_S)


def tell_systemd(state: str) -> None:
    """Tell systemd the daemon's state, where systemd listens."""
    try:
        notify.notify(state)
    except OSError as error:
        # The socket of systemd is gone or refuses: no reason to stop serving.
        log.warning("cannot notify", state=state, error=str(error))


async def say_joined_lines() -> None:
    """Write the lines of the log that were held back, once each has waited for its time."""
    while True:
        await trio.sleep(_LINES_S)
        logs.RATIONS.say_joined()


class Waits(Protocol):
    """Says whether the writer's thread waits for a server, which it does for a bounded time."""

    @property
    def waits(self) -> bool:
        """Whether it does."""


async def feed_watchdog(writing: Executor, engine: Waits) -> None:
    """Feed systemd's watchdog while the event loop and the writer's thread both make progress.

    A database that is away is no fault of the daemon's: to kill it would end all connections.
    """
    interval_s = notify.watchdog_interval_s()
    if interval_s is None:
        return
    while True:
        moved = trio.Event()
        writing.submit(lambda: None, lambda _, moved=moved: moved.set())  # type: ignore[misc]
        while not moved.is_set():
            with trio.move_on_after(interval_s / 3):
                await moved.wait()
            if not moved.is_set() and engine.waits:
                tell_systemd("WATCHDOG=1")
        tell_systemd("WATCHDOG=1")
        await trio.sleep(interval_s / 3)
