"""Partners' targets, and the mart that says how far they are. What is reached comes from the rows of `performance`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.warehouse import marts, offers, performance, registrations
from prm_sync.warehouse.views import partner_by_key, partner_of

LOCK = "target_pacing"  #: the name under which the change numbers of these rows are given out
READS = ("opportunity", offers.LOCK, registrations.CREDITS, "target", "partner", "certification")
"""Names of the change numbers of all that the rows are made of."""
COLUMNS = (
    "target_id", "partner_id", "metric", "currency", "period_start", "period_end", "target", "reached", "elapsed",
    "expected", "attainment", "pace", "projected", "state", "other_currency", "rule_version",
)  # fmt: skip
ENDED = ("rejected", "terminated")  #: of partners in these states nothing more is expected


def changed_partners(tx: sa.Connection, after: int) -> set[str]:
    """Partners of whom anything changed after that change number that a target is measured by."""
    holders = tx.execute(
        sa.text(
            f"""
            SELECT {partner_of("c")} FROM core.certification c {partner_by_key("c")} WHERE c.touched > :after
            UNION SELECT {partner_of("c")} FROM core.certification_past c {partner_by_key("c")}
            WHERE c.version > 0 AND EXISTS (
                SELECT FROM core.certification n WHERE n.id = c.id AND n.touched > :after)
            """
        ),
        {"after": after},
    )
    return {r[0] for r in holders if r[0] is not None} | set(performance.changed_partners(tx, after))


def targets(tx: sa.Connection) -> Sequence[sa.Row[Any]]:
    """(id, partner_id, metric, amount, currency, period_start, period_end, closed) of every target that was agreed on.

    `partner_id` is null where no partner is known whose it is. Also those of partners that have left are `closed`.
    """
    return tx.execute(
        sa.text(
            f"""
            SELECT t.id, o.id AS partner_id, t.metric, CASE t.metric WHEN 'revenue' THEN t.amount ELSE t.quantity END
                   AS amount, CASE t.metric WHEN 'revenue' THEN t.currency END AS currency, t.period_start,
                   t.period_end, coalesce(t.status = 'closed', false) OR coalesce(o.status = ANY(:ended), false)
                   AS closed
            FROM (SELECT t.id, {partner_of("t")} AS owner, coalesce(t.metric, 'revenue') AS metric, t.amount,
                         t.quantity, t.currency, t.period_start, t.period_end, t.status
                  FROM core.target t {partner_by_key("t")} WHERE {performance.AGREED}) t
            LEFT JOIN core.partner o ON o.id = t.owner AND o.merged_into IS NULL AND o.deleted_at IS NULL
                  AND o.is_test IS NOT TRUE
            ORDER BY t.id
            """
        ),
        {"ended": list(ENDED)},
    ).all()


def write(
    tx: sa.Connection, followed: Sequence[str], rows: Iterable[Sequence[Any]], touched: int, now: datetime
) -> int:
    """Keep these rows, in the order of `COLUMNS`, and none but of targets in `followed`; returns how many differ."""
    return marts.keep(
        tx, "mart.target_pacing", ("target_id",), COLUMNS, rows, touched=touched, now=now,
        among="s.target_id <> ALL(:ids)", given={"ids": list(followed)},
    )  # fmt: skip


# --- for people ---------------------------------------------------------------------------------------------------


def listed(tx: sa.Connection, partner: str | None, *, behind: bool = False) -> list[dict[str, Any]]:
    """Rows with the partner's name, key and channel manager; those furthest behind first, then what still runs.

    `partner`: id or key in the PRM.
    """
    rows = tx.execute(
        sa.text(
            """
            SELECT m.*, p.name AS partner, p.partner_key, p.manager
            FROM mart.target_pacing m LEFT JOIN core.partner p ON p.id = m.partner_id
            WHERE (NOT :behind OR m.state = 'behind')
              AND (CAST(:partner AS text) IS NULL OR :partner IN (p.id, p.partner_key))
            ORDER BY m.state <> 'behind', m.state <> 'on_plan', CASE WHEN m.state = 'behind' THEN m.pace END,
                     m.period_end DESC, m.partner_id, m.metric, m.target_id
            """
        ),
        {"behind": behind, "partner": partner},
    )
    return [dict(r) for r in rows.mappings()]


def left_out(tx: sa.Connection) -> int:
    """Agreed targets that nobody can follow: without partner, amount or period."""
    query = f"SELECT count(*) FROM core.target t WHERE {performance.AGREED} AND NOT EXISTS "
    query += "(SELECT FROM mart.target_pacing m WHERE m.target_id = t.id)"
    return int(tx.exec_driver_sql(query).scalar_one())


def by_state(tx: sa.Connection) -> dict[str, int]:
    rows = tx.exec_driver_sql("SELECT state, count(*) FROM mart.target_pacing GROUP BY 1 ORDER BY 1")
    return {r[0]: r[1] for r in rows}


def behind(tx: sa.Connection, elapsed: float) -> int:
    """Targets behind plan of whose period at least such a share is over."""
    statement = sa.text("SELECT count(*) FROM mart.target_pacing WHERE state = 'behind' AND elapsed >= :elapsed")
    return int(tx.execute(statement, {"elapsed": elapsed}).scalar_one())
