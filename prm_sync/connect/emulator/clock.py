"""An emulated vendor's clock: it can be held, moved, and set wrong against the real time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime


def _real_time() -> datetime:
    return datetime.now(UTC)


class Clock:
    """The time of the emulated server, always aware and UTC. Thread safe.

    `skew` is how far it goes ahead of `real` (negative: behind). While held, only `advance` moves it; after `release`
    it goes on from where it stood, so that it never jumps back.
    """

    def __init__(self, skew: timedelta = timedelta(), real: Callable[[], datetime] = _real_time) -> None:
        self._skew, self._real = skew, real
        self._held: datetime | None = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._now()

    def advance(self, by: timedelta) -> datetime:
        with self._lock:
            if self._held is not None:
                self._held += by
            self._skew += by
            return self._now()

    def hold(self, at: datetime | None = None) -> datetime:
        """Stand still, at `at` or at this moment."""
        with self._lock:
            self._held = at or self._now()
            return self._held

    def release(self) -> datetime:
        with self._lock:
            if self._held is not None:
                self._skew, self._held = self._held - self._real(), None
            return self._now()

    def set_skew(self, skew: timedelta) -> datetime:
        """Go `skew` ahead of the real time from now on; a held clock is released."""
        with self._lock:
            self._skew, self._held = skew, None
            return self._now()

    def http_date(self) -> str:
        """The time as in a `Date` header (RFC 9110, 5.6.7)."""
        return format_datetime(self.now(), usegmt=True)

    def _now(self) -> datetime:
        return self._held if self._held is not None else self._real() + self._skew
