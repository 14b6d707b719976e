"""The commands that move many tasks: export, import."""

import math
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import chain, islice
from typing import IO, Any, Final

import click

import taskdash
from taskdash import address
from taskdash_ctl import foreign, options, sinks, sources
from taskdash_ctl.reach import EXIT_FAILURE, attempt, connect, fail, say
from taskdash_ctl.sources import Row, Source, Wishes
from taskdash_protocol import escapes
from taskdash_protocol.errors import BadRequest, Busy, Conflict, TaskDashError
from taskdash_protocol.families.operators import Status
from taskdash_protocol.families.tasks import Register
from taskdash_protocol.fields import DAEMON_FIELDS
from taskdash_protocol.statuses import is_live

_TELL_EVERY: Final = 1000
_BAR_CELLS: Final = 24
_FAULTS_SHOWN: Final = 5
_BUSY_S: Final = 0.5
_PATIENCE_S: Final = 600.0
"""So long an import waits for a commit, and for a daemon that is too busy, before it ends."""
_OTHER_STATUS: Final = "; --status-map THEIRS=OURS gives them another status"

_Numbered = tuple[int, int, Register]
"""The number of a task in its file, its line, and what is asked."""


@click.command()
@options.filters
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl")
@click.option(
    "--output",
    "-o",
    "to",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="In UTF-8. What is there is replaced once all is written.",
)
@click.pass_obj
def export(where: address.Address, /, form: str, to: str | None, **filters: Any) -> None:
    """Write tasks to a file, one a line.

    \b
    taskdash-ctl export -o tasks.jsonl
    taskdash-ctl export --group mx --format csv > mx.csv
    """
    wanted = options.where(filters)
    done = 0
    with connect(where) as dash, ExitStack() as stack:
        # Status counts all tasks, not those of a selection: with one the progress has no share.
        total = 0 if wanted else sum(attempt(lambda: dash.call(Status()))["tasks"].values())
        rows = dash.query(wanted, page=1000)
        output = stack.enter_context(sinks.replaced(to)) if to else sys.stdout

        def write() -> None:
            nonlocal done
            emit = (sinks.csv if form == "csv" else sinks.json_lines)(output)
            for row in rows:
                emit(row)
                done += 1
                tell(done)
            output.flush()

        with _progress("exported", lambda: done / total if total else None) as tell:
            attempt(write)
    if form == "csv" and (lost := escapes.escaped()):
        say(
            f"{output.encoding} does not have {lost} of the characters: they are written as"
            " \\uXXXX; -o FILE writes UTF-8"
        )


@click.command("import")
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    help="JSON, an object a line, or CSV as `export` or a spreadsheet writes it.  [default: csv"
    " where the file is called so, else jsonl]",
)
@click.option(
    "--from",
    "tool",
    type=click.Choice(list(foreign.TOOLS)),
    help="What another tool has exported, or any list: none of its tasks becomes live.",
)
@click.option(
    "--map",
    "names",
    multiple=True,
    metavar="OURS=THEIRS",
    help="Which column is our field; repeatable.",
)
@click.option(
    "--status-map",
    "statuses",
    multiple=True,
    metavar="THEIRS=OURS",
    help="Which status is ours; repeatable.",
)
@click.option("--skip", type=click.IntRange(0), default=0, help="Leave out so many tasks at first.")
@click.pass_obj
def import_(where: address.Address, /, file: IO[bytes], skip: int, **told: Any) -> None:
    """Register the tasks of a file that `export` has written, or any like it.

    A task that is there already is replaced, so a run that was interrupted can simply be begun
    again, or gone on with by `--skip`. What the daemon writes itself (rev, times) is new. Live
    tasks are shut down after their timeout unless a service takes them up. Of CSV and of other
    tools' files all is read before anything is done.

    \b
    taskdash-ctl import tasks.jsonl
    taskdash-ctl export | taskdash-ctl --server taskdash://pi.local import
    taskdash-ctl import plan.csv --map id=Number --map name=Title
    taskdash-ctl import --from taskwarrior tasks.json
    taskdash-ctl import --from csv plan.csv --map id=Nr --map name=Was --status-map läuft=running
    """
    name = "<stdin>" if isinstance(file.name, int) else click.format_filename(file.name)
    if file.isatty():
        say("reading what is typed; Ctrl-D ends it")
    if told["form"] is None and told["tool"] is None and name.lower().endswith((".csv", ".tsv")):
        told["form"] = "csv"
    try:
        source = Source(file, _wishes(**told))
    except ValueError as error:
        fail(f"{name}: {error}", EXIT_FAILURE)
    for note in source.notes:
        say(f"{name}: {note}")
    _import(where, source, name, skip, "" if source.is_json_of_ours else _OTHER_STATUS)


