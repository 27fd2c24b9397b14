"""Performance of a partner in a month: the definitions, as pure functions over rows.

The warehouse computes `mart.partner_performance` in SQL; a property test holds it to this. Months are UTC. An offer
counts in the month in which it was *made*, whenever it is answered; a deal in the month in which it *closed*. Test
records are left out by whoever gives the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from statistics import median
from typing import Literal

from prm_sync.rules.routing.offers import State

DEFINITION_VERSION = "4"
"""Raised with every change of a formula here; each row of the mart carries it."""


@dataclass(frozen=True, slots=True)
class OfferRow:
    partner_id: str
    state: State
    offered_at: datetime
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A service case that was given to a partner."""

    partner_id: str
    offered_at: datetime
    responded_at: datetime | None = None  #: first answer to the customer
    opened_at: datetime | None = None
    resolved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DealRow:
    """A closed deal and a partner who has a share in it: `sourced` is the primary credit, which one partner has.

    `none` says that it is not the partner's after all. None says nothing, as CRMs do of lost deals: it counts as won or
    lost, but is no revenue of the partner's.
    """

    partner_id: str
    stage: Literal["won", "lost"]
    closed_on: date
    credit: Literal["sourced", "influenced", "fulfilled", "none"] | None
    amount_minor: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A revenue target for a period, both days included."""

    partner_id: str
    period_start: date
    period_end: date
    amount_minor: int
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What a partner's offers and deals of some time came to."""

    accepted: int
    declined: int
    expired: int
    won: int
    lost: int
    response_h: float | None  #: median hours from offer to answer


SCORE_WEIGHTS = {"acceptance_rate": 30, "win_rate": 40, "response": 30}  #: of the parts of the partner score
SCORE_MONTHS = 3  #: the score is made of so many months, up to the one it stands in
HALF_AFTER_H = 24  #: answering after so many hours counts half


@dataclass(frozen=True, slots=True)
class Performance:
    """One partner in one month. A rate with nothing to divide by is None, never 0; money: minor units of `currency`."""

    partner_id: str
    period: date  #: first day of the month
    offered: int
    accepted: int
    declined: int
    expired: int
    acceptance_rate: float | None
    response_hours: float | None
    won: int
    lost: int
    win_rate: float | None
    sourced_revenue: int
    influenced_revenue: int  #: beside the sourced revenue, never to be added to it
    currency: str
    other_currency: int  #: won deals left out of the revenue since they are in another currency
    target: int | None
    attainment: float | None
    score: float | None = None
    cases: int = 0
    case_response_hours: float | None = None
    case_resolution_hours: float | None = None
    definition_version: str = DEFINITION_VERSION


def acceptance_rate(accepted: int, declined: int, expired: int) -> float | None:
    """accepted / (accepted + declined + expired): of offers, not of leads; pending and withdrawn ones do not count."""
    return _ratio(accepted, accepted + declined + expired)


def response_hours(offers: Iterable[OfferRow]) -> float | None:
    """Median hours from offer to answer, of the offers that were answered; of two middle ones, their mean."""
    waits = [
        _hours(o.offered_at, o.answered_at)
        for o in offers
        if o.state in ("accepted", "declined") and o.answered_at is not None
    ]
    return median(waits) if waits else None


def case_hours(cases: Iterable[CaseRow]) -> tuple[float | None, float | None]:
    """Median hours from offer to first answer to the customer, and from opening to solution, where both are known."""
    waits = [_hours(c.offered_at, c.responded_at) for c in cases if c.responded_at is not None]
    solved = [_hours(c.opened_at, c.resolved_at) for c in cases if c.opened_at and c.resolved_at]
    return median(waits) if waits else None, median(solved) if solved else None


