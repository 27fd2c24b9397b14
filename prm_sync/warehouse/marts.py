"""Rows that measuring makes: kept as they are told, touched only where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.warehouse import bulk


def keep(
    tx: sa.Connection, table: str, key: Sequence[str], columns: Sequence[str], rows: Iterable[Sequence[Any]], *,
    touched: int, now: datetime, among: str = "TRUE", given: Mapping[str, Any] | None = None,
) -> int:  # fmt: skip
    """Make the mart say these rows, in the order of `columns`; returns how many differ from before.

    Of the rows `among` (SQL on `s`, with `given`) those that are not told any more go.
    """
    bulk.stage(tx, "told", table, columns, rows)
    names, own = ", ".join(columns), [c for c in columns if c not in key]
    ours, theirs = (", ".join(f"{row}.{c}" for c in own) for row in ("s", "excluded"))
    gone = tx.execute(
        sa.text(
            f"DELETE FROM {table} s WHERE {among} AND NOT EXISTS (SELECT FROM pg_temp.told t "
            f"WHERE {' AND '.join(f't.{c} = s.{c}' for c in key)})"
        ),
        dict(given or {}),
    ).rowcount
    made = tx.execute(
        sa.text(
            f"INSERT INTO {table} AS s ({names}, as_of, touched) SELECT {names}, :now, :touched FROM pg_temp.told "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET "
            f"{', '.join(f'{c} = excluded.{c}' for c in (*own, 'as_of', 'touched'))} "
            f"WHERE ({ours}) IS DISTINCT FROM ({theirs})"
        ),
        {"now": now, "touched": touched},
    ).rowcount
    return int(made) + int(gone)
