from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.rules.credit import WonDeal, credit_of
from prm_sync.rules.registrations import AGAINST, WEIGHTS, Claim, RegistrationPolicy, Verdict, judge, likeness

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
POLICY = RegistrationPolicy()


def registered(id_: str, partner: str, at: datetime = NOON, **more: Any) -> Claim:
    usual = {"company": "Al-Fahd Co.", "country": "SA", "domain": "alfahd.example"}
    return Claim("registration", id_, partner, at, **{**usual, **more})


def opened(id_: str, partner: str | None, at: datetime, **more: Any) -> Claim:
    return replace(registered(id_, "", at, **more), kind="opportunity", partner_id=partner)


def verdicts(*claims: Claim, others: tuple[Claim, ...] = (), policy: RegistrationPolicy = POLICY) -> dict[str, Verdict]:
    return {v.registration_id: v for v in judge(claims, others, policy, NOON + DAY)}


def test_two_partners_within_a_second_go_to_a_person_and_both_see_why() -> None:
    found = verdicts(registered("r1", "p1"), registered("r2", "p2", NOON + SECOND))
    assert [v.outcome for v in found.values()] == ["review", "review"]
    assert "within 1 s" in found["r2"].because
    [conflict] = found["r2"].conflicts
    assert (conflict.kind, conflict.other.id, conflict.other_first) == ("partner_vs_partner", "r1", True)
    assert conflict.apart == SECOND
    assert conflict.likeness.evidence == ("same_domain", "same_name", "same_country")
    assert not found["r1"].conflicts[0].other_first


def test_once_a_person_approved_one_of_both_the_other_is_rejected() -> None:
    found = verdicts(registered("r1", "p1"), registered("r2", "p2", NOON + SECOND, approved=True))
    assert (found["r1"].outcome, found["r2"].outcome) == ("reject", "approve")
    assert "another partner has registration r2 already" in found["r1"].because


def test_a_later_registration_of_another_partner_is_rejected_and_of_the_same_one_is_no_conflict() -> None:
    found = verdicts(registered("r1", "p1"), registered("r2", "p2", NOON + HOUR), registered("r3", "p1", NOON + HOUR))
    assert {k: v.outcome for k, v in found.items()} == {"r1": "approve", "r2": "reject", "r3": "approve"}
    assert found["r1"].because == "was there before everybody else"
    assert [c.other.id for c in found["r3"].conflicts] == []  # r2 is rejected: it holds nobody up


def test_a_deal_that_a_direct_rep_opened_an_hour_before_is_a_conflict_for_a_person() -> None:
    direct = opened("o1", None, NOON - HOUR)
    found = verdicts(registered("r1", "p1"), others=(direct,))["r1"]
    assert (found.outcome, found.conflicts[0].kind) == ("review", "partner_vs_direct")
    assert found.conflicts[0].apart == HOUR
    strict = RegistrationPolicy(direct_was_first="reject")
    assert verdicts(registered("r1", "p1"), others=(direct,), policy=strict)["r1"].outcome == "reject"
    after = verdicts(registered("r1", "p1"), others=(opened("o1", None, NOON + HOUR),))["r1"]
    assert (after.outcome, len(after.conflicts)) == ("approve", 1)


def test_a_deal_that_was_won_in_the_meantime_still_counts_and_one_that_was_won_before_is_another_deal() -> None:
    won = replace(opened("o1", None, NOON - HOUR), closed_at=NOON + HOUR)
    assert verdicts(registered("r1", "p1"), others=(won,))["r1"].outcome == "review"
    before = replace(won, since=NOON - DAY, closed_at=NOON - HOUR)
    assert verdicts(registered("r1", "p1"), others=(before,))["r1"].outcome == "approve"


def test_the_partners_own_deal_in_the_crm_is_no_conflict_but_the_deal_itself() -> None:
    found = verdicts(registered("r1", "p1"), others=(opened("o1", "p1", NOON - HOUR),))["r1"]
    assert (found.outcome, found.opportunity_id, found.conflicts) == ("approve", "o1", ())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("شركة الفهد", "Al-Fahd Co."), ("شركة الراجحي", "Al Rajhi Company"), ("مؤسسة النخيل", "Al-Nakheel LLC"),
        ("شرکت پارسیان", "Parsian Co."), ("华为有限公司", "Huawei Ltd."), ("Công ty Bình Minh", "CONG TY BINH MINH"),
    ],
)  # fmt: skip
def test_one_company_in_two_scripts_is_one_deal(one: str, other: str) -> None:
    found = verdicts(
        registered("r1", "p1", company=one, domain=None),
        registered("r2", "p2", NOON + HOUR, company=other, domain=None),
    )
    assert found["r2"].outcome == "reject"
    assert {"same_name", "sounds_the_same"} & set(found["r2"].conflicts[0].likeness.evidence)


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({"company": "Al-Fahad Trading", "domain": None, "country": "AE"}, "approve"),  # alike in sound, elsewhere
        ({"company": "Nakheel", "domain": "nakheel.example"}, "approve"),  # the same country is nothing by itself
        ({"domain": None, "country": None, "company": "شركة الفهد"}, "review"),  # nothing but the sound of a name
        ({"company": "Weber", "domain": None, "email": "a@gmail.com"}, "approve"),  # a mail provider is no company
    ],
)
def test_a_weaker_likeness_is_for_a_person_or_for_nobody(more: dict[str, Any], outcome: str) -> None:
    first = registered("r1", "p1", email="b@gmail.com", domain=more.get("domain") and "alfahd.example")
    assert verdicts(first, registered("r2", "p2", NOON + HOUR, **more))["r2"].outcome == outcome


