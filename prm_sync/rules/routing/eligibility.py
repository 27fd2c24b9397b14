"""The hard rules, except capacity: which partners a lead may go to, and in words why not to the others.

They look only at a few of a lead's facts. Leads that agree in these are one class, and a class is decided once; what a
class is made of (the verdicts for one country, for one product ...) is remembered too, since classes share it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import Any

from prm_sync.rules.fold import fold
from prm_sync.rules.routing.facts import Candidate, LeadFacts, PartnerFacts
from prm_sync.rules.routing.policy import EVERYWHERE, Exclusion, RoutingPolicy

_REGION = re.compile(r"[A-Z0-9]{1,3}")
_SHOWN = 6  #: most territories, products ... that one reason names


FITS = (0.0, 0.5, 1.0)
"""Every fit there is: of product and industry, as far as the lead names them, the partner names none, half or all."""


@dataclass(frozen=True, slots=True)
class LeadClass:
    """What is decided about all leads that agree in the facts that the rules look at.

    A place is `partner's position + number of partners * position of its fit in FITS`: one index into one flat list
    of all partners at each fit. `picked` gives what stands there at the places of this class.
    """

    places: tuple[int, ...]
    ruled_out: tuple[Candidate, ...]
    picked: Callable[[list[Any]], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Known:
    """One partner, its lists in the form in which they are compared."""

    facts: PartnerFacts
    territories: frozenset[str]
    products: frozenset[str]
    industries: frozenset[str]
    languages: frozenset[str]
    certifications: dict[str, date | None]
    excluded: tuple[Exclusion, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One hard rule: what it looks at (the verdicts are remembered by it), and why a partner fails."""

    code: str
    given: Hashable
    why_not: Callable[[_Known, LeadFacts], str | None]


class Eligibility:
    """The rules of one policy over one set of partners on one day."""

    def __init__(self, partners: Sequence[PartnerFacts], policy: RoutingPolicy, today: date) -> None:
        self._policy, self._today = policy, today
        self._areas = {fold(name): places for name, places in policy.areas.items()}
        self._regions = {
            (code[:2], fold(name)): code for code, names in policy.region_names.items() for name in (code, *names)
        }
        self._known = [self._known_of(p) for p in partners]
        self._verdicts: dict[tuple[str, Hashable], list[Candidate | None] | None] = {}
        self._classes: dict[Hashable, LeadClass] = {}

    def of(self, lead: LeadFacts) -> LeadClass:
        """The class of a lead."""
        key = (
            lead.country, lead.region, lead.product, lead.industry, lead.language, lead.certification,
            lead.declined_by, lead.expired_by,
            lead.account_partner_id if self._policy.rules.relationship == "exclusive" else None,
            (lead.domain, lead.account_number) if self._policy.exclusions else None,
        )  # fmt: skip
        found = self._classes.get(key)
        if found is None:
            found = self._classes[key] = self._class_of(lead)
        return found

    def _class_of(self, lead: LeadFacts) -> LeadClass:
        """The first rule that each partner fails, in the order in which a person would ask."""
        first: list[Candidate | None] = [None] * len(self._known)
        for rule in self._rules_for(lead):
            verdicts = self._verdicts_of(rule, lead)
            if verdicts is not None:
                first = [a or b for a, b in zip(first, verdicts, strict=True)]
        size = len(self._known)
        places = tuple(
            i + size * FITS.index(_fit(partner, lead))
            for i, (partner, failed) in enumerate(zip(self._known, first, strict=True))
            if failed is None
        )
        return LeadClass(places, tuple(failed for failed in first if failed is not None), _picking(places))

    def _rules_for(self, lead: LeadFacts) -> list[_Rule]:
        """The rules that are on, and that this lead has anything to ask of."""
        on = self._policy.rules
        rules = [_Rule("test", None, _test), _Rule("status", None, self._status)]
        if self._policy.exclusions:
            rules.append(_Rule("exclusion", (lead.domain, lead.account_number), _exclusion))
        if on.relationship == "exclusive" and lead.account_partner_id:
            rules.append(_Rule("relationship", lead.account_partner_id, _relationship))
        if on.prior_decline and lead.declined_by:
            rules.append(_Rule("prior_decline", lead.declined_by, _prior_decline))
        if on.prior_expiry and lead.expired_by:
            rules.append(_Rule("prior_expiry", lead.expired_by, _prior_expiry))
        if on.territory:
            rules.append(_Rule("territory", (lead.country, lead.region), self._territory))
        if on.product and lead.product:
            rules.append(_Rule("product", lead.product, _product))
        if on.industry and lead.industry:
            rules.append(_Rule("industry", lead.industry, _industry))
        if on.language and lead.language:
            rules.append(_Rule("language", lead.language, _language))
        if on.certification and lead.certification:
            rules.append(_Rule("certification", lead.certification, self._certification))
        return rules

    def _verdicts_of(self, rule: _Rule, lead: LeadFacts) -> list[Candidate | None] | None:
        """For each partner the reason it fails, or None; None alone where all pass."""
        key = (rule.code, rule.given)
        if key not in self._verdicts:
            verdicts: list[Candidate | None] = []
            for partner in self._known:
                reason = rule.why_not(partner, lead)
                verdicts.append(Candidate(partner.facts.id, rule.code, reason) if reason else None)
            self._verdicts[key] = verdicts if any(verdicts) else None
        return self._verdicts[key]

    def _known_of(self, partner: PartnerFacts) -> _Known:
        names = {partner.id, partner.key}
        return _Known(
            partner,
            frozenset(p for t in partner.territories for p in self._areas.get(fold(t), (t.strip().upper(),))),
            frozenset(map(fold, partner.products)),
            frozenset(map(fold, partner.industries)),
            frozenset(map(fold, partner.languages)),
            {fold(name): last for name, last in partner.certifications.items()},
            tuple(x for x in self._policy.exclusions if x.partner in names),
        )

    def _status(self, partner: _Known, _: LeadFacts) -> str | None:
        if partner.facts.status in self._policy.partner_statuses:
            return None
        wanted = _list(self._policy.partner_statuses, " or ")
        return f"the partner is {partner.facts.status or 'without status'}, not {wanted}"

    def _territory(self, partner: _Known, lead: LeadFacts) -> str | None:
        sells = partner.territories
        if EVERYWHERE in sells:
            return None
        country = (lead.country or "").upper()
        region = self._region_of(country, lead.region)
        if country and (country in sells or region in sells):
            return None
        where = "the lead has no country"
        if country:
            where = f"the lead is in {country}" + (f" ({region or lead.region})" if lead.region else "")
        named = partner.facts.territories
        return f"sells in {_list(named)}; {where}" if named else f"no territory is known; {where}"

    def _region_of(self, country: str, region: str | None) -> str | None:
        """The ISO 3166-2 code of a region as written, where it is one or the policy names it."""
        if not region:
            return None
        written = region.strip().upper()
        if written.startswith(f"{country}-"):
            return written
        named = self._regions.get((country, fold(region)))
        return named or (f"{country}-{written}" if _REGION.fullmatch(written) else None)

    def _certification(self, partner: _Known, lead: LeadFacts) -> str | None:
        name = lead.certification or ""
        key = fold(name)
        if key not in partner.certifications:
            return f"does not hold '{name}'"
        last = partner.certifications[key]
        return f"'{name}' was valid until {last}" if last is not None and last < self._today else None


