"""Partners' targets, beside what comes of their deals, leads and certificates: over the CRM, the PRM and a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from workbench import Bench, Project, Vendors

from prm_sync.flows.measure import measure
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.route import route
from prm_sync.warehouse.views import partner_by_key, partner_with_key

SHEETS = {"targets": ["Partner Key", "Metric", "Period Start"], "certifications": ["Certificate Id"]}
DEALS = (("portal", "targets"), ("crm", "Account"), ("crm", "Opportunity"), ("prm", "partnerships"))
QUARTER = "2027-01-01,2027-03-31"  #: the clock begins on 2027-03-01, after 59 of 90 days


@pytest.fixture
def bench(project: Project, vendors: Vendors) -> Iterator[Bench]:
    project.env = vendors.env
    folder = {
        "folder": str(project.folder / "data"), "snapshot": True,
        "streams": {name: {"file": f"{name}.csv", "key": key} for name, key in SHEETS.items()},
    }  # fmt: skip
    (project.folder / "data").mkdir()
    both = vendors.connections(crm={"streams": ["Lead", "Account", "Opportunity"]})
    project.write(connections={**both, "portal": {"connector": "files", "config": folder}},
                  trust=["crm", "prm", "portal"], currency="EUR")  # fmt: skip
    vendors.partner("alnoor", company_name="شركة النور")
    with project.open() as app:
        assert app.problems == ()
        yield Bench(app, vendors)


def sheet(bench: Bench, name: str, header: str, *lines: str) -> None:
    path = Path(bench.app.settings.project) / "data" / f"{name}.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def targets(bench: Bench, *lines: str) -> None:
    sheet(bench, "targets", "Partner Key,Metric,Amount,Currency,Quantity,Period Start,Period End,Status", *lines)


def deal(bench: Bench, partner: str, amount: float, closed: str, currency: str = "EUR", **more: Any) -> str:
    row = {"Name": f"{amount}", "AccountId": partner, "StageName": "Closed Won", "Amount": amount, "CloseDate": closed,
           "CurrencyIsoCode": currency, "Prm_Credit__c": "sourced", "Prm_Partner__c": partner}  # fmt: skip
    return bench.vendors.sf.load("Opportunity", [{**row, **more}])[0]


def partner_account(bench: Bench) -> str:
    row = {"Name": "شركة النور", "Type": "Partner", "BillingCountry": "SA", "Prm_Partner_Key__c": "alnoor"}
    return bench.vendors.sf.load("Account", [row])[0]


def run(bench: Bench, *streams: tuple[str, str]) -> dict[str, int]:
    """Pull these, refine, measure; what measuring the pacing came to."""
    bench.clock.advance(seconds=10)
    bench.pull(*streams)
    refine(bench.app)
    return measured(bench)


def measured(bench: Bench, **later: float) -> dict[str, int]:
    bench.clock.advance(**(later or {"seconds": 5}))
    return dict(measure(bench.app, ["pacing"]).numbers)


def looked_at(numbers: dict[str, int]) -> tuple[int, int]:
    """Targets that were looked at, and those whose row differs since."""
    return numbers["targets_looked_at"], numbers["targets"]


def shown(bench: Bench, *columns: str) -> dict[str, tuple[Any, ...]]:
    found = bench.rows("SELECT * FROM mart.target_pacing")
    return {r["metric"]: tuple(r[c] for c in columns) for r in found}


def alerts(bench: Bench) -> list[str]:
    found = bench.rows("SELECT message FROM ops.alert WHERE kind = 'behind_plan' ORDER BY id")
    return [r["message"].partition("(")[2] for r in found]


def test_each_metric_is_followed_by_what_the_partner_did_in_the_period(bench: Bench) -> None:
    partner = partner_account(bench)
    deal(bench, partner, 500, "2027-02-10")
    deal(bench, partner, 90, "2027-01-01", Prm_Credit__c="influenced")
    deal(bench, partner, 70, "2026-12-31")
    deal(bench, partner, 40, "2027-02-11", "USD")
    sheet(
        bench, "certifications", "Certificate Id,Partner Key,Certificate,Status,Issued On,Expires On",
        "1,alnoor,شهادة الضخ,Active,2027-01-05,", "2,alnoor,ERP,Expired,2027-01-05,2027-02-01",
        "3,alnoor,CRM,Revoked,2027-01-05,", "4,alnoor,BI,Active,2026-01-05,",
    )  # fmt: skip
    targets(
        bench, f"alnoor,Revenue,900.00,EUR,,{QUARTER},", f"alnoor,Deals,,,4,{QUARTER},Agreed",
        f"alnoor,Leads,,,1,{QUARTER},", f"alnoor,Certifications,,,3,{QUARTER},",
        "alnoor,Leads,,,5,2027-04-01,2027-06-30,Draft", "alnoor,Revenue,50.00,EUR,,2027-01-02,2027-03-31,Draft",
        f"nobody,Leads,,,5,{QUARTER},",
        "alnoor,Deals,,,5,2026-03-31,2026-03-01,",
    )  # fmt: skip
    done = run(bench, *DEALS, ("portal", "certifications"))
    assert done == {"targets_looked_at": 4, "targets": 4, "targets_left_out": 2, "behind_plan_alerts": 2}
    assert shown(bench, "reached", "target", "currency", "other_currency", "state") == {
        "revenue": (50_000, 90_000, "EUR", 1, "on_plan"), "deals": (2, 4, None, 0, "behind"),
        "leads": (0, 1, None, 0, "behind"), "certifications": (2, 3, None, 0, "on_plan"),
    }  # fmt: skip
    measure(bench.app, ["performance"])
    assert bench.one("SELECT sum(target)::int AS agreed FROM mart.partner_performance") == {"agreed": 90_000}
    [pace] = shown(bench, "pace")["revenue"]
    assert pace == pytest.approx(500 / (900 * 59 / 90))
    sheet(bench, "certifications", "Certificate Id,Partner Key,Certificate,Issued On", "5,alnoor,AI,2027-02-28")
    assert run(bench, ("portal", "certifications"))["targets"] == 1
    assert shown(bench, "reached")["certifications"] == (1,)


def test_an_accepted_lead_counts_for_the_target_as_soon_as_it_is_answered(bench: Bench) -> None:
    targets(bench, f"alnoor,Leads,,,2,{QUARTER},")
    bench.vendors.lead("Weber")
    run(bench, ("portal", "targets"), ("crm", "Lead"), ("prm", "partnerships"))
    route(bench.app)
    push(bench.app, "prm", "leads")
    [offer] = bench.vendors.prm_leads()
    bench.clock.advance(hours=2)
    bench.vendors.ps.partners.answer(offer["key"], accepted=True)
    run(bench, ("prm", "leads"))
    assert shown(bench, "reached") == {"leads": (0,)}
    route(bench.app)
    assert measured(bench)["targets"] == 1
    assert shown(bench, "reached", "attainment") == {"leads": (1, 0.5)}


def test_the_channel_manager_is_told_once_when_a_target_falls_behind_and_once_when_it_was_missed(bench: Bench) -> None:
    partner = partner_account(bench)
    targets(bench, "alnoor,Deals,,,10,2027-03-01,2027-03-20,")
    assert run(bench, *DEALS)["behind_plan_alerts"] == 0
    assert measured(bench, days=4)["behind_plan_alerts"] == 0  # a fifth of the time is over
    assert shown(bench, "state") == {"deals": ("behind",)}
    assert measured(bench, days=1)["behind_plan_alerts"] == 1
    assert measured(bench, days=1)["behind_plan_alerts"] == 0
    for _ in range(9):
        deal(bench, partner, 1, "2027-03-07")
    run(bench, ("crm", "Opportunity"))
    assert shown(bench, "state", "reached") == {"deals": ("on_plan", 9)}
    for days in (13, 1, 1):
        measured(bench, days=days)
    [manager] = bench.rows("SELECT manager FROM core.partner WHERE partner_key = 'alnoor'")
    rest = f"Channel manager: {manager['manager'] or 'not known'}. How far it is: `prm-sync targets --partner "
    assert [m.partition("partner_")[0] for m in alerts(bench)] == [
        f"deals, 2027-03-01 to 2027-03-20) is behind plan. {rest}",
        f"deals, 2027-03-01 to 2027-03-20) was missed. {rest}",
    ]


def test_only_what_changed_is_touched_and_a_target_that_is_gone_leaves(bench: Bench) -> None:
    partner = partner_account(bench)
    bench.vendors.partner("dongfang", company_name="东方科技")
    lines = [f"alnoor,Deals,,,9,{QUARTER},", f"dongfang,Revenue,9.00,EUR,,{QUARTER},"]
    targets(bench, *lines)
    run(bench, *DEALS)
    before = shown(bench, "touched", "as_of")
    assert looked_at(measured(bench)) == (0, 0)
    deal(bench, partner, 1, "2027-02-07")
    assert looked_at(run(bench, ("crm", "Opportunity"))) == (1, 1)
    after = shown(bench, "touched", "as_of")
    assert (after["deals"] > before["deals"], after["revenue"] == before["revenue"]) == (True, True)
    assert looked_at(measured(bench, days=1)) == (2, 2)
    targets(bench, lines[1])
    assert run(bench, ("portal", "targets"))["targets"] == 1
    assert set(shown(bench)) == {"revenue"}


def test_a_key_that_a_partner_who_left_had_too_means_the_one_who_has_it(bench: Bench) -> None:
    """Two entities with one key: a policy that matches by other keys, or people who keep them apart."""
    targets(bench, f"alnoor,Revenue,1000.00,EUR,,{QUARTER},", f"gone,Deals,,,5,{QUARTER},")
    run(bench, *DEALS)
    owner = bench.one("SELECT partner_id FROM mart.target_pacing WHERE metric = 'revenue'")["partner_id"]
    with bench.app.db.begin() as tx:
        columns = "partner_key, name, provenance, sources, arrived, touched, valid_from"
        for new, key in (("partner_0", "alnoor"), ("partner_1", "gone"), ("partner_2", "gone")):
            tx.execute(
                sa.text(
                    f"INSERT INTO core.partner (id, {columns}, deleted_at) SELECT :new, :key, name, provenance, "
                    "sources, arrived, nextval('core.change_seq'), valid_from, cast(:at AS timestamptz) "
                    "FROM core.partner WHERE partner_key = 'alnoor' AND deleted_at IS NULL"
                ),
                {"new": new, "key": key, "at": "2027-01-05" if new < "partner_2" else "2027-02-05"},
            )
        tx.exec_driver_sql("UPDATE core.target SET touched = nextval('core.change_seq')")
    measured(bench)
    rows = bench.rows("SELECT metric, partner_id FROM mart.target_pacing ORDER BY metric")
    assert rows == [{"metric": "revenue", "partner_id": owner}], "once, and the other's target is nobody's"
    with bench.app.db.begin() as tx:
        asked = f"SELECT p.id FROM (SELECT 'gone' AS partner_key) g {partner_by_key('g')}"
        (last,) = tx.exec_driver_sql(asked).scalars()
        gone, alnoor = (partner_with_key(f"'{key}'") for key in ("gone", "alnoor"))
        found = tx.exec_driver_sql(f"SELECT {gone}, {alnoor}").one()
    assert last == "partner_2", "who had it last"
    assert tuple(found) == (last, owner), "the same, asked for one"
