"""`core.echo`: how remotes show what we wrote there, and which of our writes were not read back yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa

from prm_sync.warehouse import bulk

Pairs = dict[str, dict[str, Any]]
"""Flat remote field -> {"wrote": our value, "shows": the remote's way of writing it}."""
_COLUMNS = ("remote_id", "connection", "stream", "read_upto", "shown")


@dataclass(slots=True)
class Written:
    """What we wrote to one record."""

    read_upto: int = 0  #: ops.write_log rows up to this id were read back
    shown: Pairs = field(default_factory=dict)
    unread: list[sa.Row[Any]] = field(default_factory=list)  #: field, old, new, at, id: confirmed, not read back yet
    doubtful: Mapping[str, Any] = field(default_factory=dict)  #: values that may have arrived


def is_written(tx: sa.Connection, connection: str, stream: str) -> bool:
    """Whether anything was ever meant to be written there: one look at an index."""
    return bool(
        tx.execute(
            sa.text("SELECT EXISTS (SELECT FROM ops.outbox WHERE connection = :c AND stream = :s)"),
            {"c": connection, "s": stream},
        ).scalar_one()
    )


def written(tx: sa.Connection, connection: str, stream: str, ids: Sequence[str]) -> dict[str, Written]:
    """What we wrote to these records, those only to which we did."""
    where = {"c": connection, "s": stream, "ids": list(ids)}
    of_these = "connection = :c AND stream = :s AND remote_id = ANY(:ids)"
    found = {
        r.remote_id: Written(r.read_upto, r.shown)
        for r in tx.execute(sa.text(f"SELECT remote_id, read_upto, shown FROM core.echo WHERE {of_these}"), where)
    }
    for row in tx.execute(
        sa.text(
            "SELECT w.remote_id, w.id, w.field, w.old, w.new, w.at FROM ops.write_log w "
            "LEFT JOIN core.echo e ON e.connection = w.connection AND e.stream = w.stream "
            "AND e.remote_id = w.remote_id WHERE w.connection = :c AND w.stream = :s AND w.remote_id = ANY(:ids) "
            "AND w.id > coalesce(e.read_upto, 0) AND w.field <> '*' ORDER BY w.id"
        ),
        where,
    ):
        found.setdefault(row.remote_id, Written()).unread.append(row)
    for row in tx.execute(
        sa.text(
            f"SELECT remote_id, values FROM ops.outbox WHERE {of_these} AND op = 'upsert' "
            "AND state NOT IN ('done', 'dropped') AND state IN ('sent', 'unknown', 'waiting')"
        ),
        where,
    ):
        found.setdefault(row.remote_id, Written()).doubtful = row[1]
    for row in tx.execute(  # made by us, and nobody told us its id: known by the field that it is matched by
        sa.text(
            "SELECT r.remote_id, o.values FROM ops.outbox o JOIN raw.record r ON r.connection = o.connection "
            "AND r.stream = o.stream AND r.remote_id = ANY(:ids) AND r.payload ->> o.match_field = o.match_value "
            "WHERE o.connection = :c AND o.stream = :s AND o.remote_id IS NULL AND o.op = 'upsert' "
            "AND o.state IN ('sent', 'unknown', 'waiting')"
        ),
        where,
    ):
        found.setdefault(row.remote_id, Written()).doubtful = row[1]
    return found


def keep(tx: sa.Connection, connection: str, stream: str, news: Mapping[str, Written]) -> None:
    """Keep what was read back of these records."""
    if not news:
        return
    rows = ((i, connection, stream, w.read_upto, msgspec.json.encode(w.shown).decode()) for i, w in news.items())
    bulk.stage(tx, "echoes", "core.echo", _COLUMNS, rows)
    tx.exec_driver_sql(
        f"INSERT INTO core.echo ({bulk.quoted(_COLUMNS)}) SELECT {bulk.quoted(_COLUMNS)} FROM pg_temp.echoes "
        "ORDER BY remote_id ON CONFLICT (remote_id, connection, stream) DO UPDATE "
        "SET read_upto = excluded.read_upto, shown = excluded.shown"
    )


def shown(tx: sa.Connection, connection: str, stream: str, ids: Sequence[str]) -> dict[str, Pairs]:
    """What these records show in a way of their own."""
    rows = tx.execute(
        sa.text(
            "SELECT remote_id, shown FROM core.echo WHERE connection = :c AND stream = :s AND remote_id = ANY(:ids) "
            "AND shown <> '{}'"
        ),
        {"c": connection, "s": stream, "ids": list(ids)},
    )
    return {r.remote_id: r.shown for r in rows}
