"""What partners sold and what they claim, and the mart in which the two stand beside one another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.warehouse import marts
from prm_sync.warehouse.views import entity_of, live, partner_by_key, partner_of

LOCK = "incentive_check"  #: the name under which the change numbers of these rows are given out
COLUMNS = ("partner_id", "programme", "basis", "currency", "earned", "claimed", "paid", "state", "claims",
           "rule_version")  # fmt: skip
_SELLER = f"CASE WHEN o.partner_ref IS NOT NULL THEN {entity_of('partner=o.partner_ref')} END"


def changed_partners(tx: sa.Connection, after: int) -> list[str]:
    """Partners of whose orders, credits, claims or level anything changed after that change number."""
    rows = tx.execute(
        sa.text(
            f"""
            SELECT {_SELLER} FROM core."order" o WHERE o.touched > :after
            UNION SELECT {_SELLER} FROM core.order_past o WHERE o.version > 0 AND EXISTS (
                SELECT FROM core."order" n WHERE n.id = o.id AND n.touched > :after)
            UNION SELECT {partner_of("c")} FROM core.incentive_claim c {partner_by_key("c")} WHERE c.touched > :after
            UNION SELECT partner_id FROM ledger.credit_change WHERE touched > :after
            UNION SELECT id FROM core.partner WHERE touched > :after
            """
        ),
        {"after": after},
    )
    return [r[0] for r in rows if r[0]]


def sales(tx: sa.Connection, partners: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """Orders that these partners sold and won deals that they sourced: the columns of `Sale`."""
    return tx.execute(
        sa.text(
            f"""
            SELECT s.*, p.tier FROM (
                SELECT 'orders' AS kind, o.id, {_SELLER} AS partner_id, o.amount AS amount_minor, o.currency,
                       (coalesce(o.ordered_at, o.created_at, o.valid_from) AT TIME ZONE 'UTC')::date AS "on", o.product
                FROM core."order" o WHERE o.partner_ref IS NOT NULL AND o.amount IS NOT NULL AND o.currency IS NOT NULL
                  AND o.status IS DISTINCT FROM 'cancelled' AND {live("o")}
                UNION ALL
                SELECT 'sourced_deals', d.id, c.partner_id, c.amount, c.currency,
                       coalesce(d.close_date, (d.closed_at AT TIME ZONE 'UTC')::date), d.product
                FROM ledger.deal_credit c JOIN core.opportunity d ON d.id = c.opportunity_id
                WHERE c.is_primary AND {live("d")}) s
            JOIN core.partner p ON p.id = s.partner_id
            WHERE s.partner_id = ANY(:ids) AND s."on" IS NOT NULL
            """
        ),
        {"ids": list(partners)},
    ).all()


def claims(tx: sa.Connection, partners: Sequence[str]) -> Sequence[sa.Row[Any]]:
    """What these partners claim: id, partner_id, programme, order_id, deal_id, order_deal_id, amount, currency, status.

    `deal_id` is that of the deal whose registration is named, `order_deal_id` that of the deal behind the order.
    """
    return tx.execute(
        sa.text(
            f"""
            SELECT n.*, CASE WHEN o.opportunity_ref IS NOT NULL THEN {entity_of("opportunity=o.opportunity_ref")} END
                   AS order_deal_id
            FROM (
                SELECT c.id, {partner_of("c")} AS partner_id, c.programme, c.amount, c.currency, c.status,
                       coalesce({entity_of("order=c.order_ref")}, b.id) AS order_id, r.deal_id
                FROM core.incentive_claim c {partner_by_key("c")}
                LEFT JOIN core."order" b ON b.number = c.order_number AND b.merged_into IS NULL
                LEFT JOIN (
                    SELECT r.number, max(coalesce({entity_of("opportunity=r.opportunity_ref")}, v.opportunity_id))
                           AS deal_id
                    FROM core.deal_registration r
                    LEFT JOIN ledger.registration_decision v ON v.registration_id = r.id
                    WHERE r.number IS NOT NULL GROUP BY 1) r ON r.number = c.deal_number
                WHERE c.amount IS NOT NULL AND {live("c")}) n
            LEFT JOIN core."order" o ON o.id = n.order_id
            WHERE n.partner_id = ANY(:ids)
            """
        ),
        {"ids": list(partners)},
    ).all()


def write(
    tx: sa.Connection, partners: Sequence[str], rows: Iterable[Sequence[Any]], touched: int, now: datetime
) -> int:
    """Replace the rows of these partners, in the order of `COLUMNS`; returns how many differ from before."""
    return marts.keep(
        tx, "mart.incentive_check", ("partner_id", "programme", "basis"), COLUMNS, rows, touched=touched, now=now,
        among="s.partner_id = ANY(:ids)", given={"ids": list(partners)},
    )  # fmt: skip


# --- for people ---------------------------------------------------------------------------------------------------

WRONG = ("too_much", "not_earned", "other_currency")  #: states that somebody should look at before it is paid


def listed(
    tx: sa.Connection, states: Sequence[str] | None, partner: str | None, limit: int
) -> list[dict[str, Any]]:
    """Rows with the partner's name, the largest difference first. `partner`: id or key in the PRM."""
    rows = tx.execute(
        sa.text(
            """
            SELECT m.*, p.name AS partner, m.claimed - m.earned AS difference,
                   (SELECT array_agg(coalesce(c.number, c.id) ORDER BY c.id) FROM core.incentive_claim c
                    WHERE c.id = ANY(m.claims)) AS claim_numbers
            FROM mart.incentive_check m LEFT JOIN core.partner p ON p.id = m.partner_id
            WHERE (CAST(:states AS text[]) IS NULL OR m.state = ANY(:states))
              AND (CAST(:partner AS text) IS NULL OR :partner IN (p.id, p.partner_key))
            ORDER BY abs(m.claimed - m.earned) DESC, m.partner_id, m.programme, m.basis LIMIT :n
            """
        ),
        {"states": list(states) if states is not None else None, "partner": partner, "n": limit},
    )
    return [dict(r) for r in rows.mappings()]


def by_state(tx: sa.Connection) -> dict[str, int]:
    rows = tx.exec_driver_sql("SELECT state, count(*) FROM mart.incentive_check GROUP BY 1 ORDER BY 1")
    return {r[0]: r[1] for r in rows}
