"""Figures: the day's work in numbers."""

from taskdash_protocol.errors import Conflict
from taskdash_protocol.families.services import Figures
from taskdashd.core.table import Caller, Result, alone
from taskdashd.families.figures.rules import Tally


@alone(Figures)
def figures(request: Figures, caller: Caller) -> Result:
    """Give the figures of the day."""
    core = caller.core
    if not core.has(Tally):
        raise Conflict("the figures are counted where the web board is on: start with --web")
    return core.part(Tally).report(caller.identity.sight, core.clock.wall())
