"""The commands that move many tasks: export, import."""

import csv
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from typing import IO, Any, Final

import click

import taskdash
from taskdash import address
from taskdash_ctl import cells, options, show
from taskdash_ctl.reach import EXIT_FAILURE, attempt, connect, fail, say
from taskdash_protocol.errors import BadRequest, Busy, Conflict, TaskDashError
from taskdash_protocol.families.operators import Status
from taskdash_protocol.families.tasks import Register
from taskdash_protocol.fields import DAEMON_FIELDS, TASK_FIELDS

_COLUMNS: Final = (*TASK_FIELDS, *DAEMON_FIELDS)
_MORE: Final = "more"
"""The CSV column that holds, as JSON, the fields without a column of their own."""
_CELL_CHARACTERS_MAX: Final = 64 << 20
_TELL_EVERY: Final = 1000
_BAR_CELLS: Final = 24
_FAULTS_SHOWN: Final = 5
_BUSY_S: Final = 0.5
_BUSY_TIMES_MAX: Final = 60
"""After so many Busy replies in a row, with nothing done in between, the import ends."""


@click.command()
@options.filters
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl")
@click.option(
    "--output", "-o", "to", type=click.File("w", encoding="utf-8", lazy=True), metavar="FILE"
)
@click.pass_obj
def export(where: address.Address, /, form: str, to: IO[str] | None, **filters: Any) -> None:
    """Write tasks to a file, one a line, in UTF-8.

    \b
    taskdash-ctl export -o tasks.jsonl
    taskdash-ctl export --group mx --format csv > mx.csv
    """
    wanted = options.where(filters)
    output = sys.stdout if to is None else to
    done = 0
    with connect(where) as dash:
        # Status counts all tasks, not those of a selection: with one the progress has no share.
        total = 0 if wanted else sum(attempt(lambda: dash.call(Status()))["tasks"].values())
        rows = dash.query(wanted, page=1000)

        def write() -> None:
            nonlocal done
            emit = _csv_writer(output) if form == "csv" else _jsonl_writer(output)
            for row in rows:
                emit(row)
                done += 1
                tell(done)
            output.flush()

        with _progress("exported", lambda: done / total if total else None) as tell:
            attempt(write)


@click.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"), default="-")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl")
@click.option("--skip", type=click.IntRange(0), default=0, help="Leave out so many tasks at first.")
@click.pass_obj
def import_(where: address.Address, /, file: IO[str], form: str, skip: int) -> None:
    """Register the tasks of a file that `export` has written, or any like it.

    A task that is there already is replaced, so a run that was interrupted can simply be begun
    again, or gone on with by `--skip`. What the daemon writes itself (rev, times) is new. Live
    tasks are shut down after their timeout unless a service takes them up.

    \b
    taskdash-ctl import tasks.jsonl
    taskdash-ctl export | taskdash-ctl --server taskdash://pi.local import
    """
    done = skip
    faults = 0

    def refused(number: int, error: TaskDashError) -> None:
        nonlocal faults
        faults += 1
        if faults <= _FAULTS_SHOWN:
            say(f"task {number} of {file.name} is refused: {error}")

    rows = islice(_read_csv(file) if form == "csv" else _read_jsonl(file), skip, None)
    with connect(where) as dash, _progress("imported", lambda: _share_read(file)) as tell:
        try:
            requests = _requests(rows, skip, refused)
            for number, outcome in _pipelined(dash, requests):
                if isinstance(outcome, BadRequest | Conflict):
                    refused(number, outcome)
                elif isinstance(outcome, TaskDashError):
                    raise outcome
                done = number
                tell(done)
        except (TaskDashError, ValueError, KeyboardInterrupt) as error:
            say(f"stopped after {done} tasks; go on with --skip {done}")
            if isinstance(error, ValueError):
                fail(f"{file.name}: {error}", EXIT_FAILURE)
            attempt(partial(_raise, error))
    if faults:
        fail(f"{faults} tasks were refused; all others are there", EXIT_FAILURE)


def _requests(
    rows: Iterable[dict[str, Any]],
    skip: int,
    refused: Callable[[int, TaskDashError], None],
) -> Iterator[tuple[int, Register]]:
    for number, row in enumerate(rows, skip + 1):
        try:
            # Leave out what the other daemon wrote: its epoch would be taken for a condition.
            fields = {name: row[name] for name in row if name not in DAEMON_FIELDS}
            request = Register.parse(fields)
        except BadRequest as error:
            refused(number, error)
            continue
        yield number, request


