"""Approved registrations become deals in the CRM, once; what becomes of them goes back to the PRM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import yaml
from workbench import Bench, Project, Vendors

from prm_sync.connect.protocol import Unavailable
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.route import route
from prm_sync.warehouse import registrations as ledger

STREAMS = (("crm", "Account"), ("crm", "Opportunity"), ("prm", "partnerships"), ("prm", "deals"))


@pytest.fixture
def opened(project: Project, vendors: Vendors) -> Iterator[Callable[..., Bench]]:
    """`opened(after_protection="keep", ...)`: an app with this under `deals` of policies/registrations.yaml."""
    with ExitStack() as stack:

        def make(**deals: Any) -> Bench:
            (project.folder / "policies").mkdir()
            policy = yaml.safe_dump({"deals": deals})
            (project.folder / "policies" / "registrations.yaml").write_text(policy, encoding="utf-8")
            project.env = vendors.env
            project.write(
                connections=vendors.connections(
                    crm={"streams": ["Account", "Opportunity"]}, prm={"streams": ["partnerships", "deals"]}
                ),
                trust=["crm", "prm"], policies="policies",
            )  # fmt: skip
            seller = {"Name": "Nordwind", "Type": "Channel Partner / Reseller", "Prm_Partner_Key__c": "nordwind"}
            vendors.sf.load("Account", [seller])
            vendors.partner("nordwind")
            vendors.partner("suedwind")
            return Bench(stack.enter_context(project.open()), vendors)

        yield make


def register(bench: Bench, partner: str, name: str, **more: Any) -> str:
    fields = {"country": "SA", "currency": "EUR", **more.pop("fields", {})}
    row = {"partner_key": partner, "account_name": name, "stage": "Submitted", "source": "partner", "amount": 480_050}
    return bench.vendors.ps.load("deals", [{**row, "fields": fields, **more}])[0]


def run(bench: Bench, *, pushing: bool = True, **later: float) -> None:
    """Pull, refine, route and push, some time later."""
    bench.clock.advance(**(later or {"minutes": 10}))
    bench.pull(*STREAMS)
    bench.clock.advance(seconds=5)
    refine(bench.app)
    bench.clock.advance(seconds=5)
    route(bench.app)
    bench.clock.advance(seconds=5)
    for connection, stream in (("crm", "Opportunity"), ("prm", "deals")) if pushing else ():
        bench.reports.append(push(bench.app, connection, stream))


def crm_deals(bench: Bench) -> list[dict[str, Any]]:
    return [dict(r) for r in bench.vendors.sf.org.tables["Opportunity"].rows.values() if not r["IsDeleted"]]


def prm_deal(bench: Bench, key: str) -> dict[str, Any]:
    return next(r for r in bench.vendors.ps.store.snapshot()["deals"] if r["key"] == key)


def registrations(bench: Bench) -> dict[str, dict[str, Any]]:
    return {r["number"]: r for r in bench.rows("SELECT * FROM mart.registrations")}


def opportunities(bench: Bench) -> list[dict[str, Any]]:
    return bench.rows("SELECT * FROM core.opportunity WHERE merged_into IS NULL ORDER BY id")


def primary(bench: Bench) -> list[tuple[str, int]]:
    rows = bench.rows(
        "SELECT coalesce(p.partner_key, '') AS key, c.amount FROM ledger.deal_credit c "
        "LEFT JOIN core.partner p ON p.id = c.partner_id WHERE c.is_primary ORDER BY c.opportunity_id"
    )
    return [(r["key"], r["amount"]) for r in rows]


def approve(bench: Bench, number: str) -> None:
    id_ = bench.one("SELECT id FROM core.deal_registration WHERE number = :n", n=number)["id"]
    with bench.app.db.begin() as tx:
        until = bench.clock.at + timedelta(days=90)
        assert ledger.settle(tx, id_, "approve", "was there first", "Linh", bench.clock.at, until)


def test_an_approved_registration_becomes_one_deal_in_the_crm_and_follows_it_to_the_end(
    opened: Callable[..., Bench],
) -> None:
    bench = opened()
    customer = bench.vendors.sf.load("Account", [{"Name": "Al-Fahd", "BillingCountry": "SA"}])[0]
    key = register(bench, "nordwind", "شركة الفهد", close_date="2027-06-30", fields={"product": "Pumpe"})
    run(bench)
    [made] = crm_deals(bench)
    assert (made["Name"], made["StageName"], made["CloseDate"]) == ("شركة الفهد - Pumpe", "Qualification", "2027-06-30")
    assert (made["Amount"], made["CurrencyIsoCode"], made["AccountId"]) == (4800.5, "EUR", customer)
    assert (made["Prm_Partner_Key__c"], made["Prm_Credit__c"]) == ("nordwind", "sourced")
    assert bench.vendors.crm_row("Account", made["Prm_Partner__c"])["Name"] == "Nordwind"
    planned = registrations(bench)[key]
    assert (planned["status"], planned["how"]) == ("approved", "made")
    assert made["Prm_Protected_Until__c"] is not None
    run(bench)
    [deal] = opportunities(bench)  # the pull of our own record makes no second deal
    now = registrations(bench)[key]
    assert (now["status"], now["opportunity_id"], deal["id"]) == ("converted", *[planned["opportunity_id"]] * 2)
    crosswalk = bench.one("SELECT * FROM core.crosswalk WHERE entity = 'opportunity'")
    assert (crosswalk["remote_id"], crosswalk["matched_by"]) == (made["Id"], "pushed")
    told = prm_deal(bench, key)
    assert (told["stage"], told["fields"]["decision"], told["fields"]["registration_status"]) == (
        "Qualified", "approve", "converted",
    )  # fmt: skip
    assert told["fields"]["product"] == "Pumpe"  # what the partner wrote is still there
    run(bench)
    bench.vendors.forget_calls()
    run(bench)
    written = [c.path for v in (bench.vendors.sf, bench.vendors.ps) for c in v.calls.writes()]
    assert {path for path in written if "oauth2" not in path} == set()
    # What the CRM's people say of it is theirs: stage, name and amount are not set again.
    bench.vendors.sf.org.update("Opportunity", made["Id"], {"Name": "Fahd pumps", "StageName": "Closed Won"})
    run(bench)
    run(bench)
    assert crm_deals(bench)[0]["Name"] == "Fahd pumps"
    assert registrations(bench)[key]["status"] == "won"
    assert primary(bench) == [("nordwind", 480_050)]
    told = prm_deal(bench, key)
    assert (told["stage"], told["fields"]["registration_status"]) == ("Closed Won", "won")
    shared = bench.rows("SELECT DISTINCT partner_key, purpose FROM ops.share_log WHERE stream = 'deals'")
    assert shared == [{"partner_key": "nordwind", "purpose": "The partner sees what became of its registration"}]


def test_a_lost_deal_is_lost_for_the_partner_too_and_a_stage_of_its_own_is_left_alone(
    opened: Callable[..., Bench],
) -> None:
    bench = opened()
    key = register(bench, "nordwind", "Bình Minh")
    run(bench)
    bench.vendors.ps.partners.edit_deal(key, {"stage": "Proposal"})
    run(bench)
    assert prm_deal(bench, key)["stage"] == "Proposal"
    [made] = crm_deals(bench)
    bench.vendors.sf.org.update("Opportunity", made["Id"], {"StageName": "Closed Lost"})
    run(bench)
    run(bench)
    assert (registrations(bench)[key]["status"], prm_deal(bench, key)["stage"]) == ("lost", "Closed Lost")
    assert len(crm_deals(bench)) == 1


@pytest.mark.parametrize("end", ["error", "kill"])
def test_a_deal_whose_making_has_an_unknown_end_is_made_once(opened: Callable[..., Bench], end: str) -> None:
    bench = opened()
    register(bench, "nordwind", "Nakheel", fields={"product": "مضخة"})
    run(bench, pushing=False)
    if end == "error":
        bench.vendors.sf.faults.status(500, applied=True, method="PATCH")
    push_quietly(bench)
    if end == "kill":  # what a kill between the call and its outcome leaves behind
        with bench.app.db.begin() as tx:
            tx.exec_driver_sql("UPDATE ops.outbox SET state = 'sent', remote_id = NULL, settled_at = NULL")
            tx.exec_driver_sql("DELETE FROM core.crosswalk WHERE matched_by = 'pushed'")
            tx.exec_driver_sql("DELETE FROM ops.write_log")
    assert len(crm_deals(bench)) == 1
    assert bench.one("SELECT state FROM ops.outbox")["state"] in ("unknown", "sent")
    run(bench, pushing=False)  # it is pulled before anybody knows that it was ours
    assert len(opportunities(bench)) == 1
    run(bench)
    run(bench)
    assert len(crm_deals(bench)) == len(opportunities(bench)) == 1
    [registration] = registrations(bench).values()
    assert (registration["status"], registration["how"]) == ("converted", "made")
    assert registration["opportunity_id"] == opportunities(bench)[0]["id"]


def push_quietly(bench: Bench) -> None:
    try:
        bench.reports.append(push(bench.app, "crm", "Opportunity"))
    except Unavailable:
        pass
