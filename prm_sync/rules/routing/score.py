"""The score in whole points, 10,000 being 1: what neither a lead nor an offer changes, and what they add.

Whole points are added in any order to the same sum, so that a batch and a single lead never differ by a rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prm_sync.canonical.places import PLACES, km_between
from prm_sync.rules.fold import fold
from prm_sync.rules.routing.facts import POINTS, TERMS, PartnerFacts
from prm_sync.rules.routing.policy import RoutingPolicy

FITS = (0.0, 0.5, 1.0)
"""Every fit there is: of product and industry, as far as the lead names them, the partner names none, half or all."""
LOAD_STEPS = 20
"""The free share of the capacity counts in twentieths, rounded down: scores do not move at every offer."""
NEAR_STEPS = 10
"""Nearness counts in tenths, rounded down: leads and partners at like distances have like scores."""
SAME_REGION, SAME_COUNTRY, UNKNOWN = NEAR_STEPS, NEAR_STEPS + 1, NEAR_STEPS + 2
NEARNESSES = UNKNOWN + 1
"""How many nearnesses there are. Those below `NEAR_STEPS` are tenths."""


@dataclass(frozen=True, slots=True)
class Grade:
    """One pair of fit and nearness, and the points of each."""

    fit: int
    distance: int
    where: str  #: the nearness in words


class Scale:
    """The terms of one policy's score, in points."""

    def __init__(self, policy: RoutingPolicy) -> None:
        self._score = policy.score
        total = sum(policy.score.weights)
        self._most = dict(zip(TERMS, (w / total for w in policy.score.weights), strict=True))
        self._tiers = {name.casefold(): value for name, value in policy.score.tier.tiers.items()}
        #: number of a grade = NEARNESSES * position of the fit + nearness
        self.grades = tuple(
            Grade(self._points("fit", fit), self._points("distance", value), where)
            for fit in FITS for value, where in self._nearnesses()
        )  # fmt: skip
        self._nearness: dict[tuple[str, str], int] = {}
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

    def nearness(self, one: str | None, other: str | None) -> int:
        """How near two places are to one another, by their codes in `PLACES`, when they are not in the same region."""
        if one is None or other is None:
            return UNKNOWN
        if (one, other) not in self._nearness:
            km, half = km_between(PLACES[one], PLACES[other]), self._score.distance.half_after_km
            tenths = min(int(NEAR_STEPS * half / (half + km)), NEAR_STEPS - 1)
            in_country_only = one[:2] == other[:2] and (one == one[:2] or other == other[:2])
            vague = in_country_only and tenths < self._score.distance.unknown * NEAR_STEPS
            self._nearness[one, other] = SAME_COUNTRY if vague else tenths
        return self._nearness[one, other]

    def by_nearness(self, nearness: int) -> int:
        """What sorts the nearest first."""
        return -self.grades[nearness].distance

    def _nearnesses(self) -> Iterable[tuple[float, str]]:
        """The value and the words of each nearness."""
        terms = self._score.distance
        km = [terms.half_after_km * (NEAR_STEPS / n - 1) for n in range(1, NEAR_STEPS + 1)]  # the farthest of each
        words = [f"more than {km[0]:,.0f} km away"]
        words += [f"{a:,.0f} to {b:,.0f} km away" for a, b in zip(km[1:], km, strict=False)]
        tenths = [(n / NEAR_STEPS, text if terms.weight else "") for n, text in enumerate(words)]
        others = ((terms.same_region, "in the same region"), (terms.unknown, "in the same country"),
                  (terms.unknown, "distance not known"))  # fmt: skip
        return [*tenths, *((value, text if terms.weight else "") for value, text in others)]

    def _win_rate(self, partner: PartnerFacts, segment: str | None) -> float:
        rule = self._score.win_rate
        rate = (partner.won + rule.prior * rule.prior_deals) / (partner.won + partner.lost + rule.prior_deals)
        if segment is None or rule.segment_deals is None:
            return rate
        won, lost = next((n for name, n in partner.segments.items() if fold(name) == segment), (0, 0))
        return (won + rate * rule.segment_deals) / (won + lost + rule.segment_deals)

    def _points(self, term: str, value: float) -> int:
        return int(self._most[term] * min(value, 1.0) * POINTS + 1e-6)  # down: the sum stays within POINTS
