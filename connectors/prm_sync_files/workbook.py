"""Workbooks (XLSX, XLS): the whole sheet is in memory, as the format demands; rows come out as JSON values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from python_calamine import CalamineError, SheetTypeEnum, SheetVisibleEnum, load_workbook

from prm_sync.connect import ContractBroken, Field
from prm_sync.connect.protocol import FieldKind
from prm_sync_files.table import Row, Table, fitted, header_of, refuse_a_title, without_total

_TYPED_BY = 200  #: rows that are looked at to tell a column's type


def sheets_of(path: Path) -> list[str]:
    """The sheets that a person sees. Raises ContractBroken for a damaged or locked workbook."""
    try:
        with load_workbook(path) as book:
            shown = [
                sheet.name
                for sheet in book.sheets_metadata
                if sheet.visible is SheetVisibleEnum.Visible and sheet.typ is SheetTypeEnum.WorkSheet
            ]
            filled = [name for name in shown if book.get_sheet_by_name(name).total_height] if len(shown) > 1 else shown
    except CalamineError as error:
        raise _unreadable(path, error) from None
    return filled or shown[:1]


def open_sheet(path: Path, sheet: str, header_row: int) -> Table:
    """The sheet as a table. Raises ContractBroken and Misconfigured as `header_of` and `refuse_a_title` do."""
    try:
        frame = pd.read_excel(path, sheet_name=sheet, engine="calamine", header=None, dtype=object, na_filter=False)
    except CalamineError as error:
        raise _unreadable(path, error) from None
    rows = frame.iloc[header_row - 1 :].itertuples(index=True, name=None)
    first = [cells for _, *cells in rows][: _TYPED_BY + 1]
    if not first:
        raise ContractBroken(f"{path.name}: sheet {sheet!r} has no row {header_row} with column names")
    refuse_a_title(path, header_row, first[:20])
    header = header_of(path, first[0], header_row)
    fields = tuple(Field(name, _type_of([r[i] for r in first[1:]]), guessed=True) for i, name in enumerate(header))

    def records() -> Iterator[Row]:
        for index, *cells in frame.iloc[header_row:].itertuples(index=True, name=None):
            values = [_json(cell) for cell in cells]
            if any(value != "" for value in values):
                yield fitted(int(index) + 1, values, len(header))

    return Table(path, fields, lambda: without_total(records()))


def _json(cell: Any) -> Any:
    """Dates as ISO 8601; numbers as text without a needless `.0`, so that a phone stays a phone; the rest as it is."""
    match cell:
        case str():
            return cell
        case bool():
            return cell
        case int():
            return str(cell)
        case float():
            if cell != cell:
                return ""
            return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
        case dt.datetime():
            moment = cell.isoformat(timespec="seconds")
            return moment.removesuffix("T00:00:00")
        case dt.date() | dt.time():
            return cell.isoformat()
        case None:
            return ""
        case _:
            return str(cell)


def _type_of(cells: list[Any]) -> FieldKind:
    kinds = {type(_dated(cell)) for cell in cells if cell not in (None, "")}
    if kinds == {bool}:
        return "boolean"
    if kinds == {dt.date}:
        return "date"
    return "datetime" if kinds and kinds <= {dt.date, dt.datetime} else "text"


def _dated(cell: Any) -> Any:
    """A moment at midnight is a date, as `_json` writes it."""
    if isinstance(cell, dt.datetime):
        return cell.date() if cell.time() == dt.time() else dt.datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001
    return cell


def _unreadable(path: Path, error: Exception) -> ContractBroken:
    return ContractBroken(
        f"{path.name}: cannot be read as a workbook ({type(error).__name__}); it is damaged or locked: save it anew"
    )
