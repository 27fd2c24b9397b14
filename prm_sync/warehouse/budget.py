"""The budget of a connection, shared by all processes through `ops.budget`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
import sqlalchemy as sa

from prm_sync.connect.budget import (
    LONGEST_WAIT_S,
    Usage,
    grant_all,
    learned,
    limits_named,
    usage_from_json,
    usage_to_json,
    wait_until_granted,
)
from prm_sync.connect.protocol import Limit

AGREES_S = 60.0  #: so much later than we believed a limit may reset, or a tenth of the time left, before it is written


class SharedBudget:
    """Permits are taken in a short transaction of their own: what one process took, the others see.

    `reading`: it leaves the reserve to those who write back.
    """

    def __init__(
        self, db: sa.Engine, connection: str, limits: Sequence[Limit], *, reading: bool = False,
        now: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._db, self._connection, self._limits = db, connection, {limit.name: limit for limit in limits}
        self._now, self._sleep, self._reading = now, sleep, reading
        self._counted: dict[str, Usage] = {}  #: as last written by us

    def take(self, *limits: str, cost: int = 1) -> None:
        """Waits for a permit of each limit; raises QuotaSpent where that would be longer than a minute."""
        wanted = limits_named(self._limits, limits)
        if not wanted:
            return

        def attempt(now: float) -> float:
            with self._db.begin() as tx:
                before = self._usages(tx, [w.name for w in wanted])
                after, wait_s = grant_all(before, wanted, cost, now, reading=self._reading)
                if wait_s <= 0:
                    self._keep(tx, {w.name: after[w.name] for w in wanted})
            return wait_s

        wait_until_granted(
            attempt, self._connection, limits, longest_wait_s=LONGEST_WAIT_S, now=self._now, sleep=self._sleep
        )

    def learn(self, limit: str, *, left: int, resets_in_s: float) -> None:
        """Correct the count by what a response's headers say."""
        limits_named(self._limits, [limit])
        now = self._now()
        counted = self._counted.get(limit)
        known_until = now + resets_in_s - min(AGREES_S, resets_in_s / 10)
        if counted is not None and counted.left == left and counted.resets_at >= known_until:
            return  # most answers say what we have counted
        with self._db.begin() as tx:
            usage = self._usages(tx, [limit]).get(limit, Usage())
            self._keep(tx, {limit: learned(usage, left=left, resets_in_s=resets_in_s, now=now)})

    def _usages(self, tx: sa.Connection, names: Sequence[str]) -> dict[str, Usage]:
        """The usages of these limits, locked until the transaction ends (in one order: no deadlock)."""
        found = self._locked(tx, names)
        if len(found) < len(set(names)):
            tx.execute(
                sa.text(
                    "INSERT INTO ops.budget (connection, limit_name, state) VALUES (:c, :l, cast(:state AS jsonb)) "
                    "ON CONFLICT DO NOTHING"
                ),
                [{"c": self._connection, "l": name, "state": _encoded(Usage())} for name in sorted(set(names))],
            )
            found = self._locked(tx, names)
        return found

    def _locked(self, tx: sa.Connection, names: Sequence[str]) -> dict[str, Usage]:
        # All calls of a connection wait for one another here: few turns, and a crash may forget an instant's permits.
        rows = tx.execute(
            sa.text(
                "SELECT limit_name, state, set_config('synchronous_commit', 'off', true) FROM ops.budget "
                "WHERE connection = :c AND limit_name = ANY(:names) ORDER BY limit_name FOR UPDATE"
            ),
            {"c": self._connection, "names": list(names)},
        )
        return {r.limit_name: usage_from_json(r.state) for r in rows}

    def _keep(self, tx: sa.Connection, usages: dict[str, Usage]) -> None:
        tx.execute(
            sa.text(
                "UPDATE ops.budget b SET state = cast(n.state AS jsonb) "
                "FROM unnest(cast(:names AS text[]), cast(:states AS text[])) AS n (name, state) "
                "WHERE b.connection = :c AND b.limit_name = n.name"
            ),
            {"c": self._connection, "names": list(usages), "states": [_encoded(u) for u in usages.values()]},
        )
        self._counted |= usages


def _encoded(usage: Usage) -> str:
    return msgspec.json.encode(usage_to_json(usage)).decode()
