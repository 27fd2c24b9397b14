"""Bytes to records, which are the same by REST and by the Bulk API: no `attributes`, no NUL, null for an empty cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from prm_sync.connect import ContractBroken, Stream, Unavailable

NUL: Final = rb"\u0000"  #: as JSON writes it
_BOM = "\ufeff"
csv.field_size_limit(2**31 - 1)  # a long text area holds more than the module's 128 KB


def records_of_json(content: bytes) -> list[dict[str, Any]]:
    """The records of a JSON list without their `attributes`, and without NUL in texts (no database takes it)."""
    records: list[dict[str, Any]] = msgspec.json.decode(content)
    for record in records:
        record.pop("attributes", None)
    if NUL in content:
        for record in records:
            record |= {n: v.replace("\0", "") or None for n, v in record.items() if isinstance(v, str) and "\0" in v}
    return records


def records_of_csv(
    content: bytes, columns: Sequence[str], stream: Stream, connection: str, count: int | None = None
) -> list[dict[str, Any]]:
    """The records of one result page. `columns` is what was selected, in its order: used where a page has no header.

    Raises ContractBroken for a page that is not the CSV of these columns, and Unavailable where the server counts
    otherwise: the page came damaged.
    """
    try:
        records = _records(content, columns, {f.name: f.type for f in stream.fields})
    except (ValueError, csv.Error) as error:
        # The error's text may quote the cell: only its kind is told.
        raise ContractBroken(
            f"a bulk result page of {stream.name} is not the CSV that was asked for ({type(error).__name__})"
        ) from None
    if count is not None and count != len(records):
        where = f"{connection}: a bulk page of {stream.name}"
        raise Unavailable(f"{where} has {len(records)} rows, the server says {count}; it is read again later")
    return records


def _records(content: bytes, columns: Sequence[str], kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    text = content.decode().removeprefix(_BOM).replace("\0", "")  # text fields may hold NUL, which no database takes
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    names, has_header = _header(rows[0] if rows else (), columns)
    if len(rows) == has_header:
        return []
    cells = zip(*rows[has_header:], strict=True)
    values = [_column(column, kinds.get(n, "text")) for n, column in zip(names, cells, strict=True)]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _header(first: Sequence[str], columns: Sequence[str]) -> tuple[list[str], bool]:
    """The names of the columns, and whether the page begins with them.

    Every page is seen to begin with the header; one sentence of the docs reads as if only the first did: look.
    """
    known = {c.lower(): c for c in columns}
    if len(first) == len(columns) and {c.lower() for c in first} == set(known):
        return [known[c.lower()] for c in first], True
    return list(columns), False


def _column(cells: Sequence[str], kind: str) -> list[Any]:
    make = _MAKERS.get(kind)
    if kind == "boolean":
        return [_boolean(cell) for cell in cells]  # a checkbox is never null
    return [cell or None for cell in cells] if make is None else [make(cell) if cell else None for cell in cells]


def _boolean(cell: str) -> bool:
    word = cell.lower()
    if word not in ("true", "false", ""):
        raise ValueError("not a boolean")
    return word == "true"


def _datetime(cell: str) -> str:
    return f"{cell[:-1]}+0000" if cell.endswith("Z") else cell


def _integer(cell: str) -> int:
    number = float(cell)  # whole numbers may come as 5.0
    if not number.is_integer():
        raise ValueError("not a whole number")
    return int(number)


_MAKERS: dict[str, Callable[[str], Any]] = {"number": float, "integer": _integer, "datetime": _datetime}
