from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.canonical.entities import LEAD
from prm_sync.canonical.model import Entity, Field, Kind, Merge
from prm_sync.rules.survivorship import Member, compact, golden, merger

DAY = datetime(2026, 5, 1, tzinfo=UTC)
THING = Entity(
    "thing",
    "A thing with a field of every rule.",
    (
        Field("latest", Kind.TEXT, ""),
        Field("trusted", Kind.TEXT, "", merge=Merge.TRUSTED),
        Field("longest", Kind.TEXT, "", merge=Merge.LONGEST),
        Field("oldest", Kind.TEXT, "", merge=Merge.OLDEST),
        Field("any", Kind.BOOLEAN, "", merge=Merge.ANY),
        Field("list", Kind.TEXTS, ""),
        Field("budget", Kind.MONEY, "", given="currency"),
        Field("revenue", Kind.MONEY, "", given="currency"),
        Field("currency", Kind.CURRENCY, ""),
    ),
)


def member(name: str, changed: int | None = 0, first: int | None = 0, **values: Any) -> Member:
    return Member(
        name.rstrip("0123456789"), "s", name, tuple(values.get(f.name) for f in THING.fields),
        None if changed is None else DAY + timedelta(days=changed),
        None if first is None else DAY + timedelta(days=first),
    )  # fmt: skip


def of(field: str, *members: Member, trust: tuple[str, ...] = ("crm", "prm")) -> tuple[Any, str | None]:
    """The surviving value of a field, and the record it came from."""
    values, provenance = golden(members, THING, trust)
    return values[[f.name for f in THING.fields].index(field)], provenance.get(field)


def test_the_latest_change_wins() -> None:
    assert of("latest", member("crm1", 1, latest="old"), member("prm1", 2, latest="new")) == ("new", "prm/s/prm1")


def test_the_trusted_connection_wins_over_a_later_change() -> None:
    crm, prm = member("crm1", 1, trusted="crm"), member("prm1", 2, trusted="prm")
    assert of("trusted", crm, prm) == ("crm", "crm/s/crm1")
    assert of("trusted", crm, prm, trust=("prm",)) == ("prm", "prm/s/prm1")


def test_within_the_trusted_connection_the_latest_wins() -> None:
    members = member("crm1", 1, trusted="a"), member("crm2", 2, trusted="b"), member("prm1", 9, trusted="c")
    assert of("trusted", *members) == ("b", "crm/s/crm2")


def test_the_longest_text_wins_and_of_equally_long_ones_the_latest() -> None:
    assert of("longest", member("crm1", 1, longest="abc"), member("prm1", 2, longest="ab"))[0] == "abc"
    assert of("longest", member("crm1", 1, longest="abc"), member("prm1", 2, longest="xyz"))[0] == "xyz"


def test_the_record_that_was_there_first_wins() -> None:
    assert of("oldest", member("crm1", first=3, oldest="b"), member("prm1", first=1, oldest="a"))[0] == "a"
    assert of("oldest", member("crm1", first=None, oldest="b"), member("prm1", first=9, oldest="a"))[0] == "a"


def test_one_who_opts_out_anywhere_is_out_everywhere() -> None:
    yes, no, silent = member("crm1", 1, any=True), member("prm1", 2, any=False), member("prm2", 3)
    assert of("any", yes, no, silent) == (True, "crm/s/crm1")
    assert of("any", no, silent) == (False, "prm/s/prm1")
    assert of("any", silent) == (None, None)


@pytest.mark.parametrize("field", ["latest", "trusted", "longest", "oldest"])
@pytest.mark.parametrize("empty", [None, ""])
def test_a_null_never_beats_a_value(field: str, empty: str | None) -> None:
    best = member("crm1", 9, -9, **{field: empty})
    assert of(field, best, member("prm1", 1, 1, **{field: "kept"})) == ("kept", "prm/s/prm1")


def test_an_empty_list_never_beats_a_full_one() -> None:
    assert of("list", member("crm1", 9, list=[]), member("prm1", 1, list=["x"]))[0] == ["x"]


def test_an_amount_keeps_the_currency_it_was_read_in() -> None:
    euros = member("crm1", 1, budget=100, revenue=900, currency="EUR")
    dong = member("prm1", 2, budget=2_500_000, currency="VND")
    assert of("budget", euros, dong) == (2_500_000, "prm/s/prm1")
    assert of("currency", euros, dong) == ("VND", "prm/s/prm1")
    assert of("revenue", euros, dong) == (None, None)
    same = member("prm1", 2, budget=200, currency="EUR")
    assert of("revenue", euros, same) == (900, "crm/s/crm1")


