"""Plans: shown, kept, approved exactly or not at all; what was written, and by which plan; dry runs write nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from workbench import Bench, Vendors

from prm_sync.errors import ConfigError
from prm_sync.flows.approve import Approval, approve
from prm_sync.flows.push import plan, push
from prm_sync.flows.refine import refine
from prm_sync.flows.report import State
from prm_sync.flows.route import route


def routed(bench: Bench, n: int = 3) -> list[str]:
    """`n` leads that wait to be offered."""
    bench.vendors.partner("nordwind")
    leads = [bench.vendors.lead(f"Phạm{i}", Email=f"pham{i}@pham{i}.example") for i in range(n)]
    bench.pull()
    bench.clock.advance(seconds=10)
    refine(bench.app)
    route(bench.app)
    bench.clock.advance(seconds=10)
    return leads


def states(bench: Bench) -> dict[str, str]:
    return {r["id"]: r["state"] for r in bench.rows("SELECT id, state FROM ops.plan")}


def found(approval: Approval) -> list[tuple[str, str]]:
    return [(c.field, c.why) for c in approval.changed]


def test_a_shown_plan_is_kept_and_applied_exactly(bench: Bench) -> None:
    routed(bench)
    [shown] = plan(bench.app, "prm", "leads")
    assert shown.counts.told() == {"create": 3, "update": 0, "delete": 0, "skip": 0, "conflict": 0}
    kept = bench.rows("SELECT * FROM ops.plan_change WHERE plan_id = :id ORDER BY token", id=shown.head.id)
    assert [(k["token"], k["after"]) for k in kept] == sorted(
        (i.token, json.loads(json.dumps(i.after))) for i in shown.intents
    )
    assert [p.head for p in plan(bench.app, "prm", "leads")] == [shown.head]
    assert states(bench) == {shown.head.id: "shown"}
    done = approve(bench.app, shown.head.id, "linh")
    assert (done.report.state, done.report.numbers["created"], done.changed) == (State.DONE, 3, [])
    assert states(bench) == {shown.head.id: "applied"}
    assert bench.rows("SELECT FROM ops.plan_change") == []
    bench.vendors.forget_calls()
    assert push(bench.app, "prm", "leads").numbers["create"] == 0
    assert bench.vendors.bodies() == []
    with pytest.raises(ConfigError, match="it is applied; those that do: none"):
        approve(bench.app, shown.head.id, "linh")


def test_a_plan_that_the_source_overtook_says_which_field_and_applies_nothing(bench: Bench) -> None:
    leads = routed(bench)
    [shown] = plan(bench.app, "prm", "leads")
    bench.vendors.sf.org.update("Lead", leads[1], {"City": "Hà Nội"})
    bench.clock.advance(minutes=1)
    bench.pull(("crm", "Lead"))
    refine(bench.app)
    done = approve(bench.app, shown.head.id, "linh")
    assert done.report.state is State.HELD
    assert "1 records are not as plan_" in (done.report.message or "")
    assert found(done) == [("meta.city", "another value is wanted")]
    assert (done.changed[0].planned, done.changed[0].now) == (None, "Hà Nội")
    assert bench.vendors.prm_leads() == []
    assert states(bench) == {shown.head.id: "shown"}


def test_a_plan_that_the_remote_overtook_is_seen_before_anything_is_sent(bench: Bench) -> None:
    """Nobody pulled meanwhile: only a look at the record itself can tell."""
    leads = routed(bench)
    bench.push()
    bench.cycle()
    for lead in leads:
        bench.vendors.sf.org.update("Lead", lead, {"City": "Đà Nẵng"})
    bench.pull()
    refine(bench.app)
    [shown] = plan(bench.app, "prm", "leads")
    assert (shown.counts.update, shown.counts.skip) == (3, 0)
    first = bench.vendors.prm_leads()[0]
    bench.vendors.ps.store["leads"].update(first["key"], {"meta": {**first["meta"], "city": "Huế"}})
    bench.vendors.forget_calls()
    done = approve(bench.app, shown.head.id, "linh")
    assert found(done) == [("meta.city", "was changed in the remote")]
    assert (done.changed[0].remote_id, done.changed[0].now) == (first["key"], "Huế")
    assert bench.vendors.ps.calls.writes() == []
    bench.vendors.ps.store["leads"].update(first["key"], {"archived": True})
    bench.vendors.ps.switch(archived_is_gone=True)
    assert found(approve(bench.app, shown.head.id, "linh")) == [("*", "is gone from the remote")]


def test_a_push_in_between_takes_the_place_of_a_plan_that_was_shown(bench: Bench) -> None:
    leads = routed(bench)
    [shown] = plan(bench.app, "prm", "leads")
    bench.vendors.sf.org.update("Lead", leads[0], {"City": "Huế"})
    bench.cycle()
    assert states(bench)[shown.head.id] == "superseded"
    with pytest.raises(ConfigError, match="it is superseded; those that do: none"):
        approve(bench.app, shown.head.id, "linh")
    assert len(bench.vendors.prm_leads()) == 3


def test_every_field_that_was_written_is_logged_with_old_new_rule_run_and_plan(bench: Bench) -> None:
    leads = routed(bench, 1)
    bench.push()
    made = bench.rows("SELECT * FROM ops.write_log WHERE connection = 'prm' ORDER BY field")
    assert {m["field"] for m in made} >= {"external_key", "partner_key", "meta.email", "meta.last_name"}
    assert {m["old"] for m in made} == {None}
    assert {m["new"] for m in made if m["field"] == "meta.last_name"} == {"Phạm0"}
    bench.cycle()
    bench.vendors.sf.org.update("Lead", leads[0], {"City": "Huế"})
    bench.cycle()
    [row] = bench.rows("SELECT * FROM ops.write_log WHERE field = 'meta.city'")
    assert (row["old"], row["new"], row["rule"]) == (None, "Huế", "partnerstack.leads -> lead")
    [by] = bench.rows("SELECT verb, target FROM ops.run WHERE id = :id", id=row["run_id"])
    assert by == {"verb": "push", "target": "prm.leads"}
    assert states(bench)[row["plan_id"]] == "applied"
    assert bench.rows("SELECT FROM ops.write_log WHERE plan_id IS NULL OR run_id IS NULL") == []


# --- outcomes that are not known ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lose_answer", "cut"])
def test_a_batch_to_the_crm_of_which_no_answer_came_is_looked_up_record_by_record(bench: Bench, fault: str) -> None:
    """The call was done: the next push finds each record as it should be, and writes nothing."""
    leads = routed(bench, 4)
    bench.push()
    bench.cycle()
    [offer, *_] = bench.vendors.prm_leads()
    bench.vendors.ps.partners.answer(offer["key"], accepted=True)
    bench.pull()
    refine(bench.app)
    route(bench.app)
    options: dict[str, Any] = {"method": "PATCH", "path": "*/composite/sobjects"}
    faults = bench.vendors.sf.faults
    faults.lose_answer(delay_s=0.1, **options) if fault == "lose_answer" else faults.cut(**options)
    to_crm = push(bench.app, "crm", "Lead")
    assert to_crm.state is State.PARTIAL
    assert bench.rows("SELECT DISTINCT state FROM ops.outbox WHERE state <> 'done'") == [{"state": "unknown"}]
    assert bench.rows("SELECT FROM ops.write_log WHERE field = 'Prm_Offer_Status__c' AND new = '\"accepted\"'") == []
    bench.vendors.forget_calls()
    again = push(bench.app, "crm", "Lead")
    assert (again.state, again.numbers["looked_up"]) == (State.DONE, 1)
    assert [c for c in bench.vendors.sf.calls.writes() if c.method == "PATCH"] == []
    [logged] = bench.rows("SELECT * FROM ops.write_log WHERE field = 'Prm_Offer_Status__c' AND new = '\"accepted\"'")
    assert (logged["old"], logged["remote_id"] in leads) == ("pending", True)


# --- dry runs ----------------------------------------------------------------------------------------------------


def test_looking_at_plans_writes_nothing_to_any_remote(bench: Bench, vendors: Vendors) -> None:
    routed(bench)
    before = vendors.ps.store.snapshot(), {k: dict(v.rows) for k, v in vendors.sf.org.tables.items()}
    vendors.forget_calls()
    for connection, stream in (("prm", "leads"), ("crm", "Lead")):
        assert plan(bench.app, connection, stream)
    assert vendors.ps.calls.count() == 0  # what a PartnerStack stream is, the connector knows by itself
    assert [c.path for c in vendors.sf.calls.writes() if "oauth2" not in c.path] == []
    assert (vendors.ps.store.snapshot(), {k: dict(v.rows) for k, v in vendors.sf.org.tables.items()}) == before
    assert bench.rows("SELECT FROM ops.outbox") == []
