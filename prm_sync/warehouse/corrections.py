"""Corrections of remote records that people have made: `ops.correction`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

SOURCE = "source"  #: `ended_by` of a correction that the source has overtaken


def of_records(tx: sa.Connection, connection: str, stream: str, ids: Sequence[str]) -> Mapping[str, list[sa.Row[Any]]]:
    """The corrections that apply to these records, by remote id: rows of field, value, was."""
    if not ids:
        return {}
    found: dict[str, list[sa.Row[Any]]] = {}
    for row in tx.execute(
        sa.text(
            "SELECT remote_id, field, value, was FROM ops.correction "
            "WHERE connection = :c AND stream = :s AND remote_id = ANY(:ids) AND ended_at IS NULL ORDER BY field"
        ),
        {"c": connection, "s": stream, "ids": list(ids)},
    ):
        found.setdefault(row.remote_id, []).append(row)
    return found


def keep(
    tx: sa.Connection, connection: str, stream: str, remote_id: str, field: str, *,
    value: Any, was: bytes, by: str, at: datetime, note: str | None,
) -> None:  # fmt: skip
    """Remember a correction; one of the same field before it is replaced."""
    tx.execute(
        sa.text(
            "INSERT INTO ops.correction (connection, stream, remote_id, field, value, was, made_by, made_at, note) "
            "VALUES (:c, :s, :id, :field, cast(:value AS jsonb), :was, :by, :at, :note) "
            "ON CONFLICT (remote_id, connection, stream, field) DO UPDATE SET value = excluded.value, "
            "was = excluded.was, made_by = excluded.made_by, made_at = excluded.made_at, note = excluded.note, "
            "ended_at = NULL, ended_by = NULL"
        ),
        {
            "c": connection, "s": stream, "id": remote_id, "field": field, "was": was, "by": by, "at": at, "note": note,
            "value": msgspec.json.encode(value).decode(),
        },
    )  # fmt: skip


def end(
    tx: sa.Connection, connection: str, stream: str, remote_id: str, fields: Sequence[str] | None, *,
    by: str, at: datetime,
) -> list[str]:  # fmt: skip
    """The corrections of these fields (None: all of the record) apply no more; the fields of those that did."""
    return list(
        tx.execute(
            sa.text(
                "UPDATE ops.correction SET ended_at = :at, ended_by = :by WHERE connection = :c AND stream = :s "
                "AND remote_id = :id AND (:all OR field = ANY(:fields)) AND ended_at IS NULL RETURNING field"
            ),
            {
                "c": connection, "s": stream, "id": remote_id, "by": by, "at": at,
                "all": fields is None, "fields": list(fields or ()),
            },
        ).scalars()
    )  # fmt: skip


def listed(tx: sa.Connection, connection: str | None, stream: str | None, size: int) -> list[dict[str, Any]]:
    """The latest corrections, those that are over too; without their values."""
    rows = tx.execute(
        sa.text(
            "SELECT connection, stream, remote_id, field, made_by, made_at, note, ended_at, ended_by "
            "FROM ops.correction WHERE (cast(:c AS text) IS NULL OR connection = :c) "
            "AND (cast(:s AS text) IS NULL OR stream = :s) ORDER BY made_at DESC, remote_id, field LIMIT :size"
        ),
        {"c": connection, "s": stream, "size": size},
    ).mappings()
    return [dict(r) for r in rows]
