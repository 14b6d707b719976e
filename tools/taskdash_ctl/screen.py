"""The live board of `taskdash-ctl top`, on textual.

The client's thread receives events; the board collects them ten times a second and draws what has
changed.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

import taskdash
from taskdash_ctl import show, table
from taskdash_ctl.events import those_there
from taskdash_ctl.loaded import Loaded, part_of
from taskdash_ctl.rows import COLUMNS, HEADINGS, Row, Rows
from taskdash_protocol.statuses import is_live

_LOOK_S: Final = 0.1
_DRAW_AGAIN_S: Final = 1.0
"""Drawn also where nothing has come: tasks grow late, and ages older."""
_DRAW_PAUSE: Final = 10
"""Between two drawings pass so many times the seconds that one has taken."""
_EVENTS_AT_ONCE: Final = 500
_JUST: Final = timedelta(minutes=5)
"""For so long after it went down, a task stands on top as just died."""

_LATE: Final = 0.7
"""A task is late once it was silent for this part of its timeout."""
_STANDINGS: Final = {
    "live": "green",
    "late": "yellow",
    "waiting": "cyan",
    "ended": "bright_black",
    "died": "bold red",
}
_ORDER: Final = {"late": 1, "live": 2, "waiting": 3, "died": 4, "ended": 5}
"""What is more urgent; what has just died comes before all."""


class Details(ModalScreen[None]):
    """All fields of one task."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "Close")]
    CSS = """
    Details {align: center middle}
    #card {width: 80%; height: 80%; border: round $accent; padding: 0 1}
    """

    def __init__(self, task: Mapping[str, Any], called: show.Called) -> None:
        super().__init__()
        self._fields = task
        self._called = called

    def compose(self) -> ComposeResult:
        """Lay out the card."""
        text = Text()
        for name, value in self._fields.items():
            if value not in ("", None):
                text.append(f"{show.clean(name)}: ", style="bold")
                told = self._called(value) if name in show.PEOPLE else show.clean(value)
                text.append(f"{told}\n")
        with VerticalScroll(id="card"):
            yield Static(text)


