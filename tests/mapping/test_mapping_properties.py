"""What holds for every mapping and every record: nothing is raised, the same record gives the same row, types hold."""

from __future__ import annotations

import datetime as dt
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.model import Entity, Kind
from prm_sync.rules.mapping import Compiled, Fault, FaultCode, compile_mapping, load_mapping
from prm_sync.rules.mapping.functions import FUNCTIONS

PLAUSIBLE = [
    "ann@example.com", "+84 912 345 678", "0912345678", "Việt Nam", "DE", "eur", "€", "12,5", "1.234,56", "2026-11-20",
    "2026-11-20T08:15:30.000+0000", "yes", "new", "Open", "x;y", "https://www.example.com", "٣٫٥",
    "a b c", 1795162530123, 12.5,
]  # fmt: skip
SCALAR = st.sampled_from(PLAUSIBLE) | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0"]), inner, max_size=2),
    max_leaves=5,
)
TYPES: dict[Kind, type | tuple[type, ...]] = {
    Kind.MONEY: int, Kind.INTEGER: int, Kind.NUMBER: float, Kind.BOOLEAN: bool, Kind.INSTANT: dt.datetime, Kind.DATE:
    dt.date,
    Kind.TEXTS: list,
}  # fmt: skip


def mapping_text(entity: Entity) -> str:
    """A mapping of every field of an entity, each made in one of the ways there are; sources f0, f1, ..."""
    functions = [None, *(f for f in FUNCTIONS.values() if "in" in f.ways and not f.final)]
    rules: dict[str, Any] = {}
    for n, field in enumerate(entity.fields):
        rule: dict[str, Any] = {"from": [f"f{n}", f"f{n + 1}.a", f"f{n}.b.0"][: n % 3 + 1]}
        function = functions[n % len(functions)]
        if function and n % 2:
            rule["do"] = function.name
        if field.kind is Kind.CHOICE and n % 4:
            rule |= {"choices": {"Open": field.choices[0], "true": field.choices[-1]}}
        if field.kind is Kind.TEXT and n % 5 == 0:
            rule |= {"choices": {"x": "y"}, "else": "z"}
        rules[field.name] = rule
    return json.dumps({"from": "toy.things", "to": entity.name, "fields": rules})


@cache
def compiled_of(entity: str) -> Compiled:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "toy.yaml"
        path.write_text(mapping_text(ENTITIES[entity]))
        return compile_mapping(load_mapping(path), "toy")


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(ENTITIES)), st.data())
def test_a_mapping_takes_any_record(entity: str, data: st.DataObject) -> None:
    compiled = compiled_of(entity)
    names = st.sampled_from([f"f{n}" for n in range(len(compiled.columns))])
    record = data.draw(st.dictionaries(names, JSON, max_size=12))
    faults: list[Fault] = []
    row = compiled.run(record, faults)
    again: list[Fault] = []
    assert repr(compiled.run(record, again)) == repr(row)
    assert repr(again) == repr(faults)
    assert (row is None) == any(f.fatal for f in faults)
    if row is None:
        return
    failed = {f.field for f in faults}
    for field, value in zip(ENTITIES[entity].fields, row, strict=True):
        if value is None:
            continue
        assert field.name not in failed
        assert isinstance(value, TYPES.get(field.kind, str))
        assert field.kind is not Kind.CHOICE or value in field.choices
        assert not isinstance(value, str) or ("\0" not in value and value.encode() and value.strip() == value)


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=8, max_size=30))
def test_a_reason_never_holds_a_value(word: str) -> None:
    compiled = compiled_of("lead")
    secret = f"Zebrafink {word}"
    faults: list[Fault] = []
    compiled.run({f"f{n}": secret for n in range(len(compiled.columns))}, faults)
    assert faults
    for fault in faults:
        assert "zebrafink" not in fault.reason.lower()
        assert isinstance(fault.code, FaultCode)
