"""How many calls a connection may make."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.connect import ContractBroken, Limit, QuotaSpent
from prm_sync.connect.budget import (
    LocalBudget,
    Usage,
    grant,
    grant_all,
    granted_permits,
    learned,
    usage_from_json,
    usage_to_json,
)

DAY_S = 86_400.0
BURST = Limit("burst", 10, 1.0)
DAILY = Limit("api", 100_000, DAY_S, share=0.5)


class Time:
    """A clock that moves by sleeping."""

    def __init__(self) -> None:
        self.now, self.slept = 1_000_000.0, list[float]()
        self.lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.slept.append(seconds)
            self.now += seconds


def taken(limit: Limit, moments: list[float], cost: int = 1) -> list[float]:
    """The moments at which a permit was granted, asking once at each."""
    usage, granted = Usage(), []
    for now in moments:
        usage, wait_s = grant(usage, limit, cost, now)
        if wait_s == 0:
            granted.append(now)
    return granted


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=120),
    st.integers(1, 12),
    st.floats(0.5, 10),
    st.floats(0.05, 1.0),
)
def test_no_window_ever_holds_more_than_our_share(
    moments: list[float], permits: int, per_s: float, share: float
) -> None:
    limit = Limit("x", permits, per_s, share=share)
    granted = taken(limit, sorted(moments))
    for begin in granted:
        within = [t for t in granted if begin <= t < begin + per_s]
        assert len(within) <= max(1, permits * share + 1e-9)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 4)), min_size=1, max_size=60), st.floats(0.2, 5))
def test_who_waits_as_long_as_told_is_granted(asks: list[tuple[float, int]], per_s: float) -> None:
    limit, usage, now = Limit("x", 5, per_s), Usage(), 1000.0
    for gap_s, cost in asks:
        now += gap_s
        usage, wait_s = grant(usage, limit, cost, now)
        if wait_s:
            assert wait_s <= per_s * (1 + 1 / 24) + 1e-6
            now += wait_s + 1e-6
            usage, wait_s = grant(usage, limit, cost, now)
        assert wait_s == 0


def test_a_days_quota_is_not_given_twice_on_the_first_day() -> None:
    usage, granted = Usage(), 0
    for minute in range(24 * 60):
        while True:
            usage, wait_s = grant(usage, DAILY, 100, minute * 60.0)
            if wait_s:
                break
            granted += 100
    assert granted == 50_000


def test_the_state_stays_small() -> None:
    usage = Usage()
    for n in range(5000):
        usage, _ = grant(usage, BURST, 1, 1000 + n / 97)
    assert len(usage.slots) <= 26
    assert len(json.dumps(usage_to_json(usage))) < 1000


def test_the_state_survives_json() -> None:
    usage = learned(grant(Usage(), BURST, 3, 5.0)[0], left=7, resets_in_s=30, now=5.0)
    assert usage_from_json(json.loads(json.dumps(usage_to_json(usage)))) == usage


def test_what_the_remote_says_is_left_counts_until_its_reset() -> None:
    usage = learned(Usage(), left=2_003, resets_in_s=600, now=0.0)
    for _ in range(3):
        usage, wait_s = grant(usage, DAILY, 1, 10.0)
        assert wait_s == 0
    usage, wait_s = grant(usage, DAILY, 1, 10.0)
    assert wait_s == 590, "2 % of 100,000 stay for people"
    assert grant(usage, DAILY, 1, 600.0)[1] == 0


def test_a_small_limit_has_no_reserve_but_can_be_used_up() -> None:
    usage = learned(Usage(), left=1, resets_in_s=5, now=0.0)
    usage, wait_s = grant(usage, BURST, 1, 0.0)
    assert wait_s == 0
    assert grant(usage, BURST, 1, 0.0)[1] == 5.0


def test_two_limits_are_taken_together_or_not_at_all() -> None:
    tight = Limit("tight", 1, 10.0)
    usages, wait_s = grant_all({}, [BURST, tight], 1, 0.0)
    assert wait_s == 0
    again, wait_s = grant_all(usages, [BURST, tight], 1, 0.1)
    assert wait_s > 9
    assert again == usages


def test_a_call_dearer_than_our_share_waits_for_an_empty_window() -> None:
    usage, wait_s = grant(Usage(), BURST, 50, 0.0)
    assert wait_s == 0
    assert grant(usage, BURST, 1, 0.5)[1] > 0


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    usage = Usage()
    for _ in range(10):
        usage, _ = grant(usage, BURST, 1, 100.0)
    assert grant(usage, BURST, 1, 99.0)[1] > 0


def test_the_local_budget_waits_for_its_permit() -> None:
    time = Time()
    budget = LocalBudget("acme", [BURST], now=time, sleep=time.sleep)
    for _ in range(25):
        budget.take("burst")
    assert 2.0 <= sum(time.slept) <= 2.2


def test_a_wait_that_is_not_sensible_ends_the_run_in_good_order() -> None:
    time = Time()
    budget = LocalBudget("acme", [Limit("api", 5, DAY_S)], now=time, sleep=time.sleep)
    for _ in range(5):
        budget.take("api")
    with pytest.raises(QuotaSpent, match="acme: our share of api is used up"):
        budget.take("api")
    assert time.slept == []


def test_what_was_learned_stops_the_local_budget() -> None:
    time = Time()
    budget = LocalBudget("acme", [DAILY], now=time, sleep=time.sleep)
    budget.learn("api", left=10, resets_in_s=3600)
    with pytest.raises(QuotaSpent):
        budget.take("api")


def test_a_limit_that_is_not_declared_is_a_broken_contract() -> None:
    budget = LocalBudget("acme", [BURST])
    with pytest.raises(ContractBroken, match="burts; it declares: burst"):
        budget.take("burts")
    with pytest.raises(ContractBroken):
        budget.learn("burts", left=1, resets_in_s=1)
    budget.take()


def test_threads_together_get_no_more_than_the_share() -> None:
    budget = LocalBudget("acme", [Limit("api", 60, DAY_S, share=0.5)])
    got: list[int] = []

    def ask() -> None:
        for _ in range(20):
            try:
                budget.take("api")
            except QuotaSpent:
                return
            got.append(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 30


def test_reading_stops_before_the_reserve_and_writing_may_use_it() -> None:
    limit, usage, now = Limit("api", 100, DAY_S, share=0.5, reserve=0.2), Usage(), 1_000_000.0
    for _ in range(40):
        usage, wait_s = grant(usage, limit, 1, now, reading=True)
        assert wait_s == 0
    assert grant(usage, limit, 1, now, reading=True)[1] > 0
    for _ in range(10):
        usage, wait_s = grant(usage, limit, 1, now)
        assert wait_s == 0
    assert grant(usage, limit, 1, now)[1] > 0


def test_what_the_remote_says_is_left_keeps_the_reserve_too() -> None:
    limit, now = Limit("api", 100, DAY_S, share=0.5, reserve=0.2), 1_000_000.0
    usage = learned(Usage(), left=12, resets_in_s=3600, now=now)
    assert grant(usage, limit, 1, now, reading=True)[1] > 0
    assert grant(usage, limit, 1, now)[1] == 0


def test_a_short_window_has_no_reserve() -> None:
    assert granted_permits(Limit("burst", 10, 1.0, reserve=0.5), reading=True) == 10
