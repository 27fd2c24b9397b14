"""What of partners runs out, the leads that this may concern, and the mart of forecasts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.warehouse import bulk, offers
from prm_sync.warehouse.views import entity_of, live, partner_by_key, partner_of

COLUMNS = (
    "kind", "subject_id", "partner_id", "name", "last_day", "leads", "stranded", "stranded_in", "offers",
    "registrations", "freed", "lead_ids", "rule_version", "as_of",
)  # fmt: skip
BATCH = 20_000


def running_out(
    tx: sa.Connection, today: date, until: date, held: Sequence[str], in_force: Sequence[str]
) -> Sequence[sa.Row[Any]]:
    """(kind, id, partner_id, name, last) of active partners' papers and protections that end from today to that day.

    `held`, `in_force`: states of certificates and agreements that count. A protection ends in the day: at its end.
    """
    return tx.execute(
        sa.text(
            f"""
            SELECT x.* FROM (
                SELECT 'certificate' AS kind, c.id, {partner_of("c")} AS partner_id, c.name, c.expires_on AS last
                FROM core.certification c {partner_by_key("c")}
                WHERE c.name IS NOT NULL AND c.expires_on BETWEEN :today AND :until
                  AND coalesce(c.status, 'granted') = ANY(:held) AND {live("c")}
                UNION ALL
                SELECT 'agreement', c.id, {partner_of("c")}, coalesce(c.number, c.kind, c.id), c.expires_on
                FROM core.agreement c {partner_by_key("c")} WHERE c.expires_on BETWEEN :today AND :until
                  AND c.status = ANY(:in_force) AND {live("c")}
                UNION ALL
                SELECT 'protection', r.id, r.partner_id, coalesce(r.account_name, r.number, r.id), r.last
                FROM (SELECT r.*, ((r.until - interval '1 microsecond') AT TIME ZONE 'UTC')::date AS last
                      FROM {_PROTECTED}) r WHERE r.last BETWEEN :today AND :until) x
            JOIN core.partner p ON p.id = x.partner_id WHERE p.status = 'active' AND {live("p")}
            ORDER BY x.last, x.partner_id, x.kind, x.id
            """
        ),
        {"today": today, "until": until, "held": list(held), "in_force": list(in_force)},
    ).all()


_PROTECTED = f"""
    (SELECT r.id, {entity_of("partner=r.partner_ref")} AS partner_id, r.number, r.account_name, r.domain,
            CASE WHEN r.status IN ('approved', 'converted') THEN greatest(r.protected_until, v.protected_until)
                 ELSE v.protected_until END AS until
     FROM core.deal_registration r LEFT JOIN ledger.registration_decision v ON v.registration_id = r.id
     WHERE (r.status IN ('approved', 'converted') OR v.outcome = 'approve')
       AND r.partner_ref IS NOT NULL AND {live("r")}) r
"""


def protections(tx: sa.Connection, now: datetime) -> Sequence[sa.Row[Any]]:
    """(partner_id, domain, until) of every registration that is protected now; domain null: none is known."""
    return tx.execute(
        sa.text(f"SELECT r.partner_id, r.domain, r.until FROM {_PROTECTED} WHERE r.until > :now"), {"now": now}
    ).all()


def open_leads(tx: sa.Connection, statuses: Sequence[str], now: datetime) -> Iterator[Sequence[sa.Row[Any]]]:
    """Leads that wait to be routed, are offered, or a partner works on: their facts and that partner, in batches."""
    last = ""
    while True:
        rows = tx.execute(
            sa.text(
                f"""
                WITH page AS (
                    SELECT l.id, a.partner_id AS offered_to, a.state = 'accepted' AS accepted
                    FROM core.lead l
                    LEFT JOIN ledger.lead_offer a ON a.lead_id = l.id AND a.state IN ('pending', 'accepted')
                    WHERE l.merged_into IS NULL AND l.deleted_at IS NULL AND l.is_test IS NOT TRUE AND l.id > :last
                      AND coalesce(l.status, '') NOT IN ('converted', 'disqualified')
                      AND (l.status = ANY(:statuses) OR a.id IS NOT NULL)
                      AND coalesce(a.partner_stage, 'open') NOT IN ('won', 'lost')
                    ORDER BY l.id LIMIT :size)
                SELECT coalesce(l.score, 0) AS priority, page.offered_to, page.accepted, {offers.LEAD_FACTS}
                FROM page JOIN core.lead l USING (id) {offers.LEAD_JOINS} ORDER BY l.id
                """
            ),
            {"statuses": list(statuses), "last": last, "size": BATCH, "now": now},
        ).all()
        if rows:
            yield rows
        if len(rows) < BATCH:
            return
        last = rows[-1].id


def names(tx: sa.Connection, partners: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """(name, channel manager) of partners."""
    rows = tx.execute(
        sa.text("SELECT id, coalesce(name, id), manager FROM core.partner WHERE id = ANY(:ids)"),
        {"ids": list(partners)},
    )
    return {r[0]: (r[1], r[2]) for r in rows}


def write(tx: sa.Connection, rows: Iterable[Sequence[Any]]) -> None:
    """Replace all forecasts, in the order of `COLUMNS`."""
    tx.exec_driver_sql("DELETE FROM mart.expiry_forecast")
    bulk.copy(tx, "mart.expiry_forecast", COLUMNS, rows)
