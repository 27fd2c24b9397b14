"""When an offer runs out: after so many hours, or working hours of the partner's or the policy's calendar."""

from __future__ import annotations

from datetime import datetime, timedelta

from prm_sync.rules.calendar import Calendar, after_working_time
from prm_sync.rules.routing.eligibility import Calendars
from prm_sync.rules.routing.facts import PartnerFacts
from prm_sync.rules.routing.policy import RoutingPolicy


class Deadlines:
    """The deadlines of the offers that are made at one time."""

    def __init__(self, policy: RoutingPolicy, now: datetime) -> None:
        terms = policy.offer
        self._now, self._time, self._working = now, timedelta(hours=terms.expires_after_h), terms.hours == "working"
        self._calendars = Calendars(policy.calendars)
        self._common = policy.calendars[terms.calendar].of(None) if terms.calendar is not None else None
        self._known: dict[Calendar, datetime] = {}

    def of(self, partner: PartnerFacts | None) -> datetime:
        """When an offer to this partner runs out. None, of a lead that nobody gets: by the clock alone."""
        if not self._working or partner is None:
            return self._now + self._time
        calendar = self._common or self._calendars.of(partner)
        if calendar not in self._known:
            self._known[calendar] = after_working_time(calendar, self._now, self._time)
        return self._known[calendar]
