"""A column of remote values to canonical ones: all at once where that is certain, else value by value.

Almost every column of a page is of one kind: texts that need no cleaning, numbers that are numbers. That can be told of
all of them together by a few calls of C, for a tenth of the price. What such a look does not settle goes through the
parser of its kind, value by value; the answers are the same (tests/mapping compares the two roads).
"""

from __future__ import annotations

import datetime as dt
import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from types import NoneType
from typing import Any, TypeAlias

from prm_sync.canonical import values
from prm_sync.canonical.currencies import EXPONENTS
from prm_sync.canonical.model import Kind

Column: TypeAlias = Sequence[Any]
Fail: TypeAlias = Callable[[int, Any, ValueError], None]
"""(place in the column, value, what is wrong with it)"""

_MISS = object()


def parsed(kind: Kind, column: Column, fail: Fail) -> Column:
    """The canonical values of a kind; None for what is empty, and for what fails."""
    at_once = _AT_ONCE.get(kind)
    made = at_once(column) if at_once is not None else None
    return made if made is not None else each(values.PARSERS[kind], column, fail)


def each(parse: Callable[[Any], Any], column: Column, fail: Fail) -> Column:
    """Value by value."""
    made: list[Any] = []
    add = made.append
    for n, value in enumerate(column):
        if value is None or value == "":
            add(None)
            continue
        try:
            add(parse(value))
        except ValueError as wrong:
            fail(n, value, wrong)
            add(None)
    return made


def each_by(parse: Callable[[Any, Any], Any], column: Column, given: Column, fail: Fail) -> Column:
    """Value by value, each read by another field of its record (a phone by the country)."""
    made: list[Any] = []
    add = made.append
    for n, value in enumerate(column):
        if value is None or value == "":
            add(None)
            continue
        try:
            add(parse(value, given[n]))
        except ValueError as wrong:
            fail(n, value, wrong)
            add(None)
    return made


def looked_up(known: Mapping[Any, Any], column: Column, otherwise: Callable[[int, Any], Any]) -> Column:
    """What `known` has for each value; `otherwise` is asked for all others. Its keys are texts, or None."""
    try:
        made = list(map(known.get, column, repeat(_MISS)))
    except TypeError:  # a list or an object
        made = [known.get(v, _MISS) if v is None or v.__class__ is str else _MISS for v in column]
    if _MISS not in made:
        return made
    return [otherwise(n, column[n]) if found is _MISS else found for n, found in enumerate(made)]


def without_empty(column: Column) -> Column:
    """None for what is empty, all else as it is."""
    if is_plain(column):
        return [v if v and v.strip() else None for v in column]
    return [None if values.is_empty(v) else v for v in column]


def money(column: Column, currencies: Column, fail: Fail) -> Column:
    """Amounts in minor units, each of the currency at its place."""
    if set(map(type, column)) <= {float, NoneType}:
        scales = {c: 10 ** EXPONENTS[c] if c in EXPONENTS else None for c in set(currencies)}
        try:
            made = [None if v is None else values.minor(v, scales[c]) for v, c in zip(column, currencies, strict=True)]
        except ValueError:
            pass
        else:
            return made
    return each_by(values.money, column, currencies, fail)


# --- at once: None where a closer look is needed ---------------------------------------------------------------------


def is_plain(column: Column) -> bool:
    """Whether all values are None or texts that need no cleaning but of spaces at their ends."""
    if not set(map(type, column)) <= {str, NoneType}:
        return False
    joined = "".join(filter(None, column))  # a part of what is printable and normal is so, too
    return joined.isprintable() and (joined.isascii() or unicodedata.is_normalized("NFC", joined))


def _texts(column: Column) -> Column | None:
    return [(v and v.strip()) or None for v in column] if is_plain(column) else None


def _booleans(column: Column) -> Column | None:
    return column if set(map(type, column)) <= {bool, NoneType} else None


def _integers(column: Column) -> Column | None:
    if not set(map(type, column)) <= {int, NoneType}:
        return None
    there = [v for v in column if v is not None]
    return column if not there or (min(there) >= -values.BIGINT and max(there) < values.BIGINT) else None


def _numbers(column: Column) -> Column | None:
    certain = set(map(type, column)) <= {float, NoneType} and math.isfinite(sum(filter(None, column)))
    return column if certain else None


def _instants(column: Column) -> Column | None:
    if not set(map(type, column)) <= {str, NoneType}:
        return None
    read = dt.datetime.fromisoformat
    try:
        made = [read(v) if v else None for v in column]
    except ValueError:
        return None
    return made if all(at is None or at.tzinfo is dt.UTC for at in made) else None


_AT_ONCE: dict[Kind, Callable[[Column], Column | None]] = {
    Kind.TEXT: _texts, Kind.REFERENCE: _texts, Kind.BOOLEAN: _booleans, Kind.INTEGER: _integers,
    Kind.NUMBER: _numbers, Kind.INSTANT: _instants,
}  # fmt: skip
