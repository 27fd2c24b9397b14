"""Plans: what was to be changed in one go, kept with every change as long as a person may still approve it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec
import sqlalchemy as sa

from prm_sync.warehouse import bulk
from prm_sync.warehouse.outbox import Intent

State: TypeAlias = Literal["shown", "held", "released", "approved", "applied", "superseded"]
OPEN: tuple[State, ...] = ("held", "shown")  #: those that can be approved
SHOWN: tuple[State, ...] = ("shown",)
_CHANGES = (
    "plan_id", "token", "entity_id", "target", "op", "creates", "remote_id", "match_field", "match_value", "values",
    "before", "after", "shared", "partner_key",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlanHead:
    """One plan without its changes. `id` is the beginning of `hash`, which is made of every change."""

    id: str
    hash: str
    connection: str
    stream: str
    entity: str
    counts: Mapping[str, int]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def keep(
    tx: sa.Connection, head: PlanHead, intents: Sequence[Intent], *,
    state: State, reason: str | None, run_id: str | None, now: datetime,
) -> None:  # fmt: skip
    """Keep a plan; with its changes where a person is to decide. The same plan again takes up its old row.

    One that is only shown leaves a held one held.
    """
    tx.execute(
        sa.text(
            "INSERT INTO ops.plan AS p (id, hash, connection, stream, entity, state, counts, reason, created_at, "
            "run_id) VALUES (:id, :hash, :c, :s, :e, :state, cast(:counts AS jsonb), :reason, :now, :run) "
            "ON CONFLICT (id) DO UPDATE SET counts = excluded.counts, "
            "state = CASE WHEN p.state = 'held' AND :state = 'shown' THEN p.state ELSE excluded.state END, "
            "reason = CASE WHEN p.state = 'held' AND :state = 'shown' THEN p.reason ELSE excluded.reason END, "
            "run_id = coalesce(excluded.run_id, p.run_id)"
        ),
        {"id": head.id, "hash": head.hash, "c": head.connection, "s": head.stream, "e": head.entity, "state": state,
         "counts": _json(dict(head.counts)), "reason": reason, "now": now, "run": run_id},
    )  # fmt: skip
    if state not in OPEN or _has_changes(tx, head.id):
        return
    rows = (
        (head.id, i.token, i.entity_id, i.target, i.op, i.creates, i.remote_id, i.match[0] if i.match else None,
         i.match[1] if i.match else None, _json(i.values), _json(i.before), _json(i.after), list(i.shared),
         i.partner_key)
        for i in intents
    )  # fmt: skip
    bulk.copy(tx, "ops.plan_change", _CHANGES, rows)


def _has_changes(tx: sa.Connection, plan_id: str) -> bool:
    found = sa.text("SELECT EXISTS (SELECT FROM ops.plan_change WHERE plan_id = :id)")
    return bool(tx.execute(found, {"id": plan_id}).scalar_one())


def supersede(
    tx: sa.Connection, connection: str, stream: str, entity: str, states: Collection[State], *, but: str = ""
) -> None:
    """A new plan takes the place of those that nobody approved; their changes are forgotten."""
    params = {"c": connection, "s": stream, "e": entity, "states": list(states), "but": but}
    tx.execute(
        sa.text(
            "WITH old AS (UPDATE ops.plan SET state = 'superseded' WHERE connection = :c AND stream = :s "
            "AND (entity = :e OR entity IS NULL) AND state = ANY(:states) AND id <> :but RETURNING id) "
            "DELETE FROM ops.plan_change WHERE plan_id IN (SELECT id FROM old)"
        ),
        params,
    )


def find(tx: sa.Connection, plan_id: str) -> sa.Row[Any] | None:
    return tx.execute(sa.text("SELECT * FROM ops.plan WHERE id = :id"), {"id": plan_id}).one_or_none()


def changes(tx: sa.Connection, plan_id: str) -> Sequence[sa.Row[Any]]:
    """Every change of a plan that is shown or held."""
    return tx.execute(
        sa.text("SELECT * FROM ops.plan_change WHERE plan_id = :id ORDER BY entity_id, target"), {"id": plan_id}
    ).all()


def latest(tx: sa.Connection, limit: int, states: Collection[State] = ()) -> Sequence[sa.Row[Any]]:
    """Plans, the newest first: those in these states, or all."""
    return tx.execute(
        sa.text(
            "SELECT id, connection, stream, entity, state, counts, reason, created_at, approved_at, approved_by "
            "FROM ops.plan WHERE state = ANY(:states) OR cardinality(cast(:states AS text[])) = 0 "
            "ORDER BY created_at DESC, id LIMIT :limit"
        ),
        {"states": list(states), "limit": limit},
    ).all()


def approve(tx: sa.Connection, plan_id: str, who: str, now: datetime) -> None:
    """Note who released it. Its changes are in the outbox from now on."""
    params = {"id": plan_id, "now": now, "who": who}
    tx.execute(
        sa.text("UPDATE ops.plan SET state = 'approved', approved_at = :now, approved_by = :who WHERE id = :id"), params
    )
    tx.execute(sa.text("DELETE FROM ops.plan_change WHERE plan_id = :id"), params)
