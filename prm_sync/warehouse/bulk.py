"""Rows in bulk: COPY, straight or by way of a staging table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import psycopg
import sqlalchemy as sa


def quoted(names: Iterable[str]) -> str:
    """Column names as SQL: `"a", "b"`. The names are ours (field table), never a user's."""
    return ", ".join(f'"{n}"' for n in names)


def cursor(conn: sa.Connection) -> psycopg.Cursor[tuple[object, ...]]:
    """The driver's cursor inside the connection's transaction."""
    raw: psycopg.Cursor[tuple[object, ...]] = conn.connection.cursor()  # type: ignore[assignment]
    return raw


def copy(conn: sa.Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """COPY rows into a table; `table` is SQL ("core.lead_source"). A violated key fails the transaction."""
    with cursor(conn) as cur, cur.copy(f"COPY {table} ({quoted(columns)}) FROM STDIN") as stream:
        write = stream.write_row
        for row in rows:
            write(row)


def copy_text(conn: sa.Connection, table: str, columns: Sequence[str], lines: Sequence[str]) -> None:
    """COPY lines that are in PostgreSQL's text format already: tab between values, newline at the end."""
    with cursor(conn) as cur, cur.copy(f"COPY {table} ({quoted(columns)}) FROM STDIN") as stream:
        stream.write("".join(lines))


_SPECIAL = re.compile(r"[\\\t\n\r]")


def escaped(text: str) -> str:
    """A text as a value of `copy_text`."""
    if not _SPECIAL.search(text):
        return text
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


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
