"""CSV of the Bulk API made the same records as REST gives: null for an empty cell, numbers, booleans, `+0000`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from prm_sync.connect import ContractBroken, Stream

_BOM = b"\xef\xbb\xbf"


def records_of_csv(content: bytes, columns: Sequence[str], stream: Stream) -> list[dict[str, Any]]:
    """The records of one result page. `columns` is what was selected, in its order: used where a page has no header.

    Raises ContractBroken for a page that is not the CSV of these columns.
    """
    content = content.removeprefix(_BOM).replace(b"\0", b"")  # text fields may hold NUL, which no database takes
    if not content or content.isspace():
        return []
    names, has_header = _header(content, columns)
    kinds = {f.name: f.type for f in stream.fields}
    try:
        table = pacsv.read_csv(
            io.BytesIO(content),
            # One block: a row may be longer than any sensible block, and rows must not be cut.
            read_options=pacsv.ReadOptions(
                column_names=names, skip_rows_after_names=1 if has_header else 0, block_size=len(content) + 1,
                use_threads=False,
            ),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types={n: _arrow(kinds.get(n, "text")) for n in names},
                null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True,
            ),
        )  # fmt: skip
    except pa.ArrowInvalid as error:
        # The library's text quotes the cell: only its kind is told.
        raise ContractBroken(
            f"a bulk result page of {stream.name} is not the CSV that was asked for ({type(error).__name__})"
        ) from None
    values = [_column(table.column(i), kinds.get(n, "text")) for i, n in enumerate(names)]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _header(content: bytes, columns: Sequence[str]) -> tuple[list[str], bool]:
    """The names of the columns, and whether the page begins with them.

    Every page is seen to begin with the header; one sentence of the docs reads as if only the first did: look.
    """
    first_line = content[: content.index(b"\n")] if b"\n" in content else content
    known = {c.lower(): c for c in columns}
    try:
        cells = next(csv.reader([first_line.decode("utf-8", "replace").rstrip("\r")]))
    except (StopIteration, csv.Error):
        return list(columns), False
    if [c.lower() for c in cells] == [c.lower() for c in columns] or {c.lower() for c in cells} == set(known):
        return [known[c.lower()] for c in cells], True
    return list(columns), False


def _arrow(kind: str) -> Any:
    if kind in ("number", "integer"):
        return pa.float64()  # whole numbers may come as 5.0
    return pa.bool_() if kind == "boolean" else pa.string()


def _column(column: Any, kind: str) -> list[Any]:
    if kind == "integer":
        column = column.cast(pa.int64())
    elif kind == "datetime":
        column = pc.replace_substring_regex(column, pattern="Z$", replacement="+0000")
    elif kind == "boolean":
        column = pc.fill_null(column, False)  # a checkbox is never null
    values: list[Any] = column.to_pylist()
    return values
