"""Pacing of targets: what of a target is reached on a day, beside what should be by then. Pure functions.

What should be there grows in a straight line from nothing, on the morning of the first day, to the whole target at the
end of the last. A day counts once it is over, so that nobody is behind with a day that has only begun. Days are UTC.
Money is in minor units of the target's currency, nothing is converted; everything else is a count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field as Setting

from prm_sync.rules.papers import HELD, Certificate
from prm_sync.rules.performance import DealRow, OfferRow
from prm_sync.rules.policyfile import Policy, load, schema_of
from prm_sync.yamlfile import YamlFile

Metric = Literal["revenue", "leads", "deals", "certifications"]
State = Literal["reached", "on_plan", "behind", "missed", "not_begun"]
PACING_VERSION = "1"  #: raised with every change of what is counted or computed here
GRANTED = (None, *HELD, "lapsed")  #: states of certificates that were granted, whatever became of them by time alone
MISSED_FOR = timedelta(days=30)  #: so long after its last day somebody is still told that a target was missed


class TargetPolicy(Policy):
    """A whole `policies/targets.yaml`."""

    behind_below: float = Setting(
        default=0.8, gt=0, le=1, description="Behind plan: less than this share of what should be reached by the day is"
    )
    alert_after: float = Setting(
        default=0.25, ge=0, le=1, description="Nobody is alerted before this share of the period is over"
    )


def load_targets(source: Path | YamlFile) -> TargetPolicy:
    """Raises ConfigError with the file:line of every mistake."""
    return load(TargetPolicy, source)


def targets_schema() -> dict[str, Any]:
    return schema_of(TargetPolicy, "targets")


@dataclass(frozen=True, slots=True)
class Target:
    """What a partner is to reach in a period, both days included. `closed`: nothing more is expected of it."""

    id: str
    partner_id: str
    metric: Metric
    amount: float
    first: date
    last: date
    currency: str | None = None  #: of revenue; None: the reporting currency
    closed: bool = False

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class Pacing:
    """How far a target is on a day."""

    reached: float
    elapsed: float  #: share of the period that is over, 0 to 1
    expected: float  #: what should be reached by then
    attainment: float  #: reached / target
    pace: float | None  #: reached / expected; None: nothing is expected yet
    projected: float | None  #: what it comes to at the end if it goes on like this; None: it has not begun
    state: State


def is_followed(amount: float | None, first: date | None, last: date | None) -> bool:
    """Whether there is anything to follow: an amount above 0, and a period that does not end before it begins."""
    return amount is not None and amount > 0 and first is not None and last is not None and first <= last


def pacing(target: Target, reached: float, day: date, policy: TargetPolicy) -> Pacing:
    """How far a target that `is_followed` is on the day, with so much reached from its first day up to this one."""
    over = min(max((day - target.first).days, 0), target.days)
    pace = reached * target.days / (target.amount * over) if over else None
    return Pacing(
        reached=reached,
        elapsed=over / target.days,
        expected=target.amount * over / target.days,
        attainment=reached / target.amount,
        pace=pace,
        projected=reached * target.days / over if over else None,
        state=_state(target, reached, pace, day, policy),
    )


def _state(target: Target, reached: float, pace: float | None, day: date, policy: TargetPolicy) -> State:
    if day < target.first:
        return "not_begun"
    if reached >= target.amount:
        return "reached"
    if day > target.last or target.closed:
        return "missed"
    return "on_plan" if pace is None or pace >= policy.behind_below else "behind"


def to_be_told(target: Target, pacing: Pacing, day: date, policy: TargetPolicy) -> bool:
    """Whether the channel manager is to be told: behind plan for real, or missed not long ago. Closed ones never."""
    if target.closed:
        return False
    if pacing.state == "missed":
        return day - target.last <= MISSED_FOR
    return pacing.state == "behind" and pacing.elapsed >= policy.alert_after


def in_words(state: State, attainment: float, elapsed: float, pace: float | None) -> str:
    """The state in a sentence, in whole percent of the target and of the time, rounded down: 99.9 % is not reached."""
    done = f"{_percent(attainment)} of the target"
    if state == "not_begun":
        return "has not begun"
    if state in ("reached", "missed"):
        return f"{state}: {done}"
    words = f"{'behind' if state == 'behind' else 'on'} plan: {done} after {_percent(elapsed)} of the time"
    return words if pace is None else f"{words}, pace {_percent(pace)}"


def _percent(share: float) -> str:
    return f"{math.floor(share * 100 + 1e-9):,} %"


# --- what is reached ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Achieved:
    """What the partner of a target did: its offers, its deals, and the records of its certificates."""

    offers: Iterable[OfferRow] = ()
    deals: Iterable[DealRow] = ()
    certificates: Iterable[Certificate] = ()


def reached(target: Target, done: Achieved, day: date, currency: str) -> tuple[int, int]:
    """(what counts for the target up to the day, won deals left out since they are in another currency).

    Revenue and deals: won deals of which the partner has the primary credit, by the day on which they closed. Leads:
    offers that it accepted, by the day of the answer. Certifications: certificates that were granted to it, by their
    first day, also those that have run out since, but none that was revoked and none without a first day.
    """
    last = min(day, target.last)

    def within(on: date | None) -> bool:
        return on is not None and target.first <= on <= last

    if target.metric == "leads":
        return sum(o.state == "accepted" and within(_day(o.answered_at or o.offered_at)) for o in done.offers), 0
    if target.metric == "certifications":
        return sum(c.status in GRANTED and within(c.first) for c in done.certificates), 0
    won = [d for d in done.deals if d.stage == "won" and d.credit == "sourced" and within(d.closed_on)]
    if target.metric == "deals":
        return len(won), 0
    counted = [d for d in won if d.amount_minor is not None]
    ours = [d for d in counted if d.currency == (target.currency or currency)]
    return sum(d.amount_minor or 0 for d in ours), len(counted) - len(ours)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()
