"""Survivorship: the golden record of the source records that are one entity.

Each field goes by its `Merge` rule, or by that of policies/survivorship.yaml. The answer depends on the records alone,
never on the order in which they are given or arrived: every rule ends in the record's name as the last tie-break.
A null never beats a value. A field that changed since its record was first read has a time of its own.

An amount and its currency are one value: the currency is chosen first, and amounts in another one do not survive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeAlias

from prm_sync.canonical.model import Entity, Field, Kind, Merge

Golden: TypeAlias = tuple[tuple[Any, ...], dict[str, str]]
"""Values in the order of `Entity.fields`, and for each that is not null its record, "connection/stream/remote_id"."""

_Row: TypeAlias = tuple[tuple[Any, ...], str]
"""A member's values with every null as None, and its name."""
_NEVER = datetime.min.replace(tzinfo=UTC)
_NOT_YET = datetime.max.replace(tzinfo=UTC)


class Unchanged(Enum):
    """What stands in `Change.before` where a field did not change since all systems agreed on it."""

    UNCHANGED = 0


UNCHANGED = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True)
class Change:
    """When one field of a record last changed. `at` None: never by itself, it repeats what we wrote there.

    `before`: what it said when all systems last agreed on it.
    """

    at: datetime | None
    before: Any = UNCHANGED


@dataclass(frozen=True, slots=True)
class Member:
    """One source record of an entity, its values in the order of `Entity.fields`. Times are aware."""

    connection: str
    stream: str
    remote_id: str
    values: tuple[Any, ...]
    changed_at: datetime | None = None  #: last change, as the remote says, of the fields that are not in `changes`
    first_at: datetime | None = None  #: when the record was made, or first seen
    changes: Mapping[str, Change] | None = None  #: fields that have changed since the record was first read

    @property
    def name(self) -> str:
        return f"{self.connection}/{self.stream}/{self.remote_id}"

    def at(self, fields: Sequence[str]) -> datetime:
        """When the last of these fields changed."""
        if not self.changes:
            return self.changed_at or _NEVER
        found = (self.changes[f].at if f in self.changes else self.changed_at for f in fields)
        return max((t for t in found if t is not None), default=_NEVER)


@dataclass(frozen=True, slots=True)
class Rule:
    """How one field survives. `trust`: connections, the most trusted first; empty: as the project says."""

    merge: Merge
    trust: tuple[str, ...] = ()


def golden(members: Sequence[Member], entity: Entity, trust: Sequence[str]) -> Golden:
    """`trust`: connections, the most trusted first; those not named come last. Raises ValueError without a member."""
    return merger(entity, trust)(members)


def merger(
    entity: Entity, trust: Sequence[str], rules: Mapping[str, Rule] | None = None
) -> Callable[[Sequence[Member]], Golden]:
    """`golden` for many entities of one kind: what depends on the fields alone is worked out once.

    `rules` by field take the place of the field table's; that of a currency is that of its amounts.
    """
    names = tuple(f.name for f in entity.fields)
    plain, currencies = _plan(entity, rules or {})

    def merged(members: Sequence[Member]) -> Golden:
        if not members:
            raise ValueError("an entity without a source record has no golden record")
        if len(members) == 1:
            values, source = _row(members[0])
            return values, {name: source for name, v in zip(names, values, strict=True) if v is not None}
        asked = _Asked(members, trust)
        found: dict[int, tuple[Any, str]] = {}
        for i, rule in plain:
            _put(found, i, _PICK[rule.merge](asked.order(rule, (names[i],)), i))
        for currency, amounts, rule in currencies:
            order = asked.order(rule, tuple(names[i] for i in (currency, *amounts)))
            _merge_money(found, currency, amounts, order)
        nothing = (None, "")
        return (
            tuple(found.get(i, nothing)[0] for i in range(len(names))),
            {names[i]: found[i][1] for i in sorted(found)},
        )

    return merged


