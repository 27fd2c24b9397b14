from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.rules.calendar import Calendar, after_working_time, is_open, is_working_day, opening, working_time

BERLIN = Calendar(ZoneInfo("Europe/Berlin"))
RIYADH = Calendar(ZoneInfo("Asia/Riyadh"), frozenset({4, 5}), time(8), time(16), frozenset({date(2026, 9, 23)}))
NIGHT = Calendar(ZoneInfo("America/New_York"), frozenset(), time(0), time(0))
HOUR = timedelta(hours=1)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def test_a_friday_is_a_working_day_in_berlin_and_not_in_riyadh() -> None:
    friday, sunday, national_day = date(2026, 5, 8), date(2026, 5, 10), date(2026, 9, 23)
    assert (is_working_day(BERLIN, friday), is_working_day(RIYADH, friday)) == (True, False)
    assert (is_working_day(BERLIN, sunday), is_working_day(RIYADH, sunday)) == (False, True)
    assert (is_working_day(BERLIN, national_day), is_working_day(RIYADH, national_day)) == (True, False)


def test_it_is_open_from_opening_until_just_before_closing_by_wall_time() -> None:
    assert opening(RIYADH, date(2026, 5, 7)) == (utc(2026, 5, 7, 5), utc(2026, 5, 7, 13))
    assert is_open(RIYADH, utc(2026, 5, 7, 5))
    assert not is_open(RIYADH, utc(2026, 5, 7, 13))
    assert not is_open(RIYADH, utc(2026, 5, 8, 6))


def test_four_working_hours_from_friday_afternoon_end_on_monday() -> None:
    friday_16 = utc(2026, 5, 8, 14)
    assert after_working_time(BERLIN, friday_16, 4 * HOUR) == utc(2026, 5, 11, 10)
    assert working_time(BERLIN, friday_16, utc(2026, 5, 11, 10)) == 4 * HOUR


def test_the_night_on_which_clocks_change_is_an_hour_shorter_or_longer() -> None:
    spring, autumn = date(2026, 3, 8), date(2026, 11, 1)
    for day, hours in ((spring, 23), (autumn, 25)):
        begin, end = opening(NIGHT, day) or (utc(1, 1, 1), utc(1, 1, 1))
        assert end - begin == hours * HOUR
    # An office day is the same length, though it begins at another UTC hour.
    assert opening(BERLIN, date(2026, 3, 27)) == (utc(2026, 3, 27, 8), utc(2026, 3, 27, 16))
    assert opening(BERLIN, date(2026, 3, 30)) == (utc(2026, 3, 30, 7), utc(2026, 3, 30, 15))


def test_wrong_calendars_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot close at 08:00 after opening at 09:00"):
        Calendar(ZoneInfo("UTC"), opens=time(9), closes=time(8))
    with pytest.raises(ValueError, match="without any working day"):
        Calendar(ZoneInfo("UTC"), weekend=frozenset(range(7)))
    always_off = Calendar(ZoneInfo("UTC"), holidays=frozenset(date(2026, 1, 1) + timedelta(n) for n in range(4000)))
    with pytest.raises(ValueError, match="no working day in 3660 days"):
        after_working_time(always_off, utc(2026, 1, 1), HOUR)


instants = st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)).map(lambda t: t.replace(tzinfo=UTC))
calendars = st.sampled_from([BERLIN, RIYADH, NIGHT])


@settings(max_examples=150, deadline=None)
@given(calendars, instants, st.floats(0.01, 300))
def test_the_working_time_until_an_end_is_what_was_asked_for(calendar: Calendar, start: datetime, hours: float) -> None:
    asked = timedelta(hours=hours)
    end = after_working_time(calendar, start, asked)
    assert working_time(calendar, start, end) == asked
    assert end - start >= asked


@settings(max_examples=100, deadline=None)
@given(calendars, st.lists(instants, min_size=3, max_size=3).map(sorted))
def test_working_time_adds_up_and_never_exceeds_real_time(calendar: Calendar, at: list[datetime]) -> None:
    a, b, c = at
    assert working_time(calendar, a, b) + working_time(calendar, b, c) == working_time(calendar, a, c)
    assert working_time(calendar, a, c) <= c - a
    assert working_time(calendar, c, a) == timedelta()
