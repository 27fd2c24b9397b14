"""Reconcile: what must be sent so that the remote is as it should be, and whether it may be sent now.

An echo is no change: a value that comes back in another spelling (`1` as `"1.00"`, another time zone, an empty text for
nothing) is the same value. Only `same` knows this; everything else asks it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeAlias

Class: TypeAlias = Literal["transient", "fixable", "permanent"]

_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d{1,3})?")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?\s?(Z|[-+]\d\d(:?\d\d)?)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_EPOCH_MS = 100_000_000_000  #: an epoch above this counts milliseconds (in seconds it would be the year 5138)


# --- what has changed --------------------------------------------------------------------------------------------


def difference(
    desired: Mapping[str, Any],
    observed: Mapping[str, Any] | None,
    fields: Collection[str],
    kinds: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The remote fields to set, as `desired` has them: those of `fields` that differ from what was last observed.

    A field that `desired` lacks is not ours and is left alone; None there clears the remote's. `observed` None: there
    is no record yet, and all that is not empty is set. Names may be dotted: `address.city`. `kinds` (field -> "text",
    "number", "datetime" ...) are only needed where a value does not tell: as to whether "7" and "7.0" are numbers.
    """
    ours = [(name, desired[name]) for name in fields if name in desired]
    if observed is None:
        return {name: value for name, value in ours if _settled(value) is not None}
    known = kinds or {}
    return {name: value for name, value in ours if not same(value, value_at(observed, name), known.get(name))}


def value_at(record: Mapping[str, Any], name: str) -> Any:
    """The value of a field that may be nested: `address.city` is a key of that name, or `city` within `address`."""
    if name in record:
        return record[name]
    found: Any = record
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def same(desired: Any, observed: Any, kind: str | None = None) -> bool:
    """Whether the remote's value says what ours says. Of nested objects, only the keys that we have count."""
    if type(desired) is type(observed) and desired == observed:
        return True
    a, b = _settled(desired), _settled(observed)
    if a is None or b is None:
        return a is b
    if isinstance(a, Mapping) or isinstance(b, Mapping):
        return isinstance(a, Mapping) and isinstance(b, Mapping) and all(same(a[k], b.get(k)) for k in a)
    if isinstance(a, list) or isinstance(b, list):
        return isinstance(a, list) and isinstance(b, list) and same_items(a, b, same)
    if isinstance(a, bool) or isinstance(b, bool) or kind == "boolean":
        return _truth(a) is not None and _truth(a) == _truth(b)
    if type(a) is type(b) and a == b:
        return True
    x, y = _number(a), _number(b)
    numbers = kind in ("number", "integer", "datetime") or not (isinstance(a, str) and isinstance(b, str))
    if numbers and x is not None and y is not None:
        return _same_number(x, y)
    return kind != "text" and _same_time(a, b)


def _settled(value: Any) -> Any:
    """One way to write it: None for everything empty; texts trimmed, composed, with one kind of line end."""
    if isinstance(value, str):
        text = value.strip()
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return (text if text.isascii() else unicodedata.normalize("NFC", text)) or None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return value if any(_settled(v) is not None for v in value.values()) else None
    if isinstance(value, list | tuple | set | frozenset):
        return [item for item in map(_settled, value) if item is not None] or None
    return value


def same_items(a: Sequence[Any], b: Sequence[Any], alike: Callable[[Any, Any], bool]) -> bool:
    """Lists are sets of choices: their order says nothing. `alike` tells of two items whether they are one."""
    if len(a) != len(b):
        return False
    left = list(b)
    for item in a:
        found = next((n for n, other in enumerate(left) if alike(item, other)), None)
        if found is None:
            return False
        del left[found]
    return True


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())


