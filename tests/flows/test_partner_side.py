"""What comes from partners besides leads, and what the CRM gets to see of it: over both vendors and a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from workbench import Bench, Project, Vendors

from prm_sync.flows.forecast import forecast
from prm_sync.flows.measure import measure
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.route import route

STREAMS = (
    ("crm", "Account"), ("crm", "Opportunity"), ("crm", "Lead"), ("prm", "partnerships"), ("prm", "leads"),
    ("prm", "customers"), ("prm", "transactions"),
)  # fmt: skip
SHEETS = {
    "certifications": ["Certificate Id"], "agreements": ["Number"], "feedback": ["Id"], "claims": ["Claim"],
}  # fmt: skip
INCENTIVES = """\
programmes:
  - {name: 销售奖励, earned_by: orders, percent: 10}
  - {name: پاداش معامله, earned_by: sourced_deals, percent: 2}
"""


@pytest.fixture
def side(project: Project, vendors: Vendors) -> Iterator[Bench]:
    project.env = vendors.env
    files = {
        "connector": "files",
        "config": {
            "folder": str(project.folder / "data"), "snapshot": True,
            "streams": {name: {"file": f"{name}.csv", "key": key} for name, key in SHEETS.items()},
        },
    }  # fmt: skip
    both = vendors.connections(
        crm={"streams": ["Lead", "Account", "Opportunity"], "limits": {"max_update_share": 1.0}},
        prm={"streams": [s for c, s in STREAMS if c == "prm"]},
    )
    (project.folder / "policies").mkdir()
    (project.folder / "policies" / "incentives.yaml").write_text(INCENTIVES, encoding="utf-8")
    (project.folder / "data").mkdir()
    project.write(connections={**both, "portal": files}, trust=["crm", "prm", "portal"], currency="USD",
                  policies="policies")  # fmt: skip
    vendors.partner("dongfang", company_name="东方科技")
    vendors.partner("alnoor", company_name="شركة النور")
    with project.open() as app:
        assert app.problems == ()
        yield Bench(app, vendors)


def sheet(bench: Bench, name: str, header: str, *lines: str) -> None:
    folder = Path(bench.app.settings.project) / "data"
    (folder / f"{name}.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def run(bench: Bench, **later: float) -> None:
    bench.clock.advance(**(later or {"minutes": 1}))
    there = [("portal", n) for n in SHEETS if (Path(bench.app.settings.project) / "data" / f"{n}.csv").exists()]
    bench.pull(*STREAMS, *there)
    refine(bench.app)
    route(bench.app)
    bench.clock.advance(seconds=5)
    measure(bench.app)
    push(bench.app, "prm", "leads")
    bench.clock.advance(seconds=5)
    for stream in ("Account", "Opportunity", "Lead"):
        bench.reports.append(push(bench.app, "crm", stream))


def crm(bench: Bench, name: str, row_id: str, *fields: str) -> dict[str, Any]:
    row = bench.vendors.crm_row(name, row_id)
    return {f: row.get(f"Prm_{f}__c") for f in fields}


def account(bench: Bench, name: str, **more: Any) -> str:
    row = {"Name": name, "Type": "Prospect", "BillingCountry": "DE"}
    return bench.vendors.sf.load("Account", [{**row, **more}])[0]


# --- to the CRM --------------------------------------------------------------------------------------------------


def test_an_account_shows_who_serves_it_and_what_the_partner_did_last(side: Bench) -> None:
    id_ = account(side, "Weber Pumpen", Website="https://weber-pumpen.example")
    other = account(side, "Nobody's Ltd")
    side.vendors.ps.load(
        "customers", [{"customer_key": "c-1", "email": "a@weber-pumpen.example", "name": "Weber Pumpen",
                       "partner_key": "dongfang"}]
    )  # fmt: skip
    run(side)
    shown = crm(side, "Account", id_, "Served_By", "Served_By_Key", "Last_Action", "Served_Since")
    assert (shown["Served_By"], shown["Served_By_Key"], shown["Last_Action"]) == ("东方科技", "dongfang", None)
    assert shown["Served_Since"] is not None
    assert crm(side, "Account", other, "Served_By") == {"Served_By": None}
    assert side.reports[-3].numbers["written"] == 1
    run(side)
    assert [r.numbers.get("written", 0) for r in side.reports[-3:]] == [0, 0, 0]


def test_feedback_reaches_the_account_it_is_about_or_else_the_partners_own(side: Bench) -> None:
    customer = account(side, "Công ty Ánh Dương", AccountNumber="C-7")
    partner = account(side, "东方科技", Type="Partner", Prm_Partner_Key__c="dongfang")
    header = "Id,Partner Key,Account Number,Instrument,Score,Scale,Theme,Text,Date"
    sheet(
        side, "feedback", header,
        "1,dongfang,C-7,CSAT,2,5,giao hàng,Giao hàng chậm,2027-02-20", "2,dongfang,C-7,CSAT,4,5,服务,很好,2027-02-27",
        "3,dongfang,,Free,,,precios,La lista de precios llega tarde,2027-02-26",
    )  # fmt: skip
    run(side)
    fields = ("Feedback", "Feedback_Score", "Feedback_Theme")
    assert crm(side, "Account", customer, *fields) == {
        "Feedback": "很好", "Feedback_Score": 80, "Feedback_Theme": "服务"
    }
    assert crm(side, "Account", partner, *fields) == {
        "Feedback": "La lista de precios llega tarde", "Feedback_Score": None, "Feedback_Theme": "precios",
    }  # fmt: skip
    assert crm(side, "Account", customer, "Last_Action") == {"Last_Action": "gave feedback"}
    sheet(side, "feedback", header, "1,dongfang,C-7,CSAT,5,5,giao hàng,Đã sửa,2027-02-20")
    run(side)
    assert crm(side, "Account", customer, "Feedback", "Feedback_Score") == {"Feedback": "Đã sửa", "Feedback_Score": 100}
    assert crm(side, "Account", partner, "Feedback") == {"Feedback": None}


def test_agreement_and_certificates_of_the_day_stand_on_the_partners_account_and_change_with_the_day(
    side: Bench,
) -> None:
    partner = account(side, "شركة النور", Type="Partner", Prm_Partner_Key__c="alnoor")
    sheet(
        side, "certifications", "Certificate Id,Partner Key,Certificate,Status,Issued On,Expires On",
        "1,alnoor,شهادة الضخ,Active,2026-01-01,2027-03-10", "2,alnoor,ERP,Active,2026-01-01,",
        "3,alnoor,CRM,Revoked,2026-01-01,",
    )  # fmt: skip
    sheet(side, "agreements", "Partner Key,Number,Status,Effective On,Expires On",
          "alnoor,A-1,Active,2026-03-16,2027-03-15")  # fmt: skip
    run(side)
    fields = ("Agreement", "Agreement_Until", "Certificates", "Certificates_Until")
    assert crm(side, "Account", partner, *fields) == {
        "Agreement": "expiring", "Agreement_Until": "2027-03-15", "Certificates": "ERP;شهادة الضخ",
        "Certificates_Until": "2027-03-10",
    }  # fmt: skip
    run(side, days=10)
    assert crm(side, "Account", partner, "Certificates", "Certificates_Until") == {
        "Certificates": "ERP", "Certificates_Until": None,
    }  # fmt: skip
    run(side, days=5)
    assert crm(side, "Account", partner, "Agreement") == {"Agreement": "expired"}


def test_a_deal_shows_its_partner_and_once_won_the_one_credit(side: Bench) -> None:
    id_ = account(side, "Al-Fahd", BillingCountry="SA")
    deal = side.vendors.sf.load(
        "Opportunity", [{"Name": "Al-Fahd 2027", "AccountId": id_, "StageName": "Prospecting", "Amount": 1000,
                         "CurrencyIsoCode": "USD", "CloseDate": "2027-03-20"}]
    )[0]  # fmt: skip
    partner = account(side, "شركة النور", Type="Partner", Prm_Partner_Key__c="alnoor")
    run(side)
    assert crm(side, "Opportunity", deal, "Served_By") == {"Served_By": None}
    side.vendors.sf.org.update("Opportunity", deal, {"Prm_Partner__c": partner})
    run(side)
    assert crm(side, "Opportunity", deal, "Served_By_Key", "Primary_Credit") == {
        "Served_By_Key": "alnoor", "Primary_Credit": None,
    }  # fmt: skip
    side.vendors.sf.org.update("Opportunity", deal, {"StageName": "Closed Won", "CloseDate": "2027-03-01"})
    run(side)
    assert crm(side, "Opportunity", deal, "Primary_Credit", "Credited_Partner", "Credited_Amount") == {
        "Primary_Credit": "sourced", "Credited_Partner": "شركة النور", "Credited_Amount": 1000,
    }  # fmt: skip
    assert crm(side, "Account", id_, "Served_By_Key") == {"Served_By_Key": "alnoor"}
    side.vendors.sf.org.update("Opportunity", deal, {"StageName": "Closed Lost"})
    run(side)
    assert crm(side, "Opportunity", deal, "Primary_Credit", "Credited_Amount") == {
        "Primary_Credit": None, "Credited_Amount": None,
    }  # fmt: skip
    assert crm(side, "Account", id_, "Served_By_Key") == {"Served_By_Key": None}


def test_what_an_accepted_lead_became_shows_the_partner_who_accepted_it_and_the_last_thing_it_did(side: Bench) -> None:
    lead = side.vendors.lead("Weber")
    run(side)
    [offer] = side.vendors.prm_leads()
    side.clock.advance(hours=2)
    side.vendors.ps.partners.answer(offer["key"], accepted=True)
    run(side)
    customer = account(side, "Weber GmbH")
    [deal] = side.vendors.sf.load(
        "Opportunity",
        [{"Name": "Weber", "AccountId": customer, "StageName": "Prospecting", "CloseDate": "2027-06-30"}],
    )
    became = {"IsConverted": True, "ConvertedAccountId": customer, "ConvertedOpportunityId": deal}
    side.vendors.sf.org.update("Lead", lead, {"Status": "Closed - Converted"})
    side.vendors.sf.org.tables["Lead"].rows[lead].update(became)
    run(side)
    fields = ("Served_By_Key", "Last_Action")
    expected = {"Served_By_Key": offer["partner_key"], "Last_Action": "accepted a lead"}
    assert crm(side, "Opportunity", deal, *fields) == crm(side, "Account", customer, *fields) == expected
    side.vendors.ps.partners.progress(offer["key"], stage="working")
    run(side)
    assert crm(side, "Account", customer, "Last_Action") == {"Last_Action": "lead: working"}
    assert side.one("SELECT because FROM mart.partner_service WHERE entity = 'account'") == {"because": "offer"}


# --- revenue -----------------------------------------------------------------------------------------------------


def test_sourced_revenue_of_all_partners_and_direct_revenue_are_what_was_won(side: Bench) -> None:
    partners = {k: account(side, k.title(), Type="Partner", Prm_Partner_Key__c=k) for k in ("dongfang", "alnoor")}
    customer = account(side, "Nakheel")
    for n, (who, credit) in enumerate(
        [("dongfang", "sourced"), ("alnoor", "influenced"), ("alnoor", None), ("dongfang", "fulfilled"), (None, None)]
    ):
        side.vendors.sf.load(
            "Opportunity",
            [{"Name": f"Deal {n}", "AccountId": customer, "StageName": "Closed Won", "Amount": 100 * 2**n,
              "CurrencyIsoCode": "USD", "CloseDate": "2027-02-10", "Prm_Credit__c": credit,
              "Prm_Partner__c": partners.get(who or "")}],
        )  # fmt: skip
    run(side)
    by_key = {
        r["partner_key"]: r
        for r in side.rows(
            "SELECT p.partner_key, m.sourced_revenue, m.influenced_revenue, m.won FROM mart.partner_performance m "
            "JOIN core.partner p ON p.id = m.partner_id"
        )
    }
    assert (by_key["dongfang"]["sourced_revenue"], by_key["dongfang"]["influenced_revenue"]) == (10_000, 0)
    assert (by_key["alnoor"]["sourced_revenue"], by_key["alnoor"]["influenced_revenue"]) == (40_000, 20_000)
    assert (by_key["dongfang"]["won"], by_key["alnoor"]["won"]) == (2, 2)
    direct = side.one("SELECT sum(amount) AS amount FROM ledger.deal_credit WHERE is_primary AND partner_id = ''")
    won = side.one("SELECT sum(amount) AS amount FROM core.opportunity WHERE stage = 'won'")
    assert sum(r["sourced_revenue"] for r in by_key.values()) + direct["amount"] == won["amount"] == 310_000


# --- incentives --------------------------------------------------------------------------------------------------


def test_claims_are_held_against_what_was_earned(side: Bench) -> None:
    ps = side.vendors.ps
    [alnoor] = [p["key"] for p in ps.store.snapshot()["partnerships"] if p["partner_key"] == "alnoor"]
    sale = {"currency": "USD", "customer": {"key": "cust_1", "partnership_key": alnoor}}
    one, two, three = ps.load("transactions", [{**sale, "amount": n} for n in (50_000, 7_000, 900)])
    header = "Partner Key,Claim,Programme,Order,Amount,Currency,Status"
    sheet(
        side, "claims", header, f"alnoor,R-1,销售奖励,{one},50.00,USD,Submitted",
        f"alnoor,R-2,销售奖励,{two},9.00,USD,Paid", "alnoor,R-3,销售奖励,none-such,1.00,USD,Submitted",
        f"alnoor,R-4,销售奖励,{three},8.00,USD,Rejected",
    )  # fmt: skip
    run(side)

    def states() -> dict[tuple[str, ...], tuple[Any, ...]]:
        found = side.rows(
            "SELECT m.*, (SELECT array_agg(c.number ORDER BY c.number) FROM core.incentive_claim c "
            "WHERE c.id = ANY(m.claims)) AS numbers FROM mart.incentive_check m"
        )
        return {tuple(r["numbers"] or ()): (r["state"], r["earned"], r["claimed"], r["paid"]) for r in found}

    assert states() == {
        ("R-1",): ("as_earned", 5_000, 5_000, 0), ("R-2",): ("too_much", 700, 900, 900),
        ("R-3",): ("not_earned", 0, 100, 0), (): ("not_claimed", 90, 0, 0),
    }  # fmt: skip
    sheet(side, "claims", header, f"alnoor,R-1,销售奖励,{one},50.00,USD,Paid", f"alnoor,R-5,,{one},50.00,USD,Submitted")
    run(side)
    assert {k: v for k, v in states().items() if k} == {("R-1", "R-5"): ("too_much", 5_000, 10_000, 5_000)}


# --- forecasts ---------------------------------------------------------------------------------------------------


def test_a_forecast_tells_whose_papers_run_out_and_which_leads_have_nobody_then(side: Bench) -> None:
    for n in range(3):
        side.vendors.lead(f"Weber{n}", Required_Certification__c="گواهی پمپ")
    side.vendors.lead("Wien", country="AT", Required_Certification__c="گواهی پمپ")
    side.vendors.lead("Other")
    header = "Certificate Id,Partner Key,Certificate,Status,Issued On,Expires On"
    one = "1,alnoor,گواهی پمپ,Active,2026-01-01,2027-03-20"
    sheet(side, "certifications", header, one)
    sheet(side, "agreements", "Partner Key,Number,Status,Effective On,Expires On",
          "dongfang,东-1,Active,2026-04-01,2027-03-31", "dongfang,东-2,Signed,2027-04-01,2028-03-31")  # fmt: skip
    run(side)
    before = side.rows("SELECT * FROM ops.outbox ORDER BY id")
    [paper, contract] = forecast(side.app, 90)
    assert (paper.kind, paper.partner, paper.name, paper.days_left) == ("certificate", "شركة النور", "گواهی پمپ", 19)
    assert (paper.impact.leads, paper.impact.stranded_in, paper.impact.offers) == (4, {"AT": 1, "DE": 3}, 4)
    assert "3 open leads in DE have no other eligible partner after 2027-03-20" in paper.says
    assert (contract.kind, contract.name, contract.says) == ("agreement", "东-1", "")  # the next one follows
    assert [f.kind for f in forecast(side.app, 18)] == []
    assert side.rows("SELECT * FROM ops.outbox ORDER BY id") == before
    kept = side.rows("SELECT kind, stranded FROM mart.expiry_forecast ORDER BY last_day")
    assert [tuple(r.values()) for r in kept] == [("certificate", 4), ("agreement", 0)]
    said = "SELECT message FROM ops.alert WHERE kind = 'expiry'"
    assert len(side.rows(said)) == 2
    sheet(side, "certifications", header, one, "2,dongfang,گواهی پمپ,Active,2027-03-10,2029-01-01")
    run(side)
    [paper] = [f for f in forecast(side.app, 90) if f.kind == "certificate"]
    assert (paper.impact.leads, paper.impact.stranded) == (4, 0)
    for days in (1, 3, 10):  # 15 days are left, then 5: once more, since fewer than seven are left
        side.clock.advance(days=days)
        measure(side.app, ["forecast"])
    assert [m["message"].split(",")[1] for m in side.rows(f"{said} AND message LIKE 'certificate%' ORDER BY id")] == [
        " within 30 days. Channel manager: not known. What it changes: `prm-sync forecast --days 30`",
        " within 7 days. Channel manager: not known. What it changes: `prm-sync forecast --days 7`",
    ]


def test_what_the_forecast_says_comes_true(side: Bench) -> None:
    sheet(side, "certifications", "Certificate Id,Partner Key,Certificate,Status,Issued On,Expires On",
          "1,alnoor,شهادة,Active,2026-01-01,2027-03-05")  # fmt: skip
    run(side)
    side.clock.advance(days=5)  # the day after the last
    side.vendors.lead("Late", Required_Certification__c="شهادة")
    run(side)
    [lead] = side.rows("SELECT outcome, reasons FROM ledger.routing_decision")
    assert (lead["outcome"], lead["reasons"]["certification"]) == ("nobody", 2)
