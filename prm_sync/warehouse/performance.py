"""Rows that performance is measured by, and the mart that it goes to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.rules.performance import CaseRow, DealRow, OfferRow, Performance, TargetRow
from prm_sync.warehouse import marts
from prm_sync.warehouse.views import entity_of, live, partner_by_key, partner_of

LOCK = "partner_performance"  #: the name under which the mart's change numbers are given out
_COLUMNS = (
    "partner_id", "period", "offered", "accepted", "declined", "expired", "acceptance_rate", "response_hours", "won",
    "lost", "win_rate", "sourced_revenue", "influenced_revenue", "currency", "other_currency", "target", "attainment",
    "score", "cases", "case_response_hours", "case_resolution_hours", "definition_version",
)  # fmt: skip


def changed_partners(tx: sa.Connection, after: int) -> list[str]:
    """Partners of whose offers, deals or targets anything changed after that change number."""
    deal = entity_of("partner=d.partner_ref")
    rows = tx.execute(
        sa.text(
            f"""
            SELECT partner_id FROM ledger.lead_offer WHERE touched > :after
            UNION SELECT partner_id FROM ledger.case_assignment WHERE touched > :after
            UNION SELECT {deal} FROM core.opportunity d WHERE d.touched > :after AND d.partner_ref IS NOT NULL
            UNION SELECT {deal} FROM core.opportunity_past d WHERE d.version > 0 AND d.partner_ref IS NOT NULL
                  AND EXISTS (SELECT FROM core.opportunity n WHERE n.id = d.id AND n.touched > :after)
            UNION SELECT partner_id FROM ledger.credit_change WHERE touched > :after AND partner_id <> ''
            UNION SELECT c.partner_id FROM ledger.deal_credit c JOIN core.opportunity d ON d.id = c.opportunity_id
                  WHERE d.touched > :after AND c.partner_id <> ''
            UNION SELECT {partner_of("t")} FROM core.target t {partner_by_key("t")} WHERE t.touched > :after
            UNION SELECT id FROM core.partner WHERE touched > :after
            """
        ),
        {"after": after},
    )
    return [r[0] for r in rows if r[0] is not None]


def offer_rows(tx: sa.Connection, partners: Sequence[str]) -> list[OfferRow]:
    """Offers; one that was accepted, and taken back since, was accepted."""
    rows = tx.execute(
        sa.text(
            "SELECT partner_id, CASE WHEN state = 'withdrawn' AND answered_at IS NOT NULL THEN 'accepted' ELSE state "
            "END AS state, offered_at, answered_at FROM ledger.lead_offer WHERE partner_id = ANY(:ids)"
        ),
        {"ids": list(partners)},
    )
    return [OfferRow(r.partner_id, r.state, r.offered_at, r.answered_at) for r in rows]


def case_rows(tx: sa.Connection, partners: Sequence[str]) -> list[CaseRow]:
    """Cases that were given to these partners, however that ended; no test records."""
    rows = tx.execute(
        sa.text(
            "SELECT o.partner_id, o.offered_at, o.responded_at, g.opened_at, o.resolved_at "
            "FROM ledger.case_assignment o JOIN core.\"case\" g ON g.id = o.case_id "
            "WHERE o.partner_id = ANY(:ids) AND g.is_test IS NOT TRUE"
        ),
        {"ids": list(partners)},
    )
    return [CaseRow(*r) for r in rows]


def deal_rows(tx: sa.Connection, partners: Sequence[str]) -> list[DealRow]:
    """Closed deals with a share of the partner, and leads that it won or lost and no opportunity stands for.

    Of a won deal the ledger says who sourced and who influenced it; where it says nothing of the partner that the CRM
    names (a deal without amount, one that the partner only fulfilled), the CRM's own word stands.
    """
    rows = tx.execute(
        sa.text(
            f"""
            SELECT c.partner_id, d.stage, {_CLOSED_ON} AS closed_on, c.kind AS credit, c.amount, c.currency
            FROM ledger.deal_credit c JOIN core.opportunity d ON d.id = c.opportunity_id
            WHERE c.partner_id = ANY(:ids) AND d.stage = 'won' AND {_CLOSED_ON} IS NOT NULL AND {_COUNTED}
            UNION ALL
            SELECT n.partner_id, n.stage, n.closed_on, n.credit, n.amount, n.currency FROM (
                SELECT d.id, {entity_of("partner=d.partner_ref")} AS partner_id, d.stage, {_CLOSED_ON} AS closed_on,
                       d.credit, d.amount, d.currency
                FROM core.opportunity d
                WHERE d.partner_ref IS NOT NULL AND d.stage IN ('won', 'lost') AND {_COUNTED}) n
            WHERE n.partner_id = ANY(:ids) AND n.closed_on IS NOT NULL
              AND (n.stage = 'lost' OR NOT EXISTS (SELECT FROM ledger.deal_credit c
                                                   WHERE c.opportunity_id = n.id AND c.partner_id = n.partner_id))
            UNION ALL
            SELECT o.partner_id, o.partner_stage, (o.stage_at AT TIME ZONE 'UTC')::date, 'fulfilled',
                   o.won_amount, o.won_currency
            FROM ledger.lead_offer o JOIN core.lead l ON l.id = o.lead_id
            WHERE o.partner_stage IN ('won', 'lost') AND o.partner_id = ANY(:ids)
              AND l.converted_opportunity_ref IS NULL
            """
        ),
        {"ids": list(partners)},
    )
    return [DealRow(r.partner_id, r.stage, r.closed_on, r.credit, r.amount, r.currency) for r in rows]


_CLOSED_ON = "coalesce(d.close_date, (d.closed_at AT TIME ZONE 'UTC')::date)"
AGREED = f"{live('t')} AND t.status IS DISTINCT FROM 'draft'"  #: SQL: whether the target `t` was agreed on
_COUNTED = live("d")


def target_rows(tx: sa.Connection, partners: Sequence[str]) -> list[TargetRow]:
    rows = tx.execute(
        sa.text(
            f"""
            SELECT {partner_of("t")} AS partner_id,
                   t.period_start, t.period_end, t.amount, t.currency
            FROM core.target t {partner_by_key("t")}
            WHERE coalesce(t.metric, 'revenue') = 'revenue' AND t.amount IS NOT NULL AND t.period_start IS NOT NULL
              AND t.period_end IS NOT NULL AND {AGREED}
            """
        ),
    )
    wanted = set(partners)
    return [
        TargetRow(r.partner_id, r.period_start, r.period_end, r.amount, r.currency)
        for r in rows
        if r.partner_id in wanted
    ]


def write(tx: sa.Connection, partners: Sequence[str], rows: Sequence[Performance], touched: int, now: datetime) -> int:
    """Replace the months of these partners; only rows that differ are touched. Returns how many."""
    return marts.keep(
        tx, "mart.partner_performance", ("partner_id", "period"), _COLUMNS,
        ([getattr(r, c) for c in _COLUMNS] for r in rows), touched=touched, now=now,
        among="s.partner_id = ANY(:ids)", given={"ids": list(partners)},
    )  # fmt: skip


def latest(tx: sa.Connection) -> Sequence[sa.Row[Any]]:
    """Every partner's latest month that has begun, for people."""
    return tx.exec_driver_sql(
        "SELECT DISTINCT ON (m.partner_id) m.*, p.name AS partner FROM mart.partner_performance m "
        "LEFT JOIN core.partner p ON p.id = m.partner_id WHERE m.period <= date_trunc('month', m.as_of)::date "
        "ORDER BY m.partner_id, m.period DESC"
    ).all()
