"""What is kept, and how long: one table for `taskdashd config --kept` and the documents."""

from typing import Final, NamedTuple

from taskdashd.settings import config
from taskdashd.settings.config import Settings

_UNITS_S: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


class Kept(NamedTuple):
    """Something that is kept."""

    what: str
    how_long: str
    """With the setting's value before it, where there is one."""
    setting: str = ""


TABLE: Final = (
    Kept("tasks that services ran", "after the last change of their tree", "keep_runs"),
    Kept("tasks that people had", "for ever"),
    Kept("what a change replaced, while its task is kept", "after the change", "audit_keep"),
    Kept("sign-ins, refusals and other acts in the audit", "after they happened", "audit_keep"),
    Kept("figures of the day", "24h"),
    Kept("task services that are dead", "7d after they died"),
    Kept("where a person is signed in", "400d"),
    Kept("people and services that were removed", "1d, for those who copy the daemon's state"),
    Kept("backups of the daemon's own", "newest ones", "backup_keep"),
)


def told(settings: Settings) -> list[Kept]:
    """Give the table with the settings' values."""
    return [_told(kept, settings) for kept in TABLE]


def _told(kept: Kept, settings: Settings) -> Kept:
    if not kept.setting:
        return kept
    value = getattr(settings, kept.setting)
    if value is None:
        return kept._replace(how_long="for ever")
    is_time = config.TABLE[kept.setting].metadata["unit"].startswith("DURATION")
    size = _span(value) if is_time else str(value)
    return kept._replace(how_long=f"{size} {kept.how_long}")


def _span(seconds: float) -> str:
    unit, size_s = next((one for one in _UNITS_S if seconds % one[1] == 0), ("s", 1))
    return f"{seconds / size_s:g}{unit}"
