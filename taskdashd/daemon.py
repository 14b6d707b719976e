"""The parts of the daemon and how they are joined, run in one nursery, and stopped in order."""

import gc
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import structlog
import trio

from taskdash_protocol import __version__
from taskdash_protocol.errors import Busy
from taskdashd import logs, notify
from taskdashd.config import TABLE, Address, ConfigError, Settings, backup_dir
from taskdashd.doors import (
    CONTROL_NAME,
    asks_for_tokens,
    bind,
    bind_operators_socket,
    bind_web,
    is_loopback,
    read_certificate,
    read_tokens,
    watch_tokens,
)
from taskdashd.feed import Feed
from taskdashd.fetch import Fetcher
from taskdashd.operations.access import Access
from taskdashd.operations.acts import Acts
from taskdashd.operations.clock import Clock
from taskdashd.operations.engine import Engine
from taskdashd.operations.vigil import Vigil
from taskdashd.passwords import Passwords
from taskdashd.server.mailbox import Mailbox
from taskdashd.server.poller import Poller
from taskdashd.server.supervisor import Supervisor
from taskdashd.server.tls import TlsContext, TlsError
from taskdashd.store import backup
from taskdashd.store.database import Database, DiskFull
from taskdashd.store.executor import Executor, ThreadExecutor
from taskdashd.store.lock import StoreUnusable
from taskdashd.store.reader import Reader
from taskdashd.store.records import Records
from taskdashd.store.reserve import Reserve, give_up_to_start
from taskdashd.store.transaction import View
from taskdashd.store.writer import Writer
from taskdashd.website import Website

_POLL_S: Final = 0.01
_NEW_CONTAINERS: Final = 50_000
"""So many more objects that could form cycles, before any are looked for."""

log: structlog.stdlib.BoundLogger = structlog.get_logger("taskdashd")


class Live:
    """The settings in force, each an attribute; they are read through it wherever they may change.

    Plain attributes, because the limits among them are looked at with every request.
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Tell the type checker that there is an attribute for each setting."""

    def __init__(self, settings: Settings) -> None:
        self._take(settings)

    def _take(self, settings: Settings) -> None:
        self.settings = settings
        for name in TABLE:
            setattr(self, name, getattr(settings, name))

    def adopt(self, new: Settings) -> dict[str, str]:
        """Take over what may change now; returns old and new of all that differs, for the log."""
        taken: dict[str, Any] = {}
        changed: dict[str, str] = {}
        for name, setting in TABLE.items():
            old, wanted = getattr(self.settings, name), getattr(new, name)
            if old == wanted:
                continue
            if setting.metadata["live"]:
                taken[name] = wanted
                changed[name] = f"{old} -> {wanted}"
            else:
                changed[name] = f"{old}, {wanted} after a restart"
        self._take(replace(self.settings, **taken))
        return changed


def build_engine(
    database: Database,
    live: Live,
    writing: Executor,
    reading: Executor,
    querying: Executor,
    clock: Clock,
    access: Access,
) -> Engine:
    """Join store, liveness and feed. Raises `StoreUnusable`."""
    opened = database.start()
    view = View(opened.last_rev, live.task_cache, opened.known, Records(opened.records))
    reserve = Reserve(database.path.parent, live.reserve)
    engine = Engine(opened, live, clock, view, access, reserve)
    store_failed = logs.Sparing(log.error, "the store failed")

    def on_fault(fault: Exception) -> None:
        store_failed(error=str(fault))
        if isinstance(fault, DiskFull):
            reserve.give_up()

    writer = Writer(
        database,
        writing,
        view,
        now=clock.stamp,
        on_commit=engine.committed,
        on_fault=on_fault,
        waiting_rows_max=live.writes_waiting,
        waiting_bytes_max=live.writes_waiting_bytes,
        batch_rows_max=live.commit_rows,
        fold_lag_max=live.fold_lag,
    )
    reader = Reader(database, reading, querying, view, writer)
    feed = Feed(
        opened.last_rev, opened.pruned_rev, reader.changes, recent_bytes_max=live.event_cache
    )
    engine.join(writer, reader, feed)
    engine.services = Vigil(engine)
    return engine


