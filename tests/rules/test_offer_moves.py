"""Every move of the life of an offer, and every one that there is not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from prm_sync.rules.calendar import working_time
from prm_sync.rules.routing import (
    LeadFacts,
    Ledger,
    Offer,
    PartnerFacts,
    Refusal,
    RoutingPolicy,
    Transition,
    apply_answer,
    apply_stage,
    due,
    moved,
    route,
    withdraw,
)
from prm_sync.rules.routing.eligibility import Calendars
from prm_sync.rules.routing.offers import CLOSED, MOVES, Event, Standing

MADE = datetime(2026, 5, 6, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
STANDINGS: tuple[Standing, ...] = (
    "pending", "accepted", "declined", "expired", "withdrawn", "working", "won", "lost",
)  # fmt: skip
EVENTS: tuple[Event, ...] = ("accept", "decline", "work", "win", "lose", "run_out", "withdraw")
# The whole table once more, as one would draw it: who stands where, what happens, where it leads ("=": nowhere new).
DRAWN = {
    "pending": "accepted declined working won declined expired withdrawn",
    "accepted": "= - working won lost - withdrawn",
    "declined": "- = - - = - -",
    "expired": "- - - - - = -",
    "withdrawn": "- - - - - - =",
    "working": "= - = won lost - withdrawn",
    "won": "= - - = - - -",
    "lost": "= - - - = - -",
}


def standing(name: Standing) -> Offer:
    offer = Offer("o1", "l1", "p1", offered_at=MADE, expires_at=MADE + 48 * HOUR)
    return offer if name == "pending" else moved(offer, Transition("o1", "pending", name, MADE + HOUR))


def happens(offer: Offer, event: Event, at: datetime) -> Transition | Refusal | None:
    match event:
        case "accept" | "decline":
            return apply_answer(offer, "accepted" if event == "accept" else "declined", at, "far")
        case "work" | "win" | "lose":
            stages: dict[str, Any] = {"work": "working", "win": "won", "lose": "lost"}
            return apply_stage(offer, stages[event], at)
        case "run_out":
            return next(iter(due([offer], offer.expires_at)), None)
        case "withdraw":
            return withdraw(offer, at, "the customer called us")


@pytest.mark.parametrize("before", STANDINGS)
@pytest.mark.parametrize("event", EVENTS)
def test_every_event_leads_from_every_standing_to_where_it_is_drawn(before: Standing, event: Event) -> None:
    drawn = DRAWN[before].split()[EVENTS.index(event)]
    assert MOVES[before].get(event) == {"=": before, "-": None}.get(drawn, drawn)
    offer = standing(before)
    assert offer.standing == before
    step = happens(offer, event, MADE + 2 * HOUR)
    if drawn in ("=", "-"):
        if event == "run_out":
            assert step is None
            return
        assert isinstance(step, Refusal)
        late = before == "expired" and event != "withdraw"  # a withdrawal is the seller's own: it is never late
        assert step.code == ("repeated" if drawn == "=" else "late" if late else "illegal")
        assert step.message
        return
    assert isinstance(step, Transition)
    assert moved(offer, step).standing == drawn


def test_a_stage_of_an_offer_that_waits_is_an_answer_only_in_time() -> None:
    offer = standing("pending")
    late = apply_stage(offer, "won", offer.expires_at)
    assert isinstance(late, Refusal)
    assert late.code == "late"
    early = apply_stage(offer, "working", MADE - HOUR)
    assert isinstance(early, Refusal)
    assert early.code == "before_offer"
    closed = apply_stage(offer, "lost", MADE + HOUR)
    assert isinstance(closed, Transition)
    assert (closed.state, closed.stage, closed.reason) == ("declined", None, CLOSED)


# --- when an offer runs out ---------------------------------------------------------------------------------------

GULF = {"countries": ["SA"], "weekend": ["fri", "sat"], "hours": ["08:00", "16:00"], "time_zone": "Asia/Riyadh",
        "holidays": ["2026-05-10"]}  # fmt: skip
OTHERS = {"time_zone": "Europe/Berlin"}
LATIN = {"countries": ["CL"], "time_zone": "America/Santiago", "hours": ["00:00", "00:00"], "weekend": ["sun"]}


def terms(**offer: Any) -> RoutingPolicy:
    return RoutingPolicy.model_validate(
        {"rules": {"territory": False}, "calendars": {"gulf": GULF, "latin": LATIN, "others": OTHERS},
         "offer": {"expires_after_h": 8, "hours": "working", **offer}}
    )  # fmt: skip


def ends(policy: RoutingPolicy, now: datetime, country: str | None = None, time_zone: str | None = None) -> datetime:
    partner = PartnerFacts("p1", status="active", country=country, time_zone=time_zone)
    [decision] = route([LeadFacts("l1", status="new")], [partner], Ledger(), policy, now)
    assert decision.partner_id == "p1"
    return decision.expires_at


def utc(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("country", "now", "end"),
    [
        # Friday noon in Berlin: 5 hours are left, the other 3 are Monday's.
        ("DE", utc(2026, 5, 8, 10), utc(2026, 5, 11, 10)),
        # Thursday 15:00 in Riyadh: Friday and Saturday are off, Sunday the 10th is a holiday; Monday 08:00 and 7 hours.
        ("SA", utc(2026, 5, 7, 12), utc(2026, 5, 11, 12)),
        # Friday in Riyadh is no working day, Friday in Berlin is.
        ("SA", utc(2026, 5, 15, 9), utc(2026, 5, 17, 13)),
        ("DE", utc(2026, 5, 15, 9), utc(2026, 5, 18, 9)),
        # Clocks go forward on Sunday 29 March 2026 in Berlin: 17:00 is 16:00 UTC before and 15:00 UTC after.
        ("DE", utc(2026, 3, 27, 8), utc(2026, 3, 27, 16)),
        ("DE", utc(2026, 3, 27, 9), utc(2026, 3, 30, 8)),
        # ... and back on Sunday 25 October: Monday 09:00 is 08:00 UTC.
        ("DE", utc(2026, 10, 23, 8), utc(2026, 10, 26, 9)),
        # Open day and night but on Sundays: on Saturday 4 April the hour 23:00 comes twice in Santiago (UTC-3, then
        # UTC-4), so that Saturday ends at 04:00 UTC: 8 hours from 20:00 UTC on are just in it, from 21:00 UTC on not.
        ("CL", utc(2026, 4, 4, 20), utc(2026, 4, 5, 4)),
        ("CL", utc(2026, 4, 4, 21), utc(2026, 4, 6, 5)),
    ],
)
def test_an_offer_runs_out_after_so_many_working_hours_of_its_partner(
    country: str, now: datetime, end: datetime
) -> None:
    assert ends(terms(), now, country) == end


def test_a_partners_own_time_zone_counts_and_the_policys_calendar_replaces_both() -> None:
    friday = utc(2026, 5, 8, 10)
    assert ends(terms(), friday, "DE", "America/New_York") == utc(2026, 5, 8, 21)  # 09:00 there is 13:00 UTC
    assert ends(terms(calendar="gulf"), friday, "DE", "America/New_York") == utc(2026, 5, 11, 13)


def test_by_the_clock_alone_weekends_count_as_before() -> None:
    assert ends(RoutingPolicy.model_validate({"rules": {"territory": False}}), utc(2026, 5, 8, 10)) == utc(
        2026, 5, 10, 10
    )


@pytest.mark.parametrize("start_h", range(0, 24 * 21, 5))
@pytest.mark.parametrize("country", ["SA", "DE", "CL"])
def test_a_partner_always_has_all_its_working_hours(country: str, start_h: int) -> None:
    now = utc(2026, 3, 20) + start_h * HOUR
    calendar = Calendars(terms().calendars).of(PartnerFacts("p1", country=country))
    assert working_time(calendar, now, ends(terms(), now, country)) == 8 * HOUR


def test_a_calendar_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match='"golf" is none of `calendars`'):
        terms(calendar="golf")
    with pytest.raises(ValueError, match="counts only with `hours: working`"):
        terms(calendar="gulf", hours="all")
    assert date(2026, 5, 10) in terms().calendars["gulf"].holidays
