"""CSV and TSV: text in, rows out, a block at a time.

Read with the standard library's csv, not with pandas: pandas pads short rows without a word, and a row that is too
long, or a quote that is never closed, either ends the file or vanishes. Here each of them becomes a row with an error.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from prm_sync.connect import ContractBroken, Field, Misconfigured
from prm_sync_files.table import Row, Table, fitted, header_of, refuse_a_title, without_total

_CANDIDATES = ",;\t|"
_SAMPLE_CHARS = 65536
_MOST_BROKEN_QUOTES = 100
_DAMAGED = re.compile("\ufffd|锟斤拷|ï¿½|Ã[\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€[œ™˜“\x9d]")
"""Text that was decoded wrongly and saved: the letters are lost, or need repair by a person."""
_COMMA_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d+,\d+)")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is written. `skip` lines stand before the first row (`sep=;`)."""

    encoding: str
    delimiter: str
    decimal: str
    header_row: int
    skip: int


def dialect_of(path: Path, encoding: str, delimiter: str, decimal: str, header_row: int) -> Dialect:
    """The dialect; `auto` delimiter: that by which most rows have as many cells as the header.

    Raises Misconfigured where the delimiter that was set gives one column and another would give more.
    """
    with path.open(encoding=encoding, newline="") as f:
        lines = f.read(_SAMPLE_CHARS).splitlines(keepends=True)
    if len(lines) > 1 and not lines[-1].endswith(("\r", "\n")):
        lines.pop()  # cut in the middle
    skip = 0
    if lines and (said := re.fullmatch(r'"?sep=(.)"?\s*', lines[0], re.IGNORECASE)):
        lines, skip = lines[1:], 1
        delimiter = said[1] if delimiter == "auto" else delimiter
    scores = {c: _score(lines[header_row - 1 :], c) for c in _CANDIDATES}
    best = max(scores, key=lambda c: scores[c])
    if delimiter == "auto":
        delimiter = best if scores[best][1] > 1 else ","
    elif _score(lines[header_row - 1 :], delimiter)[1] == 1 and scores[best][1] > 1 and scores[best][0] > 0.8:
        raise Misconfigured(
            f"{path.name}: with delimiter {delimiter!r} there is one column, with {best!r} {scores[best][1]}; "
            f"set delimiter: {best!r}, or auto"
        )
    return Dialect(encoding, delimiter, decimal, header_row, skip)


def _score(lines: list[str], delimiter: str) -> tuple[float, int]:
    """(share of rows that are as wide as the widest of the first three, that width); (0, 1) for one column."""
    widths = [len(row) for row in islice(csv.reader(lines, delimiter=delimiter), 200) if row]
    width = max(widths[:3], default=1)
    return (0.0, 1) if width == 1 else (widths.count(width) / len(widths), width)


def open_delimited(path: Path, dialect: Dialect) -> Table:
    """The file as a table: all text. Raises what `header_of` and `refuse_a_title` raise."""
    first = [row.cells for row in islice(_records(path, dialect), 20)]
    if not first:
        raise ContractBroken(f"{path.name}: no row {dialect.header_row} with column names; the file needs a header row")
    refuse_a_title(path, dialect.header_row, first)
    header = header_of(path, first[0], dialect.header_row)
    width = len(header)

    def rows() -> Iterator[Row]:
        for number, cells, error in islice(_records(path, dialect), 1, None):
            row = fitted(number, cells, width)
            yield row._replace(error=error) if error else row

    return Table(path, tuple(Field(name, "text") for name in header), lambda: without_total(rows()))


def _records(path: Path, dialect: Dialect) -> Iterator[Row]:
    """The header row and the rows under it that are not empty."""
    return (row for _, row in parts(path, dialect) if row is not None)


def parts(path: Path, dialect: Dialect) -> Iterator[tuple[str, Row | None]]:
    """The whole file, piece by piece: (text as it stands there, the row that it is).

    What is no row of the table has none: empty rows, and all that stands before the header row, which is the first.
    A row whose quotes do not fit ends at its own line, with an error; what it swallowed is read again as rows.
    """
    with path.open(encoding=dialect.encoding, newline="") as f:
        for line in islice(f, dialect.skip):
            yield line, None
        feed = _Feed(path, f)
        reader = csv.reader(feed, delimiter=dialect.delimiter, strict=True)
        number, broken = 0, 0
        while True:
            feed.begin()
            error = ""
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                broken += 1
                if broken > _MOST_BROKEN_QUOTES:
                    raise ContractBroken(
                        f"{path.name}: over {_MOST_BROKEN_QUOTES} rows up to row {number + 1} have misplaced quotes; "
                        "the file is damaged, or its delimiter is another"
                    ) from None
                cells = feed.first_alone(dialect.delimiter)
                error = f"row {number + 1} has a quote that is not closed, or one in the wrong place"
            number += 1
            if number < dialect.header_row or not any(cells) or not any(map(str.strip, cells)):
                yield feed.text, None
                continue
            if feed.damaged and not error:
                error = f"row {number} holds characters that an earlier wrong decoding has destroyed"
            if dialect.decimal == ",":
                cells = [_with_point(cell) for cell in cells]
            yield feed.text, Row(number, cells, error)


def is_damaged(text: str) -> bool:
    """Whether an earlier wrong decoding has destroyed letters of the text."""
    return _DAMAGED.search(text) is not None


def _with_point(cell: str) -> str:
    """1.234,5 -> 1234.5; text, dates and whole numbers without a mark stay as they are."""
    return cell.replace(".", "").replace(",", ".") if _COMMA_NUMBER.fullmatch(cell.strip()) else cell


class _Feed:
    """Lines for a csv.reader, which can be put back: the lines of the row in hand are remembered."""

    def __init__(self, path: Path, lines: Iterator[str]) -> None:
        self._path, self._lines = path, lines
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self.damaged = False

    def begin(self) -> None:
        self._taken.clear()
        self.damaged = False

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        if not line.isascii():
            line = unicodedata.normalize("NFC", line)
            if is_damaged(line):
                self.damaged = True
        if "\x00" in line:
            raise ContractBroken(f"{self._path.name}: holds bytes that no text has; it is not text, or damaged")
        return line

    @property
    def text(self) -> str:
        """The row in hand as it stands in the file."""
        return self._taken[0] if len(self._taken) == 1 else "".join(self._taken)

    def first_alone(self, delimiter: str) -> list[str]:
        """The cells of the first line of the row in hand, as well as they can be told; the other lines are put back."""
        self._again.extendleft(reversed(self._taken[1:]))
        del self._taken[1:]
        line = unicodedata.normalize("NFC", self._taken[0])
        return next(csv.reader([line], delimiter=delimiter, quoting=csv.QUOTE_NONE), [])
