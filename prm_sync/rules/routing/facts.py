"""What routing knows of leads and partners, and what it answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple

TERMS = ("fit", "win_rate", "response_time", "load", "tier")
"""The terms of the score, in the order of `Candidate.terms`."""

ELIGIBLE = "eligible"
CAPACITY = "capacity"
Outcome = Literal["best", "round_robin", "weighted", "relationship", "status", "test", "max_offers", "nobody"]


@dataclass(frozen=True, slots=True)
class LeadFacts:
    """One lead, as far as routing looks at it: no name, no address, nothing personal."""

    id: str
    status: str | None = "new"
    country: str | None = None  #: ISO 3166-1 alpha-2
    region: str | None = None  #: as written, or ISO 3166-2
    product: str | None = None
    industry: str | None = None
    language: str | None = None  #: ISO 639-1
    certification: str | None = None  #: certificate that a partner needs
    domain: str | None = None  #: of the company
    account_number: str | None = None
    account_partner_id: str | None = None  #: the partner through whom the lead's account is served already
    declined_by: frozenset[str] = frozenset()  #: partners that declined this lead before
    expired_by: frozenset[str] = frozenset()  #: partners that let an offer of this lead run out
    offers: int = 0  #: offers that were made so far
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class PartnerFacts:
    """One partner, as far as routing looks at it."""

    id: str
    name: str | None = None
    key: str | None = None  #: the partner's key in the PRM: how the policy's exclusions name it (or by `id`)
    status: str | None = "active"
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


@dataclass(frozen=True, slots=True)
class Ledger:
    """What each partner has been offered: the only thing that one decision changes for the next."""

    week: Mapping[str, int] = field(default_factory=dict)  #: offers made since `week_start(now)`, by partner id
    open: Mapping[str, int] = field(default_factory=dict)  #: offers that wait for an answer, by partner id

    def after(self, decisions: Iterable[Decision]) -> Ledger:
        """The ledger once these decisions have become offers."""
        made = Counter(d.partner_id for d in decisions if d.partner_id is not None)
        return Ledger(
            {**self.week, **{p: self.week.get(p, 0) + n for p, n in made.items()}},
            {**self.open, **{p: self.open.get(p, 0) + n for p, n in made.items()}},
        )


class Candidate(NamedTuple):
    """One partner in one decision: its score, or the first rule that it fails. A plain array in JSON."""

    partner_id: str
    code: str  #: "eligible", or the rule that it fails
    detail: str = ""  #: the rule in words: "sells in BE, FR; the lead is in DE"
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
    ruled_out: tuple[Candidate, ...]  #: the rest; shared by all leads of the same class
    rule_version: str
    decided_at: datetime
    expires_at: datetime  #: when the offer runs out, if there is one

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every partner."""
        return self.considered + self.ruled_out


def tally(decision: Decision) -> dict[str, int]:
    """How many partners failed by which rule, the commonest first."""
    return dict(Counter(c.code for c in decision.candidates if c.code != ELIGIBLE).most_common())


def unrouted(decisions: Iterable[Decision]) -> dict[str, int]:
    """How many leads got no partner, by reason: the outcome, or `nobody:<rule that most partners failed>`."""
    counts: Counter[str] = Counter()
    for d in decisions:
        if d.partner_id is None:
            rules = tally(d) if d.outcome == "nobody" else {}
            counts[f"{d.outcome}:{next(iter(rules))}" if rules else d.outcome] += 1
    return dict(counts.most_common())


def week_start(now: datetime) -> datetime:
    """Monday 00:00 UTC of the week of `now`: since then offers count against the weekly capacity."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())
