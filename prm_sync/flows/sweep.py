"""The sweep of route: offers that ran out, and offers of leads and cases that are no longer to be had in the CRM.

Its cost follows the offers that wait, and what changed of the leads and cases that partners have accepted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.flows.report import FlowReport
from prm_sync.flows.routed import Routed
from prm_sync.rules.routing import Fate, Offer, Refusal, Transition, due, reopen, stage_of, taken_back, withdraw
from prm_sync.warehouse import alerts, cases, offers, progress, source
from prm_sync.warehouse.offers import Book

STEP = "sweep"


def sweep(app: App, kind: Routed, now: datetime, run_id: str, report: FlowReport) -> None:
    """End what is over. An offer runs out only once we have heard what its partner said until then.

    A PRM that could not be read keeps the offers of its own partners open, and no others.
    """
    upto, book = source.mark(app.db, *kind.fates), kind.book
    with app.db.begin() as tx:
        touched = source.change_number(tx, book.lock)
        streams = [(m.connection, m.stream) for m in kind.answering(app)]
        heard = offers.heard_until(tx, streams)
        rows = kind.open_offers(tx, progress.upto(tx, kind.step(STEP), ""), [c for c, _ in streams])
        by_id = {r.id: r for r in rows}
        steps = (_step(offer_of(row, book), row, _until(row, heard, now), now) for row in rows)
        ended = [step for step in steps if isinstance(step, Transition)]
        if ended:
            _write(tx, ended, touched, run_id, book)
            _tell_managers(tx, kind, ended, by_id, now)
        overdue = _overdue(tx, kind, now, run_id)
        progress.keep(tx, kind.step(STEP), upto, "")
    counts = Counter(t.after for t in ended)
    numbers = {"expired": counts["expired"], "withdrawn": counts["withdrawn"]}
    if book is offers.CASES:
        numbers |= {"closed": counts["closed"], "reopened": counts["reopened"], "overdue": overdue}
    report.add(**kind.counted(numbers))


def _step(offer: Offer, row: sa.Row[Any], heard: datetime, now: datetime) -> Transition | Refusal | None:
    """What becomes of an offer that is open."""
    fate = Fate(gone=row.gone, merged=row.merged, status=row.status, sold_by=row.sold_by)
    reason = taken_back(offer, fate)
    if reason is not None:
        return withdraw(offer, now, reason)
    if offer.stage == "closed":
        return reopen(offer, now, "opened again in the CRM")
    return next(iter(due([offer], heard)), None)


def _until(row: sa.Row[Any], heard: Mapping[str, datetime], now: datetime) -> datetime:
    """Until when we know what this offer's partner said: where it is in several PRMs, what all of them have told."""
    names = [c for c in row.connections if c in heard] or list(heard)
    return min([now, *(heard[c] for c in names)])


def offer_of(row: sa.Row[Any], book: Book) -> Offer:
    """A row of the ledger as the rules see it."""
    changed_at = row.stage_at or row.answered_at if book is offers.CASES else row.answered_at
    return Offer(
        id=row.id, lead_id=row.thing_id, partner_id=row.partner_id, offered_at=row.offered_at,
        expires_at=row.expires_at, state=row.state, changed_at=changed_at, reason=row.decline_reason, rank=row.rank,
        superseded=bool(getattr(row, "superseded", False)), stage=stage_of(row.partner_stage), of=book.thing,
    )  # fmt: skip


def _write(tx: sa.Connection, ended: Sequence[Transition], touched: int, run_id: str, book: Book) -> None:
    moves = [
        {"id": t.offer_id, "state": t.after, "answered_at": None, "decline_reason": t.reason}
        for t in ended if t.stage is None
    ]  # fmt: skip
    nothing = dict.fromkeys(book.stage_columns)
    stages = [{"id": t.offer_id, "stage": t.stage, "at": t.at, **nothing} for t in ended if t.stage is not None]
    offers.move(tx, moves, touched, book)
    offers.set_stage(tx, stages, touched, book)
    offers.write_events(tx, ((t.offer_id, t.at, t.after, True, t.reason) for t in ended), run_id)


def _tell_managers(
    tx: sa.Connection, kind: Routed, ended: Sequence[Transition], rows: Mapping[str, sa.Row[Any]], now: datetime
) -> None:
    """One alert for each partner who let offers run out, or lost leads that it had accepted."""
    expired = [rows[t.offer_id] for t in ended if t.after == "expired"]
    what = "went unanswered until the offer ran out, and go to the next partner"
    _tell(tx, kind, "offer_expired", expired, what, now)
    lost = [rows[t.offer_id] for t in ended if t.after == "withdrawn" and t.before != "pending"]
    what = "had been accepted and were taken back, since they are no longer to be had in the CRM"
    _tell(tx, kind, "offer_withdrawn", lost, what, now)


def _overdue(tx: sa.Connection, kind: Routed, now: datetime, run_id: str) -> int:
    """Tell of cases that are not solved in time, once each; how many."""
    late = cases.overdue_cases(tx, now) if kind.book is offers.CASES else ()
    offers.write_events(tx, ((r.id, r.resolve_by, "overdue", True, None) for r in late), run_id)
    _tell(tx, kind, "case_overdue", late, "are not solved within the time that their priority gives", now)
    return len(late)


def _tell(
    tx: sa.Connection, kind: Routed, alert: str, rows: Sequence[sa.Row[Any]], what: str, now: datetime
) -> None:
    """One alert for each partner, with who is in charge of it."""
    found: dict[tuple[str, str | None], list[str]] = {}
    for row in rows:
        found.setdefault((row.partner_id, row.manager), []).append(row.thing_id)
    said = (
        (f"partner {partner}", (
         f"{alerts.some(ids, kind.thing)} {what}. Channel manager: {manager or 'not known'}. "
         f"See `prm-sync explain {kind.thing} {ids[0]}`"))
        for (partner, manager), ids in sorted(found.items(), key=lambda item: item[0][0])
    )  # fmt: skip
    alerts.keep(tx, alert, said, now)
