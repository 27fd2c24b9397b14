"""`policies/routing.yaml`: who may get a lead, how the best one is told, and how long an offer stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from prm_sync.canonical.entities import LEAD_STATUSES, PARTNER_STATUSES
from prm_sync.rules.policyfile import Part, Policy, load, schema_of
from prm_sync.yamlfile import YamlFile, did_you_mean

EVERYWHERE = "*"
_PLACE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
"""A country (ISO 3166-1 alpha-2) or a region (ISO 3166-2)."""


def _of(known: tuple[str, ...], what: str) -> AfterValidator:
    def check(name: str) -> str:
        if name not in known:
            raise ValueError(f'"{name}" is no {what}{did_you_mean(name, known)}')
        return name

    return AfterValidator(check)


def _place(name: str) -> str:
    if not _PLACE.fullmatch(name):
        raise ValueError(f'"{name}" is no country (DE) and no region (DE-BY)')
    return name


def _area(name: str) -> str:
    if _PLACE.fullmatch(name):
        raise ValueError(f'"{name}" is a country or region already; give the area another name')
    return name


def _region(name: str) -> str:
    if "-" not in name or not _PLACE.fullmatch(name):
        raise ValueError(f'"{name}" is no region code such as DE-BY (ISO 3166-2)')
    return name


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError("must be from 0 to 1")
    return value


LeadStatus = Annotated[str, _of(LEAD_STATUSES, "status of a lead")]
PartnerStatus = Annotated[str, _of(PARTNER_STATUSES, "status of a partner")]
Place = Annotated[str, AfterValidator(_place)]
AreaName = Annotated[str, AfterValidator(_area)]
RegionCode = Annotated[str, AfterValidator(_region)]
Share = Annotated[float, AfterValidator(_share)]


class Rules(Part):
    """The hard rules: a partner that fails one does not get the lead, whatever its score."""

    territory: bool = Field(default=True, description="The partner sells where the lead is")
    product: bool = Field(default=True, description="The partner sells the product (no list: all products)")
    industry: bool = Field(default=True, description="The partner serves the industry (no list: all industries)")
    language: bool = Field(default=True, description="The partner speaks the lead's language (no list: may)")
    certification: bool = Field(
        default=True, description="The partner holds the certificate the lead needs, valid today"
    )
    capacity: bool = Field(default=True, description="Capacity left this week, and not too many open offers")
    prior_decline: bool = Field(default=True, description="The partner has not declined this lead before")
    prior_expiry: bool = Field(default=True, description="The partner has not let an offer of this lead run out before")
    relationship: Literal["off", "preferred", "exclusive"] = Field(
        default="preferred",
        description="The partner who serves the lead's account already: gets the lead if it may (preferred), "
        "or it alone (exclusive)",
    )


class Capacity(Part):
    """How many offers a partner can take."""

    weekly: int = Field(
        default=20, ge=0, description="Offers a week (from Monday 00:00 UTC), unless the partner has a number"
    )
    max_open: int = Field(default=10, ge=1, description="Offers that may wait for the partner's answer at one time")


class Exclusion(Part):
    """A partner that must not get the leads of one company."""

    partner: str = Field(min_length=1, description="The partner's key in the PRM, or its id here")
    domain: str | None = Field(default=None, description="The company's internet domain, and all below it")
    account: str | None = Field(default=None, description="The company's account number")
    because: str = Field(min_length=1, description="Why, for those who ask")

    @model_validator(mode="after")
    def _names_one_company(self) -> Exclusion:
        if (self.domain is None) == (self.account is None):
            raise ValueError("an exclusion names a company by `domain` or by `account`: exactly one of them")
        return self


class Term(Part):
    """One term of the score. Each term is 0 to 1; the score is their weighted mean."""

    weight: float = Field(default=1.0, ge=0, le=1000, description="How much the term counts beside the others")


class WinRate(Term):
    """(won + prior * prior_deals) / (won + lost + prior_deals): few deals count little."""

    prior: float = Field(default=0.25, ge=0, le=1, description="Win rate of a partner without any deal")
    prior_deals: float = Field(default=8, gt=0, description="How many deals the prior is worth")


class ResponseTime(Term):
    """half_after_h / (half_after_h + hours): 1 at once, 0.5 after `half_after_h` hours."""

    half_after_h: float = Field(default=24, gt=0, description="Median hours to answer that are worth one half")
    unknown: float = Field(default=0.5, ge=0, le=1, description="For a partner who has not answered any offer yet")


class TierTerm(Term):
    """A value for each level of the programme."""

    tiers: dict[str, Share] = Field(default_factory=dict, description="Level -> 0 to 1, in any case")
    other: float = Field(default=0.0, ge=0, le=1, description="For every other level, and for none")


class Score(Part):
    """The terms of the score; a weight of 0 switches one off."""

    fit: Term = Field(default=Term(weight=3), description="Share of product and industry that the partner names")
    win_rate: WinRate = WinRate(weight=2)
    response_time: ResponseTime = ResponseTime(weight=2)
    load: Term = Field(default=Term(weight=1), description="Free share of the weekly capacity")
    tier: TierTerm = TierTerm(weight=1)

    @model_validator(mode="after")
    def _has_a_weight(self) -> Score:
        if not any(self.weights):
            raise ValueError("at least one term must have a weight above 0")
        return self

    @property
    def weights(self) -> tuple[float, ...]:
        """In the order of `TERMS`."""
        return tuple(t.weight for t in (self.fit, self.win_rate, self.response_time, self.load, self.tier))


class OfferTerms(Part):
    expires_after_h: float = Field(default=48, gt=0, description="Hours a partner has to answer")
    max_offers: int = Field(default=3, ge=1, description="Partners a lead is offered to; then a person must look at it")


class RoutingPolicy(Policy):
    """A whole `policies/routing.yaml`."""

    choice: Literal["best", "round_robin", "weighted"] = Field(
        default="best",
        description="best: the highest score; round_robin: whoever had the fewest offers this week; "
        "weighted: by lot, the score being the chance",
    )
    seed: int = Field(default=1, description="Another seed breaks ties and draws lots differently")
    eligible_statuses: tuple[LeadStatus, ...] = Field(
        default=("new", "qualified", "recycled"), description="Leads that may be routed"
    )
    partner_statuses: tuple[PartnerStatus, ...] = Field(default=("active",), description="Partners that may get leads")
    rules: Rules = Field(default_factory=Rules)
    areas: dict[AreaName, tuple[Place, ...]] = Field(
        default_factory=dict, description="Names that partners' territories may use: area -> countries and regions"
    )
    region_names: dict[RegionCode, tuple[str, ...]] = Field(
        default_factory=dict, description="How leads write a region: ISO 3166-2 code -> names"
    )
    capacity: Capacity = Field(default_factory=Capacity)
    exclusions: tuple[Exclusion, ...] = ()
    score: Score = Field(default_factory=Score)
    offer: OfferTerms = Field(default_factory=OfferTerms)


def load_routing(source: Path | YamlFile) -> RoutingPolicy:
    """Raises ConfigError with the file:line of every mistake."""
    return load(RoutingPolicy, source)


def routing_schema() -> dict[str, Any]:
    return schema_of(RoutingPolicy, "routing")
