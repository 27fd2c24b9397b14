"""What routing knows of leads and partners, and what it answers.

A service case is routed as a lead is, by a policy of its own (`cases`): what is said here of leads holds for it, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple

TERMS = ("fit", "win_rate", "response_time", "load", "tier", "distance")
"""The terms of the score, in the order of `Candidate.terms`. Decisions of older versions may have fewer."""

ELIGIBLE = "eligible"
CAPACITY = "capacity"
OUTSCORED = "outscored"  #: in counts of reasons: could have had the lead, but another was chosen
Choice = Literal["best", "round_robin", "weighted", "optimal"]
Outcome = Literal[
    "best", "round_robin", "weighted", "optimal", "relationship", "status", "test", "max_offers", "nobody"
]
POINTS = 10_000  #: points that make a score of 1: scores are counted in whole points, so that no sum depends on order


class LeadFacts(NamedTuple):
    """One lead, as far as routing looks at it: no name, no address, nothing personal.

    A tuple, since a million of them are read at once. Leads that agree in everything after `priority` are decided
    alike; the last three fields count only where a policy has rules on postcodes or companies.
    """

    id: str
    priority: float = 0.0  #: leads of a higher priority choose first, then by id
    status: str | None = "new"
    country: str | None = None  #: ISO 3166-1 alpha-2
    region: str | None = None  #: as written, or ISO 3166-2
    segment: str | None = None
    product: str | None = None
    industry: str | None = None
    language: str | None = None  #: ISO 639-1
    certification: str | None = None  #: certificate that a partner needs
    offers: int = 0  #: offers that were made so far
    is_test: bool = False
    account_partner_id: str | None = None  #: the partner through whom the lead's account is served already
    registered_by: frozenset[str] = frozenset()  #: partners with a protected deal registration for the company
    declined_by: frozenset[str] = frozenset()  #: partners that declined this lead before
    expired_by: frozenset[str] = frozenset()  #: partners that let an offer of this lead run out
    postcode: str | None = None
    domain: str | None = None  #: of the company
    account_number: str | None = None


@dataclass(frozen=True, slots=True)
class PartnerFacts:
    """One partner, as far as routing looks at it."""

    id: str
    name: str | None = None
    key: str | None = None  #: the partner's key in the PRM: how the policy's exclusions name it (or by `id`)
    status: str | None = "active"
    type: str | None = None
    tier: str | None = None
    territories: tuple[str, ...] = ()  #: countries, regions, areas of the policy, or `*`; empty: nowhere
    products: tuple[str, ...] = ()  #: empty: all
    industries: tuple[str, ...] = ()  #: empty: all
    languages: tuple[str, ...] = ()  #: empty: not known, which rules nobody out
    certifications: Mapping[str, date | None] = field(default_factory=dict)  #: name -> last day; None: no end
    weekly_capacity: int | None = None  #: None: the policy's
    won: int = 0  #: deals won and lost in the look-back that the caller chose
    lost: int = 0
    response_h: float | None = None  #: median hours from offer to answer
    is_test: bool = False
    country: str | None = None  #: where it sits
    region: str | None = None
    time_zone: str | None = None  #: IANA; None: that of its calendar
    segments: Mapping[str, tuple[int, int]] = field(default_factory=dict)  #: segment -> deals won and lost in it
    agreements: tuple[Agreement, ...] | None = None  #: None: it is not known whether there is any


@dataclass(frozen=True, slots=True)
class Agreement:
    """A contract with a partner: in force or not, and from when to when."""

    in_force: bool  #: by its state, whatever the day is
    first: date | None = None
    last: date | None = None

    def holds_on(self, day: date) -> bool:
        return self.in_force and (self.first or day) <= day <= (self.last or day)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What each partner has been offered: the only thing that one decision changes for the next."""

    week: Mapping[str, int] = field(default_factory=dict)  #: offers made since `week_start(now)`, by partner id
    open: Mapping[str, int] = field(default_factory=dict)  #: offers that wait for an answer, by partner id
    day: Mapping[str, int] = field(default_factory=dict)  #: offers made since `day_start(now)`, by partner id

    def after(self, decisions: Iterable[Decision]) -> Ledger:
        """The ledger once these decisions have become offers."""
        made = Counter(d.partner_id for d in decisions if d.partner_id is not None)
        before = (self.week, self.open, self.day)
        return Ledger(*({**of, **{p: of.get(p, 0) + n for p, n in made.items()}} for of in before))


class Candidate(NamedTuple):
    """One partner in one decision: its score, or the first rule that it fails. A plain array in JSON."""

    partner_id: str
    code: str  #: "eligible", or the rule that it fails
    detail: str = ""  #: the rule in words: "sells in BE, FR; the lead is in DE"; of an eligible one, how near it is
    score: float | None = None  #: 0 to 1
    terms: tuple[float, ...] = ()  #: what each of `TERMS` adds to the score


@dataclass(frozen=True, slots=True)
class Decision:
    """Who gets a lead, and why. `outcome` is the way the partner was chosen, or why nobody was."""

    lead_id: str
    partner_id: str | None
    score: float | None
    outcome: Outcome
    note: str  #: the outcome in words where the candidates do not say it
    considered: tuple[Candidate, ...]  #: passed every rule but capacity; in the order of partner ids
    ruled_out: tuple[Candidate, ...]  #: the rest
    reasons: Mapping[str, int]  #: how many partners failed by which rule, the commonest first
    queue: str | None  #: where a lead without a partner waits for a person
    rule_version: str
    decided_at: datetime
    expires_at: datetime  #: when the offer runs out, if there is one
    resolve_by: datetime | None = None  #: when it is to be done with, where the policy says so

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every partner."""
        return self.considered + self.ruled_out

    @property
    def stopped_by(self) -> str:
        """Of a lead that got no partner: the outcome, or `nobody:<rule that most partners failed>`."""
        most = next(iter(self.reasons), None) if self.outcome == "nobody" else None
        return f"{self.outcome}:{most}" if most else self.outcome


def unrouted(decisions: Iterable[Decision]) -> dict[str, int]:
    """How many leads got no partner, by reason: the outcome, or `nobody:<rule that most partners failed>`."""
    return dict(Counter(d.stopped_by for d in decisions if d.partner_id is None).most_common())


def week_start(now: datetime) -> datetime:
    """Monday 00:00 UTC of the week of `now`: since then offers count against the weekly capacity."""
    day = day_start(now)
    return day - timedelta(days=day.weekday())


def day_start(now: datetime) -> datetime:
    """00:00 UTC of the day of `now`: since then offers count against the daily capacity."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
