"""How many calls a connection may still make: the arithmetic as pure functions, and a budget in memory on top of it.

A limit of `permits` calls in `per_s` seconds is kept as a sliding window: in *any* stretch of `per_s` seconds no more
than `permits * share` are granted. A token bucket would be shorter, but it starts full and refills meanwhile, so it
grants up to twice the share in the first window; with a daily quota that is other people's quota. The window is kept in
`SLOTS` slots, so the state is small (it fits one database row) and a permit comes back at most one slot late.

What the remote itself says is left (`learned`) counts until it resets: it knows what others used. A small reserve of it
is never touched, so that people can still log in when we have eaten our share. Of our share, in turn, whoever only
reads leaves a part to those who write back: a read that is stopped goes on tomorrow, an answer to a partner should not.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from prm_sync.connect.protocol import Limit
from prm_sync.errors import ContractBroken, QuotaSpent

SLOTS: Final = 24
RESERVE: Final = 0.02  #: part of a limit's permits that is left to people, by the remote's own count
LONG_S: Final = 3_600.0  #: windows as long as this have a reserve for writing; in shorter ones everybody just waits
LONGEST_WAIT_S: Final = 60.0  #: longer than this is no wait but the end of the run


@dataclass(frozen=True, slots=True)
class Usage:
    """What was taken of one limit. `slots`: (slot number, permits), oldest first. Times are Unix seconds.

    `left` is what the remote last said, less what was taken since; None where it said nothing, or it has reset.
    """

    slots: tuple[tuple[int, int], ...] = ()
    left: int | None = None
    resets_at: float = 0.0


def granted_permits(limit: Limit, *, reading: bool = False) -> int:
    """The permits of one window that are ours (that reading may use); at least 1, or nothing could ever be called."""
    return max(1, math.floor(limit.permits * (limit.share - _reserved(limit, reading=reading)) + 1e-9))


def _reserved(limit: Limit, *, reading: bool) -> float:
    """The part of all permits that is left to writing."""
    return limit.share * limit.reserve if reading and limit.per_s >= LONG_S else 0.0


def grant(usage: Usage, limit: Limit, cost: int, now: float, *, reading: bool = False) -> tuple[Usage, float]:
    """Takes `cost` permits: the new usage and 0.0; or, where it must wait, the usage without them and how long (s).

    A call that costs more than our whole share is counted as the whole share. `reading`: the reserve is not touched.
    """
    usage = _current(usage, limit, now)
    ours = granted_permits(limit, reading=reading)
    cost = min(cost, ours)
    slot_s = limit.per_s / SLOTS
    wait_s, used = 0.0, sum(permits for _, permits in usage.slots)
    for slot, permits in usage.slots:
        if used + cost <= ours:
            break
        used -= permits
        wait_s = _ends(slot, slot_s, limit) - now
    if usage.left is not None and usage.left - cost < math.floor(
        limit.permits * (RESERVE + _reserved(limit, reading=reading))
    ):
        wait_s = max(wait_s, usage.resets_at - now)
    if wait_s > 0:
        return usage, wait_s
    this = math.floor(now / slot_s)
    *before, last = usage.slots or ((this, 0),)
    slots = (*before, (this, last[1] + cost)) if last[0] >= this else (*before, last, (this, cost))
    return replace(usage, slots=slots, left=None if usage.left is None else usage.left - cost), 0.0


def grant_all(
    usages: Mapping[str, Usage], limits: Sequence[Limit], cost: int, now: float, *, reading: bool = False
) -> tuple[dict[str, Usage], float]:
    """Takes `cost` of every limit or of none: the new usages by limit name and 0.0, or those without, and the wait."""
    tried = {limit.name: grant(usages.get(limit.name, Usage()), limit, cost, now, reading=reading) for limit in limits}
    wait_s = max((wait for _, wait in tried.values()), default=0.0)
    if wait_s > 0:
        return dict(usages), wait_s
    return {**usages, **{name: usage for name, (usage, _) in tried.items()}}, 0.0


def learned(usage: Usage, *, left: int, resets_in_s: float, now: float) -> Usage:
    """The usage corrected by what a response's headers say: `left` permits until the reset."""
    return replace(usage, left=max(0, left), resets_at=now + max(0.0, resets_in_s))


def usage_to_json(usage: Usage) -> dict[str, Any]:
    """As stored in a database row; `usage_from_json` reads it."""
    return dict(msgspec.to_builtins(usage))


def usage_from_json(data: Mapping[str, Any]) -> Usage:
    return msgspec.convert(data, Usage)


def limits_named(limits: Mapping[str, Limit], names: Sequence[str]) -> list[Limit]:
    """The declared limits of these names. Raises ContractBroken for one that the connector does not declare."""
    unknown = sorted(set(names) - set(limits))
    if unknown:
        known = ", ".join(sorted(limits)) or "none"
        raise ContractBroken(f"the connector asks for the limit {', '.join(unknown)}; it declares: {known}")
    return [limits[name] for name in names]


class LocalBudget:
    """The budget of one process, in memory. Thread safe. `now` and `sleep` are the clock (Unix seconds)."""

    def __init__(
        self,
        connection: str,
        limits: Sequence[Limit],
        *,
        longest_wait_s: float = LONGEST_WAIT_S,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection, self._limits = connection, {limit.name: limit for limit in limits}
        self._longest_wait_s, self._now, self._sleep = longest_wait_s, now, sleep
        self._usages: dict[str, Usage] = {}
        self._lock = threading.Lock()

    def take(self, *limits: str, cost: int = 1) -> None:
        """Waits for a permit of each limit; raises QuotaSpent where that would be longer than `longest_wait_s`."""
        wanted = limits_named(self._limits, limits)

        def attempt(now: float) -> float:
            with self._lock:
                self._usages, wait_s = grant_all(self._usages, wanted, cost, now)
            return wait_s

        wait_until_granted(
            attempt, self._connection, limits, longest_wait_s=self._longest_wait_s, now=self._now, sleep=self._sleep
        )

    def learn(self, limit: str, *, left: int, resets_in_s: float) -> None:
        limits_named(self._limits, [limit])
        with self._lock:
            usage = self._usages.get(limit, Usage())
            self._usages[limit] = learned(usage, left=left, resets_in_s=resets_in_s, now=self._now())


def wait_until_granted(
    attempt: Callable[[float], float], connection: str, limits: Sequence[str], *,
    longest_wait_s: float, now: Callable[[], float], sleep: Callable[[float], None],
) -> None:  # fmt: skip
    """The waiting of every budget. `attempt(now)` takes the permits and says 0.0, or how long there are none (s).

    Raises QuotaSpent where the wait would be longer than `longest_wait_s`.
    """
    give_up = now() + longest_wait_s
    while True:
        at = now()
        wait_s = attempt(at)
        if wait_s <= 0:
            return
        if at + wait_s > give_up:
            raise QuotaSpent(
                f"{connection}: our share of {', '.join(limits)} is used up for {wait_s:.0f} s; "
                "the next run goes on from the cursor"
            )
        sleep(wait_s)


def _current(usage: Usage, limit: Limit, now: float) -> Usage:
    slot_s = limit.per_s / SLOTS
    slots = tuple(slot for slot in usage.slots if _ends(slot[0], slot_s, limit) > now)
    left = usage.left if now < usage.resets_at else None
    return replace(usage, slots=slots, left=left)


def _ends(slot: int, slot_s: float, limit: Limit) -> float:
    """When the last permit of a slot may be given again: one window after the slot's end."""
    return (slot + 1) * slot_s + limit.per_s
