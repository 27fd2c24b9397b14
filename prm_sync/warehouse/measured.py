"""Entities that no remote system has: what measuring makes of others, and which partners each record is for.

Records are rows of `core.<entity>_source` like those of any connection; partners stand in `ledger.<entity>_audience`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from prm_sync.warehouse import bulk, source

CONNECTION = "prm_sync"  #: where they come from: no remote system
STAGED = "measured"  #: the temporary table of what is to be there: `remote_id` and the fields


def keep(
    tx: sa.Connection, entity: str, stream: str, fields: Sequence[str], now: datetime, *, stamps: Collection[str] = ()
) -> int:
    """Make the records say exactly what is in `STAGED`; how many changed. A change of `stamps` alone is none."""
    common = {"c": CONNECTION, "s": stream, "touched": source.change_number(tx, entity), "now": now}
    names, said = bulk.quoted(fields), [f for f in fields if f not in stamps]
    sets = ", ".join(f'"{f}" = excluded."{f}"' for f in fields)
    ours, theirs = (", ".join(f'{row}."{f}"' for f in said) for row in ("o", "excluded"))
    written = tx.execute(
        sa.text(
            f"INSERT INTO core.{entity}_source AS o (connection, stream, remote_id, touched, remote_time, {names}) "
            f"SELECT :c, :s, remote_id, :touched, :now, {names} FROM pg_temp.{STAGED} "
            "ON CONFLICT (remote_id, connection, stream) DO UPDATE SET touched = excluded.touched, deleted_at = NULL, "
            f"remote_time = excluded.remote_time, {sets} "
            f"WHERE ({ours}) IS DISTINCT FROM ({theirs}) OR o.deleted_at IS NOT NULL"
        ),
        common,
    ).rowcount
    gone = tx.execute(
        sa.text(
            f"UPDATE core.{entity}_source o SET deleted_at = :now, touched = :touched WHERE connection = :c "
            "AND stream = :s AND deleted_at IS NULL "
            f"AND NOT EXISTS (SELECT FROM pg_temp.{STAGED} t WHERE t.remote_id = o.remote_id)"
        ),
        common,
    ).rowcount
    return int(written + gone)


def keep_audience(tx: sa.Connection, entity: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Whom each is for, by all columns of `ledger.<entity>_audience`; those that are for others than before count as
    changed. How many did."""
    table, names = f"ledger.{entity}_audience", bulk.quoted(columns)
    bulk.stage(tx, "for_whom", table, columns, rows)
    same = " AND ".join(f'f."{c}" = a."{c}"' for c in columns)
    moved: set[str] = set()
    for statement in (
        f"DELETE FROM {table} a WHERE NOT EXISTS (SELECT FROM pg_temp.for_whom f WHERE {same})",
        f"INSERT INTO {table} ({names}) SELECT {names} FROM pg_temp.for_whom ON CONFLICT DO NOTHING",
    ):
        moved |= set(tx.exec_driver_sql(f"{statement} RETURNING {entity}_id").scalars())
    if moved:
        tx.execute(
            sa.text(f"UPDATE core.{entity} SET touched = :touched WHERE id = ANY(:ids)"),
            {"touched": source.change_number(tx, entity), "ids": sorted(moved)},
        )
    return len(moved)


def changed_since(tx: sa.Connection, tables: Iterable[str], after: int) -> bool:
    """Whether a row of these tables changed after that number."""
    parts = " OR ".join(f"EXISTS (SELECT FROM {table} WHERE touched > :after)" for table in tables)
    return bool(tx.execute(sa.text(f"SELECT {parts}"), {"after": after}).scalar_one())
