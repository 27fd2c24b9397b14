"""Certificates and agreements on a day, what their end changes for routing, incentives, the partner score."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prm_sync.rules.credit import WonDeal, credit_of
from prm_sync.rules.incentives import ClaimRow, IncentivePolicy, Programme, Sale, check
from prm_sync.rules.papers import Certificate, Contract, agreement_on, certificates_on, valid_on
from prm_sync.rules.performance import Counts, DealRow, performance, score
from prm_sync.rules.routing import LeadFacts, Ledger, PartnerFacts, RoutingPolicy, route
from prm_sync.rules.routing.facts import Agreement
from prm_sync.rules.routing.forecast import Expiry, Impact, OpenLead, Protection, impacts, in_words

DAY = date(2027, 3, 10)
YESTERDAY, TOMORROW = DAY - timedelta(days=1), DAY + timedelta(days=1)
POLICY = RoutingPolicy()


# --- papers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("papers", "expected"),
    [
        ([], {"CRM": None}),
        ([Certificate("crm", "granted", None, DAY)], {"crm": DAY}),
        ([Certificate("CRM", "granted", None, YESTERDAY)], {}),
        ([Certificate("CRM", "revoked")], {}),
        ([Certificate("CRM", "lapsed", None, YESTERDAY)], {}),
        ([Certificate("CRM", "requested")], {"CRM": None}),
        ([Certificate("CRM", "granted", TOMORROW, None)], {"CRM": None}),
        ([Certificate("CRM", "granted", None, YESTERDAY), Certificate("CRM", None, DAY, None)], {"CRM": None}),
        ([Certificate("CRM", "revoked"), Certificate("CRM", "expiring", None, TOMORROW)], {"CRM": TOMORROW}),
    ],
)
def test_a_record_of_a_certificate_says_more_than_the_list_of_names(
    papers: list[Certificate], expected: dict[str, date | None]
) -> None:
    assert valid_on(certificates_on(["CRM"], papers, DAY), DAY) == expected


def test_a_name_in_another_spelling_of_its_script_is_the_same_certificate() -> None:
    assert certificates_on(["گواهي ۲"], [Certificate("گواهی 2", "revoked")], DAY) == {}


@pytest.mark.parametrize(
    ("contracts", "expected"),
    [
        ([], ("none", None)),
        ([Contract("draft")], ("unsigned", None)),
        ([Contract("active")], ("in_force", None)),
        ([Contract("active", None, DAY)], ("expiring", DAY)),
        ([Contract("active", None, DAY), Contract("signed", TOMORROW, None)], ("in_force", DAY)),
        ([Contract("active", None, YESTERDAY)], ("expired", YESTERDAY)),
        ([Contract("active", None, YESTERDAY), Contract("sent")], ("unsigned", None)),
        ([Contract("terminated")], ("expired", None)),
        ([Contract("active", TOMORROW, None)], ("none", None)),
        ([Contract("active", None, DAY + timedelta(days=200))], ("in_force", DAY + timedelta(days=200))),
    ],
)
def test_the_state_of_an_agreement_is_that_of_all_contracts_on_the_day(contracts: Any, expected: Any) -> None:
    assert agreement_on(contracts, DAY) == expected


# --- forecasts ---------------------------------------------------------------------------------------------------


def partner(id_: str, **more: Any) -> PartnerFacts:
    return PartnerFacts(id=id_, territories=("*",), **more)


def lead(id_: str, **more: Any) -> OpenLead:
    return OpenLead(LeadFacts(id=id_, country=more.pop("country", "DE"), **more))


def ends(id_: str, kind: Any = "certificate") -> list[Expiry]:
    return [Expiry(kind, f"x-{id_}", id_, "CRM", DAY)]


def test_leads_that_nobody_else_may_have_are_told_by_country() -> None:
    partners = [partner("a", certifications={"CRM": DAY}), partner("b")]
    leads = [lead("1", certification="CRM"), lead("2", certification="crm", country="VN"), lead("3")]
    [found] = impacts(ends("a"), leads, [], lambda _: partners, POLICY).values()
    assert found == Impact(2, 2, {"DE": 1, "VN": 1}, 0, 0, ("1", "2"))
    assert in_words(found, DAY) == (
        "1 open lead in DE has no other eligible partner after 2027-03-10; "
        "1 open lead in VN has no other eligible partner after 2027-03-10"
    )


def test_an_agreement_that_another_one_follows_changes_nothing() -> None:
    contracts = (Agreement(in_force=True, last=DAY), Agreement(in_force=True, first=TOMORROW))
    alone = [partner("a", agreements=contracts[:1])]
    followed = [partner("a", agreements=contracts)]
    assert impacts(ends("a", "agreement"), [lead("1")], [], lambda _: alone, POLICY)["a", DAY].stranded == 1
    assert impacts(ends("a", "agreement"), [lead("1")], [], lambda _: followed, POLICY)["a", DAY] == Impact()


def test_offers_of_the_partner_are_counted_and_accepted_leads_are_not_open() -> None:
    partners = [partner("a", agreements=(Agreement(in_force=True, last=DAY),)), partner("b")]
    facts = lead("1").facts
    leads = [OpenLead(facts, "a"), OpenLead(facts._replace(id="2"), "a", accepted=True), OpenLead(facts, "b")]
    found = impacts(ends("a", "agreement"), leads, [], lambda _: partners, POLICY)["a", DAY]
    assert (found.leads, found.stranded, found.offers) == (2, 0, 2)


def test_the_end_of_a_protection_frees_the_leads_of_that_company() -> None:
    end = datetime(2027, 3, 10, 15, tzinfo=UTC)
    leads = [lead("1", domain="haus.example"), lead("2", domain="other.example")]
    partners = [partner("a"), partner("b")]
    found = impacts(
        ends("a", "protection"), leads, [Protection("haus.example", "a", end)], lambda _: partners, POLICY
    )["a", DAY]
    assert (found.leads, found.freed, found.lead_ids) == (0, 1, ("1",))


def test_a_weekend_after_the_last_day_strands_nobody() -> None:
    policy = POLICY.model_copy(update={"rules": POLICY.rules.model_copy(update={"calendar": "working_day"})})
    friday = date(2027, 3, 12)
    found = impacts(
        [Expiry("certificate", "x", "a", "CRM", friday)], [lead("1")], [], lambda _: [partner("a")], policy
    )
    assert found["a", friday] == Impact()


@given(
    st.lists(st.tuples(st.sampled_from(["A", "B", None]), st.sampled_from(["DE", "VN"])), min_size=1, max_size=8),
    st.lists(st.tuples(st.sampled_from(["A", "B"]), st.booleans(), st.booleans()), min_size=1, max_size=4),
)
def test_stranded_leads_are_those_that_route_gives_to_nobody_the_day_after(
    asked: list[tuple[str | None, str]], held: list[tuple[str, bool, bool]]
) -> None:
    partners = [
        PartnerFacts(id=f"p{n}", territories=("DE",) if local else ("*",), weekly_capacity=99,
                     certifications={name: DAY if ending else None})
        for n, (name, ending, local) in enumerate(held)
    ]  # fmt: skip
    leads = [lead(str(n), certification=name, country=country) for n, (name, country) in enumerate(asked)]
    ending = [e for n, (_, ends_now, _) in enumerate(held) if ends_now for e in ends(f"p{n}")]
    found = impacts(ending, leads, [], lambda _: partners, POLICY)
    wide = POLICY.model_copy(update={"capacity": POLICY.capacity.model_copy(update={"max_open": 99})})
    ways = [
        {d.lead_id for d in route([x.facts for x in leads], partners, Ledger(), wide,
                                  datetime(day.year, day.month, day.day, tzinfo=UTC)) if d.partner_id is None}
        for day in (DAY, TOMORROW)
    ]  # fmt: skip
    lost = ways[1] - ways[0]
    assert bool(lost) == any(i.stranded for i in found.values())
    assert max((i.stranded for i in found.values()), default=0) <= len(lost) <= sum(i.stranded for i in found.values())


# --- incentives --------------------------------------------------------------------------------------------------

BONUS = IncentivePolicy(
    programmes=(
        Programme(name="Bonus", earned_by="orders", percent=10, tiers=("gold",), since=DAY),
        Programme(name="推荐", earned_by="sourced_deals", percent=2.5),
    )
)


def sold(id_: str, amount: int = 1000, **more: Any) -> Sale:
    usual = {"kind": "orders", "partner_id": "p", "currency": "EUR", "on": DAY, "tier": "Gold"}
    return Sale(id=id_, amount_minor=amount, **{**usual, **more})


def claimed(id_: str, amount: int, *bases: str, **more: Any) -> ClaimRow:
    usual: dict[str, Any] = {"partner_id": "p", "programme": "bonus", "currency": "EUR", "status": "approved"}
    return ClaimRow(id_, bases=bases, amount_minor=amount, **{**usual, **more})


def states(sales: list[Sale], claims: list[ClaimRow]) -> list[str]:
    return [c.state for c in check(sales, claims, BONUS)]


def test_a_claim_is_held_against_what_the_rule_gives() -> None:
    assert states([sold("1")], [claimed("c", 100, "order:1")]) == ["as_earned"]
    assert states([sold("1")], [claimed("c", 150, "order:1")]) == ["too_much"]
    assert states([sold("1")], [claimed("c", 20, "order:1")]) == ["too_little"]
    assert states([sold("1")], [claimed("c", 100, "order:1", currency="USD")]) == ["other_currency"]
    assert states([sold("1")], []) == ["not_claimed"]
    assert states([sold("1")], [claimed("c", 100, "order:1", status="declined")]) == ["not_claimed"]
    assert states([], [claimed("c", 100)]) == ["not_earned"]


def test_what_is_claimed_twice_is_too_much() -> None:
    [found] = check([sold("1")], [claimed("c", 100, "order:1"), claimed("d", 100, "order:1", status="paid")], BONUS)
    assert (found.state, found.earned, found.claimed, found.paid) == ("too_much", 100, 200, 100)
    assert found.claims == ("c", "d")


def test_level_day_and_kind_decide_what_is_earned() -> None:
    assert states([sold("1", tier="silver"), sold("2", on=YESTERDAY)], []) == []
    [deal] = check([sold("7", 1001, kind="sourced_deals", tier=None)], [claimed("c", 25, "opportunity:7",
                   programme=None)], BONUS)  # fmt: skip
    assert (deal.programme, deal.basis, deal.earned, deal.state) == ("推荐", "opportunity:7", 25, "as_earned")


def test_a_claim_of_one_partner_is_never_earned_by_the_order_of_another() -> None:
    assert sorted(states([sold("1", partner_id="q")], [claimed("c", 100, "order:1")])) == ["not_claimed", "not_earned"]


def test_without_a_programme_nothing_is_checked() -> None:
    assert check([sold("1")], [claimed("c", 100)], IncentivePolicy()) == []


# --- the score, and revenue by the one credit --------------------------------------------------------------------


def test_the_score_is_the_weighted_mean_of_what_is_known() -> None:
    assert score(Counts(0, 0, 0, 0, 0, None)) is None
    assert score(Counts(1, 0, 0, 1, 0, 0.0)) == 100
    assert score(Counts(1, 1, 0, 0, 0, None)) == 50
    assert score(Counts(1, 1, 0, 0, 3, 24)) == 30


@given(
    st.lists(st.tuples(st.sampled_from([None, "p", "q"]), st.sampled_from(["sourced", "influenced", "fulfilled", None]),
                       st.integers(0, 10_000)), max_size=12)
)  # fmt: skip
def test_sourced_revenue_and_direct_revenue_add_up_to_what_was_won(deals: list[tuple[Any, Any, int]]) -> None:
    won = [WonDeal(str(n), amount, "EUR", who, credit) for n, (who, credit, amount) in enumerate(deals)]
    shares = [c for deal in won for c in credit_of(deal, [])]
    rows = [
        DealRow(c.partner_id, "won", DAY, c.kind, c.amount_minor, c.currency)
        for c in shares if c.partner_id is not None and c.kind != "direct"
    ]  # fmt: skip
    sourced = sum(r.sourced_revenue for r in performance([], rows, [], currency="EUR"))
    direct = sum(c.amount_minor for c in shares if c.kind == "direct")
    assert sourced + direct == sum(amount for _, _, amount in deals)
