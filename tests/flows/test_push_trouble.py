"""What push does when a vendor refuses, answers late or not at all; when a plan is too big; and what may leave."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from workbench import Bench, Project, Vendors

from prm_sync.errors import ConfigError
from prm_sync.flows.approve import approve
from prm_sync.flows.pull import pull
from prm_sync.flows.push import plan, push
from prm_sync.flows.refine import refine
from prm_sync.flows.report import State
from prm_sync.flows.route import route

POST_LEADS = {"method": "POST", "path": "/api/v2/leads"}


def offered(bench: Bench, n: int) -> None:
    """`n` leads pulled and routed; nothing pushed yet. There are partners for ten leads more."""
    for i in range(n):
        bench.vendors.lead(f"Lead{i:02}")
    for i in range(n // 10 + 2):  # 10 offers may wait for one partner
        bench.vendors.partner(f"partner{i}")
    bench.pull()
    bench.clock.advance(seconds=10)
    refine(bench.app)
    route(bench.app)
    bench.clock.advance(seconds=10)


def keys(bench: Bench) -> list[str]:
    return sorted(r["external_key"] for r in bench.vendors.prm_leads(archived=None))


# --- refusals ----------------------------------------------------------------------------------------------------


def test_a_refused_write_lands_in_quarantine_and_resolves_when_the_row_changes(bench: Bench) -> None:
    lead = bench.vendors.lead()
    bench.vendors.lead("Huber")
    bench.vendors.partner("nordwind")
    body = {"status": 400, "message": "meta.city is required"}
    bench.vendors.ps.faults.status(400, body=body, times=1, **POST_LEADS)
    to_prm, _ = bench.cycle()
    assert (to_prm.numbers["written"], to_prm.numbers["refused"]) == (1, 1)
    [held] = bench.quarantine()
    assert (held["connection"], held["stream"], held["field"], held["code"]) == ("prm", "leads", "push", "invalid")
    assert held["reason"] == "meta.city is required"
    bench.cycle()  # nothing changed: it is not tried again
    assert len(bench.vendors.prm_leads()) == 1
    assert len(bench.quarantine()) == 1
    for row_id in (lead, *(r for r in bench.vendors.sf.org.tables["Lead"].rows if r != lead)):
        bench.vendors.sf.org.update("Lead", row_id, {"City": "Bremen"})
    bench.cycle()
    assert len(bench.vendors.prm_leads()) == 2
    assert bench.quarantine() == []


def test_a_refused_write_to_the_crm_holds_nothing_else_back(bench: Bench) -> None:
    first, second = bench.vendors.lead(), bench.vendors.lead("Huber")
    bench.vendors.partner("nordwind")
    bench.vendors.sf.org.tables["Lead"].rows[first]["IsConverted"] = True  # converted meanwhile: cannot be written
    _, to_crm = bench.cycle()
    assert to_crm.numbers["refused"] == 1
    assert bench.vendors.crm_row("Lead", second)["Prm_Offer_Status__c"] == "pending"
    assert [(q["remote_id"], q["code"]) for q in bench.quarantine()] == [(first, "CANNOT_UPDATE_CONVERTED_LEAD")]


def test_a_refused_write_to_a_record_that_is_gone_waits_no_longer(bench: Bench) -> None:
    lead, other = bench.vendors.lead("حسین"), bench.vendors.lead("Huber")
    bench.vendors.partner("nordwind")
    bench.pull()
    refine(bench.app)
    route(bench.app)
    bench.vendors.sf.org.delete("Lead", lead)  # after it was read
    _, to_crm = bench.push()
    assert to_crm.numbers["refused"] == 1
    assert [(q["remote_id"], q["code"]) for q in bench.quarantine()] == [(lead, "ENTITY_IS_DELETED")]
    bench.clock.advance(minutes=10)
    bench.cycle()
    assert bench.quarantine() == []
    states = bench.rows("SELECT remote_id, state FROM ops.outbox WHERE connection = 'crm'")
    assert {(r["remote_id"], r["state"]) for r in states} == {(lead, "dropped"), (other, "done")}


def test_a_refused_write_for_an_offer_that_the_partner_declined_waits_no_longer(bench: Bench) -> None:
    lead = bench.vendors.lead("حسین")
    bench.vendors.partner("nordwind")
    bench.cycle()
    [offered] = bench.vendors.prm_leads()
    bench.vendors.sf.org.update("Lead", lead, {"City": "Huế"})
    bench.vendors.ps.faults.status(400, body={"status": 400, "message": "no"}, method="PATCH", path="/api/v2/leads/*")
    bench.cycle()
    assert [q["remote_id"] for q in bench.quarantine()] == [offered["key"]]
    bench.vendors.ps.partners.answer(offered["key"], accepted=False, reason="بعيد")
    bench.clock.advance(minutes=10)
    bench.cycle()
    assert (bench.quarantine(), bench.rows("SELECT FROM ops.outbox WHERE state = 'refused'")) == ([], [])
    assert len(bench.vendors.prm_leads()) == 1  # what the partner has answered stays


def test_a_lead_that_the_crm_has_converted_is_left_alone(bench: Bench) -> None:
    lead = bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.cycle()
    bench.vendors.sf.org.update("Lead", lead, {"Status": "Closed - Converted"})
    bench.vendors.sf.org.tables["Lead"].rows[lead]["IsConverted"] = True
    _, to_crm = bench.cycle()
    assert bench.one("SELECT state FROM ledger.lead_offer")["state"] == "withdrawn"
    assert (to_crm.numbers.get("refused", 0), bench.quarantine()) == (0, [])


def test_a_write_refused_for_now_is_sent_again_later_and_not_before(bench: Bench) -> None:
    lead = bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.vendors.sf.org.locked[lead] = 50
    _, to_crm = bench.cycle(minutes=0)
    assert to_crm.state is State.PARTIAL
    assert "1 changes are not settled" in (to_crm.message or "")
    bench.vendors.sf.org.locked.clear()
    bench.push()
    assert bench.vendors.crm_row("Lead", lead).get("Prm_Offer_Status__c") is None
    bench.clock.advance(minutes=2)
    _, to_crm = bench.push()
    assert to_crm.state is State.DONE
    assert bench.vendors.crm_row("Lead", lead)["Prm_Offer_Status__c"] == "pending"


# --- answers that do not come ------------------------------------------------------------------------------------


def test_a_create_whose_answer_was_lost_is_looked_up_and_not_made_twice(bench: Bench) -> None:
    offered(bench, 3)
    bench.vendors.ps.faults.lose_answer(delay_s=0.1, skip=1, **POST_LEADS)
    to_prm, _ = bench.push()
    assert to_prm.state is State.PARTIAL
    assert len(keys(bench)) == 3  # the lost one was made
    to_prm, _ = bench.push()
    assert to_prm.state is State.DONE
    assert to_prm.numbers["looked_up"] == 1
    assert len(keys(bench)) == len(set(keys(bench))) == 3
    assert bench.rows("SELECT DISTINCT state FROM ops.outbox WHERE connection = 'prm'") == [{"state": "done"}]
    assert len(bench.rows("SELECT FROM core.crosswalk WHERE connection = 'prm' AND stream = 'leads'")) == 3


def test_a_create_that_was_lost_on_the_way_is_made_by_the_next_push(bench: Bench) -> None:
    offered(bench, 3)
    bench.vendors.ps.faults.lose_answer(delay_s=0.1, applied=False, **POST_LEADS)
    to_prm, _ = bench.push()
    assert to_prm.state is State.PARTIAL
    assert len(keys(bench)) == 2
    to_prm, _ = bench.push()
    assert to_prm.state is State.DONE
    assert len(keys(bench)) == len(set(keys(bench))) == 3


def test_an_update_of_the_crm_whose_answer_was_lost_is_settled_by_looking(bench: Bench) -> None:
    offered(bench, 3)
    bench.vendors.sf.faults.lose_answer(delay_s=0.1, method="PATCH", path="*/composite/sobjects")
    _, to_crm = bench.push()
    assert to_crm.state is State.PARTIAL
    bench.vendors.forget_calls()
    _, to_crm = bench.push()
    assert (to_crm.state, to_crm.numbers["looked_up"]) == (State.DONE, 3)
    assert [c for c in bench.vendors.sf.calls.writes() if c.method == "PATCH"] == []


@pytest.mark.parametrize("fault", [{"status": 429, "retry_after_s": 3600}, {"status": 503}])
def test_a_push_that_is_stopped_midway_says_so_and_the_next_goes_on(bench: Bench, fault: dict[str, Any]) -> None:
    offered(bench, 8)
    bench.vendors.ps.faults.status(skip=3, times=2, **fault, **POST_LEADS)
    to_prm, _ = bench.push()
    assert to_prm.state is State.PARTIAL
    assert 3 <= len(keys(bench)) < 8
    bench.vendors.ps.faults.clear()
    bench.clock.advance(hours=2)
    to_prm, _ = bench.push()
    assert to_prm.state is State.DONE, to_prm.message
    assert len(keys(bench)) == len(set(keys(bench))) == 8


def test_a_pull_that_is_stopped_midway_goes_on_where_it_was(bench: Bench) -> None:
    for i in range(120):
        bench.vendors.clock.advance(minutes=1)
        bench.vendors.partner(f"p{i:03}")
    bench.vendors.ps.faults.status(429, retry_after_s=3600, skip=2, path="/api/v2/partnerships")
    report = pull(bench.app, "prm", "partnerships")
    assert report.state is State.PARTIAL
    assert 0 < report.numbers["read"] < 121
    report = pull(bench.app, "prm", "partnerships")
    assert report.state is State.DONE
    assert len(bench.rows("SELECT FROM raw.record")) == 121  # with the vendor's own test partner


# --- plans that are too big --------------------------------------------------------------------------------------


@pytest.fixture
def small(make_bench: Callable[..., Bench], vendors: Vendors) -> Bench:
    return make_bench(vendors.connections(prm={"limits": {"max_create": 5}}))


def test_a_plan_beyond_its_limit_sends_nothing_until_it_is_approved(small: Bench) -> None:
    offered(small, 8)
    to_prm, _ = small.push()
    assert to_prm.state is State.HELD
    [held] = small.rows("SELECT * FROM ops.plan WHERE connection = 'prm'")
    assert f"prm-sync approve {held['id']}" in (to_prm.message or "")
    assert "would create 8 records, the limit is 5" in (to_prm.message or "")
    assert held["state"] == "held"
    assert held["counts"] == {"create": 8, "update": 0, "delete": 0, "skip": 0, "conflict": 0}
    assert keys(small) == []
    to_prm, _ = small.push()
    assert to_prm.state is State.HELD
    assert [r["id"] for r in small.rows("SELECT id FROM ops.plan WHERE state = 'held'")] == [held["id"]]
    done = approve(small.app, held["id"], "ann")
    assert (done.report.state, done.report.numbers["created"], done.changed) == (State.DONE, 8, [])
    assert len(keys(small)) == 8
    to_prm, _ = small.push()
    assert (to_prm.state, to_prm.numbers.get("created", 0)) == (State.DONE, 0)
    [kept] = small.rows("SELECT state, approved_by FROM ops.plan WHERE connection = 'prm'")
    assert kept == {"state": "applied", "approved_by": "ann"}


def test_an_approved_plan_releases_itself_and_nothing_that_came_after_it(small: Bench) -> None:
    offered(small, 8)
    small.push()
    [held] = small.rows("SELECT * FROM ops.plan WHERE connection = 'prm'")
    approve(small.app, held["id"], "ann")
    for i in range(7):
        small.vendors.lead(f"More{i}")
    small.clock.advance(minutes=1)
    to_prm, _ = small.cycle()
    assert to_prm.state is State.HELD
    assert len(keys(small)) == 8
    assert "would create 7 records" in (to_prm.message or "")


def test_a_plan_that_was_superseded_cannot_be_approved(small: Bench) -> None:
    offered(small, 8)
    small.push()
    [held] = small.rows("SELECT * FROM ops.plan WHERE connection = 'prm'")
    small.vendors.lead("Late")
    small.cycle()
    with pytest.raises(ConfigError, match="it is superseded; those that do: plan_"):
        approve(small.app, held["id"], "ann")
    assert keys(small) == []


def test_a_held_plan_is_sent_once_the_limit_is_raised(small: Bench, project: Project, vendors: Vendors) -> None:
    offered(small, 8)
    small.push()
    project.write(connections=vendors.connections(prm={"limits": {"max_create": 50}}), trust=["crm", "prm"])
    with project.open() as app:
        assert push(app, "prm", "leads").state is State.DONE
    assert len(keys(small)) == 8


def test_a_value_that_goes_back_to_what_was_held_is_sent_all_the_same(small: Bench) -> None:
    """The held plan's intents were dropped for newer ones; the old values come back and must not be lost."""
    offered(small, 8)
    small.push()
    lead = next(iter(small.vendors.sf.org.tables["Lead"].rows))
    for city in ("Bremen", None):
        small.vendors.sf.org.update("Lead", lead, {"City": city})
        small.clock.advance(minutes=1)
        to_prm, _ = small.cycle()
        assert to_prm.state is State.HELD
    [held] = small.rows("SELECT * FROM ops.plan WHERE state = 'held'")
    assert approve(small.app, held["id"], "ann").changed == []
    small.push()
    assert len(keys(small)) == 8


