"""Late deliveries: an alert where the promised day has passed and nothing was sent, or the promise was put off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.flows.report import FlowReport
from prm_sync.warehouse import alerts, deliveries, progress, source

STEP = "late:order"


def tell_late(app: App, report: FlowReport) -> None:
    """Part of refine: said once for each partner, and again a day later for as long as it is so."""
    upto, now = source.mark(app.db, "order"), app.clock()
    with app.db.begin() as tx:
        late = deliveries.overdue(tx, now.date())
        before = progress.upto(tx, STEP, "")
        slipped = deliveries.put_off(tx, before) if before else []  # the first time, all of the past would be news
        progress.keep(tx, STEP, upto, "")
        alerts.keep(tx, "delivery_late", _said(late, "should have been sent and are not"), now)
        alerts.keep(tx, "delivery_put_off", _said(slipped, "are promised for a later day than before"), now)
    if late or slipped:
        report.add(deliveries_late=len(late), deliveries_put_off=len(slipped))


def _said(rows: Sequence[sa.Row[Any]], what: str) -> list[tuple[str, str]]:
    """(subject, message) for each partner, those without one together."""
    by_partner: dict[tuple[str | None, str | None], list[sa.Row[Any]]] = {}
    for row in rows:
        by_partner.setdefault((row.partner_id, row.manager), []).append(row)
    return [
        (f"partner {partner}" if partner else "orders without a partner", (
         f"{alerts.some([r.id for r in found], 'order')} {what}, by up to {max(r.days for r in found)} days. "
         f"Channel manager: {manager or 'not known'}. See mart.orders; the partner sees it with the next shipping "
         "notice"))
        for (partner, manager), found in sorted(by_partner.items(), key=lambda item: str(item[0][0]))
    ]  # fmt: skip
