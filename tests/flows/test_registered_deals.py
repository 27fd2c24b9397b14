"""Approved registrations become deals in the CRM, once; what becomes of them goes back to the PRM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
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
    with suppress(Unavailable):
        bench.reports.append(push(bench.app, "crm", "Opportunity"))


def test_a_deal_of_our_own_people_is_linked_and_not_made_again_and_one_primary_credit_remains(
    opened: Callable[..., Bench],
) -> None:
    bench = opened()
    account = bench.vendors.sf.load("Account", [{"Name": "Al-Nakheel LLC", "BillingCountry": "SA"}])[0]
    row = {"Name": "Nakheel 2027", "AccountId": account, "StageName": "Needs Analysis", "Amount": 900}
    direct = bench.vendors.sf.load("Opportunity", [{**row, "CloseDate": "2027-06-30"}])[0]
    run(bench)
    run(bench, hours=1)
    key = register(bench, "nordwind", "مؤسسة النخيل")
    other = register(bench, "suedwind", "Al-Nakheel Co.")
    run(bench)
    assert {registrations(bench)[k]["status"] for k in (key, other)} == {"under_review"}
    conflicts = bench.rows("SELECT * FROM ledger.deal_conflict WHERE other_kind = 'opportunity' ORDER BY score")
    assert [(c["kind"], c["evidence"][0]) for c in conflicts] == [
        ("partner_vs_direct", "sounds_the_same"), ("partner_vs_direct", "same_name"),
    ]  # fmt: skip
    assert all(c["apart_s"] == pytest.approx(4200, abs=900) for c in conflicts)
    assert len(crm_deals(bench)) == 1
    assert prm_deal(bench, key)["fields"]["registration_status"] == "under_review"
    approve(bench, key)
    run(bench)
    run(bench)
    found = registrations(bench)
    assert (found[key]["status"], found[key]["how"], found[key]["credit"]) == (
        "converted", "linked", "influenced",
    )  # fmt: skip
    [deal] = crm_deals(bench)
    assert (deal["Id"], deal["Name"], deal["StageName"], deal["Amount"]) == (
        direct, "Nakheel 2027", "Needs Analysis", 900,
    )  # fmt: skip
    assert (deal["Prm_Credit__c"], deal["Prm_Partner_Key__c"]) == ("influenced", "nordwind")
    assert deal["Prm_Registration_Id__c"] == found[key]["registration_id"]
    assert deal["Prm_Protected_Until__c"] is not None
    assert prm_deal(bench, key)["stage"] == "Qualified"
    bench.vendors.sf.org.update("Opportunity", direct, {"StageName": "Closed Won"})
    run(bench)
    run(bench)
    assert primary(bench) == [("", 90_000)]
    shares = bench.rows("SELECT kind, is_primary FROM ledger.deal_credit ORDER BY is_primary DESC")
    assert [(s["kind"], s["is_primary"]) for s in shares] == [("direct", True), ("influenced", False)]
    assert registrations(bench)[key]["status"] == "won"
    assert len(opportunities(bench)) == 1


def test_two_partners_within_a_second_in_two_scripts_make_one_deal_with_one_primary_credit(
    opened: Callable[..., Bench],
) -> None:
    bench = opened()
    one = register(bench, "nordwind", "شركة الفهد")
    bench.clock.advance(seconds=0.6)
    two = register(bench, "suedwind", "Al-Fahd Co.")
    run(bench)
    run(bench)
    assert crm_deals(bench) == []
    assert [c["state"] for c in bench.rows("SELECT * FROM ledger.deal_conflict")] == ["open"]
    approve(bench, two)
    run(bench)
    run(bench)
    run(bench)
    found = registrations(bench)
    assert {k: found[k]["status"] for k in (one, two)} == {one: "rejected", two: "converted"}
    [deal] = crm_deals(bench)
    assert (deal["Prm_Partner_Key__c"], deal["Prm_Credit__c"]) == ("suedwind", "sourced")
    assert prm_deal(bench, one)["fields"]["registration_status"] == "rejected"
    assert prm_deal(bench, one)["stage"] == "Submitted"
    [conflict] = bench.rows("SELECT * FROM ledger.deal_conflict WHERE other_kind = 'registration'")
    assert conflict["state"] == "settled"
    assert conflict["evidence"] == ["sounds_the_same", "same_country"]
    bench.vendors.sf.org.update("Opportunity", deal["Id"], {"StageName": "Closed Won"})
    run(bench)
    assert primary(bench) == [("suedwind", 480_050)]
    won = bench.one("SELECT sum(amount)::bigint AS n FROM core.opportunity WHERE stage = 'won'")
    assert sum(amount for _, amount in primary(bench)) == won["n"]


def test_a_deal_that_its_partner_registers_twice_is_made_once_and_its_next_deal_is_another(
    opened: Callable[..., Bench],
) -> None:
    bench = opened()
    first = register(bench, "nordwind", "Công ty Bình Minh", fields={"website": "binhminh.example"})
    second = register(bench, "nordwind", "CONG TY BINH MINH", fields={"website": "www.binhminh.example"})
    run(bench)
    run(bench)
    found = registrations(bench)
    assert sorted(found[k]["how"] for k in (first, second)) == ["made", "shares"]
    assert len({found[k]["opportunity_id"] for k in (first, second)}) == 1
    [deal] = crm_deals(bench)
    bench.vendors.sf.org.update("Opportunity", deal["Id"], {"StageName": "Closed Won", "CloseDate": "2027-03-01"})
    run(bench)
    run(bench, days=30)
    third = register(bench, "nordwind", "Bình Minh", fields={"website": "binhminh.example"})
    run(bench)
    run(bench)
    assert len(crm_deals(bench)) == 2
    assert registrations(bench)[third]["how"] == "made"


def test_a_registration_whose_customer_the_crm_does_not_know_waits_where_the_policy_says_so(
    opened: Callable[..., Bench],
) -> None:
    bench = opened(unknown_account="wait", stage="proposal")
    key = register(bench, "nordwind", "شرکت پارسیان", fields={"country": "IR"})
    run(bench)
    run(bench)
    assert (crm_deals(bench), registrations(bench)[key]["how"]) == ([], "waits")
    [alert] = bench.rows("SELECT message FROM ops.alert WHERE kind = 'registered_deal'")
    assert "the CRM does not know its customer" in alert["message"]
    account = bench.vendors.sf.load("Account", [{"Name": "Parsian Co.", "BillingCountry": "IR"}])[0]
    run(bench)
    [deal] = crm_deals(bench)
    assert (deal["AccountId"], deal["StageName"]) == (account, "Proposal/Price Quote")


@pytest.mark.parametrize("after", ["clear", "keep"])
def test_the_end_of_the_protection_is_shown_in_the_crm_and_the_prm(opened: Callable[..., Bench], after: str) -> None:
    bench = opened(after_protection=after)
    key = register(bench, "nordwind", "华为有限公司", fields={"country": "CN"})
    run(bench)
    run(bench)
    until = crm_deals(bench)[0]["Prm_Protected_Until__c"]
    assert until is not None
    run(bench, days=89)
    assert registrations(bench)[key]["status"] == "converted"
    run(bench, days=2)
    run(bench)
    assert registrations(bench)[key]["status"] == "expired"
    [deal] = crm_deals(bench)
    assert deal["Prm_Protected_Until__c"] == (until if after == "keep" else None)
    assert deal["Prm_Partner_Key__c"] == "nordwind"
    assert prm_deal(bench, key)["fields"]["registration_status"] == "expired"
    # The company is free for others now, but the deal in the CRM still is the partner's.
    other = register(bench, "suedwind", "Huawei Ltd.", fields={"country": "CN", "product": "Pumpe"})
    run(bench)
    assert "another partner has opportunity" in registrations(bench)[other]["because"]


def test_what_the_crm_says_of_partner_credit_and_account_is_not_overwritten(opened: Callable[..., Bench]) -> None:
    bench = opened()
    key = register(bench, "nordwind", "Kaya A.Ş.")
    run(bench)
    run(bench)
    [deal] = crm_deals(bench)
    seller = {"Name": "Südwind", "Type": "Channel Partner / Reseller", "Prm_Partner_Key__c": "suedwind"}
    said = {"Prm_Partner__c": bench.vendors.sf.load("Account", [seller])[0], "Prm_Credit__c": "fulfilled"}
    said["AccountId"] = bench.vendors.sf.load("Account", [{"Name": "Kaya Holding"}])[0]
    bench.vendors.sf.org.update("Opportunity", deal["Id"], said)
    run(bench)
    run(bench)
    assert {name: crm_deals(bench)[0][name] for name in said} == said
    assert registrations(bench)[key]["status"] == "converted"


def test_a_deal_of_ours_that_was_deleted_before_it_was_read_is_known_and_not_made_again(
    opened: Callable[..., Bench],
) -> None:
    bench = opened()
    register(bench, "nordwind", "شركة الفهد", fields={"country": "SA"})
    run(bench)
    [deal] = crm_deals(bench)
    bench.vendors.sf.org.delete("Opportunity", deal["Id"])
    run(bench)
    run(bench)
    known = bench.one("SELECT payload::text, deleted_at FROM raw.record WHERE remote_id = :i", i=deal["Id"])
    assert (known["payload"], known["deleted_at"] is None) == ("{}", False)
    assert (crm_deals(bench), bench.quarantine()) == ([], [])
    bench.vendors.sf.org.undelete("Opportunity", deal["Id"])
    run(bench)
    assert [d["Id"] for d in crm_deals(bench)] == [deal["Id"]]
    assert len(opportunities(bench)) == 1


def test_a_deal_that_is_rejected_before_it_is_made_is_not_made_and_one_that_is_deleted_is_not_made_again(
    opened: Callable[..., Bench],
) -> None:
    bench = opened()
    key = register(bench, "nordwind", "Weber GmbH", fields={"website": "weber.example"})
    other = register(bench, "suedwind", "Al-Rajhi", fields={"country": "SA"})
    run(bench, pushing=False)
    bench.vendors.sf.faults.status(503, times=None, method="PATCH")
    push_quietly(bench)
    bench.vendors.sf.faults.clear()
    id_ = registrations(bench)[key]["registration_id"]
    with bench.app.db.begin() as tx:
        tx.exec_driver_sql("UPDATE ops.outbox SET state = 'ready'")  # it never got there
        assert ledger.settle(tx, id_, "reject", "our own customer", "Linh", bench.clock.at, None)
    run(bench)
    run(bench)
    [deal] = crm_deals(bench)
    assert deal["Prm_Partner_Key__c"] == "suedwind"
    bench.vendors.sf.org.delete("Opportunity", deal["Id"])
    run(bench)
    run(bench)
    assert crm_deals(bench) == []
    found = registrations(bench)
    assert (found[key]["status"], found[other]["how"]) == ("rejected", "gone")
    [alert] = bench.rows("SELECT message FROM ops.alert WHERE kind = 'registered_deal'")
    assert "deleted in the CRM" in alert["message"]
