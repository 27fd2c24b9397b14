"""How far a target is on a day, when somebody is told, and what counts for it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prm_sync.rules.pacing import Achieved, Pacing, Target, TargetPolicy, in_words, is_followed, pacing, reached
from prm_sync.rules.pacing import to_be_told as told
from prm_sync.rules.papers import Certificate
from prm_sync.rules.performance import DealRow, OfferRow

POLICY = TargetPolicy()
FIRST, LAST = date(2027, 4, 1), date(2027, 4, 30)


def target(
    metric: Any = "revenue", amount: float = 3_000, first: date = FIRST, last: date = LAST, **more: Any
) -> Target:  # fmt: skip
    return Target("t", "p", metric, amount, first, last, **more)


def on(day: date, so_far: float, of: Target | None = None) -> Pacing:
    return pacing(of or target(), so_far, day, POLICY)


def april(day: int) -> date:
    return date(2027, 4, day)


# --- how far -----------------------------------------------------------------------------------------------------


def test_half_of_the_month_with_a_quarter_of_the_target_is_half_the_pace() -> None:
    found = on(april(16), 750)
    assert (found.elapsed, found.expected, found.attainment, found.pace) == (0.5, 1_500, 0.25, 0.5)
    assert (found.projected, found.state) == (1_500, "behind")
    said = in_words(found.state, found.attainment, found.elapsed, found.pace)
    assert said == "behind plan: 25 % of the target after 50 % of the time, pace 50 %"


@pytest.mark.parametrize(
    ("day", "so_far", "state", "words"),
    [
        (FIRST - timedelta(days=1), 0, "not_begun", "has not begun"),
        (FIRST, 0, "on_plan", "on plan: 0 % of the target after 0 % of the time"),
        (april(2), 0, "behind", "behind plan: 0 % of the target after 3 % of the time, pace 0 %"),
        (april(16), 1_200, "on_plan", "on plan: 40 % of the target after 50 % of the time, pace 80 %"),
        (april(16), 1_199, "behind", "behind plan: 39 % of the target after 50 % of the time, pace 79 %"),
        (april(2), 3_000, "reached", "reached: 100 % of the target"),
        (LAST, 2_999, "on_plan", "on plan: 99 % of the target after 96 % of the time, pace 103 %"),
        (LAST + timedelta(days=1), 2_999, "missed", "missed: 99 % of the target"),
        (LAST + timedelta(days=400), 45_000, "reached", "reached: 1,500 % of the target"),
    ],
)  # fmt: skip
def test_a_target_has_a_state_and_words_for_it(day: date, so_far: int, state: str, words: str) -> None:
    found = on(day, so_far)
    assert (found.state, in_words(found.state, found.attainment, found.elapsed, found.pace)) == (state, words)


def test_a_target_that_is_closed_before_its_end_was_missed_or_reached() -> None:
    assert on(april(10), 100, target(closed=True)).state == "missed"
    assert on(april(10), 3_000, target(closed=True)).state == "reached"
    assert on(FIRST - timedelta(days=1), 0, target(closed=True)).state == "not_begun"


def test_a_period_of_one_day_expects_nothing_on_the_day_and_all_of_it_the_day_after() -> None:
    day = target(first=FIRST, last=FIRST)
    found = on(FIRST, 0, day)
    assert (found.elapsed, found.expected, found.pace, found.projected, found.state) == (0, 0, None, None, "on_plan")
    found = on(FIRST + timedelta(days=1), 1_500, day)
    assert (found.elapsed, found.expected, found.pace, found.projected, found.state) == (1, 3_000, 0.5, 1_500, "missed")


def test_a_leap_year_has_a_day_more_to_reach_a_target_in() -> None:
    leap = target(amount=366, first=date(2028, 1, 1), last=date(2028, 12, 31))
    assert on(date(2028, 2, 29), 0, leap).expected == 59
    assert on(date(2028, 3, 1), 60, leap).pace == 1
    day = target(first=date(2028, 2, 29), last=date(2028, 2, 29))
    assert [on(date(2028, 2, 28) + timedelta(days=n), 0, day).state for n in range(3)] == [
        "not_begun", "on_plan", "missed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "first", "last"),
    [(None, FIRST, LAST), (0, FIRST, LAST), (-5, FIRST, LAST), (5, None, LAST), (5, FIRST, None), (5, LAST, FIRST)],
)
def test_without_an_amount_or_a_period_there_is_nothing_to_follow(amount: Any, first: Any, last: Any) -> None:
    assert not is_followed(amount, first, last)
    assert is_followed(1, FIRST, FIRST)


periods = st.tuples(st.dates(date(1990, 1, 1), date(2060, 1, 1)), st.integers(1, 800))
amounts = st.integers(1, 10**12)


@given(periods, amounts, st.integers(-10, 900), st.integers(0, 10**12), st.integers(0, 10**12))
def test_more_is_never_worse(period: tuple[date, int], amount: int, gone: int, less: int, more: int) -> None:
    first, days = period
    aim = target(amount=amount, first=first, last=first + timedelta(days=days - 1))
    lower, higher = (on(first + timedelta(days=gone), n, aim) for n in sorted((less, more)))
    assert lower.attainment <= higher.attainment
    assert (lower.pace or 0) <= (higher.pace or 0)
    assert (lower.projected or 0) <= (higher.projected or 0)
    order = ("missed", "behind", "not_begun", "on_plan", "reached")
    assert order.index(lower.state) <= order.index(higher.state)
    assert 0 <= lower.elapsed == higher.elapsed <= 1


@given(periods, st.integers(1, 10**9), st.integers(1, 800))
def test_whoever_is_on_the_line_has_a_pace_of_one_and_ends_at_the_target(
    period: tuple[date, int], a_day: int, gone: int
) -> None:
    first, days = period
    aim = target(amount=a_day * days, first=first, last=first + timedelta(days=days - 1))
    over = min(gone, days)
    found = on(first + timedelta(days=gone), a_day * over, aim)
    assert (found.pace, found.expected, found.projected) == (1, a_day * over, aim.amount)
    assert found.state == ("reached" if over == days else "on_plan")


# --- who is told -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "so_far", "closed", "expected"),
    [
        (april(8), 0, False, False),  # 7 of 30 days are over
        (april(9), 0, False, True),
        (april(9), 3_000, False, False),
        (april(20), 2_000, False, False),
        (date(2027, 5, 1), 2_000, False, True),
        (date(2027, 5, 30), 2_000, False, True),
        (date(2027, 5, 31), 2_000, False, False),  # history that is loaded for the first time is no news
        (date(2027, 5, 1), 3_000, False, False),
        (april(9), 0, True, False),
    ],
)
def test_somebody_is_told_when_a_target_is_behind_for_real_or_was_just_missed(
    day: date, so_far: int, closed: bool, expected: bool
) -> None:
    aim = target(closed=closed)
    assert told(aim, on(day, so_far, aim), day, POLICY) is expected


def test_the_policy_says_how_far_behind_is_behind_and_how_early_is_too_early() -> None:
    policy = TargetPolicy(behind_below=0.5, alert_after=0.6)
    lazy = pacing(target(), 800, april(16), policy)
    assert lazy.state == "on_plan"
    assert not told(target(), pacing(target(), 0, april(18), policy), april(18), policy)
    assert told(target(), pacing(target(), 0, april(19), policy), april(19), policy)


# --- what counts -------------------------------------------------------------------------------------------------


def deal(
    on: int | date, amount: int | None = 100, credit: Any = "sourced", currency: str = "EUR", stage: Any = "won"
) -> DealRow:  # fmt: skip
    return DealRow("p", stage, april(on) if isinstance(on, int) else on, credit, amount, currency)


def count(metric: str, day: date = LAST, currency: str | None = None, **done: Any) -> tuple[int, int]:
    return reached(target(metric, currency=currency), Achieved(**done), day, "EUR")


def test_revenue_is_what_the_partner_has_the_primary_credit_for_in_the_targets_currency_up_to_the_day() -> None:
    deals = [
        deal(1), deal(10, 20), deal(11, 3), deal(5, credit="influenced"), deal(5, credit="none"), deal(5, credit=None),
        deal(5, stage="lost"), deal(5, None), deal(5, 7, currency="USD"),
        deal(date(2027, 3, 31), 1), deal(date(2027, 5, 1), 1),
    ]  # fmt: skip
    assert count("revenue", april(10), deals=deals) == (120, 1)
    assert count("revenue", date(2027, 6, 1), deals=deals) == (123, 1)
    assert count("revenue", april(10), "USD", deals=deals) == (7, 2)
    assert count("deals", april(10), deals=deals) == (4, 0)


def test_leads_are_offers_accepted_by_the_day_of_the_answer_in_utc() -> None:
    def offer(state: Any, answered: datetime | None) -> OfferRow:
        return OfferRow("p", state, datetime(2027, 3, 30, tzinfo=UTC), answered)

    early = datetime(2027, 4, 1, 1, tzinfo=UTC)
    march = datetime(2027, 4, 1, 2, tzinfo=timezone(timedelta(hours=3)))
    offers = [
        offer("accepted", early), offer("accepted", march), offer("declined", early), offer("pending", None),
        offer("expired", None),
    ]  # fmt: skip
    assert count("leads", offers=offers) == (1, 0)
    assert count("leads", FIRST - timedelta(days=1), offers=offers) == (0, 0)


def test_certificates_count_from_the_day_they_are_granted_though_they_run_out_but_not_when_revoked() -> None:
    papers = [
        Certificate("CRM", "granted", april(3)), Certificate("CRM", None, april(3)),
        Certificate("ERP", "lapsed", april(4)), Certificate("POS", "expiring", april(5)),
        Certificate("HR", "revoked", april(5)), Certificate("BI", "requested", april(5)),
        Certificate("AI", "granted"), Certificate("QA", "granted", date(2027, 3, 1)),
    ]  # fmt: skip
    assert count("certifications", certificates=papers) == (4, 0)
    assert count("certifications", april(4), certificates=papers) == (3, 0)
