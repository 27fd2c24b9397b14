"""`check`, `plan`, `approve` and `explain` against both emulated vendors."""

from __future__ import annotations

from typing import Any

import pytest
from commandline import Cli
from workbench import Vendors


@pytest.fixture
def vendors_cli(cli: Cli, vendors: Vendors) -> Cli:
    cli.env.update(vendors.env)
    cli.write(connections=vendors.connections(), trust=["crm", "prm"])
    vendors.partner("acme")
    vendors.lead("Weber")
    vendors.lead("Huber")
    return cli


def problems(said: dict[str, Any]) -> list[str]:
    return [f"{f['subject']}: {f['message']}" for f in said["findings"] if f["level"] == "problem"]


def test_offers_go_out_and_are_explained(vendors_cli: Cli, vendors: Vendors) -> None:
    said = vendors_cli("run", "--json").json
    assert {f["state"] for f in said["flows"]} == {"done"}, said
    assert len(vendors.prm_leads()) == 2
    lead = vendors_cli("explain", "lead", "weber@weber-gmbh.example", "--json").json
    assert [o["state"] for o in lead["offers"]] == ["pending"]
    assert lead["offers"][0]["partner"] == "Acme"
    assert [e["event"] for e in lead["offers"][0]["events"]] == ["offered"]
    assert "goes to Acme, one of" in lead["decisions"][0]["words"][0], lead["decisions"]
    written = {(w["connection"], w["field"]) for w in lead["writes"]}
    assert written >= {("prm", "meta.email"), ("crm", "Prm_Offer_Status__c")}
    assert {w["new"] for w in lead["writes"] if w["field"] == "meta.email"} == {"•••"}
    partner = vendors_cli("explain", "partner", "acme", "--json").json
    assert partner["offers_by_state"] == {"pending": 2}
    assert vendors_cli("plan", "--json").json["plans"][0]["update"] == 0


def test_a_plan_shows_changes_and_hides_personal_values(vendors_cli: Cli, vendors: Vendors) -> None:
    vendors_cli("run", "pull", "refine", "route")
    vendors.forget_calls()
    (plan,) = vendors_cli("plan", "prm", "leads", "--json").json["plans"]
    assert (plan["create"], plan["update"], plan["delete"], plan["held"]) == (2, 0, 0, None)
    fields = {f["field"]: f["new"] for f in plan["changes"][0]["fields"]}
    assert fields["meta.country"] == "DE"
    assert fields["meta.email"] == "•••"
    shown = vendors_cli("plan", "prm", "leads", "--show-values", "--limit", "1", "--json").json["plans"][0]
    assert "@" in {f["field"]: f["new"] for f in shown["changes"][0]["fields"]}["meta.email"]
    assert shown["not_shown"] == 1
    assert "meta.country" in vendors_cli("plan", "prm").out
    assert vendors.bodies() == []
    assert vendors.prm_leads() == []


def test_a_held_plan_is_sent_once_it_is_approved(vendors_cli: Cli, vendors: Vendors) -> None:
    vendors_cli.write(connections=vendors.connections(prm={"limits": {"max_create": 1}}), trust=["crm", "prm"])
    said = vendors_cli("run", "--json", code=3).json
    assert said["state"] == "held"
    assert vendors.prm_leads() == []
    (held,) = vendors_cli("status", "--json").json["held"]
    assert vendors_cli("plan", "prm", "leads", "--json").json["plans"][0]["state"] == "held"
    (listed,) = [p for p in vendors_cli("plan", "list", "--json").json["plans"] if p["state"] == "held"]
    assert (listed["id"], listed["counts"]["create"]) == (held["id"], 2)
    assert held["id"] in vendors_cli("plan", "list").out
    approved = vendors_cli("approve", held["id"], "--by", "Linh", "--json").json
    assert (approved["by"], approved["done"]["created"], approved["changed"]) == ("Linh", 2, [])
    assert len(vendors.prm_leads()) == 2
    assert vendors_cli("status", "--json").json["held"] == []


def test_a_plan_that_was_overtaken_is_told_field_by_field_with_personal_values_hidden(
    vendors_cli: Cli, vendors: Vendors
) -> None:
    vendors_cli("run", "pull", "refine", "route")
    (plan,) = vendors_cli("plan", "prm.leads", "--json").json["plans"]
    assert (plan["create"], len(plan["changes"]), plan["not_shown"]) == (2, 2, 0)
    [row_id, *_] = vendors.sf.org.tables["Lead"].rows
    vendors.clock.advance(minutes=1)
    vendors.sf.org.update("Lead", row_id, {"LastName": "Nguyễn", "City": "Huế"})
    vendors_cli("run", "pull", "refine", "-c", "crm")
    said = vendors_cli("approve", plan["id"], "--json", code=3).json
    assert said["state"] == "held"
    assert {(c["field"], c["now"]) for c in said["changed"]} == {("meta.last_name", "•••"), ("meta.city", "Huế")}
    assert "nothing was applied" in vendors_cli("approve", plan["id"], code=3).out
    assert vendors.prm_leads() == []


def test_a_dry_run_prints_the_plan_and_writes_nothing_to_any_remote(vendors_cli: Cli, vendors: Vendors) -> None:
    vendors_cli("run", "pull", "refine", "route")
    vendors.forget_calls()
    said = vendors_cli("run", "--dry-run", "--json").json
    plan = next(p for p in said["plans"] if (p["connection"], p["stream"]) == ("prm", "leads"))
    assert (plan["create"], len(plan["changes"])) == (2, 2)
    assert "meta.country" in vendors_cli("run", "push", "--dry-run").out
    assert vendors.ps.calls.count() == 0
    assert [c for c in vendors.sf.calls.writes() if "oauth2" not in c.path] == []
    assert vendors.prm_leads() == []


