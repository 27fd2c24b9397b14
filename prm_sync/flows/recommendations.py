"""Recommended customers: core and mart -> core.recommendation, and which partner is told of each. Part of measure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.flows.refine import refine_entity
from prm_sync.flows.report import FlowReport
from prm_sync.rules.recommendations import Customer, RecommendationPolicy, recommended
from prm_sync.warehouse import progress, recommendations, service, source
from prm_sync.warehouse.recommendations import Asked, Telling

STEP = "recommendations"


def recommend(app: App, now: datetime, report: FlowReport) -> None:
    """Bring the recommendations up to date.

    Where anything that counts has changed, and once a day, all customers are counted anew: what one has bought is held
    against all others, and every day makes the last purchase older. Where nobody is recommended nothing is counted.
    """
    policy = app.policies.recommendations
    day = now.astimezone(UTC).date()
    hash_ = f"{policy.version}|{day}" if policy.enabled else policy.version
    upto = source.mark(app.db, *recommendations.READS, service.LOCK)
    with app.db.begin() as tx:
        after = progress.upto(tx, STEP, hash_)
        if after and not (policy.enabled and recommendations.changed_since(tx, after)):
            return
        asked = Asked(policy.bought_months, policy.asked_months, day)
        rows = recommendations.counted(tx, asked) if policy.enabled else ()
        found = _told(rows, policy, day)
        changed = recommendations.keep(tx, found, now)
    refine_entity(app, "recommendation", report)
    with app.db.begin() as tx:
        moved = recommendations.keep_audience(tx, found)
        progress.keep(tx, STEP, upto, hash_)
    report.add(recommendations=len(found), recommendations_changed=changed, recommendations_for_others=moved)


def _told(rows: Sequence[sa.Row[Any]], policy: RecommendationPolicy, day: date) -> list[Telling]:
    by_account = {r.account_id: r for r in rows}
    customers = (
        Customer(
            r.account_id, r.partner_id, r.contact_id is not None, won=r.won, orders=r.orders,
            opportunities=r.opportunities, leads=r.leads, needs=r.needs, bought_days=r.bought_days,
        )
        for r in rows
    )  # fmt: skip
    out = []
    for one in recommended(customers, policy):
        r = by_account[one.customer.account_id]
        said = (r.account_ref, r.name, r.city, r.country, r.industry, one.told, one.why, r.product, day)
        out.append(Telling(r.account_id, r.partner_id, r.contact_id, said))
    return out
