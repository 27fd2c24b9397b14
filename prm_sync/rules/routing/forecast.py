"""What runs out, and what routing will then do otherwise: the routing rules themselves, evaluated on that day.

A certificate or agreement is compared on its last day and on the day after, a protection before and after its end, each
at 00:00 UTC. Capacity, working hours and the present load play no part: they will be others by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from prm_sync.rules.routing.board import Board
from prm_sync.rules.routing.facts import LeadFacts, Ledger, PartnerFacts
from prm_sync.rules.routing.policy import RoutingPolicy
from prm_sync.rules.routing.roster import LeadClass, Roster

ExpiryKind = Literal["certificate", "agreement", "protection"]
NAMED = 5  #: leads that an impact names


@dataclass(frozen=True, slots=True)
class Expiry:
    """Something of a partner that runs out."""

    kind: ExpiryKind
    id: str
    partner_id: str
    name: str  #: of the certificate, the agreement's number, the registration's customer or number
    last: date  #: the last day it holds


@dataclass(frozen=True, slots=True)
class OpenLead:
    """A lead that is not decided for good: it waits, is offered, or a partner works on it."""

    facts: LeadFacts
    offered_to: str | None = None  #: partner of the offer that waits or was accepted
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Protection:
    """An approved registration: leads of the company go to its partner only, until then."""

    domain: str
    partner_id: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Impact:
    """What changes for a partner on the day after something runs out."""

    leads: int = 0  #: open leads that it could have had, and then cannot
    stranded: int = 0  #: of these, leads that then nobody may have
    stranded_in: Mapping[str, int] = field(default_factory=dict)  #: the same by country
    offers: int = 0  #: leads that it is offered, or has accepted, and then could not have
    freed: int = 0  #: open leads that were its alone, and that others may then have
    lead_ids: tuple[str, ...] = ()  #: some of the leads, stranded ones first


@dataclass(slots=True)
class _Group:
    """Open leads that the rules treat alike."""

    facts: LeadFacts
    count: int = 0
    ids: list[str] = field(default_factory=list)
    offered: Counter[str] = field(default_factory=Counter)  #: offers that wait or were accepted, by partner
    waiting: int = 0  #: leads that nobody has accepted


def impacts(
    expiries: Iterable[Expiry], leads: Iterable[OpenLead], protections: Sequence[Protection],
    partners_on: Callable[[date], Sequence[PartnerFacts]], policy: RoutingPolicy,
) -> dict[tuple[str, date], Impact]:  # fmt: skip
    """By (partner, last day): what changes then. What a partner loses on one day is told together."""
    quiet = policy.model_copy(update={"rules": policy.rules.model_copy(update={"calendar": "off"})})
    by_day: dict[date, set[str]] = {}
    for e in expiries:
        by_day.setdefault(e.last, set()).add(e.partner_id)
    if not by_day:
        return {}
    groups = _grouped(leads, {p.domain for p in protections}, quiet)
    found: dict[tuple[str, date], Impact] = {}
    after: _Day | None = None
    for day, losing in sorted(by_day.items()):
        at, then = (datetime.combine(d, time(), UTC) for d in (day, day + timedelta(days=1)))
        before = after if after is not None and after.at == at else _Day(partners_on(day), protections, quiet, at)
        after = _Day(partners_on(then.date()), protections, quiet, then)
        found |= {(partner_id, day): impact for partner_id, impact in _impacts(losing, groups, before, after).items()}
    return found


def _grouped(leads: Iterable[OpenLead], protected: set[str], policy: RoutingPolicy) -> list[_Group]:
    groups: dict[LeadFacts, _Group] = {}
    companies, exclusive = bool(policy.exclusions), policy.rules.relationship == "exclusive"
    for lead in leads:
        f = lead.facts
        spent = policy.offer.max_offers if f.offers >= policy.offer.max_offers else 0
        key = f._replace(
            id="", priority=0.0, status=policy.eligible_statuses[0], offers=spent, registered_by=frozenset(),
            domain=f.domain if companies or f.domain in protected else None,
            account_number=f.account_number if companies else None,
            account_partner_id=f.account_partner_id if exclusive else None,
        )  # fmt: skip
        group = groups.setdefault(key, _Group(key))
        group.count += 1
        group.waiting += not lead.accepted
        if lead.offered_to is not None:
            group.offered[lead.offered_to] += 1
        if len(group.ids) < NAMED and not lead.accepted:
            group.ids.append(f.id)
    return list(groups.values())


class _Day:
    """Who may have which lead at one moment."""

    def __init__(
        self, partners: Sequence[PartnerFacts], protections: Sequence[Protection], policy: RoutingPolicy, at: datetime
    ) -> None:
        self.at = at
        self._board = Board(partners, Ledger(), policy, at)
        self._bits: dict[int, dict[str, int]] = {}
        self._holders: dict[str, set[str]] = {}
        for p in protections:
            if p.until > at:
                self._holders.setdefault(p.domain, set()).add(p.partner_id)

    def kind(self, group: _Group) -> LeadClass:
        """Who may have leads of the group."""
        holders = self._holders.get(group.facts.domain or "")
        facts = group.facts._replace(registered_by=frozenset(holders)) if holders else group.facts
        return self._board.class_of(facts)

    def forget(self) -> None:
        """Other partners will be asked for."""
        self._bits.clear()

    def among(self, partners: Iterable[str], roster: Roster) -> dict[str, int]:
        """The bit of each of these partners in a roster's sets; told once for each roster."""
        if id(roster) not in self._bits:
            known = ((id_, self._board.number.get(id_)) for id_ in partners)
            self._bits[id(roster)] = {id_: roster.bits[roster.place[n]] for id_, n in known if n is not None}
        return self._bits[id(roster)]


