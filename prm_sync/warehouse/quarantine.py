"""What is in quarantine, by what is wrong with it; and its records put up to be mapped again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

PUSH = "push"  #: `field` of a row that stands for a refused write, not for a record that could not be mapped


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which open rows; None: any. `before`: first seen before then; `since`: first seen since then."""

    connection: str | None = None
    stream: str | None = None
    entity: str | None = None
    field: str | None = None
    code: str | None = None
    klass: str | None = None
    ids: Sequence[str] | None = None
    before: datetime | None = None
    since: datetime | None = None
    push: bool | None = None  #: True: refused writes alone; False: without them

    def condition(self) -> tuple[str, dict[str, Any]]:
        """SQL over `q`, and its parameters."""
        parts, given = ["q.state = 'open'"], dict[str, Any]()
        for column, value in (
            ("connection", self.connection), ("stream", self.stream), ("entity", self.entity), ("field", self.field),
            ("code", self.code), ("class", self.klass),
        ):  # fmt: skip
            if value is not None:
                parts.append(f'q."{column}" = :q_{column}')
                given[f"q_{column}"] = value
        if self.ids is not None:
            parts.append("q.remote_id = ANY(:q_ids)")
            given["q_ids"] = list(self.ids)
        if self.before is not None:
            parts.append("q.first_seen_at < :q_before")
            given["q_before"] = self.before
        if self.since is not None:
            parts.append("q.first_seen_at >= :q_since")
            given["q_since"] = self.since
        if self.push is not None:
            parts.append(f"q.field {'=' if self.push else '<>'} '{PUSH}'")
        return " AND ".join(parts), given


def rows(tx: sa.Connection, chosen: Chosen, size: int) -> list[dict[str, Any]]:
    """The latest open rows."""
    condition, given = chosen.condition()
    return _dicts(
        tx,
        "SELECT connection, stream, remote_id, entity, field, code, class, reason, source, mapping_hash, "
        f"first_seen_at, last_seen_at FROM ops.quarantine q WHERE {condition} "
        "ORDER BY last_seen_at DESC, connection, stream, remote_id, field LIMIT :size",
        {**given, "size": size},
    )


def reasons(tx: sa.Connection, chosen: Chosen) -> list[dict[str, Any]]:
    """Open rows counted by what is wrong, the most frequent first."""
    condition, given = chosen.condition()
    return _dicts(
        tx,
        "SELECT connection, stream, entity, field, code, class, reason, count(*) AS n, min(first_seen_at) AS since "
        f"FROM ops.quarantine q WHERE {condition} GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY n DESC, 1, 2, 3, 4 LIMIT 50",
        given,
    )


def count(tx: sa.Connection, chosen: Chosen, last_seen_before: datetime | None = None) -> int:
    """How many open rows; those that were not renewed since a time where one is given."""
    condition, given = chosen.condition()
    if last_seen_before is not None:
        condition, given = f"{condition} AND q.last_seen_at < :q_seen", {**given, "q_seen": last_seen_before}
    statement = sa.text(f"SELECT count(*) FROM ops.quarantine q WHERE {condition}")
    return int(tx.execute(statement, given).scalar_one())


def entities(tx: sa.Connection, chosen: Chosen) -> list[str]:
    """The entities that the rows were to become."""
    condition, given = chosen.condition()
    statement = sa.text(f"SELECT DISTINCT entity FROM ops.quarantine q WHERE {condition} ORDER BY 1")
    return list(tx.execute(statement, given).scalars())


def put_up(tx: sa.Connection, chosen: Chosen) -> int:
    """Put the records behind all that was mapped, so that the next refine maps them again; how many.

    Raises the fences of their streams in the same transaction: a pull under way would pass over them; it stops instead.
    """
    condition, given = chosen.condition()
    tx.execute(
        sa.text(
            "UPDATE raw.cursor c SET fence = fence + 1, holder = 'replay' WHERE EXISTS (SELECT FROM ops.quarantine q "
            f"WHERE q.connection = c.connection AND q.stream = c.stream AND {condition})"
        ),
        given,
    )
    return tx.execute(
        sa.text(
            "UPDATE raw.record r SET seq = nextval('raw.record_seq') FROM (SELECT DISTINCT connection, stream, "
            f"remote_id FROM ops.quarantine q WHERE {condition}) q WHERE r.connection = q.connection "
            "AND r.stream = q.stream AND r.remote_id = q.remote_id"
        ),
        given,
    ).rowcount


def put_up_record(tx: sa.Connection, connection: str, stream: str, remote_id: str) -> None:
    """The same for one record, be it in quarantine or not."""
    key = {"c": connection, "s": stream, "id": remote_id}
    tx.execute(
        sa.text("UPDATE raw.cursor SET fence = fence + 1, holder = 'replay' WHERE connection = :c AND stream = :s"), key
    )
    tx.execute(
        sa.text(
            "UPDATE raw.record SET seq = nextval('raw.record_seq') "
            "WHERE connection = :c AND stream = :s AND remote_id = :id"
        ),
        key,
    )


def send_again(tx: sa.Connection, chosen: Chosen) -> int:
    """Set refused changes back to ready; how many."""
    condition, given = chosen.condition()
    return tx.execute(
        sa.text(
            "UPDATE ops.outbox o SET state = 'ready', next_try_at = NULL WHERE o.state = 'refused' AND EXISTS ("
            "SELECT FROM ops.quarantine q WHERE q.connection = o.connection AND q.stream = o.stream "
            f"AND q.remote_id IN (o.remote_id, o.target) AND {condition})"
        ),
        given,
    ).rowcount


def _dicts(tx: sa.Connection, query: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(r) for r in tx.execute(sa.text(query), given).mappings()]
