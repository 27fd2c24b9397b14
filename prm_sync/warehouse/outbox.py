"""What is to be written to remote systems: intents before the call, outcomes after it, and the log of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from prm_sync.warehouse import bulk, disclosures
from prm_sync.warehouse.disclosures import Left


@dataclass(slots=True)
class Intent:
    """One change for one remote record. `target` names that record on our side: its remote id, or an offer's key."""

    entity: str
    entity_id: str
    target: str
    op: str  #: upsert or delete
    values: Mapping[str, Any]
    before: Mapping[str, Any]  #: changed fields as observed (flat names)
    after: Mapping[str, Any]  #: the same as desired
    remote_id: str | None
    match: tuple[str, str] | None
    token: str
    left: tuple[Left, ...] = ()  #: what leaves for a partner
    revoked: tuple[str, ...] = ()  #: canonical fields that are taken back from one
    partner_key: str | None = None
    creates: bool = field(default=False)

    @property
    def shared(self) -> tuple[str, ...]:
        """Canonical fields that leave for a partner."""
        return tuple(dict.fromkeys(name for left in self.left for name in left.fields))


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def keep(
    tx: sa.Connection, connection: str, stream: str, intents: Sequence[Intent], *,
    plan_id: str | None, now: datetime,
) -> int:  # fmt: skip
    """Write the intents down, ready to be sent; one that is on its way already (same token) stays as it is.

    An older intent for the same target that was never settled is dropped: this one says what is wanted now. One that
    was dropped before, and is wanted again, takes up its old row; one that waited until its record was read again is
    told what was read. Returns how many are new.
    """
    if not intents:
        return 0
    columns = (
        "token", "connection", "stream", "entity", "entity_id", "target", "op", "values", "before", "after",
        "match_field", "match_value", "remote_id", "state", "plan_id", "created_at", "revoked",
    )  # fmt: skip
    rows = (
        (
            i.token, connection, stream, i.entity, i.entity_id, i.target, i.op, _json(i.values), _json(i.before),
            _json(i.after), i.match[0] if i.match else None, i.match[1] if i.match else None, i.remote_id, "ready",
            plan_id, now, list(i.revoked) or None,
        )
        for i in intents
    )  # fmt: skip
    bulk.stage(tx, "intents", "ops.outbox", columns, rows)
    tx.exec_driver_sql(
        "UPDATE ops.outbox o SET state = 'dropped', settled_at = n.created_at FROM pg_temp.intents n "
        "WHERE o.connection = n.connection AND o.stream = n.stream AND o.entity_id = n.entity_id "
        "AND o.target = n.target AND o.token <> n.token AND o.state IN ('ready', 'refused')"
    )
    return tx.exec_driver_sql(
        f"INSERT INTO ops.outbox ({bulk.quoted(columns)}) SELECT {bulk.quoted(columns)} FROM pg_temp.intents "
        "ON CONFLICT (token) DO UPDATE SET state = excluded.state, plan_id = excluded.plan_id, settled_at = NULL, "
        "before = excluded.before, after = excluded.after, next_try_at = NULL "
        "WHERE outbox.state = 'dropped' OR (outbox.state = 'ready' AND outbox.code = 'moved')"
    ).rowcount


def adopt(tx: sa.Connection, plan_id: str, tokens: Iterable[str]) -> None:
    """Changes that were ready before a plan with them was approved belong to that plan now."""
    bulk.stage(tx, "adopted", "ops.outbox", ("token",), ((t,) for t in tokens))
    tx.execute(
        sa.text(
            "UPDATE ops.outbox o SET plan_id = :plan FROM pg_temp.adopted a WHERE o.token = a.token "
            "AND o.state = 'ready' AND o.plan_id IS DISTINCT FROM :plan"
        ),
        {"plan": plan_id},
    )


def drop_unwanted(
    tx: sa.Connection, connection: str, stream: str, targets: Iterable[tuple[str, str]], wanted: Iterable[str],
    now: datetime,
) -> list[str]:  # fmt: skip
    """Drop what is not sent yet for these (entity id, target), but for the tokens that are `wanted`.

    An offer that ran out while its creation waited must not be made any more. Returns the names of the targets under
    which refused ones stand in quarantine.
    """
    bulk.stage(tx, "compared", "ops.outbox", ("entity_id", "target"), targets)
    bulk.stage(tx, "wanted", "ops.outbox", ("token",), ((t,) for t in wanted))
    rows = tx.execute(
        sa.text(
            "UPDATE ops.outbox o SET state = 'dropped', settled_at = :at FROM pg_temp.compared c, ops.outbox b "
            "WHERE b.id = o.id AND o.connection = :c AND o.stream = :s AND o.entity_id = c.entity_id "
            "AND o.target = c.target AND o.state IN ('ready', 'refused') "
            "AND NOT EXISTS (SELECT FROM pg_temp.wanted w WHERE w.token = o.token) "
            "RETURNING b.state, coalesce(o.remote_id, o.target)"
        ),
        {"c": connection, "s": stream, "at": now},
    ).all()
    return [r[1] for r in rows if r[0] == "refused"]


