"""Rows in the formats of COPY. Needs no database: a process that only prepares rows imports this alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from types import NoneType

import msgspec

_PLAIN = frozenset({str, int, float, bool, datetime, date, NoneType})
_ESCAPED = re.compile(rb"\\(?:u00(..)|(.))")
_CONTROLS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_json = msgspec.json.Encoder()

# --- text: rows of plain values as JSON without its brackets, which is CSV to PostgreSQL ------------------------------

CSV = "(FORMAT csv, NULL 'null', ESCAPE '\\')"


def are_plain(rows: Sequence[Sequence[object]]) -> bool:
    """Whether `lines` can be made of all these values."""
    return _PLAIN.issuperset(map(type, chain.from_iterable(rows)))


def lines(rows: Sequence[Sequence[object]]) -> bytes:
    """Rows of plain values as JSON, a line each, without brackets. Numbers are finite."""
    return _json.encode_lines(rows)[1:-2].replace(b"]\n[", b"\n")


def csv(text: bytes, last: int | None = None) -> bytes:
    """What `lines` made as CSV (the options are `CSV`), each row with one more value where `last` is given.

    A line end within a text is escaped in JSON: one that stands there ends a row.
    """
    if last is not None and text:
        text = text.replace(b"\n", b",%d\n" % last) + b",%d" % last
    return _ESCAPED.sub(_unescaped, text) if b"\\" in text else text


def _unescaped(found: re.Match[bytes]) -> bytes:
    """What JSON escapes as it is, but quotes and backslashes: CSV has the same escapes for these."""
    if found[1]:
        return bytes.fromhex(found[1].decode())
    return _CONTROLS.get(found[2], found[0])


# --- binary: for long texts, which COPY's text format makes PostgreSQL read three times ------------------------------

BINARY_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
BINARY_END = b"\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def fields(count: int) -> bytes:
    """How a row with so many values begins."""
    return count.to_bytes(2, "big")


def packed(value: str | bytes | datetime | None) -> bytes:
    """A value in PostgreSQL's binary format: of a text, json, bytea or timestamptz column."""
    if value is None:
        return b"\xff\xff\xff\xff"
    if isinstance(value, datetime):
        return b"\0\0\0\x08" + ((value - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True)
    data = value.encode() if isinstance(value, str) else value
    return len(data).to_bytes(4, "big") + data


