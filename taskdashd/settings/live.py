"""The settings in force: users of a setting that a reload may change read it here each time."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from taskdashd.settings.config import TABLE, Settings


class Live:
    """The settings in force, each an attribute.

    The attributes are plain, because every request looks at some limits.
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
        """Take over settings that may change now; returns old and new of all that differ."""
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