def test_a_currency_without_an_amount_does_not_rule_out_those_with_one() -> None:
    euros, empty = member("crm1", 1, budget=100, currency="EUR"), member("prm1", 2, currency="USD")
    assert of("budget", euros, empty) == (100, "crm/s/crm1")
    assert of("currency", euros, empty)[0] == "EUR"
    assert of("currency", empty)[0] == "USD"


def test_a_record_without_a_time_is_older_than_all_others() -> None:
    assert of("latest", member("crm1", None, latest="a"), member("prm1", -999, latest="b"))[0] == "b"


def test_a_single_record_is_its_own_golden_record() -> None:
    values, provenance = golden([member("crm1", latest="x", longest="", any=False)], THING, ())
    assert values == ("x", None, None, None, False, None, None, None, None)
    assert provenance == {"latest": "crm/s/crm1", "any": "crm/s/crm1"}


def test_without_a_record_there_is_nothing_to_merge() -> None:
    with pytest.raises(ValueError, match="without a source record"):
        golden([], THING, ())


def test_compact_provenance_says_the_same_in_fewer_words() -> None:
    assert compact({"a": "x", "b": "x", "c": "y"}) == {"*": "x", "c": "y"}
    assert compact({"a": "y", "b": "x"}) == {"*": "x", "a": "y"}
    assert compact({}) == {}


times = st.one_of(st.none(), st.integers(0, 2).map(lambda n: DAY + timedelta(days=n)))
words = st.sampled_from([None, None, "", "a", "bb", "cc"])
members_ = st.lists(
    st.builds(
        Member,
        st.sampled_from(["crm", "prm", "erp"]),
        st.just("s"),
        st.integers(0, 99).map(str),
        st.tuples(
            words, words, words, words, st.sampled_from([None, True, False]), st.sampled_from([None, [], ["x"], ["y"]]),
            st.sampled_from([None, 1, 2]), st.sampled_from([None, 3]), st.sampled_from([None, "EUR", "USD"]),
        ),
        times,
        times,
    ),
    min_size=1, max_size=6, unique_by=lambda m: m.name,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(members_, st.permutations(["crm", "prm"]), st.randoms())
def test_the_golden_record_does_not_depend_on_the_order_of_its_sources(
    members: list[Member], trust: list[str], rnd: Any
) -> None:
    expected = golden(members, THING, trust)
    shuffled = list(members)
    rnd.shuffle(shuffled)
    assert golden(shuffled, THING, trust) == expected == merger(THING, trust)(members)


@settings(max_examples=300, deadline=None)
@given(members_)
def test_every_value_comes_from_the_record_it_names_and_none_that_is_there_is_lost(members: list[Member]) -> None:
    values, provenance = golden(members, THING, ("crm",))
    named = {m.name: m for m in members}
    for i, field in enumerate(THING.fields):
        given_ = [m.values[i] for m in members if m.values[i] not in (None, "", [])]
        if values[i] is None:
            assert field.name not in provenance
            assert not given_ or field.kind is Kind.MONEY
        else:
            assert named[provenance[field.name]].values[i] == values[i]
    budget, revenue, currency = values[6:]
    for amount, i in ((budget, 6), (revenue, 7)):
        if amount is not None:
            assert any(m.values[i] == amount and m.values[8] == currency for m in members)


@settings(max_examples=100, deadline=None)
@given(members_)
def test_a_source_that_knows_nothing_changes_nothing(members: list[Member]) -> None:
    silent = Member("crm", "s", "silent", (None,) * 9, DAY + timedelta(days=99), DAY - timedelta(days=99))
    assert golden([*members, silent], THING, ("crm",)) == golden(members, THING, ("crm",))


def test_the_real_lead_is_merged_field_by_field() -> None:
    at = {f.name: i for i, f in enumerate(LEAD.fields)}

    def lead(connection: str, day: int, **values: Any) -> Member:
        row: list[Any] = [None] * len(at)
        for name, value in values.items():
            row[at[name]] = value
        return Member(connection, "leads", "1", tuple(row), DAY + timedelta(days=day), DAY)

    crm = lead("crm", 1, last_name="Đặng", status="offered", need="CRM", budget=5, currency="EUR", no_email=True)
    prm = lead("prm", 2, last_name="Dang", status="new", need="more", answer="accepted", no_email=False)
    values, provenance = golden([prm, crm], LEAD, ["crm", "prm"])
    kept = {name: values[i] for name, i in at.items() if values[i] is not None}
    assert kept == {
        "last_name": "Đặng", "status": "offered", "need": "more", "budget": 5, "currency": "EUR", "no_email": True,
        "answer": "accepted",
    }  # fmt: skip
    assert provenance["need"] == provenance["answer"] == "prm/leads/1"
    assert provenance["budget"] == provenance["no_email"] == "crm/leads/1"
