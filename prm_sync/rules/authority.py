"""Authority: who decides a field that more than one system may change, and what happens where two of them did.

A change counts from the value on which all systems last agreed. One system changed a field: the rule decides whether
the change goes on or is taken back. Two systems changed it, differently: a clash, decided by the rule where there is
one; under `review` the agreed value stays, and nothing of the field is written anywhere, until a person has decided.
A decision holds until one of the systems changes the field again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from prm_sync.canonical.model import Entity
from prm_sync.rules.survivorship import UNCHANGED, Golden, Member, is_null

AGREED = "agreed"  #: provenance of a field under review: what all systems last said
DECIDED = "decision"  #: provenance of a field that a person has decided


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person has decided for one field. `seen`: record -> time of its change that they saw."""

    value: Any
    seen: Mapping[str, datetime | None]


@dataclass(frozen=True, slots=True)
class Side:
    """One system's change of a field. `at` None: it has no time."""

    connection: str
    record: str
    value: Any
    at: datetime | None
    before: Any


@dataclass(frozen=True, slots=True)
class Clash:
    """Two or more systems that changed a field differently since they agreed. `winner` None and `open`: undecided."""

    field: str
    sides: tuple[Side, ...]
    agreed: Any
    rule: str
    open: bool
    winner: Any = None

    def id(self, entity_id: str) -> str:
        """The same clash of the same changes has the same id."""
        told = [entity_id, self.field, [[s.record, s.at, s.value] for s in self.sides]]
        text = json.dumps(told, default=_plain, ensure_ascii=True)
        return "conflict_" + hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Judged:
    """A golden record and what came of its changes. `settled`: fields on which all systems agree again."""

    golden: Golden
    clashes: tuple[Clash, ...] = ()
    settled: tuple[str, ...] = ()


Judge = Callable[[Sequence[Member], Mapping[str, Decision]], Judged]


def judge(
    entity: Entity, merged: Callable[[Sequence[Member]], Golden], watched: Mapping[str, str], review: frozenset[str]
) -> Judge:
    """`merged`: survivorship. `watched`: the fields of which clashes are told, with their rule in words."""
    places = {f.name: i for i, f in enumerate(entity.fields) if f.name in watched}

    def judged(members: Sequence[Member], decisions: Mapping[str, Decision]) -> Judged:
        changed = {n for m in members for n, c in (m.changes or {}).items() if c.before is not UNCHANGED}
        concerned = (changed | decisions.keys()) & places.keys()
        if not concerned:
            return Judged(merged(members))
        verdicts = [
            _Field(name, places[name], watched[name], name in review, decisions.get(name)).verdict(members)
            for name in sorted(concerned)
        ]
        values, provenance = merged(_as_decided(members, verdicts))
        out, clashes = list(values), []
        for v in verdicts:
            if v.fixed is not None:
                out[v.place], origin = v.fixed
                if is_null(out[v.place]):
                    out[v.place] = None
                    provenance.pop(v.name, None)
                else:
                    provenance[v.name] = origin
            elif v.repeats.intersection([provenance.get(v.name, "")]):
                provenance[v.name] = DECIDED
            if v.clash is not None:
                clashes.append(v.clash if v.clash.open else replace(v.clash, winner=out[v.place]))
        return Judged((tuple(out), provenance), tuple(clashes), tuple(v.name for v in verdicts if v.settled))

    return judged


@dataclass(frozen=True, slots=True)
class _Verdict:
    """`fixed`: (value, provenance) whatever survivorship says. `repeats`: records taken to say what was decided."""

    name: str
    place: int
    fixed: tuple[Any, str] | None = None
    decided: Any = None
    repeats: frozenset[str] = frozenset()
    clash: Clash | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True)
class _Field:
    """One field under judgement."""

    name: str
    place: int
    rule: str
    reviewed: bool
    decision: Decision | None

    def verdict(self, members: Sequence[Member]) -> _Verdict:
        said = [m for m in members if not is_null(m.values[self.place])]
        fresh = [m for m in said if self._is_fresh(m)]
        values = _distinct(m.values[self.place] for m in said)
        agrees = self.decision is None or bool(fresh) or values == [self.decision.value]
        if len(values) == 1 and agrees and len({m.connection for m in said}) > 1:
            return _Verdict(self.name, self.place, settled=True)
        repeats: frozenset[str] = frozenset()
        decided = None
        if self.decision is not None:
            repeats, decided = frozenset(m.name for m in said if m not in fresh), self.decision.value
        sides = self._sides(fresh)
        if len(_distinct(s.value for s in sides)) > 1:
            agreed = self.decision.value if self.decision is not None else sides[0].before
            clash = Clash(self.name, sides, agreed, self.rule, open=self.reviewed)
            fixed = (agreed, AGREED) if self.reviewed else None
            return _Verdict(self.name, self.place, fixed, decided, repeats, clash)
        if self.decision is not None and not fresh:
            return _Verdict(self.name, self.place, (self.decision.value, DECIDED))
        if self.reviewed and sides:
            return _Verdict(self.name, self.place, (sides[-1].value, sides[-1].record))
        return _Verdict(self.name, self.place, None, decided, repeats)

    def _is_fresh(self, member: Member) -> bool:
        """Whether the record changed the field since all agreed, or since a person decided."""
        change = (member.changes or {}).get(self.name)
        if change is None or change.before is UNCHANGED or change.before == member.values[self.place]:
            return False
        if self.decision is None or member.name not in self.decision.seen:
            return self.decision is None or member.values[self.place] != self.decision.value
        seen = self.decision.seen[member.name]
        return seen is not None and change.at is not None and change.at > seen

    def _sides(self, fresh: Sequence[Member]) -> tuple[Side, ...]:
        """The last change of each connection, the earliest first."""
        last: dict[str, Side] = {}
        for m in sorted(fresh, key=lambda m: (m.at((self.name,)), m.name)):
            change = (m.changes or {})[self.name]
            last[m.connection] = Side(m.connection, m.name, m.values[self.place], change.at, change.before)
        return tuple(sorted(last.values(), key=lambda s: (s.at is not None, s.at and s.at.timestamp(), s.record)))


def _as_decided(members: Sequence[Member], verdicts: Sequence[_Verdict]) -> Sequence[Member]:
    """Records that did not speak since a decision are taken to say what was decided."""
    out = list(members)
    for v in verdicts:
        if v.repeats:
            for n, m in enumerate(out):
                if m.name in v.repeats:
                    out[n] = replace(m, values=(*m.values[: v.place], v.decided, *m.values[v.place + 1 :]))
    return out


def _distinct(values: Any) -> list[Any]:
    out: list[Any] = []
    for value in values:
        if value not in out:
            out.append(value)
    return out


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


# --- flip-flops --------------------------------------------------------------------------------------------------


def flips(past: Sequence[tuple[Any, Any]], wanted: Any, same: Callable[[Any, Any], bool]) -> int:
    """How often writing `wanted` would make it that a value came back that a field had before.

    `past`: (old, new) of each earlier write in the window, the first one first; an unknown old value is None.
    """
    had: list[Any] = []
    count = 0
    for old, new in [*past, (None, wanted)]:
        count += any(same(new, value) for value in had)
        had += [value for value in (old, new) if value is not None]
    return count
