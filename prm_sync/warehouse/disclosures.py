"""The share log, and who the partners are that see a record."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.canonical.facts import FACTS
from prm_sync.warehouse import bulk
from prm_sync.warehouse.views import HAS_IT_FIRST, partner_with_key


@dataclass(frozen=True, slots=True)
class Left:
    """Fields that leave together for one purpose; of them, `masked` leave in another form: "field=mask"."""

    purpose: str
    fields: tuple[str, ...]
    masked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PartnerSeen:
    """The partner that sees a record, as entries of the policy name partners."""

    key: str | None
    tier: str | None
    programme: str | None


NOBODY = PartnerSeen(None, None, None)


def log_shared(
    tx: sa.Connection, connection: str, stream: str, intents: Sequence[Any], *,
    policy_hash: str, run_id: str, now: datetime,
) -> None:  # fmt: skip
    """What of an entity leaves for a partner: one row for each purpose."""
    bulk.copy(
        tx, "ops.share_log",
        ("at", "connection", "stream", "entity", "entity_id", "target", "partner_key", "purpose", "fields", "masked",
         "policy_hash", "run_id"),
        (
            (now, connection, stream, i.entity, i.entity_id, i.target, i.partner_key, left.purpose, list(left.fields),
             list(left.masked), policy_hash, run_id)
            for i in intents for left in i.left
        ),
    )  # fmt: skip


def log_revoked(tx: sa.Connection, rows: Sequence[Any], *, policy_hash: str, run_id: str, now: datetime) -> None:
    """What the remote has confirmed to be blank or gone; nobody sees it any more."""
    if not rows:
        return
    tx.execute(
        sa.text(
            "INSERT INTO ops.share_log (at, connection, stream, entity, entity_id, target, partner_key, kind, fields, "
            "policy_hash, run_id) SELECT :now, s.connection, s.stream, s.entity, s.entity_id, s.target, s.partner_key, "
            "'revoked', cast(:fields AS text[]), :policy, :run FROM ops.share_log s "
            "WHERE s.connection = :c AND s.stream = :s AND s.entity_id = :id AND s.target = :target "
            "ORDER BY s.id DESC LIMIT 1"
        ),
        [
            {"now": now, "c": r.connection, "s": r.stream, "id": r.entity_id, "target": r.target, "policy": policy_hash,
             "fields": ["*"] if r.op == "delete" else list(r.revoked), "run": run_id}
            for r in rows
        ],
    )  # fmt: skip


def outstanding(
    tx: sa.Connection, connection: str, stream: str, entity_ids: Sequence[str]
) -> dict[tuple[str, str], frozenset[str]]:
    """What partners have of these entities: by (entity id, target) the fields that left and were not taken back."""
    rows = tx.execute(
        sa.text(
            "WITH l AS (SELECT id, entity_id, target, kind, unnest(fields) AS field FROM ops.share_log "
            "WHERE connection = :c AND stream = :s AND entity_id = ANY(:ids) AND target IS NOT NULL), "
            "said AS (SELECT entity_id, target, field, max(id) FILTER (WHERE kind = 'shared') AS shared, "
            "max(id) FILTER (WHERE kind = 'revoked') AS revoked, max(max(id) FILTER (WHERE kind = 'revoked' "
            "AND field = '*')) OVER (PARTITION BY entity_id, target) AS all_revoked FROM l GROUP BY 1, 2, 3) "
            "SELECT entity_id, target, field FROM said "
            "WHERE shared > greatest(coalesce(revoked, 0), coalesce(all_revoked, 0))"
        ),
        {"c": connection, "s": stream, "ids": list(entity_ids)},
    )
    found: dict[tuple[str, str], set[str]] = {}
    for r in rows:
        found.setdefault((r.entity_id, r.target), set()).add(r.field)
    return {key: frozenset(fields) for key, fields in found.items()}


def partners_by_key(tx: sa.Connection, keys: Collection[str]) -> Mapping[str, PartnerSeen]:
    rows = tx.execute(
        sa.text(
            "SELECT DISTINCT ON (partner_key) partner_key, tier, group_name FROM core.partner "
            f"WHERE partner_key = ANY(:keys) AND merged_into IS NULL ORDER BY partner_key, {HAS_IT_FIRST}"
        ),
        {"keys": list(keys)},
    )
    return {r.partner_key: PartnerSeen(r.partner_key, r.tier, r.group_name) for r in rows}


def partners_by_reference(tx: sa.Connection, references: Collection[str]) -> Mapping[str, PartnerSeen]:
    """By "<connection>:<remote id>"."""
    split = [r.partition(":") for r in references]
    rows = tx.execute(
        sa.text(
            "SELECT x.connection || ':' || x.remote_id AS reference, p.partner_key, p.tier, p.group_name "
            "FROM unnest(cast(:connections AS text[]), cast(:ids AS text[])) AS r(connection, remote_id) "
            "JOIN core.crosswalk x ON x.entity = 'partner' AND x.connection = r.connection "
            "AND x.remote_id = r.remote_id JOIN core.partner p ON p.id = x.entity_id"
        ),
        {"connections": [c for c, _, _ in split], "ids": [i for _, _, i in split]},
    )
    return {r.reference: PartnerSeen(r.partner_key, r.tier, r.group_name) for r in rows}


def logged(tx: sa.Connection, entity_id: str, limit: int) -> list[dict[str, Any]]:
    """The latest of what left of an entity, and what was taken back."""
    rows = tx.execute(
        sa.text(
            "SELECT at, kind, connection, stream, target, partner_key, purpose, fields, masked, policy_hash, run_id "
            "FROM ops.share_log WHERE entity_id = :id ORDER BY id DESC LIMIT :limit"
        ),
        {"id": entity_id, "limit": limit},
    )
    return [dict(r._mapping) for r in rows]  # noqa: SLF001 SQLAlchemy's documented name


def values_of(tx: sa.Connection, entity: str, entity_id: str, partner_key: str | None = None) -> dict[str, Any]:
    """The golden record with what is known about it here; where that differs by partner, for this one."""
    of_partner = f"ORDER BY f.partner_id IS DISTINCT FROM {partner_with_key('cast(:key AS text)')}"
    by_partner = any(f.name == "partner_id" for f in FACTS.get(entity, ()))
    facts = (
        f"LEFT JOIN LATERAL (SELECT f.* FROM core.{entity}_facts f WHERE f.id = g.id "
        f"{of_partner if by_partner else ''} LIMIT 1) f ON true"
        if entity in FACTS else ""
    )  # fmt: skip
    more = ", f.*" if facts else ""
    query = f'SELECT g.*{more} FROM core."{entity}" g {facts} WHERE g.id = :id'
    found = tx.execute(sa.text(query), {"id": entity_id, "key": partner_key}).one()
    return {name: value for name, value in zip(found._fields, found, strict=True) if value is not None}
