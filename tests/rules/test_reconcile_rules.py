from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.rules.reconcile import (
    Held,
    PlanCounts,
    classify,
    difference,
    next_try,
    same,
    token,
    value_at,
    within,
)

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("desired", "observed"),
    [
        (1, 1.0),
        (1, "1.00"),
        ("1.50", 1.5),
        (Decimal("1.50"), "1.5"),
        (0.1 + 0.2, 0.3),
        (None, ""),
        ("", None),
        (None, []),
        (None, {"a": None}),
        ("Acme", "Acme  "),
        (" Acme", "Acme"),
        ("a\r\nb", "a\nb"),
        ("Nguye\u0302\u0303n", "Nguyễn"),
        (True, "true"),
        (False, "False"),
        (True, 1),
        (NOON, "2026-05-06T12:00:00Z"),
        (NOON, "2026-05-06T12:00:00.000+0000"),
        ("2026-05-06T12:00:00Z", "2026-05-06T14:00:00+02:00"),
        ("2026-05-06T12:00:00Z", "2026-05-06 12:00:00"),
        ("2026-05-06T12:00:00Z", "2026-05-06 12:00:00 +0000"),
        ("2026-05-06T12:00:00.123456+00:00", "2026-05-06T12:00:00.123Z"),
        ("2026-05-06T12:00:00.123Z", "2026-05-06T12:00:00Z"),
        ("2026-05-06T12:00:00Z", 1778068800000),
        (NOON, 1778068800),
        (date(2026, 5, 6), "2026-05-06"),
        ("2026-05-06", "2026-05-06T00:00:00Z"),
        (["b", "a"], ["a", "b"]),
        (("a", ""), ["a"]),
        ([1, 2], ["2", "1.0"]),
        ({"city": "Berlin"}, {"city": "Berlin ", "zip": "10115"}),
        ({"a": {"b": 1}}, {"a": {"b": "1"}}),
    ],
)
def test_an_echo_in_another_spelling_is_no_change(desired: Any, observed: Any) -> None:
    assert same(desired, observed)


@pytest.mark.parametrize(
    ("desired", "observed"),
    [
        (1, 2),
        (1, "one"),
        (0, None),
        (False, None),
        (None, 0),
        (4915112345678, "4915112345679"),
        ("007", "7"),
        ("1.0", "1"),
        ("Acme", "ACME"),
        ("a b", "ab"),
        (True, "yes please"),
        (True, False),
        (NOON, "2026-05-06T12:00:01Z"),
        ("2026-05-06T12:00:00.5Z", "2026-05-06T12:00:00.6Z"),
        ("2026-05-06", "2026-05-07"),
        ("2026-02-31T00:00:00Z", "2026-03-03T00:00:00Z"),
        (["a"], ["a", "a"]),
        (["a", "b"], ["a", "c"]),
        (["a"], "a"),
        ({"city": "Berlin"}, {"city": "Bonn"}),
        ({"city": "Berlin"}, None),
        ({"city": "Berlin"}, "Berlin"),
        (1778068800, 1778068801),
    ],
)
def test_another_value_is_a_change(desired: Any, observed: Any) -> None:
    assert not same(desired, observed)


@pytest.mark.parametrize(
    ("kind", "desired", "observed", "equal"),
    [
        ("number", "7", "7.0", True),
        ("integer", "7", "8", False),
        ("text", "2026-05-06T12:00:00Z", "2026-05-06T14:00:00+02:00", False),
        ("datetime", "1778068800000", 1778068800000, True),
        ("datetime", 1778068800000, 1778068800000.0, True),
        ("datetime", 1778068800000, 1778068800001, False),
        ("date", "06.05.2026", "06.05.2026 ", True),
        ("text", 7, "7", True),
        ("datetime", 1778068800000, "2026-05-06T12:00:00Z", True),
        ("boolean", "1", "true", True),
        ("boolean", "1", "maybe", False),
        ("number", "seven", "seven", True),
    ],
)
def test_the_kind_of_a_field_decides_where_the_values_do_not_tell(
    kind: str, desired: Any, observed: Any, equal: bool
) -> None:
    assert same(desired, observed, kind) is equal


def test_only_fields_that_differ_are_sent_in_our_spelling() -> None:
    desired = {"name": "Acme", "amount": 5, "stage": None, "note": None, "other": 1}
    observed = {"name": "Acme ", "amount": "4", "stage": "won", "note": ""}
    assert difference(desired, observed, ["name", "amount", "stage", "note"]) == {"amount": 5, "stage": None}


def test_a_field_that_we_do_not_have_is_left_alone() -> None:
    assert difference({"a": 1}, {"a": 1, "b": 2}, ["a", "b"]) == {}


def test_a_new_record_gets_all_that_is_not_empty() -> None:
    assert difference({"a": 1, "b": None, "c": "", "d": False}, None, ["a", "b", "c", "d"]) == {"a": 1, "d": False}


def test_nested_fields_are_found_by_their_path_or_by_their_dotted_name() -> None:
    desired = {"address.city": "Bonn", "meta.x.y": 1}
    assert difference(desired, {"address": {"city": "Bonn"}, "meta": {"x": {"y": 1.0}}}, list(desired)) == {}
    assert difference(desired, {"address.city": "Bonn", "meta": "flat"}, list(desired)) == {"meta.x.y": 1}
    assert value_at({"a": {"b": 1}}, "a.b.c") is None


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8),
    st.datetimes(timezones=st.just(UTC)), st.dates(),
    st.datetimes().map(lambda d: d.isoformat() + "Z"),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)