async def serve(settings: Settings, reload: Callable[[], Settings]) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Raises `StartError` or `StoreUnusable` where it cannot start.
    """
    live = Live(settings)
    plain = bind(settings.listen)
    tls = read_certificate(settings)
    secure = bind(settings.listen_tls) if settings.listen_tls is not None else []
    required = asks_for_tokens(settings, [*plain, *secure])
    tokens = read_tokens(settings, required=required)
    web, web_tls = bind_web(settings)
    database, is_full = _open(settings)
    mailbox = Mailbox()
    writing = ThreadExecutor("taskdashd-writer", mailbox.post)
    reading = ThreadExecutor("taskdashd-reader", mailbox.post)
    querying = ThreadExecutor("taskdashd-query", mailbox.post)
    # This thread is the event loop's: its processor time tells work from standing still.
    clock = Clock(time.monotonic, time.time, time.thread_time)
    access = Access(tokens.identify, clock.now, required=required, named=tokens.named)
    engine = build_engine(database, live, writing, reading, querying, clock, access)
    engine.passwords = Passwords(lambda: ThreadExecutor("taskdashd-password", mailbox.post))
    if is_full:
        engine.reserve.give_up()
    website = Website(settings, live, engine, database, tokens, web_tls) if web else None
    fetcher = Fetcher(settings.fetch_allow)
    if settings.fetch_allow:
        engine.services.fetch = fetcher.ask
    poller = Poller(engine, live, mailbox)
    supervisor = Supervisor(engine, poller)
    for listener in (*plain, *bind_operators_socket(settings.data)):
        poller.listen(listener)
    for listener in secure:
        poller.listen(listener, tls)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(
            _obey_signals, stop, lambda: _reload(live, engine, reload, (tls, web_tls))
        )
        nursery.start_soon(poller.run)
        nursery.start_soon(supervisor.run)
        nursery.start_soon(_watchdog, writing)
        nursery.start_soon(fetcher.run)
        if website is not None:
            nursery.start_soon(website.run, web)
        if required or web:
            nursery.start_soon(watch_tokens, tokens, engine, poller, live)
        if settings.backup_every is not None:
            nursery.start_soon(_back_up, settings, settings.backup_every, engine.acts)
        _settle_memory()
        _say_ready(settings, engine, plain, secure, web)
        engine.acts.note("started", "taskdashd", f"{__version__}, with {len(tokens.tokens)} tokens")
        await stop.wait()
        supervisor.judges = False
        engine.acts.note("stopped", "taskdashd")
        if website is not None:
            website.stop()
        engine.writer.note(engine.acts.take())
        await _stop(poller, engine, settings.shutdown_timeout)
        nursery.cancel_scope.cancel()
    poller.close()
    (settings.data / CONTROL_NAME).unlink(missing_ok=True)
    mailbox.close()
    _close(database, writing, reading, querying)


def _close(
    database: Database, writing: ThreadExecutor, reading: ThreadExecutor, querying: ThreadExecutor
) -> None:
    """Close the database, as far as the disk lets us."""
    database.interrupt()
    readers_ended = reading.close(1.0, drop=True) and querying.close(1.0, drop=True)
    if not writing.close(1.0):
        log.error("the disk does not answer: leaving without closing the database")
        os._exit(1)
    if not readers_ended:
        log.warning("a look at the database does not end: leaving without closing it")
        # All that was acknowledged is on the disk, and the next start opens the file as it is.
        os._exit(0)
    database.close()
    log.info("stopped")


def _open(settings: Settings) -> tuple[Database, bool]:
    """Open the database; on a full disk with what was kept in reserve, and tell whether it was.

    Raises `StoreUnusable`.
    """
    try:
        return Database(settings.data, query_timeout_s=settings.query_timeout), False
    except StoreUnusable:
        if not give_up_to_start(settings.data):
            raise
    return Database(settings.data, query_timeout_s=settings.query_timeout), True


def _settle_memory() -> None:
    """Spare the garbage collector what it would look through in vain.

    What is there at the start stays, and what the daemon makes seldom forms cycles: reference
    counts free it. Looking for cycles as often as Python does by default took a fifth of the time
    of a Register.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_CONTAINERS, 20, 20)


