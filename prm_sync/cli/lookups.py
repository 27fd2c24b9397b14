"""What the commands look up in the warehouse for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.warehouse.offers import CASES, LEADS, Book

Row = dict[str, Any]


def rows(tx: sa.Connection, query: str, **values: Any) -> list[Row]:
    return [dict(r) for r in tx.execute(sa.text(query), values).mappings()]


# --- status --------------------------------------------------------------------------------------------------------


def streams(tx: sa.Connection) -> list[Row]:
    """How far each stream was read."""
    return rows(
        tx,
        "SELECT connection, stream, read_at, full_read_at, records, "
        "EXISTS (SELECT FROM raw.record r WHERE r.connection = c.connection AND r.stream = c.stream "
        "AND r.seq > c.mapped_seq) AS behind "
        "FROM raw.cursor c WHERE read_at IS NOT NULL OR records > 0 ORDER BY connection, stream",
    )


def queues(tx: sa.Connection) -> Row:
    """What waits: open quarantine by class, unsettled changes by state, held plans, undelivered alerts."""
    quarantine = rows(tx, "SELECT class, count(*) AS n FROM ops.quarantine WHERE state = 'open' GROUP BY 1 ORDER BY 1")
    outbox = rows(
        tx, "SELECT state, count(*) AS n FROM ops.outbox WHERE state NOT IN ('done', 'dropped') GROUP BY 1 ORDER BY 1"
    )
    held = rows(
        tx,
        "SELECT id, connection, stream, counts, reason, created_at FROM ops.plan WHERE state = 'held' "
        "ORDER BY created_at",
    )
    conflicts = rows(tx, "SELECT kind, count(*) AS n FROM ops.conflict WHERE state = 'open' GROUP BY 1 ORDER BY 1")
    return {
        "quarantine": {r["class"]: r["n"] for r in quarantine},
        "conflicts": {r["kind"]: r["n"] for r in conflicts},
        "outbox": {r["state"]: r["n"] for r in outbox},
        "held": held,
        "drift": rows(
            tx,
            "SELECT connection, stream, field, severity, message FROM ops.drift WHERE state = 'open' "
            "ORDER BY severity, connection, stream, field",
        ),
    }


def last_runs(tx: sa.Connection) -> list[Row]:
    """The last run of each flow and target."""
    return rows(
        tx,
        "SELECT * FROM (SELECT DISTINCT ON (verb, target) verb, target, state, started_at, "
        "round(extract(epoch FROM ended_at - started_at)::numeric, 1)::float8 AS seconds, counts, message "
        "FROM ops.run WHERE verb <> 'dagster' ORDER BY verb, target, started_at DESC) r "
        "ORDER BY started_at DESC LIMIT 30",
    )


# --- explain -------------------------------------------------------------------------------------------------------


def find(tx: sa.Connection, kind: str, name: str, fields: Sequence[str]) -> list[str]:
    """Ids of the entities that are called so: by id, remote id (also `<connection>:<id>`), or one of these fields."""
    found = rows(tx, f'SELECT coalesce(merged_into, id) AS id FROM core."{kind}" WHERE id = :name', name=name)  # noqa: S608
    if not found:
        found = rows(
            tx,
            "SELECT DISTINCT entity_id AS id FROM core.crosswalk WHERE entity = :kind "
            "AND (remote_id = :name OR connection || ':' || remote_id = :name) LIMIT 20",
            kind=kind,
            name=name,
        )
    if not found and fields:
        same = " OR ".join(f'lower("{f}") = lower(:name)' for f in fields)
        found = rows(
            tx,
            f'SELECT id FROM core."{kind}" WHERE merged_into IS NULL AND ({same}) ORDER BY id LIMIT 20',  # noqa: S608
            name=name,
        )
    return list(dict.fromkeys(r["id"] for r in found))


def golden(tx: sa.Connection, kind: str, id_: str) -> Row:
    """The golden record; where it was merged into another, that one."""
    (row,) = rows(tx, f'SELECT * FROM core."{kind}" WHERE id = :id', id=id_)  # noqa: S608
    return golden(tx, kind, row["merged_into"]) if row["merged_into"] else row


def crosswalk(tx: sa.Connection, kind: str, id_: str) -> list[Row]:
    return rows(
        tx,
        "SELECT x.connection, x.stream, x.remote_id, x.matched_by, x.score, x.since, s.deleted_at "  # noqa: S608
        f"FROM core.crosswalk x LEFT JOIN core.{kind}_source s USING (connection, stream, remote_id) "
        "WHERE x.entity = :kind AND x.entity_id = :id ORDER BY x.since, x.connection, x.remote_id",
        kind=kind,
        id=id_,
    )


def lead_matches(tx: sa.Connection, lead_id: str) -> list[Row]:
    """What the lead is in the CRM already, the surest first."""
    return rows(
        tx,
        "SELECT entity, entity_id, why, score FROM core.lead_match WHERE lead_id = :id ORDER BY score DESC, 1, 2",
        id=lead_id,
    )


def decisions(tx: sa.Connection, id_: str, book: Book = LEADS) -> list[Row]:
    """Every decision about a lead, or a case."""
    return rows(tx, f"SELECT * FROM {book.decisions} WHERE {book.key} = :id ORDER BY rank", id=id_)  # noqa: S608


def partner_names(tx: sa.Connection) -> dict[str, str]:
    return {r["id"]: r["name"] for r in rows(tx, "SELECT id, name FROM core.partner WHERE name IS NOT NULL")}


def offers(tx: sa.Connection, id_: str, book: Book = LEADS) -> list[Row]:
    """The offers of a lead, or a case, each with what was said about it."""
    times = "o.resolve_by, o.responded_at, o.resolved_at, " if book is CASES else ""
    found = rows(
        tx,
        "SELECT o.id, o.rank, o.partner_id, p.name AS partner, o.state, o.offered_at, o.expires_at, "  # noqa: S608
        f"o.answered_at, {times}o.decline_reason, o.partner_stage "
        f"FROM {book.offers} o LEFT JOIN core.partner p ON p.id = o.partner_id "
        f"WHERE o.{book.key} = :id ORDER BY o.rank",
        id=id_,
    )
    events = rows(
        tx,
        "SELECT offer_id, at, event, applied, note FROM ledger.offer_event WHERE offer_id = ANY(:ids) ORDER BY at, id",
        ids=[o["id"] for o in found],
    )
    for offer in found:
        offer["events"] = [
            {k: v for k, v in e.items() if k != "offer_id"} for e in events if e["offer_id"] == offer["id"]
        ]
    return found


def partner_offers(tx: sa.Connection, partner_id: str, book: Book = LEADS) -> dict[str, int]:
    found = rows(
        tx,
        f"SELECT state, count(*) AS n FROM {book.offers} WHERE partner_id = :id GROUP BY 1 ORDER BY 1",  # noqa: S608
        id=partner_id,
    )
    return {r["state"]: r["n"] for r in found}


def cases(tx: sa.Connection) -> dict[str, int]:
    """Cases that are with partners by how far they are; those that nobody may take are `unassigned`."""
    found = rows(
        tx,
        "SELECT offer_standing AS state, count(*) AS n FROM core.case_facts f JOIN core.\"case\" g USING (id) "
        "WHERE g.merged_into IS NULL AND g.deleted_at IS NULL AND f.partner_id IS NOT NULL GROUP BY 1 "
        "UNION ALL SELECT 'unassigned', count(*) FROM mart.unassigned_cases HAVING count(*) > 0 ORDER BY 1",
    )
    return {r["state"]: r["n"] for r in found}


def partner_in_routing(tx: sa.Connection, partner_id: str, since: datetime) -> dict[str, int]:
    """Decisions since then in which a partner is named: how often it was chosen, outscored, or failed which rule."""
    found = rows(
        tx,
        "SELECT CASE WHEN d.partner_id = :id THEN 'chosen' WHEN c->>1 = 'eligible' THEN 'outscored' ELSE c->>1 END "
        "AS reason, count(*) AS n FROM ledger.routing_decision d, jsonb_array_elements(d.candidates) c "
        "WHERE d.decided_at >= :since AND c->>0 = :id GROUP BY 1 ORDER BY 2 DESC, 1",
        id=partner_id,
        since=since,
    )
    return {r["reason"]: r["n"] for r in found}


def partner_months(tx: sa.Connection, partner_id: str) -> list[Row]:
    return rows(
        tx, "SELECT * FROM mart.partner_performance WHERE partner_id = :id ORDER BY period DESC LIMIT 12", id=partner_id
    )


def writes(tx: sa.Connection, kind: str, id_: str, size: int = 50) -> list[Row]:
    """The last fields that were written to remote systems for an entity."""
    return rows(
        tx,
        "SELECT at, connection, stream, remote_id, field, old, new, rule, run_id FROM ops.write_log "
        "WHERE entity = :kind AND entity_id = :id ORDER BY id DESC LIMIT :size",
        kind=kind,
        id=id_,
        size=size,
    )


# --- quarantine ----------------------------------------------------------------------------------------------------


def conflict_counts(tx: sa.Connection, chosen: Row) -> list[Row]:
    """Conflicts with these columns, counted by field."""
    return rows(
        tx,
        "SELECT state, kind, entity, field, rule, count(*) AS n FROM ops.conflict "  # noqa: S608
        f"WHERE true {_chosen(chosen)} GROUP BY 1, 2, 3, 4, 5 ORDER BY n DESC, 3, 4 LIMIT 50",
        **chosen,
    )


def conflicts(tx: sa.Connection, chosen: Row, limit: int) -> list[Row]:
    """Conflicts with these columns, the latest first."""
    return rows(
        tx,
        f"SELECT * FROM ops.conflict WHERE true {_chosen(chosen)} ORDER BY opened_at DESC, id LIMIT :n",  # noqa: S608
        **chosen, n=limit,
    )  # fmt: skip


def _chosen(chosen: Row) -> str:
    return " ".join(f'AND "{column}" = :{column}' for column in chosen)


def record(tx: sa.Connection, connection: str, stream: str, remote_id: str) -> Row | None:
    found = rows(
        tx,
        "SELECT payload, remote_time, seen_at, deleted_at, run_id FROM raw.record "
        "WHERE connection = :c AND stream = :s AND remote_id = :id",
        c=connection,
        s=stream,
        id=remote_id,
    )
    return found[0] if found else None


# --- match ---------------------------------------------------------------------------------------------------------


def match_of(tx: sa.Connection, entity: str, a: int, b: int) -> Row | None:
    """What is known of a pair."""
    found = rows(
        tx,
        "SELECT state, score, reasons, found_at, decided_by, decided_at FROM core.match_review "
        "WHERE entity = :entity AND a = :a AND b = :b",
        entity=entity, a=a, b=b,
    )  # fmt: skip
    return found[0] if found else None


def source_row(tx: sa.Connection, entity: str, arrived: int) -> Row:
    return rows(tx, f"SELECT * FROM core.{entity}_source WHERE arrived = :n", n=arrived)[0]  # noqa: S608 - ours


def match_decisions(tx: sa.Connection, entity: str | None, limit: int) -> list[Row]:
    """Decisions, the latest first, with the records they were about."""
    return rows(
        tx,
        "SELECT d.id, d.entity, d.verb, d.decided_by, d.decided_at, d.undone_at, coalesce((SELECT "
        "array_agg(DISTINCT n) FROM jsonb_array_elements(d.pairs) p JOIN core.match_review r ON r.entity = d.entity "
        "AND r.a = cast(p ->> 0 AS bigint) AND r.b = cast(p ->> 1 AS bigint), unnest(ARRAY[r.record_a, r.record_b]) n),"
        " '{}') AS records FROM core.match_decision d WHERE :entity = '' OR d.entity = :entity "
        "ORDER BY d.id DESC LIMIT :limit",
        entity=entity or "", limit=limit,
    )  # fmt: skip
