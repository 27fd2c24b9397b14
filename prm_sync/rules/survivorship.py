"""Survivorship: the golden record of the source records that are one entity.

Each field goes by its `Merge` rule. The answer depends on the records alone, never on the order in which they are given
or arrived: every rule ends in the record's name as the last tie-break. A null never beats a value.

An amount and its currency are one value: the currency is chosen first, and amounts in another one do not survive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from prm_sync.canonical.model import Entity, Field, Kind, Merge

Golden: TypeAlias = tuple[tuple[Any, ...], dict[str, str]]
"""Values in the order of `Entity.fields`, and for each that is not null its record, "connection/stream/remote_id"."""

_Row: TypeAlias = tuple[tuple[Any, ...], str]
"""A member's values with every null as None, and its name."""
_NEVER = datetime.min.replace(tzinfo=UTC)
_NOT_YET = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Member:
    """One source record of an entity, its values in the order of `Entity.fields`. Times are aware."""

    connection: str
    stream: str
    remote_id: str
    values: tuple[Any, ...]
    changed_at: datetime | None = None  #: last change, as the remote says
    first_at: datetime | None = None  #: when the record was made, or first seen

    @property
    def name(self) -> str:
        return f"{self.connection}/{self.stream}/{self.remote_id}"


def golden(members: Sequence[Member], entity: Entity, trust: Sequence[str]) -> Golden:
    """`trust`: connections, the most trusted first; those not named come last. Raises ValueError without a member."""
    return merger(entity, trust)(members)


def merger(entity: Entity, trust: Sequence[str]) -> Callable[[Sequence[Member]], Golden]:
    """`golden` for many entities of one kind: what depends on the fields alone is worked out once."""
    place = {connection: n for n, connection in enumerate(trust)}
    names = tuple(f.name for f in entity.fields)
    plain, currencies = _plan(entity)

    def merged(members: Sequence[Member]) -> Golden:
        if not members:
            raise ValueError("an entity without a source record has no golden record")
        if len(members) == 1:
            values, source = _row(members[0])
            return values, {name: source for name, v in zip(names, values, strict=True) if v is not None}
        orders = _orders(members, place)
        found: dict[int, tuple[Any, str]] = {}
        for i, rule in plain:
            _put(found, i, _PICK[rule](orders[rule], i))
        for currency, amounts in currencies:
            _merge_money(found, currency, amounts, orders[Merge.LATEST])
        nothing = (None, "")
        return (
            tuple(found.get(i, nothing)[0] for i in range(len(names))),
            {names[i]: found[i][1] for i in sorted(found)},
        )

    return merged


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


def _plan(entity: Entity) -> tuple[list[tuple[int, Merge]], list[tuple[int, list[int]]]]:
    """The fields that stand for themselves with their rule, and each currency with the amounts that are read by it."""
    position = {f.name: i for i, f in enumerate(entity.fields)}
    amounts: dict[int, list[int]] = {}
    for f in entity.fields:
        if _is_amount(f, position):
            amounts.setdefault(position[f.given or ""], []).append(position[f.name])
    tied = {i for currency, group in amounts.items() for i in (currency, *group)}
    return [(i, f.merge) for i, f in enumerate(entity.fields) if i not in tied], list(amounts.items())


def _is_amount(field: Field, position: Mapping[str, int]) -> bool:
    return field.kind is Kind.MONEY and field.given in position


def _row(member: Member) -> _Row:
    return tuple([None if is_null(v) else v for v in member.values]), member.name


def _orders(members: Sequence[Member], place: Mapping[str, int]) -> dict[Merge, list[_Row]]:
    """The members as each rule would ask them, the first to be asked first."""
    named = [(m, _row(m)) for m in sorted(members, key=lambda m: (m.connection, m.stream, m.remote_id))]
    latest = sorted(named, key=lambda n: n[0].changed_at or _NEVER, reverse=True)
    trusted = sorted(latest, key=lambda n: place.get(n[0].connection, len(place)))
    oldest = sorted(named, key=lambda n: n[0].first_at or _NOT_YET)
    by_change = [row for _, row in latest]
    return {
        Merge.LATEST: by_change,
        Merge.ANY: by_change,
        Merge.LONGEST: by_change,
        Merge.TRUSTED: [row for _, row in trusted],
        Merge.OLDEST: [row for _, row in oldest],
    }


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


_PICK: dict[Merge, Callable[[Sequence[_Row], int], _Row | None]] = {
    Merge.LATEST: _first,
    Merge.TRUSTED: _first,
    Merge.OLDEST: _first,
    Merge.LONGEST: _longest,
    Merge.ANY: _true_if_any,
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
