"""Parquet: typed columns, read a batch at a time."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prm_sync.connect import ContractBroken, Field
from prm_sync.connect.protocol import FieldKind
from prm_sync_files.table import Row, Table, header_of


def open_parquet(path: Path, batch_rows: int) -> Table:
    """The file as a table; columns of bare bytes are left out. Raises ContractBroken for a damaged file."""
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(path, error) from None
    kept = [i for i, column in enumerate(schema) if not _is_bytes(column.type)]
    header = header_of(path, [schema.field(i).name for i in kept], 1)
    fields = tuple(Field(name, _kind(schema.field(i).type)) for i, name in zip(kept, header, strict=True))

    def rows() -> Iterator[Row]:
        number = 0
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=batch_rows, columns=[schema.field(i).name for i in kept]):
                    for cells in zip(*(map(_json, column.to_pylist()) for column in batch.columns), strict=True):
                        number += 1
                        yield Row(number, cells)
        except (pa.ArrowInvalid, OSError) as error:
            raise _damaged(path, error) from None

    return Table(path, fields, rows)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _kind(kind: pa.DataType) -> FieldKind:
    types = pa.types
    known: tuple[tuple[bool, FieldKind], ...] = (
        (types.is_boolean(kind), "boolean"),
        (types.is_integer(kind), "integer"),
        (types.is_floating(kind) or types.is_decimal(kind), "number"),
        (types.is_date(kind), "date"),
        (types.is_timestamp(kind), "datetime"),
        (types.is_list(kind) or types.is_large_list(kind), "list"),
        (types.is_struct(kind) or types.is_map(kind), "object"),
    )
    return next((name for yes, name in known if yes), "text")


def _json(value: Any) -> Any:
    """JSON of a typed value: ISO 8601 moments, decimals as exact text, 13800138000.0 as 13800138000."""
    match value:
        case None | str() | bool() | int():
            return value
        case float():
            if not math.isfinite(value):
                return None
            return int(value) if value.is_integer() and abs(value) < 1e15 else value
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case decimal.Decimal():
            return str(value)
        case list() | tuple():
            return [_json(item) for item in value]
        case dict():
            return {str(name): _json(item) for name, item in value.items()}
        case _:
            return str(value)


def _damaged(path: Path, error: Exception) -> ContractBroken:
    return ContractBroken(f"{path.name}: cannot be read as Parquet ({type(error).__name__}); it is damaged or cut off")
