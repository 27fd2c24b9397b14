"""The connector's own limit, since the vendor's is not published: at most so many calls a second from this session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from prm_sync.connect import Budget

BURST_S = 1.0  #: what was not used in the last second may be used at once


class PacedBudget:
    """The engine's budget, and before it our own pace. Thread safe."""

    def __init__(
        self,
        budget: Budget,
        calls_per_s: float,
        *,
        clock_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._budget, self._gap_s, self._clock_s, self._sleep = budget, 1 / calls_per_s, clock_s, sleep
        self._free_s = float("-inf")  # when the next call may go, were nothing saved up
        self._lock = threading.Lock()

    def take(self, *limits: str, cost: int = 1) -> None:
        self._budget.take(*limits, cost=cost)
        with self._lock:
            now_s = self._clock_s()
            turn_s = max(self._free_s, now_s - BURST_S)
            self._free_s = turn_s + cost * self._gap_s
        if turn_s > now_s:
            self._sleep(turn_s - now_s)

    def learn(self, limit: str, *, left: int, resets_in_s: float) -> None:
        self._budget.learn(limit, left=left, resets_in_s=resets_in_s)
