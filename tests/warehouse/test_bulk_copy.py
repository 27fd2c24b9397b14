"""COPY: what is written is what is read, for plain values and for those that the driver adapts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.warehouse import bulk, copyformat

COLUMNS = ("word", "whole", "part", "yes", "at", "day")
TYPES = ("text", "bigint", "double precision", "boolean", "timestamptz", "date")
HARD = ["", "null", "NULL", "\\N", "\\.", '"', '\\"', "\\", "\\n", "a\r\nb", "\x01\x1f", "\t", ",", "]\n["]
HARD += ["王伟", "می\u200cخواهم", "Đặng"]
WORDS = st.sampled_from(HARD) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES: tuple[st.SearchStrategy[Any], ...] = (
    WORDS, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans(),
    st.datetimes(timezones=st.just(UTC)), st.dates(),
)  # fmt: skip
ROWS = st.lists(st.tuples(*(value | st.none() for value in VALUES)), max_size=12)


def test_plain_values_come_back_as_they_were(warehouse: sa.Engine) -> None:
    typed = ", ".join(f"{c} {t}" for c, t in zip(COLUMNS, TYPES, strict=True))
    with warehouse.begin() as tx:
        tx.exec_driver_sql(f"CREATE TEMP TABLE plain ({typed})")

        @settings(max_examples=150, deadline=None)
        @given(ROWS)
        def comes_back(rows: list[tuple[Any, ...]]) -> None:
            tx.exec_driver_sql("TRUNCATE plain")
            bulk.copy(tx, "plain", COLUMNS, rows)
            assert [tuple(r) for r in tx.exec_driver_sql("SELECT * FROM plain")] == rows

        comes_back()


def test_lists_and_mixed_rows_go_by_the_driver(warehouse: sa.Engine) -> None:
    rows = [(["a", "b\\"], "x"), (None, None), ([], '"')]
    with warehouse.begin() as tx:
        tx.exec_driver_sql("CREATE TEMP TABLE listed (words text[], word text)")
        bulk.copy(tx, "listed", ("words", "word"), rows)
        assert [tuple(r) for r in tx.exec_driver_sql("SELECT * FROM listed")] == rows


def test_values_in_binary_come_back_as_they_were(warehouse: sa.Engine) -> None:
    at = datetime(1969, 7, 20, 20, 17, 40, 123456, tzinfo=UTC)
    values = ("王伟\t\\", b'{"a": "\\n\xc3\xa9"}', b"\x00\xff", at, None)
    with warehouse.begin() as tx:
        tx.exec_driver_sql("CREATE TEMP TABLE packed (word text, payload json, hash bytea, at timestamptz, none text)")
        row = copyformat.fields(len(values)) + b"".join(map(copyformat.packed, values))
        bulk.copy_binary(tx, "packed", ("word", "payload", "hash", "at", "none"), row + row)
        found = tx.exec_driver_sql("SELECT word, payload ->> 'a' AS a, hash, at, none FROM packed").all()
    expected = ("王伟\t\\", "\né", b"\x00\xff", at, None)
    assert [(r.word, r.a, bytes(r.hash), r.at, r.none) for r in found] == [expected, expected]


def test_more_rows_than_go_together_all_arrive_in_order(warehouse: sa.Engine) -> None:
    days = [(n, date(2026, 11, 20)) for n in range(2 * bulk.TOGETHER_ROWS + 1)]
    with warehouse.begin() as tx:
        tx.exec_driver_sql("CREATE TEMP TABLE many (n bigint, day date)")
        bulk.copy(tx, "many", ("n", "day"), iter(days))
        assert [tuple(r) for r in tx.exec_driver_sql("SELECT * FROM many")] == days
