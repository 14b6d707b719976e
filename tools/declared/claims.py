"""The way of a task among people: the drawing in docs/people.md, and the tables for the page."""

import json
from itertools import groupby
from pathlib import Path
from typing import Final

from declared._marks import END, between
from taskdash_protocol.statuses import CLAIMED, EDITING, FINISHED, IN_REVIEW, UNCLAIMED
from taskdashd.domain.search import CALLED
from taskdashd.families.people.rules import STATES, STEPS, Step

PAGE: Final = Path("docs/people.md")
BEGIN: Final = "<!-- made by tools/declare: claims -->\n"
LANES: Final = {
    UNCLAIMED: "to claim",
    CLAIMED: "claimed",
    EDITING: "in work",
    IN_REVIEW: "to check",
    FINISHED: "done",
}
"""The states from left to right, and their meanings."""
WIDTH: Final = 12
HAD: Final = {None: "", True: ", where somebody has it", False: ", where nobody has it"}


def files(root: Path) -> dict[Path, str]:
    """Give each file that is made from the table of claims, whole."""
    return {
        PAGE: between(root, PAGE, BEGIN, END, f"```\n{drawing()}```\n"),
        Path("taskdashd/web/static/rules/claims.js"): module(),
        Path("taskdashd/web/static/rules/called.js"): called(),
    }


def drawing() -> str:
    """Draw a lane for each state, and in a line for each act the arrows between them."""
    # Pad by columns, not characters: a terminal shows a Chinese character two columns wide.
    states = (f"{state:{WIDTH - (0 if state.isascii() else len(state))}}" for state in LANES)
    lines = [" " * WIDTH + "".join(states)]
    lines.append(" " * WIDTH + "".join(f"{meaning:{WIDTH}}" for meaning in LANES.values()))
    drawn = ""
    for (act, who, had, _, _), steps in groupby(STEPS, _line):
        name = "" if act == drawn else act
        lines.append(f"{name:{WIDTH}}{_arrows(list(steps))}   {who}{HAD[had]}")
        drawn = act
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _line(step: Step) -> tuple[str, str, bool | None, int, str]:
    """Give a step's key: steps of equal keys share a line, with one arrowhead."""
    way = _lane(step.to) - _lane(step.at)
    to = step.to if way else ""
    return step.act, step.who, step.had, (way > 0) - (way < 0), to


def _arrows(steps: list[Step]) -> str:
    marks = dict.fromkeys(range(len(LANES)), "│")
    for step in steps:
        marks[_lane(step.at)] = "●"
    for step in steps:
        at, to = _lane(step.at), _lane(step.to)
        marks[to] = "↺" if at == to else "►" if at < to else "◄"
    between = {lane for step in steps for lane in range(*sorted((_lane(step.at), _lane(step.to))))}
    drawn = ""
    for lane, mark in marks.items():
        line = "─" if lane in between else " "
        drawn += (line if lane in between and mark == "│" else mark) + line * (WIDTH - 1)
    return drawn.rstrip()


def _lane(state: str) -> int:
    return list(LANES).index(state)


def module() -> str:
    """Write the page's JavaScript module with the table, formatted as prettier leaves it."""
    states = "".join(f"  {status}: {_written(state)},\n" for status, state in STATES.items())
    steps = "".join(
        f"  {{ {', '.join(f'{name}: {_written(word)}' for name, word in row.items())} }},\n"
        for row in (
            {name: word for name, word in one._asdict().items() if word is not None}
            for one in STEPS
        )
    )
    return f"""\
// The way of a task: made by tools/declare from taskdashd/families/people/rules.py.

/** The state that a status stands for; people do not take a task of any other status. */
export const STATES = {{
{states}}};

/**
 * From which state (`at`) an act leads to which, and who may do it. With `had`, only where somebody
 * has the task (true) or nobody has it (false).
 */
export const STEPS = [
{steps}];
"""


def called() -> str:
    """Write the page's JavaScript module with what people call each status."""
    rows = "".join(
        f"  {status}: [{', '.join(map(_written, phrases))}],\n"
        for status, phrases in CALLED.items()
    )
    return f"""\
// What people call each status: made by tools/declare from taskdashd/domain/search.py.

/** @type {{Record<string, readonly string[]>}} */
export const CALLED = {{
{rows}}};
"""


def _written(word: str | bool) -> str:
    return f"'{word}'" if isinstance(word, str) else json.dumps(word)