def _pipelined(
    dash: taskdash.Client, requests: Iterator[tuple[int, Register]]
) -> Iterator[tuple[int, Any]]:
    """Send requests, and give each one's number and outcome.

    From the first request that the daemon is too busy for, all are sent again: of two for the same
    task the later must win.
    """
    waiting: deque[tuple[int, Register]] = deque()
    busy = 0

    def noted(some: Iterable[tuple[int, Register]]) -> Iterator[Register]:
        for number, request in some:
            waiting.append((number, request))
            yield request

    while True:
        for outcome in dash.pipeline(noted(requests)):
            if isinstance(outcome, Busy) and busy < _BUSY_TIMES_MAX:
                busy += 1
                break
            busy = 0
            number, _ = waiting.popleft()
            yield number, outcome
        else:
            return
        requests = chain(list(waiting), requests)
        waiting.clear()
        time.sleep(_BUSY_S)


def _raise(error: BaseException) -> None:
    raise error


def _read_jsonl(file: IO[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = _loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is no JSON object")  # noqa: TRY004
        yield row


def _loads(text: str) -> Any:
    """Parse JSON as RFC 8259 has it. Raises `ValueError` for anything else."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


def _read_csv(file: IO[str]) -> Iterator[dict[str, Any]]:
    # A field may be as large as a frame: the csv module's own limit, 128 KiB, would refuse it.
    csv.field_size_limit(_CELL_CHARACTERS_MAX)
    # A line break within quotes is the cell's own: Python would make `\n` of every one.
    file.reconfigure(newline="")  # type: ignore[attr-defined]
    reader = csv.DictReader(file)
    try:
        for row in reader:
            yield _from_cells(row, reader.line_num)
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} is no CSV: {error}") from None


def _from_cells(row: dict[str, Any], line: int) -> dict[str, Any]:
    if None in row:
        raise ValueError(f"line {line} has more cells than the heading")
    fields = {name: cells.unguarded(value or "") for name, value in row.items()}
    more = fields.pop(_MORE, "")
    try:
        return {**fields, **(_loads(more) if more else {})}
    except (ValueError, TypeError):
        raise ValueError(f"line {line}: column {_MORE} is no JSON object") from None


def _jsonl_writer(output: IO[str]) -> Callable[[dict[str, Any]], object]:
    return lambda row: output.write(show.as_json(row) + "\n")


def _csv_writer(output: IO[str]) -> Callable[[dict[str, Any]], object]:
    lines = cells.Lines(output)
    lines.write((*_COLUMNS, _MORE))

    def write(row: dict[str, Any]) -> None:
        more = {name: value for name, value in row.items() if name not in _COLUMNS}
        told = [row.get(name, "") for name in _COLUMNS]
        told.append(show.as_json(more) if more else "")
        # Escape only for a terminal: from a file `import` must get the same text back.
        lines.write(map(show.clean if output.isatty() else show.text, told))

    return write


@contextmanager
def _progress(doing: str, share: Callable[[], float | None]) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how many tasks have been moved, and which share of all these are."""
    on = sys.stderr.isatty()
    last = 0

    def tell(number: int) -> None:
        nonlocal last
        last = number
        if on and number % _TELL_EVERY == 0:
            done = share()
            bar = ""
            if done is not None:
                full = round(min(done, 1.0) * _BAR_CELLS)
                bar = f"[{'#' * full}{'-' * (_BAR_CELLS - full)}] {min(done, 1.0):4.0%}  "
            click.echo(f"\r{bar}{doing} {number:,}", err=True, nl=False)

    try:
        yield tell
    finally:
        if on:
            click.echo(f"\r\033[K{doing} {last:,} tasks", err=True)


def _share_read(file: IO[str]) -> float | None:
    """Say how much of a file has been read; None of a pipe."""
    try:
        size = os.fstat(file.fileno()).st_size
        return file.buffer.tell() / size if size else None  # type: ignore[attr-defined]
    except (OSError, AttributeError):
        return None


COMMANDS: Final = (export, import_)
