"""Leads as columns: of a field each lead has the number of its value. Leads with the same numbers are decided alike.

A million leads have few countries, products and languages: whole columns of numbers are put together, sorted and told
apart at once, and only one lead of each group is ever looked at by itself.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from operator import itemgetter, lt
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from prm_sync.rules.routing.facts import LeadFacts

Numbers: TypeAlias = npt.NDArray[np.integer[Any]]
Floats: TypeAlias = npt.NDArray[np.float64]

_MOST = 1 << 62  #: a number that two columns make together stays below
_DEFAULTS = LeadFacts("")._asdict()


class Column(NamedTuple):
    """One field of many leads."""

    numbers: Numbers  #: of each lead the position of its value in `values`
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class LeadColumns:
    """Leads, a column for every field of `LeadFacts`; one that is missing has its default for all of them."""

    ids: Sequence[str]
    priorities: Floats
    fields: Mapping[str, Column]

    def column(self, name: str) -> Column:
        return self.fields.get(name) or Column(np.zeros(len(self.ids), np.uint8), [_DEFAULTS[name]])

    def at(self, places: Numbers) -> Iterable[LeadFacts]:
        """The leads at some places, one by one."""
        columns: list[Iterable[Any]] = [[self.ids[n] for n in places.tolist()], self.priorities[places].tolist()]
        for name in LeadFacts._fields[2:]:
            numbers, values = self.column(name)
            one = len(values) == 1
            columns.append(repeat(values[0]) if one else map(values.__getitem__, numbers[places].tolist()))
        return map(tuple.__new__, repeat(LeadFacts), zip(*columns, strict=False))  # some columns never end


def columns_of(leads: Iterable[tuple[Any, ...]]) -> LeadColumns:
    """`leads`: `LeadFacts`, or tuples like them."""
    rows = leads if isinstance(leads, Sequence) else list(leads)
    ids, priorities = [row[0] for row in rows], np.fromiter(map(itemgetter(1), rows), np.float64, len(rows))
    fields = {name: numbered([row[n] for row in rows]) for n, name in enumerate(LeadFacts._fields[2:], start=2)}
    return LeadColumns(ids, priorities, fields)


def numbered(values: Sequence[Any]) -> Column:
    """A column of values, each value numbered as it comes up first."""
    known = {value: n for n, value in enumerate(dict.fromkeys(values))}
    if len(known) <= 1:
        return Column(np.zeros(len(values), np.uint8), list(known))
    return Column(np.fromiter(map(known.__getitem__, values), np.min_scalar_type(len(known)), len(values)), list(known))


def of_pairs(a: Column, b: Column, made: Callable[[Any, Any], Any]) -> Column:
    """What is made of the values of two columns: once of each pair that occurs."""
    together = a.numbers.astype(np.int64) * len(b.values) + b.numbers
    pairs, number = np.unique(together, return_inverse=True)
    found = [made(a.values[n // len(b.values)], b.values[n % len(b.values)]) for n in pairs.tolist()]
    values = numbered(found)
    return Column(values.numbers[number], values.values)


def grouped(columns: Sequence[Column], size: int) -> tuple[Numbers, array[int]]:
    """The place of one lead of each group, and the group of each lead. Leads of a group agree in all these columns.

    The groups come sorted by the columns' numbers, the first column first.
    """
    together, many = np.zeros(size, np.int64), 1
    for numbers, values in columns:
        if len(values) > 1:
            if many * len(values) >= _MOST:
                found, together = np.unique(together, return_inverse=True)
                many = len(found)
            together = together * len(values) + numbers
            many *= len(values)
    _, first, group = np.unique(together, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty(len(first), np.uint32)
    number[order] = np.arange(len(first), dtype=np.uint32)
    return first[order], array("I", number[group].tobytes())


def in_order(priorities: Floats, ids: Sequence[str]) -> Sequence[int]:
    """The places of leads in the order in which they choose: by priority, the highest first, then by id."""
    falls = priorities[1:] < priorities[:-1]
    level = priorities[1:] == priorities[:-1]
    rises = np.fromiter(map(lt, ids, islice(ids, 1, None)), np.bool_, max(len(ids) - 1, 0))
    if (falls | level & rises).all():
        return range(len(ids))  # they come so from the warehouse
    by_id = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
    order: list[int] = by_id[np.argsort(-priorities[by_id], kind="stable")].tolist()
    return order
