"""The daemon's signals: stop, stop at once, reread the configuration."""

import os
import signal
from collections.abc import Callable, Sequence

import structlog
import trio

from taskdashd.core.acts import Acts
from taskdashd.domain.liveness import Liveness
from taskdashd.server.tls import TlsContext, TlsError
from taskdashd.settings import logs
from taskdashd.settings.config import ConfigError, Settings
from taskdashd.settings.live import Live

log: structlog.stdlib.BoundLogger = structlog.get_logger("taskdashd")


async def obey_signals(
    stop: trio.Event,
    reload: Callable[[], None],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Set `stop` on SIGTERM or SIGINT, exit at once on the second of them; reload on SIGHUP."""
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


def reload_settings(
    live: Live,
    liveness: Liveness,
    acts: Acts,
    read: Callable[[], Settings],
    certificates: Sequence[TlsContext | None],
) -> None:
    """Read configuration and certificates again; a bad one is logged, and the old one stays."""
    try:
        new = read()
    except ConfigError as error:
        log.error("configuration not reloaded, the old one stays", error=str(error))
        return
    except Exception:
        log.exception("configuration not reloaded, the old one stays")
        return
    changed = live.adopt(new)
    liveness.adopt(live.heartbeat_timeout)
    logs.configure(live.log_format, live.log_level)
    log.info("configuration reloaded", changed=changed)
    told = ", ".join(f"{name}: {how}" for name, how in changed.items()) or "nothing new"
    acts.note("configuration reloaded", "SIGHUP", told)
    for tls in filter(None, certificates):
        try:
            tls.reload()
            log.info("certificate reloaded")
        except TlsError as error:
            log.error("certificate not reloaded, the old one stays", error=str(error))
