"""What an emulator was asked: counts by method and route, and the bodies of writes."""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
BODY_KEPT = 1 << 20  #: bytes of one body that are kept
WRITES_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `route` is the path's template where the emulator has one; `status` 0: it was never answered."""

    method: str
    path: str
    route: str
    query: str
    body: bytes
    status: int

    def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is something else."""
        return json.loads(self.body)


class Calls:
    """The calls so far. Thread safe."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._writes: deque[Call] = deque(maxlen=WRITES_KEPT)
        self._lock = threading.Lock()

    def note(self, call: Call) -> None:
        with self._lock:
            self._counts[call.method, call.route] += 1
            if call.method in WRITES:
                self._writes.append(call)

    def count(self, method: str | None = None, route: str | None = None) -> int:
        """How many calls of this method and route (None: any)."""
        with self._lock:
            return sum(n for (m, r), n in self._counts.items() if method in (None, m) and route in (None, r))

    def counts(self) -> dict[tuple[str, str], int]:
        with self._lock:
            return dict(self._counts)

    def writes(self, route: str | None = None) -> Sequence[Call]:
        """POST, PUT, PATCH and DELETE calls, oldest first, with their bodies."""
        with self._lock:
            return [call for call in self._writes if route in (None, call.route)]

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()
            self._writes.clear()