class LiveScreen(App[None]):
    """See the module."""

    CSS = """
    #summary {height: 1; padding: 0 1; background: $boost}
    #filter {display: none; height: 3}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"sort({number})", HEADINGS[number - 1].title(), show=False)
            for number in range(1, len(COLUMNS) + 1)
        ),
        Binding("0", "sort(0)", "Urgent"),
        Binding("r", "reverse", "Turn"),
        Binding("a", "only('')", "All"),
        Binding("l", "only('live')", "Live"),
        Binding("w", "only('waiting')", "Waiting"),
        Binding("e", "only('ended')", "Ended"),
        Binding("d", "only('died')", "Died"),
        Binding("slash", "filter", "Filter"),
        Binding("q", "quit", "Quit"),
        # As any program of a terminal, also while a filter is typed.
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, dash: taskdash.Client, where: Mapping[str, list[str]]) -> None:
        super().__init__()
        self._dash = dash
        # Watch before anything is read: a change between the two would be lost otherwise.
        self._watch = dash.watch(where)
        self._loaded = Loaded(dash, where)
        self._rows: dict[str, Row] = {}
        self._timeout = timedelta(seconds=dash.heartbeat_timeout_s)
        self._sorted_by = 0
        self._reversed = False
        self._only = ""
        self._text = ""
        self._fault = ""
        self._stale = True
        self._draw_at = self._draw_again_at = 0.0

    def compose(self) -> ComposeResult:
        """Lay out the board."""
        yield Static(id="summary")
        yield Rows()
        yield Input(placeholder="show tasks that hold this text; Esc ends", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        """Fill the board and begin to look."""
        self.query_one(Rows).focus()
        self._look()
        self.set_interval(_LOOK_S, self._look)

    # Reading from the daemon

    def _look(self) -> None:
        fault = self._fault
        try:
            if self._loaded.ask():
                # Only an answer ends a fault: between two askings nothing is known of it.
                fault = ""
                self._stale = True
            self._stale |= self._loaded.take(those_there(self._watch, _EVENTS_AT_ONCE, 0))
        except taskdash.TaskDashError as error:
            fault = str(error)
        except StopIteration:
            fault = "the watch has ended"
        self._stale |= fault != self._fault
        self._fault = fault
        now = time.monotonic()
        if now >= self._draw_again_at or (self._stale and now >= self._draw_at):
            self._draw()

    # Drawing

    def _draw(self) -> None:
        began = time.monotonic()
        self._stale = False
        loaded = self._loaded
        for task_id in loaded.changed:
            task = loaded.tasks.get(task_id)
            if task is None:
                self._rows.pop(task_id, None)
            else:
                self._rows[task_id] = Row(task, loaded.names.called)
        loaded.changed.clear()
        now = datetime.now(UTC) - loaded.skew
        for row in self._rows.values():
            row.standing = self._standing(row, now)
        self._summarize()
        shown = [row for row in self._rows.values() if self._is_wanted(row)]
        shown.sort(key=lambda row: self._key(row, now), reverse=self._reversed)
        self.query_one(Rows).lay(shown, now)
        ended = time.monotonic()
        # A drawing takes time in proportion to what is loaded: at every look, a long board would
        # take a whole core.
        self._draw_at = ended + (ended - began) * _DRAW_PAUSE
        self._draw_again_at = max(self._draw_at, ended + _DRAW_AGAIN_S)

    def _standing(self, row: Row, now: datetime) -> str:
        status = row.task["status"]
        if not is_live(status):
            return part_of(status)
        own = row.task.get("heartbeat_timeout")
        timeout = self._timeout if own is None else timedelta(seconds=own)
        return "late" if row.seen_at is not None and now - row.seen_at > timeout * _LATE else "live"

    def _is_wanted(self, row: Row) -> bool:
        wanted = ("live", "late") if self._only == "live" else (self._only,)
        return (not self._only or row.standing in wanted) and self._text in row.search

    def _key(self, row: Row, now: datetime) -> tuple[Any, ...]:
        if self._sorted_by:
            return str(row.task.get(COLUMNS[self._sorted_by - 1], "")), row.task["id"]
        if row.standing == "died" and row.down_at is not None and now - row.down_at < _JUST:
            return 0, -row.task["rev"]
        return _ORDER[row.standing], -row.task["rev"]

    def _summarize(self) -> None:
        counts = self._loaded.counts()
        late = sum(row.standing == "late" for row in self._rows.values())
        if counts["live"].isdecimal():
            counts["live"] = str(max(int(counts["live"]) - late, 0))
        counts["late"] = str(late)
        text = Text()
        for standing, style in _STANDINGS.items():
            text.append(f"{counts[standing]} {standing}  ", style=style)
        if self._fault:
            text.append(f"{show.clean(self._fault)}  ", style="bold red")
        left = self.size.width - 2 - table.width(text.plain)
        where = f"{self._dash.address}  {self._dash.server}"
        text.append(table.cut(where, max(left, 0)), style="dim")
        self.query_one("#summary", Static).update(text)

    # Keys

    def action_sort(self, column: int) -> None:
        """Sort by a column, 0 by urgency; once more turns the order round."""
        self._reversed = self._sorted_by == column and not self._reversed
        self._sorted_by = column
        self._draw_anew()

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._reversed = not self._reversed
        self._draw_anew()

    def action_only(self, standing: str) -> None:
        """Show only tasks of one standing, a key of `_STANDINGS`; all where it is empty."""
        self._only = standing
        self._draw_anew()

    def _draw_anew(self) -> None:
        self.query_one(Rows).go_home()
        self._draw()

    def action_filter(self) -> None:
        """Open the field for the text to filter by."""
        box = self.query_one(Input)
        box.styles.display = "block"
        box.focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Filter with each key."""
        self._text = message.value.lower()
        self._draw_anew()

    def on_input_submitted(self, _message: Input.Submitted) -> None:
        """Keep the filter and go back to the table."""
        self._leave_filter()

    def key_escape(self) -> None:
        """Drop the filter."""
        box = self.query_one(Input)
        if box.value:
            box.value = ""
        self._leave_filter()

    def _leave_filter(self) -> None:
        box = self.query_one(Input)
        if not box.value:
            box.styles.display = "none"
        self.query_one(Rows).focus()

    def on_rows_chosen(self, message: Rows.Chosen) -> None:
        """Show the task."""
        task = self._loaded.tasks.get(message.id)
        if task is not None:
            self.push_screen(Details(task, self._loaded.names.called))