def drop_gone(tx: sa.Connection, connection: str, stream: str, now: datetime) -> list[str]:
    """Drop what was refused for records that are gone by now: nothing can mend it. Returns the records' ids."""
    return list(
        tx.execute(
            sa.text(
                "UPDATE ops.outbox o SET state = 'dropped', settled_at = :at FROM raw.record r "
                "WHERE o.connection = :c AND o.stream = :s AND o.state = 'refused' AND r.connection = o.connection "
                "AND r.stream = o.stream AND r.remote_id = o.remote_id AND r.deleted_at IS NOT NULL "
                "RETURNING o.remote_id"
            ),
            {"c": connection, "s": stream, "at": now},
        ).scalars()
    )


def released(tx: sa.Connection, connection: str, stream: str) -> set[str]:
    """Tokens that a person has approved and that are not sent yet."""
    rows = tx.execute(
        sa.text(
            "SELECT o.token FROM ops.outbox o JOIN ops.plan p ON p.id = o.plan_id AND p.state = 'approved' "
            "WHERE o.connection = :c AND o.stream = :s AND o.state = 'ready'"
        ),
        {"c": connection, "s": stream},
    )
    return {r[0] for r in rows}


def end(db: sa.Engine, connection: str, stream: str, entity: str) -> int:
    """The end of an entity's push: plans of which all was sent are `applied`. Returns how many changes are left."""
    params = {"c": connection, "s": stream, "e": entity}
    with db.begin() as tx:
        tx.execute(
            sa.text(
                "UPDATE ops.plan p SET state = 'applied' WHERE connection = :c AND stream = :s AND entity = :e "
                "AND state IN ('approved', 'released') AND NOT EXISTS (SELECT FROM ops.outbox o WHERE o.plan_id = p.id "
                "AND o.state IN ('ready', 'sent', 'unknown', 'waiting'))"
            ),
            params,
        )
        return int(
            tx.execute(
                sa.text(
                    "SELECT count(*) FROM ops.outbox WHERE connection = :c AND stream = :s AND entity = :e "
                    "AND state IN ('ready', 'sent', 'unknown', 'waiting')"
                ),
                params,
            ).scalar_one()
        )


def last_done(
    tx: sa.Connection, connection: str, stream: str, entity_ids: Sequence[str]
) -> dict[tuple[str, str], sa.Row[Any]]:
    """The last confirmed write of each target of these entities: (entity id, target) -> row."""
    rows = tx.execute(
        sa.text(
            "SELECT DISTINCT ON (entity_id, target) entity_id, target, id, op, values, remote_id, settled_at "
            "FROM ops.outbox WHERE connection = :c AND stream = :s AND entity_id = ANY(:ids) AND state = 'done' "
            "ORDER BY entity_id, target, id DESC"
        ),
        {"c": connection, "s": stream, "ids": list(entity_ids)},
    )
    return {(r.entity_id, r.target): r for r in rows}


def take_ready(
    tx: sa.Connection, connection: str, stream: str, entity: str, size: int, run_id: str, now: datetime, *,
    plan_id: str | None = None, entity_id: str | None = None,
) -> Sequence[sa.Row[Any]]:  # fmt: skip
    """The next intents to send, marked `sent` before the call: after a crash they are looked up, not sent blindly.

    `plan_id`, `entity_id`: only those of this plan or entity; what else is ready was not compared with what may leave.
    """
    rows = tx.execute(
        sa.text(
            "UPDATE ops.outbox o SET state = 'sent', tries = tries + 1, run_id = :run FROM ("
            "SELECT id FROM ops.outbox WHERE connection = :c AND stream = :s AND entity = :e AND state = 'ready' "
            "AND (cast(:plan AS text) IS NULL OR plan_id = :plan) "
            "AND (cast(:entity AS text) IS NULL OR entity_id = :entity) "
            "AND (next_try_at IS NULL OR next_try_at <= :now) ORDER BY id LIMIT :size FOR UPDATE SKIP LOCKED) t "
            "WHERE o.id = t.id RETURNING o.*"
        ),
        {
            "c": connection, "s": stream, "e": entity, "size": size, "run": run_id, "now": now, "plan": plan_id,
            "entity": entity_id,
        },
    ).all()
    return sorted(rows, key=lambda r: r.id)  # RETURNING promises no order


