"""route: core -> ledger. Deal registrations; for leads and cases the partners' answers, the SLA sweep, then offers."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.flows.register import judge_registrations
from prm_sync.flows.report import FlowReport
from prm_sync.flows.routed import Routed, kinds
from prm_sync.flows.sweep import offer_of, sweep
from prm_sync.rules.papers import Certificate, Contract, certificates_on
from prm_sync.rules.routing import (
    Decision,
    LeadFacts,
    Ledger,
    Offer,
    PartnerFacts,
    Refusal,
    RoutingPolicy,
    Transition,
    apply_answer,
    apply_stage,
    day_start,
    moved,
    score_of_best,
    unrouted,
    week_start,
)
from prm_sync.rules.routing import (
    route as decide,
)
from prm_sync.warehouse import alerts, offers, progress, source
from prm_sync.warehouse.offers import Book
from prm_sync.warehouse.runs import running

log = logging.getLogger(__name__)

BATCH_LEADS = 20_000
OPTIMAL_LEADS = 200_000  #: the choice `optimal` is the better the more leads it sees at once
LOOK_BACK = timedelta(days=365)  #: deals and answers that a partner's figures are made of


def route(app: App, *, dagster_run_id: str | None = None) -> FlowReport:
    """Settle what partners said, let overdue offers run out, offer leads. Deterministic for a warehouse and a time."""
    now = app.clock()
    with running(app.db, "route", "", now, dagster_run_id=dagster_run_id) as run:
        began = time.perf_counter()
        report = FlowReport("route", "")
        run.report = report
        judge_registrations(app, now, run.id, report)
        for kind in kinds(app):
            _answers(app, kind, run.id, report)
            sweep(app, kind, now, run.id, report)
            _offer(app, kind, now, run.id, report)
        report.work_s = time.perf_counter() - began
    log.info("routed", extra={"counts": dict(report.numbers)})
    return report


# --- what partners said ------------------------------------------------------------------------------------------


def _answers(app: App, kind: Routed, run_id: str, report: FlowReport) -> None:
    upto, book = source.mark(app.db, kind.thing), kind.book
    with app.db.begin() as tx:
        touched = source.change_number(tx, book.lock)
        rows = offers.answers(tx, progress.upto(tx, kind.step("answers"), ""), upto, book)
        known = offers.event_known(tx, [r.id for r in rows])
        settled = _Settled(book)
        for row in rows:
            settled.take(row, known)
        offers.move(tx, settled.moves, touched, book)
        offers.set_stage(tx, settled.stages, touched, book)
        offers.write_events(tx, settled.events, run_id)
        progress.keep(tx, kind.step("answers"), upto, "")
    numbers = {"answered": len(settled.moves), "stages": len(settled.stages), "late": settled.late}
    report.add(**kind.counted(numbers))


class _Settled:
    """Answers of one pass, turned into moves, stages and events."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._offers: dict[str, Offer] = {}  #: as they stand by now
        self.moves: list[dict[str, Any]] = []
        self.stages: list[dict[str, Any]] = []
        self.events: list[tuple[str, datetime, str, bool, str | None]] = []
        self.late = 0

    def take(self, row: sa.Row[Any], known: set[tuple[str, str, datetime]]) -> None:
        offer = self._offers.get(row.id) or offer_of(row, self._book)
        if row.answer is not None and row.said_at is not None and (row.id, row.answer, row.said_at) not in known:
            said = apply_answer(offer, row.answer, row.said_at, row.said_reason)
            offer = self._settle(row, offer, said, row.answer)
        # `open` says nothing: a new record in the PRM comes back with it, and there is no way back to it.
        at = row.stage_said_at
        if row.said_stage in (None, "open") or at is None or (row.id, "stage", at) in known:
            return
        offer = self._settle(row, offer, apply_stage(offer, row.said_stage, at), "stage")

    def _settle(self, row: sa.Row[Any], offer: Offer, said: Transition | Refusal, event: str) -> Offer:
        """Write down what was said; the offer as it stands then."""
        if isinstance(said, Refusal):
            if said.code != "repeated":
                self.late += 1
                self.events.append((offer.id, said.at, event, False, said.message))
            self._offers[offer.id] = offer
            return offer
        if said.before == "pending" or said.state != "accepted":
            self.moves.append(
                {"id": offer.id, "state": said.state, "answered_at": said.at, "decline_reason": said.reason}
            )
        if said.stage is not None:
            self.stages.append({"id": offer.id, "stage": said.stage, "at": said.at, **_told(row, said, self._book)})
        self.events.append((offer.id, said.at, event, True, said.stage if event == "stage" else said.reason))
        self._offers[offer.id] = moved(offer, said)
        return self._offers[offer.id]


