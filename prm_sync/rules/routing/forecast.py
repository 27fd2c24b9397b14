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
from prm_sync.rules.routing.roster import LeadClass

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
    for day, losing in sorted(by_day.items()):
        moments = [datetime.combine(d, time(), UTC) for d in (day, day + timedelta(days=1))]
        before, after = (_Day(partners_on(m.date()), protections, quiet, m) for m in moments)
        for partner_id in sorted(losing):
            found[partner_id, day] = _impact(partner_id, groups, before, after)
    return found


def _grouped(leads: Iterable[OpenLead], protected: set[str], policy: RoutingPolicy) -> list[_Group]:
    groups: dict[LeadFacts, _Group] = {}
    companies = bool(policy.exclusions)
    for lead in leads:
        f = lead.facts
        spent = policy.offer.max_offers if f.offers >= policy.offer.max_offers else 0
        key = f._replace(
            id="", priority=0.0, status=policy.eligible_statuses[0], offers=spent, registered_by=frozenset(),
            domain=f.domain if companies or f.domain in protected else None,
            account_number=f.account_number if companies else None,
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
        self._board = Board(partners, Ledger(), policy, at)
        self._holders: dict[str, set[str]] = {}
        for p in protections:
            if p.until > at:
                self._holders.setdefault(p.domain, set()).add(p.partner_id)

    def kind(self, group: _Group) -> LeadClass:
        holders = self._holders.get(group.facts.domain or "", ())
        return self._board.class_of(group.facts._replace(registered_by=frozenset(holders)))

    def may(self, partner_id: str, kind: LeadClass) -> bool:
        number = self._board.number.get(partner_id)
        return number is not None and bool(kind.passed & kind.roster.bits[kind.roster.place[number]])


def _impact(partner_id: str, groups: Iterable[_Group], before: _Day, after: _Day) -> Impact:
    leads = offers = freed = 0
    stranded_in: Counter[str] = Counter()
    stranded_ids: list[str] = []
    other_ids: list[str] = []
    for group in groups:
        was = before.kind(group)
        if not before.may(partner_id, was):
            continue
        then = after.kind(group)
        if after.may(partner_id, then):
            if was.many == 1 < then.many:
                freed += group.waiting
                other_ids += group.ids
            continue
        leads += group.waiting
        offers += group.offered[partner_id]
        if then.passed:
            other_ids += group.ids
        elif group.waiting:
            stranded_in[group.facts.country or "?"] += group.waiting
            stranded_ids += group.ids
    ids = (*sorted(stranded_ids), *sorted(other_ids))[:NAMED]
    return Impact(leads, stranded_in.total(), dict(sorted(stranded_in.items())), offers, freed, ids)


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
