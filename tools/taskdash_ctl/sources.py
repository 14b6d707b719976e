"""What `import` reads: JSON lines, a JSON array, CSV, of TaskDash or of another tool, as tasks.

What is wrong with a file is a `ValueError` in one sentence.
"""

import io
import json
import math
import re
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import IO, Any, Final

from taskdash_ctl import cells, foreign
from taskdash_ctl.sheets import Sheet, folded, marked
from taskdash_ctl.sinks import COLUMNS, MORE
from taskdash_protocol.fields import CONTROL_FIELDS, DAEMON_FIELDS

_OURS: Final = {folded(name): name for name in (*COLUMNS, MORE)}
_KEYS: Final = frozenset(
    ("id", "parent_id", "project_id", "instance_id", "group_id", "user", "checker")
)
_SHORTENED: Final = re.compile(r"[+-]?\d(?:[.,]\d+)?E\+\d+")
"""How a spreadsheet writes a long number: its last digits are lost."""
_DIGITS_MAX: Final = 1000
_OWN_HEADING: Final = ",".join(f'"{name}"' for name in (*COLUMNS, MORE))

Row = tuple[int, dict[str, Any]]
"""The line, 0 where there are none, and the fields of a task."""


@dataclass(frozen=True)
class Wishes:
    """How a file is to be read."""

    form: str
    """`csv`, or `json`: an object a line, or an array of objects."""
    tool: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    """What each of our fields is called there, where somebody has said it."""
    statuses: Mapping[str, str] = field(default_factory=dict)


class Source:
    """A file's tasks. Of another tool, and of CSV, all is read before `rows` gives the first."""

    def __init__(self, file: IO[bytes], wishes: Wishes) -> None:
        self.notes: list[str] = []
        """What a person should know of how the file was understood."""
        self._wishes = wishes
        self._tool = foreign.TOOLS[wishes.tool] if wishes.tool else None
        self._statuses = foreign.Statuses(wishes.statuses, theirs=self._tool is not None)
        self.file = file
        """What is read; another than was given where that can be read only once."""
        if wishes.form == "csv":
            self._open_sheet()
        elif self._tool is not None:
            self._all = list(_json(file, commas=True))
            for theirs in wishes.names.values():
                if not any(theirs in row for _, row in self._all):
                    raise ValueError(f"no task in it has a {theirs}")
        if not self.is_json_of_ours:
            for _ in self.rows():
                pass
            unknown = self._statuses.unknown
            if unknown:
                told = ", ".join(f"{one} ({count})" for one, count in unknown.most_common(5))
                self.notes.append(f"waiting, for want of a --status-map, are those that are {told}")

    @property
    def is_json_of_ours(self) -> bool:
        """Tell whether it is read while its tasks are registered, as they stand there."""
        return self._tool is None and self._wishes.form != "csv"

    def rows(self) -> Generator[Row]:
        """Give each task with its line."""
        if self._wishes.form == "csv":
            with closing(self._sheet.rows()) as rows:
                yield from map(self._of_cells, rows)
        elif self._tool is not None:
            for line, row in self._all:
                yield line, self._known(self._renamed(row))
        else:
            yield from _json(self.file)

    def _open_sheet(self) -> None:
        if not (self.file.seekable() and self.file.tell() == 0):
            copy = tempfile.TemporaryFile()  # noqa: SIM115 (read until the program ends)
            shutil.copyfileobj(self.file, copy)
            self.file = copy
        self._sheet = sheet = Sheet(self.file)
        self._own = sheet.first_line.rstrip("\r\n") == _OWN_HEADING
        self._places = self._placed(sheet.heading)
        for name in ("id", "name"):
            if name not in self._places:
                told = f"there are {_listed(sheet.heading)}; --map {name}=THEIRS says which it is"
                told = foreign.maker_of(sheet.heading) or told
                raise ValueError(f"there is no column {name}; {told}")
        if sheet.encoding == "gb18030":
            self.notes.append("the file is no UTF-8; it was read as GB 18030 (GBK)")
        for column, name in enumerate(sheet.heading, 1):
            if not name:
                self.notes.append(f"column {column} is empty, heading and all, and was left out")

    def _placed(self, heading: Sequence[str]) -> dict[str, int]:
        """Say in which column each field stands."""
        places: dict[str, int] = {}
        for ours, theirs in self._wishes.names.items():
            places[ours] = _find(theirs, heading)
        known = {folded(theirs): ours for theirs, ours in (self._tool or _NONE).columns.items()}
        taken = set(places.values())
        for column, name in enumerate(heading):
            if not name or column in taken:
                continue
            ours = known.get(folded(name), "")
            if not ours or ours in places:
                ours = _OURS.get(folded(name), name)
            if ours in places:
                other = heading[places[ours]]
                told = f"columns {places[ours] + 1} and {column + 1}, {other} and {name},"
                raise ValueError(f"{told} are both {ours}")
            places[ours] = column
        return places

    def _of_cells(self, row: tuple[int, list[str]]) -> Row:
        line, texts = row
        fields: dict[str, Any] = {name: texts[at] for name, at in self._places.items()}
        for name in _KEYS & fields.keys():
            if not self._own and _SHORTENED.fullmatch(fields[name]):
                raise ValueError(
                    f"line {line}: {name} is {fields[name]}, a number that a spreadsheet has"
                    " shortened; make text of that column, and put in the numbers anew"
                )
        if self._tool is not None:
            return line, self._known(fields)
        fields = {name: cells.unguarded(text) for name, text in fields.items()}
        more = fields.pop(MORE, "")
        fields["status"] = self._statuses.of(fields.get("status", ""))
        try:
            return line, {**_stated(fields), **(_loads(more) if more else {})}
        except (ValueError, TypeError):
            raise ValueError(f"line {line}: column {MORE} is no JSON object") from None

    def _renamed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Give a JSON object with our names for theirs; theirs of ours give way."""
        assert self._tool is not None
        told = self._wishes.names
        names = {one: ours for one, ours in self._tool.columns.items() if ours not in told}
        names |= {theirs: ours for ours, theirs in told.items()}
        ours = {names[name]: value for name, value in row.items() if name in names}
        kept = {n: v for n, v in row.items() if n not in names and n not in names.values()}
        return kept | ours

    def _known(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        known = _stated(foreign.task(fields))
        status = known.get("status", "")
        known["status"] = self._statuses.of(status if isinstance(status, str) else "")
        return known


_NONE: Final = foreign.Tool("", {})


def pairs_of(told: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Read `--map`: which of their columns each of our fields is. Raises `ValueError`."""
    names: dict[str, str] = {}
    for ours, theirs in told:
        if ours in names:
            raise ValueError(f"{ours} is mapped twice")
        if ours in DAEMON_FIELDS or ours in CONTROL_FIELDS or ours == MORE:
            raise ValueError(f"{ours} is not for a file to say")
        names[ours] = theirs
    return names


