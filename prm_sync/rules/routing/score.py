"""The score in whole points, 10,000 being 1: what neither a lead nor an offer changes, and what they add.

Whole points are added in any order to the same sum, so that a batch and a single lead never differ by a rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

from prm_sync.rules.fold import fold
from prm_sync.rules.routing.facts import POINTS, TERMS, PartnerFacts
from prm_sync.rules.routing.policy import RoutingPolicy

FITS = (0.0, 0.5, 1.0)
"""Every fit there is: of product and industry, as far as the lead names them, the partner names none, half or all."""
LOAD_STEPS = 20
"""The free share of the capacity counts in twentieths, rounded down: scores do not move at every offer."""


@dataclass(frozen=True, slots=True)
class Grade:
    """One pair of fit and nearness, and the points of each."""

    fit: int
    distance: int


class Scale:
    """The terms of one policy's score, in points."""

    def __init__(self, policy: RoutingPolicy) -> None:
        self._score = policy.score
        total = sum(policy.score.weights)
        self._most = dict(zip(TERMS, (w / total for w in policy.score.weights), strict=True))
        self._tiers = {name.casefold(): value for name, value in policy.score.tier.tiers.items()}
        distance = policy.score.distance
        near = (0.0, distance.same_country, distance.same_region)
        #: number of a grade = 3 * position of the fit + position of the nearness: none, country, region
        self.grades = tuple(Grade(self._points("fit", f), self._points("distance", n)) for f in FITS for n in near)
        self.by_distance = policy.score.distance.weight > 0
        self.by_fit = policy.score.fit.weight > 0
        self.loads = tuple(self._points("load", step / LOAD_STEPS) for step in range(LOAD_STEPS + 1))

    def standing(self, partner: PartnerFacts, segment: str | None) -> tuple[int, int, int]:
        """Points for win_rate, response_time and tier: the lead changes them by its segment only, which is folded."""
        response = self._score.response_time
        hours, half = partner.response_h, response.half_after_h
        answer = response.unknown if hours is None else half / (half + max(hours, 0.0))
        tier = self._tiers.get((partner.tier or "").casefold(), self._score.tier.other)
        won = self._win_rate(partner, segment)
        return self._points("win_rate", won), self._points("response_time", answer), self._points("tier", tier)

    def load(self, week: int, weekly: int) -> int:
        """Position in `loads` of a partner with so many offers this week, of so many that it can take."""
        return max(0, LOAD_STEPS * (weekly - week) // weekly) if weekly > 0 else 0

    def _win_rate(self, partner: PartnerFacts, segment: str | None) -> float:
        rule = self._score.win_rate
        rate = (partner.won + rule.prior * rule.prior_deals) / (partner.won + partner.lost + rule.prior_deals)
        if segment is None or rule.segment_deals is None:
            return rate
        won, lost = next((n for name, n in partner.segments.items() if fold(name) == segment), (0, 0))
        return (won + rate * rule.segment_deals) / (won + lost + rule.segment_deals)

    def _points(self, term: str, value: float) -> int:
        return int(self._most[term] * min(value, 1.0) * POINTS + 1e-6)  # down: the sum stays within POINTS