def test_looking_at_a_plan_changes_nothing(bench: Bench) -> None:
    offered(bench, 3)
    [seen] = plan(bench.app, "prm", "leads")
    assert (seen.counts.create, seen.counts.update, seen.counts.delete) == (3, 0, 0)
    assert bench.rows("SELECT FROM ops.outbox") == []
    assert keys(bench) == []


def test_a_stream_without_a_way_back_cannot_be_pushed(bench: Bench) -> None:
    with pytest.raises(ConfigError, match=r"no mapping of prm\.partnerships has a `back:` part"):
        push(bench.app, "prm", "partnerships")


# --- several processes -------------------------------------------------------------------------------------------

ROUTE = """
import json, sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from pydantic import SecretStr
from prm_sync.app import open_app
from prm_sync.flows.route import route
from prm_sync.settings import Settings
folder, url, at = sys.argv[1:4]
settings = Settings(project=Path(folder), home=Path(folder), database_url=SecretStr(url))
with open_app(settings, clock=lambda: datetime.fromisoformat(at), env=json.loads(sys.argv[4]), migrate=False) as app:
    for name, c in app.connectors.items():  # no pace is kept: emulators need none
        wide = tuple(replace(x, permits=10**6) if x.per_s < 60 else x for x in c.limits)
        app.connectors = {**app.connectors, name: replace(c, limits=wide)}
    sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
    sys.stdout.write(json.dumps(route(app).numbers))
"""
PUSH = ROUTE.replace("flows.route import route", "flows.push import push").replace(
    "route(app)", 'push(app, "prm", "leads")'
)


