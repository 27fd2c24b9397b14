"""The sweep of route: offers that ran out, and offers of leads that are no longer to be had in the CRM.

Its cost follows the offers that wait, and what changed of the leads that partners have accepted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.flows.report import FlowReport
from prm_sync.rules.routing import Fate, Offer, Refusal, Transition, due, taken_back, withdraw
from prm_sync.warehouse import alerts, offers, progress, source

STEP = "sweep"
NAMED = 5  #: leads that one alert names


def sweep(app: App, now: datetime, run_id: str, report: FlowReport) -> None:
    """End what is over. An offer runs out only once we have heard what its partner said until then.

    A PRM that could not be read keeps the offers of its own partners open, and no others.
    """
    upto = min(source.mark(app.db, name) for name in ("lead", "opportunity", "partner"))
    with app.db.begin() as tx:
        touched = source.change_number(tx, offers.LOCK)
        heard = offers.heard_until(tx, answering(app))
        rows = offers.open_offers(tx, progress.upto(tx, STEP, ""), [c for c, _ in answering(app)])
        by_id = {r.id: r for r in rows}
        ended: list[Transition] = []
        for row in rows:
            offer = offer_of(row)
            reason = taken_back(offer, Fate(gone=row.gone, merged=row.merged, status=row.status, sold_by=row.sold_by))
            step = withdraw(offer, now, reason) if reason is not None else _over(offer, _until(row, heard, now))
            if isinstance(step, Transition):
                ended.append(step)
        if ended:
            offers.move(
                tx,
                [{"id": t.offer_id, "state": t.after, "answered_at": None, "decline_reason": t.reason} for t in ended],
                touched,
            )
            offers.write_events(tx, ((t.offer_id, t.at, t.after, True, t.reason) for t in ended), run_id)
            _tell_managers(tx, ended, by_id, now)
        progress.keep(tx, STEP, upto, "")
    report.add(expired=sum(t.after == "expired" for t in ended), withdrawn=sum(t.after == "withdrawn" for t in ended))


def _over(offer: Offer, until: datetime) -> Transition | Refusal | None:
    return next(iter(due([offer], until)), None)


def _until(row: sa.Row[Any], heard: Mapping[str, datetime], now: datetime) -> datetime:
    """Until when we know what this offer's partner said: where it is in several PRMs, what all of them have told."""
    names = [c for c in row.connections if c in heard] or list(heard)
    return min([now, *(heard[c] for c in names)])


def answering(app: App) -> list[tuple[str, str]]:
    """(connection, stream) over which partners answer."""
    return [
        (m.connection, m.stream) for m in app.back_mappings()
        if m.entity == "lead" and app.connector(m.connection).kind == "prm"
    ]  # fmt: skip


def offer_of(row: sa.Row[Any]) -> Offer:
    """A row of the ledger as the rules see it."""
    return Offer(
        id=row.id, lead_id=row.lead_id, partner_id=row.partner_id, offered_at=row.offered_at, expires_at=row.expires_at,
        state=row.state, changed_at=row.answered_at, reason=row.decline_reason, rank=row.rank,
        superseded=bool(getattr(row, "superseded", False)),
        stage=row.partner_stage if row.partner_stage in ("working", "won", "lost") else None,
    )  # fmt: skip


def _tell_managers(
    tx: sa.Connection, ended: Sequence[Transition], rows: Mapping[str, sa.Row[Any]], now: datetime
) -> None:
    """One alert for each partner who let offers run out, or lost leads that it had accepted, with its manager."""
    for kind, what in (
        ("offer_expired", "went unanswered until the offer ran out, and go to the next partner"),
        ("offer_withdrawn", "had been accepted and were taken back, since they are no longer to be had in the CRM"),
    ):
        leads: dict[tuple[str, str | None], list[str]] = {}
        for t in ended:
            row = rows[t.offer_id]
            if t.after == "expired" if kind == "offer_expired" else t.after == "withdrawn" and t.before != "pending":
                leads.setdefault((row.partner_id, row.manager), []).append(row.lead_id)
        said = (
            (f"partner {partner}", (
             f"{alerts.some(ids, 'lead')} {what}. Channel manager: {manager or 'not known'}. "
             f"See `prm-sync explain lead {ids[0]}`"))
            for (partner, manager), ids in sorted(leads.items(), key=lambda item: item[0][0])
        )  # fmt: skip
        alerts.keep(tx, kind, said, now)
