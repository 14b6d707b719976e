"""Every setting of the daemon: one table of name, default, unit and meaning.

Flags stand over `TASKDASHD_*` environment variables, over a TOML file, over defaults. An unknown
key or a bad value is a `ConfigError` that names it and where it came from.
"""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, NamedTuple

from taskdash_protocol import DEFAULT_PORT
from taskdash_protocol.requests import HEARTBEAT_TIMEOUT_MAX_S, HEARTBEAT_TIMEOUT_MIN_S

ENVIRONMENT_PREFIX: Final = "TASKDASHD_"


class ConfigError(Exception):
    """A setting that does not exist or a value that will not do; the message names it."""


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write it as it is read."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _address(value: Any) -> Address:
    host, colon, port = str(value).rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("must be HOST:PORT, as in 127.0.0.1:13920 or [::1]:13920")
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError(f"must be HOST:PORT, and {host!r} is no host name") from None
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def _address_or_off(value: Any) -> Address | None:
    return None if str(value) == "off" else _address(value)


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("must be a path")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError("must be a path, and there is no such user") from None


def _choice(*allowed: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return parse


def _seconds(low: float, high: float) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        if isinstance(value, bool) or not low <= number <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return number

    return parse


_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration_or_off(value: Any) -> float | None:
    if str(value) == "off":
        return None
    try:
        return duration(value)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None


def duration(value: Any) -> float:
    """Read a time as people write it, in seconds. Raises `ValueError`."""
    text = str(value)
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS_S else (text, "s")
    try:
        seconds = float(number) * _UNITS_S[unit]
    except ValueError:
        seconds = float("nan")
    if isinstance(value, bool) or not 1 <= seconds <= 366 * 86400:
        raise ValueError("must be a time from 1s to 366d, as in 90s, 30m, 1h or 7d")
    return seconds


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = low - 1
        if isinstance(value, bool | float) or not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return number

    return parse


def _whole_or_off(low: int, high: int) -> Callable[[Any], int | None]:
    whole = _whole(low, high)

    def parse(value: Any) -> int | None:
        try:
            return None if str(value) == "off" else whole(value)
        except ValueError as error:
            raise ValueError(f"{error}, or off") from None

    return parse


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
    """What the daemon runs by. `docs/configuration.md` tells the same to operators."""

    listen: Address = _setting(
        Address("127.0.0.1", DEFAULT_PORT), _address, "HOST:PORT", "Where services connect."
    )
    web: Address | None = _setting(
        None, _address_or_off, "HOST:PORT|off", "Where the web board will be served; not built yet."
    )
    listen_tls: Address | None = _setting(
        None, _address_or_off, "HOST:PORT|off", "Where services connect with TLS (taskdashs://)."
    )
    tls_cert: Path | None = _setting(
        None, _path, "file", "The server's certificate and those above it, PEM."
    )
    tls_key: Path | None = _setting(None, _path, "file", "Its private key, PEM.")
    tls_client_ca: Path | None = _setting(
        None, _path, "file", "Whose certificates of clients are believed, PEM."
    )
    handshake_timeout: float = _setting(
        5.0, _seconds(0.1, 3600), "seconds", "A TLS handshake must be done.", live=True
    )
    data: Path = _setting(Path(), _path, "directory", "Where the database lives.")
    auth: str = _setting(
        "auto",
        _choice("auto", "tokens", "open"),
        "auto|tokens|open",
        "Whether a token is asked for; auto asks unless only this machine can connect.",
    )
    sign_in_timeout: float = _setting(
        10.0, _seconds(0.1, 3600), "seconds", "Where a token is asked for, it must come.", live=True
    )
    heartbeat_timeout: float = _setting(
        30.0,
        _seconds(HEARTBEAT_TIMEOUT_MIN_S, HEARTBEAT_TIMEOUT_MAX_S),
        "seconds",
        "Silence after which a live task is shut down, where it names no timeout of its own.",
        live=True,
    )
    frame_timeout: float = _setting(
        10.0, _seconds(0.1, 3600), "seconds", "A frame that was begun must be whole.", live=True
    )
    write_timeout: float = _setting(
        10.0,
        _seconds(0.1, 3600),
        "seconds",
        "A peer must take some of what waits for it.",
        live=True,
    )
    shutdown_timeout: float = _setting(
        8.0,
        _seconds(0.1, 60),
        "seconds",
        "On SIGTERM, for what is in flight to be finished.",
        live=True,
    )
    query_timeout: float = _setting(
        10.0, _seconds(0.1, 600), "seconds", "A Query may take no longer."
    )
    max_frame: int = _setting(
        1 << 20, _whole(4096, 64 << 20), "bytes", "The largest length of a frame."
    )
    max_connections: int = _setting(
        10_000, _whole(1, 1_000_000), "connections", "More are told 1005.", live=True
    )
    max_connections_per_address: int = _setting(
        1_000, _whole(1, 1_000_000), "connections", "More are told 1005.", live=True
    )
    request_rate: int | None = _setting(
        10_000,
        _whole_or_off(1, 10_000_000),
        "requests/s|off",
        "On one connection; more are told 1005.",
        live=True,
    )
    identity_rate: int | None = _setting(
        20_000,
        _whole_or_off(1, 10_000_000),
        "requests/s|off",
        "With one token, on all its connections; more are told 1005.",
        live=True,
    )
    queue_timeout: float = _setting(
        10.0,
        _seconds(0.1, 3600),
        "seconds",
        "Requests that have waited longer for their turn are told 1005.",
        live=True,
    )
    max_live_tasks: int = _setting(
        200_000,
        _whole(1, 100_000_000),
        "tasks",
        "Supervised at once; more are told 1005.",
        live=True,
    )
    max_pending: int = _setting(
        1024,
        _whole(1, 1_000_000),
        "requests",
        "Unanswered on one connection before it waits.",
        live=True,
    )
    max_watches: int = _setting(
        64, _whole(1, 100_000), "watches", "On one connection; more are told 1005.", live=True
    )
    input_buffer: int = _setting(
        32 << 20,
        _whole(1 << 20, 8 << 30),
        "bytes",
        "Input held for all connections together; unfinished frames beyond it are told 1005.",
        live=True,
    )
    reply_buffer: int = _setting(
        256 << 10,
        _whole(4096, 1 << 30),
        "bytes",
        "Replies that wait for a peer to read before its requests are no longer read.",
        live=True,
    )
    watch_buffer: int = _setting(
        4 << 20,
        _whole(64 << 10, 1 << 30),
        "bytes",
        "Events that wait for a watcher to read before it is cut off.",
        live=True,
    )
    writes_waiting: int = _setting(
        65_536, _whole(1, 10_000_000), "writes", "Waiting for the disk; more are told 1005."
    )
    writes_waiting_bytes: int = _setting(
        64 << 20, _whole(1 << 20, 8 << 30), "bytes", "Waiting for the disk; more are told 1005."
    )
    commit_rows: int = _setting(4096, _whole(1, 100_000), "writes", "At most in one commit.")
    fold_lag: int = _setting(
        20_000, _whole(1, 10_000_000), "changes", "The task table may be behind the log."
    )
    task_cache: int = _setting(
        32 << 20, _whole(1 << 20, 8 << 30), "bytes", "Recent tasks kept in memory."
    )
    reply_cache: int = _setting(
        16 << 20, _whole(0, 8 << 30), "bytes", "Replies to Find kept for who asks the same again."
    )
    reserve: int = _setting(
        4 << 20,
        _whole(0, 1 << 30),
        "bytes",
        "Kept free on the disk, and given up for operators when it is full.",
    )
    audit_keep: float | None = _setting(
        365 * 86400,
        _duration_or_off,
        "DURATION|off",
        "What was changed is known for so long; off keeps it for ever.",
        live=True,
    )
    backup_every: float | None = _setting(
        None, _duration_or_off, "DURATION|off", "Back the database up so often, as in 1h."
    )
    backup_keep: int = _setting(
        24, _whole(1, 100_000), "backups", "Older ones are removed once a new one is good."
    )
    backup_dir: Path | None = _setting(
        None, _path, "directory", "Where to; `backups` in the data directory if not given."
    )
    event_cache: int = _setting(
        4 << 20, _whole(1 << 16, 8 << 30), "bytes", "Recent events kept in memory."
    )
    log_format: str = _setting(
        "auto",
        _choice("auto", "human", "json"),
        "auto|human|json",
        "How to log; auto is human on a terminal.",
    )
    log_level: str = _setting(
        "info", _choice("debug", "info", "warning", "error"), "level", "How much to log.", live=True
    )


class Origin(NamedTuple):
    """A value as it was given, and where."""

    value: Any
    source: str


TABLE: Final = {setting.name: setting for setting in fields(Settings)}


def load(
    flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None
) -> tuple[Settings, dict[str, str]]:
    """Put the settings together. Returns them and where each came from; raises `ConfigError`."""
    given = {name: Origin(setting.default, "default") for name, setting in TABLE.items()}
    given["data"] = Origin(_default_data(), "default")
    given.update(_from_file(file))
    given.update(_from_environment(environment))
    given.update(
        {name: Origin(value, f"--{name.replace('_', '-')}") for name, value in flags.items()}
    )
    values: dict[str, Any] = {}
    for name, origin in given.items():
        if origin.source == "default":
            values[name] = origin.value
            continue
        try:
            values[name] = TABLE[name].metadata["parse"](origin.value)
        except ValueError as error:
            raise ConfigError(f"{name} = {origin.value!r} (from {origin.source}) {error}") from None
    return Settings(**values), {name: origin.source for name, origin in given.items()}


def backup_dir(settings: Settings) -> Path:
    """Say where the daemon's own backups go."""
    return settings.backup_dir or settings.data / "backups"


def _from_file(file: Path | None) -> dict[str, Origin]:
    if file is None:
        return {}
    try:
        content = tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from None
    for name in content:
        if name not in TABLE:
            raise ConfigError(f"{file}: there is no setting {name!r}{_nearest(name)}")
    return {name: Origin(value, str(file)) for name, value in content.items()}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Origin]:
    found: dict[str, Origin] = {}
    for variable, value in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if name == "config":
            continue
        if name not in TABLE:
            raise ConfigError(
                f"environment variable {variable}: there is no setting {name!r}{_nearest(name)}"
            )
        found[name] = Origin(value, variable)
    return found


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, TABLE, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