def at_once(project: Project, script: str, n: int) -> list[dict[str, int]]:
    """The script in `n` processes, let go at the same moment."""
    arguments = [str(project.folder), project.database_url, project.clock.at.isoformat(), json.dumps(project.env)]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(n)
    ]  # fmt: skip
    for p in started:
        assert p.stdout is not None
        assert p.stdout.readline() == "ready\n"
    for p in started:
        assert p.stdin is not None
        p.stdin.write("\n")
        p.stdin.flush()
    said = [p.communicate(timeout=60)[0] for p in started]
    assert [p.returncode for p in started] == [0] * n
    return [json.loads(text) for text in said]


def test_two_route_runs_at_once_never_exceed_a_partners_capacity(bench: Bench, project: Project) -> None:
    for i in range(60):
        bench.vendors.lead(f"Lead{i:02}")
    bench.vendors.partner("nordwind", weekly_capacity=7)
    bench.vendors.partner("suedwind", weekly_capacity=4)
    bench.pull()
    refine(bench.app)
    said = at_once(project, ROUTE, 3)
    made: dict[str, int] = {}
    for offer in bench.offers():
        made[offer["partner_key"]] = made.get(offer["partner_key"], 0) + 1
    assert made == {"nordwind": 7, "suedwind": 4}
    assert sum(s["offered"] for s in said) == 11
    assert len(bench.rows("SELECT DISTINCT lead_id FROM ledger.lead_offer")) == 11


