"""What `export` writes, so that `import` gets the same back."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

import click

from taskdash_ctl import cells, show
from taskdash_protocol import escapes
from taskdash_protocol.fields import DAEMON_FIELDS, TASK_FIELDS

COLUMNS: Final = (*TASK_FIELDS, *DAEMON_FIELDS)
MORE: Final = "more"
"""The CSV column that holds, as JSON, the fields without a column of their own."""

Writer = Callable[[dict[str, Any]], object]
"""Writes a task."""


@contextmanager
def replaced(name: str) -> Iterator[TextIO]:
    """Open a file to be written anew, in UTF-8: it stays as it was unless the block succeeds."""
    path = Path(os.path.realpath(name))
    known = path.stat() if path.exists() else None
    try:
        if known is None or path.is_file():
            number, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            output = os.fdopen(number, "w", encoding="utf-8")
        else:
            # A pipe or a device holds nothing that could be kept.
            beside, output = "", path.open("w", encoding="utf-8")
    except OSError as error:
        raise click.FileError(name, error.strerror) from None
    with output:
        try:
            yield output
            output.flush()
            if beside:
                os.fsync(output.fileno())
                umask = os.umask(0)
                os.umask(umask)
                mode = 0o666 & ~umask if known is None else known.st_mode & 0o777
                os.fchmod(output.fileno(), mode)
                Path(beside).replace(path)
        except BaseException:
            if beside:
                Path(beside).unlink()
            raise


def json_lines(output: TextIO) -> Writer:
    """Write JSON, an object a line."""
    if escapes.is_unicode(output):
        return lambda row: output.write(show.as_json(row) + "\n")
    # In ASCII it is the same JSON in whatever encoding `import` takes it to be.
    return lambda row: output.write(json.dumps(row, separators=(",", ":")) + "\n")


def csv(output: TextIO) -> Writer:
    """Write CSV, the heading first."""
    lines = cells.Lines(output)
    lines.write((*COLUMNS, MORE))

    def write(row: dict[str, Any]) -> None:
        more = {name: value for name, value in row.items() if name not in COLUMNS}
        if not row["name"]:
            # A blank cell is a name that was forgotten: `import` refuses it.
            more["name"] = ""
        told = [row.get(name, "") for name in COLUMNS]
        told.append(show.as_json(more) if more else "")
        # Escape only for a terminal: from a file `import` must get the same text back.
        lines.write(map(show.clean if output.isatty() else show.text, told))

    return write
