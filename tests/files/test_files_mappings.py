"""The shipped mappings of file lists make what their golden cases say."""

from __future__ import annotations

from pathlib import Path

import pytest

from prm_sync.rules.mapping import load_mapping, run_cases

FOLDER = Path(__file__).parents[2] / "mappings" / "files"
MAPPINGS = sorted(p for p in FOLDER.glob("*.yaml") if not p.name.endswith(".cases.yaml"))


def test_leads_partners_targets_and_feedback_can_come_from_files() -> None:
    assert [path.stem for path in MAPPINGS] == ["feedback", "lead", "partner", "target"]


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: path.stem)
def test_the_mapping_passes_its_golden_cases(path: Path) -> None:
    results = run_cases(load_mapping(path))
    assert len(results) >= 4
    assert {f"line {r.line}: {r.name}": r.problems for r in results if not r.passed} == {}