def in_doubt(tx: sa.Connection, connection: str, stream: str, entity: str) -> Sequence[sa.Row[Any]]:
    """Intents that may have reached the remote without our knowing: look before anything is sent again."""
    return tx.execute(
        sa.text(
            "SELECT * FROM ops.outbox "
            "WHERE connection = :c AND stream = :s AND entity = :e AND state IN ('sent', 'unknown') ORDER BY id"
        ),
        {"c": connection, "s": stream, "e": entity},
    ).all()


def waiting(tx: sa.Connection, connection: str, stream: str, entity: str) -> Sequence[sa.Row[Any]]:
    """Intents that are part of a job of the remote."""
    return tx.execute(
        sa.text(
            "SELECT * FROM ops.outbox WHERE connection = :c AND stream = :s AND entity = :e AND state = 'waiting' "
            "ORDER BY id"
        ),
        {"c": connection, "s": stream, "e": entity},
    ).all()


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one intent."""

    row: sa.Row[Any]
    state: str
    remote_id: str | None = None
    created: bool = False
    code: str | None = None
    message: str | None = None
    field: str | None = None
    klass: str | None = None
    ticket: Mapping[str, Any] | None = None
    next_try_at: datetime | None = None


def settle(
    tx: sa.Connection, outcomes: Sequence[Settled], *, rule: str, policy: str, run_id: str, now: datetime
) -> None:
    """Keep the outcomes; what is done goes to the write log, a new record to the crosswalk.

    `policy`: version of the sharing policy under which fields were taken back.
    """
    if not outcomes:
        return
    tx.execute(
        sa.text(
            "UPDATE ops.outbox SET state = :state, remote_id = coalesce(:remote_id, remote_id), code = :code, "
            "message = :message, field = :field, class = :klass, ticket = cast(:ticket AS jsonb), "
            "next_try_at = :next_try_at, settled_at = :settled_at WHERE id = :id"
        ),
        [
            {"id": o.row.id, "state": o.state, "remote_id": o.remote_id, "code": o.code, "message": o.message,
             "field": o.field, "klass": o.klass, "ticket": _json(o.ticket), "next_try_at": o.next_try_at,
             "settled_at": now if o.state == "done" else None}
            for o in outcomes
        ],
    )  # fmt: skip
    done = [o for o in outcomes if o.state == "done"]
    bulk.copy(
        tx, "ops.write_log",
        ("at", "connection", "stream", "remote_id", "entity", "entity_id", "field", "old", "new", "rule", "run_id",
         "plan_id"),
        (row for o in done for row in _log_rows(o, rule, run_id, now)),
    )  # fmt: skip
    taken_back = [o.row for o in done if o.row.op == "delete" or o.row.revoked]
    disclosures.log_revoked(tx, taken_back, policy_hash=policy, run_id=run_id, now=now)
    made = [o for o in done if o.created and o.remote_id]
    if made:
        tx.execute(
            sa.text(
                "INSERT INTO core.crosswalk "
                "(entity, connection, remote_id, stream, entity_id, matched_by, score, since) "
                "VALUES (:entity, :connection, :remote_id, :stream, :entity_id, 'pushed', 1, :now) "
                "ON CONFLICT DO NOTHING"
            ),
            [
                {"entity": o.row.entity, "connection": o.row.connection, "remote_id": o.remote_id,
                 "stream": o.row.stream, "entity_id": o.row.entity_id, "now": now}
                for o in made
            ],
        )  # fmt: skip


def _log_rows(o: Settled, rule: str, run_id: str, now: datetime) -> Iterable[tuple[Any, ...]]:
    """One row for each field that was changed: of nested objects each part, as they were compared."""
    row = o.row
    before = row.before or {}
    fields = (row.after or row.values) if row.op == "upsert" else {"*": None}
    for name, new in fields.items():
        old = before.get(name)
        yield (
            now, row.connection, row.stream, o.remote_id or row.remote_id, row.entity, row.entity_id, name,
            _json(old), _json(new), rule, run_id, row.plan_id,
        )  # fmt: skip


def by_state(tx: sa.Connection, entity_id: str) -> Sequence[sa.Row[Any]]:
    """(connection, stream, state, how many) of the changes of one entity."""
    return tx.execute(
        sa.text(
            "SELECT connection, stream, state, count(*) AS n FROM ops.outbox WHERE entity_id = :id GROUP BY 1, 2, 3 "
            "ORDER BY 1, 2, 3"
        ),
        {"id": entity_id},
    ).all()
