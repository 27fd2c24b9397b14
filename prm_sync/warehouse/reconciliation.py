"""What a stream is in the warehouse, to be compared with what it is in the remote; and what came of comparing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from prm_sync.canonical.model import Entity, Kind
from prm_sync.warehouse import bulk, raw
from prm_sync.warehouse.source import HEAD
from prm_sync.warehouse.tables import MATCH_KEYS

MATCH_KEY = "match key"  #: stands for the columns of the match keys in the fields that differ


@dataclass(frozen=True, slots=True)
class Kept:
    """One row of `ops.reconciliation`. `counts` by its columns; `samples`: {kind: {id: fields}}."""

    run_id: str
    connection: str
    stream: str
    at: datetime
    complete: bool
    counts: Mapping[str, int]
    samples: Mapping[str, Mapping[str, Sequence[str]]]


def standing(db: sa.Engine, connection: str, stream: str, *, key: str, modified: str | None) -> raw.StreamState:
    """How far a stream is, without taking it from anybody: nothing can be written with this."""
    with db.begin() as tx:
        row = tx.execute(
            sa.text(
                "SELECT cursor, mapped_seq, mapping_hash, records FROM raw.cursor WHERE connection = :c AND stream = :s"
            ),
            {"c": connection, "s": stream},
        ).one()
    return raw.StreamState(
        connection, stream, row.cursor, -1, row.mapped_seq, row.mapping_hash, row.records, behind=False,
        key=key, modified=modified, only_new=False,
    )  # fmt: skip


def read_at(tx: sa.Connection, connection: str, stream: str) -> datetime | None:
    """When the last read of the stream that came to its end began."""
    statement = sa.text("SELECT read_at FROM raw.cursor WHERE connection = :c AND stream = :s")
    at: datetime | None = tx.execute(statement, {"c": connection, "s": stream}).scalar_one_or_none()
    return at


def live(tx: sa.Connection, connection: str, stream: str) -> int:
    """Records of the stream that are there."""
    statement = sa.text(
        "SELECT count(*) FROM raw.record WHERE connection = :c AND stream = :s AND deleted_at IS NULL"
    )
    return int(tx.execute(statement, {"c": connection, "s": stream}).scalar_one())


def differing(
    tx: sa.Connection, entity: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> dict[str, list[str]]:
    """Of canonical rows as they should be: the ids whose row is another one, with the fields; no fields: no row."""
    if not rows:
        return {}
    table, all_columns = f"core.{entity}_source", (*HEAD, *columns)
    bulk.stage(tx, "expected", table, all_columns, rows)
    compared = [*((k, MATCH_KEY) for k in MATCH_KEYS), *((c, c) for c in columns)]
    other = ", ".join(f"CASE WHEN s.\"{c}\" IS DISTINCT FROM e.\"{c}\" THEN '{told}' END" for c, told in compared)
    ours, theirs = (", ".join(f'{row}."{c}"' for c, _ in compared) for row in ("s", "e"))
    found = tx.exec_driver_sql(
        "SELECT e.remote_id, s.remote_id IS NULL OR s.deleted_at IS NOT NULL AS absent, "
        f"array_remove(ARRAY[{other}], NULL) AS fields FROM pg_temp.expected e LEFT JOIN {table} s "
        "ON s.connection = e.connection AND s.stream = e.stream AND s.remote_id = e.remote_id "
        f"WHERE s.remote_id IS NULL OR s.deleted_at IS NOT NULL OR ROW({ours}) IS DISTINCT FROM ROW({theirs})"
    ).all()
    tx.exec_driver_sql("DROP TABLE pg_temp.expected")
    return {r.remote_id: [] if r.absent else list(dict.fromkeys(r.fields)) for r in found}


def still_there(tx: sa.Connection, entity: str, connection: str, stream: str, ids: Sequence[str]) -> list[str]:
    """Those of these records that have a live canonical row."""
    statement = sa.text(
        f"SELECT remote_id FROM core.{entity}_source "
        "WHERE connection = :c AND stream = :s AND remote_id = ANY(:ids) AND deleted_at IS NULL"
    )
    return list(tx.execute(statement, {"c": connection, "s": stream, "ids": list(ids)}).scalars())


def golden_differing(
    tx: sa.Connection, entity: Entity, connection: str, stream: str, ids: Sequence[str]
) -> dict[str, list[str]]:
    """Those of these records of which a golden record has another value, though its provenance names the record.

    The field is `*` where the golden record is not there. A field about which a conflict is open, or was decided by a
    person, has no origin to be held to.
    """
    amounts = {f.name for f in entity.fields if f.kind is Kind.MONEY}
    tied = amounts | {f.given for f in entity.fields if f.name in amounts}  # one without the other does not survive
    parts = []
    for f in entity.fields:
        here = f"coalesce(g.provenance ->> '{f.name}', g.provenance ->> '*') = m.name"
        known = f'g."{f.name}" IS NOT NULL AND ' if f.name in tied else ""
        empty = f"nullif(nullif(s.\"{f.name}\"::text, ''), '{{}}') IS NULL AND g.\"{f.name}\" IS NULL"
        parts.append(
            f"CASE WHEN {known}{here} AND NOT coalesce('{f.name}' = ANY(h.fields), false) "
            f'AND g."{f.name}" IS DISTINCT FROM s."{f.name}" AND NOT ({empty}) '
            f"THEN '{f.name}' END"
        )
    found = tx.execute(
        sa.text(
            "SELECT remote_id, CASE WHEN id IS NULL THEN ARRAY['*'] ELSE fields END AS fields "
            f"FROM (SELECT s.remote_id, g.id, g.merged_into, array_remove(ARRAY[{', '.join(parts)}], NULL) AS fields "
            f'FROM core.crosswalk x LEFT JOIN core."{entity.name}" g ON g.id = x.entity_id '
            f"JOIN core.{entity.name}_source s ON s.connection = x.connection AND s.stream = x.stream "
            "AND s.remote_id = x.remote_id AND s.deleted_at IS NULL "
            "CROSS JOIN LATERAL (SELECT x.connection || '/' || x.stream || '/' || x.remote_id AS name) m "
            "CROSS JOIN LATERAL (SELECT array_agg(c.field) AS fields FROM ops.conflict c WHERE c.entity = :e "
            "AND c.entity_id = g.id AND (c.state = 'open' OR c.in_force)) h "
            "WHERE x.entity = :e AND x.connection = :c AND x.stream = :s AND x.remote_id = ANY(:ids)) q "
            "WHERE merged_into IS NULL AND (id IS NULL OR fields <> '{}')"
        ),
        {"e": entity.name, "c": connection, "s": stream, "ids": list(ids)},
    ).all()
    return {r.remote_id: list(r.fields) for r in found}


def arrived_before(tx: sa.Connection, entity: str, connection: str, stream: str, ids: Sequence[str]) -> None:
    """Give rows that had to be made again an arrival number of before: a new one says that nobody knows the record.

    It is the one that it had, where its golden record had no other; else the next that is free.
    """
    again = tx.execute(
        sa.text(
            "SELECT s.arrived, p.upto AS seen, coalesce(g.arrived, 1) AS oldest "
            f"FROM core.{entity}_source s JOIN core.progress p ON p.step = :step AND s.arrived > p.upto "
            "JOIN core.crosswalk x ON x.entity = :e AND x.connection = s.connection AND x.stream = s.stream "
            f'AND x.remote_id = s.remote_id LEFT JOIN core."{entity}" g ON g.id = x.entity_id '
            "WHERE s.connection = :c AND s.stream = :s AND s.remote_id = ANY(:ids) ORDER BY s.arrived"
        ),
        {"step": f"refined:{entity}", "e": entity, "c": connection, "s": stream, "ids": list(ids)},
    ).all()
    for row in again:
        tx.execute(
            sa.text(
                f"UPDATE core.{entity}_source SET arrived = ("
                "SELECT n FROM generate_series(cast(:oldest AS bigint), :seen) n "
                f"WHERE NOT EXISTS (SELECT FROM core.{entity}_source o WHERE o.arrived = n) LIMIT 1) "
                "WHERE arrived = :arrived"
            ),
            {"oldest": row.oldest, "seen": row.seen, "arrived": row.arrived},
        )


def distrust(tx: sa.Connection, connection: str, stream: str, ids: Sequence[str]) -> None:
    """Forget the hashes of these records: whatever is staged for them next is news."""
    tx.execute(
        sa.text(
            "UPDATE raw.record SET hash = '' WHERE connection = :c AND stream = :s AND remote_id = ANY(:ids)"
        ),
        {"c": connection, "s": stream, "ids": list(ids)},
    )


def keep(tx: sa.Connection, kept: Kept) -> None:
    names = list(kept.counts)
    tx.execute(
        sa.text(
            f"INSERT INTO ops.reconciliation (run_id, connection, stream, at, complete, samples, {', '.join(names)}) "
            f"VALUES (:run, :c, :s, :at, :complete, cast(:samples AS jsonb), {', '.join(f':{n}' for n in names)})"
        ),
        {
            "run": kept.run_id, "c": kept.connection, "s": kept.stream, "at": kept.at, "complete": kept.complete,
            "samples": msgspec.json.encode(kept.samples).decode(), **kept.counts,
        },
    )  # fmt: skip


def last(tx: sa.Connection, connection: str | None = None, stream: str | None = None) -> list[dict[str, Any]]:
    """The last reconciliation of each stream."""
    rows = tx.execute(
        sa.text(
            "SELECT DISTINCT ON (connection, stream) * FROM ops.reconciliation "
            "WHERE (cast(:c AS text) IS NULL OR connection = :c) AND (cast(:s AS text) IS NULL OR stream = :s) "
            "ORDER BY connection, stream, at DESC"
        ),
        {"c": connection, "s": stream},
    ).mappings()
    return [dict(r) for r in rows]
