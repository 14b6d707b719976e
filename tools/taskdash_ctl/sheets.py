"""Reads CSV as offices have it: Excel, WPS and Notepad, with any separator and encoding of theirs.

What is wrong with a file is a `ValueError` in one sentence that names the line.
"""

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import IO, Final

_CELL_CHARACTERS_MAX: Final = 64 << 20
_PIECE_BYTES: Final = 1 << 20
_DELIMITERS: Final = ",;\t"
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
"""What Excel writes, or wants, before the heading."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_UNICODE: Final = "gb18030"
_COMMON_LAST: Final = 0xD7
_COMMON_SHARE: Final = 0.75
"""Of Chinese text so much at least is among the signs of GB 2312 up to that first byte, those in
common use; of another encoding's letters, read as Chinese, hardly any."""

Line = tuple[int, list[str]]


def marked(head: bytes) -> str | None:
    """Name the encoding that a byte order mark, or its want in UTF-16, tells of."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if len(head) > 1 and 0 in head[:2] and head[0] != head[1]:
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return None


def encoding_of(file: IO[bytes]) -> str:
    """Name the encoding of a file from its beginning to its end."""
    file.seek(0)
    name = marked(file.read(4))
    fault = _fault(file, name or "utf-8")
    if fault is None:
        return name or "utf-8"
    if name is None and _is_chinese(file):
        return _NO_UNICODE
    if name is None:
        raise ValueError(
            f"line {fault} is no UTF-8, and the file is no UTF-16 or GB 18030 (GBK) either;"
            " save it as UTF-8"
        )
    raise ValueError(f"line {fault} is not in {name.upper()}, as the file's first bytes say it is")


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        yield piece
    yield b""


def _fault(file: IO[bytes], encoding: str) -> int | None:
    """Give the number of the first line that an encoding does not have; None: it has all."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    for piece in _pieces(file):
        try:
            lines += decoder.decode(piece, final=not piece).count("\n")
        except UnicodeDecodeError as error:
            return lines + error.object[: error.start].count(b"\n")
    return None


def _is_chinese(file: IO[bytes]) -> bool:
    """Tell whether bytes are GB 18030: most bytes of Latin-1 or Big5 can be read as such too."""
    decoder = codecs.getincrementaldecoder(_NO_UNICODE)()
    signs = common = 0
    for piece in _pieces(file):
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError:
            return False
        foreign = "".join(one for one in text if not one.isascii())
        signs += len(foreign)
        common += sum(one <= _COMMON_LAST for one in foreign.encode("gb2312", "ignore")[::2])
    return common >= signs * _COMMON_SHARE


def folded(heading: str) -> str:
    """Fold a heading: `Group ID`, `group-id` and `groupId` are `group_id`."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", heading)).casefold()


class Sheet:
    """A file of CSV, whose rows can be read again and again."""

    def __init__(self, file: IO[bytes]) -> None:
        # A field may be as large as a frame: the csv module's own limit, 128 KiB, would refuse it.
        csv.field_size_limit(_CELL_CHARACTERS_MAX)
        self._file = file
        self.encoding = encoding_of(file)
        file.seek(0)
        head = file.read(_PIECE_BYTES)
        self._begin = 0
        """Files that have a mark each may have been joined: the heading is behind the last one."""
        while head.startswith(codecs.BOM_UTF8, self._begin + len(codecs.BOM_UTF8)):
            self._begin += len(codecs.BOM_UTF8)
        with self._text() as text:
            self.first_line = text.readline()
        told = _SEPARATOR_LINE.fullmatch(self.first_line)
        self._skipped = 1 if told else 0
        self._delimiter = told[1] if told else self._found()
        names = self._first()
        self.heading: Sequence[str] = [name.strip().removeprefix("\ufeff") for name in names]
        """The columns; of one without a heading the empty string."""
        if not any(self.heading):
            raise ValueError("there is no heading in it")

    def rows(self) -> Generator[Line]:
        """Give each row with the number of its line: as many cells as the heading has."""
        size = len(self.heading)
        with closing(self._lines()) as lines:
            next(lines)
            for line, cells in lines:
                for column, cell in enumerate(cells):
                    if cell.strip() and column >= size:
                        raise ValueError(f"line {line} has more cells than the heading")
                    if cell.strip() and not self.heading[column]:
                        raise ValueError(f"line {line}: column {column + 1} has no heading")
                yield line, cells[:size] + [""] * (size - len(cells))

    def _found(self) -> str:
        """Find the separator: with it the heading has the most columns."""
        counts: dict[str, int] = {}
        for self._delimiter in _DELIMITERS:
            try:
                counts[self._delimiter] = len(self._first())
            except ValueError:
                # Behind a quote stands another separator than this one.
                continue
        return max(counts, key=lambda one: counts[one], default=",")

    def _first(self) -> list[str]:
        with closing(self._lines()) as lines:
            return next(lines, (0, []))[1]

    def _lines(self) -> Generator[Line]:
        """Give the rows in which anything stands, the heading first, with their lines."""
        with self._text() as text:
            for _ in range(self._skipped):
                text.readline()
            reader = csv.reader(text, delimiter=self._delimiter, strict=True)
            while True:
                line = self._skipped + reader.line_num + 1
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    ends = "unexpected end" in str(error)
                    told = "a quote begins there that never ends" if ends else str(error)
                    raise ValueError(f"line {line} is no CSV: {told}") from None
                if any(map(str.strip, cells)):
                    yield line, cells

    @contextmanager
    def _text(self) -> Iterator[io.TextIOWrapper]:
        self._file.seek(self._begin)
        # A line break within quotes is the cell's own: Python would make `\n` of every one.
        text = io.TextIOWrapper(self._file, encoding=self.encoding, newline="")
        try:
            yield text
        finally:
            text.detach()
