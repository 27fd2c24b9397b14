"""When an offer runs out: after so many hours, or working hours of the partner's or the policy's calendar."""

from __future__ import annotations

from datetime import datetime, timedelta

from prm_sync.rules.calendar import Calendar, after_working_time
from prm_sync.rules.routing.eligibility import Calendars
from prm_sync.rules.routing.facts import PartnerFacts
from prm_sync.rules.routing.policy import RoutingPolicy


class Deadlines:
    """The deadlines of what is given out at one time."""

    def __init__(self, policy: RoutingPolicy, now: datetime) -> None:
        terms = policy.offer
        self._now, self._working = now, terms.hours == "working"
        self._calendars = Calendars(policy.calendars)
        self._common = policy.calendars[terms.calendar].of(None) if terms.calendar is not None else None
        self._known: dict[tuple[Calendar, float], datetime] = {}

    def of(self, partner: PartnerFacts | None, hours: float) -> datetime:
        """When these hours are over for this partner. None, of a lead that nobody gets: by the clock alone."""
        time = timedelta(hours=hours)
        if not self._working or partner is None:
            return self._now + time
        calendar = self._common or self._calendars.of(partner)
        if (calendar, hours) not in self._known:
            self._known[calendar, hours] = after_working_time(calendar, self._now, time)
        return self._known[calendar, hours]
