"""What stands in a cell for a value that we write, and the value that a cell is read as: the same one.

A spreadsheet runs a cell that begins with = + - @ as a formula, so a text of a stranger could do harm on the PC of who
opens the file (OWASP, "CSV Injection"). Such a text is written with an apostrophe before it and read without it; a text
that begins with apostrophes and then such a sign gets one more, so that each comes back as it was. A negative number
is none of them.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from prm_sync_files.delimited import is_damaged
from prm_sync_files.table import Row

MOST_CHARS = 32_767  #: a spreadsheet cuts off what a cell has beyond
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")  # some take the full-width signs as well
_NUMBER = re.compile(r"-\d+(?:[.,]\d+)*")


class UnfitError(ValueError):
    """A value that no cell can hold so that it comes back. `code` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def cell_of(value: Any, *, guard: bool) -> str:
    """The text of the cell. Raises UnfitError where the value would not come back."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if math.isfinite(value):
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case str():
            return _text(unicodedata.normalize("NFC", value), guard=guard)
    raise UnfitError("not_a_cell", "a list, an object or no finite number is no cell; join it in the mapping")


def value_of(cell: str) -> str:
    """What a guarded cell says."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def unguarded(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows of a guarded table with what their cells say."""
    for row in rows:
        yield row._replace(cells=[value_of(cell) for cell in row.cells])


def _text(text: str, *, guard: bool) -> str:
    if len(text) > MOST_CHARS:
        raise UnfitError("too_long", f"a cell holds at most {MOST_CHARS:,} characters")
    if "\x00" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
        raise UnfitError("no_text", "it holds characters that no text has")
    if is_damaged(text):
        raise UnfitError("damaged_text", "it holds characters that an earlier wrong decoding has destroyed; correct it")
    return f"'{text}" if guard and _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
