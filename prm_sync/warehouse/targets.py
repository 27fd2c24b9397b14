"""Which remote records of a stream are ours to write, and what we know of each: the scopes of push.

`known`: the records of the stream that are the entity (a CRM's leads, accounts): they are updated, never made.
`offered`: one record per offer of a lead that waits or was accepted (a PRM's leads): made where missing, deleted when
the offer ran out or was taken back.
`shared`: one copy for each partner that a record belongs to (a PRM's cases, notices): made where missing, deleted when
the record is gone or belongs to the partner no longer.
`registered`: the deals of approved registrations (a CRM's opportunities): updated, and made where there is none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.facts import FACTS, SHARED_FACTS, UNSAID
from prm_sync.canonical.model import Kind
from prm_sync.warehouse import offers, performance, registrations, service, standing
from prm_sync.warehouse.views import entity_of

Scope = Literal["known", "offered", "shared", "registered"]
BATCH = 5_000
_FACTS_TOUCHED = {
    "lead": "offer_touched", "partner": "facts_touched", "account": "facts_touched", "opportunity": "facts_touched",
    "case": "offer_touched", "deal_registration": "registration_touched",
}  # fmt: skip
_COUNTED_BESIDES = {
    "lead": (offers.LOCK, "partner"), "partner": (performance.LOCK, standing.LOCK), "feedback": ("account",),
    "case": (offers.CASES.lock, "partner", "account", "contact"),
    "account": (service.LOCK,), "opportunity": (registrations.LOCK, service.LOCK, "partner", "account"),
    "deal_registration": (registrations.LOCK,), "recommendation": ("account", "contact"),
}  # fmt: skip
_PARTNER_KEYS = {"deal_registration": "f.registration_partner_key"}  #: whose record it is, of those that say so
_TOUCHED_BESIDES = {
    "feedback": """SELECT g.id FROM core.account a
        JOIN core.crosswalk x ON x.entity = 'account' AND x.entity_id = coalesce(a.merged_into, a.id)
        JOIN core.feedback g ON g.account_ref = x.connection || ':' || x.remote_id WHERE a.touched > :after""",
    "recommendation": """SELECT r.recommendation_id AS id FROM ledger.recommendation_audience r
        JOIN core.contact k ON k.id = r.contact_id JOIN core.contact c ON c.id = coalesce(k.merged_into, k.id)
        WHERE c.touched > :after
        UNION SELECT r.recommendation_id FROM ledger.recommendation_audience r
        JOIN core.account a ON a.id = r.account_id WHERE a.touched > :after""",
}  #: by entity SQL for the ids whose partner may be another one by now, or none
PARTNER = "partner_id"  #: the fact that names the partner a record belongs to
SHARED_WITH = {
    "shared_key": "w.id || ':' || p.id", "shared_partner_key": "p.partner_key", "shared_partner_name": "p.name",
}  #: the facts of a copy, in SQL
assert set(SHARED_WITH) == {f.name for f in SHARED_FACTS}
_MAY_SEE = """
    p.partner_key IS NOT NULL AND p.deleted_at IS NULL AND p.merged_into IS NULL
    AND p.status IS DISTINCT FROM 'rejected' AND p.status IS DISTINCT FROM 'terminated'
    AND (NOT EXISTS (SELECT FROM core.partner_source o WHERE o.connection = :c)
         OR EXISTS (SELECT FROM core.crosswalk o
                    WHERE o.entity = 'partner' AND o.entity_id = p.id AND o.connection = :c))