def _number(value: Any) -> Decimal | None:
    if isinstance(value, int | float):
        return Decimal(str(value))
    return Decimal(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _same_number(x: Decimal, y: Decimal) -> bool:
    """Whole numbers exactly (they may be ids); others as far as a double can tell."""
    if x == y or not (x.is_finite() and y.is_finite()):
        return x == y
    whole = x == x.to_integral_value() or y == y.to_integral_value()
    return not whole and math.isclose(x, y, rel_tol=1e-14)


def _same_time(a: Any, b: Any) -> bool:
    """Equal to the precision of the coarser of both: remotes cut to milliseconds or seconds."""
    x, y = _instant(a), _instant(b)
    if x is None or y is None:
        return False
    for unit_us in (1_000_000, 1_000):
        if x.microsecond % unit_us == 0 or y.microsecond % unit_us == 0:
            x, y = (t.replace(microsecond=t.microsecond // unit_us * unit_us) for t in (x, y))
            break
    return x == y


def _instant(value: Any) -> datetime | None:
    """Texts and epochs as instants; a day is its midnight, a time without zone is UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000 if abs(value) >= _EPOCH_MS else value, UTC)
        if isinstance(value, str) and (_INSTANT.fullmatch(value) or _DAY.fullmatch(value)):
            return _instant(datetime.fromisoformat(value.replace(" ", "T", 1).replace(" ", "")))
    except (ValueError, OverflowError, OSError):
        pass  # the 31st of February, the year 300000: no instant
    return None


# --- what became of it -------------------------------------------------------------------------------------------

_TRANSIENT = frozenset(
    {"lock", "locked", "busy", "timeout", "timed", "unavailable", "throttle", "throttled", "throttling", "concurrent"}
    | {"concurrency", "retry", "temporarily", "overloaded", "limit", "quota", "internal", "outage"}
)
_PERMANENT = frozenset(
    {"deleted", "gone", "merged", "archived", "access", "permission", "permissions", "privilege", "forbidden"}
    | {"unauthorized", "denied", "readonly", "unsupported"}
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def classify(code: str, message: str = "", *, retry: bool = False) -> Class:
    """What to do about a change that was refused, by the words of the remote's code, whichever remote it is.

    transient: the same change may pass later; permanent: it never will, whatever the source says; fixable: it may once
    its source row or the mapping changes, which is also what an unknown code is taken to be. Where the code is no word
    (an HTTP status, nothing), the status and then the message decide.
    """
    if retry:
        return "transient"
    if code.isascii() and code.isdigit():
        status = int(code)
        if status in (408, 423, 425, 429) or status >= 500:
            return "transient"
        if status in (401, 403, 404, 405, 410):
            return "permanent"
    words = _words(code)
    if {"not", "found"} <= words:
        return "permanent"
    words = words or _words(message)
    if words & _PERMANENT:
        return "permanent"
    return "transient" if words & _TRANSIENT else "fixable"


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}


_WAITS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 720, 1440))


def next_try(tries: int, now: datetime) -> datetime | None:
    """When a transient change is sent again after `tries` tries (from 1); None: no more, a person must look at it."""
    return now + _WAITS[tries - 1] if 0 < tries <= len(_WAITS) else None


def token(*, connection: str, stream: str, entity_id: str, op: str, values: Mapping[str, Any], basis: str) -> str:
    """The idempotency token of a change: the same change on the same basis is the same token, in every process.

    `basis` names what the change was computed against (hash or number of the observed record, empty for a creation):
    A -> B -> A -> B is then three changes, and not the first one again.
    """
    content = json.dumps(
        [connection, stream, entity_id, op, values, basis], sort_keys=True, ensure_ascii=True, default=_as_text
    )
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


# --- whether it may be sent --------------------------------------------------------------------------------------

FEW = 10
"""A plan that changes at most this many records is never held for the share that they are."""


def emptied(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The fields that had a value and are to have none."""
    return [name for name, v in after.items() if _settled(v) is None and _settled(before.get(name)) is not None]


class Limits(Protocol):
    """How much one plan may do to one stream unasked."""

    @property
    def max_create(self) -> int: ...
    @property
    def max_update_share(self) -> float: ...
    @property
    def max_delete(self) -> int: ...
    @property
    def max_blank_share(self) -> float: ...


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """What a plan would do, in records: `skip` are as they should be, `conflict` wait for a decision about a field.

    `blanks` is how many records lose the value of `blanked`, the field that is emptied most.
    """

    create: int = 0
    update: int = 0
    delete: int = 0
    skip: int = 0
    conflict: int = 0
    blanked: str = ""
    blanks: int = 0

    def told(self) -> dict[str, int]:
        """The counts as they are kept and shown."""
        return {
            "create": self.create, "update": self.update, "delete": self.delete, "skip": self.skip,
            "conflict": self.conflict,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """Why a plan waits for a person. Nothing of it is sent."""

    limit: Literal["max_create", "max_update_share", "max_delete", "max_blank_share", "empties"]
    message: str


def within(counts: PlanCounts, limits: Limits, existing: int) -> Held | None:
    """None where the plan is within its limits. `existing`: records that the stream has now.

    A plan that would delete all there is (of two or more) and make nothing is held under any limit: its source was
    emptied by mistake.
    """
    if counts.create > limits.max_create:
        return Held("max_create", f"would create {counts.create} records, the limit is {limits.max_create}")
    if counts.delete > limits.max_delete:
        return Held("max_delete", f"would delete {counts.delete} records, the limit is {limits.max_delete}")
    if 1 < existing <= counts.delete and not counts.create:
        return Held("empties", f"would delete all {existing} records: has the source been emptied?")
    if counts.blanks > FEW and counts.blanks > limits.max_blank_share * existing:
        share = f"{counts.blanked} in {counts.blanks} of {existing} records"
        return Held("max_blank_share", f"would empty {share}, the limit is {limits.max_blank_share:.0%}")
    if counts.update > FEW and counts.update > limits.max_update_share * existing:
        share = f"{counts.update} of {existing} records"
        return Held("max_update_share", f"would change {share}, the limit is {limits.max_update_share:.0%}")
    return None
