"""Canonical rows of remote records (`core.<entity>_source`), and the quarantine of what could not be one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from prm_sync.warehouse import bulk, field_times
from prm_sync.warehouse.db import lock
from prm_sync.warehouse.field_times import Ours
from prm_sync.warehouse.records import Trouble
from prm_sync.warehouse.tables import MATCH_KEYS

HEAD = ("connection", "stream", "remote_id", "remote_time", "deleted_at", *MATCH_KEYS)
KEY = ("connection", "stream", "remote_id")
Row = tuple[Any, ...]  #: HEAD, and the columns of its mapping


def change_number(tx: sa.Connection, entity: str) -> int:
    """A new change number, under the entity's lock: numbers of one entity become visible in their order."""
    lock(tx, f"change:{entity}")
    return int(tx.exec_driver_sql("SELECT nextval('core.change_seq')").scalar_one())


def mark(db: sa.Engine, *entities: str) -> int:
    """The newest change number up to which all changes of these entities are committed."""
    return min(_mark(db, entity) for entity in entities)


def _mark(db: sa.Engine, entity: str) -> int:
    with db.begin() as tx:  # of its own: nobody is waited for while the locks of another entity are held
        lock(tx, f"change:{entity}")
        lock(tx, f"golden:{entity}")  # golden records get their numbers while pages go on being staged
        return int(tx.exec_driver_sql("SELECT last_value FROM core.change_seq").scalar_one())


def add(tx: sa.Connection, entity: str, columns: Sequence[str], lines: bytes) -> None:
    """Keep canonical rows that are known not to be there yet: HEAD + `columns`, as `copyformat.lines` makes them."""
    touched = change_number(tx, entity)
    bulk.copy_lines(tx, f"core.{entity}_source", (*HEAD, *columns, "touched"), lines, last=touched)


def write(
    tx: sa.Connection, entity: str, columns: Sequence[str], unfilled: Sequence[str],
    new: Sequence[Row], changed: Sequence[Row], *,
    ours: Ours | None, at: datetime, differing: bool = False,
) -> int:  # fmt: skip
    """Keep canonical rows, each HEAD + `columns`; `new` ones are known not to be there yet.

    `unfilled` are the entity's other columns: empty. Returns the change number that all the rows get.
    `ours`: fields by remote id that say what we wrote there, and are no change; None: nothing here is a change.
    `differing`: leave rows alone that say the same already. Only where their records have not changed either: push
    compares a record with what should be in it whenever its row is touched.
    """
    table, all_columns = f"core.{entity}_source", (*HEAD, *columns, "touched")
    touched = change_number(tx, entity)
    if new:
        bulk.copy(tx, table, all_columns, ((*row, touched) for row in new))
        if ours:
            made = {row[2]: ours[row[2]] for row in new if row[2] in ours}
            field_times.note_made(tx, entity, new[0][0], new[0][1], made)
    if changed:
        bulk.stage(tx, "changed", table, all_columns, ((*row, touched) for row in changed))
        sets = ", ".join(
            [f'"{c}" = excluded."{c}"' for c in all_columns if c not in (*KEY, "remote_time")]
            + [f'"{c}" = NULL' for c in unfilled]
        )
        said = [c for c in columns if c != f"prm_{entity}_id"]
        if ours is not None:
            field_times.note(tx, entity, said, ours, at)
        before, after = (", ".join(f'{row}."{c}"' for c in said) for row in ("s", "excluded"))
        # A record that says nothing new keeps its time: the echo of our own write must not make it the latest.
        tx.exec_driver_sql(
            f"INSERT INTO {table} AS s ({bulk.quoted(all_columns)}) "
            f"SELECT {bulk.quoted(all_columns)} FROM pg_temp.changed "
            f"ON CONFLICT (connection, stream, remote_id) DO UPDATE SET {sets}, remote_time = "
            f"CASE WHEN s.deleted_at IS NULL AND ROW({before}) IS NOT DISTINCT FROM ROW({after}) "
            "THEN s.remote_time ELSE excluded.remote_time END"
            + (f" WHERE {_differs((*MATCH_KEYS, *columns), unfilled)}" if differing else "")
        )
    return touched