def test_two_pushes_at_once_make_each_lead_once(bench: Bench, project: Project) -> None:
    offered(bench, 30)
    bench.vendors.ps.faults.slow(0.05, times=None, **POST_LEADS)
    said = at_once(project, PUSH, 2)
    assert sum(s.get("created", 0) for s in said) == 30
    assert len(keys(bench)) == len(set(keys(bench))) == 30


# --- what may leave ----------------------------------------------------------------------------------------------


def test_a_field_that_the_sharing_policy_does_not_name_never_reaches_the_prm(
    project: Project, vendors: Vendors
) -> None:
    policy = project.folder / "policies" / "sharing.yaml"
    policy.parent.mkdir()
    names = ("first_name", "company", "country", "id", "offer_key", "offer_partner_key", "offer_partner_stage")
    fields = "".join(f"      - {n}\n" for n in names)
    policy.write_text(
        "streams:\n  leads:\n    entity: lead\n    purpose: try it\n    pii: [none, company, personal]\n    fields:\n"
        + fields
    )
    project.env = vendors.env
    project.write(connections=vendors.connections(), trust=["crm", "prm"], policies="policies")
    vendors.lead(LastName="Schmitt", Phone="+49 30 901820", City="Potsdam", Description="a new press", Title="Dr.")
    vendors.partner("nordwind")
    with project.open() as app:
        bench = Bench(app, vendors)
        bench.cycle()
        vendors.sf.org.update("Lead", next(iter(vendors.sf.org.tables["Lead"].rows)), {"Phone": "+49 30 901821"})
        bench.cycle()
        sent = json.dumps(vendors.bodies(), ensure_ascii=False)
        [log] = bench.rows("SELECT fields, partner_key, purpose FROM ops.share_log")
    assert "Weber GmbH" in sent
    for value in ("Schmitt", "90182", "Potsdam", "press", "weber@", "Dr."):
        assert value not in sent
    assert (log["partner_key"], log["purpose"]) == ("nordwind", "try it")
    assert set(log["fields"]) <= set(names)
    assert {"first_name", "company", "country"} <= set(log["fields"])


def test_fields_that_the_shipped_policy_withholds_do_not_leave(bench: Bench) -> None:
    bench.vendors.lead(Street="Hauptstrasse 1", LeadSource="Trade Show", NumberOfEmployees=4711, Rating="Hot")
    bench.vendors.partner("nordwind")
    bench.cycle()
    sent = json.dumps(bench.vendors.bodies())
    assert "weber@weber-gmbh.example" in sent
    for value in ("Hauptstrasse", "Trade Show", "4711", "Hot"):
        assert value not in sent


def test_nothing_leaves_to_a_stream_that_the_policy_does_not_name(
    project: Project, vendors: Vendors, tmp_path: Path
) -> None:
    policy = tmp_path / "policies" / "sharing.yaml"
    policy.parent.mkdir()
    policy.write_text("streams: {}\n")
    project.env = vendors.env
    project.write(connections=vendors.connections(), policies="policies")
    vendors.lead()
    vendors.partner("nordwind")
    with project.open() as app:
        Bench(app, vendors).cycle()
    assert vendors.bodies() == []
