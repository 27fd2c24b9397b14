"""Rows in bulk: COPY, straight or by way of a staging table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import psycopg
import sqlalchemy as sa

from prm_sync.warehouse import copyformat

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

    Rows of plain values go as `copyformat.lines`: a quarter of the driver's time, which adapts all other types.
    """
    left = iter(rows)
    while some := list(islice(left, TOGETHER_ROWS)):
        if copyformat.are_plain(some):
            copy_lines(conn, table, columns, copyformat.lines(some))
            continue
        with cursor(conn) as cur, cur.copy(f"COPY {table} ({quoted(columns)}) FROM STDIN") as stream:
            for row in some:
                stream.write_row(row)


def copy_lines(
    conn: sa.Connection, table: str, columns: Sequence[str], lines: bytes, *, last: int | None = None
) -> None:
    """COPY what `copyformat.lines` made. `last`: the last column's value in every row, where they are without it."""
    with cursor(conn) as cur, cur.copy(f"COPY {table} ({quoted(columns)}) FROM STDIN {copyformat.CSV}") as stream:
        stream.write(copyformat.csv(lines, last))


def copy_binary(conn: sa.Connection, table: str, columns: Sequence[str], rows: bytes) -> None:
    """COPY rows in PostgreSQL's binary format: each `copyformat.fields(n)`, and then n times `copyformat.packed`."""
    with cursor(conn) as cur, cur.copy(f"COPY {table} ({quoted(columns)}) FROM STDIN (FORMAT binary)") as stream:
        stream.write(copyformat.BINARY_BEGIN + rows + copyformat.BINARY_END)


def stage(conn: sa.Connection, name: str, like: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A temporary table `name` with these columns of table `like`, filled with rows; gone at the transaction's end."""
    conn.exec_driver_sql(f"DROP TABLE IF EXISTS pg_temp.{name}")
    conn.exec_driver_sql(
        f"CREATE TEMP TABLE {name} ON COMMIT DROP AS SELECT {quoted(columns)} FROM {like} WITH NO DATA"
    )
    copy(conn, f"pg_temp.{name}", columns, rows)
