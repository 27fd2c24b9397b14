"""What counts as drift, how bad it is, and what of a mapping it holds: without a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from prm_sync.rules.drift import Finding, Held, Shape, differences, held, taken_up, uses_of
from prm_sync.rules.mapping import MappingSpec, load_mapping

MAPPING = """\
from: partnerstack.leads
to: lead
when: {kind: [lead]}
fields:
  email: fields.email
  company: meta.company
  country: meta.country
  phone: phone
  rating: {from: rating, choices: {H: hot, C: cold}}
  status: {from: status, choices: {open: new}, else: working}
  currency: currency
  budget: amount
back:
  stage: offer_partner_stage
"""
TEXT = Shape("text", writable=True)


@pytest.fixture
def spec(tmp_path: Path) -> MappingSpec:
    path = tmp_path / "lead.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    return load_mapping(path)


def found(spec: MappingSpec, before: dict[str, Shape], now: dict[str, Shape]) -> list[tuple[str, str, str]]:
    return [(f.field, f.kind.value, f.severity.value) for f in findings(spec, before, now)]


def findings(spec: MappingSpec, before: dict[str, Shape], now: dict[str, Shape]) -> list[Finding]:
    return differences(before, now, uses_of([spec], [*before, *now]))


def test_the_same_form_is_no_drift(spec: MappingSpec) -> None:
    form = {"phone": TEXT, "rating": Shape("choice", ("H", "C")), "other": Shape("date")}
    assert found(spec, form, dict(form)) == []


def test_a_field_is_as_important_as_what_is_made_of_it(spec: MappingSpec) -> None:
    names = ("phone", "meta", "stage", "kind", "other")
    told = found(spec, dict.fromkeys(names, TEXT), {})
    assert {(name, severity) for name, _, severity in told} == {
        ("phone", "breaking"), ("meta", "breaking"), ("stage", "breaking"), ("kind", "breaking"), ("other", "info"),
    }  # fmt: skip
    by_name = {f.field: f for f in findings(spec, dict.fromkeys(names, TEXT), {})}
    assert set(by_name["meta"].concerns) == {"lead.company", "lead.country"}
    assert [name for name, f in sorted(by_name.items()) if f.holds] == ["kind", "meta", "phone"]


def test_a_type_that_was_only_guessed_has_not_changed(spec: MappingSpec) -> None:
    guessed = Shape("date", guessed=True)
    assert found(spec, {"phone": guessed}, {"phone": Shape("text", guessed=True)}) == []
    assert found(spec, {"phone": TEXT}, {"phone": Shape("object", writable=True)}) == [("phone", "retyped", "breaking")]


@pytest.mark.parametrize(
    ("field", "before", "now", "told"),
    [
        ("rating", ("H", "C"), ("H", "C", "溫"), [("rating", "new_choice", "warning")]),
        ("rating", ("H",), ("H", "C"), [("rating", "new_choice", "info")]),
        ("status", ("open",), ("open", "جديد"), [("status", "new_choice", "info")]),  # `else` takes it
        ("rating", ("H", "C"), ("H",), [("rating", "lost_choice", "info")]),
        ("stage", ("won", "lost"), ("won",), [("stage", "lost_choice", "warning")]),
    ],
)
def test_picklist_values_count_by_whether_a_mapping_knows_them(
    spec: MappingSpec, field: str, before: tuple[str, ...], now: tuple[str, ...], told: list[tuple[str, str, str]]
) -> None:
    shapes = [{field: Shape("choice", choices, writable=True)} for choices in (before, now)]
    assert found(spec, *shapes) == told


def test_what_must_be_given_or_cannot_be_written_any_more(spec: MappingSpec) -> None:
    needed = Shape("text", required=True, writable=True)
    assert found(spec, {}, {"region": needed}) == [("region", "required", "warning")]
    assert found(spec, {"region": TEXT}, {"region": needed}) == [("region", "required", "warning")]
    assert found(spec, {"stage": TEXT}, {"stage": needed}) == []  # `back:` gives it
    assert found(spec, {"stage": TEXT}, {"stage": Shape("text")}) == [("stage", "read_only", "breaking")]
    assert found(spec, {"phone": TEXT}, {"phone": Shape("text")}) == []


def test_a_new_form_is_taken_up_but_where_something_is_open(spec: MappingSpec) -> None:
    before = {"phone": TEXT, "old": TEXT, "rating": Shape("choice", ("H",))}
    now = {"new": TEXT, "rating": Shape("choice", ("H", "X"))}
    kept = taken_up(before, now, findings(spec, before, now))
    assert kept == {"phone": TEXT, "rating": Shape("choice", ("H",)), "new": TEXT}
    assert found(spec, kept, now) == [("phone", "removed", "breaking"), ("rating", "new_choice", "warning")]


def test_what_is_held_of_a_mapping(spec: MappingSpec) -> None:
    assert held(spec, frozenset()) == Held()
    assert held(spec, frozenset({"fields"})) == Held(frozenset({"email"}))
    assert held(spec, frozenset({"currency"})) == Held(frozenset({"currency", "budget"}))
    assert held(spec, frozenset({"meta"})) == Held(frozenset({"company", "country", "phone"}))
    assert held(spec, frozenset({"kind"})) == Held(whole=True)
    assert held(spec, frozenset({"other"})) == Held()
