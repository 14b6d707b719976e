"""Figures: the day's work in numbers."""

from functools import partial

from taskdash_protocol.errors import Conflict
from taskdash_protocol.families.services import Figures
from taskdashd.core.steps import Steps, wait_for
from taskdashd.core.table import Caller, Result, alone
from taskdashd.families.figures.counting import Counting
from taskdashd.families.figures.rules.tally import Tally


@alone(Figures)
def figures(request: Figures, caller: Caller) -> Steps[Result]:
    """Give the figures of the day."""
    core, sight = caller.core, caller.identity.sight
    if not core.has(Tally):
        raise Conflict("the figures are counted where the web board is on: start with --web")
    counting = core.part(Counting)
    yield from wait_for(partial(counting.when_ready, sight))
    walk = core.part(Tally).walk(sight, core.clock.wall())
    while True:
        try:
            next(walk)
        except StopIteration as done:
            told: Result = done.value
            return told
        yield from wait_for(counting.turn)
