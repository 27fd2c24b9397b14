"""Who is recommended: for any customers and weights, more is never less, and nobody is told of without consent."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prm_sync.rules.recommendations import (
    Customer,
    Enough,
    RecommendationPolicy,
    Weights,
    recommended,
    score,
    terms,
    why,
)

COUNTS = st.integers(0, 12)
WEIGHTS = st.floats(0, 100, allow_nan=False)
CUSTOMERS = st.builds(
    Customer, st.sampled_from([f"account_{n}" for n in range(8)]), st.sampled_from(["partner_1", "partner_2"]),
    st.booleans(), st.floats(0, 1), COUNTS, COUNTS, COUNTS, COUNTS, st.none() | st.integers(0, 2000),
)  # fmt: skip
LISTS = st.lists(CUSTOMERS, max_size=12, unique_by=lambda c: c.account_id)
POLICIES = st.builds(
    RecommendationPolicy, enabled=st.just(True), threshold=st.floats(1, 100), most_per_partner=st.integers(1, 4),
    round_to=st.integers(1, 20), half_after_days=st.integers(1, 400),
    enough=st.builds(Enough, *[], orders=st.integers(1, 9), leads=st.integers(1, 9)),
    weights=st.builds(Weights, won=st.floats(0.5, 100), orders=WEIGHTS, recency=WEIGHTS, opportunities=WEIGHTS,
                      leads=WEIGHTS, needs=WEIGHTS),
)  # fmt: skip
BEST = Customer("account_1", "partner_1", True, won=1, orders=6, opportunities=2, leads=2, needs=2, bought_days=0)
ON = RecommendationPolicy(enabled=True)


@pytest.mark.parametrize("field", ["won", "orders", "opportunities", "leads", "needs", "bought_days"])
@given(c=CUSTOMERS, p=POLICIES, more=st.integers(1, 90))
def test_more_of_anything_never_lowers_the_score(field: str, c: Customer, p: RecommendationPolicy, more: int) -> None:
    better: dict[str, Any] = {field: getattr(c, field)}
    match field:
        case "won":
            better[field] = min(1.0, c.won + more / 90)
        case "bought_days":
            better[field] = more if c.bought_days is None else max(0, c.bought_days - more)
        case _:
            better[field] += more
    assert score(replace(c, **better), p) >= score(c, p)
    assert 0 <= score(c, p) <= 100


@pytest.mark.parametrize(
    ("field", "value"),
    [("won", 0.2), ("orders", 1), ("opportunities", 0), ("leads", 0), ("needs", 1), ("bought_days", 300),
     ("bought_days", None)],
)  # fmt: skip
def test_each_term_counts(field: str, value: float | None) -> None:
    assert score(BEST, ON) == 100
    assert score(replace(BEST, **{field: value}), ON) < 100


@given(LISTS, POLICIES)
def test_nobody_is_told_of_without_consent_or_below_the_threshold_nor_more_than_the_most(
    customers: list[Customer], policy: RecommendationPolicy
) -> None:
    told = recommended(customers, policy)
    assert all(r.customer.consent and r.score >= policy.threshold for r in told)
    assert all(r.told <= r.score and r.told % policy.round_to == 0 for r in told)
    by_partner = Counter(r.customer.partner_id for r in told)
    assert max(by_partner.values(), default=0) <= policy.most_per_partner
    may = [c for c in customers if c.consent and score(c, policy) >= policy.threshold]
    for partner, n in Counter(c.partner_id for c in may).items():
        assert by_partner[partner] == min(n, policy.most_per_partner), "nobody is left out without need"
        worst = min(r.score for r in told if r.customer.partner_id == partner)
        left = [c for c in may if c.partner_id == partner and c not in [r.customer for r in told]]
        assert all(score(c, policy) <= worst for c in left), "the best are told"
    assert recommended(customers, policy.model_copy(update={"enabled": False})) == []


@given(LISTS, POLICIES, st.randoms())
def test_who_is_told_does_not_depend_on_the_order_in_which_customers_come(
    customers: list[Customer], policy: RecommendationPolicy, rng: Any
) -> None:
    alike = [replace(c, won=0.5, orders=3, opportunities=1, leads=1, needs=0, bought_days=9) for c in customers]
    for some in (customers, alike):
        told = recommended(some, policy)
        rng.shuffle(some)
        assert recommended(some, policy) == told


def test_of_equal_customers_the_first_by_id_is_told() -> None:
    two = [replace(BEST, account_id=f"account_{n}") for n in (3, 2, 4)]
    told = recommended(two, ON.model_copy(update={"most_per_partner": 2}))
    assert [r.customer.account_id for r in told] == ["account_2", "account_3"]


def test_the_reasons_are_words_without_numbers_of_the_customer_and_the_weightiest_comes_first() -> None:
    assert why(BEST, ON) == (
        "in the upper tenth of all customers by what was bought in 12 months; orders often; "
        "bought within the last 90 days; has open deals; has enquired anew; has told of new needs"
    )
    new = Customer("account_1", "partner_1", True, won=0.3, orders=1, leads=1, bought_days=100)
    assert why(new, ON) == "has enquired anew; orders now and then"
    assert why(new, ON.model_copy(update={"weights": Weights(leads=0)})) == "orders now and then"
    assert terms(replace(new, bought_days=90), ON)["recency"] == 0.5


def test_as_shipped_nobody_is_recommended() -> None:
    assert recommended([BEST], RecommendationPolicy()) == []
