"""`policies/routing.yaml`: who may get a lead, how the best one is told, and how long an offer stands."""

from __future__ import annotations

import re
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from prm_sync.canonical.entities import LEAD_STATUSES, PARTNER_STATUSES, PARTNER_TYPES
from prm_sync.rules.calendar import Calendar
from prm_sync.rules.policyfile import Part, Policy, load, schema_of
from prm_sync.rules.routing.facts import Choice, LeadFacts
from prm_sync.rules.routing.territory import PLACE
from prm_sync.yamlfile import YamlFile, did_you_mean

_CODE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
"""A country (ISO 3166-1 alpha-2) or a region (ISO 3166-2)."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def one_of(known: tuple[str, ...], what: str) -> AfterValidator:
    def check(name: str) -> str:
        if name not in known:
            raise ValueError(f'"{name}" is no {what}{did_you_mean(name, known)}')
        return name

    return AfterValidator(check)


def _place(name: str) -> str:
    if not PLACE.fullmatch(name):
        raise ValueError(
            f'"{name}" is no country (DE) and no region (DE-BY); nor postcodes (DE:80-87) or a segment (DE/enterprise)'
        )
    return name


def _area(name: str) -> str:
    if _CODE.fullmatch(name):
        raise ValueError(f'"{name}" is a country or region already; give the area another name')
    return name


def _region(name: str) -> str:
    if "-" not in name or not _CODE.fullmatch(name):
        raise ValueError(f'"{name}" is no region code such as DE-BY (ISO 3166-2)')
    return name


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError("must be from 0 to 1")
    return value


def _zone_or_none(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):  # not found, or no name at all
        return None


def _zone(name: str) -> ZoneInfo:
    zone = _zone_or_none(name)
    if zone is None:
        raise ValueError(f'"{name}" is no IANA time zone such as Asia/Riyadh')
    return zone


def _code(name: str) -> str:
    if not _CODE.fullmatch(name) or "-" in name:
        raise ValueError(f'"{name}" is no country code such as DE')
    return name


REASONS = (
    "max_offers", "nobody", "test", "status", "type", "agreement", "calendar", "exclusion", "relationship",
    "protected_deal", "prior_decline", "prior_expiry", "territory", "product", "industry", "language", "tier",
    "certification", "capacity",
)  # fmt: skip
"""Why a lead may get no partner, as `queues.by_reason` names it: every rule, in the order in which they are asked."""

Code = Annotated[str, AfterValidator(_code)]
Weekday = Annotated[str, one_of(WEEKDAYS, "day such as fri")]
Reason = Annotated[str, one_of(REASONS, "reason")]
LeadStatus = Annotated[str, one_of(LEAD_STATUSES, "status of a lead")]
PartnerStatus = Annotated[str, one_of(PARTNER_STATUSES, "status of a partner")]
PartnerType = Annotated[str, one_of(PARTNER_TYPES, "type of a partner")]
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
    tier: bool = Field(default=True, description="The partner has a level that `tiers_needed` asks for")
    agreement: Literal["off", "if_known", "required"] = Field(
        default="if_known",
        description="An agreement with the partner is in force today; if_known: partners without any pass",
    )
    calendar: Literal["off", "working_day", "working_hours"] = Field(
        default="off", description="The partner works today, or at this hour, by its calendar (`calendars`)"
    )
    protected_deal: bool = Field(
        default=True, description="A protected deal registration keeps the company's leads for who registered it"
    )
    prior_decline: bool = Field(default=True, description="The partner has not declined this lead before")
    prior_expiry: bool = Field(default=True, description="The partner has not let an offer of this lead run out before")
    relationship: Literal["off", "preferred", "exclusive"] = Field(
        default="preferred",
        description="The partner who serves the lead's account already: gets the lead if it may (preferred), "
        "or it alone (exclusive)",
    )


class Capacity(Part):
    """How many offers a partner can take."""

    weekly: int | None = Field(
        default=20, ge=0, description="Offers a week (from Monday 00:00 UTC), unless the partner has a number; "
        "null: no number counts, not even the partner's own, but only what is open"
    )
    daily: int | None = Field(
        default=None, ge=0, description="Offers a day (from 00:00 UTC) to one partner; null: as many as the week allows"
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


class TierNeed(Part):
    """Leads that only partners of certain levels may have."""

    segment: tuple[str, ...] = Field(default=(), description="Leads of these segments; empty: all")
    product: tuple[str, ...] = Field(default=(), description="Leads for these products; empty: all")
    country: tuple[Code, ...] = Field(default=(), description="Leads in these countries; empty: all")
    tiers: tuple[str, ...] = Field(min_length=1, description="Levels that may have them, in any case")


class WorkingCalendar(Part):
    """When partners of some countries work."""

    countries: tuple[Code, ...] = Field(
        default=(), description="Partners in these countries; empty: every partner that no other calendar names"
    )
    time_zone: str = Field(default="UTC", description="IANA time zone, for partners without one of their own")
    weekend: tuple[Weekday, ...] = Field(default=("sat", "sun"), max_length=6, description="Days off in every week")
    hours: tuple[time, time] = Field(default=(time(9), time(17)), description="Opening and closing, wall time there")
    holidays: tuple[date, ...] = Field(default=(), description="Days off besides")

    @model_validator(mode="after")
    def _can_be_used(self) -> WorkingCalendar:
        self.of(None)
        return self

    def of(self, time_zone: str | None) -> Calendar:
        """The calendar in a partner's own time zone, if that is one. Raises ValueError for a wrong calendar."""
        weekend = frozenset(WEEKDAYS.index(d) for d in self.weekend)
        zone = _zone_or_none(time_zone) or _zone(self.time_zone)
        return Calendar(zone, weekend, *self.hours, frozenset(self.holidays))


