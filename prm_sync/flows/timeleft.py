"""How long a pull will go on, by the pages it has read so far."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class TimeLeft:
    """Told of every page, as `pull`'s `on_page`; asked from another thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._first = self._last = (0.0, 0)  #: when, and records by then
        self._total: int | None = None

    def page(self, records: int, total: int | None) -> None:
        """So many records of the stream are read, of `total` where the remote says how many there are."""
        at = (self._now(), records)
        if not self._first[1] or records <= self._last[1]:  # the first of all, or of another stream
            self._first = at
        self._last, self._total = at, total

    def seconds(self) -> float:
        """Of the stream that is being read; infinite as long as that cannot be said."""
        (began, first), (at, last), total = self._first, self._last, self._total
        if total is None or last <= first or at <= began:
            return math.inf
        return max(0.0, (total - last) * (at - began) / (last - first) - (self._now() - at))
