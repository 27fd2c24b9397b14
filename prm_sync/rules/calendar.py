"""Working days and hours: is somebody at work, and how much working time lies between two instants.

Opening hours are wall time in the calendar's zone; durations are real time. On the day when clocks change, a day that
is open through the change is therefore an hour shorter or longer. All instants are aware.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SEARCH_DAYS = 3660  #: a calendar without a working day in ten years is a mistake
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """When people work. Closing at 00:00 means the end of the day."""

    zone: ZoneInfo
    weekend: frozenset[int] = frozenset({5, 6})  #: 0 is Monday; Friday and Saturday are {4, 5}
    opens: time = time(9)
    closes: time = time(17)
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if self.closes != time(0) and self.closes <= self.opens:
            raise ValueError(f"a working day cannot close at {self.closes:%H:%M} after opening at {self.opens:%H:%M}")
        if len(self.weekend) > 6:
            raise ValueError("a week without any working day")


def is_working_day(calendar: Calendar, day: date) -> bool:
    """Whether people work on a day of their own zone."""
    return day.weekday() not in calendar.weekend and day not in calendar.holidays


def local_day(calendar: Calendar, at: datetime) -> date:
    """The day that it is there."""
    return at.astimezone(calendar.zone).date()


def is_open(calendar: Calendar, at: datetime) -> bool:
    """Whether people are at work now."""
    hours = opening(calendar, local_day(calendar, at))
    return hours is not None and hours[0] <= at < hours[1]


@lru_cache(maxsize=4096)
def opening(calendar: Calendar, day: date) -> tuple[datetime, datetime] | None:
    """From when to when people work on a day, UTC; None: they do not."""
    if not is_working_day(calendar, day):
        return None
    until = day + _DAY if calendar.closes == time(0) else day
    begin = datetime.combine(day, calendar.opens, calendar.zone).astimezone(UTC)
    return begin, datetime.combine(until, calendar.closes, calendar.zone).astimezone(UTC)


def working_time(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    """Working time from `start` to `end`; zero where `end` is not after `start`."""
    total = timedelta()
    if end <= start:
        return total
    day, last = local_day(calendar, start), local_day(calendar, end)
    while day <= last:
        hours = opening(calendar, day)
        if hours is not None:
            total += max(min(hours[1], end) - max(hours[0], start), timedelta())
        day += _DAY
    return total


def after_working_time(calendar: Calendar, start: datetime, duration: timedelta) -> datetime:
    """When so much working time has passed since `start`, UTC: the inverse of `working_time`.

    Raises ValueError for a calendar without a working day in ten years.
    """
    if duration < timedelta():
        raise ValueError("working time cannot be negative")
    left = duration
    for begin, end in _openings(calendar, start):
        here = end - max(begin, start)
        if here >= left:
            return max(begin, start).astimezone(UTC) + left
        left -= here
    raise ValueError(f"no working day in {SEARCH_DAYS} days from {start:%Y-%m-%d}")


def _openings(calendar: Calendar, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Opening hours from the day of `start` on that have not ended by then, so long as there are any."""
    day, idle = local_day(calendar, start), 0
    while idle < SEARCH_DAYS:
        hours = opening(calendar, day)
        if hours is None or hours[1] <= start:
            idle += 1
        else:
            idle = 0
            yield hours
        day += _DAY