def _stated(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out an id or name that is blank: what has none is no task, but a row cut in two."""
    blank = [name for name in ("id", "name") if not fields.get(name)]
    return {name: value for name, value in fields.items() if name not in blank}


def _find(theirs: str, heading: Sequence[str]) -> int:
    for same in (str.strip, folded):
        for column, name in enumerate(heading):
            if name and same(name) == same(theirs):
                return column
    raise ValueError(f"there is no column {theirs}, only {_listed(heading)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(filter(None, names))


def _json(file: IO[bytes], *, commas: bool = False) -> Iterator[Row]:
    """Read an object a line, or an array of objects; `commas` may stand behind the lines."""
    head = file.peek(4) if isinstance(file, io.BufferedReader) else b""
    text = io.TextIOWrapper(file, encoding=marked(head[:4]) or "utf-8")
    number = 0
    try:
        for number, line in enumerate(text, 1):
            if line.lstrip().startswith("["):
                rows = _array(line + text.read(), number)
                maker = foreign.maker_of(rows[0]) if rows and not commas else ""
                if maker and "name" not in rows[0]:
                    raise ValueError(f"its tasks have no name; {maker}")
                yield from ((0, row) for row in rows)
                return
            if line.strip():
                yield number, _object(line.rstrip().rstrip(",") if commas else line, number)
    except UnicodeDecodeError:
        raise ValueError(f"line {number + 1} is no {text.encoding.upper()}") from None


def _object(text: str, number: int) -> dict[str, Any]:
    try:
        row = _loads(text)
    except ValueError as error:
        raise ValueError(f"line {number} is no JSON: {error}") from None
    if not isinstance(row, dict):
        raise ValueError(f"line {number} is no JSON object")  # noqa: TRY004
    return row


def _array(text: str, first: int) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = _loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {first - 1 + error.lineno} is no JSON: {error.msg}") from None
    except ValueError as error:
        raise ValueError(f"the array in line {first} is no JSON: {error}") from None
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise ValueError(f"the array's element {number} is no JSON object")  # noqa: TRY004
    return rows


def _loads(text: str) -> Any:
    """Parse JSON as RFC 8259 has it. Raises `ValueError` for anything else."""
    try:
        return json.loads(
            text, parse_constant=_no_number, parse_float=_number, parse_int=_whole_number
        )
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large a number")
    return number


def _whole_number(text: str) -> int:
    # Python itself refuses thousands of digits, in words for programmers.
    if len(text) > _DIGITS_MAX:
        raise ValueError(f"a number of {len(text)} digits is too large")
    return int(text)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")
