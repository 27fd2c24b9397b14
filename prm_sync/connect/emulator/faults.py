"""What can go wrong on the way, on purpose: a plan of faults, each for some calls of some paths."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

EXPIRE_TOKENS = "expire_tokens"  #: the action that an emulator registers to make its access tokens invalid

FaultKind = Literal["status", "lose_answer", "cut", "slow", "action"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. Matches `method` and `path` (shell patterns; the path without its query), lets `skip` matching calls
    pass, then strikes the next `times` of them; `times=None`: until cleared.

        status        answered with `status` (and Retry-After, an HTML page, a vendor's `body`); the call does nothing,
                      unless `applied`: then it was done, and only the answer is wrong
        lose_answer   the call is done (not done where `applied=False`) and never answered: closed after `delay_s`
        cut           the answer stops in the middle of its body
        slow          answered in full, `delay_s` late
        action        the emulator's action named `action` runs, `when` before or after the call, which then is normal
    """

    kind: FaultKind
    times: int | None = 1
    skip: int = 0
    method: str = "*"
    path: str = "*"
    status: int = 500
    retry_after_s: float | None = None
    retry_after_as_date: bool = False
    html: bool = False
    body: Any = None
    headers: dict[str, str] | None = None
    applied: bool | None = None
    delay_s: float = 5.0
    action: str = ""
    when: Literal["before", "after"] = "before"


@dataclass(slots=True)
class _Planned:
    fault: Fault
    skip: int
    left: int | None


class Faults:
    """The plan: faults in the order in which they were given; a call meets the first that matches. Thread safe.

    `actions` are the named deeds that a fault of kind `action`, or a control call, may start.
    """

    def __init__(self, actions: dict[str, Callable[..., Any]] | None = None) -> None:
        self.actions: dict[str, Callable[..., Any]] = dict(actions or {})
        self._plan: list[_Planned] = []
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        """Raises ValueError for an action that the emulator does not know."""
        for fault in faults:
            if fault.kind == "action" and fault.action not in self.actions:
                known = ", ".join(sorted(self.actions)) or "none"
                raise ValueError(f"this emulator has no action {fault.action!r}; it has: {known}")
        with self._lock:
            self._plan += [_Planned(fault, fault.skip, fault.times) for fault in faults]

    def status(self, status: int, **options: Any) -> None:
        """The next call is answered with `status`; `options` as of `Fault`, here and below."""
        self.add(Fault(kind="status", status=status, **options))

    def lose_answer(self, delay_s: float = 5.0, **options: Any) -> None:
        """The next call is done and never answered: a time-out after the write was applied."""
        self.add(Fault(kind="lose_answer", delay_s=delay_s, **options))

    def cut(self, **options: Any) -> None:
        self.add(Fault(kind="cut", **options))

    def slow(self, delay_s: float, **options: Any) -> None:
        self.add(Fault(kind="slow", delay_s=delay_s, **options))

    def expire_tokens(self, **options: Any) -> None:
        """Before the next call all access tokens become invalid. The emulator registers the action `expire_tokens`."""
        self.add(Fault(kind="action", action=EXPIRE_TOKENS, **options))

    def run(self, deed: Callable[[], Any], **options: Any) -> None:
        """`deed` runs before the next call, or after it (`when="after"`: a change between two pages)."""
        name = f"run-{id(deed)}-{len(self.actions)}"
        self.actions[name] = deed
        self.add(Fault(kind="action", action=name, **options))

    def next(self, method: str, path: str) -> Fault | None:
        """The fault that this call meets, counted down; None: it goes well."""
        with self._lock:
            for planned in self._plan:
                fault = planned.fault
                if not (fnmatchcase(method, fault.method) and fnmatchcase(path, fault.path)):
                    continue
                if planned.skip > 0:
                    planned.skip -= 1
                    continue
                if planned.left is not None:
                    planned.left -= 1
                    if planned.left <= 0:
                        self._plan.remove(planned)
                return fault
        return None

    def pending(self) -> Sequence[Fault]:
        with self._lock:
            return [planned.fault for planned in self._plan]

    def clear(self) -> None:
        with self._lock:
            self._plan.clear()
