"""How long a pull will go on, by the pages it has read so far; and when work beside it is to begin, to end with it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Literal, TypeAlias

Turn: TypeAlias = Literal["full", "small", "rest", "leave"]


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


class Chunks:
    """Whose turn it is beside a pull: after each chunk of work comes as much rest, but the last one ends with the pull.

    A chunk does what the pull has brought since the one before began, so it takes longer the later it begins. Towards
    the end `small` ones will do, for what the last one leaves is done when the pull is.
    """

    def __init__(self, look_every_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._look_every_s, self._now = look_every_s, now
        self._began, self._due = now(), now() + look_every_s
        self._cost = 0.0  #: seconds of work for each second of pull

    def turn(self, left_s: float) -> Turn:
        """What to do now, where the pull has so many seconds left; `leave`: a chunk would not be done before it."""
        takes_s = self._cost * (self._now() - self._began)
        spare_s = left_s - takes_s
        if spare_s < 0 or left_s < self._look_every_s / 2:
            return "leave"
        if self._cost and spare_s < self._look_every_s / 5:
            return "small"
        if self._now() < self._due:
            return "rest"
        return "full" if spare_s > takes_s else "small"

    def done(self, began: float, *, idle: bool) -> None:
        """A chunk that began then is done; `idle`: too little was waiting."""
        if not idle:
            self._cost = (self._now() - began) / (began - self._began)
            self._began = began
        self._due = self._now() + max(self._look_every_s, 0.0 if idle else self._now() - began)
