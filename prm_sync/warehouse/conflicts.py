"""`ops.conflict`: fields that two systems changed differently since they agreed, and fields that go back and forth."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from prm_sync.warehouse import bulk
from prm_sync.warehouse.source import change_number

_COLUMNS = (
    "id", "kind", "entity", "entity_id", "field", "connection", "stream", "remote_id", "sides", "agreed", "rule",
    "state", "value", "opened_at", "resolved_at", "resolved_by",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClashRow:
    """Two systems' changes of one field. `sides`: {connection, record, value, at, before} of each."""

    id: str
    entity_id: str
    field: str
    sides: Sequence[Mapping[str, Any]]
    agreed: Any
    rule: str
    open: bool
    winner: Any


@dataclass(frozen=True, slots=True)
class Frozen:
    """One field of one remote record that went back and forth too often. `writes`: {at, old, new}, in their order."""

    entity: str
    entity_id: str
    connection: str
    stream: str
    remote_id: str
    field: str
    writes: Sequence[Mapping[str, Any]]
    rule: str

    @property
    def id(self) -> str:
        """The same writes of the same field have the same id."""
        told = [self.connection, self.stream, self.remote_id, self.field, self.writes[-1]["at"]]
        return "conflict_" + hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Held:
    """Fields of one entity of which nothing is written."""

    fields: frozenset[str]  #: canonical fields, everywhere
    frozen: frozenset[tuple[str, str]]  #: (remote id, remote field), in this stream


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# --- what refine finds -------------------------------------------------------------------------------------------


def _any_stand(tx: sa.Connection, entity: str) -> bool:
    return bool(
        tx.execute(
            sa.text("SELECT EXISTS (SELECT FROM ops.conflict WHERE entity = :e AND (state = 'open' OR in_force))"),
            {"e": entity},
        ).scalar_one()
    )


def decided(tx: sa.Connection, entity: str, ids: Sequence[str]) -> dict[str, dict[str, sa.Row[Any]]]:
    """Decisions of people that still stand: entity id -> field -> (value, sides)."""
    if not _any_stand(tx, entity):
        return {}
    rows = tx.execute(
        sa.text(
            "SELECT entity_id, field, value, sides FROM ops.conflict WHERE entity = :e AND entity_id = ANY(:ids) "
            "AND in_force AND kind = 'both_changed' ORDER BY resolved_at"
        ),
        {"e": entity, "ids": list(ids)},
    ).all()
    out: dict[str, dict[str, sa.Row[Any]]] = {}
    for row in rows:
        out.setdefault(row.entity_id, {})[row.field] = row
    return out


def keep(
    tx: sa.Connection, entity: str, ids: Sequence[str], clashes: Sequence[ClashRow],
    settled: Collection[tuple[str, str]], now: datetime,
) -> None:  # fmt: skip
    """Keep the clashes of these entities, which are all that they have now. `settled`: (entity id, field) that agree.

    What was open and is no more is closed; a decision with which all agree needs to stand no longer.
    """
    stand = _any_stand(tx, entity)
    if stand:
        still = [c.id for c in clashes if c.open]
        tx.execute(
            sa.text(
                "UPDATE ops.conflict SET state = 'closed', resolved_at = :now "
                "WHERE entity = :e AND entity_id = ANY(:ids) AND kind = 'both_changed' AND state = 'open' "
                "AND id <> ALL(:still)"
            ),
            {"e": entity, "ids": list(ids), "still": still, "now": now},
        )
    if stand and settled:
        tx.execute(
            sa.text(
                "UPDATE ops.conflict c SET in_force = false "
                "FROM unnest(cast(:i AS text[]), cast(:f AS text[])) s(i, f) "
                "WHERE c.entity = :e AND c.in_force AND c.kind = 'both_changed' AND c.entity_id = s.i AND c.field = s.f"
            ),
            {"e": entity, "i": [i for i, _ in settled], "f": [f for _, f in settled]},
        )
    _insert(
        tx,
        [
            (
                c.id, "both_changed", entity, c.entity_id, c.field, None, None, None, _json(list(c.sides)),
                _json(c.agreed), c.rule, "open" if c.open else "ruled", None if c.open else _json(c.winner), now,
                None if c.open else now, None if c.open else f"rule {c.rule}",
            )
            for c in clashes
        ],
    )  # fmt: skip