def test_approving_what_is_not_held_says_what_is(vendors_cli: Cli) -> None:
    said = vendors_cli("approve", "plan_x", code=2).err
    assert "no plan 'plan_x' waits for approval: those that do: none" in said


def test_check_of_a_sound_project_finds_tenants_and_writes_nothing(vendors_cli: Cli, vendors: Vendors) -> None:
    said = vendors_cli("check", "--json").json
    assert said["state"] == "done"
    assert problems(said) == []
    assert {"crm", "prm", "crm.Lead", "prm.leads"} <= {f["subject"] for f in said["findings"]}
    assert vendors.bodies() == []


def test_check_tells_a_wrong_secret_in_one_line_and_looks_at_the_others(vendors_cli: Cli) -> None:
    vendors_cli.env["PS_SECRET"] = "not-the-secret"
    said = vendors_cli("check", "--json", code=1).json
    (found,) = problems(said)
    assert found.startswith("prm: ")
    assert "not-the-secret" not in found
    assert any(f["subject"] == "crm.Lead" and f["level"] == "ok" for f in said["findings"])


def test_check_tells_an_unreachable_host_in_one_line(vendors_cli: Cli, vendors: Vendors) -> None:
    vendors_cli.write(connections=vendors.connections(prm={"config": {"base_url": "http://127.0.0.1:1/api/v2"}}))
    (found,) = problems(vendors_cli("check", "prm", "--json", code=1).json)
    assert found.startswith("prm: ")


def test_check_tells_a_missing_variable_with_file_and_line(vendors_cli: Cli) -> None:
    del vendors_cli.env["SF_SECRET"]
    (found,) = problems(vendors_cli("check", "crm", "--json", code=2).json)
    assert "prm_sync.yaml:" in found
    assert "environment variable SF_SECRET is not set" in found


def test_check_tells_a_field_that_the_remote_has_not_with_a_near_match(vendors_cli: Cli, vendors: Vendors) -> None:
    vendors_cli.text(
        "mappings/salesforce/lead.yaml",
        "from: salesforce.Lead\nto: lead\nfields: {last_name: LastNam, email: Email}\n"
        "back: {Prm_Offer_State__c: offer_state}\n",
    )
    vendors_cli.write(connections=vendors.connections(), mappings="mappings")
    said = vendors_cli("check", "crm", "--json", code=1).json
    (warning,) = [f["message"] for f in said["findings"] if f["level"] == "warning" and f["subject"] == "crm.Lead"]
    assert "LastNam (did you mean LastName?)" in warning
    (problem,) = problems(said)
    assert "writes Prm_Offer_State__c, which is not there (did you mean Prm_Offer_Status__c?)" in problem


def test_check_tells_every_mistake_of_every_file(vendors_cli: Cli, vendors: Vendors) -> None:
    vendors_cli.text(
        "mappings/salesforce/lead.yaml", "from: salesforce.Lead\nto: lead\nfields:\n  last_nam: LastName\n"
    )
    vendors_cli.text("mappings/salesforce/case.yaml", "from: salesforce.Case\nto: caze\nfields: {}\n")
    vendors_cli.text("policies/routing.yaml", "sore: 1\n")
    vendors_cli.text("policies/targets.yaml", "behind_below: 7\nalert_aft: 0.5\n")
    vendors_cli.write(connections=vendors.connections(), mappings="mappings", policies="policies")
    found = problems(vendors_cli("check", "--json", code=2).json)
    assert any("lead.yaml:4: " in p and 'did you mean "last_name"' in p for p in found)
    assert any("case.yaml:2: " in p for p in found)
    for place in ("routing.yaml:1: ", "targets.yaml:1: ", "targets.yaml:2: "):  # each a finding of its own
        assert [p for p in found if p.startswith("policies: ") and p.count(".yaml:") == 1 and place in p], place


def test_a_connection_that_stands_twice_is_told_with_its_line(vendors_cli: Cli) -> None:
    vendors_cli.text("prm_sync.yaml", "connections:\n  crm: {connector: files}\n  crm: {connector: files}\n")
    found = problems(vendors_cli("check", "--json", code=2).json)
    assert len(found) == 1
    assert 'prm_sync.yaml:3: duplicate name "crm"' in found[0]


def test_check_of_an_unknown_connection_suggests_one(vendors_cli: Cli) -> None:
    assert 'there is no connection "crn"; did you mean "crm"?' in vendors_cli("check", "crn", code=2).err


def test_the_streams_of_a_connection_are_listed(vendors_cli: Cli) -> None:
    rows = {s["stream"]: s for s in vendors_cli("connectors", "streams", "crm", "--json").json["streams"]}
    assert rows["Lead"]["pulled"]
    assert not rows["Contact"]["pulled"]
    assert rows["Lead"]["write_batch"] > 0


def test_refused_writes_are_sent_again_once_they_are_replayed(vendors_cli: Cli, vendors: Vendors) -> None:
    vendors.ps.faults.status(
        400, body={"status": 400, "message": "meta.city is required"}, times=1, method="POST", path="/api/v2/leads"
    )
    vendors_cli("run")
    assert len(vendors.prm_leads()) == 1
    reasons = vendors_cli("quarantine", "list", "--field", "push", "--json").json["reasons"]
    assert [(r["reason"], r["n"]) for r in reasons] == [("meta.city is required", 1)]
    vendors_cli("run", "push")
    assert len(vendors.prm_leads()) == 1
    assert vendors_cli("quarantine", "replay", "--push", "--json").json == {"state": "done", "ready": 1}
    vendors_cli("run", "push")
    assert len(vendors.prm_leads()) == 2
    assert vendors_cli("quarantine", "list", "--json").json["records"] == []
