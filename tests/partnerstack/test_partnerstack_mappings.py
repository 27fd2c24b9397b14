"""The mappings of this connector: every golden case, and what the emulator really gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from prm_sync.rules.mapping.cases import run_cases
from prm_sync.rules.mapping.compile import compile_mapping
from prm_sync.rules.mapping.spec import load_mapping
from prm_sync_partnerstack.streams import SOURCES

FOLDER = Path(__file__).parents[2] / "mappings" / "partnerstack"
NAMES = ("lead", "partner", "deal_registration", "account", "order")


@pytest.mark.parametrize("name", NAMES)
def test_golden_cases_hold(name):
    results = run_cases(load_mapping(FOLDER / f"{name}.yaml"))
    assert [(r.name, r.problems) for r in results if not r.passed] == []


@pytest.mark.parametrize("name", NAMES)
def test_mapped_fields_are_declared_by_the_connector(name):
    spec = load_mapping(FOLDER / f"{name}.yaml")
    declared = {f.name: f.writable for f in SOURCES[spec.stream].stream.fields}
    assert {s.split(".")[0] for s in spec.sources} <= set(declared)
    assert all(declared[rule.remote.split(".")[0]] for rule in spec.back)


@pytest.mark.parametrize("as_list", [False, True])
def test_an_answer_in_the_portal_becomes_canonical(make_bench, as_list):
    bench = make_bench(fields_as_list=as_list)
    bench.partner()
    meta = {"last_name": "Wei", "email": "li@haus.example"}
    lead = bench.account.create(
        "leads", {"partner_key": "nordwind", "external_key": "L-1", "status": "open", "meta": meta}, test=False
    )
    bench.partners.answer(lead["key"], accepted=True, at=1_803_906_000_000)
    bench.partners.progress(lead["key"], stage="working")
    compiled = compile_mapping(load_mapping(FOLDER / "lead.yaml"), "ps")
    faults = []
    [record] = bench.pull("leads").records.values()
    row = compiled.named(compiled.run(record, faults))
    assert faults == []
    assert (row["answer"], row["partner_stage"], row["prm_lead_id"]) == ("accepted", "working", "L-1")
    assert row["answered_at"].isoformat() == "2027-03-01T13:00:00+00:00"
    bench.partners.progress(lead["key"], status="closed won", amount=480_000)
    [record] = bench.pull("leads").records.values()
    row = compiled.named(compiled.run(record, faults))
    assert (row["partner_stage"], row["won_amount"], faults) == ("won", 480_000, [])
