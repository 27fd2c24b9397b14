"""Claims to deals in the warehouse: what they say, the keys by which they are found, and which of them changed.

A claim is a registration, an opportunity that is not lost, an account, or a lead that a partner has accepted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from prm_sync.warehouse import bulk, offers, source
from prm_sync.warehouse.views import entity_of, live
from prm_sync.warehouse.views_deals import PROTECTED

Kind = Literal["registration", "opportunity", "account", "lead"]
Ids = dict[Kind, list[str]]
HOLDING = ("approved", "converted", "won")  #: states in which the PRM has approved it
ASKED = ("submitted", "under_review", "pending_approval")
LOCK = "registered_deal"  #: the name under which change numbers of decisions and their deals are given out
PAGE = 20_000


def mark(db: sa.Engine) -> int:
    """The number up to which all changes of what claims are made of are committed."""
    read = ("deal_registration", "opportunity", "account", "partner", "lead", offers.LOCK, LOCK)
    return source.mark(db, *read)


def parted(tx: sa.Connection) -> str:
    """What changes claims without touching them: entities that were taken apart."""
    row = tx.exec_driver_sql(
        "SELECT (SELECT count(*) FROM core.entity_merge WHERE undone_at IS NOT NULL), "
        "(SELECT max(id) FROM core.match_decision), (SELECT count(undone_at) FROM core.match_decision)"
    ).one()
    return "|".join(map(str, row))


# --- what changed -------------------------------------------------------------------------------------------------


def _of_touched(table: str, reference: str, entity: str) -> str:
    """Rows of which a reference means an entity that was touched."""
    return (
        f"SELECT t.id FROM core.crosswalk x JOIN core.{entity} e ON e.id = x.entity_id AND e.touched > :after "
        f"JOIN core.{table} t ON t.{reference} = x.connection || ':' || x.remote_id WHERE x.entity = '{entity}'"
    )


_CHANGED: Mapping[Kind, str] = {
    "registration": f"""
        SELECT id FROM core.deal_registration WHERE touched > :after
        UNION SELECT registration_id FROM ledger.registration_decision
              WHERE touched > :after AND decided_by IS NOT NULL  -- what the rules decide, they have followed up
        UNION {_of_touched("deal_registration", "partner_ref", "partner")}
        UNION {_of_touched("deal_registration", "opportunity_ref", "opportunity")}
        UNION SELECT prm_registration_id FROM core.opportunity
              WHERE touched > :after AND prm_registration_id IS NOT NULL
        UNION SELECT v.registration_id FROM core.opportunity o
              JOIN ledger.registration_decision v ON v.opportunity_id = o.id WHERE o.touched > :after
        UNION SELECT d.registration_id FROM core.opportunity o
              JOIN ledger.registered_deal d ON d.opportunity_id = o.id WHERE o.touched > :after
        UNION SELECT d.registration_id FROM core.account a
              JOIN ledger.registered_deal d ON d.account_id = a.id WHERE a.touched > :after
        UNION SELECT r.id FROM core.deal_registration r
              LEFT JOIN ledger.registration_decision v ON v.registration_id = r.id
              WHERE {PROTECTED} > :since AND {PROTECTED} <= :now
        """,
    "opportunity": f"""
        SELECT id FROM core.opportunity WHERE touched > :after
        UNION {_of_touched("opportunity", "account_ref", "account")}
        UNION {_of_touched("opportunity", "partner_ref", "partner")}
        """,
    "account": f"""
        SELECT id FROM core.account WHERE touched > :after
        UNION {_of_touched("account", "partner_ref", "partner")}
        """,
    "lead": """
        SELECT lead_id FROM ledger.lead_offer WHERE touched > :after
        UNION SELECT o.lead_id FROM core.lead l JOIN ledger.lead_offer o ON o.lead_id = l.id
              WHERE l.touched > :after AND o.state = 'accepted'
        """,
}


def changed(tx: sa.Connection, after: int, since: datetime, now: datetime) -> Ids:
    """Claims that may have changed after that number, or whose protection ended in (since, now]; also those gone."""
    params = {"after": after, "since": since, "now": now}
    return {kind: list(tx.execute(sa.text(query), params).scalars()) for kind, query in _CHANGED.items()}


# --- what they say ------------------------------------------------------------------------------------------------

_PARTNER = f"CASE WHEN o.partner_ref IS NOT NULL THEN {entity_of('partner=o.partner_ref')} END"
CLOSED = "coalesce(o.closed_at, (o.close_date + 1)::timestamp AT TIME ZONE 'UTC')"  #: a day: at its end
_BUYER = f"LEFT JOIN core.account a ON o.account_ref IS NOT NULL AND a.id = {entity_of('account=o.account_ref')}"
OTHERS: Mapping[str, str] = {
    "opportunity": f"""
        SELECT 'opportunity' AS kind, o.id, {_PARTNER} AS partner_id, o.created_at AS since,
               coalesce(a.name, o.name) AS company, a.domain, a.tax_id, a.country, NULL AS email, o.product,
               CASE WHEN o.stage = 'won' THEN {CLOSED} END AS closed_at
        FROM core.opportunity o {_BUYER}
        WHERE coalesce(o.stage, '') <> 'lost' AND {live("o")} AND o.id""",
    "account": f"""
        SELECT 'account' AS kind, a.id, CASE WHEN a.partner_ref IS NOT NULL THEN {entity_of("partner=a.partner_ref")}
               END AS partner_id, a.created_at AS since, a.name AS company, a.domain, a.tax_id, a.country,
               NULL AS email, NULL AS product, NULL::timestamptz AS closed_at
        FROM core.account a WHERE {live("a")} AND a.id""",
    "lead": f"""
        SELECT DISTINCT ON (l.id) 'lead' AS kind, l.id, o.partner_id, coalesce(o.answered_at, o.offered_at) AS since,
               l.company, l.domain, NULL AS tax_id, l.country, l.email, l.product, NULL::timestamptz AS closed_at
        FROM ledger.lead_offer o JOIN core.lead l ON l.id = o.lead_id
        WHERE o.state = 'accepted' AND o.partner_stage IS DISTINCT FROM 'lost' AND {live("l")} AND l.id""",
}  # fmt: skip
_LAST = {"lead": "ORDER BY l.id, o.rank DESC"}
_TABLES: Mapping[str, str] = {
    "registration": "core.deal_registration", "opportunity": "core.opportunity", "account": "core.account",
    "lead": "core.lead",
}  # fmt: skip


def others(tx: sa.Connection, kind: Kind, ids: Collection[str]) -> Sequence[sa.RowMapping]:
    """What these opportunities, accounts or leads claim; those that claim nothing (any more) are left out."""
    if not ids:
        return []
    query = f"{OTHERS[kind]} = ANY(:ids) {_LAST.get(kind, '')}"
    return tx.execute(sa.text(query), {"ids": list(ids)}).mappings().all()


def registrations(tx: sa.Connection, ids: Collection[str]) -> Sequence[sa.Row[Any]]:
    """Those of these that are alive and were submitted, with what was decided about them so far."""
    if not ids:
        return []
    return tx.execute(
        sa.text(
            f"""
            SELECT r.id, {entity_of("partner=r.partner_ref")} AS partner_id,
                   coalesce(r.submitted_at, r.created_at) AS since, r.account_name AS company, r.domain, r.tax_id,
                   r.country, r.contact_email AS email, r.product, r.status, v.outcome, v.decided_by,
                   {PROTECTED} AS protected_until,
                   coalesce(CASE WHEN r.opportunity_ref IS NOT NULL THEN {entity_of("opportunity=r.opportunity_ref")}
                            END, own.id, coalesce(o.merged_into, o.id)) AS opportunity_id
            FROM core.deal_registration r LEFT JOIN ledger.registration_decision v ON v.registration_id = r.id
            LEFT JOIN core.opportunity o ON o.id = v.opportunity_id
            LEFT JOIN LATERAL (
                SELECT coalesce(m.merged_into, m.id) AS id FROM core.opportunity m WHERE m.prm_registration_id = r.id
                ORDER BY m.deleted_at IS NOT NULL, m.arrived LIMIT 1) own ON true
            WHERE r.status = ANY(:states) AND r.partner_ref IS NOT NULL AND {live("r")} AND r.id = ANY(:ids)
            """
        ),
        {"states": [*HOLDING, *ASKED], "ids": list(ids)},
    ).all()


def pages(tx: sa.Connection, kind: Kind) -> Iterator[list[str]]:
    """The ids of all of a kind."""
    last = ""
    while True:
        found = tx.execute(
            sa.text(f"SELECT id FROM {_TABLES[kind]} WHERE id > :last ORDER BY id LIMIT {PAGE}"), {"last": last}
        ).scalars().all()  # fmt: skip
        if not found:
            return
        yield list(found)
        last = found[-1]


def any_registration(tx: sa.Connection) -> bool:
    return bool(tx.exec_driver_sql("SELECT EXISTS (SELECT FROM core.deal_registration)").scalar_one())


# --- keys ---------------------------------------------------------------------------------------------------------


def forget_keys(tx: sa.Connection) -> None:
    tx.exec_driver_sql("TRUNCATE ledger.claim_key")


def keep_keys(tx: sa.Connection, kind: Kind, ids: Collection[str], rows: Iterable[tuple[int, str]]) -> None:
    """The keys of these claims anew: (key, id)."""
    tx.execute(
        sa.text("DELETE FROM ledger.claim_key WHERE kind = :kind AND id = ANY(:ids)"), {"kind": kind, "ids": list(ids)}
    )
    bulk.copy(tx, "ledger.claim_key", ("key", "kind", "id"), ((key, kind, id_) for key, id_ in rows))


def sharing(tx: sa.Connection, keys: Collection[int], kinds: Collection[Kind]) -> dict[Kind, set[str]]:
    """Claims of these kinds that share one of these keys."""
    found: dict[Kind, set[str]] = {kind: set() for kind in kinds}
    rows = tx.execute(
        sa.text("SELECT DISTINCT kind, id FROM ledger.claim_key WHERE key = ANY(:keys) AND kind = ANY(:kinds)"),
        {"keys": list(keys), "kinds": list(kinds)},
    )
    for kind, id_ in rows:
        found[kind].add(id_)
    return found


def concerned(tx: sa.Connection, ids: Mapping[Kind, Collection[str]]) -> set[str]:
    """Registrations that these claims were in conflict with, linked to, or matched with so far."""
    every = [i for some in ids.values() for i in some]
    return set(
        tx.execute(
            sa.text(
                "SELECT registration_id FROM ledger.deal_conflict WHERE other_id = ANY(:every) "
                "UNION SELECT other_id FROM ledger.deal_conflict "
                "WHERE other_kind = 'registration' AND registration_id = ANY(:registrations) "
                "UNION SELECT registration_id FROM ledger.registration_decision WHERE opportunity_id = ANY(:deals) "
                "UNION SELECT registration_id FROM ledger.registered_deal "
                "WHERE opportunity_id = ANY(:deals) OR account_id = ANY(:accounts)"
            ),
            {"every": every, "registrations": list(ids.get("registration", ())),
             "deals": list(ids.get("opportunity", ())), "accounts": list(ids.get("account", ()))},
        ).scalars()
    )  # fmt: skip