def test_two_tax_numbers_are_two_companies_and_one_is_one() -> None:
    one, two = registered("r1", "p1", tax_id="DE 123-456"), registered("r2", "p2", NOON + HOUR, tax_id="DE 999")
    assert verdicts(one, two)["r2"].outcome == "approve"
    same = replace(two, tax_id="de123456", company="أخرى", domain=None)
    assert verdicts(one, same)["r2"].outcome == "reject"


def test_a_registration_whose_protection_has_ended_holds_nobody_up() -> None:
    old = registered("r1", "p1", NOON - 100 * DAY, approved=True, protected_until=NOON - 10 * DAY)
    assert verdicts(old, registered("r2", "p2"))["r2"].outcome == "approve"
    assert verdicts(replace(old, protected_until=NOON + 10 * DAY), registered("r2", "p2"))["r2"].outcome == "reject"


claims = st.builds(
    lambda n, partner, company, tax, minute: registered(
        f"r{n}", f"p{partner}", NOON + minute * timedelta(minutes=1), company=company, domain=None, tax_id=tax
    ),
    st.integers(0, 30), st.integers(0, 3), st.sampled_from(["شركة الفهد", "Al-Fahd Co.", "Weber GmbH", "Kaya A.Ş."]),
    st.sampled_from([None, "1", "2"]), st.integers(0, 5),
)  # fmt: skip
batches = st.lists(claims, max_size=8, unique_by=lambda c: c.id)


@settings(max_examples=150, deadline=None)
@given(batches, st.randoms(use_true_random=False))
def test_the_order_in_which_registrations_come_decides_nothing(batch: list[Claim], random: Any) -> None:
    before = judge(batch, (), POLICY, NOON + DAY)
    shuffled = random.sample(batch, len(batch))
    assert judge(shuffled, (), POLICY, NOON + DAY) == before


@settings(max_examples=150, deadline=None)
@given(batches)
def test_no_two_partners_are_approved_for_one_deal(batch: list[Claim]) -> None:
    found = {v.registration_id: v.outcome for v in judge(batch, (), POLICY, NOON + DAY)}
    approved = [c for c in batch if found[c.id] == "approve"]
    for a in approved:
        for b in approved:
            assert a.partner_id == b.partner_id or likeness(a, b).score < POLICY.conflict


@settings(max_examples=100, deadline=None)
@given(claims, claims)
def test_likeness_is_the_same_both_ways_and_says_why(a: Claim, b: Claim) -> None:
    one, other = likeness(a, b), likeness(b, a)
    assert one == other
    assert 0 <= one.score <= 1
    assert (one.score > 0) == bool(one.evidence)
    assert set(one.evidence) <= {*WEIGHTS, *AGAINST}


deals = st.builds(
    WonDeal, st.text("abc", min_size=1, max_size=3), st.integers(0, 10**9), st.sampled_from(["EUR", "SAR"]),
    st.sampled_from([None, "p0", "p1"]), st.sampled_from(["sourced", "influenced", "fulfilled", "none", None]),
)  # fmt: skip
decided = st.lists(st.tuples(claims, st.sampled_from(["approve", "reject", "review"])), max_size=5)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(deals, decided), max_size=6, unique_by=lambda d: d[0].id))
def test_the_sum_of_primary_credit_is_the_sum_of_what_was_won(won: list[tuple[WonDeal, Any]]) -> None:
    sums: dict[str, int] = defaultdict(int)
    for deal, about in won:
        shares = credit_of(deal, about)
        assert sum(c.primary for c in shares) == 1
        assert len({c.partner_id for c in shares}) == len(shares)
        assert all(c.kind == "influenced" for c in shares if not c.primary)
        sums[deal.currency] += deal.amount_minor - sum(c.amount_minor for c in shares if c.primary)
    assert not any(sums.values())


def test_the_crms_word_goes_first_then_the_first_approved_then_our_own_people() -> None:
    deal = WonDeal("o1", 500, "SAR", "p9", "sourced")
    approved = [(registered("r2", "p2", NOON + HOUR), "approve"), (registered("r1", "p1"), "approve")]
    told: Any = [*approved, (registered("r0", "p0", NOON - HOUR), "review")]
    assert [(c.partner_id, c.kind) for c in credit_of(deal, told)] == [
        ("p9", "sourced"), ("p1", "influenced"), ("p2", "influenced"),
    ]  # fmt: skip
    assert credit_of(replace(deal, credit="influenced"), told)[0].partner_id == "p1"
    assert credit_of(replace(deal, partner_id=None), [])[0].kind == "direct"
