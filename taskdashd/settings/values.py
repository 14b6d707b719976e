"""Readers of settings' values. Each raises `ValueError` for a value that will not do."""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from taskdash_protocol.families.calendars import NAME, NAME_CHARACTERS_MAX


class Address(NamedTuple):
    """An address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write the address as `address` reads it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(value: Any) -> Address:
    """Read HOST:PORT."""
    host, colon, port = str(value).rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("must be HOST:PORT, as in 127.0.0.1:13920 or [::1]:13920")
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError(f"must be HOST:PORT, and {host!r} is no host name") from None
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def address_or_off(value: Any) -> Address | None:
    """Read HOST:PORT or off."""
    return None if str(value) == "off" else address(value)


def path(value: Any) -> Path:
    """Read a path. Made absolute, as what is told of it is pasted into files read elsewhere."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("must be a path")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        raise ValueError("must be a path, and there is no such user") from None


_PASSWORD: Final = re.compile(r"(://[^:@/?]*):[^@/]*@|(password=)[^&]*")


def without_password(text: str) -> str:
    """Give a text with whatever a URL in it has as its password left out."""
    return _PASSWORD.sub(lambda found: f"{found[1]}:...@" if found[1] else f"{found[2]}...", text)


def store(value: Any) -> str:
    """Read the address of a PostgreSQL database; empty: none."""
    text = str(value)
    if text and not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("must be postgresql://USER@HOST/DATABASE, or empty for a file")
    if _PASSWORD.search(text):
        raise ValueError("must hold no password: PostgreSQL reads it from ~/.pgpass, PGPASSFILE")
    return text


def choice(*allowed: str) -> Callable[[Any], str]:
    """Read one of a few words."""

    def parse(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return parse


def seconds(low: float, high: float) -> Callable[[Any], float]:
    """Read a number of seconds within bounds."""

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
_PART: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?[smhd]")
_SEVERAL: Final = re.compile(rf"(?:{_PART.pattern}){{2,4}}")


def on_or_off(value: Any) -> bool:
    """Read on or off."""
    if value in (True, False, "on", "off"):
        return value in (True, "on")
    raise ValueError("must be on or off")


def duration_or_off(value: Any) -> float | None:
    """Read a time as `duration` does, or off."""
    if str(value) == "off":
        return None
    try:
        return duration(value)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None


def duration_or_off_from(least_s: float) -> Callable[[Any], float | None]:
    """Read a time as `duration_or_off` does, but none that is too short."""

    def parse(value: Any) -> float | None:
        seconds = duration_or_off(value)
        if seconds is not None and seconds < least_s:
            raise ValueError(f"must be at least {least_s:g} s, or off")
        return seconds

    return parse


def duration(value: Any) -> float:
    """Read a time such as 90s, 30m, 1h30m or 7d, in seconds. Raises `ValueError`."""
    text = str(value)
    if _SEVERAL.fullmatch(text):
        seconds = sum(float(part[:-1]) * _UNITS_S[part[-1]] for part in _PART.findall(text))
    else:
        number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS_S else (text, "s")
        try:
            seconds = float(number) * _UNITS_S[unit]
        except ValueError:
            seconds = float("nan")
    if isinstance(value, bool) or not 1 <= seconds <= 366 * 86400:
        raise ValueError("must be a time from 1s to 366d, as in 90s, 30m, 1h30m or 7d")
    return seconds


def whole(low: int, high: int) -> Callable[[Any], int]:
    """Read a whole number within bounds."""

    def parse(value: Any) -> int:
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = low - 1
        if isinstance(value, bool | float) or not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return number

    return parse


def whole_or_off(low: int, high: int) -> Callable[[Any], int | None]:
    """Read a whole number within bounds, or off."""
    number = whole(low, high)

    def parse(value: Any) -> int | None:
        try:
            return None if str(value) == "off" else number(value)
        except ValueError as error:
            raise ValueError(f"{error}, or off") from None

    return parse


def calendar(value: Any) -> str:
    """Read the name of a calendar."""
    text = str(value)
    if len(text) > NAME_CHARACTERS_MAX or not re.fullmatch(NAME[0], text):
        raise ValueError(f"must be made of {NAME[1]}, and no longer than {NAME_CHARACTERS_MAX}")
    return text


def origins(value: Any) -> str:
    """Read origins of pages (RFC 6454), separated by spaces."""
    text = str(value)
    for one in text.split():
        parts = urlsplit(one)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.path not in ("", "/")
        ):
            below = "; web_prefix names what comes behind the host" if parts.path else ""
            raise ValueError(
                f"must be origins, as in https://tasks.example.com, and {one!r} is none{below}"
            )
    return text


