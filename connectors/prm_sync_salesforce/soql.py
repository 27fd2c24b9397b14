"""SOQL texts: literals, windows by time, keysets. Nothing here talks to anybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from prm_sync.connect import Stream

URI_MAX: Final = (
    14_000  #: characters of a quoted query that a GET may carry; the server's own limit is 16,384 with headers
)
IN_MAX: Final = 200  #: values in one IN list

_ESCAPES = str.maketrans(
    {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", '"': '\\"'}
)


def quoted(text: str) -> str:
    """A string literal."""
    return f"'{text.translate(_ESCAPES)}'"


def instant(stamp: str) -> str:
    """A date-time literal from what REST shows: `...+0000` would need its plus sign quoted in a URL, `Z` does not."""
    return stamp.removesuffix("+0000") + "Z" if stamp.endswith("+0000") else stamp


def select(columns: Sequence[str], source: str, conditions: Iterable[str] = (), order: Sequence[str] = ()) -> str:
    parts = ["SELECT", ", ".join(columns), "FROM", source]
    where = " AND ".join(conditions)
    if where:
        parts += ["WHERE", where]
    if order:
        parts += ["ORDER BY", ", ".join(order)]
    return " ".join(parts)


def count(source: str, conditions: Iterable[str] = ()) -> str:
    return select(["COUNT()"], source, conditions)


def from_time(modified: str, since: str | None) -> list[str]:
    return [] if since is None else [f"{modified} >= {instant(since)}"]


def after(modified: str, stamp: str, row_id: str) -> list[str]:
    """All rows behind (stamp, id) in (modified, Id) order; the first condition is what the index is used by."""
    at = instant(stamp)
    return [f"{modified} >= {at}", f"({modified} > {at} OR Id > {quoted(row_id)})"]


def columns_of(stream: Stream, fields: Iterable[str]) -> list[str]:
    """The fields to select: those asked for that the stream has, with its key and time, in the stream's order."""
    wanted = {*fields, stream.key, *([stream.modified] if stream.modified else [])}
    return [f.name for f in stream.fields if f.name in wanted]


def literal(kind: str, value: str) -> str:
    """A value of a field of this kind in a condition."""
    return value if kind in ("number", "integer", "boolean", "date", "datetime") else quoted(value)
