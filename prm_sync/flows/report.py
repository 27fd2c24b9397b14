"""What a flow says of itself when it is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """How a flow ended. Only `done` is success."""

    DONE = "done"
    PARTIAL = "partial"  #: stopped early in good order; the next run goes on
    HELD = "held"  #: something waits for approval
    FAILED = "failed"


EXIT_CODE = {State.DONE: 0, State.FAILED: 1, State.PARTIAL: 3, State.HELD: 3}
_BY_WEIGHT = (State.DONE, State.PARTIAL, State.HELD, State.FAILED)


@dataclass(slots=True)
class FlowReport:
    """Counts of what was done, the state it ended in, and words where it is not `done`."""

    verb: str
    target: str
    state: State = State.DONE
    message: str | None = None
    numbers: dict[str, int] = field(default_factory=dict)
    work_s: float = 0.0  #: seconds of wall time inside the flow

    def counts(self) -> Mapping[str, int]:
        return self.numbers

    def add(self, **numbers: int) -> None:
        for name, n in numbers.items():
            self.numbers[name] = self.numbers.get(name, 0) + n


def worst(states: Iterable[State]) -> State:
    """The state of several flows together."""
    return max(states, key=_BY_WEIGHT.index, default=State.DONE)