_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_PREFIX_CHARACTERS_MAX: Final = 200
_OWN_PATHS: Final = ("api", "healthz", "ping", "rget", "rpost", "static", "wall", "ws")
"""How the board's own paths begin: below such a prefix, a path that a proxy has already stripped
would be stripped once more."""


def prefix(value: Any) -> str:
    """Read a path below which the board is found; empty where that is the root."""
    text = str(value)
    if not text:
        return text
    if len(text) > _PREFIX_CHARACTERS_MAX or not _PREFIX.fullmatch(text):
        raise ValueError(
            "must begin with a slash and not end with one, as in /tasks, with nothing between them"
            " but letters, digits and ._~-"
        )
    first = text.split("/")[1]
    if first in _OWN_PATHS:
        raise ValueError(f"must not begin with /{first}: the board has paths of that name")
    return text


IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def proxies(value: Any) -> tuple[IpNetwork, ...]:
    """Read networks, as in 10.0.0.2, 10.1.0.0/24 or ::1, separated by commas; or off."""
    if str(value) == "off":
        return ()
    return tuple(_proxy(one.strip()) for one in str(value).split(","))


def _proxy(text: str) -> IpNetwork:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"must be networks, as in 10.0.0.2 or ::1, or off: {error}") from None
    if not network.prefixlen:
        raise ValueError(
            f"must name proxies, and {text!r} is everybody: all could say who they are"
        )
    return network


class Network(NamedTuple):
    """Addresses and ports that the daemon may connect to."""

    addresses: IpNetwork
    ports: range

    def __str__(self) -> str:
        """Write the network as `networks` reads it."""
        host = f"[{self.addresses.network_address}]/{self.addresses.prefixlen}"
        if self.addresses.version == 4:
            host = str(self.addresses)
        return f"{host}:{self.ports.start}-{self.ports.stop - 1}"

    def allows(self, host: str, port: int) -> bool:
        """Tell whether an IP address and a port are in the network."""
        return port in self.ports and ipaddress.ip_address(host) in self.addresses


def networks(value: Any) -> tuple[Network, ...]:
    """Read networks with ports, as in 10.0.0.0/8:8000-8999, [::1]/128 or 192.168.1.7:80; or off."""
    if str(value) == "off":
        return ()
    return tuple(_network(one.strip()) for one in str(value).split(","))


def _network(text: str) -> Network:
    match = _NETWORK.fullmatch(text)
    if match is None:
        raise ValueError("must be networks, as in 10.0.0.0/8:8000-8999 or [::1]:80, or off")
    host, prefix, low, high = match[1] or match[2], match[3] or "", match[4], match[5]
    try:
        addresses = ipaddress.ip_network(host + prefix)
    except ValueError as error:
        raise ValueError(f"must be networks, or off: {error}") from None
    first, last = int(low or 1), int(high or low or 65535)
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"must be networks, or off: {text!r} names ports that there are not")
    return Network(addresses, range(first, last + 1))


_NETWORK: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(/[0-9]{1,3})?(?::([0-9]{1,5})(?:-([0-9]{1,5}))?)?"
)