def _insert(tx: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> int:
    if not rows:
        return 0
    bulk.stage(tx, "clashes", "ops.conflict", _COLUMNS, rows)
    return tx.exec_driver_sql(
        f"INSERT INTO ops.conflict ({bulk.quoted(_COLUMNS)}) SELECT {bulk.quoted(_COLUMNS)} FROM pg_temp.clashes "
        "ON CONFLICT (id) DO UPDATE SET state = 'open', resolved_at = NULL "
        "WHERE conflict.state = 'closed' AND excluded.state = 'open' AND conflict.resolved_by IS NULL"
    ).rowcount


def follow(tx: sa.Connection, entity: str, losers: Mapping[str, str]) -> None:
    """Entities were found to be others: what stands about them goes with them."""
    tx.execute(
        sa.text(
            "UPDATE ops.conflict c SET entity_id = l.winner "
            "FROM unnest(cast(:losers AS text[]), cast(:winners AS text[])) l(loser, winner) "
            "WHERE c.entity = :e AND c.entity_id = l.loser"
        ),
        {"e": entity, "losers": list(losers), "winners": list(losers.values())},
    )


# --- what push asks ----------------------------------------------------------------------------------------------


def held(tx: sa.Connection, entity: str, connection: str, stream: str, ids: Sequence[str]) -> dict[str, Held]:
    """What of these entities must not be written to this stream; only those of which something is held."""
    rows = tx.execute(
        sa.text(
            "SELECT entity_id, kind, field, remote_id FROM ops.conflict "
            "WHERE entity = :e AND entity_id = ANY(:ids) AND state = 'open' "
            "AND (kind = 'both_changed' OR (connection = :c AND stream = :s))"
        ),
        {"e": entity, "ids": list(ids), "c": connection, "s": stream},
    ).all()
    found: dict[str, tuple[set[str], set[tuple[str, str]]]] = {}
    for row in rows:
        fields, frozen = found.setdefault(row.entity_id, (set(), set()))
        if row.kind == "both_changed":
            fields.add(row.field)
        else:
            frozen.add((row.remote_id, row.field))
    return {i: Held(frozenset(fields), frozenset(frozen)) for i, (fields, frozen) in found.items()}


def recent_writes(
    tx: sa.Connection, connection: str, stream: str, ids: Sequence[str], since: datetime
) -> dict[tuple[str, str], list[sa.Row[Any]]]:
    """(remote id, remote field) -> its confirmed writes since then (at, old, new), the first one first.

    What a person let go on again counts from there.
    """
    rows = tx.execute(
        sa.text(
            "SELECT w.remote_id, w.field, w.at, w.old, w.new FROM ops.write_log w "
            "WHERE w.connection = :c AND w.stream = :s AND w.remote_id = ANY(:ids) AND w.at > :since "
            "AND NOT EXISTS (SELECT FROM ops.conflict k WHERE k.kind = 'flip_flop' AND k.entity_id = w.entity_id "
            " AND k.connection = w.connection AND k.stream = w.stream AND k.remote_id = w.remote_id "
            " AND k.field = w.field AND k.state = 'resolved' AND k.resolved_at >= w.at) ORDER BY w.id"
        ),
        {"c": connection, "s": stream, "ids": list(ids), "since": since},
    )
    out: dict[tuple[str, str], list[sa.Row[Any]]] = {}
    for row in rows:
        out.setdefault((row.remote_id, row.field), []).append(row)
    return out


def freeze(db: sa.Engine, frozen: Sequence[Frozen], now: datetime) -> int:
    """Freeze these fields, and say so in an alert; returns how many were not frozen yet."""
    if not frozen:
        return 0
    with db.begin() as tx:
        return _freeze(tx, frozen, now)


def _freeze(tx: sa.Connection, frozen: Sequence[Frozen], now: datetime) -> int:
    rows = [
        (
            f.id, "flip_flop", f.entity, f.entity_id, f.field, f.connection, f.stream, f.remote_id,
            _json(list(f.writes)), None, f.rule, "open", None, now, None, None,
        )
        for f in frozen
    ]  # fmt: skip
    made = _insert(tx, rows)
    if not made:
        return 0
    tx.execute(
        sa.text("INSERT INTO ops.alert (at, kind, subject, message) VALUES (:at, 'flip_flop', :subject, :message)"),
        [
            {
                "at": now, "subject": f"{f.connection}.{f.stream}",
                "message": f"{f.connection}.{f.stream}: the field {f.field} of record {f.remote_id} goes back and "
                f"forth ({f.rule}); it is frozen. Look with `prm-sync conflict show {f.id}`, end what sets it back, "
                f"then `prm-sync conflict resolve {f.id} --thaw`",
            }
            for f in frozen
        ],
    )  # fmt: skip
    return made


# --- what people do ----------------------------------------------------------------------------------------------


def resolve(db: sa.Engine, conflict: Mapping[str, Any], value: Any, who: str, now: datetime) -> bool:
    """Decide an open conflict and have its entity looked at again. False: it is not open any more.

    `value`: what the field is to say, as JSON can; not asked of a flip_flop, which only goes on again.
    """
    decides = conflict["kind"] == "both_changed"
    with db.begin() as tx:
        hit = tx.execute(
            sa.text(
                "UPDATE ops.conflict SET state = 'resolved', in_force = :decides, value = cast(:value AS jsonb), "
                "resolved_at = :now, resolved_by = :who WHERE id = :id AND state = 'open'"
            ),
            {"id": conflict["id"], "decides": decides, "value": _json(value) if decides else None, "now": now,
             "who": who},
        ).rowcount  # fmt: skip
        if hit:
            if decides:
                tx.execute(
                    sa.text(
                        "UPDATE ops.conflict SET in_force = false "
                        "WHERE entity = :e AND entity_id = :i AND field = :f AND in_force AND id <> :id"
                    ),
                    {"e": conflict["entity"], "i": conflict["entity_id"], "f": conflict["field"], "id": conflict["id"]},
                )
            _look_again(tx, conflict["entity"], conflict["entity_id"])
    return bool(hit)


def _look_again(tx: sa.Connection, entity: str, entity_id: str) -> None:
    """All records of the entity count as changed: refine derives it anew, and push compares it everywhere."""
    tx.execute(
        sa.text(
            f"UPDATE core.{entity}_source s SET touched = :touched FROM core.crosswalk x "
            "WHERE x.entity = :e AND x.entity_id = :i AND s.connection = x.connection AND s.stream = x.stream "
            "AND s.remote_id = x.remote_id"
        ),
        {"touched": change_number(tx, entity), "e": entity, "i": entity_id},
    )