@dataclass(slots=True)
class _Tally:
    """The impact on one partner, while it is counted."""

    leads: int = 0
    offers: int = 0
    freed: int = 0
    stranded_in: Counter[str] = field(default_factory=Counter)
    stranded_ids: list[str] = field(default_factory=list)
    other_ids: list[str] = field(default_factory=list)

    def add(self, partner_id: str, group: _Group, was: LeadClass, then: LeadClass, *, keeps: bool) -> None:
        if keeps:
            if was.many == 1 < then.many:
                self.freed += group.waiting
                self.other_ids = sorted([*self.other_ids, *group.ids])[:NAMED]
            return
        self.leads += group.waiting
        self.offers += group.offered[partner_id]
        if then.passed:
            self.other_ids = sorted([*self.other_ids, *group.ids])[:NAMED]
        elif group.waiting:
            self.stranded_in[group.facts.country or "?"] += group.waiting
            self.stranded_ids = sorted([*self.stranded_ids, *group.ids])[:NAMED]

    def impact(self) -> Impact:
        ids = (*self.stranded_ids, *self.other_ids)[:NAMED]
        by_country = dict(sorted(self.stranded_in.items()))
        return Impact(self.leads, self.stranded_in.total(), by_country, self.offers, self.freed, ids)


def _impacts(losing: set[str], groups: Iterable[_Group], before: _Day, after: _Day) -> dict[str, Impact]:
    """What changes for these partners from one moment to the other."""
    tallies = {id_: _Tally() for id_ in sorted(losing)}
    masks: dict[int, int] = {}  #: those of the partners together, by roster
    for day in (before, after):
        day.forget()
    for group in groups:
        was = before.kind(group)
        each = before.among(tallies, was.roster)
        if id(was.roster) not in masks:
            masks[id(was.roster)] = sum(each.values())
        if not was.passed & masks[id(was.roster)]:
            continue
        then = after.kind(group)
        still = after.among(tallies, then.roster)
        for id_, bit in each.items():
            if was.passed & bit:
                tallies[id_].add(id_, group, was, then, keeps=bool(then.passed & still.get(id_, 0)))
    return {id_: tally.impact() for id_, tally in tallies.items()}


def in_words(impact: Impact, last: date) -> str:
    """What a person should know, in one line; empty where nothing changes for any lead."""
    said = []
    for country, n in impact.stranded_in.items():
        said.append(f"{_leads(n)} in {country} {'has' if n == 1 else 'have'} no other eligible partner after {last}")
    if impact.leads > impact.stranded:
        said.append(f"{_leads(impact.leads - impact.stranded)} can go to others only")
    if impact.offers:
        said.append(f"{impact.offers} offered or accepted ones of its own are affected")
    if impact.freed:
        said.append(f"{_leads(impact.freed)} of the company may go to others")
    return "; ".join(said)


def _leads(n: int) -> str:
    return f"{n:,} open lead{'' if n == 1 else 's'}"
