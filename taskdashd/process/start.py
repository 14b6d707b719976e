"""The start of the process: open the database, settle the memory, log that the daemon is ready."""

import gc
import os
import socket
from functools import partial
from typing import Final

import structlog

from taskdash_protocol import __version__
from taskdashd.core.identities import PERSON
from taskdashd.core.table import Core
from taskdashd.domain.people import Person
from taskdashd.process.chores import tell_systemd
from taskdashd.process.doors import Doors, StartError, is_loopback
from taskdashd.settings import files, owner
from taskdashd.settings.config import Address, Settings
from taskdashd.store.database import Database
from taskdashd.store.lock import StoreUnusable
from taskdashd.store.reserve import give_up_to_start
from taskdashd.web import cookies

_NEW_CONTAINERS: Final = 2_000
"""New objects that could form cycles, before the garbage collector looks for any."""

log: structlog.stdlib.BoundLogger = structlog.get_logger("taskdashd")


def open_database(settings: Settings, *, accept_loss: bool = False) -> tuple[Database, bool]:
    """Open the database; also tell whether the reserve of a full disk was given up for it.

    Raises `StoreUnusable`.
    """
    opened = partial(
        Database.open,
        settings.data,
        query_timeout_s=settings.query_timeout,
        store=settings.store,
        lease_s=settings.leader_lease,
        accept_loss=accept_loss,
    )
    try:
        return opened(), False
    except StoreUnusable:
        if not give_up_to_start(settings.data):
            raise
    return opened(), True


def read_cookie_key(settings: Settings) -> bytes:
    """Read the key that signs cookies, or make one. Raises `StartError`."""
    try:
        return cookies.read_key(settings.data)
    except OSError as error:
        why = f"{files.plain(error)}{owner.told_of_strangers(settings.data)}"
        raise StartError(f"cannot keep the board's key: {why}") from None


def settle_memory() -> None:
    """Have the garbage collector skip the objects that exist, and run seldom.

    Objects of the start stay for good, and later ones seldom form cycles: reference counts free
    them. Looking for cycles as often as Python does by default took a fifth of the time of a
    Register.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_CONTAINERS, 500, 20)


def say_ready(settings: Settings, core: Core, doors: Doors, store: str) -> None:
    """Log where the daemon listens and the dangers of that; tell systemd that it is ready."""
    _say_doors(doors, settings.web_prefix)
    if doors.reachable and not core.identities.required:
        log.warning("whoever reaches this address may read and write every task: auth is open")
    if any(not is_loopback(listener) for listener in doors.plain):
        log.warning(
            "what goes over the network can be read on its way: listen_tls would prevent it"
        )
    if any(not is_loopback(listener) for listener in doors.web):
        if not settings.passwords and settings.passwordless != "off":
            log.warning(
                "whoever reaches the board may sign in as anybody who has no password:"
                " passwords are off"
            )
        if not settings.web_tls:
            log.warning("what goes to the board can be read on its way: web_tls would prevent it")
    people = map(Person.from_record, core.view.records.all(PERSON))
    if admins := sorted(one.id for one in people if one.active and one.lacks_password):
        log.warning(
            "administrators without a password sign in nowhere:"
            f" `taskdash-ctl person {admins[0]} --password` sets one",
            administrators=len(admins),
        )
    log.info(
        "ready",
        version=__version__,
        data=str(settings.data),
        store=store,
        rev=core.view.committed_rev,
        live_tasks=len(core.liveness),
        heartbeat_timeout=settings.heartbeat_timeout,
    )
    tell_systemd(f"READY=1\nMAINPID={os.getpid()}")


def _say_doors(doors: Doors, prefix: str) -> None:
    said: tuple[tuple[str, list[socket.socket]], ...] = (
        ("listening", doors.plain),
        ("listening with TLS", doors.secure),
        ("the board is at", doors.web),
    )
    for event, listeners in said:
        for listener in listeners:
            below = {"prefix": prefix} if listeners is doors.web and prefix else {}
            log.info(event, address=str(Address(*listener.getsockname()[:2])), **below)
