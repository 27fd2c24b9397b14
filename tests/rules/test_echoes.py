"""What a remote may make of what we wrote, and what it may not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.rules.echo import alike, as_meant, flat, is_echo, with_values

NOW = datetime(2027, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrote", "shows"),
    [
        ("  Đặng Thị Hà ", "Đặng Thị Hà"), ("José Núñez", "JOSÉ NÚÑEZ"), ("Straße 1", "STRASSE 1"),
        ("Hà Nội", "Ha Noi"), ("Công ty Cổ phần Hà Nội", "Công ty Cổ"), ("شركة النور للتجارة", "شركة النور"),
        ("北京科技有限公司", "北京科技..."),
        ("a  b", "a b"), ("R&D", "R&amp;D"), ("+84912345678", "0912 345 678"), ("+493012345678", "(030) 1234-5678"),
        ("+39061234567", "06 1234567"), ("+982112345678", "00982112345678"), (1234567.89, 1234568), ("99.55", 99.6),
        (99.55, "99.5"), (1.005, 1), ("2027-03-01T08:00:00.000+0000", "2027-03-01"), (["DE", "AT"], ["at", "de"]),
        ({"city": "huế", "x": 1}, {"city": "HUẾ", "x": 1, "more": 2}), (12, "12.0"), (None, ""),
    ],
)  # fmt: skip
def test_a_remotes_way_of_writing_is_known(wrote: Any, shows: Any) -> None:
    assert alike(wrote, shows)


@pytest.mark.parametrize(
    ("wrote", "shows"),
    [
        ("Hà Nội", "Huế"), ("Hà Nội", None), ("Hà Nội", ""), (None, "Hà Nội"), ("Anna", "Anne"), ("Anna", "Anna Maria"),
        ("+84912345678", "+84912345679"), (1200, 120), ("1200", "120"), (1234567, 234567), (100, 101), (5, 5.5),
        ("2027-03-01", "2027-03-02"), (True, "yes"), (["DE"], ["DE", "AT"]), ({"city": "Huế"}, {"city": "Vinh"}),
        ("open", "closed"), ("北京", "上海"),
    ],
)  # fmt: skip
def test_another_value_is_no_spelling_of_ours(wrote: Any, shows: Any) -> None:
    assert not alike(wrote, shows)


def test_what_nobody_touched_since_our_write_is_ours_however_it_looks() -> None:
    later, earlier = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)
    assert is_echo("Germany", "DEU", None, wrote_at=NOW, changed_at=earlier)
    assert not is_echo("Germany", "DEU", None, wrote_at=NOW, changed_at=later)
    assert not is_echo("Germany", "DEU", None, wrote_at=NOW, changed_at=None)
    assert not is_echo("Germany", "Austria", "Austria", wrote_at=NOW, changed_at=earlier), "it was set back"
    assert not is_echo("Germany", None, "Austria", wrote_at=NOW, changed_at=earlier)


def test_a_record_means_our_words_only_while_it_shows_the_remotes() -> None:
    pairs = {"meta.city": {"wrote": "Huế", "shows": "HUE"}, "name": {"wrote": "Long name", "shows": "Long"}}
    record = {"id": 1, "meta": {"city": "HUE", "zip": "7"}, "name": "Longer"}
    assert as_meant(record, pairs) == {"id": 1, "meta": {"city": "Huế", "zip": "7"}, "name": "Longer"}
    assert record["meta"] == {"city": "HUE", "zip": "7"}
    assert with_values({}, {"a.b.c": 1}) == {"a": {"b": {"c": 1}}}
    assert dict(flat("meta", {"city": "x", "geo": {"lat": 1}, "none": {}})) == {
        "meta.city": "x", "meta.geo.lat": 1, "meta.none": {},
    }  # fmt: skip


HABITS = [
    str.strip, str.upper, str.title, lambda v: " ".join(v.split()), lambda v: v[:12], lambda v: f" {v}\n",
    lambda v: v[:20].rstrip() + "…" if len(v) > 20 else v,
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(categories=("L", "N", "Zs")), min_size=3, max_size=40), st.sampled_from(HABITS))
def test_whatever_a_habit_makes_of_a_text_is_an_echo(text: str, habit: Any) -> None:
    shows = habit(text)
    if len(shows.strip()) >= 3 and not shows.strip().isdigit() and not text.strip().isdigit():
        assert alike(text, shows)


@settings(max_examples=300, deadline=None)
@given(st.decimals(-(10**9), 10**9, places=4), st.integers(0, 3))
def test_a_rounded_number_is_an_echo_and_one_beside_it_is_not(exact: Any, places: int) -> None:
    near = round(exact, places)
    assert alike(float(exact), float(near))
    if near == near.to_integral_value():
        assert not alike(float(exact), int(near) + 2)
