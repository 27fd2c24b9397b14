"""A policy over leads of the past: who would have got them, day by day, with the capacities of each week.

What cannot be known is assumed and said here: partners are taken as they are today; an offer waits for its answer as
long as the partner's median (or, without one, until it runs out) and is then answered; nobody declines.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prm_sync.rules.routing.board import Batch, Board, reasons
from prm_sync.rules.routing.decide import deal
from prm_sync.rules.routing.facts import LeadFacts, Ledger, PartnerFacts, day_start, week_start
from prm_sync.rules.routing.policy import RoutingPolicy


@dataclass(frozen=True, slots=True)
class PastLead:
    """A lead, when it was decided on, and who got it."""

    facts: LeadFacts
    at: datetime
    partner_id: str | None


@dataclass(frozen=True, slots=True)
class Replay:
    """What a policy would have made of leads of the past."""

    partner_of: dict[str, str | None]  #: by lead id
    queues: dict[str, int]  #: leads that would have waited in each queue


def replay(leads: Iterable[PastLead], partners: Sequence[PartnerFacts], policy: RoutingPolicy) -> Replay:
    """Every decision anew, the leads of one moment together as they were in life."""
    response = {p.id: timedelta(hours=_answered_after_h(p, policy)) for p in partners}
    partner_of: dict[str, str | None] = {}
    queues: Counter[str] = Counter()
    week: Counter[str] = Counter()
    day: Counter[str] = Counter()
    waiting: deque[tuple[datetime, str]] = deque()
    last: datetime | None = None
    for at, batch in _by_moment(leads):
        if last is None or week_start(at) != week_start(last):
            week.clear()
        if last is None or day_start(at) != day_start(last):
            day.clear()
        last = at
        waiting = deque((until, partner) for until, partner in waiting if until > at)
        ledger = Ledger(dict(week), dict(Counter(partner for _, partner in waiting)), dict(day))
        dealt = Batch(Board(partners, ledger, policy, at), batch)
        deal(dealt)
        for lead in dealt:
            winner = lead.winner.partner_id if lead.winner else None
            partner_of[lead.lead_id] = winner
            if winner is None:
                queues[policy.queues.of(_reason(dealt.board, lead.outcome, lead.failed, lead.full))] += 1
                continue
            week[winner] += 1
            day[winner] += 1
            waiting.append((at + response[winner], winner))
    return Replay(partner_of, dict(queues.most_common()))


def _answered_after_h(partner: PartnerFacts, policy: RoutingPolicy) -> float:
    hours = policy.offer.expires_after_h
    return hours if partner.response_h is None else min(max(partner.response_h, 0.0), hours)


def _by_moment(leads: Iterable[PastLead]) -> Iterable[tuple[datetime, list[LeadFacts]]]:
    moments: dict[datetime, list[LeadFacts]] = {}
    for lead in leads:
        moments.setdefault(lead.at, []).append(lead.facts)
    return sorted(moments.items())


def _reason(board: Board, outcome: str, failed: Sequence[int], full: int) -> str:
    counts = reasons(board.codes, failed, full, 0)
    return next(iter(counts), outcome) if outcome == "nobody" else outcome
