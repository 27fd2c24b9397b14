"""The mappings of this connector: every golden case, and that their fields are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from prm_sync.rules.mapping.cases import run_cases
from prm_sync.rules.mapping.compile import compile_mapping
from prm_sync.rules.mapping.spec import load_mapping

FOLDER = Path(__file__).parents[2] / "mappings" / "salesforce"
NAMES = ("lead", "account", "contact", "opportunity", "case", "partner", "order", "feedback")
LICENSED = {"IsPersonAccount"}  #: there only where an org has the feature


@pytest.mark.parametrize("name", NAMES)
def test_golden_cases_of_salesforce_hold(name):
    results = run_cases(load_mapping(FOLDER / f"{name}.yaml"))
    assert [(r.name, r.problems) for r in results if not r.passed] == []


def test_mapped_fields_are_what_the_org_describes(org):
    with org.open() as session:
        for name in NAMES:
            spec = load_mapping(FOLDER / f"{name}.yaml")
            declared = {f.name: f.writable for f in session.discover([spec.stream])[0].fields}
            assert set(spec.sources) - LICENSED <= set(declared), name
            assert all(declared[rule.remote] for rule in spec.back), name


def test_a_lead_that_was_read_becomes_canonical(org):
    [lead] = org.leads(1, Country="Germany", Phone="030 901820", Budget__c=99.5, CurrencyIsoCode="EUR")
    compiled = compile_mapping(load_mapping(FOLDER / "lead.yaml"), "sf")
    faults = []
    row = compiled.named(compiled.run(org.pull().records[lead], faults))
    assert faults == []
    assert (row["status"], row["country"], row["phone"], row["budget"]) == ("new", "DE", "+4930901820", 9950)