def _wishes(
    form: str | None, tool: str | None, names: tuple[str, ...], statuses: tuple[str, ...]
) -> Wishes:
    """Read the options of `import`. Raises `UsageError`."""
    reads = foreign.TOOLS[tool].form if tool else {"csv": "csv"}.get(form or "", "json")
    if tool and form and {"jsonl": "json"}.get(form, form) != reads:
        raise click.UsageError(f"--from {tool} reads no {form}")
    if (names or statuses) and not tool and form != "csv":
        raise click.UsageError("--map and --status-map go with --from, or with --format csv")
    try:
        ours = sources.pairs_of(map(options.pair, names))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--map") from None
    return Wishes(reads, tool, ours, dict(map(options.pair, statuses)))


def _import(
    where: address.Address, source: Source, name: str, skip: int, other_status: str
) -> None:
    done = skip
    faults = 0
    live: Counter[str] = Counter()

    def refused(number: int, line: int, error: TaskDashError) -> None:
        nonlocal faults
        faults += 1
        if faults <= _FAULTS_SHOWN:
            at = f" (line {line})" if line else ""
            say(f"task {number} of {name}{at} is refused: {error}")

    progress = _progress("imported", lambda: _share_read(source.file))
    with connect(where) as dash, closing(source.rows()) as rows, progress as tell:
        try:
            requests = _requests(islice(rows, skip, None), skip, refused)
            timeout_s = max(where.timeout_s, _PATIENCE_S)
            for (number, line, request), outcome in _pipelined(dash, requests, timeout_s):
                if isinstance(outcome, BadRequest | Conflict):
                    refused(number, line, outcome)
                elif isinstance(outcome, TaskDashError):
                    raise outcome
                else:
                    # Of a task that people have, the daemon keeps the status, and says so.
                    status = outcome.get("status", request.fields["status"])
                    live[status] += is_live(status)
                done = number
                tell(done)
        except (TaskDashError, ValueError, KeyboardInterrupt) as error:
            if done > skip:
                say(f"stopped after {done} tasks; go on with --skip {done}")
            if isinstance(error, ValueError):
                fail(f"{name}: {error}", EXIT_FAILURE)
            attempt(partial(_raise, error))
    if count := live.total():
        statuses = ", ".join(repr(one) for one, times in live.most_common(5) if times)
        say(
            f"live tasks: {count} ({statuses}); as nobody beats for them, they will be shut down"
            f" unless a service takes them up{other_status}"
        )
    if faults:
        told = "1 task was" if faults == 1 else f"{faults} tasks were"
        fail(f"{told} refused; all others are there", EXIT_FAILURE)


def _requests(
    rows: Iterable[Row], skip: int, refused: Callable[[int, int, TaskDashError], None]
) -> Iterator[_Numbered]:
    for number, (line, row) in enumerate(rows, skip + 1):
        try:
            # Leave out what the other daemon wrote: its epoch would be taken for a condition.
            fields = {name: row[name] for name in row if name not in DAEMON_FIELDS}
            request = Register.parse(fields)
        except BadRequest as error:
            refused(number, line, error)
            continue
        yield number, line, request


def _pipelined(
    dash: taskdash.Client, requests: Iterator[_Numbered], timeout_s: float
) -> Iterator[tuple[_Numbered, Any]]:
    """Send requests, and give each one with its outcome.

    From the first request that the daemon is too busy for, all are sent again: of two for the same
    task the later must win. A commit may take as long as a worn card or a disk that wakes up does.
    """
    waiting: deque[_Numbered] = deque()
    busy_since = math.inf

    def noted(some: Iterable[_Numbered]) -> Iterator[Register]:
        for one in some:
            waiting.append(one)
            yield one[2]

    while True:
        for outcome in dash.pipeline(noted(requests), timeout_s=timeout_s):
            now = time.monotonic()
            if isinstance(outcome, Busy) and now - busy_since < _PATIENCE_S:
                break
            if isinstance(outcome, Busy) and busy_since == math.inf:
                say(f"{outcome}; trying again")
                busy_since = now
                break
            busy_since = math.inf
            yield waiting.popleft(), outcome
        else:
            return
        requests = chain(list(waiting), requests)
        waiting.clear()
        time.sleep(_BUSY_S)


def _raise(error: BaseException) -> None:
    raise error


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


def _share_read(file: IO[bytes]) -> float | None:
    """Say how much of a file has been read; None of a pipe."""
    try:
        size = os.fstat(file.fileno()).st_size
        return file.tell() / size if size else None
    except OSError:
        return None


COMMANDS: Final = (export, import_)