"""  # a connection that has partners of its own is for these alone; one that has none (a folder) for those of all


@dataclass(frozen=True, slots=True)
class Target:
    """One remote record to compare: `target` is its name on our side, `values` the canonical values and facts."""

    entity_id: str
    target: str
    op: Literal["upsert", "delete"]
    remote_id: str | None
    values: dict[str, Any]
    partner_key: str | None


def counted(entity: str, scope: Scope) -> tuple[str, ...]:
    """The change numbers that tell whether a target of the entity has changed."""
    more = ("partner",) if scope == "shared" else ()
    return tuple(dict.fromkeys((entity, *_COUNTED_BESIDES.get(entity, ()), *more)))


def changed(
    db: sa.Engine, entity: str, scope: Scope, connection: str, stream: str, uses: Sequence[str], after: int
) -> Iterator[list[Target]]:
    """Targets of which anything changed after that change number, in batches; also of the partner that they are for."""
    facts = [f.name for f in FACTS.get(entity, ()) if f.name != "id" and f.name in uses]
    copy = [u for u in uses if u in SHARED_WITH] if scope == "shared" else []
    fields = [u for u in uses if u != "id" and u not in facts and u not in copy]
    known = {"c": connection, "s": stream, "after": after, "size": BATCH}
    match scope:
        case "shared":
            pages = _copies(db, _touched(entity, every=not after), _shared(entity, fields, facts, copy), known)
        case "offered":
            pages = _records(db, _offered(fields, facts), known)
        case "registered":
            pages = _records(db, _registered(fields, facts), known)
        case "known":
            pages = _records(db, f"{_known(entity, fields, facts)} {_IN_ORDER}", known)
    names = (*fields, *facts, *copy)
    references = {f.name for f in FACTS.get(entity, ()) if f.kind is Kind.REFERENCE}
    for rows in pages:
        yield [
            Target(
                r["entity_id"], r["target"], r["op"], r["remote_id"],
                {"id": r["entity_id"], **{n: r[n] for n in names if _said(n, r[n], connection, references)}},
                r["partner_key"],
            )
            for r in rows
        ]  # fmt: skip


def _records(db: sa.Engine, query: str, known: dict[str, Any]) -> Iterator[Sequence[sa.RowMapping]]:
    last = ("", "")
    while True:
        with db.begin() as tx:
            rows = tx.execute(sa.text(query), {**known, "id": last[0], "target": last[1]}).mappings().all()
        if not rows:
            return
        yield rows
        last = (rows[-1]["entity_id"], rows[-1]["target"])


def _copies(db: sa.Engine, touched: str, query: str, known: dict[str, Any]) -> Iterator[Sequence[sa.RowMapping]]:
    """A page is so many entities with all their copies; those that have none are no end."""
    last = ""
    while True:
        with db.begin() as tx:
            ids = tx.execute(sa.text(touched), {**known, "id": last}).scalars().all()
            if not ids:
                return
            given = {"c": known["c"], "s": known["s"], "ids": list(ids)}
            rows = tx.execute(sa.text(query), given).mappings().all()
        if rows:
            yield rows
        last = ids[-1]


def _said(name: str, value: Any, connection: str, references: Collection[str]) -> bool:
    """Whether it says anything to this connection: a reference into another one says nothing."""
    if value is None:
        return name not in UNSAID
    return name not in references or value.startswith(f"{connection}:")


def _known(entity: str, fields: Sequence[str], facts: Sequence[str]) -> str:
    columns = "".join(f', g."{f}"' for f in fields) + "".join(f', f."{f}"' for f in facts)
    join = f"JOIN core.{entity}_facts f ON f.id = g.id" if facts else ""
    touched = f"OR f.{_FACTS_TOUCHED[entity]} > :after" if facts and entity in _FACTS_TOUCHED else ""
    partner_key = _PARTNER_KEYS.get(entity, "NULL::text") if facts else "NULL::text"
    closed = "AND s.status IS DISTINCT FROM 'converted'" if entity == "lead" else ""  # a CRM keeps those as they are
    return f"""
        SELECT x.entity_id, x.remote_id AS target, 'upsert' AS op, x.remote_id, {partner_key} AS partner_key{columns}
        FROM core.crosswalk x
        JOIN core."{entity}" g ON g.id = x.entity_id
        JOIN core.{entity}_source s ON s.connection = x.connection AND s.stream = x.stream AND s.remote_id = x.remote_id
        {join}
        WHERE x.entity = '{entity}' AND x.connection = :c AND x.stream = :s AND s.deleted_at IS NULL
          AND (g.touched > :after OR s.touched > :after {touched}) {closed}
          AND (x.entity_id, x.remote_id) > (:id, :target)
    """


_IN_ORDER = "ORDER BY entity_id, target LIMIT :size"


def _registered(fields: Sequence[str], facts: Sequence[str]) -> str:
    """Deals that are there, and those to be made."""
    known = _known("opportunity", fields, facts)
    if not facts:
        return f"{known} {_IN_ORDER}"
    nothing = "".join(", NULL" for _ in fields) + "".join(f', f."{name}"' for name in facts)
    return f"""
        SELECT * FROM ({known} AND (f.deal_connection = :c OR f.deal_connection IS NULL)
        UNION ALL
        SELECT f.id, f.deal_registration_id, 'upsert', NULL, NULL{nothing}
        FROM core.opportunity_facts f
        WHERE f.deal_connection = :c AND f.deal_unmade AND f.deal_wanted
          AND f.deal_touched > :after
          AND NOT EXISTS (SELECT FROM core.opportunity o WHERE o.prm_registration_id = f.deal_registration_id)
          AND NOT EXISTS (SELECT FROM core.crosswalk x WHERE x.entity = 'opportunity' AND x.entity_id = f.id)
          AND (f.id, f.deal_registration_id) > (:id, :target)) t {_IN_ORDER}
    """


def _offered(fields: Sequence[str], facts: Sequence[str]) -> str:
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
          AND (o.touched > :after OR f.offer_touched > :after OR g.touched > :after OR s.touched > :after)
          AND (o.lead_id, o.lead_id || ':' || o.rank) > (:id, :target)
        ORDER BY o.lead_id, o.lead_id || ':' || o.rank LIMIT :size
    """


