from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.rules.routing import Offer, Refusal, Transition, apply_answer, due, moved, withdraw

MADE = datetime(2026, 5, 6, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
PENDING = Offer("o1", "l1", "p1", offered_at=MADE, expires_at=MADE + 48 * HOUR)


def in_state(state: str, at: datetime = MADE + 2 * HOUR, **more: object) -> Offer:
    return moved(PENDING, Transition("o1", "pending", state, at)) if not more else _with(in_state(state, at), **more)  # type: ignore[arg-type]


def _with(offer: Offer, **more: object) -> Offer:
    return replace(offer, **more)  # type: ignore[arg-type]


def test_a_pending_offer_is_accepted_at_the_time_of_the_answer() -> None:
    step = apply_answer(PENDING, "accepted", MADE + HOUR, "because")
    assert step == Transition("o1", "pending", "accepted", MADE + HOUR, None)
    assert isinstance(step, Transition)
    after = moved(PENDING, step)
    assert (after.state, after.changed_at) == ("accepted", MADE + HOUR)


@pytest.mark.parametrize(("given_", "kept"), [("too far", "too far"), (None, "not stated"), ("  ", "not stated")])
def test_a_decline_always_has_a_reason(given_: str | None, kept: str) -> None:
    step = apply_answer(PENDING, "declined", MADE + HOUR, given_)
    assert isinstance(step, Transition)
    assert (step.after, step.reason) == ("declined", kept)


def test_an_answer_within_time_counts_even_if_it_is_heard_of_later() -> None:
    assert isinstance(apply_answer(PENDING, "accepted", PENDING.expires_at - timedelta(seconds=1)), Transition)


def test_an_answer_after_the_offer_ran_out_moves_nothing_even_before_the_sweep() -> None:
    refusal = apply_answer(PENDING, "accepted", PENDING.expires_at)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.state, refusal.wanted) == ("late", "pending", "accepted")
    assert "2026-05-08 10:00 UTC" in refusal.message


@pytest.mark.parametrize(
    ("offer", "answer", "after_h", "code"),
    [
        (in_state("accepted"), "accepted", 2, "repeated"),
        (in_state("declined"), "declined", 9, "repeated"),
        (in_state("accepted"), "declined", 1, "late"),
        (in_state("accepted"), "declined", 3, "illegal"),
        (in_state("declined"), "accepted", 3, "illegal"),
        (in_state("withdrawn"), "accepted", 3, "illegal"),
        (in_state("withdrawn"), "accepted", 1, "late"),
        (in_state("expired", MADE + 48 * HOUR), "accepted", 47, "late"),
        (in_state("expired", MADE + 48 * HOUR), "accepted", 50, "late"),
        (in_state("expired", MADE + 48 * HOUR, superseded=True), "accepted", 50, "superseded"),
        (PENDING, "accepted", -1, "before_offer"),
    ],
)
def test_an_answer_that_may_not_move_the_offer_is_refused(offer: Offer, answer: str, after_h: int, code: str) -> None:
    refusal = apply_answer(offer, answer, MADE + after_h * HOUR)  # type: ignore[arg-type]
    assert isinstance(refusal, Refusal)
    assert refusal.code == code
    assert refusal.message
    assert refusal.state == offer.state


def test_the_sweep_takes_only_what_is_pending_and_has_run_out() -> None:
    fresh = Offer("o2", "l2", "p1", offered_at=MADE, expires_at=MADE + 72 * HOUR)
    assert due([PENDING, fresh, in_state("accepted")], MADE + 48 * HOUR) == [
        Transition("o1", "pending", "expired", MADE + 48 * HOUR)
    ]
    assert due([PENDING], MADE + 47 * HOUR) == []


def test_an_offer_that_waits_or_was_accepted_can_be_withdrawn_and_no_other() -> None:
    step = withdraw(PENDING, MADE + HOUR, "the customer called us")
    assert isinstance(step, Transition)
    assert moved(PENDING, step).reason == "the customer called us"
    assert isinstance(withdraw(in_state("accepted"), MADE + 3 * HOUR, ""), Transition)
    for state, code in [("declined", "illegal"), ("expired", "illegal"), ("withdrawn", "repeated")]:
        refusal = withdraw(in_state(state), MADE + 3 * HOUR, "")
        assert isinstance(refusal, Refusal)
        assert refusal.code == code


def test_a_transition_of_another_state_does_not_fit() -> None:
    step = apply_answer(PENDING, "accepted", MADE + HOUR)
    assert isinstance(step, Transition)
    with pytest.raises(ValueError, match="does not fit"):
        moved(moved(PENDING, step), step)


events = st.lists(
    st.tuples(st.sampled_from(["accepted", "declined", "sweep", "withdraw"]), st.integers(-2, 60)), max_size=8
)


@settings(max_examples=200, deadline=None)
@given(events)
def test_whatever_comes_in_whatever_order_an_offer_leaves_pending_once_and_is_only_taken_back_after_that(
    told: list[tuple[str, int]],
) -> None:
    offer, moves = PENDING, 0
    for what, hours in told:
        at = MADE + hours * HOUR
        step: Transition | Refusal | None
        if what == "sweep":
            step = next(iter(due([offer], at)), None)
        elif what == "withdraw":
            step = withdraw(offer, at, "why")
        else:
            step = apply_answer(offer, what, at)  # type: ignore[arg-type]
        if isinstance(step, Transition):
            assert step.before == "pending" or (step.before, step.after) == ("accepted", "withdrawn")
            offer, moves = moved(offer, step), moves + (step.before == "pending")
    assert moves == (offer.state != "pending")
    if offer.state in ("accepted", "declined"):
        assert offer.changed_at is not None
        assert MADE <= offer.changed_at < PENDING.expires_at