def _test(partner: _Known, _: LeadFacts) -> str | None:
    return "the partner is a test record" if partner.facts.is_test else None


def _exclusion(partner: _Known, lead: LeadFacts) -> str | None:
    for x in partner.excluded:
        if x.account is not None and lead.account_number == x.account:
            return f"excluded from account {x.account}: {x.because}"
        if x.domain is not None and f".{(lead.domain or '').lower()}".endswith(f".{x.domain.lower()}"):
            return f"excluded from {x.domain}: {x.because}"
    return None


def _relationship(partner: _Known, lead: LeadFacts) -> str | None:
    return None if partner.facts.id == lead.account_partner_id else "another partner serves the lead's account"


def _prior_decline(partner: _Known, lead: LeadFacts) -> str | None:
    return "declined this lead before" if partner.facts.id in lead.declined_by else None


def _prior_expiry(partner: _Known, lead: LeadFacts) -> str | None:
    return "let an offer of this lead run out before" if partner.facts.id in lead.expired_by else None


def _product(partner: _Known, lead: LeadFacts) -> str | None:
    if not partner.products or fold(lead.product or "") in partner.products:
        return None
    return f"sells {_list(partner.facts.products)}; the lead wants {lead.product}"


def _industry(partner: _Known, lead: LeadFacts) -> str | None:
    if not partner.industries or fold(lead.industry or "") in partner.industries:
        return None
    return f"serves {_list(partner.facts.industries)}; the lead is in {lead.industry}"


def _language(partner: _Known, lead: LeadFacts) -> str | None:
    if not partner.languages or fold(lead.language or "") in partner.languages:
        return None
    return f"speaks {_list(partner.facts.languages)}; the lead speaks {lead.language}"


def _fit(partner: _Known, lead: LeadFacts) -> float:
    """Share of the lead's product and industry that the partner names: a specialist goes before one who takes all."""
    asked = [(lead.product, partner.products), (lead.industry, partner.industries)]
    named = [fold(word) in known for word, known in asked if word]
    return sum(named) / len(named) if named else 0.0


def _picking(places: tuple[int, ...]) -> Callable[[list[Any]], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[p] for p in places)  # itemgetter knows no tuple of one or none


def _list(names: Iterable[str], joint: str = ", ") -> str:
    known = sorted(names)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return joint.join(known[:_SHOWN]) + more
