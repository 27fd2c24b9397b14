"""The shipped mappings of file lists make what their golden cases say."""

from __future__ import annotations

from pathlib import Path

import pytest

from prm_sync.rules.mapping import load_mapping, run_cases

FOLDER = Path(__file__).parents[2] / "mappings" / "files"
MAPPINGS = sorted(p for p in FOLDER.glob("*.yaml") if not p.name.endswith(".cases.yaml"))


def test_leads_and_what_a_prm_knows_of_its_partners_can_come_from_files() -> None:
    assert {path.stem for path in MAPPINGS} >= {
        "agreement", "certification", "feedback", "incentive_claim", "lead", "partner", "target",
    }  # fmt: skip


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: path.stem)
def test_the_mapping_passes_its_golden_cases(path: Path) -> None:
    results = run_cases(load_mapping(path))
    assert len(results) >= 4
    assert {f"line {r.line}: {r.name}": r.problems for r in results if not r.passed} == {}
