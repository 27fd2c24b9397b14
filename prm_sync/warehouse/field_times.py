"""`core.field_time`: when the fields of a remote record changed, kept for records that did change and for no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.warehouse import bulk

Ours = Mapping[str, Iterable[str]]
"""Remote id -> canonical fields that say what we wrote there ourselves."""
_RECORD = ("remote_id", "connection", "stream")


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One remote record of an entity, as survivorship sees it; `values` in field-table order."""

    connection: str
    stream: str
    remote_id: str
    arrived: int
    remote_time: datetime | None
    deleted_at: datetime | None
    values: tuple[Any, ...]
    base_time: datetime | None = None  #: see core.field_time
    changed: dict[str, Any] | None = None


def note(tx: sa.Connection, entity: str, fields: Sequence[str], ours: Ours, at: datetime) -> None:
    """Note which fields of pg_temp.changed differ from the rows that are there. Call it before they are overwritten.

    `at`: when records without a time of their own were seen to have changed.
    """
    theirs = (
        "jsonb_build_object('at', coalesce(c.remote_time, cast(:at AS timestamptz)), 'before', "
        "CASE WHEN jsonb_exists(k.changed -> v.name, 'before') THEN k.changed -> v.name -> 'before' ELSE v.old END)"
    )
    entry, join = theirs, ""
    if ours:
        _stage(tx, ours)
        entry = f"CASE WHEN o.field IS NULL THEN {theirs} ELSE jsonb_build_object('at', NULL) END"
        join = "LEFT JOIN pg_temp.ours o ON o.remote_id = c.remote_id AND o.field = v.name "
    before, after = (", ".join(f'{row}."{f}"' for f in fields) for row in ("s", "c"))
    old = "CASE WHEN s.\"{f}\" IS DISTINCT FROM c.\"{f}\" THEN coalesce(to_jsonb(s.\"{f}\"), 'null') END"
    values = ", ".join(f"('{f}', {old.format(f=f)})" for f in fields)
    tx.execute(
        sa.text(
            "INSERT INTO core.field_time AS t (remote_id, connection, stream, entity, base_time, changed) "
            "SELECT s.remote_id, s.connection, s.stream, :entity, s.remote_time, "
            f"(SELECT coalesce(jsonb_object_agg(v.name, {entry}), '{{}}') FROM (VALUES {values}) v(name, old) "
            f"{join} WHERE v.old IS NOT NULL) "
            f"FROM pg_temp.changed c JOIN core.{entity}_source s USING (connection, stream, remote_id) "
            "LEFT JOIN core.field_time k ON k.remote_id = s.remote_id AND k.connection = s.connection "
            "AND k.stream = s.stream AND k.entity = :entity "
            f"WHERE ROW({before}) IS DISTINCT FROM ROW({after}) ORDER BY s.remote_id "
            "ON CONFLICT (remote_id, connection, stream, entity) DO UPDATE SET changed = t.changed || excluded.changed"
        ),
        {"entity": entity, "at": at},
    )


def note_made(tx: sa.Connection, entity: str, connection: str, stream: str, ours: Ours) -> None:
    """Note of records that are new what in them repeats our own write: we made them, or wrote before they were read."""
    _stage(tx, ours)
    tx.execute(
        sa.text(
            "INSERT INTO core.field_time (remote_id, connection, stream, entity, base_time, changed) "
            "SELECT s.remote_id, s.connection, s.stream, :entity, s.remote_time, "
            "jsonb_object_agg(o.field, jsonb_build_object('at', NULL)) FROM pg_temp.ours o "
            f"JOIN core.{entity}_source s ON s.remote_id = o.remote_id AND s.connection = :c AND s.stream = :s "
            "GROUP BY s.remote_id, s.connection, s.stream, s.remote_time ORDER BY s.remote_id ON CONFLICT DO NOTHING"
        ),
        {"entity": entity, "c": connection, "s": stream},
    )


def _stage(tx: sa.Connection, ours: Ours) -> None:
    tx.exec_driver_sql("DROP TABLE IF EXISTS pg_temp.ours")
    tx.exec_driver_sql("CREATE TEMP TABLE ours (remote_id text, field text) ON COMMIT DROP")
    bulk.copy(tx, "pg_temp.ours", ("remote_id", "field"), ((r, f) for r, fields in ours.items() for f in fields))


def settle(tx: sa.Connection, entity: str, settled: Iterable[tuple[str, str, str, str, str | None]]) -> None:
    """All systems agree on these (remote id, connection, stream, field, time): the next change counts from there.

    A record that is being written meanwhile is left alone: it is looked at again anyhow.
    """
    tx.exec_driver_sql("DROP TABLE IF EXISTS pg_temp.settled")
    tx.exec_driver_sql(
        "CREATE TEMP TABLE settled (remote_id text, connection text, stream text, field text, at text) ON COMMIT DROP"
    )
    bulk.copy(tx, "pg_temp.settled", (*_RECORD, "field", "at"), settled)
    tx.execute(
        sa.text(
            "UPDATE core.field_time t SET changed = t.changed || n.agreed FROM ("
            " SELECT k.remote_id, k.connection, k.stream, (SELECT coalesce(jsonb_object_agg(s.field, "
            "   (k.changed -> s.field) - 'before'), '{}') FROM pg_temp.settled s "
            "  WHERE (s.remote_id, s.connection, s.stream) = (k.remote_id, k.connection, k.stream) "
            "  AND k.changed -> s.field ->> 'at' IS NOT DISTINCT FROM s.at) AS agreed "
            " FROM core.field_time k WHERE k.entity = :entity AND (k.remote_id, k.connection, k.stream) IN "
            "  (SELECT remote_id, connection, stream FROM pg_temp.settled) FOR UPDATE SKIP LOCKED) n "
            "WHERE t.entity = :entity "
            "AND (t.remote_id, t.connection, t.stream) = (n.remote_id, n.connection, n.stream)"
        ),
        {"entity": entity},
    )


def settled_rows(members: Sequence[MemberRow], field: str) -> list[tuple[str, str, str, str, str | None]]:
    """Of these records of one entity, what `settle` takes: those that had changed the field."""
    return [
        (m.remote_id, m.connection, m.stream, field, m.changed[field]["at"])
        for m in members if m.changed and "before" in m.changed.get(field, ())
    ]  # fmt: skip
