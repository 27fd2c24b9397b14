"""Pacing of partners' targets: core + ledger -> mart.target_pacing, and alerts. Part of measure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.flows.report import FlowReport
from prm_sync.rules.pacing import (
    PACING_VERSION,
    Achieved,
    Pacing,
    Target,
    is_followed,
    pacing,
    reached,
    to_be_told,
)
from prm_sync.rules.papers import Certificate
from prm_sync.rules.performance import DealRow, OfferRow
from prm_sync.warehouse import alerts, forecasts, offers, performance, progress, source
from prm_sync.warehouse import pacing as mart

STEP = "measure:pacing"
ONCE = timedelta(days=3_650)


def keep_pacing(app: App, now: datetime, report: FlowReport) -> None:
    """Bring the pacing of targets up to date, of all on a new day, else of the partners of whom something changed.

    An alert `behind_plan` is given once when a target falls behind, and once when it was missed.
    """
    day, policy = now.astimezone(UTC).date(), app.policies.targets
    upto = source.mark(app.db, *mart.READS)
    hash_ = f"{PACING_VERSION}|{policy.version}|{app.currency}|{day}"
    with app.db.begin() as tx:
        changed = mart.changed_partners(tx, progress.upto(tx, STEP, hash_))
        agreed = mart.targets(tx)
        followed = [_target(r, app.currency) for r in agreed if _followed(r)]
        looked_at = [t for t in followed if t.partner_id in changed]
        done = _achieved(tx, {t.partner_id for t in looked_at})
        rows, told = [], []
        for t in looked_at:
            so_far, other_currency = reached(t, done[t.partner_id], day, app.currency)
            p = pacing(t, so_far, day, policy)
            rows.append(_row(t, p, other_currency, policy.version))
            if to_be_told(t, p, day, policy):
                told.append((t, p))
        written = mart.write(tx, [t.id for t in followed], rows, source.change_number(tx, mart.LOCK), now)
        managers = {id_: manager for id_, (_, manager) in forecasts.names(tx, [t.partner_id for t, _ in told]).items()}
        said = alerts.keep(
            tx, "behind_plan", (_alert(t, p, managers.get(t.partner_id)) for t, p in told), now, again_after=ONCE
        )
        progress.keep(tx, STEP, upto, hash_)
    left_out = len(agreed) - len(followed)
    report.add(
        targets_looked_at=len(looked_at), targets=written, targets_left_out=left_out, behind_plan_alerts=said
    )


def _alert(target: Target, pacing: Pacing, manager: str | None) -> tuple[str, str]:
    """The same words for as long as the state is the same; how far it is moves, and is not told."""
    return f"partner {target.partner_id}", (
        f"target {target.id} ({target.metric}, {target.first} to {target.last}) "
        f"{'was missed' if pacing.state == 'missed' else 'is behind plan'}. Channel manager: {manager or 'not known'}. "
        f"How far it is: `prm-sync targets --partner {target.partner_id}`"
    )


def _followed(row: sa.Row[Any]) -> bool:
    return row.partner_id is not None and is_followed(row.amount, row.period_start, row.period_end)


def _target(row: sa.Row[Any], currency: str) -> Target:
    money = row.metric == "revenue"
    return Target(
        row.id, row.partner_id, row.metric, row.amount, row.period_start, row.period_end,
        (row.currency or currency) if money else None, row.closed,
    )  # fmt: skip


def _achieved(tx: sa.Connection, partners: Collection[str]) -> dict[str, Achieved]:
    ids = sorted(partners)
    offered: dict[str, list[OfferRow]] = defaultdict(list)
    closed: dict[str, list[DealRow]] = defaultdict(list)
    for o in performance.offer_rows(tx, ids) if ids else ():
        offered[o.partner_id].append(o)
    for d in performance.deal_rows(tx, ids) if ids else ():
        closed[d.partner_id].append(d)
    papers = offers.certificates(tx) if ids else {}
    return {id_: Achieved(offered[id_], closed[id_], [Certificate(*c) for c in papers.get(id_, ())]) for id_ in ids}


def _row(t: Target, p: Pacing, other_currency: int, version: str) -> list[str | float | date | None]:
    return [
        t.id, t.partner_id, t.metric, t.currency, t.first, t.last, t.amount, p.reached, p.elapsed, p.expected,
        p.attainment, p.pace, p.projected, p.state, other_currency, version,
    ]  # fmt: skip
