"""The hard rules, except capacity: what each asks of a lead, what a partner holds, and in words why a partner fails.

A rule is about tokens. A lead asks for some; a partner that holds one of them passes, or, where the rule bars, fails.
Batches work with sets of partners that hold a token (`roster`), explanations with one partner at a time: both by this.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter

from prm_sync.rules.calendar import Calendar, is_open, is_working_day, local_day
from prm_sync.rules.fold import fold
from prm_sync.rules.routing.facts import LeadFacts, PartnerFacts
from prm_sync.rules.routing.policy import RoutingPolicy, WorkingCalendar
from prm_sync.rules.routing.territory import Atlas

_SHOWN = 6  #: most territories, products ... that one reason names
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """One hard rule."""

    code: str
    given: Callable[[LeadFacts], Hashable]  #: what of a lead it looks at; falsy: it asks nothing, all pass
    tokens: Callable[[Hashable], Iterable[str]]  #: what that asks for
    held: Callable[[PartnerFacts], frozenset[str] | None]  #: what a partner holds; None: whatever is asked for
    words: Callable[[PartnerFacts, LeadFacts], str]  #: why a partner fails
    bars: bool = False  #: who holds a token fails

    def passes(self, partner: PartnerFacts, lead: LeadFacts) -> bool:
        given, held = self.given(lead), self.held(partner)
        if not given or held is None:
            return True
        return held.isdisjoint(self.tokens(given)) == self.bars


class RuleBook:
    """The rules of one policy that are on, at one time, in the order in which a person would ask."""

    def __init__(self, policy: RoutingPolicy, partners: Sequence[PartnerFacts], now: datetime) -> None:
        self.policy, self.now, self.today = policy, now, now.astimezone(UTC).date()
        self.atlas = Atlas(policy.areas, policy.region_names, (p.territories for p in partners))
        self._calendars = Calendars(policy.calendars)
        self._tiers: dict[tuple[str | None, ...], frozenset[str]] = {}
        self._the, self._this = f"the {policy.thing}", f"this {policy.thing}"
        self._does, self._asks = ("sells", "wants") if policy.thing == "lead" else ("serves", "is about")
        on = policy.rules
        standing = [Rule("test", _always, _no_tokens, lambda p: NOTHING if p.is_test else None, _test)]
        standing.append(Rule("status", _always, _no_tokens, self._status_held, self._status))
        if policy.partner_types:
            standing.append(Rule("type", _always, _no_tokens, self._type_held, self._type))
        if on.agreement != "off":
            standing.append(Rule("agreement", _always, _no_tokens, self._agreement_held, self._agreement))
        if on.calendar != "off":
            standing.append(Rule("calendar", _always, _no_tokens, self._calendar_held, self._calendar))
        self.standing = tuple(standing)  #: these ask nothing of the lead
        self.asking = tuple(self._asking())

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.standing + self.asking

    def _asking(self) -> Iterable[Rule]:
        on = self.policy.rules
        if self.policy.exclusions:
            yield Rule("exclusion", self.exclusions_of, _the_same, self._excluded, self._exclusion, bars=True)
        if on.relationship == "exclusive":
            yield Rule("relationship", attrgetter("account_partner_id"), _one, _itself, self._relationship)
        if on.protected_deal:
            yield Rule("protected_deal", attrgetter("registered_by"), _the_same, _itself, _protected_deal)
        if on.prior_decline:
            yield Rule("prior_decline", attrgetter("declined_by"), _the_same, _itself, self._prior_decline, bars=True)
        if on.prior_expiry:
            yield Rule("prior_expiry", attrgetter("expired_by"), _the_same, _itself, self._prior_expiry, bars=True)
        if on.territory:
            place_of = self._place_of if self.atlas.by_postcode else attrgetter("country", "region", "segment")
            yield Rule("territory", place_of, self._places, self._territories, self._territory)
        if on.product:
            yield Rule("product", attrgetter("product"), _folded, lambda p: _listed(p.products), self._product)
        if on.industry:
            yield Rule("industry", attrgetter("industry"), _folded, lambda p: _listed(p.industries), self._industry)
        if on.language:
            yield Rule("language", attrgetter("language"), _folded, lambda p: _listed(p.languages), self._language)
        if on.tier and self.policy.tiers_needed:
            yield Rule("tier", self._tiers_needed, _the_same, lambda p: frozenset({fold(p.tier or "")}), self._tier)
        if on.certification:
            yield Rule("certification", attrgetter("certification"), _folded, self._certified, self._certification)

    # --- partners as such ---

    def _status_held(self, partner: PartnerFacts) -> frozenset[str] | None:
        return None if partner.status in self.policy.partner_statuses else NOTHING

    def _status(self, partner: PartnerFacts, _: LeadFacts) -> str:
        wanted = _list(self.policy.partner_statuses, " or ")
        return f"the partner is {partner.status or 'without status'}, not {wanted}"

    def _type_held(self, partner: PartnerFacts) -> frozenset[str] | None:
        return None if partner.type in self.policy.partner_types else NOTHING

    def _type(self, partner: PartnerFacts, _: LeadFacts) -> str:
        return f"the partner is {partner.type or 'of no known type'}, not {_list(self.policy.partner_types, ' or ')}"

    def _agreement_held(self, partner: PartnerFacts) -> frozenset[str] | None:
        if not partner.agreements:
            return None if self.policy.rules.agreement == "if_known" else NOTHING
        return None if any(a.holds_on(self.today) for a in partner.agreements) else NOTHING

    def _agreement(self, partner: PartnerFacts, _: LeadFacts) -> str:
        if not partner.agreements:
            return "there is no agreement with the partner"
        ends = [a.last for a in partner.agreements if a.last is not None and a.last < self.today]
        return "no agreement is in force" + (f"; the last one ended on {max(ends)}" if ends else "")

    def _calendar_held(self, partner: PartnerFacts) -> frozenset[str] | None:
        calendar = self._calendars.of(partner)
        if self.policy.rules.calendar == "working_day":
            works = is_working_day(calendar, local_day(calendar, self.now))
        else:
            works = is_open(calendar, self.now)
        return None if works else NOTHING

    def _calendar(self, partner: PartnerFacts, _: LeadFacts) -> str:
        calendar = self._calendars.of(partner)
        there = self.now.astimezone(calendar.zone)
        if is_working_day(calendar, there.date()):
            return f"is closed at {there:%H:%M} {calendar.zone.key}"
        return f"does not work on {there:%A}, {there:%Y-%m-%d}"

    # --- what a lead asks for ---

    def exclusions_of(self, lead: LeadFacts) -> tuple[str, ...]:
        """The numbers of the exclusions that name the lead's company."""
        return self.exclusions_at(lead.domain, lead.account_number)

    def exclusions_at(self, domain: str | None, account_number: str | None) -> tuple[str, ...]:
        """The numbers of the exclusions that name a company."""
        if not domain and not account_number:
            return ()
        domain = f".{(domain or '').lower()}"
        return tuple(
            str(n)
            for n, x in enumerate(self.policy.exclusions)
            if (x.account is not None and account_number == x.account)
            or (x.domain is not None and domain.endswith(f".{x.domain.lower()}"))
        )

    def _excluded(self, partner: PartnerFacts) -> frozenset[str] | None:
        names = {partner.id, partner.key}
        return frozenset(str(n) for n, x in enumerate(self.policy.exclusions) if x.partner in names) or None

    def _exclusion(self, partner: PartnerFacts, lead: LeadFacts) -> str:
        held = self._excluded(partner) or NOTHING
        x = self.policy.exclusions[int(next(n for n in self.exclusions_of(lead) if n in held))]
        return f"excluded from {x.domain or f'account {x.account}'}: {x.because}"

    def _place_of(self, lead: LeadFacts) -> Hashable:
        return (lead.country, lead.region, lead.segment, *self.atlas.postcodes_of(lead.country, lead.postcode))

    def _places(self, given: Hashable) -> Iterable[str]:
        return self.atlas.tokens_at(*given)  # type: ignore[misc]  # what `_place_of` gave

    def _territories(self, partner: PartnerFacts) -> frozenset[str]:
        return self.atlas.tokens_of(partner.territories)

    def _territory(self, partner: PartnerFacts, lead: LeadFacts) -> str:
        country, named = (lead.country or "").upper(), partner.territories
        where = f"{self._the} has no country"
        if country:
            region = self.atlas.region_of(country, lead.region) or lead.region
            where = f"{self._the} is in {country}" + (f" ({region})" if lead.region else "")
        tokens = self._territories(partner)
        if lead.segment and any("/" in t for t in tokens):
            where += f", segment {lead.segment}"
        if any(":" in t for t in tokens):
            where += ", at another postcode" if lead.postcode else ", without a postcode"
        return f"{self._does} in {_list(named)}; {where}" if named else f"no territory is known; {where}"

    def _tiers_needed(self, lead: LeadFacts) -> frozenset[str]:
        """The levels that may have a lead; several needs are all to be met."""
        key = (lead.segment, lead.product, lead.country)
        if key not in self._tiers:
            self._tiers[key] = self._tiers_of(*key)
        return self._tiers[key]

    def _tiers_of(self, segment: str | None, product: str | None, country: str | None) -> frozenset[str]:
        needed: frozenset[str] | None = None
        for need in self.policy.tiers_needed:
            asked = ((need.segment, segment), (need.product, product), (need.country, country))
            if all(not words or fold(word or "") in map(fold, words) for words, word in asked):
                tiers = frozenset(map(fold, need.tiers))
                needed = tiers if needed is None else needed & tiers
        if needed is None:
            return NOTHING
        return needed or frozenset({" "})  # no level meets all needs: a token that nobody holds

    def _tier(self, partner: PartnerFacts, lead: LeadFacts) -> str:
        needed = _list(t for t in self._tiers_needed(lead) if t.strip()) or "levels that exclude one another"
        return f"is {partner.tier or 'without level'}; {self._the} needs {needed}"

    def _certified(self, partner: PartnerFacts) -> frozenset[str]:
        return frozenset(fold(n) for n, last in partner.certifications.items() if last is None or last >= self.today)

    def _certification(self, partner: PartnerFacts, lead: LeadFacts) -> str:
        name = lead.certification or ""
        last = {fold(n): last for n, last in partner.certifications.items()}.get(fold(name))
        return f"does not hold '{name}'" if last is None else f"'{name}' was valid until {last}"

    # --- in words, where nothing has to be looked up ---

    def _relationship(self, _: PartnerFacts, __: LeadFacts) -> str:
        return f"another partner serves {self._the}'s account"

    def _prior_decline(self, _: PartnerFacts, __: LeadFacts) -> str:
        return f"declined {self._this} before"

    def _prior_expiry(self, _: PartnerFacts, __: LeadFacts) -> str:
        return f"let an offer of {self._this} run out before"

    def _product(self, partner: PartnerFacts, lead: LeadFacts) -> str:
        return f"{self._does} {_list(partner.products)}; {self._the} {self._asks} {lead.product}"

    def _industry(self, partner: PartnerFacts, lead: LeadFacts) -> str:
        return f"serves {_list(partner.industries)}; {self._the} is in {lead.industry}"

    def _language(self, partner: PartnerFacts, lead: LeadFacts) -> str:
        return f"speaks {_list(partner.languages)}; {self._the} speaks {lead.language}"