class Term(Part):
    """One term of the score. Each term is 0 to 1; the score is their weighted mean."""

    weight: float = Field(default=1.0, ge=0, le=1000, description="How much the term counts beside the others")


class WinRate(Term):
    """(won + prior * prior_deals) / (won + lost + prior_deals): few deals count little.

    With `segment_deals` the same once more, for the lead's segment: the partner's own win rate is then the prior.
    """

    prior: float = Field(default=0.25, ge=0, le=1, description="Win rate of a partner without any deal")
    prior_deals: float = Field(default=8, gt=0, description="How many deals the prior is worth")
    segment_deals: float | None = Field(
        default=4, gt=0, description="Deals that the overall win rate is worth in one segment; null: no segments"
    )


class ResponseTime(Term):
    """half_after_h / (half_after_h + hours): 1 at once, 0.5 after `half_after_h` hours."""

    half_after_h: float = Field(default=24, gt=0, description="Median hours to answer that are worth one half")
    unknown: float = Field(default=0.5, ge=0, le=1, description="For a partner who has not answered any offer yet")


class Distance(Term):
    """half_after_km / (half_after_km + km), in tenths: of the great circle between the partner's place and the lead's.

    A place is the region, where its middle is known, or else the country; what a place is wide counts, too. In the
    same country, where either region is not known, it is at least `unknown`.
    """

    half_after_km: float = Field(default=500, gt=0, description="Distance that is worth one half")
    same_region: float = Field(default=1.0, ge=0, le=1, description="Both are in the same region")
    unknown: float = Field(default=0.5, ge=0, le=1, description="Where the partner or the lead is, is not known")


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
    distance: Distance = Distance(weight=1)

    @model_validator(mode="after")
    def _has_a_weight(self) -> Score:
        if not any(self.weights):
            raise ValueError("at least one term must have a weight above 0")
        return self

    @property
    def weights(self) -> tuple[float, ...]:
        """In the order of `TERMS`."""
        terms = (self.fit, self.win_rate, self.response_time, self.load, self.tier, self.distance)
        return tuple(t.weight for t in terms)


