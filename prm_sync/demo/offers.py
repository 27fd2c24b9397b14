"""What the demo's offers show by themselves: one that ran out and went to the next partner, one with a masked field."""

from __future__ import annotations

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.demo.scenes import Scene
from prm_sync.errors import PrmSyncError


def offered_again(app: App) -> Scene:
    """A lead whose first partner let the offer run out. Raises PrmSyncError where there is none."""
    with app.db.begin() as tx:
        row = tx.execute(
            sa.text(
                "SELECT a.lead_id, p.name AS first, q.name AS second, b.state, a.expires_at - a.offered_at AS waited, "
                "count(*) OVER () AS n FROM ledger.lead_offer a "
                "JOIN ledger.lead_offer b ON b.lead_id = a.lead_id AND b.rank = a.rank + 1 "
                "JOIN core.partner p ON p.id = a.partner_id JOIN core.partner q ON q.id = b.partner_id "
                "WHERE a.state = 'expired' ORDER BY a.lead_id LIMIT 1"
            )
        ).one_or_none()
    if row is None:
        raise PrmSyncError("demo: no offer ran out and went to another partner")
    return Scene(
        "offered_again",
        f"{row.first} let the offer of {row.lead_id} run out after {row.waited.total_seconds() / 3600:.0f} h",
        f"it was taken back from the PRM and went to {row.second} (now {row.state}); so did {row.n - 1:,} more",
        f"prm-sync explain lead {row.lead_id}", int(row.n) - 1, str(row.lead_id),
    )  # fmt: skip


def masked(app: App) -> Scene:
    """A lead of which its partner sees initials. Raises PrmSyncError where none left in that form."""
    with app.db.begin() as tx:
        row = tx.execute(
            sa.text(
                "SELECT s.entity_id, p.name, p.tier, s.partner_key, r.payload -> 'meta' ->> 'last_name' AS shown, "
                "count(*) OVER () AS n FROM ops.share_log s JOIN core.partner p ON p.partner_key = s.partner_key "
                "JOIN raw.record r ON r.connection = s.connection AND r.stream = s.stream "
                "AND r.payload ->> 'external_key' = s.target AND r.deleted_at IS NULL "
                "JOIN core.lead g ON g.id = s.entity_id "
                "WHERE s.kind = 'shared' AND 'last_name=initials' = ANY(s.masked) AND g.last_name IS NOT NULL "
                "AND position(g.last_name IN r.payload::text) = 0 ORDER BY s.target, s.id LIMIT 1"
            )
        ).one_or_none()
    if row is None:
        raise PrmSyncError("demo: no lead left with a masked name")
    return Scene(
        "masked",
        f"{row.name} is a {row.tier} partner: policies/sharing.yaml shows it initials, others the family name",
        f'of {row.entity_id} it has "{row.shown}" in the PRM; so {row.n - 1:,} more, each in the share log',
        f"prm-sync sharing explain {row.entity_id} --partner {row.partner_key}", int(row.n) - 1, str(row.entity_id),
    )  # fmt: skip