def _differs(columns: Sequence[str], unfilled: Sequence[str]) -> str:
    """Whether the row `s` is not what it would be made: SQL."""
    ours, theirs = (", ".join(f'{row}."{c}"' for c in columns) for row in ("s", "excluded"))
    filled = "".join(f' OR s."{c}" IS NOT NULL' for c in unfilled)
    return f"s.deleted_at IS NOT NULL OR ROW({ours}) IS DISTINCT FROM ROW({theirs}){filled}"


def mark_deleted(
    tx: sa.Connection, entity: str, connection: str, stream: str, ids: Sequence[str], at: datetime, touched: int
) -> int:
    """Note that these remote records are gone; returns how many rows it concerns."""
    return tx.execute(
        sa.text(
            f"UPDATE core.{entity}_source SET deleted_at = :at, touched = :touched "
            "WHERE connection = :c AND stream = :s AND remote_id = ANY(:ids) AND deleted_at IS NULL"
        ),
        {"at": at, "touched": touched, "c": connection, "s": stream, "ids": list(ids)},
    ).rowcount


def touch(tx: sa.Connection, entity: str, connection: str, stream: str, ids: Sequence[str], touched: int) -> None:
    """Let refine look at these remote records again, though nothing of them has changed."""
    tx.execute(
        sa.text(
            f"UPDATE core.{entity}_source SET touched = :touched "
            "WHERE connection = :c AND stream = :s AND remote_id = ANY(:ids)"
        ),
        {"touched": touched, "c": connection, "s": stream, "ids": list(ids)},
    )


def values_held(
    tx: sa.Connection, entity: str, connection: str, stream: str, ids: Iterable[str], columns: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """The canonical values that these records had so far: what a field keeps while its new value is in quarantine."""
    rows = tx.execute(
        sa.text(
            f"SELECT remote_id, {bulk.quoted(columns)} FROM core.{entity}_source "
            "WHERE connection = :c AND stream = :s AND remote_id = ANY(:ids)"
        ),
        {"c": connection, "s": stream, "ids": list(ids)},
    ).mappings()
    return {r["remote_id"]: dict(r) for r in rows}


def quarantine(
    tx: sa.Connection, connection: str, stream: str, entity: str, troubles: Sequence[Trouble], *,
    mapping_hash: str | None, at: datetime, run_id: str,
) -> None:  # fmt: skip
    """Open a quarantine row for each trouble, or renew the one that is there."""
    if not troubles:
        return
    own = ("remote_id", "field", "code", "class", "reason", "source")
    rows = {
        (t.remote_id, t.field): dict(zip(own, (t.remote_id, t.field, t.code, t.klass, t.reason, t.source), strict=True))
        for t in troubles
    }  # fmt: skip
    common = {
        "connection": connection, "stream": stream, "entity": entity, "mapping_hash": mapping_hash, "run_id": run_id,
        "state": "open", "first_seen_at": at, "last_seen_at": at,
    }  # fmt: skip
    key = ("connection", "stream", "remote_id", "entity", "field")
    columns = (*own, *common)
    sets = ", ".join(f'"{c}" = excluded."{c}"' for c in columns if c not in (*key, "first_seen_at"))
    typed = ", ".join(f'"{c}" text' for c in own)
    tx.execute(  # not by a temporary table: making and dropping one with each page cost more than its rows
        sa.text(
            f"INSERT INTO ops.quarantine ({bulk.quoted(columns)}) "
            f"SELECT {bulk.quoted(own)}, {', '.join(f':{c}' for c in common)} "
            f"FROM json_to_recordset(cast(:rows AS json)) AS t ({typed}) "
            f"ON CONFLICT ({bulk.quoted(key)}) DO UPDATE SET {sets}"
        ),
        {**common, "rows": msgspec.json.encode(list(rows.values())).decode()},
    )


def resolve_quarantine(
    tx: sa.Connection, connection: str, stream: str, entity: str, ids: Sequence[str], at: datetime, *,
    push: bool = False,
) -> int:  # fmt: skip
    """Close the open rows of these records: they went through. `push`: those of refused writes, else of mapping."""
    if not ids:
        return 0
    return tx.execute(
        sa.text(
            "UPDATE ops.quarantine SET state = 'resolved', last_seen_at = :at WHERE connection = :c AND stream = :s "
            "AND entity = :e AND remote_id = ANY(:ids) AND state = 'open' AND (field = 'push') = :push"
        ),
        {"at": at, "c": connection, "s": stream, "e": entity, "ids": list(ids), "push": push},
    ).rowcount
