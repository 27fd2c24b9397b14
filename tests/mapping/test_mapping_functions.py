"""The functions that `do:` names."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prm_sync.rules.mapping.functions import FUNCTIONS

AT = dt.datetime(2026, 11, 20, 8, 15, 30, 123000, tzinfo=dt.UTC)

ANSWERS: list[tuple[str, Any, Any]] = [
    ("epoch_ms", 1795162530123, AT),
    ("epoch_ms", "1795162530123", AT),
    ("epoch_ms", -1, dt.datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=dt.UTC)),
    ("epoch_s", 1795162530, AT.replace(microsecond=0)),
    ("epoch_s", 1795162530.123, AT),
    ("day_first", "31/12/2026", dt.date(2026, 12, 31)),
    ("day_first", "2026-12-31", dt.date(2026, 12, 31)),
    ("month_first", "12/31/2026", dt.date(2026, 12, 31)),
    ("month_first", "1-2-2026", dt.date(2026, 1, 2)),
    ("to_epoch_ms", AT, 1795162530123),
    ("to_epoch_s", AT, 1795162530),
    ("to_iso_z", AT, "2026-11-20T08:15:30Z"),
    ("to_date", AT, "2026-11-20"),
    ("to_date", dt.date(2026, 11, 20), "2026-11-20"),
    ("minor_units", "12345", 12345),
    ("percent", "45 %", 45),
    ("percent", 45, 45),
    ("ratio_to_percent", 0.07, 7),
    ("percent_to_ratio", "7%", 0.07),
    ("negate", "yes", False),
    ("negate", False, True),
    ("is_there", "x", True),
    ("first_word", "Ann van der Lee", "Ann"),
    ("first_word", "Madonna", None),
    ("last_words", "Ann van der Lee", "van der Lee"),
    ("last_words", "Madonna", "Madonna"),
    ("join_name", ["Ann", None, " Lee "], "Ann Lee"),
    ("join_name", [None, ""], None),
    ("join_lines", ["12 Nguyễn Huệ", "", "Quận 1"], "12 Nguyễn Huệ\nQuận 1"),
    ("lower", "ÄB", "äb"),
    ("upper", "äb", "ÄB"),
    ("split_list", "DE, AT; CH|LI\nFR、IT,,", ["DE", "AT", "CH", "LI", "FR", "IT"]),
    ("split_list", ["DE", "AT"], ["DE", "AT"]),
    ("semicolon_list", "a, b; c", ["a, b", "c"]),
    ("comma_list", "a;b, c", ["a;b", "c"]),
    ("semicolon_join", ["a", "b"], "a;b"),
    ("comma_join", ["a", "b"], "a, b"),
    ("domain", "https://www.example.com/x", "example.com"),
    ("work_domain", "Ann@Example.com", "example.com"),
    ("work_domain", "ann@gmail.com", None),
    ("work_domain", "an@yahoo.com.vn", None),
    ("work_domain", "li@qq.com", None),
    ("remote_id", "acme:001", "001"),
    ("before_colon", "lead_3f2a:2", "lead_3f2a"),
    ("before_colon", "lead_3f2a", "lead_3f2a"),
]


@pytest.mark.parametrize(("name", "value", "answer"), ANSWERS)
def test_a_function_answers(name: str, value: Any, answer: Any) -> None:
    assert FUNCTIONS[name].run(value) == answer


def test_major_units_go_by_the_currency() -> None:
    run = FUNCTIONS["major_units"].run
    assert [run(123456, "EUR"), run(1000, "JPY"), run(1500, "BHD"), run(100, "USD")] == [1234.56, 1000, 1.5, 1]
    with pytest.raises(ValueError):
        run(1, "XXX")


def test_every_function_is_tested_and_documented() -> None:
    assert set(FUNCTIONS) == {name for name, _, _ in ANSWERS} | {"major_units"}
    assert all(f.doc.endswith(".") and f.ways for f in FUNCTIONS.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epoch_ms", "soon"), ("epoch_ms", 10**18), ("epoch_ms", 1.5), ("epoch_s", 1e17), ("day_first", "12/31/2026"),
        ("month_first", "31/12/2026"), ("minor_units", 1.5), ("percent", "much"), ("work_domain", "ann"),
        ("negate", "perhaps"),
    ],
)  # fmt: skip
def test_a_function_refuses_what_makes_no_sense(name: str, value: Any) -> None:
    with pytest.raises(ValueError):
        FUNCTIONS[name].run(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(sorted(FUNCTIONS)), JSON)
def test_a_function_raises_nothing_but_value_error(name: str, value: Any) -> None:
    function = FUNCTIONS[name]
    arguments = [[value, value] if function.takes_all else value, *(["EUR"] if function.given else [])]
    with suppress(ValueError):
        function.run(*arguments)


@given(st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(9000, 1, 1), timezones=st.just(dt.UTC)))
def test_an_instant_survives_the_way_to_milliseconds_and_back(at: dt.datetime) -> None:
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert FUNCTIONS["epoch_ms"].run(FUNCTIONS["to_epoch_ms"].run(at)) == at