class OfferTerms(Part):
    expires_after_h: float = Field(default=48, gt=0, description="Hours a partner has to answer")
    hours: Literal["all", "working"] = Field(
        default="all", description="Which hours count: all, or the working hours of the partner's calendar"
    )
    calendar: str | None = Field(
        default=None, description="With working hours: one of `calendars` for all partners, instead of their own"
    )
    max_offers: int = Field(default=3, ge=1, description="Partners a lead is offered to; then a person must look at it")


class Optimal(Part):
    """The choice `optimal`: the whole batch at once."""

    floor: Share = Field(
        default=0.0, description="Share of its capacity that each partner should get, before anybody's score counts"
    )


class Queues(Part):
    """Where leads wait that no partner got."""

    default: str = Field(default="unrouted", min_length=1, description="Every other lead")
    by_reason: dict[Reason, str] = Field(
        default_factory=dict, description="Queue for max_offers, or for the rule that most partners failed"
    )

    owners: dict[str, str] = Field(default_factory=dict, description="Queue -> who looks after it; alerts name them")

    def of(self, reason: str) -> str:
        return self.by_reason.get(reason, self.default)


class RoutingPolicy(Policy):
    """A whole `policies/routing.yaml`."""

    thing: ClassVar[str] = "lead"  #: what is routed by it, in words

    choice: Choice = Field(
        default="best",
        description="best: the highest score; round_robin: whoever had the fewest offers this week; "
        "weighted: by lot, the score being the chance; optimal: the highest sum of scores of the whole batch",
    )
    seed: int = Field(default=1, description="Another seed breaks ties and draws lots differently")
    eligible_statuses: tuple[LeadStatus, ...] = Field(
        default=("new", "qualified", "recycled"), description="Leads that may be routed"
    )
    partner_statuses: tuple[PartnerStatus, ...] = Field(default=("active",), description="Partners that may get leads")
    partner_types: tuple[PartnerType, ...] = Field(
        default=(), description="Kinds of partners that may get them; empty: all kinds"
    )
    rules: Rules = Field(default_factory=Rules)
    areas: dict[AreaName, tuple[Place, ...]] = Field(
        default_factory=dict, description="Names that partners' territories may use: area -> countries and regions"
    )
    region_names: dict[RegionCode, tuple[str, ...]] = Field(
        default_factory=dict, description="How leads write a region: ISO 3166-2 code -> names"
    )
    capacity: Capacity = Field(default_factory=Capacity)
    exclusions: tuple[Exclusion, ...] = ()
    tiers_needed: tuple[TierNeed, ...] = ()
    calendars: dict[str, WorkingCalendar] = Field(
        default_factory=dict, description="Name -> when partners work; without any: Monday to Friday, 9 to 17 UTC"
    )
    optimal: Optimal = Field(default_factory=Optimal)
    queues: Queues = Field(default_factory=Queues)
    score: Score = Field(default_factory=Score)
    offer: OfferTerms = Field(default_factory=OfferTerms)

    @model_validator(mode="after")
    def _knows_the_calendar(self) -> RoutingPolicy:
        name = self.offer.calendar
        if name is not None and name not in self.calendars:
            raise ValueError(f'offer: "{name}" is none of `calendars`{did_you_mean(name, tuple(self.calendars))}')
        if name is not None and self.offer.hours == "all":
            raise ValueError("offer: `calendar` counts only with `hours: working`")
        return self

    def answer_within_h(self, _: LeadFacts) -> float:
        """Hours that a partner has to answer an offer of this one."""
        return self.offer.expires_after_h

    def resolve_within_h(self, _: LeadFacts) -> float | None:
        """Hours within which it is to be done with; None: nobody counts them."""
        return None


def load_routing(source: Path | YamlFile) -> RoutingPolicy:
    """Raises ConfigError with the file:line of every mistake."""
    return load(RoutingPolicy, source)


def routing_schema() -> dict[str, Any]:
    return schema_of(RoutingPolicy, "routing")
