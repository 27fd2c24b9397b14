"""Which remote records of a stream are ours to write, and what we know of each: the two scopes of push.

`known`: the records of the stream that are the entity (a CRM's leads, accounts): they are updated, never made.
`offered`: one record per offer of a lead that waits or was accepted (a PRM's leads): made where missing, deleted when
the offer ran out or was taken back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from prm_sync.canonical.entities import FACTS

Scope = Literal["known", "offered"]
BATCH = 5_000
_FACTS_TOUCHED = {
    "lead": "offer_touched", "partner": "facts_touched", "account": "facts_touched", "opportunity": "facts_touched",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """One remote record to compare: `target` is its name on our side, `values` the canonical values and facts."""

    entity_id: str
    target: str
    op: Literal["upsert", "delete"]
    remote_id: str | None
    values: dict[str, Any]
    partner_key: str | None


def changed(
    db: sa.Engine, entity: str, scope: Scope, connection: str, stream: str, uses: Sequence[str], after: int, *,
    by_partner: bool = False,
) -> Iterator[list[Target]]:  # fmt: skip
    """Targets of which anything changed after that change number, in batches.

    `by_partner`: a change of the partner whose offer it is counts, too.
    """
    facts = [f.name for f in FACTS.get(entity, ()) if f.name != "id" and f.name in uses]
    fields = [u for u in uses if u != "id" and u not in facts]
    query = _offered(fields, facts, by_partner=by_partner) if scope == "offered" else _known(entity, fields, facts)
    last = ("", "")
    while True:
        with db.begin() as tx:
            rows = tx.execute(
                sa.text(query),
                {"c": connection, "s": stream, "after": after, "id": last[0], "target": last[1], "size": BATCH},
            ).mappings().all()  # fmt: skip
        if not rows:
            return
        yield [
            Target(
                r["entity_id"], r["target"], r["op"], r["remote_id"],
                {"id": r["entity_id"], **{n: r[n] for n in (*fields, *facts)}}, r["partner_key"],
            )
            for r in rows
        ]  # fmt: skip
        last = (rows[-1]["entity_id"], rows[-1]["target"])


def _known(entity: str, fields: Sequence[str], facts: Sequence[str]) -> str:
    columns = "".join(f', g."{f}"' for f in fields) + "".join(f', f."{f}"' for f in facts)
    join = f"JOIN core.{entity}_facts f ON f.id = g.id" if facts else ""
    touched = f"OR f.{_FACTS_TOUCHED[entity]} > :after" if facts else ""
    closed = "AND s.status IS DISTINCT FROM 'converted'" if entity == "lead" else ""  # a CRM keeps those as they are
    return f"""
        SELECT x.entity_id, x.remote_id AS target, 'upsert' AS op, x.remote_id, NULL::text AS partner_key{columns}
        FROM core.crosswalk x
        JOIN core."{entity}" g ON g.id = x.entity_id
        JOIN core.{entity}_source s ON s.connection = x.connection AND s.stream = x.stream AND s.remote_id = x.remote_id
        {join}
        WHERE x.entity = '{entity}' AND x.connection = :c AND x.stream = :s AND s.deleted_at IS NULL
          AND (g.touched > :after OR s.touched > :after {touched}) {closed}
          AND (x.entity_id, x.remote_id) > (:id, :target)
        ORDER BY x.entity_id, x.remote_id LIMIT :size
    """


def _offered(fields: Sequence[str], facts: Sequence[str], *, by_partner: bool) -> str:
    of_partner = "OR EXISTS (SELECT FROM core.partner p WHERE p.id = o.partner_id AND p.touched > :after)"
    touched = of_partner if by_partner else ""
    columns = "".join(f', g."{f}"' for f in fields) + "".join(f', f."{f}"' for f in facts)
    return f"""
        SELECT o.lead_id AS entity_id, o.lead_id || ':' || o.rank AS target,
               CASE WHEN o.state IN ('pending', 'accepted') THEN 'upsert' ELSE 'delete' END AS op,
               s.remote_id, f.offer_partner_key AS partner_key{columns}
        FROM ledger.lead_offer o
        JOIN core.lead g ON g.id = o.lead_id
        JOIN core.lead_facts f ON f.id = o.lead_id
        LEFT JOIN LATERAL (
            SELECT s.remote_id, s.touched, s.deleted_at FROM core.crosswalk x
            JOIN core.lead_source s ON s.connection = x.connection AND s.stream = x.stream AND s.remote_id = x.remote_id
            WHERE x.entity = 'lead' AND x.entity_id = o.lead_id AND x.connection = :c AND x.stream = :s
              AND s.offer_key = o.lead_id || ':' || o.rank
            ORDER BY s.deleted_at IS NOT NULL, s.arrived LIMIT 1) s ON true
        WHERE ((o.state IN ('pending', 'accepted') AND f.offer_rank = o.rank)
               OR (o.state IN ('expired', 'withdrawn') AND s.deleted_at IS NULL))
          AND (o.touched > :after OR g.touched > :after OR s.touched > :after {touched})
          AND (o.lead_id, o.lead_id || ':' || o.rank) > (:id, :target)
        ORDER BY o.lead_id, o.lead_id || ':' || o.rank LIMIT :size
    """


def records(db: sa.Engine, connection: str, stream: str) -> int:
    """Records of the stream that are there now."""
    with db.begin() as tx:
        found = tx.execute(
            sa.text("SELECT records FROM raw.cursor WHERE connection = :c AND stream = :s"),
            {"c": connection, "s": stream},
        ).scalar_one_or_none()
    return int(found or 0)
