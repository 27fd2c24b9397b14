"""What each stream looked like (`ops.schema_snapshot`), and what of it is no longer as expected (`ops.drift`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The latest form of a stream. `fields` and `expected` are JSON by the field's name."""

    hash: str
    fields: Json
    expected: Json
    mapping_hash: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of `ops.drift` to be kept."""

    field: str
    kind: str
    severity: str
    before: Json | None
    after: Json | None
    concerns: Sequence[str]
    holds: bool
    message: str


def latest(tx: sa.Connection, connection: str, stream: str) -> Snapshot | None:
    row = tx.execute(
        sa.text(
            "SELECT hash, fields, expected, mapping_hash FROM ops.schema_snapshot "
            "WHERE connection = :c AND stream = :s ORDER BY seen_at DESC LIMIT 1"
        ),
        {"c": connection, "s": stream},
    ).one_or_none()
    return Snapshot(*row) if row is not None else None


def unchanged(tx: sa.Connection, connection: str, stream: str, hash_: str, mapping_hash: str | None) -> bool:
    """Whether the stream's latest form has this hash and was compared under these mappings; reads no more than that."""
    row = tx.execute(
        sa.text(
            "SELECT hash, mapping_hash FROM ops.schema_snapshot "
            "WHERE connection = :c AND stream = :s ORDER BY seen_at DESC LIMIT 1"
        ),
        {"c": connection, "s": stream},
    ).one_or_none()
    return row is not None and tuple(row) == (hash_, mapping_hash)


def keep_snapshot(tx: sa.Connection, connection: str, stream: str, at: datetime, snapshot: Snapshot) -> None:
    """Keep the form of a stream: a new row where it has another hash, else the latest one with what is expected now."""
    given = {
        "c": connection, "s": stream, "at": at, "hash": snapshot.hash, "mapping": snapshot.mapping_hash,
        "fields": _json(snapshot.fields), "expected": _json(snapshot.expected),
    }  # fmt: skip
    hit = tx.execute(
        sa.text(
            "UPDATE ops.schema_snapshot p SET expected = cast(:expected AS jsonb), mapping_hash = :mapping "
            "WHERE connection = :c AND stream = :s AND hash = :hash AND seen_at = (SELECT max(seen_at) "
            "FROM ops.schema_snapshot l WHERE l.connection = p.connection AND l.stream = p.stream)"
        ),
        given,
    ).rowcount
    if not hit:
        tx.execute(
            sa.text(
                "INSERT INTO ops.schema_snapshot (connection, stream, seen_at, hash, fields, expected, mapping_hash) "
                "VALUES (:c, :s, :at, :hash, cast(:fields AS jsonb), cast(:expected AS jsonb), :mapping) "
                "ON CONFLICT (connection, stream, seen_at) DO UPDATE SET hash = excluded.hash, "
                "fields = excluded.fields, expected = excluded.expected, mapping_hash = excluded.mapping_hash"
            ),
            given,
        )


def keep(tx: sa.Connection, connection: str, stream: str, rows: Sequence[Row], at: datetime) -> None:
    """Open, renew or note these findings. One that was accepted or mended before and is here again begins anew."""
    for r in rows:
        tx.execute(
            sa.text(
                "INSERT INTO ops.drift AS d (connection, stream, field, kind, severity, before, after, concerns, "
                "holds, message, state, first_seen_at, last_seen_at) VALUES (:c, :s, :field, :kind, :severity, "
                "cast(:before AS jsonb), cast(:after AS jsonb), :concerns, :holds, :message, :state, :at, :at) "
                "ON CONFLICT (connection, stream, field, kind) DO UPDATE SET severity = excluded.severity, "
                "before = excluded.before, after = excluded.after, concerns = excluded.concerns, "
                "holds = excluded.holds, message = excluded.message, state = excluded.state, "
                "last_seen_at = excluded.last_seen_at, decided_by = NULL, decided_at = NULL, "
                "first_seen_at = CASE WHEN d.state = 'open' THEN d.first_seen_at ELSE excluded.first_seen_at END"
            ),
            {
                "c": connection, "s": stream, "field": r.field, "kind": r.kind, "severity": r.severity,
                "before": _json(r.before), "after": _json(r.after), "concerns": list(r.concerns), "holds": r.holds,
                "message": r.message, "state": "noted" if r.severity == "info" else "open", "at": at,
            },
        )  # fmt: skip


