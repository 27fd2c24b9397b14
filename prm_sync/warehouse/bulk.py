"""Rows in bulk: COPY, straight or by way of a staging table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain, islice
from types import NoneType
from typing import Final

import msgspec
import psycopg
import sqlalchemy as sa

TOGETHER_ROWS: Final = 5_000  #: rows that are written as one text


def quoted(names: Iterable[str]) -> str:
    """Column names as SQL: `"a", "b"`. The names are ours (field table), never a user's."""
    return ", ".join(f'"{n}"' for n in names)


def cursor(conn: sa.Connection) -> psycopg.Cursor[tuple[object, ...]]:
    """The driver's cursor inside the connection's transaction."""
    raw: psycopg.Cursor[tuple[object, ...]] = conn.connection.cursor()  # type: ignore[assignment]
    return raw


def copy(conn: sa.Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """COPY rows into a table; `table` is SQL ("core.lead_source"). A violated key fails the transaction.

    Numbers are finite. Rows of plain values go as JSON without its brackets, which is CSV to PostgreSQL: writing that
    takes a quarter of the driver's time, which adapts all other types.
    """
    command, left = f"COPY {table} ({quoted(columns)}) FROM STDIN", iter(rows)
    with cursor(conn) as cur:
        while some := list(islice(left, TOGETHER_ROWS)):
            if _PLAIN.issuperset(map(type, chain.from_iterable(some))):
                with cur.copy(f"{command} (FORMAT csv, NULL 'null', ESCAPE '\\')") as stream:
                    stream.write(_csv(some))
            else:
                with cur.copy(command) as stream:
                    for row in some:
                        stream.write_row(row)


_PLAIN = frozenset({str, int, float, bool, datetime, date, NoneType})
_ESCAPED = re.compile(rb"\\(?:u00(..)|(.))")
_CONTROLS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_json = msgspec.json.Encoder()


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    """Rows of plain values. A line end within a text is escaped: one that stands there ends a row."""
    text = _json.encode_lines(rows)[1:-2].replace(b"]\n[", b"\n")
    return _ESCAPED.sub(_unescaped, text) if b"\\" in text else text


def _unescaped(found: re.Match[bytes]) -> bytes:
    """What JSON escapes as it is, but quotes and backslashes: CSV has the same escapes for these."""
    if found[1]:
        return bytes.fromhex(found[1].decode())
    return _CONTROLS.get(found[2], found[0])


# --- binary: for long texts, which COPY's text format makes PostgreSQL read three times ------------------------------

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def copy_binary(conn: sa.Connection, table: str, columns: Sequence[str], rows: Iterable[bytes]) -> None:
    """COPY rows that are in PostgreSQL's binary format already: `fields(n)` and then n values, made by `packed`."""
    with cursor(conn) as cur, cur.copy(f"COPY {table} ({quoted(columns)}) FROM STDIN (FORMAT binary)") as stream:
        stream.write(b"".join((_SIGNATURE, *rows, _END)))


def fields(count: int) -> bytes:
    """How a row with so many values begins."""
    return count.to_bytes(2, "big")


def packed(value: str | bytes | datetime | None) -> bytes:
    """A value of `copy_binary`: of a text, json, bytea or timestamptz column."""
    if value is None:
        return b"\xff\xff\xff\xff"
    if isinstance(value, datetime):
        return b"\0\0\0\x08" + ((value - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True)
    data = value.encode() if isinstance(value, str) else value
    return len(data).to_bytes(4, "big") + data


def stage(conn: sa.Connection, name: str, like: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A temporary table `name` with these columns of table `like`, filled with rows; gone at the transaction's end."""
    conn.exec_driver_sql(f"DROP TABLE IF EXISTS pg_temp.{name}")
    conn.exec_driver_sql(
        f"CREATE TEMP TABLE {name} ON COMMIT DROP AS SELECT {quoted(columns)} FROM {like} WITH NO DATA"
    )
    copy(conn, f"pg_temp.{name}", columns, rows)


def analyze(conn: sa.Connection, table: str, columns: Sequence[str]) -> None:
    """Statistics for a table that has grown to twice what the planner believes, or more; cheap where it has not."""
    believed, pages, at = conn.execute(
        sa.text(
            "SELECT reltuples, relpages, pg_relation_size(oid) / 8192 FROM pg_class "
            "WHERE oid = cast(:t AS regclass)"
        ),
        {"t": table},
    ).one()
    if believed < 0 or at > 2 * max(pages, 8):
        conn.exec_driver_sql(f"ANALYZE {table} ({quoted(columns)})")
