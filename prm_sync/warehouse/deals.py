"""What becomes of decided registrations in the warehouse: `ledger.registered_deal`, and what it is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from prm_sync.warehouse import bulk
from prm_sync.warehouse.views import entity_of
from prm_sync.warehouse.views_deals import PROTECTED

COLUMNS = (
    "registration_id", "partner_id", "status", "how", "opportunity_id", "connection", "account_id", "credit", "stage",
    "protected_until", "touched",
)  # fmt: skip


def standing(tx: sa.Connection, ids: Collection[str]) -> Sequence[sa.Row[Any]]:
    """Of these registrations, and those that share their deals, what was decided, what was made of it so far, the deal.

    `own_id`: the deal in the CRM that names the registration; `linked_id`: the one that it was found to be.
    """
    return tx.execute(
        sa.text(
            f"""
            SELECT v.registration_id AS id, coalesce({entity_of("partner=r.partner_ref")}, v.partner_id) AS partner_id,
                   v.outcome, {PROTECTED} AS protected_until,
                   r.id IS NOT NULL AND r.merged_into IS NULL AND r.deleted_at IS NULL AS alive,
                   d.how, coalesce(e.merged_into, d.opportunity_id) AS deal_id, d.credit, d.connection, d.stage,
                   coalesce(o.merged_into, o.id) AS linked_id, own.id AS own_id
            FROM ledger.registration_decision v LEFT JOIN core.deal_registration r ON r.id = v.registration_id
            LEFT JOIN ledger.registered_deal d ON d.registration_id = v.registration_id
            LEFT JOIN core.opportunity o ON o.id = v.opportunity_id
            LEFT JOIN core.opportunity e ON e.id = d.opportunity_id
            LEFT JOIN LATERAL (
                SELECT coalesce(m.merged_into, m.id) AS id FROM core.opportunity m
                WHERE m.prm_registration_id = v.registration_id
                ORDER BY m.deleted_at IS NOT NULL, m.arrived LIMIT 1) own ON true
            WHERE v.registration_id = ANY(:ids)
               OR d.opportunity_id IN (SELECT s.opportunity_id FROM ledger.registered_deal s
                                       WHERE s.registration_id = ANY(:ids))
            """
        ),
        {"ids": list(ids)},
    ).all()


def opportunities(tx: sa.Connection, ids: Collection[str]) -> dict[str, sa.Row[Any]]:
    """These deals as the CRM has them: whose, which stage, whether the buyer is known, whether it is there still."""
    rows = tx.execute(
        sa.text(
            f"""
            SELECT o.id, o.stage, o.account_ref, o.deleted_at,
                   CASE WHEN o.partner_ref IS NOT NULL THEN {entity_of("partner=o.partner_ref")} END AS partner_id,
                   (SELECT x.connection FROM core.crosswalk x WHERE x.entity = 'opportunity' AND x.entity_id = o.id
                    ORDER BY x.since LIMIT 1) AS connection
            FROM core.opportunity o WHERE o.id = ANY(:ids)
            """
        ),
        {"ids": list(ids)},
    )
    return {r.id: r for r in rows}


def kept(tx: sa.Connection, registration_ids: Collection[str]) -> dict[str, sa.Row[Any]]:
    """What was made of these registrations so far."""
    rows = tx.execute(
        sa.text("SELECT * FROM ledger.registered_deal WHERE registration_id = ANY(:ids)"),
        {"ids": list(registration_ids)},
    )
    return {r.registration_id: r for r in rows}


def speaking(tx: sa.Connection, deals: Collection[str]) -> dict[str, str]:
    """The registration that speaks for each of these deals in the CRM."""
    rows = tx.execute(
        sa.text(
            "SELECT opportunity_id, min(registration_id) FROM ledger.registered_deal WHERE opportunity_id = ANY(:ids) "
            "AND how IN ('made', 'linked') AND status NOT IN ('rejected', 'cancelled') GROUP BY 1"
        ),
        {"ids": list(deals)},
    )
    return {r[0]: r[1] for r in rows}


def keep(tx: sa.Connection, rows: Iterable[Sequence[Any]]) -> int:
    """Keep these, in the order of `COLUMNS`; what says the same is not touched. Returns how many are news."""
    bulk.stage(tx, "followed", "ledger.registered_deal", COLUMNS, rows)
    told = COLUMNS[1:-1]
    sets = ", ".join(f"{c} = excluded.{c}" for c in COLUMNS[1:])
    return int(
        tx.exec_driver_sql(
            f"INSERT INTO ledger.registered_deal AS d ({', '.join(COLUMNS)}) SELECT {', '.join(COLUMNS)} "
            f"FROM pg_temp.followed ON CONFLICT (registration_id) DO UPDATE SET {sets} "
            f"WHERE ({', '.join(f'd.{c}' for c in told)}) IS DISTINCT FROM "
            f"({', '.join(f'excluded.{c}' for c in told)})"
        ).rowcount
    )