def _hours(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() / 3600


def win_rate(won: int, lost: int) -> float | None:
    """won / (won + lost), by count; open deals do not count."""
    return _ratio(won, won + lost)


def attainment(actual_minor: int, target_minor: int | None) -> float | None:
    """actual / target, 1 = reached; None without a target above 0."""
    return _ratio(actual_minor, target_minor or 0)


def score(counts: Counts) -> float | None:
    """The partner score, 0 to 100: the mean of what is known, weighted by `SCORE_WEIGHTS`; None where nothing is.

    Acceptance rate and win rate as they are; answering at once is 1, after `HALF_AFTER_H` hours 0.5.
    """
    parts = {
        "acceptance_rate": acceptance_rate(counts.accepted, counts.declined, counts.expired),
        "win_rate": win_rate(counts.won, counts.lost),
        "response": None if counts.response_h is None else 1 / (1 + max(counts.response_h, 0.0) / HALF_AFTER_H),
    }
    known = {name: value for name, value in parts.items() if value is not None}
    weight = sum(SCORE_WEIGHTS[name] for name in known)
    return round(100 * sum(SCORE_WEIGHTS[n] * v for n, v in known.items()) / weight, 1) if known else None


def target_of_month(targets: Iterable[TargetRow], month: date, currency: str) -> int | None:
    """The month's share of the targets in force: each is spread evenly over the months that its period touches.

    A target without currency is taken to be in the reporting currency. Whole minor units, rounded down for each target.
    """
    shares = [
        t.amount_minor // (1 + _months(t.period_start, t.period_end))
        for t in targets
        if t.currency in (None, currency) and month_of(t.period_start) <= month <= month_of(t.period_end)
    ]
    return sum(shares) if shares else None


def performance(
    offers: Iterable[OfferRow], deals: Iterable[DealRow], targets: Iterable[TargetRow], cases: Iterable[CaseRow] = (),
    *, currency: str,
) -> list[Performance]:  # fmt: skip
    """One row for each partner and month in which anything was offered or closed, or is targeted; sorted by both.

    A case counts in the month in which it was given to the partner, whenever it is solved.
    """
    served: dict[tuple[str, date], list[CaseRow]] = defaultdict(list)
    for c in cases:
        served[c.partner_id, month_of(c.offered_at.astimezone(UTC))].append(c)
    offered: dict[tuple[str, date], list[OfferRow]] = defaultdict(list)
    closed: dict[tuple[str, date], list[DealRow]] = defaultdict(list)
    aims: dict[str, list[TargetRow]] = defaultdict(list)
    for o in offers:
        offered[o.partner_id, month_of(o.offered_at.astimezone(UTC))].append(o)
    for d in deals:
        if d.credit != "none":
            closed[d.partner_id, month_of(d.closed_on)].append(d)
    aimed: set[tuple[str, date]] = set()
    for t in targets:
        if t.currency in (None, currency):
            aims[t.partner_id].append(t)
            aimed |= {(t.partner_id, month) for month in _each_month(t.period_start, t.period_end)}
    keys = sorted({*offered, *closed, *aimed, *served})
    scores = {
        (p, m): score(counts([o for n in _quarter(m) for o in offered.get((p, n), ())],
                             [d for n in _quarter(m) for d in closed.get((p, n), ())]))
        for p, m in keys
    }  # fmt: skip
    return [
        _row(p, m, offered[p, m], closed[p, m], served[p, m], target_of_month(aims[p], m, currency), currency,
             scores[p, m])
        for p, m in keys
    ]  # fmt: skip


def counts(offers: list[OfferRow], deals: list[DealRow]) -> Counts:
    """Offers by answer, deals by end, median time to answer."""
    accepted, declined, expired = (sum(o.state == s for o in offers) for s in ("accepted", "declined", "expired"))
    won = sum(d.stage == "won" for d in deals)
    return Counts(accepted, declined, expired, won, len(deals) - won, response_hours(offers))


def _quarter(month: date) -> list[date]:
    """The months that a month's score is made of."""
    last = month.year * 12 + month.month - 1
    return [date(n // 12, n % 12 + 1, 1) for n in range(last - SCORE_MONTHS + 1, last + 1)]


def _row(
    partner: str, month: date, offers: list[OfferRow], deals: list[DealRow], cases: list[CaseRow], target: int | None,
    currency: str, scored: float | None,
) -> Performance:  # fmt: skip
    of = counts(offers, deals)
    won = [d for d in deals if d.stage == "won"]
    responded, resolved = case_hours(cases)
    ours = [d for d in won if d.currency == currency and d.amount_minor is not None]
    sourced, influenced = (sum(d.amount_minor or 0 for d in ours if d.credit == c) for c in ("sourced", "influenced"))
    return Performance(
        partner_id=partner,
        period=month,
        offered=len(offers),
        accepted=of.accepted,
        declined=of.declined,
        expired=of.expired,
        acceptance_rate=acceptance_rate(of.accepted, of.declined, of.expired),
        response_hours=of.response_h,
        won=of.won,
        lost=of.lost,
        win_rate=win_rate(of.won, of.lost),
        sourced_revenue=sourced,
        influenced_revenue=influenced,
        currency=currency,
        other_currency=sum(d.amount_minor is not None and d.currency != currency for d in won),
        target=target,
        attainment=attainment(sourced, target),
        score=scored,
        cases=len(cases),
        case_response_hours=responded,
        case_resolution_hours=resolved,
    )


def month_of(day: date) -> date:
    """First day of the month. A datetime is taken as it stands: bring it to UTC before."""
    return date(day.year, day.month, 1)


def _months(start: date, end: date) -> int:
    return (end.year - start.year) * 12 + end.month - start.month


def _each_month(start: date, end: date) -> list[date]:
    first = start.year * 12 + start.month - 1
    return [date(n // 12, n % 12 + 1, 1) for n in range(first, first + _months(start, end) + 1)]


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole > 0 else None