def _told(row: sa.Row[Any], said: Transition, book: Book) -> dict[str, Any]:
    """What comes with a stage."""
    if book is offers.LEADS:
        amount = row.said_won if said.stage == "won" else None
        return {"won_amount": amount, "won_currency": row.said_currency if amount is not None else None}
    # Who solves a case without having said anything before has answered it with that.
    return {
        "responded_at": row.said_responded_at or (said.at if row.responded_at is None else None),
        "resolved_at": said.at if said.stage == "resolved" else None, "resolution": row.said_resolution,
    }  # fmt: skip


def _tell_owners(tx: sa.Connection, kind: Routed, decisions: Sequence[Decision], now: datetime) -> None:
    """One alert for each queue about leads whose last offer was in vain, and that nobody else may have."""
    policy = kind.policy
    leads: dict[str, list[str]] = {}
    for d in decisions:
        leads.setdefault(d.queue or policy.queues.default, []).append(d.lead_id)
    said = (
        (f"queue {queue}", (
         f"{alerts.some(ids, kind.thing)} were offered in vain and wait for a person. "
         f"In charge: {policy.queues.owners.get(queue, f'nobody is named in policies/{kind.policy_file}')}. "
         f"See mart.{_WAITING[kind.thing]}, `prm-sync explain {kind.thing} {ids[0]}`"))
        for queue, ids in sorted(leads.items())
    )  # fmt: skip
    alerts.keep(tx, "offers_in_vain", said, now)


_WAITING = {"lead": "unrouted_leads", "case": "unassigned_cases"}


# --- offers ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoutingBoard:
    """What all decisions of a pass are made by."""

    partners: list[PartnerFacts]
    ledger: Ledger


def _offer(app: App, kind: Routed, now: datetime, run_id: str, report: FlowReport) -> None:
    upto = source.mark(app.db, kind.thing)
    after, policy = offers.FIRST, kind.policy
    size = OPTIMAL_LEADS if policy.choice == "optimal" else BATCH_LEADS
    while True:
        with app.db.begin() as tx:
            touched = source.change_number(tx, kind.book.lock)
            since = progress.upto(tx, kind.step("route"), _key(tx, kind, now))
            rows = kind.undecided(tx, policy.eligible_statuses, since, after, size, now)
            leads = [lead_facts(r) for r in rows]
            board = _board(tx, kind.book, now) if rows else RoutingBoard([], Ledger())
            decisions = decide(leads, board.partners, board.ledger, policy, now)
            made = _write(tx, decisions, touched, run_id, kind)
            if len(rows) < size:
                progress.keep(tx, kind.step("route"), upto, _key(tx, kind, now))
        numbers = {"looked_at": len(rows), "offered": made}
        numbers |= {f"unrouted:{k}": n for k, n in unrouted(decisions).items()}
        report.add(**kind.counted({**numbers, **_queues(decisions)}))
        if policy.choice == "optimal" and rows:
            report.add(**kind.counted(_gain(decisions, leads, board, policy, now)))
        if len(rows) < size:
            return
        after = (rows[-1].priority, rows[-1].id)


def _queues(decisions: list[Decision]) -> dict[str, int]:
    """Leads that were put into each queue."""
    return {f"queue:{q}": n for q, n in Counter(d.queue for d in decisions).items() if q is not None}


def _gain(
    decisions: list[Decision], leads: list[LeadFacts], board: RoutingBoard, policy: RoutingPolicy, now: datetime
) -> dict[str, int]:
    """What `optimal` came to and what `best` would have: sums of scores in hundredths, and leads with a partner."""
    best_score, best_offered = score_of_best(leads, board.partners, board.ledger, policy, now)
    score = sum(d.score or 0.0 for d in decisions)
    return {"score_x100": round(score * 100), "best_score_x100": round(best_score * 100), "best_offered": best_offered}


def partner_facts(tx: sa.Connection, now: datetime, book: Book = offers.LEADS) -> list[PartnerFacts]:
    """Every partner as it stands; how soon it answers is told by its answers to leads, or to cases."""
    certificates, agreements = offers.certificates(tx), offers.agreements(tx)
    segments, today = offers.segment_records(tx, now - LOOK_BACK), now.astimezone(UTC).date()
    return [
        replace(
            _partner(r), segments=segments.get(r.id, {}),
            certifications=certificates_on(
                r.certifications or (), (Certificate(*c) for c in certificates.get(r.id, ())), today
            ),
            agreements=tuple(Contract(*a).agreement for a in agreements[r.id]) if r.id in agreements else None,
        )
        for r in offers.partners(tx, now - LOOK_BACK, book)
    ]  # fmt: skip


