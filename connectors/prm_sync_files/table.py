"""What every kind of file is turned into: a header and rows with their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from prm_sync.connect import ContractBroken, Field, Misconfigured
from prm_sync_files.names import RESERVED, clean

MOST_COLUMNS = 1600  #: PostgreSQL's limit for a table: no export of such a stream could ever be loaded

_TOTALS = {
    "total", "totals", "grand total", "sum", "summe", "gesamt", "somme", "tổng", "tổng cộng", "合计", "总计",
    "المجموع", "الإجمالي", "الاجمالي", "جمع", "جمع کل",
}  # fmt: skip


class Row(NamedTuple):
    """One row: its number as a spreadsheet shows it, its cells, and why it cannot be trusted (else empty)."""

    number: int
    cells: Sequence[Any]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One file, or one sheet of it. `rows` reads from the start each time it is called."""

    path: Path
    fields: tuple[Field, ...]
    rows: Callable[[], Iterator[Row]]

    @property
    def header(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.fields)


def header_of(path: Path, cells: Sequence[Any], row: int) -> tuple[str, ...]:
    """The column names as written: trimmed, without invisible marks, NFC. A column without a name is `column_<n>`.

    Raises ContractBroken for no names, a name that stands twice, or more columns than any table can have.
    """
    names = ["" if cell is None else clean(str(cell)) for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise ContractBroken(f"{path.name}: row {row} holds no column names; the file needs a header row")
    if len(names) > MOST_COLUMNS:
        raise ContractBroken(
            f"{path.name}: {len(names)} columns, at most {MOST_COLUMNS} can be kept; save only those that are needed"
        )
    names = [name or f"column_{i}" for i, name in enumerate(names, 1)]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        listed = ", ".join(repr(name) for name in twice)
        raise ContractBroken(f"{path.name}: row {row} has these column names more than once: {listed}; rename them")
    reserved = RESERVED & set(names)
    if reserved:
        raise ContractBroken(f"{path.name}: prm-sync itself uses the name {min(reserved)!r}; rename the column")
    return tuple(names)


def refuse_a_title(path: Path, header_row: int, first: Sequence[Sequence[Any]]) -> None:
    """Raises Misconfigured where the header row has one cell and the rows under it have more: a title of a report.

    `first` is the header row and some rows under it.
    """
    widths = [sum(1 for cell in row if cell not in (None, "")) for row in first]
    if len(widths) < 2 or widths[0] != 1 or max(widths[1:]) < 2:
        return
    likely = next(i for i, width in enumerate(widths) if width >= 2) + header_row
    raise Misconfigured(
        f"{path.name}: row {header_row} has one cell, the rows under it have more: it looks like a title; "
        f"say where the column names are, such as header_row: {likely}"
    )


def fitted(number: int, cells: Sequence[Any], width: int) -> Row:
    """The row with as many cells as there are columns; cells too few or too many are its error."""
    if len(cells) == width:
        return Row(number, cells)
    if len(cells) < width:
        return Row(number, cells, f"row {number} has {len(cells)} cells, the header has {width}")
    if any(cell not in (None, "") for cell in cells[width:]):
        return Row(number, cells[:width], f"row {number} has {len(cells)} cells, the header has {width}")
    return Row(number, cells[:width])


def without_total(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows; the last one gets an error where it is a sum line: named "Total" in some language, half of it empty."""
    last: Row | None = None
    for row in rows:
        if last is not None:
            yield last
        last = row
    if last is None:
        return
    filled = [cell for cell in last.cells if cell not in (None, "")]
    if filled and len(filled) * 2 <= len(last.cells) and str(filled[0]).strip(" :").casefold() in _TOTALS:
        last = last._replace(error=f"row {last.number} is a line of totals, not a record")
    yield last
