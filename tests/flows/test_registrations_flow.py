"""Deal registrations from the PRM and deals of the CRM, over both emulated vendors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from workbench import Bench, Project, Vendors

from prm_sync.flows.refine import refine
from prm_sync.flows.route import route
from prm_sync.warehouse import registrations as ledger

STREAMS = (("crm", "Account"), ("crm", "Opportunity"), ("prm", "partnerships"), ("prm", "deals"))


@pytest.fixture
def deals(project: Project, vendors: Vendors) -> Any:
    project.env = vendors.env
    project.write(
        connections=vendors.connections(
            crm={"streams": ["Lead", "Account", "Opportunity"]}, prm={"streams": ["partnerships", "leads", "deals"]}
        ),
        trust=["crm", "prm"],
    )
    vendors.partner("nordwind")
    vendors.partner("suedwind")
    with project.open() as app:
        yield Bench(app, vendors)


def register(bench: Bench, partner: str, name: str, **more: Any) -> str:
    """A partner registers a deal now."""
    row = {"partner_key": partner, "account_name": name, "stage": "Submitted", "source": "partner", "amount": 90_000}
    return bench.vendors.ps.load("deals", [{**row, **more}])[0]


def opportunity(bench: Bench, name: str, stage: str = "Prospecting", **more: Any) -> str:
    account = bench.vendors.sf.load("Account", [{"Name": name, "BillingCountry": "SA"}])[0]
    row = {"Name": f"{name} 2027", "AccountId": account, "StageName": stage, "Amount": 900, "CloseDate": "2027-03-20"}
    return bench.vendors.sf.load("Opportunity", [{**row, **more}])[0]


def run(bench: Bench, **later: float) -> None:
    bench.clock.advance(**(later or {"minutes": 1}))
    bench.pull(*STREAMS)
    refine(bench.app)
    route(bench.app)


def decisions(bench: Bench) -> dict[str, dict[str, Any]]:
    rows = bench.rows(
        "SELECT r.number, d.* FROM ledger.registration_decision d JOIN core.deal_registration r "
        "ON r.id = d.registration_id"
    )
    return {r["number"]: r for r in rows}


def primary(bench: Bench) -> list[tuple[str, int]]:
    rows = bench.rows(
        "SELECT coalesce(p.partner_key, '') AS key, c.amount FROM ledger.deal_credit c "
        "LEFT JOIN core.partner p ON p.id = c.partner_id WHERE c.is_primary ORDER BY c.opportunity_id"
    )
    return [(r["key"], r["amount"]) for r in rows]


def approve(bench: Bench, registration_id: str) -> None:
    until = bench.clock.at + timedelta(days=90)
    with bench.app.db.begin() as tx:
        assert ledger.settle(tx, registration_id, "approve", "was there first", "Linh", bench.clock.at, until)


def test_two_partners_register_the_same_deal_within_a_second_in_two_scripts(deals: Bench) -> None:
    one = register(deals, "nordwind", "شركة الفهد", fields={"country": "SA"})
    deals.clock.advance(seconds=0.6)
    two = register(deals, "suedwind", "Al-Fahd Co.", fields={"country": "SA"})
    run(deals)
    found = decisions(deals)
    assert {found[one]["outcome"], found[two]["outcome"]} == {"review"}
    conflict = deals.one("SELECT * FROM ledger.deal_conflict")
    assert (conflict["kind"], conflict["state"]) == ("partner_vs_partner", "open")
    assert conflict["evidence"] == ["sounds_the_same", "same_country"]
    assert conflict["apart_s"] < 1
    assert conflict["registration_id"] == found[two]["registration_id"]
    assert len(deals.rows("SELECT FROM ops.alert WHERE kind = 'registration'")) == 2
    approve(deals, found[one]["registration_id"])
    run(deals)
    found = decisions(deals)
    assert (found[one]["outcome"], found[one]["decided_by"], found[two]["outcome"]) == ("approve", "Linh", "reject")
    assert deals.one("SELECT state FROM ledger.deal_conflict")["state"] == "settled"
    opportunity(deals, "Al-Fahd", "Closed Won")
    run(deals)
    assert primary(deals) == [("nordwind", 90_000)]
    before = deals.rows("SELECT * FROM ledger.registration_decision ORDER BY 1")
    run(deals)
    run(deals, hours=30)
    assert deals.rows("SELECT * FROM ledger.registration_decision ORDER BY 1") == before


def test_a_partner_registers_a_deal_that_a_direct_rep_opened_an_hour_before(deals: Bench) -> None:
    opportunity(deals, "Nakheel Trading")
    run(deals, hours=1)
    one = register(deals, "nordwind", "النخيل", fields={"country": "SA"})
    two = register(deals, "suedwind", "Nakheel Trading LLC", fields={"country": "SA"})
    run(deals)
    found = decisions(deals)
    assert found[two]["outcome"] == "review"
    assert "own people had opened opportunity" in found[two]["because"]
    [conflict] = [c for c in deals.rows("SELECT * FROM ledger.deal_conflict") if c["other_kind"] == "opportunity"]
    assert (conflict["kind"], conflict["other_partner_id"]) == ("partner_vs_direct", None)
    assert conflict["other_first"] is True
    assert conflict["apart_s"] == pytest.approx(3600, abs=120)
    assert conflict["evidence"] == ["same_name", "same_country"]
    assert one in found
    deal = next(iter(deals.vendors.sf.org.tables["Opportunity"].rows))
    deals.vendors.sf.org.update("Opportunity", deal, {"StageName": "Closed Won"})
    run(deals)
    assert primary(deals) == [("", 90_000)]


def test_each_won_deal_has_one_primary_credit_and_the_database_keeps_it_so(deals: Bench) -> None:
    mine = register(deals, "nordwind", "Weber GmbH", fields={"website": "weber.example", "country": "SA"})
    run(deals)
    assert decisions(deals)[mine]["outcome"] == "approve"
    opportunity(deals, "Weber", "Closed Won")
    opportunity(deals, "Kaya", "Closed Won", Amount=1_100)
    run(deals, days=1)
    assert sorted(primary(deals)) == [("", 110_000), ("nordwind", 90_000)]
    won = deals.one("SELECT sum(amount)::bigint AS n FROM core.opportunity WHERE stage = 'won'")
    assert sum(amount for _, amount in primary(deals)) == won["n"]
    with pytest.raises(sa.exc.IntegrityError), deals.app.db.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO ledger.deal_credit SELECT opportunity_id, 'another', kind, is_primary, amount, currency, "
            "because, as_of FROM ledger.deal_credit"
        )


def test_a_protected_registration_keeps_the_companys_leads(deals: Bench) -> None:
    mine = register(deals, "suedwind", "Weber GmbH", fields={"website": "https://weber-gmbh.example"})
    deals.vendors.lead(Website="weber-gmbh.example")
    deals.pull(("crm", "Lead"))
    run(deals)
    assert decisions(deals)[mine]["outcome"] == "approve"
    assert [o["partner_key"] for o in deals.offers()] == ["suedwind"]