def _say_ready(
    settings: Settings,
    engine: Engine,
    plain: list[socket.socket],
    secure: list[socket.socket],
    web: list[socket.socket],
) -> None:
    board = "the board is at"
    for event, listeners in (("listening", plain), ("listening with TLS", secure), (board, web)):
        for listener in listeners:
            log.info(event, address=str(Address(*listener.getsockname()[:2])))
    reachable = any(not is_loopback(listener) for listener in [*plain, *secure])
    if reachable and not engine.access.required:
        log.warning("whoever reaches this address may read and write every task: auth is open")
    if any(not is_loopback(listener) for listener in plain):
        log.warning(
            "what goes over the network can be read on its way: listen_tls would prevent it"
        )
    if any(not is_loopback(listener) for listener in web):
        if settings.sign_up and not settings.passwords:
            log.warning("whoever reaches the board may sign in as anybody: passwords are off")
        if not settings.web_tls:
            log.warning("what goes to the board can be read on its way: web_tls would prevent it")
    log.info(
        "ready",
        version=__version__,
        data=str(settings.data),
        rev=engine.view.committed_rev,
        live_tasks=len(engine.liveness),
        heartbeat_timeout=settings.heartbeat_timeout,
    )
    _tell_systemd(f"READY=1\nMAINPID={os.getpid()}")


def _tell_systemd(state: str) -> None:
    try:
        notify.notify(state)
    except OSError as error:
        # Whoever started us is no longer listening: no reason to stop serving.
        log.warning("cannot notify", state=state, error=str(error))


async def _obey_signals(
    stop: trio.Event,
    reload: Callable[[], None],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            if number == signal.SIGHUP:
                reload()
            elif stop.is_set():
                log.warning("told twice: leaving at once")
                os._exit(1)
            else:
                log.info("stopping", signal=signal.Signals(number).name)
                stop.set()


def _reload(
    live: Live,
    engine: Engine,
    reload: Callable[[], Settings],
    certificates: tuple[TlsContext | None, ...],
) -> None:
    try:
        new = reload()
    except ConfigError as error:
        log.error("configuration not reloaded, the old one stays", error=str(error))
        return
    except Exception:
        log.exception("configuration not reloaded, the old one stays")
        return
    changed = live.adopt(new)
    engine.liveness.default_timeout_s = live.heartbeat_timeout
    engine.liveness.refresh()
    logs.configure(live.log_format, live.log_level)
    log.info("configuration reloaded", changed=changed)
    told = ", ".join(f"{name}: {how}" for name, how in changed.items()) or "nothing new"
    engine.acts.note("configuration reloaded", "SIGHUP", told)
    for tls in filter(None, certificates):
        try:
            tls.reload()
            log.info("certificate reloaded")
        except TlsError as error:
            log.error("certificate not reloaded, the old one stays", error=str(error))


async def _stop(poller: Poller, engine: Engine, timeout_s: float) -> None:
    _tell_systemd("STOPPING=1")
    poller.stop_accepting()
    poller.stop_reading()
    with trio.move_on_after(timeout_s / 2):
        while not (engine.writer.idle and poller.quiet):
            await trio.sleep(_POLL_S)
    poller.say_goodbye(Busy("the daemon is being stopped: connect again later"))
    with trio.move_on_after(timeout_s / 2):
        while len(poller):
            await trio.sleep(_POLL_S)


async def _back_up(settings: Settings, every_s: float, acts: Acts) -> None:
    """Copy the database now and then; the time goes on across restarts."""
    directory = backup_dir(settings)
    await trio.sleep(backup.due_in_s(directory, every_s, time.time()))
    while True:
        began = time.monotonic()
        try:
            copy = await trio.to_thread.run_sync(
                backup.scheduled,
                settings.data,
                directory,
                settings.backup_keep,
                abandon_on_cancel=True,
            )
        except (backup.BackupError, OSError) as error:
            log.error("the backup failed", error=str(error), directory=str(directory))
            acts.note("backup failed", "taskdashd", str(error))
        else:
            took_s = round(time.monotonic() - began, 3)
            about = {"rev": copy.rev, "tasks": copy.tasks, "took_s": took_s}
            log.info("backed up", file=str(copy.path), **about)
            acts.note("backed up", "taskdashd", f"{copy.path}, rev {copy.rev}")
        await trio.sleep(every_s)


async def _watchdog(writing: Executor) -> None:
    """Tell systemd that both the event loop and the writer's thread move."""
    interval_s = notify.watchdog_interval_s()
    if interval_s is None:
        return
    while True:
        await _writer_moves(writing)
        _tell_systemd("WATCHDOG=1")
        await trio.sleep(interval_s / 3)


async def _writer_moves(writing: Executor) -> None:
    moved = trio.Event()
    writing.submit(lambda: None, lambda _: moved.set())
    await moved.wait()
