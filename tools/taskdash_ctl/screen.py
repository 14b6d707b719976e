"""The live board of `taskdash-ctl top`, on textual.

The client's thread receives events; the board collects them ten times a second and draws what has
changed. Heartbeats are no events, so the board also reads all tasks every few seconds, to know how
long each was silent.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Static

import taskdash
from taskdash_ctl import show
from taskdash_protocol.families.operators import Status
from taskdash_protocol.statuses import SHUTDOWN, is_live, status_class

TASKS_MAX: Final = 2_000
"""Rows on the board; of more tasks, those that changed last."""
_LOOK_S: Final = 0.1
_DRAW_ROW_S: Final = 0.001
"""The least time between two drawings, for each row of the board."""
_ASK_AGAIN_S: Final = 5.0
_EVENTS_AT_ONCE: Final = 500
_JUST: Final = timedelta(minutes=5)
"""For so long after it went down, a task stands on top as just died."""

COLUMNS: Final = (
    "status",
    "id",
    "name",
    "user",
    "group_id",
    "last_seen",
    "progress",
    "description",
)
_HEADINGS: Final = ("STATUS", "ID", "NAME", "USER", "GROUP", "SEEN", "PROGRESS", "WHAT")
_COLOURS: Final = {"live": "green", "late": "yellow", "waiting": "cyan", "ended": "bright_black"}
_ORDER: Final = {"died": 0, "late": 1, "live": 2, "waiting": 3, "ended": 4}


class Details(ModalScreen[None]):
    """All fields of one task."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "Close")]
    CSS = """
    Details {align: center middle}
    #card {width: 80%; height: 80%; border: round $accent; padding: 0 1}
    """

    def __init__(self, task: Mapping[str, Any]) -> None:
        super().__init__()
        self._fields = task

    def compose(self) -> ComposeResult:
        """Lay out the card."""
        text = Text()
        for name, value in self._fields.items():
            if value not in ("", None):
                text.append(f"{show.clean(name)}: ", style="bold")
                text.append(f"{show.clean(value)}\n")
        with VerticalScroll(id="card"):
            yield Static(text)


