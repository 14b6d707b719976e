"""Texts that people put into files and variables, with whatever editor, shell or pipeline.

Notepad begins a file with a byte order mark and ends lines with CR LF, PowerShell 5 writes UTF-16
by `>`, `echo` ends a secret with a line break, and `docker --env-file` keeps the CR of each line.
"""

import codecs
from typing import Final

_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_AROUND: Final = " \t\n\r\v\f\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}\u200b\ufeff"
"""What is seen by nobody: white space, the zero width space of a chat, the byte order mark."""


def text(content: bytes) -> str:
    """Decode a file: its byte order mark says how, and without one it is UTF-8.

    Raises `ValueError` with a sentence that says what to do.
    """
    encoding = "utf-16" if content.startswith(_UTF_16) else "utf-8"
    try:
        # Not by "utf-8-sig": Python imports a module for it, at a time when a daemon that runs for
        # long may find the files of another version, or none.
        return content.removeprefix(codecs.BOM_UTF8).decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8: save the file as UTF-8") from None


def stripped(value: str) -> str:
    """Take away what stands around a value and that nobody sees."""
    return value.strip(_AROUND)


def check_unmarked(name: str, content: bytes) -> None:
    """Raise `ValueError` for a byte order mark, where a library reads the file that knows none.

    OpenSSL would take no notice of the certificate behind it, and go on with the next.
    """
    if content.startswith((codecs.BOM_UTF8, *_UTF_16)):
        raise ValueError(f"{name} begins with a byte order mark: save it without one, as ASCII")