def _shared(entity: str, fields: Sequence[str], facts: Sequence[str], copy: Sequence[str]) -> str:
    """Copies that are to be there (`now`), and those that left for a partner who is to see them no longer."""
    columns = "".join(f', g."{f}"' for f in fields) + "".join(f', f."{f}"' for f in facts)
    columns += "".join(f', {SHARED_WITH[f]} AS "{f}"' for f in copy)
    join = f"LEFT JOIN core.{entity}_facts f ON f.id = w.id" if facts else ""
    join += f" AND f.{PARTNER} = w.said" if facts and _by_facts(entity) else ""
    return f"""
        WITH touched AS MATERIALIZED (SELECT unnest(cast(:ids AS text[])) AS id),
        now AS (
            SELECT DISTINCT ON (t.id, p.id) t.id, p.id AS partner_id, b.id AS said {_now(entity, "touched t")}
        ),
        wanted AS (
            SELECT id, partner_id, said, id || ':' || partner_id AS target, 'upsert' AS op, NULL AS told FROM now
            UNION ALL
            SELECT t.id, NULL, NULL, l.target, 'delete', max(l.partner_key)
            FROM touched t JOIN ops.share_log l ON l.entity_id = t.id
            WHERE l.entity_id = ANY(:ids) AND l.entity = '{entity}' AND l.connection = :c AND l.stream = :s
              AND l.kind = 'shared'
              AND NOT EXISTS (SELECT FROM now n WHERE n.id = t.id AND n.id || ':' || n.partner_id = l.target)
            GROUP BY t.id, l.target
        )
        SELECT w.id AS entity_id, w.target, w.op, s.remote_id, coalesce(p.partner_key, w.told) AS partner_key{columns}
        FROM wanted w
        JOIN core."{entity}" g ON g.id = w.id AND g.id = ANY(:ids)
        LEFT JOIN core.partner p ON p.id = w.partner_id
        {join}
        LEFT JOIN LATERAL (
            SELECT s.remote_id FROM core.crosswalk x JOIN core.{entity}_source s
              ON s.connection = x.connection AND s.stream = x.stream AND s.remote_id = x.remote_id
            WHERE x.entity = '{entity}' AND x.entity_id = w.id AND x.connection = :c AND x.stream = :s
              AND s.shared_key = w.target
            ORDER BY s.deleted_at IS NOT NULL, s.arrived LIMIT 1) s ON true
        ORDER BY w.id, w.target
    """


def belongs_to(tx: sa.Connection, entity: str, entity_id: str, connection: str) -> list[str]:
    """The keys of the partners who get a copy of the record over the connection, as far as the policy lets them."""
    query = f"SELECT DISTINCT p.partner_key {_now(entity, '(SELECT cast(:id AS text) AS id) t')} ORDER BY 1"
    return list(tx.execute(sa.text(query), {"id": entity_id, "c": connection}).scalars())


def _now(entity: str, ids: str) -> str:
    """SQL for the records `t` of these ids, the partners `p` who are to see them, and how the record names these."""
    tests = "AND g.is_test IS NOT TRUE" if "is_test" in ENTITIES[entity].by_name else ""
    return f"""FROM {ids} {_partners_of(entity, "t.id")}
            WHERE g.merged_into IS NULL AND g.deleted_at IS NULL {tests} AND {_MAY_SEE}"""


