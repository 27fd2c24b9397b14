"""What routing promises, for each choice, over everything that may rule a partner out.

| promise | best | round_robin | weighted | optimal |
|---|---|---|---|---|
| no partner gets a lead that a rule forbids, or more a day, a week or open than it can take | yes | yes | yes | yes |
| no eligible lead waits while capacity is left | yes | yes | yes | yes |
| the order in which leads and partners are given plays no part | yes | yes | yes | yes |
| a partner that may have none of the leads changes nothing | yes | yes | yes | yes |
| a batch in parts, in the order in which leads choose, is dealt out like the whole | yes | yes | yes | no |

The first three choices decide lead by lead: a decision knows the lead, the partners and what was offered before it, so
that it cannot tell a batch from its parts; a lot is drawn for the lead and the partner alone. `optimal` decides about a
batch as a whole: a later lead may move an earlier one. It promises instead that the whole is worth no less than parts.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.rules.routing import (
    Agreement,
    Batch,
    Board,
    Decision,
    LeadFacts,
    Ledger,
    PartnerFacts,
    RoutingPolicy,
    deal,
    route,
)

CHOICES = ("best", "round_robin", "weighted", "optimal")
NOW = datetime(2026, 5, 7, 14, 30, tzinfo=UTC)  # a Thursday: 17:30 in Riyadh, 16:30 in Berlin, 21:30 in Saigon
FRIDAY = datetime(2026, 5, 8, 9, tzinfo=UTC)  # 12:00 in Riyadh, on its weekend; 11:00 in Berlin; 16:00 in Saigon
SUNDAY = datetime(2026, 5, 10, 7, tzinfo=UTC)  # 10:00 in Riyadh, a working day; in Berlin it is not
HOLIDAY = date(2026, 5, 8)  # in Vietnam, in this world
GULF, VIETNAM, EUROPE = ("Asia/Riyadh", {4, 5}), ("Asia/Ho_Chi_Minh", {6}), ("Europe/Berlin", {5, 6})
CALENDARS = {
    "gulf": {"countries": ["SA"], "weekend": ["fri", "sat"], "time_zone": GULF[0], "hours": ["08:00", "16:00"]},
    "vietnam": {"countries": ["VN"], "weekend": ["sun"], "time_zone": VIETNAM[0], "holidays": [str(HOLIDAY)],
                "hours": ["08:00", "17:00"]},
    "europe": {"time_zone": EUROPE[0], "hours": ["09:00", "17:00"]},
}  # fmt: skip
HOURS = {GULF[0]: (8, 16), VIETNAM[0]: (8, 17), EUROPE[0]: (9, 17)}
PLACES = ("*", "DE", "SA", "VN", "DE-BY", "South", "DE/enterprise", "*/smb", "DE:80-87", "GB:SW1-SW9", "SA-01")
AREAS = {"South": ["DE-BY", "VN:70-76"]}
NAMES = ("نور", "शक्ति", "Đại Dương", "García", "陈氏", "کاوه", "Weber")



def one(name: str) -> frozenset[str]:
    return frozenset({name})


some, none_or = st.sampled_from, st.none
names = some(NAMES)
counts = st.dictionaries(names, st.integers(0, 3), max_size=3)


def seldom(usual: Any, *others: Any, one_in: int = 8) -> st.SearchStrategy[Any]:
    """Mostly the usual: where every field of every record ruled somebody out, nobody would be left to choose from."""
    return st.sampled_from([usual] * (one_in - 1) * len(others) + list(others))


days = some([None, *(date(2026, 5, day) for day in (1, 7, 8, 9, 10, 20))])
valid = some([None, None, date(2026, 5, 7), date(2026, 5, 8), date(2026, 5, 10), date(2026, 6, 1)])
partners_ = st.builds(
    PartnerFacts,
    id=names, key=seldom(None, "acme"), status=seldom("active", "suspended", None), tier=some(["Gold", None, "silver"]),
    territories=seldom(("*",), ("DE", "South", "VN"), *((a, b) for a in PLACES for b in PLACES[1:]), one_in=2),
    products=some([(), (), (), ("crm",), ("ERP",), ("crm", "ERP")]),
    industries=seldom((), ("steel",), ("食品",), one_in=4),
    languages=seldom((), ("de",), ("vi", "ar"), one_in=3),
    certifications=st.dictionaries(some(("Cloud", "data")), valid, max_size=2),
    weekly_capacity=some([None, None, 0, 1, 2, 3, 4, 9]), won=st.integers(0, 9), lost=st.integers(0, 9),
    response_h=none_or() | st.floats(0, 200), country=some([None, "DE", "SA", "VN"]), region=some([None, "BY", "01"]),
    time_zone=seldom(None, GULF[0], VIETNAM[0]),
    segments=st.dictionaries(some(("smb", "Enterprise")), st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=2),
    agreements=some([None, (), (Agreement(True),), (Agreement(True, date(2026, 5, 7), date(2026, 5, 10)),)])
    | st.lists(st.builds(Agreement, some([True, True, False]), days, days), max_size=2).map(tuple),
    is_test=seldom(False, True, one_in=15),
)  # fmt: skip
leads_ = st.builds(
    LeadFacts,
    id=st.uuids().map(str), priority=some([0.0, 0.5, 90.0]), status=seldom("new", "working", one_in=12),
    country=some(["DE", "de", "SA", "VN", "GB", None]), region=some([None, "BY", "Bayern", "HE"]),
    segment=some(["smb", None, "enterprise", "Enterprise"]), product=some([None, "crm", "erp"]),
    industry=seldom(None, "steel", "食品"), language=seldom(None, "de", "vi", "ar", one_in=4),
    certification=seldom(None, "cloud", "Data", one_in=5), offers=seldom(0, 1, 2),
    is_test=seldom(False, True, one_in=15),
    account_partner_id=seldom(None, *NAMES, one_in=3), registered_by=seldom(frozenset(), *map(one, NAMES), one_in=5),
    declined_by=seldom(frozenset(), *map(one, NAMES), frozenset(NAMES[2:5]), one_in=4),
    expired_by=seldom(frozenset(), *map(one, NAMES), one_in=5),
    postcode=some([None, "80331", "٨٧٠٠٠", "10115", "sw1a 1aa", "700000"]),
    domain=seldom(None, "eu.example.com", "example.com", "notexample.com", one_in=3),
    account_number=seldom(None, "4711", "12"),
)  # fmt: skip


def with_twins(leads: list[LeadFacts], twins: list[tuple[int, str, int]]) -> list[LeadFacts]:
    """And leads that differ from one of them in one field only, which they have from another."""
    made = [
        leads[a % len(leads)]._replace(id=f"{n}{leads[a % len(leads)].id}", **{f: getattr(leads[b % len(leads)], f)})
        for n, (a, f, b) in enumerate(twins)
    ]
    return [*leads, *made]


def world_of(
    leads: list[LeadFacts], partners: list[PartnerFacts], now: datetime, ledger: Ledger, rules: dict[str, Any]
) -> World:
    policy = RoutingPolicy.model_validate(
        {
            "areas": AREAS, "calendars": CALENDARS, "region_names": {"DE-BY": ["Bayern"]},
            "exclusions": [
                {"partner": "acme", "domain": "Example.com", "because": "ours"},
                {"partner": NAMES[0], "account": "4711", "because": "in court"},
            ],
            "tiers_needed": [{"segment": ["enterprise"], "country": ["DE"], "tiers": ["gold"]}],
            "offer": {"max_offers": 2}, **rules,
        }
    )  # fmt: skip
    return World(leads, partners, now, ledger, policy)


@dataclass(frozen=True)
class World:
    """A batch, and all that its decisions depend on."""

    leads: list[LeadFacts]
    partners: list[PartnerFacts]
    now: datetime
    ledger: Ledger
    policy: RoutingPolicy

    def choosing(self, choice: str, **rest: Any) -> World:
        return replace(self, policy=self.policy.model_copy(update={"choice": choice}), **rest)

    def routed(self) -> dict[str, Decision]:
        return {d.lead_id: d for d in route(self.leads, self.partners, self.ledger, self.policy, self.now)}

    def who(self) -> dict[str, tuple[str | None, float | None, str]]:
        return {name: (d.partner_id, d.score, d.outcome) for name, d in self.routed().items()}


worlds = st.builds(
    world_of,
    st.builds(
        with_twins,
        st.lists(leads_, min_size=3, max_size=8, unique_by=lambda lead: lead.id),
        st.lists(st.tuples(st.integers(0, 7), some(LeadFacts._fields[1:]), st.integers(0, 7)), min_size=4, max_size=14),
    ),
    st.lists(partners_, min_size=3, max_size=7, unique_by=lambda p: p.id),
    some([NOW, FRIDAY, SUNDAY]),
    st.builds(Ledger, week=counts, open=counts, day=counts),
    st.fixed_dictionaries({
        "seed": st.integers(0, 3),
        "rules": st.fixed_dictionaries({
            "relationship": some(["preferred", "off", "exclusive"]),
            "agreement": seldom("if_known", "required", "off", one_in=4),
            "calendar": some(["off", "off", "off", "working_day", "working_hours"]),
        }),
        "capacity": st.fixed_dictionaries({
            "weekly": some([3, 2, 5]), "max_open": some([4, 2, 9]), "daily": some([None, None, 2, 4]),
        }),
        "score": st.fixed_dictionaries({"load": st.fixed_dictionaries({"weight": some([0.0, 1.0, 30.0])})}),
        "optimal": st.fixed_dictionaries({"floor": some([0.0, 0.5])}),
    }),
)  # fmt: skip
many = settings(max_examples=30, deadline=None)
each_choice = pytest.mark.parametrize("choice", CHOICES)


# --- the rules once more, for one lead and one partner, as a person would say them ---


def works(p: PartnerFacts, now: datetime, rule: str) -> bool:
    zone, weekend = {"SA": GULF, "VN": VIETNAM}.get(p.country or "", EUROPE)
    hours = HOURS[zone]
    there = now.astimezone(ZoneInfo(p.time_zone or zone))
    holiday = p.country == "VN" and there.date() == HOLIDAY
    if there.weekday() in weekend or holiday:
        return False
    return rule == "working_day" or hours[0] <= there.hour < hours[1]


def is_there(p: PartnerFacts, lead: LeadFacts) -> bool:
    """Whether a partner sells where a lead is."""
    country, smb = (lead.country or "").upper(), lead.segment == "smb"
    bavaria = country == "DE" and lead.region in ("BY", "Bayern")
    code = (lead.postcode or "").replace(" ", "").upper().translate(str.maketrans("٠١٢٣٤٥٦٧٨٩", "0123456789"))
    held = {
        "*": True, "DE": country == "DE", "SA": country == "SA", "VN": country == "VN", "DE-BY": bavaria,
        "South": bavaria or (country == "VN" and "70" <= code[:2] <= "76"), "SA-01": False,
        "DE/enterprise": country == "DE" and (lead.segment or "").lower() == "enterprise", "*/smb": smb,
        "DE:80-87": country == "DE" and "80" <= code[:2] <= "87",
        "GB:SW1-SW9": country == "GB" and "SW1" <= code[:3] <= "SW9",
    }  # fmt: skip
    return any(held[place] for place in p.territories)


def may_have(world: World, lead: LeadFacts, p: PartnerFacts) -> bool:
    rules, today = world.policy.rules, world.now.date()
    if p.is_test or p.status != "active" or lead.is_test or lead.status != "new" or lead.offers >= 2:
        return False
    if rules.agreement == "required" and not p.agreements:
        return False
    in_force = [a.in_force and (a.first or today) <= today <= (a.last or today) for a in p.agreements or ()]
    if rules.agreement != "off" and p.agreements and not any(in_force):
        return False
    if rules.calendar != "off" and not works(p, world.now, rules.calendar):
        return False
    if p.key == "acme" and lead.domain in ("example.com", "eu.example.com"):
        return False
    if p.id == NAMES[0] and lead.account_number == "4711":
        return False
    if rules.relationship == "exclusive" and lead.account_partner_id not in (None, p.id):
        return False
    if (lead.registered_by and p.id not in lead.registered_by) or p.id in lead.declined_by | lead.expired_by:
        return False
    if not is_there(p, lead):
        return False
    for asked, listed in ((lead.product, p.products), (lead.industry, p.industries), (lead.language, p.languages)):
        if asked and listed and asked not in [word.lower() for word in listed]:
            return False
    if (lead.segment or "").lower() == "enterprise" and (lead.country or "").upper() == "DE" and p.tier != "Gold":
        return False
    if lead.certification:
        until = {name.lower(): last or today for name, last in p.certifications.items()}
        return until.get(lead.certification.lower(), date.min) >= today
    return True


def left(world: World, p: PartnerFacts) -> int:
    """Offers that a partner could take before the batch."""
    capacity, ledger = world.policy.capacity, world.ledger
    weekly = capacity.weekly if p.weekly_capacity is None else p.weekly_capacity
    free = min(weekly - ledger.week.get(p.id, 0), capacity.max_open - ledger.open.get(p.id, 0))
    if capacity.daily is not None:
        free = min(free, capacity.daily - ledger.day.get(p.id, 0))
    return max(free, 0)


# --- the promises ---


@each_choice
@many
@given(worlds)
def test_a_partner_never_gets_what_a_rule_forbids_nor_more_than_it_can_take_and_no_lead_waits_in_vain(
    choice: str, world: World
) -> None:
    world = world.choosing(choice)
    found = world.routed()
    assert list(found) == [lead.id for lead in world.leads]
    made = Counter(d.partner_id for d in found.values())
    spare = {p.id: left(world, p) - made[p.id] for p in world.partners}
    assert all(n >= 0 for n in spare.values())
    for lead in world.leads:
        d = found[lead.id]
        allowed = {p.id for p in world.partners if may_have(world, lead, p)}
        assert {c.partner_id for c in d.considered} == allowed
        if d.outcome not in ("test", "status", "max_offers"):
            assert sum(d.reasons.values()) + (d.partner_id is not None) == len(world.partners)
        if d.partner_id is None:
            assert not [p for p in allowed if spare[p]]
        else:
            assert d.partner_id in allowed
        served_by = lead.account_partner_id
        if d.outcome == "relationship":
            assert d.partner_id == served_by
        elif world.policy.rules.relationship == "preferred" and served_by in allowed:
            assert spare[served_by] == 0  # it would have had the lead


@each_choice
@many
@given(worlds, st.randoms(use_true_random=False))
def test_the_order_of_a_batch_plays_no_part(choice: str, world: World, rnd: random.Random) -> None:
    world = world.choosing(choice)
    leads, partners = world.leads[:], world.partners[:]
    rnd.shuffle(leads)
    rnd.shuffle(partners)
    mixed = replace(world, leads=leads, partners=partners)
    assert mixed.who() == world.who()
    batch = Batch(Board(partners, world.ledger, mixed.policy, world.now), leads)
    deal(batch)
    assert {r.lead_id: r.winner and r.winner.partner_id for r in batch} == {k: v[0] for k, v in world.who().items()}


def out_of_the_question(world: World, p: PartnerFacts, n: int, way: str) -> tuple[PartnerFacts, dict[str, int]]:
    """A partner made such that it may have none of the leads, and its offers of this week."""
    p, weekly = replace(p, id=f"{'0zZ'[n % 3]}{n}", status="active", is_test=False), 5
    match way:
        case "elsewhere":
            return replace(p, territories=("JP", "JP-13", "JP:10-20", "JP/smb")), {}
        case "suspended":
            return replace(p, status="suspended", won=999), {}
        case "test":
            return replace(p, is_test=True), {}
        case "ended":
            return replace(p, agreements=(Agreement(True, last=world.now.date() - timedelta(days=1)),)), {}
        case "no capacity":
            return replace(p, territories=("*",), weekly_capacity=0), {}
        case _:  # full: it might have had them all
            return replace(p, territories=("*",), weekly_capacity=weekly, won=999), {p.id: weekly}


@each_choice
@many
@given(worlds, st.lists(st.tuples(partners_, some(["elsewhere", "suspended", "test", "ended", "no capacity", "full"])),
                        min_size=1, max_size=4))  # fmt: skip
def test_a_partner_that_can_have_none_of_the_leads_changes_nothing(
    choice: str, world: World, others: list[tuple[PartnerFacts, str]]
) -> None:
    rules = world.policy.rules.model_copy(update={"agreement": "if_known"})
    world = replace(world, policy=world.policy.model_copy(update={"rules": rules})).choosing(choice)
    added = [out_of_the_question(world, p, n, way) for n, (p, way) in enumerate(others)]
    week = {**world.ledger.week, **{k: v for _, full in added for k, v in full.items()}}
    more = replace(
        world, partners=[*world.partners, *(p for p, _ in added)], ledger=replace(world.ledger, week=week)
    )
    assert more.who() == world.who()


@pytest.mark.parametrize("choice", ["best", "round_robin", "weighted"])
@many
@given(worlds, st.data())
def test_a_batch_in_parts_is_dealt_out_like_the_whole(choice: str, world: World, data: st.DataObject) -> None:
    world = world.choosing(choice)
    rest = sorted(world.leads, key=lambda lead: (-lead.priority, lead.id))  # as they choose
    found: dict[str, tuple[str | None, float | None, str]] = {}
    ledger = world.ledger
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        part = replace(world, leads=rest[:size], ledger=ledger)
        found |= part.who()
        ledger = ledger.after(part.routed().values())
        rest = rest[size:]
    assert found == world.who()


@many
@given(worlds, st.data())
def test_optimal_is_worth_no_less_for_a_whole_batch_than_for_its_parts(world: World, data: st.DataObject) -> None:
    score = world.policy.score.model_copy(update={"load": world.policy.score.load.model_copy(update={"weight": 0.0})})
    rules = world.policy.rules.model_copy(update={"relationship": "off"})
    no_floor = world.policy.optimal.model_copy(update={"floor": 0.0})
    policy = world.policy.model_copy(update={"score": score, "rules": rules, "optimal": no_floor})
    world = replace(world, policy=policy).choosing("optimal")

    def worth(decisions: dict[str, Decision]) -> int:
        """Points, and one for each lead that got a partner at all."""
        return sum(round((d.score or 0) * 10_000) + 1 for d in decisions.values() if d.partner_id)

    cut = data.draw(st.integers(0, len(world.leads)))
    first = replace(world, leads=world.leads[:cut]).routed()
    ledger = world.ledger.after(first.values())
    second = replace(world, leads=world.leads[cut:], ledger=ledger).routed()
    assert worth(world.routed()) >= worth(first) + worth(second)
