"""Routing: leads to partners, one after the other.

One lead after the other is the point: a decision depends on the lead, the partners, the policy and the ledger that the
decisions before it left, and on nothing else. N leads in one call are N calls of one lead.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, compress
from typing import TypeAlias

from prm_sync.rules.routing.eligibility import FITS, Eligibility, LeadClass
from prm_sync.rules.routing.facts import (
    CAPACITY,
    ELIGIBLE,
    Candidate,
    Decision,
    LeadFacts,
    Ledger,
    Outcome,
    PartnerFacts,
)
from prm_sync.rules.routing.policy import RoutingPolicy

_NO_CAPACITY = -1.0
_Turn: TypeAlias = tuple[int, float, int]


def route(
    leads: Iterable[LeadFacts], partners: Iterable[PartnerFacts], ledger: Ledger, policy: RoutingPolicy, now: datetime
) -> list[Decision]:
    """One decision for each lead, in their order: the first lead chooses first.

    `ledger` is not changed; `ledger.after(decisions)` is what the next call needs. `now` is aware.
    """
    board = _Board(sorted(partners, key=lambda p: p.id), ledger, policy, now)
    return [board.decide(lead) for lead in leads]


class _Board:
    """The partners with what each has left, while one call goes through its leads.

    The flat lists hold each partner once for each fit (see `LeadClass`), so that a decision is a few calls that run
    over a class's partners in C.
    """

    def __init__(self, partners: Sequence[PartnerFacts], ledger: Ledger, policy: RoutingPolicy, now: datetime) -> None:
        self._partners, self._policy, self._now = partners, policy, now
        self._expires = now + timedelta(hours=policy.offer.expires_after_h)
        self._version = policy.version
        self._eligibility = Eligibility(partners, policy, now.astimezone(UTC).date())
        default = policy.capacity.weekly
        self._weekly = [default if p.weekly_capacity is None else max(p.weekly_capacity, 0) for p in partners]
        self._week = [ledger.week.get(p.id, 0) for p in partners]
        self._open = [ledger.open.get(p.id, 0) for p in partners]
        self._lot = [_fraction(policy.seed, p.id) for p in partners]
        total = sum(policy.score.weights)
        self._fit_weight, *self._weights = [w / total for w in policy.score.weights]
        self._standings = [self._standing(p) for p in partners]
        size = len(partners) * len(FITS)
        self._rows: list[Candidate] = [Candidate("", "")] * size
        self._scores = [_NO_CAPACITY] * size
        self._turns = [(0, 0.0, 0)] * size  #: whose turn it is: fewest offers, then by lot
        for i in range(len(partners)):
            self._stand(i)

    def decide(self, lead: LeadFacts) -> Decision:
        policy = self._policy
        if lead.is_test:
            return self._nobody(lead, "test", "a test record is never routed")
        if lead.status not in policy.eligible_statuses:
            return self._nobody(lead, "status", f"the lead is {lead.status or 'without status'}")
        if lead.offers >= policy.offer.max_offers:
            return self._nobody(lead, "max_offers", f"offered {lead.offers} times already: a person must look at it")
        known = self._eligibility.of(lead)
        considered: tuple[Candidate, ...] = known.picked(self._rows)
        scores: tuple[float, ...] = known.picked(self._scores)
        top = max(scores, default=_NO_CAPACITY)
        if top == _NO_CAPACITY:
            return self._decision(lead, None, "nobody", "", considered, known.ruled_out)
        outcome: Outcome = policy.choice
        n = self._related(lead, considered)
        if n is not None:
            outcome = "relationship"
        elif outcome == "best":
            n = scores.index(top) if scores.count(top) == 1 else self._next_in_turn(known, scores, top)
        elif outcome == "round_robin":
            n = self._next_in_turn(known, scores, 0.0)
        else:
            n = self._drawn(lead, scores)
        self._take(known.places[n] % len(self._partners))
        return self._decision(lead, considered[n], outcome, "", considered, known.ruled_out)

    def _related(self, lead: LeadFacts, considered: tuple[Candidate, ...]) -> int | None:
        """The partner who serves the lead's account, where the policy gives it the lead and it may have it."""
        name = lead.account_partner_id
        if name is None or self._policy.rules.relationship == "off":
            return None
        return next((n for n, c in enumerate(considered) if c.partner_id == name and c.code == ELIGIBLE), None)

    def _next_in_turn(self, known: LeadClass, scores: tuple[float, ...], least: float) -> int:
        """Who had the fewest offers this week, of those with that score at least; then by lot."""
        turns: tuple[_Turn, ...] = known.picked(self._turns)
        return turns.index(min(compress(turns, [score >= least for score in scores])))

    def _drawn(self, lead: LeadFacts, scores: tuple[float, ...]) -> int:
        """By lot: the draw is the lead's own, so neither the batch nor its order moves it."""
        sums = list(accumulate([max(score, 0.0) for score in scores]))
        if sums[-1] == 0.0:
            sums = list(accumulate([float(score >= 0.0) for score in scores]))
        return bisect_right(sums, _fraction(self._policy.seed, lead.id) * sums[-1])

    def _take(self, i: int) -> None:
        self._week[i] += 1
        self._open[i] += 1
        self._stand(i)

    def _stand(self, i: int) -> None:
        """Puts down a partner as it stands now, at each fit: its score, or that it has no capacity left."""
        week, weekly, size = self._week[i], self._weekly[i], len(self._partners)
        name = self._partners[i].id
        full = self._full(i)
        turn = (week, self._lot[i], i)
        if full:
            none = Candidate(name, CAPACITY, full)
            for place in range(i, size * len(FITS), size):
                self._rows[place], self._scores[place] = none, _NO_CAPACITY
            return
        win_rate, response, tier = self._standings[i]
        load = round(self._weights[2] * max(0.0, 1 - week / weekly), 4) if weekly else 0.0
        for place, fit in zip(range(i, size * len(FITS), size), FITS, strict=True):
            match = round(self._fit_weight * fit, 4)
            score = min(round(match + win_rate + response + load + tier, 4), 1.0)
            self._rows[place] = Candidate(name, ELIGIBLE, "", score, (match, win_rate, response, load, tier))
            self._scores[place], self._turns[place] = score, turn

    def _full(self, i: int) -> str:
        """Why a partner can take no more; empty where it can."""
        if not self._policy.rules.capacity:
            return ""
        if self._week[i] >= self._weekly[i]:
            return f"{self._week[i]} offers this week of at most {self._weekly[i]}"
        most = self._policy.capacity.max_open
        return f"{self._open[i]} offers open of at most {most}" if self._open[i] >= most else ""

    def _standing(self, partner: PartnerFacts) -> tuple[float, float, float]:
        """What win_rate, response_time and tier add to the score: neither the lead nor the ledger changes them."""
        score = self._policy.score
        prior = score.win_rate.prior_deals
        win_rate = (partner.won + score.win_rate.prior * prior) / (partner.won + partner.lost + prior)
        half = score.response_time.half_after_h
        hours = partner.response_h
        response = score.response_time.unknown if hours is None else half / (half + max(hours, 0.0))
        tiers = {name.casefold(): value for name, value in score.tier.tiers.items()}
        tier = tiers.get((partner.tier or "").casefold(), score.tier.other)
        weigh_win, weigh_response, _, weigh_tier = self._weights
        return round(weigh_win * win_rate, 4), round(weigh_response * response, 4), round(weigh_tier * tier, 4)

    def _nobody(self, lead: LeadFacts, outcome: Outcome, note: str) -> Decision:
        return self._decision(lead, None, outcome, note, (), ())

    def _decision(
        self, lead: LeadFacts, row: Candidate | None, outcome: Outcome, note: str,
        considered: tuple[Candidate, ...], ruled_out: tuple[Candidate, ...],
    ) -> Decision:  # fmt: skip
        partner, score = (None, None) if row is None else (row[0], row[3])
        return Decision(
            lead.id, partner, score, outcome, note, considered, ruled_out, self._version, self._now, self._expires
        )


def _fraction(seed: int, name: str) -> float:
    """A number in [0, 1) that is the same for the same seed and name in every process."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / (1 << 48)
