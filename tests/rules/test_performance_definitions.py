from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.rules.performance import (
    DEFINITION_VERSION,
    DealRow,
    OfferRow,
    Performance,
    TargetRow,
    acceptance_rate,
    attainment,
    performance,
    target_of_month,
    win_rate,
)

MAY = date(2026, 5, 1)
MADE = datetime(2026, 5, 6, 10, tzinfo=UTC)


def offer(state: Any, hours: float | None = None, made: datetime = MADE, partner: str = "p") -> OfferRow:
    return OfferRow(partner, state, made, None if hours is None else made + timedelta(hours=hours))


def deal(
    stage: Any, credit: Any = "sourced", amount: int | None = 100, currency: str | None = "EUR", **more: Any
) -> DealRow:
    return DealRow(more.get("partner", "p"), stage, more.get("closed_on", date(2026, 5, 31)), credit, amount, currency)


def one(offers: Any = (), deals: Any = (), targets: Any = ()) -> Performance:
    (row,) = performance(offers, deals, targets, currency="EUR")
    return row


def test_a_rate_with_nothing_to_divide_by_is_unknown_and_not_zero() -> None:
    row = one([offer("pending")])
    assert (row.acceptance_rate, row.win_rate, row.response_hours, row.target, row.attainment) == (None,) * 5
    assert (row.offered, row.accepted, row.won, row.sourced_revenue) == (1, 0, 0, 0)
    assert acceptance_rate(0, 3, 1) == 0.0
    assert win_rate(0, 2) == 0.0
    assert attainment(5, 0) is None


def test_pending_and_withdrawn_offers_do_not_count_against_acceptance() -> None:
    row = one([offer("accepted", 1), offer("declined", 2), offer("expired"), offer("withdrawn"), offer("pending")])
    assert (row.offered, row.accepted, row.declined, row.expired) == (5, 1, 1, 1)
    assert row.acceptance_rate == pytest.approx(1 / 3)


def test_response_time_is_the_median_of_answered_offers_only() -> None:
    assert one([offer("accepted", 1), offer("declined", 2), offer("accepted", 90)]).response_hours == 2.0
    assert one([offer("accepted", 1), offer("declined", 4), offer("expired", 48)]).response_hours == 2.5


def test_an_offer_counts_in_the_month_in_which_it_was_made_by_utc() -> None:
    late = offer("accepted", 5, made=datetime.fromisoformat("2026-06-01T01:00+02:00"))
    assert one([late]).period == MAY


def test_influenced_revenue_stands_beside_the_sourced() -> None:
    row = one(deals=[deal("won"), deal("won", "influenced", 30), deal("won", "fulfilled", 7), deal("lost", amount=999)])
    assert (row.sourced_revenue, row.influenced_revenue) == (100, 30)
    assert (row.won, row.lost, row.win_rate) == (3, 1, 0.75)


def test_a_deal_that_is_not_credited_to_the_partner_does_not_count() -> None:
    assert performance([], [deal("won", "none")], [], currency="EUR") == []


def test_a_deal_of_unstated_credit_counts_for_the_win_rate_and_is_no_revenue() -> None:
    row = one(deals=[deal("won"), deal("lost", None), deal("won", None, 70)])
    assert (row.won, row.lost, row.sourced_revenue, row.influenced_revenue) == (2, 1, 100, 0)


def test_a_deal_in_another_currency_is_counted_but_not_added_up() -> None:
    row = one(deals=[deal("won"), deal("won", amount=5, currency="VND"), deal("won", amount=None, currency=None)])
    assert (row.won, row.sourced_revenue, row.other_currency) == (3, 100, 1)


def test_a_quarters_target_is_spread_over_its_months() -> None:
    quarter = TargetRow("p", date(2026, 4, 1), date(2026, 6, 30), 300, "EUR")
    rows = performance([], [deal("won")], [quarter], currency="EUR")
    assert [(r.period.month, r.target, r.attainment) for r in rows] == [(4, 100, 0.0), (5, 100, 1.0), (6, 100, 0.0)]
    across = TargetRow("p", date(2026, 12, 1), date(2027, 1, 31), 11)
    assert [r.period for r in performance([], [], [across], currency="EUR")] == [date(2026, 12, 1), date(2027, 1, 1)]
    assert target_of_month([across], date(2027, 1, 1), "EUR") == 5


def test_targets_add_up_and_those_in_another_currency_do_not_count() -> None:
    targets = [TargetRow("p", MAY, date(2026, 5, 31), n, c) for n, c in ((50, "EUR"), (30, None), (999, "USD"))]
    assert one(targets=targets).target == 80


def test_every_row_says_by_which_definitions_it_was_made() -> None:
    assert one([offer("pending")]).definition_version == DEFINITION_VERSION


offers_ = st.lists(
    st.builds(
        offer,
        st.sampled_from(["pending", "accepted", "declined", "expired", "withdrawn"]),
        st.floats(0, 100),
        st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 31), timezones=st.just(UTC)),
        st.sampled_from("pq"),
    ),
    max_size=20,
)
deals_ = st.lists(
    st.builds(
        DealRow,
        st.sampled_from("pq"),
        st.sampled_from(["won", "lost"]),
        st.dates(date(2026, 1, 1), date(2026, 3, 31)),
        st.sampled_from(["sourced", "influenced", "fulfilled", "none", None]),
        st.one_of(st.none(), st.integers(0, 999)),
        st.sampled_from(["EUR", "USD", None]),
    ),
    max_size=20,
)


@settings(max_examples=150, deadline=None)
@given(offers_, deals_)
def test_nothing_is_counted_twice_or_lost(offers: list[OfferRow], deals: list[DealRow]) -> None:
    rows = performance(offers, deals, [], currency="EUR")
    assert sum(r.offered for r in rows) == len(offers)
    assert sum(r.won + r.lost for r in rows) == sum(d.credit != "none" for d in deals)
    won = [d for d in deals if d.stage == "won" and d.currency == "EUR"]
    for credit, total in (
        ("sourced", sum(r.sourced_revenue for r in rows)),
        ("influenced", sum(r.influenced_revenue for r in rows)),
    ):
        assert total == sum(d.amount_minor or 0 for d in won if d.credit == credit)
    assert [(r.partner_id, r.period) for r in rows] == sorted({(r.partner_id, r.period) for r in rows})
    for r in rows:
        assert r.offered >= r.accepted + r.declined + r.expired
        assert all(rate is None or 0 <= rate <= 1 for rate in (r.acceptance_rate, r.win_rate))


@settings(max_examples=50, deadline=None)
@given(offers_, deals_)
def test_one_partners_rows_do_not_depend_on_another_partner(offers: list[OfferRow], deals: list[DealRow]) -> None:
    both = performance(offers, deals, [], currency="EUR")
    alone = performance(
        [o for o in offers if o.partner_id == "p"], [d for d in deals if d.partner_id == "p"], [], currency="EUR"
    )
    assert alone == [r for r in both if r.partner_id == "p"]
