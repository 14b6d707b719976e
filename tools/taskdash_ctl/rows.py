"""The rows of the live board: only those on the screen are drawn, however many there are."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from taskdash_ctl import show, table

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
HEADINGS: Final = ("STATUS", "ID", "NAME", "USER", "GROUP", "SEEN", "PROGRESS", "WHAT")
_COLOURS: Final = {
    "died": "red",
    "late": "yellow",
    "live": "green",
    "waiting": "cyan",
    "ended": "bright_black",
}
_SEEN_SIZE: Final = 8
_MARGIN: Final = 1
"""Blank columns left and right of a row."""


class Row:
    """One task as it is shown: its texts are clean, and were measured once."""

    __slots__ = ("cells", "down_at", "search", "seen_at", "sizes", "standing", "task")

    def __init__(self, task: Mapping[str, Any], called: show.Called) -> None:
        self.task = task
        self.seen_at = _moment(task["last_seen"])
        self.down_at = _moment(task["shutdown_at"])
        self.standing = ""
        cells = {name: show.clean(task.get(name, "")) for name in COLUMNS}
        cells["status"] = cells["status"] or "live"
        cells["user"] = called(task.get("user", ""))
        cells["last_seen"] = ""
        cells["description"] = show.clean(task.get("reason") or task.get("description", ""))
        self.cells = cells
        self.sizes = [table.width(text) for text in cells.values()]
        self.search = "\n".join(cells.values()).lower()


def _moment(stamp: str) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp)
    except ValueError:
        return None


class Rows(ScrollView, can_focus=True):
    """A list with a cursor, and headings that stay where they are."""

    class Chosen(Message):
        """Somebody pressed Enter on a row, or clicked on it."""

        def __init__(self, id: str) -> None:
            super().__init__()
            self.id = id

    DEFAULT_CSS = "Rows {height: 1fr; overflow-x: hidden; overflow-y: scroll}"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-1000000000)", show=False),
        Binding("end", "move(1000000000)", show=False),
        Binding("enter", "choose", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[Row] = ()
        self._wanted: dict[str, int] = {}
        self._widths: dict[str, int] = {}
        self._now = datetime.now(UTC)
        self.at = 0
        """Where the cursor is."""

    def lay(self, rows: Sequence[Row], now: datetime) -> None:
        """Show other rows; the cursor stays on its task where that is still there."""
        was = self._rows[self.at].task["id"] if self.at < len(self._rows) else None
        moved = False
        # A cursor on the first row stays there: what is most urgent comes in above.
        if self.at and was is not None:
            there = (index for index, row in enumerate(rows) if row.task["id"] == was)
            at = next(there, self.at)
            moved = at != self.at
            self.at = at
        self._rows, self._now = rows, now
        self.at = max(0, min(self.at, len(rows) - 1))
        sizes = zip(*(row.sizes for row in rows), strict=True)
        self._wanted = dict(zip(COLUMNS, map(max, sizes), strict=True)) if rows else {}
        if rows:
            self._wanted["last_seen"] = _SEEN_SIZE
        self._fit()
        if moved:
            self._follow()

    @property
    def rows(self) -> Sequence[Row]:
        """All rows, also those that are not on the screen."""
        return self._rows

    def on_resize(self) -> None:
        """Share the new width among the columns, and keep the cursor in sight."""
        self._fit()
        self._follow()

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen: the headings, or the row that is scrolled there."""
        if y == 0:
            heads = dict(zip(COLUMNS, HEADINGS, strict=True))
            return self._strip(heads, {}, Style(bold=True))
        index = y - 1 + self.scroll_offset.y
        if index >= len(self._rows):
            return Strip.blank(self.size.width, self.rich_style)
        row = self._rows[index]
        failed = row.task["status"] == "failed"
        styles = {"status": "red" if failed else _COLOURS[row.standing], "last_seen": "dim"}
        if row.standing == "late":
            styles["last_seen"] = "yellow"
        if index == self.at:
            # Colours on a reversed line are blots.
            styles = {}
        cells = {**row.cells, "last_seen": show.ago(row.task["last_seen"], self._now)}
        return self._strip(cells, styles, Style(reverse=index == self.at))

    def go_home(self) -> None:
        """Put the cursor on the first row: other tasks are shown, or in another order."""
        self.at = 0
        self._follow()

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.at = max(0, min(self.at + by, len(self._rows) - 1))
        self._follow()

    def action_page(self, by: int) -> None:
        """Move the cursor by what the screen shows."""
        self.action_move(by * max(self.size.height - 2, 1))

    def action_choose(self) -> None:
        """Tell the board which row was chosen."""
        if self.at < len(self._rows):
            self.post_message(self.Chosen(self._rows[self.at].task["id"]))

    def on_click(self, event: Click) -> None:
        """Move the cursor to a row; on the row where it is, choose."""
        index = event.y - 1 + self.scroll_offset.y
        if event.y > 0 and index < len(self._rows):
            if index == self.at:
                self.action_choose()
            else:
                self.action_move(index - self.at)

    @property
    def _room(self) -> int:
        # `size` counts the scroll bar as well, which would cover the end of each row.
        return max(self.scrollable_content_region.width - 2 * _MARGIN, 1)

    def _follow(self) -> None:
        # The first line of the screen has the headings: it covers one of the rows.
        top, most = self.scroll_offset.y, max(self.size.height - 2, 0)
        y = min(max(top, self.at - most), self.at)
        if y != top:
            self.scroll_to(y=y, animate=False, force=True)
        self.refresh()

    def _fit(self) -> None:
        if not self.size.width:
            # Before the terminal's size is known, every column would have one letter.
            return
        if self._rows:
            # Ids measured for another size, or all too long for this one, would be cut to a letter.
            ids = [row.sizes[COLUMNS.index("id")] for row in self._rows]
            least = min(max(ids), self._room // 4)
            self._wanted["id"] = max(table.of_keys(ids, self._room), least)
        wanted = {
            name: max(self._wanted.get(name, 0), table.width(heading))
            for name, heading in zip(COLUMNS, HEADINGS, strict=True)
            # Columns that are empty in every row only take room.
            if self._wanted.get(name) or name in ("status", "id", "name")
        }
        self._widths = table.layout(wanted, self._room)
        self.virtual_size = Size(self.size.width, len(self._rows) + 1)
        self.refresh()

    def _strip(self, cells: dict[str, str], styles: dict[str, str], ground: Style) -> Strip:
        base = self.rich_style + ground
        parts = [Segment(" " * _MARGIN, base)]
        for column, size in self._widths.items():
            text = cells[column]
            short = table.cut_person(text, size) if column in show.PEOPLE else table.cut(text, size)
            style = base + Style.parse(styles.get(column, ""))
            parts.append(Segment(table.padded(short, size), style))
            parts.append(Segment(" " * table.GAP, base))
        return Strip(parts).adjust_cell_length(self.size.width, base)
