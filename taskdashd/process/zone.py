"""The time zone of the machine, by the name that the tz database gives it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import structlog

from taskdash_protocol import handwritten
from taskdashd.domain.calendars.zones import zone_named

_ETC: Final = Path("/etc")
_DATABASE: Final = "zoneinfo/"

log: structlog.stdlib.BoundLogger = structlog.get_logger("taskdashd")


def of_machine(environment: Mapping[str, str], etc: Path = _ETC) -> str:
    """Give the zone of TZ, /etc/localtime or /etc/timezone, the first that has a name; else UTC."""
    for name in _names(environment, etc):
        try:
            zone_named(name)
        except ValueError as error:
            log.debug("not the machine's time zone", why=str(error))
        else:
            return name
    log.warning("the machine's time zone has no name that is known here: UTC is taken for it")
    return "UTC"


def _names(environment: Mapping[str, str], etc: Path) -> Iterator[str]:
    if given := environment.get("TZ"):
        yield handwritten.stripped(given).removeprefix(":").rpartition(_DATABASE)[2]
    try:
        yield str((etc / "localtime").readlink()).rpartition(_DATABASE)[2]
    except OSError as error:
        log.debug("not the machine's time zone", why=str(error))
    try:
        yield (etc / "timezone").read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        log.debug("not the machine's time zone", why=str(error))
