"""Every setting of the daemon: one table of name, default, unit and meaning.

Flags stand over `TASKDASHD_*` environment variables, over a TOML file, over defaults. An unknown
key or a bad value is a `ConfigError` that names it and where it came from.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from taskdash_protocol import DEFAULT_PORT
from taskdash_protocol.fields import HEARTBEAT_TIMEOUT_MAX_S, HEARTBEAT_TIMEOUT_MIN_S
from taskdashd.settings import sources, values
from taskdashd.settings.sources import ENVIRONMENT_PREFIX as ENVIRONMENT_PREFIX
from taskdashd.settings.sources import ConfigError as ConfigError
from taskdashd.settings.sources import Origin
from taskdashd.settings.values import Address as Address
from taskdashd.settings.values import IpNetwork, Network
from taskdashd.settings.values import duration as duration


def _setting(
    default: Any, parse: Callable[[Any], Any], unit: str, about: str, *, live: bool = False
) -> Any:
    return field(
        default=default, metadata={"parse": parse, "unit": unit, "about": about, "live": live}
    )


def _default_data() -> Path:
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "taskdashd"


@dataclass(frozen=True, slots=True)
class Settings:
    """The daemon's settings. `docs/configuration.md` explains them to operators."""

    listen: Address = _setting(
        Address("127.0.0.1", DEFAULT_PORT), values.address, "HOST:PORT", "Where services connect."
    )
    web: Address | None = _setting(
        None, values.address_or_off, "HOST:PORT|off", "Where the web board is served."
    )
    web_tls: bool = _setting(
        False, values.on_or_off, "on|off", "Serve it with TLS, by tls_cert and tls_key (https://)."
    )
    web_connections: int = _setting(
        1_000,
        values.whole(1, 1_000_000),
        "connections",
        "To the web board; more get 503.",
        live=True,
    )
    web_origins: str = _setting(
        "",
        values.origins,
        "origins",
        "From where else pages may ask, as in https://a.example, separated by spaces.",
    )
    web_prefix: str = _setting(
        "", values.prefix, "path", "Below what path browsers find the board, as in /tasks."
    )
    trusted_proxies: tuple[IpNetwork, ...] = _setting(
        (),
        values.proxies,
        "NETWORKS|off",
        "Proxies before the board, as in 10.0.0.2, ::1: what they say of who asks is believed.",
    )
    rpost_open: bool = _setting(
        False, values.on_or_off, "on|off", "Whether /rpost/task asks for no sign-in.", live=True
    )
    listen_tls: Address | None = _setting(
        None,
        values.address_or_off,
        "HOST:PORT|off",
        "Where services connect with TLS (taskdashs://).",
    )
    tls_cert: Path | None = _setting(
        None, values.path, "file", "The server's certificate and those above it, PEM."
    )
    tls_key: Path | None = _setting(None, values.path, "file", "Its private key, PEM.")
    tls_client_ca: Path | None = _setting(
        None, values.path, "file", "Whose certificates of clients are believed, PEM."
    )
    handshake_timeout: float = _setting(
        5.0, values.seconds(0.1, 3600), "seconds", "A TLS handshake must be done.", live=True
    )
    data: Path = _setting(Path(), values.path, "directory", "Where the daemon keeps its data.")
    store: str = _setting(
        "",
        values.store,
        "postgresql://…",
        "The PostgreSQL that has the tasks; without it, a file in the data directory.",
    )
    leader_lease: float = _setting(
        6.0,
        values.seconds(1, 300),
        "seconds",
        "For so long a commit to PostgreSQL whose outcome is unknown is asked after.",
    )
    auth: str = _setting(
        "auto",
        values.choice("auto", "tokens", "open"),
        "auto|tokens|open",
        "Whether a token is asked for; auto asks unless only this machine can connect.",
    )
    sign_in_timeout: float = _setting(
        10.0,
        values.seconds(0.1, 3600),
        "seconds",
        "Where a token is asked for, it must come.",
        live=True,
    )
    sign_up: bool = _setting(
        True, values.on_or_off, "on|off", "Whether people make their own account.", live=True
    )
    passwords: bool = _setting(
        False, values.on_or_off, "on|off", "Whether people sign in with a password.", live=True
    )
    passwordless: str = _setting(
        "board",
        values.choice("board", "everywhere", "off"),
        "board|everywhere|off",
        "Where people who have no password sign in, where none is asked for.",
    )
    claim_limit: float | None = _setting(
        None,
        values.duration_or_off,
        "DURATION|off",
        "A claim ends then, unless it names less.",
        live=True,
    )
    office_calendar: str = _setting(
        "office", values.calendar, "name", "The calendar of whoever names none.", live=True
    )
    fetch_allow: tuple[Network, ...] = _setting(
        (),
        values.networks,
        "NETWORKS|off",
        "Where services may be asked for their tasks, as in 10.0.0.0/8:8000-8999.",
    )
    max_people: int = _setting(
        2_000, values.whole(1, 4_000), "people", "With an account; more are told 1005.", live=True
    )
    max_services: int = _setting(
        500, values.whole(1, 2_000), "services", "Registered; more are told 1005.", live=True
    )
    heartbeat_timeout: float = _setting(
        30.0,
        values.seconds(HEARTBEAT_TIMEOUT_MIN_S, HEARTBEAT_TIMEOUT_MAX_S),
        "seconds",
        "Silence after which a live task is shut down, where it names no timeout of its own.",
        live=True,
    )
    frame_timeout: float = _setting(
        10.0,
        values.seconds(0.1, 3600),
        "seconds",
        "A frame that was begun must be whole.",
        live=True,
    )
    write_timeout: float = _setting(
        10.0,
        values.seconds(0.1, 3600),
        "seconds",
        "A peer must take some of what waits for it.",
        live=True,
    )
    shutdown_timeout: float = _setting(
        8.0,
        values.seconds(0.1, 60),
        "seconds",
        "On SIGTERM, for what is in flight to be finished.",
        live=True,
    )
    query_timeout: float = _setting(
        10.0, values.seconds(0.1, 600), "seconds", "A Query may take no longer."
    )
    max_frame: int = _setting(
        1 << 20, values.whole(4096, 64 << 20), "bytes", "The largest length of a frame."
    )
    max_connections: int = _setting(
        10_000, values.whole(1, 1_000_000), "connections", "More are told 1005.", live=True
    )
    max_connections_per_address: int = _setting(
        500,
        values.whole(1, 1_000_000),
        "connections",
        "By all doors together; more are told 1005.",
        live=True,
    )
    request_rate: int | None = _setting(
        10_000,
        values.whole_or_off(1, 10_000_000),
        "requests/s|off",
        "On one connection; more are told 1005.",
        live=True,
    )
    identity_rate: int | None = _setting(
        20_000,
        values.whole_or_off(1, 10_000_000),
        "requests/s|off",
        "With one token or of one person, on all connections; more are told 1005.",
        live=True,
    )
    person_rate: int | None = _setting(
        20,
        values.whole_or_off(1, 10_000_000),
        "changes/s|off",
        "That one person makes, on all connections; five seconds' at once; more are told 1005.",
        live=True,
    )
    queue_timeout: float = _setting(
        10.0,
        values.seconds(0.1, 3600),
        "seconds",
        "Requests that have waited longer for their turn are told 1005.",
        live=True,
    )
    max_live_tasks: int = _setting(
        200_000,
        values.whole(1, 100_000_000),
        "tasks",
        "Supervised at once; more are told 1005.",
        live=True,
    )
    max_pending: int = _setting(
        1024,
        values.whole(1, 1_000_000),
        "requests",
        "Unanswered on one connection before it waits.",
        live=True,
    )
    max_watches: int = _setting(
        64, values.whole(1, 100_000), "watches", "On one connection; more are told 1005.", live=True
    )
    input_buffer: int = _setting(
        32 << 20,
        values.whole(1 << 20, 8 << 30),
        "bytes",
        "Input held for all together: unfinished, waiting to be done; as much for watches' where.",
        live=True,
    )
    output_buffer: int = _setting(
        64 << 20,
        values.whole(32 << 20, 8 << 30),
        "bytes",
        "Waiting for all together to read it; more large replies are told 1005.",
        live=True,
    )
    reply_buffer: int = _setting(
        256 << 10,
        values.whole(4096, 1 << 30),
        "bytes",
        "Replies that wait for a peer to read before its requests are no longer read.",
        live=True,
    )
    watch_buffer: int = _setting(
        4 << 20,
        values.whole(64 << 10, 1 << 30),
        "bytes",
        "Events that wait for a watcher to read before it is cut off.",
        live=True,
    )
    writes_waiting: int = _setting(
        65_536, values.whole(1, 10_000_000), "writes", "Waiting for the disk; more are told 1005."
    )
    writes_waiting_bytes: int = _setting(
        64 << 20,
        values.whole(1 << 20, 8 << 30),
        "bytes",
        "Waiting for the disk; more are told 1005.",
    )
    commit_rows: int = _setting(4096, values.whole(1, 100_000), "writes", "At most in one commit.")
    fold_lag: int = _setting(
        20_000, values.whole(1, 10_000_000), "changes", "The task table may be behind the log."
    )
    task_cache: int = _setting(
        56 << 20, values.whole(1 << 20, 8 << 30), "bytes", "Recent tasks kept in memory."
    )
    reply_cache: int = _setting(
        8 << 20,
        values.whole(0, 8 << 30),
        "bytes",
        "Replies to Find kept for who asks the same again.",
    )
    reserve: int = _setting(
        4 << 20,
        values.whole(0, 1 << 30),
        "bytes",
        "Kept free on the disk, and given up for operators when it is full.",
    )
    audit_keep: float | None = _setting(
        365 * 86400,
        values.duration_or_off,
        "DURATION|off",
        "What was changed is known for so long; off keeps it for ever.",
        live=True,
    )
    keep_runs: float | None = _setting(
        90 * 86400,
        values.duration_or_off_from(3600),
        "DURATION|off",
        "What services ran is known for so long after its end, at least 1h; off keeps it for ever.",
        live=True,
    )
    backup_every: float | None = _setting(
        None, values.duration_or_off, "DURATION|off", "Back the database up so often, as in 1h."
    )
    backup_keep: int = _setting(
        24, values.whole(1, 100_000), "backups", "Older ones are removed once a new one is good."
    )
    backup_dir: Path | None = _setting(
        None, values.path, "directory", "Where to; `backups` in the data directory if not given."
    )
    event_cache: int = _setting(
        4 << 20, values.whole(1 << 16, 8 << 30), "bytes", "Recent events kept in memory."
    )
    log_format: str = _setting(
        "auto",
        values.choice("auto", "human", "json"),
        "auto|human|json",
        "How to log; auto is human on a terminal.",
    )
    log_level: str = _setting(
        "info",
        values.choice("debug", "info", "warning", "error"),
        "level",
        "How much to log.",
        live=True,
    )


TABLE: Final = {setting.name: setting for setting in fields(Settings)}


def load(
    flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None
) -> tuple[Settings, dict[str, str]]:
    """Read the settings. Returns them and where each came from; raises `ConfigError`."""
    given = {name: Origin(setting.default, "default") for name, setting in TABLE.items()}
    given["data"] = Origin(_default_data(), "default")
    given |= sources.from_file(file, TABLE) | sources.from_environment(environment, TABLE)
    given |= {name: Origin(value, f"--{name.replace('_', '-')}") for name, value in flags.items()}
    read: dict[str, Any] = {}
    for name, origin in given.items():
        if origin.source == "default":
            read[name] = origin.value
            continue
        try:
            read[name] = TABLE[name].metadata["parse"](origin.value)
        except ValueError as error:
            shown = values.without_password(f"{origin.value!r}")
            raise ConfigError(f"{name} = {shown} (from {origin.source}) {error}") from None
    return Settings(**read), {name: origin.source for name, origin in given.items()}


def backup_dir(settings: Settings) -> Path:
    """Give the directory of the daemon's own backups."""
    return settings.backup_dir or settings.data / "backups"
