"""The composition root on one screen: the daemon's parts, one nursery, one stop in order."""

import os
from collections.abc import Callable
from functools import partial

import trio

from taskdash_protocol import __version__
from taskdashd.core.access import Access
from taskdashd.core.clock import Clock
from taskdashd.core.proofs import Proofs
from taskdashd.core.run import Runner
from taskdashd.core.table import Core
from taskdashd.families.people.operations.sign_in import prove
from taskdashd.families.services.fetcher import Fetcher
from taskdashd.families.services.vigil import Fetch
from taskdashd.parts import Environment, Web, build
from taskdashd.process import chores, doors, signals, start, stop, zone
from taskdashd.process.threads import Threads
from taskdashd.server.connection import WireDoor
from taskdashd.server.link import Links
from taskdashd.server.mailbox import Mailbox
from taskdashd.server.poller import Poller
from taskdashd.server.supervisor import Supervisor
from taskdashd.settings.config import Settings
from taskdashd.settings.live import Live
from taskdashd.settings.tokens import TokenFile
from taskdashd.store.database import Database
from taskdashd.web.app import App
from taskdashd.web.files import Files, read_description
from taskdashd.web.forwarded import Proxies
from taskdashd.web.origins import Origins


async def serve(
    settings: Settings, read_settings: Callable[[], Settings], *, accept_loss: bool = False
) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Raises `StartError` or `StoreUnusable` where it cannot start; `Fenced` where it must not again.
    """
    live = Live(settings)
    listening, certificates = doors.bind_all(settings), doors.read_certificates(settings)
    required = doors.asks_for_tokens(settings, listening)
    tokens = doors.read_tokens(settings, required=required)
    database, disk_is_full = start.open_database(settings, accept_loss=accept_loss)
    mailbox, links = Mailbox(), Links()
    threads = Threads.start(mailbox.post)
    fetcher = Fetcher(settings.fetch_allow)
    clock = Clock.of_machine()
    access = _access(tokens, clock, required=required)
    environment = _environment(threads, links, fetcher.ask if settings.fetch_allow else None)
    with_board = bool(listening.web)
    parts = build(
        database, live, clock, access, environment, with_board=with_board, disk_is_full=disk_is_full
    )
    core, web = parts.runner.core, parts.web
    poller, wire = Poller(core, live, mailbox, links), WireDoor(parts.runner, live)
    stopping = trio.Event()
    by_itself = parts.deaths, parts.agenda, parts.housekeeping
    supervisor = Supervisor(core, *by_itself, poller, links, stopping.set)
    if web is not None:
        app = _app(settings, live, parts.runner, web, access)
        poller.listen(listening.web, app, certificates.web)
    poller.listen([*listening.plain, *doors.bind_operators_socket(settings.data)], wire)
    poller.listen(listening.secure, wire, certificates.services)
    reload = partial(
        signals.reload_settings, live, core.liveness, core.acts, read_settings, certificates
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(signals.obey_signals, stopping, reload)
        nursery.start_soon(poller.run)
        nursery.start_soon(supervisor.run)
        nursery.start_soon(fetcher.run)
        _begin_chores(nursery, settings, database, threads, core)
        if web is not None:
            nursery.start_soon(web.boards.run)
        # Also where no token is asked for: commands wait until the daemon has taken up a change.
        nursery.start_soon(chores.watch_tokens, tokens, core, poller, web and web.viewers, live)
        start.settle_memory()
        start.say_ready(settings, core, listening, database.engine.where)
        core.acts.note("started", "taskdashd", f"{__version__}, with {len(tokens.tokens)} tokens")
        await stopping.wait()
        # A daemon that is stopping reads no signs of life, so it decides nothing any more.
        core.leading.end()
        core.acts.note("stopped", "taskdashd")
        if web is not None:
            web.figures.store()
            web.viewers.close_all()
        core.writer.note(core.acts.take())
        await stop.finish(poller, core.writer, settings.shutdown_timeout)
        nursery.cancel_scope.cancel()
    poller.close()
    tokens.let_go()
    doors.remove_operators_socket(settings.data)
    mailbox.close()
    stop.close(database, threads, is_fenced=core.writer.absence.is_fenced)


def _begin_chores(
    nursery: trio.Nursery, settings: Settings, database: Database, threads: Threads, core: Core
) -> None:
    nursery.start_soon(chores.say_joined_lines)
    nursery.start_soon(chores.feed_watchdog, threads.writing, database.engine)
    nursery.start_soon(chores.back_up, settings, core.acts)
    if database.engine.cluster:
        nursery.start_soon(chores.note_acknowledged, database, core.view)


def _access(tokens: TokenFile, clock: Clock, *, required: bool) -> Access:
    return Access(
        tokens.identify,
        clock.now,
        required=required,
        named=tokens.named,
        stands=tokens.stands,
        in_group=tokens.in_group,
    )


def _environment(threads: Threads, links: Links, fetch: Fetch | None) -> Environment:
    return Environment(
        writing=threads.writing,
        reading=threads.reading,
        querying=threads.querying,
        start_hashing=threads.start_hashing,
        may_have_spoken=links.may_have_spoken,
        fetch=fetch,
        zone=zone.of_machine(os.environ),
    )


def _app(settings: Settings, live: Live, runner: Runner, web: Web, access: Access) -> App:
    """Give the web face. Raises `StartError`."""
    identities, now = runner.core.identities, runner.core.clock.now
    return App(
        runner=runner,
        limits=live,
        boards=web.boards,
        viewers=web.viewers,
        # Whoever reaches the board is not let in just because services may come in without a token.
        tokens=access.of_board(),
        files=Files.read(settings.web_prefix),
        description=read_description(),
        key=start.read_cookie_key(settings),
        origins=Origins(settings.web_origins, secure=settings.web_tls),
        proofs=Proofs(identities, now, prove),
        proxies=Proxies(settings.trusted_proxies),
        secure=settings.web_tls,
        prefix=settings.web_prefix,
    )