class LiveScreen(App[None]):
    """See the module."""

    CSS = """
    #summary {height: 1; padding: 0 1; background: $boost}
    #filter {display: none; height: 3}
    DataTable {height: 1fr; overflow-x: hidden}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"sort({number})", _HEADINGS[number - 1].title(), show=False)
            for number in range(1, len(COLUMNS) + 1)
        ),
        Binding("0", "sort(0)", "By urgency"),
        Binding("r", "reverse", "Reverse"),
        Binding("a", "only('')", "All"),
        Binding("l", "only('live')", "Live"),
        Binding("w", "only('waiting')", "Waiting"),
        Binding("e", "only('ended')", "Ended"),
        Binding("d", "only('died')", "Died"),
        Binding("slash", "filter", "Filter"),
        Binding("q", "quit", "Quit"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, dash: taskdash.Client, where: Mapping[str, list[str]]) -> None:
        super().__init__()
        self._dash = dash
        self._where = where
        self._watch = dash.watch(where)
        self._tasks: dict[str, dict[str, Any]] = {}
        self._skew = timedelta()
        self._timeout = timedelta(seconds=dash.heartbeat_timeout_s)
        self._sorted_by = 0
        self._reversed = False
        self._only = ""
        self._text = ""
        self._fault = ""
        self._stale = True
        self._drawn_at = 0.0

    def compose(self) -> ComposeResult:
        """Lay out the board."""
        yield Static(id="summary")
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Input(placeholder="show tasks that hold this text; Esc ends", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        """Fill the board and begin to look."""
        table = self.query_one(DataTable)
        for column, heading in zip(COLUMNS, _HEADINGS, strict=True):
            table.add_column(heading, key=column)
        self._ask()
        self.set_interval(_LOOK_S, self._look)
        self.set_interval(_ASK_AGAIN_S, self._ask)

    # Reading from the daemon

    def _ask(self) -> None:
        """Read all tasks afresh: for how long each was silent, and what fell off the board."""
        try:
            report = self._dash.call(Status(), timeout_s=2.0)
            rows = self._dash.query(self._where, order="-updated_at", page=1000, timeout_s=2.0)
            self._tasks = {row["id"]: row for row in islice(rows, TASKS_MAX)}
            self._skew = datetime.now(UTC) - datetime.fromisoformat(report["time"])
            self._fault = ""
        except taskdash.TaskDashError as error:
            self._fault = str(error)
        self._draw()

    def _look(self) -> None:
        for event in self._events():
            self._tasks[event.task["id"]] = event.task
            self._stale = True
        # A drawing takes time in proportion to its rows: at every look, a long board would take a
        # whole core.
        if self._stale and time.monotonic() - self._drawn_at >= len(self._tasks) * _DRAW_ROW_S:
            self._draw()

    def _events(self) -> Iterator[taskdash.Event]:
        for _ in range(_EVENTS_AT_ONCE):
            try:
                event = self._watch.next(0)
            except (taskdash.TaskDashError, StopIteration) as error:
                self._fault = str(error) or "the watch has ended"
                return
            if event is None:
                return
            yield event

    # Drawing

    def _draw(self) -> None:
        self._stale, self._drawn_at = False, time.monotonic()
        table: DataTable[Text] = self.query_one(DataTable)
        now = datetime.now(UTC) - self._skew
        seen = [(self._standing(task, now), task) for task in self._tasks.values()]
        counts = dict.fromkeys(_ORDER, 0)
        for standing, _ in seen:
            counts[standing] += 1
        self._summarize(counts)
        shown = [one for one in seen if self._is_wanted(*one)]
        shown.sort(key=lambda one: self._key(*one), reverse=self._reversed)
        at, offset = self._cursor_id(table), table.scroll_y
        table.clear()
        for standing, task in shown:
            table.add_row(*self._cells(standing, task, now), key=task["id"])
        if at is not None and at in table.rows:
            table.move_cursor(row=table.get_row_index(at), animate=False, scroll=False)
        table.scroll_y = offset

    @staticmethod
    def _cursor_id(table: "DataTable[Text]") -> str | None:
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    def _standing(self, task: Mapping[str, Any], now: datetime) -> str:
        status = task["status"]
        if status == SHUTDOWN:
            down = _moment(task["shutdown_at"])
            return "died" if down is not None and now - down < _JUST else "ended"
        if is_live(status):
            seen = _moment(task["last_seen"])
            own = task.get("heartbeat_timeout")
            timeout = self._timeout if own is None else timedelta(seconds=own)
            return "late" if seen is not None and now - seen > timeout * 0.7 else "live"
        return status_class(status)

    def _is_wanted(self, standing: str, task: Mapping[str, Any]) -> bool:
        if self._only and standing != self._only and (self._only, standing) != ("live", "late"):
            return False
        return not self._text or any(
            self._text in str(value).lower() for value in (task.get(name, "") for name in COLUMNS)
        )

    def _key(self, standing: str, task: Mapping[str, Any]) -> tuple[Any, ...]:
        if self._sorted_by:
            return str(task.get(COLUMNS[self._sorted_by - 1], "")), task["id"]
        return _ORDER[standing], -task["rev"]

    def _cells(self, standing: str, task: Mapping[str, Any], now: datetime) -> Iterator[Text]:
        colour = "red" if standing == "died" or task["status"] == "failed" else _COLOURS[standing]
        for column in COLUMNS:
            value = task.get(column, "")
            if column == "last_seen":
                yield Text(show.ago(value, now), style="yellow" if standing == "late" else "dim")
            elif column == "status":
                yield Text(show.clean(value) or "live", style=colour)
            elif column == "description":
                yield Text(show.clean(task.get("reason") or value))
            else:
                yield Text(show.clean(value))

    def _summarize(self, counts: Mapping[str, int]) -> None:
        text = Text(f"{self._dash.server} at {self._dash.address}  ", style="bold")
        for standing, style in (*_COLOURS.items(), ("died", "bold red")):
            text.append(f"  {counts[standing]} {standing}", style=style)
        if len(self._tasks) >= TASKS_MAX:
            text.append(f"  (the {TASKS_MAX} that changed last)", style="dim")
        if self._fault:
            text.append(f"  {show.clean(self._fault)}", style="bold red")
        self.query_one("#summary", Static).update(text)

    # Keys

    def action_sort(self, column: int) -> None:
        """Sort by a column, 0 by urgency; once more turns the order round."""
        self._reversed = self._sorted_by == column and not self._reversed
        self._sorted_by = column
        self._draw()

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._reversed = not self._reversed
        self._draw()

    def action_only(self, standing: str) -> None:
        """Show only tasks of one standing, a key of `_ORDER`; all where it is empty."""
        self._only = standing
        self._draw()

    def action_filter(self) -> None:
        """Open the field for the text to filter by."""
        box = self.query_one(Input)
        box.styles.display = "block"
        box.focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Filter with each key."""
        self._text = message.value.lower()
        self._draw()

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
        self.query_one(DataTable).focus()

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """Show the task."""
        task = self._tasks.get(message.row_key.value or "")
        if task is not None:
            self.push_screen(Details(task))


def _moment(stamp: str) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp)
    except ValueError:
        return None
