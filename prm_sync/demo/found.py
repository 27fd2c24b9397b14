"""What the demo left in the warehouse: counts, and why one lead went where it went."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.rules.routing import explain


def facts(app: App) -> dict[str, Any]:
    """The parts of a DemoResult that the warehouse knows."""
    with app.db.begin() as tx:
        held = _counts(tx,
                       "SELECT code, count(*) FROM ops.quarantine WHERE state = 'open' GROUP BY 1 ORDER BY 2 DESC, 1")
        offers = _counts(tx, "SELECT state, count(*) FROM ledger.lead_offer GROUP BY 1 ORDER BY 2 DESC, 1")
        golden = {
            name: int(tx.execute(
                sa.text(f'SELECT count(*) FROM core."{name}" WHERE merged_into IS NULL AND deleted_at IS NULL')  # noqa: S608
            ).scalar_one())
            for name in app.entities
        }  # fmt: skip
        explained = explanation(tx)
    golden = {name: n for name, n in golden.items() if n}
    return {
        "quarantined": sum(held.values()), "quarantined_by": held, "entities": sum(golden.values()),
        "entities_by": golden,
        "offers": sum(offers.values()), "offers_by": offers, "explained": explained,
    }  # fmt: skip


def _counts(tx: sa.Connection, query: str) -> dict[str, int]:
    return {row[0]: row[1] for row in tx.execute(sa.text(query))}


def explanation(tx: sa.Connection) -> tuple[str, ...]:
    """A lead's id, its winner, one who scored less and one who was ruled out. Empty where no lead has all three."""
    row = tx.execute(
        sa.text(
            """
            SELECT d.* FROM ledger.routing_decision d
            WHERE d.partner_id IS NOT NULL AND d.rank = 1
              AND (SELECT count(*) FROM jsonb_array_elements(d.candidates) c WHERE c->>1 = 'eligible') >= 2
              AND EXISTS (SELECT FROM jsonb_array_elements(d.candidates) c WHERE c->>1 IN ('product', 'industry',
                  'certification'))
            ORDER BY d.lead_id LIMIT 1
            """
        )
    ).mappings().one_or_none()  # fmt: skip
    if row is None:
        return ()
    names = {r[0]: r[1] for r in tx.execute(sa.text("SELECT id, name FROM core.partner"))}
    stored = {**row, "decided_at": row["decided_at"].isoformat(timespec="minutes")}
    lines = [line.strip() for line in explain(stored, names)[1:]]
    chosen = next(line for line in lines if ": chosen:" in line)
    less = next(line for line in lines if ": not chosen:" in line)
    out = next(line for line in lines if any(f": no, {code}:" in line for code in ("product", "industry",
        "certification")))
    return (str(row["lead_id"]), chosen, less, out)
