"""`policies/recommendations.yaml`: which customers are recommended to the partner who serves them, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import Field as Setting

from prm_sync.rules.policyfile import Part, Policy, load, schema_of
from prm_sync.yamlfile import Place, YamlFile

Term: TypeAlias = Literal["won", "orders", "recency", "opportunities", "leads", "needs"]


class Weights(Part):
    """What each term of the score weighs; they need not add up to anything."""

    won: float = Setting(default=40, ge=0, description="What won deals come to, against the other customers")
    orders: float = Setting(default=15, ge=0, description="How many orders there were")
    recency: float = Setting(default=15, ge=0, description="How long ago the customer bought last")
    opportunities: float = Setting(default=15, ge=0, description="Open deals")
    leads: float = Setting(default=10, ge=0, description="New leads")
    needs: float = Setting(default=5, ge=0, description="New needs that the customer told of")


class Enough(Part):
    """So many count in full; fewer in proportion."""

    orders: int = Setting(default=6, ge=1)
    opportunities: int = Setting(default=2, ge=1)
    leads: int = Setting(default=2, ge=1)
    needs: int = Setting(default=2, ge=1)


class RecommendationPolicy(Policy):
    """A whole `policies/recommendations.yaml`. An empty one recommends nobody."""

    enabled: bool = Setting(default=False, description="Without this nobody is recommended")
    threshold: float = Setting(default=60, gt=0, le=100, description="Least score of a customer that is recommended")
    most_per_partner: int = Setting(default=20, ge=1, description="Most customers that one partner is told of")
    round_to: int = Setting(default=5, ge=1, le=50, description="Scores are told as multiples of this, rounded down")
    bought_months: int = Setting(default=12, ge=1, le=60, description="Months whose won deals and orders count")
    asked_months: int = Setting(default=3, ge=1, le=24, description="Months whose leads and needs count")
    half_after_days: int = Setting(default=90, ge=1, description="Bought so long ago counts half as much as today")
    enough: Enough = Setting(default=Enough(), description="So many count in full")
    weights: Weights = Setting(default=Weights(), description="Weight of each term of the score")

    def mistakes(self) -> Iterable[tuple[Place, str]]:
        if not any(self.weights.model_dump().values()):
            yield ("weights",), "at least one term must have a weight above 0"


def load_recommendations(source: Path | YamlFile) -> RecommendationPolicy:
    """Raises ConfigError with the file:line of every mistake."""
    return load(RecommendationPolicy, source)


def recommendations_schema() -> dict[str, Any]:
    return schema_of(RecommendationPolicy, "recommendations")


@dataclass(frozen=True, slots=True)
class Customer:
    """What is counted of a customer whom a partner serves."""

    account_id: str
    partner_id: str
    consent: bool  #: one of its people has agreed in writing, and none has objected
    won: float = 0.0  #: share of the customers that have won deals in the currency, and in sum no larger ones: 0 to 1
    orders: int = 0
    opportunities: int = 0
    leads: int = 0
    needs: int = 0
    bought_days: int | None = None  #: days since the last purchase; None: none is known


@dataclass(frozen=True, slots=True)
class Recommended:
    """A customer that its partner is told of."""

    customer: Customer
    score: float  #: 0 to 100
    told: int  #: the same as it is told
    why: str  #: the reasons in words, the weightiest first; no numbers, no amounts


def terms(customer: Customer, policy: RecommendationPolicy) -> dict[Term, float]:
    """Each term from 0 to 1: more of anything, and a later purchase, is never less."""
    most, days = policy.enough, customer.bought_days
    return {
        "won": customer.won,
        "orders": min(1.0, customer.orders / most.orders),
        "recency": 0.0 if days is None else 1 / (1 + max(days, 0) / policy.half_after_days),
        "opportunities": min(1.0, customer.opportunities / most.opportunities),
        "leads": min(1.0, customer.leads / most.leads),
        "needs": min(1.0, customer.needs / most.needs),
    }


def score(customer: Customer, policy: RecommendationPolicy) -> float:
    """The weighted mean of the terms, 0 to 100, to three places."""
    weights: dict[str, float] = policy.weights.model_dump()
    total = sum(weights[name] * value for name, value in terms(customer, policy).items())
    return round(100 * total / sum(weights.values()), 3)


def why(customer: Customer, policy: RecommendationPolicy) -> str:
    """The terms that count for anything, in words."""
    found, weights = terms(customer, policy), policy.weights.model_dump()
    known = [n for n, value in found.items() if weights[n] * value > 0 and _words(n, found, policy)]
    return "; ".join(_words(n, found, policy) for n in sorted(known, key=lambda n: -weights[n] * found[n]))


def _words(name: Term, values: Mapping[Term, float], policy: RecommendationPolicy) -> str:
    value, months = values[name], policy.bought_months
    match name:
        case "won":
            part = "tenth" if value >= 0.9 else "quarter" if value >= 0.75 else "half" if value >= 0.5 else ""
            return f"in the upper {part} of all customers by what was bought in {months} months" if part else ""
        case "orders":
            return "orders often" if value == 1 else "orders now and then"
        case "recency":
            return f"bought within the last {policy.half_after_days} days" if value >= 1 / 2 else ""
        case "opportunities":
            return "has open deals"
        case "leads":
            return "has enquired anew"
        case "needs":
            return "has told of new needs"


def recommended(customers: Iterable[Customer], policy: RecommendationPolicy) -> list[Recommended]:
    """Whom each partner is told of: the best of those who consent and reach the threshold, sorted by partner."""
    if not policy.enabled:
        return []
    by_partner: dict[str, list[tuple[float, Customer]]] = defaultdict(list)
    for customer in customers:
        reached = score(customer, policy)
        if customer.consent and reached >= policy.threshold:
            by_partner[customer.partner_id].append((reached, customer))
    best = (
        sorted(found, key=lambda f: (-f[0], f[1].account_id))[: policy.most_per_partner]
        for _, found in sorted(by_partner.items())
    )
    return [
        Recommended(customer, reached, int(reached // policy.round_to) * policy.round_to, why(customer, policy))
        for found in best for reached, customer in found
    ]  # fmt: skip