class _Asked:
    """The members of one entity in the orders in which rules ask them, the first to be asked first."""

    def __init__(self, members: Sequence[Member], trust: Sequence[str]) -> None:
        ordered = sorted(members, key=lambda m: (m.connection, m.stream, m.remote_id))
        self.rows = [(m, _row(m)) for m in ordered]
        self.trust = trust
        self.timed = {name for m in members for name in m.changes or ()}  #: fields that have times of their own
        self.known: dict[tuple[Merge, tuple[str, ...]], list[_Row]] = {}

    def order(self, rule: Rule, fields: tuple[str, ...]) -> list[_Row]:
        if not self.timed.isdisjoint(fields):
            return self._sorted(rule, fields)
        key = (rule.merge, rule.trust)
        if key not in self.known:
            self.known[key] = self._sorted(rule, ())
        return self.known[key]

    def _sorted(self, rule: Rule, fields: tuple[str, ...]) -> list[_Row]:
        if rule.merge is Merge.OLDEST:
            return [row for _, row in sorted(self.rows, key=lambda n: n[0].first_at or _NOT_YET)]
        latest = sorted(self.rows, key=lambda n: n[0].at(fields or _ALL), reverse=True)
        if rule.merge is Merge.TRUSTED:
            place = {connection: n for n, connection in enumerate(rule.trust or self.trust)}
            latest = sorted(latest, key=lambda n: place.get(n[0].connection, len(place)))
        return [row for _, row in latest]


_ALL = ("",)
"""No field's name: the time of the fields that did not change by themselves."""


def compact(provenance: Mapping[str, str]) -> dict[str, str]:
    """The same with the commonest record as `*`, "all other fields that are not null"; how the warehouse keeps it."""
    if not provenance:
        return {}
    counts = Counter(provenance.values())
    commonest = min(counts, key=lambda name: (-counts[name], name))
    return {"*": commonest} | {field: name for field, name in provenance.items() if name != commonest}


def is_null(value: Any) -> bool:
    """None, an empty text and an empty list say nothing."""
    return value is None or value in ("", [], ())


def _plan(
    entity: Entity, rules: Mapping[str, Rule]
) -> tuple[list[tuple[int, Rule]], list[tuple[int, list[int], Rule]]]:
    """The fields that stand for themselves with their rule, and each currency with the amounts that are read by it."""
    position = {f.name: i for i, f in enumerate(entity.fields)}
    amounts: dict[int, list[int]] = {}
    for f in entity.fields:
        if _is_amount(f, position):
            amounts.setdefault(position[f.given or ""], []).append(position[f.name])
    tied = {i for currency, group in amounts.items() for i in (currency, *group)}
    plain = [(i, rules.get(f.name) or Rule(f.merge)) for i, f in enumerate(entity.fields) if i not in tied]
    by_time = Rule(Merge.LATEST)
    return plain, [(c, group, rules.get(entity.fields[c].name, by_time)) for c, group in amounts.items()]


def _is_amount(field: Field, position: Mapping[str, int]) -> bool:
    return field.kind is Kind.MONEY and field.given in position


def _row(member: Member) -> _Row:
    return tuple([None if is_null(v) else v for v in member.values]), member.name


def _put(found: dict[int, tuple[Any, str]], i: int, row: _Row | None) -> None:
    if row is not None:
        found[i] = (row[0][i], row[1])


def _first(order: Sequence[_Row], i: int) -> _Row | None:
    for row in order:
        if row[0][i] is not None:
            return row
    return None


def _longest(order: Sequence[_Row], i: int) -> _Row | None:
    """The longest text; of equally long ones the first in order."""
    return max((row for row in order if row[0][i] is not None), key=lambda row: len(str(row[0][i])), default=None)


def _true_if_any(order: Sequence[_Row], i: int) -> _Row | None:
    """The latest record that says true; where none does, the latest that says anything."""
    return next((row for row in order if row[0][i] is True), None) or _first(order, i)


def _most_said(order: Sequence[_Row], i: int) -> _Row | None:
    """The latest record that says what most say; between values that equally many say, the latest decides."""
    said = [row for row in order if row[0][i] is not None]
    counts = Counter(repr(row[0][i]) for row in said)
    return max(said, key=lambda row: counts[repr(row[0][i])], default=None)


_PICK: dict[Merge, Callable[[Sequence[_Row], int], _Row | None]] = {
    Merge.LATEST: _first,
    Merge.TRUSTED: _first,
    Merge.OLDEST: _first,
    Merge.LONGEST: _longest,
    Merge.ANY: _true_if_any,
    Merge.FREQUENT: _most_said,
}


def _merge_money(found: dict[int, tuple[Any, str]], currency: int, amounts: list[int], order: Sequence[_Row]) -> None:
    """The currency of the latest record that has an amount with it; then the latest amounts in that currency."""
    whole = [row for row in order if row[0][currency] is not None]
    priced = next((row for row in whole if any(row[0][i] is not None for i in amounts)), None)
    chosen = priced or (whole[0] if whole else None)
    _put(found, currency, chosen)
    wanted = chosen[0][currency] if chosen else None
    for i in amounts:
        _put(found, i, _first([row for row in order if row[0][currency] == wanted], i))