def mend(
    tx: sa.Connection, connection: str, stream: str, still: Sequence[tuple[str, str]], at: datetime
) -> set[str]:
    """Open findings that are not among `still` (field, kind) are mended; the fields that were held by one of them."""
    rows = tx.execute(
        sa.text(
            "UPDATE ops.drift SET state = 'mended', last_seen_at = :at WHERE connection = :c AND stream = :s "
            "AND state = 'open' AND NOT (field || ' ' || kind = ANY(:still)) RETURNING field, holds"
        ),
        {"c": connection, "s": stream, "at": at, "still": [f"{field} {kind}" for field, kind in still]},
    ).all()
    return {r.field for r in rows if r.holds}


def holding(tx: sa.Connection, connection: str, stream: str) -> frozenset[str]:
    """The remote fields of which nothing is to be read for now."""
    rows = tx.execute(
        sa.text("SELECT field FROM ops.drift WHERE connection = :c AND stream = :s AND state = 'open' AND holds"),
        {"c": connection, "s": stream},
    )
    return frozenset(r[0] for r in rows)


def removed(db: sa.Engine, connection: str, stream: str) -> frozenset[str]:
    """The remote fields that are gone, or cannot be written any more: nothing is to be written to them for now."""
    with db.begin() as tx:
        rows = tx.execute(
            sa.text(
                "SELECT field FROM ops.drift WHERE connection = :c AND stream = :s AND state = 'open' "
                "AND kind IN ('removed', 'read_only')"
            ),
            {"c": connection, "s": stream},
        )
        return frozenset(r[0] for r in rows)


def listed(
    tx: sa.Connection, connection: str | None = None, stream: str | None = None, *, all_states: bool = False
) -> list[dict[str, Any]]:
    """Findings, the worst first; without `all_states` only those that are open."""
    rows = tx.execute(
        sa.text(
            "SELECT * FROM ops.drift WHERE (cast(:c AS text) IS NULL OR connection = :c) "
            "AND (cast(:s AS text) IS NULL OR stream = :s) AND (:all OR state = 'open') "
            "ORDER BY state <> 'open', severity, connection, stream, field, kind LIMIT 500"
        ),
        {"c": connection, "s": stream, "all": all_states},
    ).mappings()
    return [dict(r) for r in rows]


def accept(
    tx: sa.Connection, connection: str, stream: str, field: str | None, *, by: str, at: datetime
) -> list[sa.Row[Any]]:
    """The open findings of a field (None: of the stream) are as it is meant to be; rows of field, kind and holds."""
    return list(
        tx.execute(
            sa.text(
                "UPDATE ops.drift SET state = 'accepted', decided_by = :by, decided_at = :at "
                "WHERE connection = :c AND stream = :s AND (cast(:f AS text) IS NULL OR field = :f) "
                "AND state = 'open' RETURNING field, kind, holds"
            ),
            {"c": connection, "s": stream, "f": field, "by": by, "at": at},
        )
    )


def map_again(tx: sa.Connection, connection: str, stream: str) -> None:
    """The next refine maps all records of the stream again. A pull under way stops: it would not know of it."""
    tx.execute(
        sa.text(
            "UPDATE raw.cursor SET mapping_hash = NULL, fence = fence + 1, holder = 'drift' "
            "WHERE connection = :c AND stream = :s"
        ),
        {"c": connection, "s": stream},
    )


def all_expected(tx: sa.Connection) -> dict[tuple[str, str], Json]:
    """What is expected of each stream; nothing where the table is not there yet."""
    if not tx.execute(sa.text("SELECT to_regclass('ops.schema_snapshot') IS NOT NULL")).scalar_one():
        return {}
    rows = tx.execute(
        sa.text(
            "SELECT DISTINCT ON (connection, stream) connection, stream, expected FROM ops.schema_snapshot "
            "ORDER BY connection, stream, seen_at DESC"
        )
    )
    return {(r.connection, r.stream): r.expected for r in rows}


def _json(value: Json | None) -> str | None:
    return msgspec.json.encode(value).decode() if value is not None else None