class Calendars:
    """The calendar of each partner: of its country, or the one for all others; in its own time zone if it has one."""

    def __init__(self, named: dict[str, WorkingCalendar]) -> None:
        self._by_country = {country: c for c in named.values() for country in c.countries}
        self._other = next((c for c in named.values() if not c.countries), WorkingCalendar())
        self._known: dict[tuple[str | None, str | None], Calendar] = {}

    def of(self, partner: PartnerFacts) -> Calendar:
        key = (partner.country, partner.time_zone)
        if key not in self._known:
            self._known[key] = self._by_country.get((partner.country or "").upper(), self._other).of(partner.time_zone)
        return self._known[key]


def _always(_: LeadFacts) -> bool:
    return True


def _no_tokens(_: Hashable) -> Iterable[str]:
    return ()


def _the_same(given: Hashable) -> Iterable[str]:
    return given  # type: ignore[return-value]  # a set or tuple of tokens


def _one(given: Hashable) -> Iterable[str]:
    return (str(given),)


def _folded(given: Hashable) -> Iterable[str]:
    return (fold(str(given)),)


def _itself(partner: PartnerFacts) -> frozenset[str]:
    return frozenset({partner.id})


def _listed(names: tuple[str, ...]) -> frozenset[str] | None:
    return frozenset(map(fold, names)) or None


def _test(_: PartnerFacts, __: LeadFacts) -> str:
    return "the partner is a test record"


def _protected_deal(_: PartnerFacts, __: LeadFacts) -> str:
    return "another partner has registered a deal with the company, and is protected"





def _list(names: Iterable[str], joint: str = ", ") -> str:
    known = sorted(names)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return joint.join(known[:_SHOWN]) + more