def _by_facts(entity: str) -> bool:
    return any(f.name == PARTNER for f in FACTS.get(entity, ()))


def _partners_of(entity: str, id_: str) -> str:
    """SQL that joins the golden record of that id as `g`, and as `p` each partner that it belongs to."""
    golden = f'JOIN core."{entity}" g ON g.id = {id_}'
    if _by_facts(entity):
        found = f"SELECT f.{PARTNER} AS id FROM core.{entity}_facts f WHERE f.id = g.id"
    else:
        found = f"SELECT {entity_of('partner=g.partner_ref')} AS id"
    return (
        f"{golden} JOIN LATERAL ({found}) b ON true "
        "JOIN LATERAL (SELECT coalesce(m.merged_into, m.id) AS id FROM core.partner m WHERE m.id = b.id) m ON true "
        "JOIN core.partner p ON p.id = m.id"
    )


def _touched(entity: str, *, every: bool) -> str:
    """SQL for the next ids of which the record, a copy, what is known of it here, or its partner changed."""
    page = "(SELECT DISTINCT id FROM ({}) t WHERE id > :id ORDER BY id LIMIT :size)"
    own = f'SELECT id FROM core."{entity}" WHERE touched > :after'
    if every:  # nothing else can be touched then
        return page.format(own)
    parts = [
        own,
        f"""SELECT x.entity_id AS id FROM core.{entity}_source s
            JOIN core.crosswalk x ON x.connection = s.connection AND x.stream = s.stream AND x.remote_id = s.remote_id
            WHERE x.entity = '{entity}' AND s.connection = :c AND s.stream = :s AND s.touched > :after""",
    ]
    if entity in _FACTS_TOUCHED:
        parts.append(f"SELECT id FROM core.{entity}_facts WHERE {_FACTS_TOUCHED[entity]} > :after")
    if entity in _TOUCHED_BESIDES:
        parts.append(_TOUCHED_BESIDES[entity])
    if _by_facts(entity):
        parts.append(
            f"SELECT f.id FROM core.partner p JOIN core.{entity}_facts f ON f.{PARTNER} IN (p.id, p.merged_into) "
            "WHERE p.touched > :after"
        )
    else:
        parts.append(
            f"""SELECT g.id FROM core.partner p
                JOIN core.crosswalk x ON x.entity = 'partner' AND x.entity_id = coalesce(p.merged_into, p.id)
                JOIN core."{entity}" g ON g.partner_ref = x.connection || ':' || x.remote_id
                WHERE p.touched > :after"""
        )
    return " UNION ".join(page.format(part) for part in parts) + " ORDER BY id LIMIT :size"


def outlived(tx: sa.Connection, entity: str, scope: Scope, connection: str, stream: str) -> list[tuple[str, str]]:
    """(entity id, target) of what was not sent, or was refused, and is no target any more: nothing else would end it.

    A delete has its reason in what is there no more, so it stays.
    """
    match scope:
        case "offered":
            made = "FROM ledger.lead_offer o WHERE o.lead_id || ':' || o.rank = w.target AND o.state <> 'declined'"
        case "shared":
            copies = _now(entity, "(SELECT w.entity_id AS id) t")
            made = f"{copies} AND w.entity_id || ':' || p.id = w.target"
        case "registered":
            made = f"FROM core.{entity}_facts f WHERE f.id = w.entity_id"
            made += " AND f.deal_registration_id = w.target AND f.deal_wanted"
        case "known":
            return []
    never_there = "" if scope == "offered" else "AND remote_id IS NULL"  # what is there is deleted, or somebody's own
    rows = tx.execute(
        sa.text(
            "SELECT w.entity_id, w.target FROM (SELECT DISTINCT entity_id, target FROM ops.outbox "
            "WHERE connection = :c AND stream = :s AND entity = :e AND op = 'upsert' AND state IN ('ready', 'refused') "
            f"{never_there}) w WHERE NOT EXISTS (SELECT {made})"
        ),
        {"c": connection, "s": stream, "e": entity},
    )
    return [(r[0], r[1]) for r in rows]


def records(db: sa.Engine, connection: str, stream: str) -> int:
    """Records of the stream that are there now."""
    with db.begin() as tx:
        found = tx.execute(
            sa.text("SELECT records FROM raw.cursor WHERE connection = :c AND stream = :s"),
            {"c": connection, "s": stream},
        ).scalar_one_or_none()
    return int(found or 0)