def _board(tx: sa.Connection, book: Book, now: datetime) -> RoutingBoard:
    standing = offers.standing(tx, week_start(now), day_start(now), book)
    return RoutingBoard(partner_facts(tx, now, book), Ledger(*standing))


def _key(tx: sa.Connection, kind: Routed, now: datetime) -> str:
    """What decisions depend on besides the lead: unchanged, only changed leads are decided again."""
    policy = kind.policy
    newest = ", ".join(f"(SELECT max(touched) FROM {name})" for name in (kind.book.offers, *kind.reads))  # noqa: S608
    decided = "(SELECT max(decided_at) FROM ledger.registration_decision)"
    numbers = tx.exec_driver_sql(f"SELECT {newest}, {decided}").one()
    # What holds on one day, or at one hour, may not on the next.
    time_of_day = f"{now:%H}.{now.minute // 15}" if policy.rules.calendar == "working_hours" else ""
    return f"{policy.version}|{now:%Y-%m-%d}{time_of_day}|{'|'.join(map(str, numbers))}"


def lead_facts(row: sa.Row[Any]) -> LeadFacts:
    return LeadFacts(
        id=row.id, priority=row.priority, status=row.status, country=row.country, region=row.region,
        postcode=row.postcode, segment=row.segment, product=row.product,
        industry=row.industry, language=row.language, certification=row.required_certification, domain=row.domain,
        account_number=row.account_number, account_partner_id=row.account_partner_id,
        registered_by=frozenset(row.registered_by),
        declined_by=frozenset(row.declined_by), expired_by=frozenset(row.expired_by), offers=row.offers,
        is_test=bool(row.is_test),
    )  # fmt: skip


def _partner(row: sa.Row[Any]) -> PartnerFacts:
    return PartnerFacts(
        id=row.id, name=row.name, key=row.partner_key, status=row.status, type=row.type, tier=row.tier,
        territories=tuple(row.territories or ()), products=tuple(row.products or ()),
        industries=tuple(row.industries or ()), languages=tuple(row.languages or ()),
        weekly_capacity=row.weekly_capacity, won=row.won, lost=row.lost, response_h=row.response_h,
        is_test=bool(row.is_test), country=row.country, region=row.region, time_zone=row.time_zone,
    )  # fmt: skip


def _write(
    tx: sa.Connection, decisions: list[Decision], touched: int, run_id: str, kind: Routed
) -> int:
    """Keep the decisions that are news, and an offer for each that chose somebody."""
    book = kind.book
    before = offers.last_decisions(tx, [d.lead_id for d in decisions], book)
    rows, made, in_vain = [], [], []
    for d in decisions:
        last = before.get(d.lead_id)
        if d.partner_id is None and last is not None and last.partner_id is None:
            same = (last.outcome, last.rule_version, last.queue) == (d.outcome, d.rule_version, d.queue)
            same = same and last.reasons == d.reasons
            if same and [c[:2] for c in last.candidates] == [[c.partner_id, c.code] for c in d.candidates]:
                continue
        rank = last.rank + 1 if last is not None else 1
        id_ = offers.stable_id("decision", d.lead_id, rank)
        rows.append(
            {"id": id_, book.key: d.lead_id, "partner_id": d.partner_id, "score": d.score, "rank": rank,
             "decided_at": d.decided_at, "rule_version": d.rule_version, "outcome": d.outcome, "note": d.note,
             "candidates": d.candidates, "reasons": d.reasons, "queue": d.queue, "run_id": run_id}
        )  # fmt: skip
        if d.partner_id is not None:
            made.append((d, id_))
        elif last is not None and last.partner_id is not None and d.queue is not None:
            in_vain.append(d)
    offers.write_decisions(tx, rows, book)
    if in_vain:
        _tell_owners(tx, kind, in_vain, in_vain[0].decided_at)
    ranks = offers.ranks(tx, [d.lead_id for d, _ in made], book)
    offers.write_offers(
        tx,
        [
            {"id": offers.stable_id("offer", d.lead_id, ranks.get(d.lead_id, 0) + 1), book.key: d.lead_id,
             "partner_id": d.partner_id, "decision_id": id_, "rank": ranks.get(d.lead_id, 0) + 1, "state": "pending",
             "offered_at": d.decided_at, "expires_at": d.expires_at, "resolve_by": d.resolve_by}
            for d, id_ in made
        ],
        touched, run_id, book,
    )  # fmt: skip
    return len(made)
