"""Every mapping that comes with prm-sync loads, has golden cases, and passes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from prm_sync.rules.mapping import MappingSpec, compile_back, compile_mapping, load_all, run_cases

FOLDER = Path(__file__).parents[2] / "mappings"
SPECS, ERRORS = load_all(FOLDER)


def of(spec: MappingSpec) -> str:
    return f"{spec.connector}/{spec.file.stem}"


def test_every_shipped_mapping_loads() -> None:
    assert [str(e) for e in ERRORS] == []
    assert {s.connector for s in SPECS} >= {"salesforce", "partnerstack", "files"}


@pytest.mark.parametrize("spec", SPECS, ids=of)
def test_a_shipped_mapping_passes_its_golden_cases(spec: MappingSpec) -> None:
    results = run_cases(spec)  # a missing cases file raises
    assert [f"{spec.file.stem}.cases.yaml:{r.line}: {r.name}: {p}" for r in results for p in r.problems] == []


@pytest.mark.parametrize("spec", SPECS, ids=of)
def test_a_shipped_mapping_survives_an_empty_and_an_odd_record(spec: MappingSpec) -> None:
    run = compile_mapping(spec, "acme").run
    for odd in ({}, {name: ["odd", {"a": 1}] for name in spec.sources}, dict.fromkeys(spec.sources, "?")):
        faults: list[object] = []
        row = run(odd, faults)  # type: ignore[arg-type]
        assert row is None or len(row) == len({r.field.name for r in spec.fields})
    assert compile_back(spec).run({}) == {}
