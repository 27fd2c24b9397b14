"""`policies/cases.yaml`: who may serve a case, how the best one is told, and how soon it is to be answered and solved.

A case is routed as a lead is, by the same rules, scores and clocks; what differs is said here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, model_validator

from prm_sync.canonical.entities import CASE_PRIORITIES, CASE_STATUSES
from prm_sync.rules.policyfile import load, refused, schema_of
from prm_sync.rules.routing.facts import Choice, LeadFacts
from prm_sync.rules.routing.policy import (
    Capacity,
    Distance,
    OfferTerms,
    PartnerType,
    ResponseTime,
    RoutingPolicy,
    Rules,
    Score,
    Term,
    TierTerm,
    WinRate,
    one_of,
)
from prm_sync.yamlfile import YamlFile, did_you_mean, read

CaseStatus = Annotated[str, one_of(CASE_STATUSES, "status of a case")]
Priority = Annotated[str, one_of(CASE_PRIORITIES, "priority of a case")]


class CaseRules(Rules):
    """The hard rules: a partner that fails one does not get the case, whatever its score."""

    industry: bool = Field(default=False, description="The partner serves the industry (no list: all industries)")
    protected_deal: bool = Field(default=False, description="A protected deal registration keeps cases, too")


class CaseCapacity(Capacity):
    """How many cases a partner can take."""

    weekly: int | None = Field(default=None, ge=0, description="Cases a week (from Monday 00:00 UTC); null: any")
    daily: int | None = Field(default=None, ge=0, description="Cases a day (from 00:00 UTC); null: any")
    max_open: int = Field(
        default=10, ge=1, description="Cases that one partner may have that are not solved, unanswered ones included"
    )


class CaseScore(Score):
    """The terms of the score; a weight of 0 switches one off."""

    fit: Term = Field(default=Term(weight=3), description="The partner names the product, instead of taking all")
    win_rate: WinRate = WinRate(weight=0)
    response_time: ResponseTime = ResponseTime(weight=3, half_after_h=4)
    load: Term = Field(default=Term(weight=2), description="Free share of what may be open")
    tier: TierTerm = TierTerm(weight=0)
    distance: Distance = Distance(weight=1)


class CaseOfferTerms(OfferTerms):
    """How long a partner has."""

    expires_after_h: float = Field(
        default=8, gt=0, description="Hours a partner has to say whether it takes a case, then it goes to the next; "
        "where `answer_within_h` says nothing about the case's priority"
    )
    hours: Literal["all", "working"] = Field(
        default="working", description="Which hours count: all, or the working hours of the partner's calendar"
    )
    max_offers: int = Field(default=3, ge=1, description="Partners a case is given to; then a person must look at it")
    answer_within_h: dict[Priority, PositiveFloat] = Field(
        default_factory=dict, description="Hours to answer by priority, instead of `expires_after_h`"
    )
    resolve_within_h: dict[Priority, PositiveFloat] = Field(
        default_factory=dict, description="Hours to solve a case by priority; then an alert names it"
    )


class CasePolicy(RoutingPolicy):
    """A whole `policies/cases.yaml`. Areas, names of regions and calendars are those of routing.yaml, and its own."""

    thing: ClassVar[str] = "case"
    choice: Choice = Field(
        default="best", description="best: the highest score; round_robin: whoever has the fewest; weighted: by lot, "
        "the score being the chance; optimal: the highest sum of scores of all that are routed together"
    )
    eligible_statuses: tuple[CaseStatus, ...] = Field(
        default=("new", "reopened"), description="Cases that may be given to a partner"
    )
    partner_types: tuple[PartnerType, ...] = Field(
        default=("service", "integrator"), description="Kinds of partners that serve; empty: all kinds"
    )
    rules: CaseRules = Field(default_factory=CaseRules)
    capacity: CaseCapacity = Field(default_factory=CaseCapacity)
    score: CaseScore = Field(default_factory=CaseScore)
    offer: CaseOfferTerms = Field(default_factory=CaseOfferTerms)

    @model_validator(mode="after")
    def _knows_the_calendar(self) -> CasePolicy:
        return self  # it may be one of routing.yaml: `load_cases` looks

    def answer_within_h(self, lead: LeadFacts) -> float:
        return self.offer.answer_within_h.get(priority_of(lead), self.offer.expires_after_h)

    def resolve_within_h(self, lead: LeadFacts) -> float | None:
        return self.offer.resolve_within_h.get(priority_of(lead))


def priority_of(case: LeadFacts) -> str:
    """The priority in words: cases choose in the order of their priority, which is its place in the list."""
    return CASE_PRIORITIES[min(max(int(case.priority), 0), len(CASE_PRIORITIES) - 1)]


def load_cases(source: Path | YamlFile, routing: RoutingPolicy) -> CasePolicy:
    """Raises ConfigError with the file:line of every mistake."""
    file = read(source) if isinstance(source, Path) else source
    found = load(CasePolicy, file)
    calendars = {**routing.calendars, **found.calendars}
    name = found.offer.calendar
    if name is not None and name not in calendars:
        what = f'"{name}" is none of `calendars`, here or in routing.yaml{did_you_mean(name, tuple(calendars))}'
        error = refused(file, [(("offer", "calendar"), what)])
        assert error is not None
        raise error
    return found.model_copy(
        update={
            "calendars": calendars, "areas": {**routing.areas, **found.areas},
            "region_names": {**routing.region_names, **found.region_names},
        }
    )  # fmt: skip


def cases_schema() -> dict[str, Any]:
    return schema_of(CasePolicy, "cases")