records = st.dictionaries(st.sampled_from(["a", "b", "c.d", "e"]), values)


@settings(max_examples=300, deadline=None)
@given(records)
def test_nothing_differs_from_itself(record: Mapping[str, Any]) -> None:
    assert difference(record, record, list(record)) == {}
    assert difference(record, dict(record), list(record), dict.fromkeys(record, "datetime")) == {}


@settings(max_examples=300, deadline=None)
@given(records, records)
def test_once_the_difference_is_applied_there_is_none(desired: Mapping[str, Any], observed: Mapping[str, Any]) -> None:
    fields = ["a", "b", "c.d", "e"]
    after = {**observed, **difference(desired, observed, fields)}
    assert difference(desired, after, fields) == {}


@settings(max_examples=300, deadline=None)
@given(scalars, scalars)
def test_being_the_same_goes_both_ways(one: Any, other: Any) -> None:
    assert same(one, other) == same(other, one)


@pytest.mark.parametrize(
    ("code", "message", "retry", "expected"),
    [
        ("UNABLE_TO_LOCK_ROW", "", False, "transient"),
        ("REQUEST_LIMIT_EXCEEDED", "", False, "transient"),
        ("SERVER_UNAVAILABLE", "", False, "transient"),
        ("rateLimitExceeded", "", False, "transient"),
        ("429", "", False, "transient"),
        ("503", "", False, "transient"),
        ("REQUIRED_FIELD_MISSING", "", True, "transient"),
        ("REQUIRED_FIELD_MISSING", "", False, "fixable"),
        ("STRING_TOO_LONG", "", False, "fixable"),
        ("INVALID_EMAIL_ADDRESS", "", False, "fixable"),
        ("DUPLICATES_DETECTED", "", False, "fixable"),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "the account is locked", False, "fixable"),
        ("400", "", False, "fixable"),
        ("422", "Email is not valid", False, "fixable"),
        ("", "", False, "fixable"),
        ("something_new", "", False, "fixable"),
        ("ENTITY_IS_DELETED", "", False, "permanent"),
        ("INSUFFICIENT_ACCESS_OR_READONLY", "", False, "permanent"),
        ("NOT_FOUND", "", False, "permanent"),
        ("notFound", "", False, "permanent"),
        ("404", "Lead not found", False, "permanent"),
        ("403", "", False, "permanent"),
        ("400", "Lead is archived", False, "permanent"),
        ("400", "Try again: record locked", False, "transient"),
    ],
)
def test_a_refusal_is_classed_by_its_words(code: str, message: str, retry: bool, expected: str) -> None:
    assert classify(code, message, retry=retry) == expected


def test_tries_get_rarer_and_end() -> None:
    waits = [next_try(n, NOON) for n in range(1, 9)]
    assert waits[0] == NOON + timedelta(minutes=1)
    assert waits[-1] is None
    known = [at for at in waits if at is not None]
    assert len(known) == 7
    assert known == sorted(set(known))


def test_the_same_change_has_the_same_token_in_every_process_and_another_has_another() -> None:
    def made(**changes: Any) -> str:
        change = {"connection": "prm", "stream": "leads", "entity_id": "l1", "op": "upsert", "basis": "h1"}
        return token(**{**change, "values": {"b": 1, "a": NOON}, **changes})

    assert made() == made(values={"a": NOON, "b": 1}) == "07553a9440bf376923ab23dfdf9f0a43"
    others = [
        made(connection="crm"), made(stream="deals"), made(entity_id="l2"), made(op="delete"), made(basis="h2"),
        made(values={"b": 1}), made(values={"b": "1", "a": NOON}),
    ]  # fmt: skip
    assert len({made(), *others}) == 8


LIMITS = SimpleNamespace(max_create=100, max_update_share=0.5, max_delete=20)


@pytest.mark.parametrize(
    ("counts", "existing", "limit"),
    [
        (PlanCounts(), 0, None),
        (PlanCounts(create=100), 0, None),
        (PlanCounts(create=101), 10_000, "max_create"),
        (PlanCounts(update=50), 100, None),
        (PlanCounts(update=51), 100, "max_update_share"),
        (PlanCounts(update=10), 10, None),
        (PlanCounts(update=11), 11, "max_update_share"),
        (PlanCounts(update=11), 0, "max_update_share"),
        (PlanCounts(delete=20), 100, None),
        (PlanCounts(delete=21), 10_000, "max_delete"),
        (PlanCounts(delete=5), 5, "empties"),
        (PlanCounts(delete=1), 1, None),
    ],
)
def test_a_plan_beyond_its_limits_is_held(counts: PlanCounts, existing: int, limit: str | None) -> None:
    held = within(counts, LIMITS, existing)
    assert (held.limit if held else None) == limit
    if held:
        assert isinstance(held, Held)
        assert any(ch.isdigit() for ch in held.message)


@given(st.integers(2, 10_000), st.floats(0, 1), st.integers(0, 10_000))
def test_an_emptied_source_never_empties_a_target(existing: int, share: float, most: int) -> None:
    limits = SimpleNamespace(max_create=10**9, max_update_share=share, max_delete=most)
    assert within(PlanCounts(delete=existing), limits, existing) is not None
