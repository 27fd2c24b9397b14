"""Service cases from the CRM to partners' portal and back: a real warehouse, emulated vendors, a folder of files."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from workbench import Bench, Project, Vendors

from prm_sync.flows.pull import pull
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.report import FlowReport, State
from prm_sync.flows.route import route

OURS = (
    "Key", "Partner", "Assignment", "Case", "Priority", "Subject", "Description", "Product", "Customer", "City",
    "Country", "Contact", "Contact Phone", "Opened At", "Assigned At", "Answer By", "Solve By",
)  # fmt: skip
THEIRS = ("Answer", "Answered At", "Decline Reason", "Stage", "First Response At", "Solved At", "Resolution")
ROUND = (
    ("prm", "partnerships"), ("crm", "Account"), ("crm", "Contact"), ("crm", "Case"), ("portal", "cases"),
)  # fmt: skip


class Desk:
    """A seller with a service desk, its partners, and the folder that these see."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder = bench, folder
        self.reports: list[FlowReport] = []

    @property
    def vendors(self) -> Vendors:
        return self.bench.vendors

    def partner(self, key: str, **fields: Any) -> str:
        return self.vendors.partner(key, **{"partner_type": "service", "territories": "CN,EG,VN", **fields})

    def account(self, name: str, country: str, city: str, **values: Any) -> str:
        row = {"Name": name, "BillingCountry": country, "BillingCity": city, "Type": "Customer - Direct", **values}
        return self.vendors.sf.load("Account", [row])[0]

    def contact(self, account: str, **values: Any) -> str:
        row = {"LastName": "陈", "FirstName": "小明", "Phone": "+86 10 8888 1234", "Email": "chen@dongfeng.example"}
        return self.vendors.sf.load("Contact", [{**row, "AccountId": account, **values}])[0]

    def case(self, account: str | None, **values: Any) -> str:
        row = {"Subject": "水泵不转", "Status": "New", "Priority": "High", "AccountId": account}
        return self.vendors.sf.load("Case", [{**row, **values}])[0]

    def change(self, case: str, **values: Any) -> None:
        """What the seller's own people change in the CRM."""
        self.vendors.sf.org.update("Case", case, values)

    def round(self, *, minutes: float = 10) -> FlowReport:
        """Everything once, as the schedule does it, but for what does not change any more; what `route` said."""
        app, clock = self.bench.app, self.bench.clock
        for connection, stream in ROUND[-2:] if self.reports else ROUND:
            self.reports.append(pull(app, connection, stream))
        clock.advance(seconds=10)
        self.reports.append(refine(app))
        clock.advance(seconds=10)
        said = route(app)
        clock.advance(seconds=10)
        self.reports += [said, push(app, "portal", "cases"), push(app, "crm", "Case")]
        clock.advance(minutes=minutes)
        assert [r.message for r in self.reports if r.state is not State.DONE] == []
        return said

    # --- the portal ---

    @property
    def file(self) -> Path:
        return self.folder / "cases.csv"

    def seen(self) -> list[dict[str, str]]:
        """What stands in the portal's table."""
        if not self.file.exists():
            return []
        with self.file.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def say(self, partner: str, **cells: str) -> None:
        """A partner fills cells of its rows."""
        rows = self.seen()
        for row in rows:
            if row["Partner"] == partner:
                row.update({name.replace("_", " "): value for name, value in cells.items()})
        with self.file.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, [*OURS, *THEIRS])
            writer.writeheader()
            writer.writerows(rows)

    def holder(self) -> list[str]:
        return [row["Partner"] for row in self.seen()]

    def assignments(self) -> list[tuple[str, str, str | None]]:
        rows = self.bench.rows(
            "SELECT p.partner_key, o.state, o.partner_stage FROM ledger.case_assignment o "
            "JOIN core.partner p ON p.id = o.partner_id ORDER BY o.case_id, o.rank"
        )
        return [(r["partner_key"], r["state"], r["partner_stage"]) for r in rows]


@pytest.fixture
def desk(make_bench: Callable[..., Bench], vendors: Vendors, project: Project, tmp_path: Path) -> Desk:
    folder = tmp_path / "portal"
    folder.mkdir()
    portal = {
        "connector": "files", "kind": "prm",
        "config": {"folder": str(folder), "writes": {"cases": {"key": "Key", "columns": [*OURS, *THEIRS]}}},
        "streams": ["cases"],
    }  # fmt: skip
    own = vendors.connections(crm={"streams": ["Account", "Contact", "Case"]}, prm={"streams": ["partnerships"]})
    for connection in own.values():
        connection["limits"] = {"max_update_share": 1.0}
    own["portal"] = {**portal, "limits": {"max_update_share": 1.0}}
    bench = make_bench(own, trust=["crm", "prm", "portal"])
    assert bench.app.problems == ()
    return Desk(bench, folder)


def iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def crm(at: Any) -> datetime:
    return datetime.fromisoformat(str(at).replace("+0000", "+00:00"))


def test_a_case_goes_to_a_service_partner_and_what_it_says_comes_back_to_the_crm(desk: Desk) -> None:
    desk.partner("nanfang", company_name="南方服务")
    desk.partner("reseller", partner_type="reseller")
    desk.partner("elsewhere", territories="DE")
    account = desk.account("东风贸易", "CN", "北京", AnnualRevenue=5_000_000)
    case = desk.case(account, ContactId=desk.contact(account), Description="مضخة لا تعمل منذ أمس", Priority="Critical")
    said = desk.round()
    assert said.numbers["cases_offered"] == 1
    [row] = desk.seen()
    assert (row["Partner"], row["Subject"], row["Description"]) == ("nanfang", "水泵不转", "مضخة لا تعمل منذ أمس")
    assert (row["Customer"], row["City"], row["Country"], row["Contact"]) == ("东风贸易", "北京", "CN", "小明 陈")
    assert row["Contact Phone"] == "'+861088881234"  # guarded from spreadsheets
    assert "chen@" not in desk.file.read_text(encoding="utf-8-sig")
    assert "5000000" not in desk.file.read_text(encoding="utf-8-sig")
    in_crm = desk.vendors.crm_row("Case", case)
    assert (in_crm["Prm_Status__c"], in_crm["Prm_Partner__c"], in_crm["Status"]) == ("pending", "南方服务", "New")
    at = desk.bench.clock.at
    desk.say("nanfang", Answer="Accepted", Answered_At=iso(at))
    desk.round(minutes=60)
    assert desk.vendors.crm_row("Case", case)["Prm_Status__c"] == "accepted"
    desk.say("nanfang", Stage="Working", First_Response_At=iso(at + timedelta(minutes=20)))
    desk.round(minutes=60)
    desk.say("nanfang", Stage="Solved", Solved_At=iso(at + timedelta(hours=2)), Resolution="更换了水泵")
    desk.round()
    in_crm = desk.vendors.crm_row("Case", case)
    assert (in_crm["Prm_Status__c"], in_crm["Prm_Resolution__c"]) == ("resolved", "更换了水泵")
    assert crm(in_crm["Prm_Answered_At__c"]) == at.replace(microsecond=0)
    assert crm(in_crm["Prm_First_Response_At__c"]) - at.replace(microsecond=0) == timedelta(minutes=20)
    assert crm(in_crm["Prm_Resolved_At__c"]) - at.replace(microsecond=0) == timedelta(hours=2)
    assert desk.assignments() == [("nanfang", "accepted", "resolved")]
    desk.round()
    assert [r.numbers.get("written", 0) for r in desk.reports[-2:]] == [0, 0]  # nothing is left to do


def test_a_declined_case_goes_to_the_next_partner_and_is_taken_from_the_first(desk: Desk) -> None:
    desk.partner("nanfang", products="Pump")  # named, so that it comes first
    desk.partner("beifang")
    case = desk.case(desk.account("شركة النيل", "EG", "القاهرة"), Product__c="Pump", Subject="المضخة معطلة")
    desk.round()
    assert desk.holder() == ["nanfang"]
    desk.say("nanfang", Answer="declined", Decline_Reason="没有备件")
    desk.round()
    assert desk.assignments() == [("nanfang", "declined", None), ("beifang", "pending", None)]
    assert desk.holder() == ["beifang"]
    [decision] = desk.bench.rows("SELECT * FROM ledger.case_decision WHERE rank = 2")
    assert decision["reasons"]["prior_decline"] == 1
    assert decision["rule_version"] == desk.bench.app.policies.cases.version
    row = desk.vendors.crm_row("Case", case)
    assert (row["Prm_Status__c"], row["Prm_Partner_Key__c"], row.get("Prm_Decline_Reason__c")) == (
        "pending", "beifang", None,
    )  # fmt: skip


def test_a_case_that_nobody_answers_is_given_to_the_next_when_the_working_hours_of_its_priority_are_over(
    desk: Desk,
) -> None:
    desk.partner("nanfang", products="Pump", time_zone="Asia/Shanghai")
    desk.partner("beifang", time_zone="Asia/Shanghai")
    desk.case(desk.account("东风贸易", "CN", "北京"), Product__c="Pump", Priority="High")  # 4 working hours
    desk.bench.clock.at = datetime.fromisoformat("2027-03-05T06:00:00+00:00")  # Friday, 14:00 there: 3 hours are left
    desk.bench.clock.advance(seconds=0)
    desk.round()
    [row] = desk.seen()
    assert row["Answer By"] == "2027-03-08T02:00:20Z"  # Monday, 10:00 there
    desk.bench.clock.advance(days=2)
    desk.round()  # Sunday
    assert desk.holder() == ["nanfang"]
    desk.bench.clock.advance(hours=20)
    said = desk.round()
    assert said.numbers["cases_expired"] == 1
    assert desk.assignments() == [("nanfang", "expired", None), ("beifang", "pending", None)]
    assert desk.holder() == ["beifang"]
    [alert] = desk.bench.rows("SELECT * FROM ops.alert WHERE kind = 'offer_expired'")
    assert "1 case (case_" in alert["message"]


def test_a_case_that_was_offered_in_vain_waits_in_a_queue_for_its_owner(desk: Desk) -> None:
    for key in ("nanfang", "beifang"):
        desk.partner(key)
    desk.case(desk.account("东风贸易", "CN", "北京"))
    desk.round()
    for _ in range(2):
        desk.say(desk.holder()[0], Answer="no", Decline_Reason="لا")
        desk.round()
    assert [state for _, state, _ in desk.assignments()] == ["declined", "declined"]
    assert desk.seen() == []
    [waiting] = desk.bench.rows("SELECT queue, outcome, reason FROM mart.unassigned_cases")
    assert waiting == {"queue": "service desk", "outcome": "nobody", "reason": "prior_decline"}
    [alert] = desk.bench.rows("SELECT * FROM ops.alert WHERE kind = 'offers_in_vain'")
    assert "queue service desk" in alert["subject"]
    assert "mart.unassigned_cases" in alert["message"]


@pytest.mark.parametrize("end", ["closed", "deleted"])
def test_a_case_that_the_crm_closes_or_deletes_is_taken_from_the_portal(desk: Desk, end: str) -> None:
    desk.partner("nanfang")
    account = desk.account("东风贸易", "CN", "北京")
    case = desk.case(account)
    desk.round()
    desk.say("nanfang", Answer="yes")
    desk.round()
    assert desk.assignments() == [("nanfang", "accepted", None)]
    if end == "closed":
        desk.change(case, Status="Closed")
    else:
        desk.vendors.sf.org.delete("Case", case)
    said = desk.round()
    assert said.numbers["cases_withdrawn"] == 1
    assert desk.assignments() == [("nanfang", "withdrawn", None)]
    assert desk.seen() == []


def test_of_cases_that_the_crm_merges_the_partner_keeps_one(desk: Desk) -> None:
    desk.partner("nanfang")
    account = desk.account("东风贸易", "CN", "北京")
    left, lost = desk.case(account, Subject="同一件事"), desk.case(account, Subject="同一件事，又一次")
    desk.round()
    desk.say("nanfang", Answer="yes")
    desk.round()
    desk.vendors.sf.org.merge("Case", left, [lost])
    assert desk.round().numbers["cases_withdrawn"] == 1
    assert sorted(state for _, state, _ in desk.assignments()) == ["accepted", "withdrawn"]
    assert [row["Subject"] for row in desk.seen()] == ["同一件事"]


def test_a_solved_case_that_is_closed_and_opened_again_goes_back_to_who_had_it(desk: Desk) -> None:
    desk.partner("nanfang")
    case = desk.case(desk.account("Công ty Ánh Dương", "VN", "Đà Nẵng"))
    desk.round()
    at = desk.bench.clock.at
    desk.say("nanfang", Answer="yes", Stage="Solved", Solved_At=iso(at))
    desk.round()
    desk.change(case, Status="Closed")
    assert desk.round().numbers["cases_closed"] == 1
    assert desk.assignments() == [("nanfang", "accepted", "closed")]
    assert desk.seen() == []
    desk.change(case, Status="Working")
    assert desk.round().numbers["cases_reopened"] == 1
    assert desk.holder() == ["nanfang"]
    assert desk.vendors.crm_row("Case", case)["Prm_Status__c"] == "reopened"
    again = desk.bench.clock.at
    desk.say("nanfang", Stage="Solved", Solved_At=iso(again))
    desk.round()
    assert desk.assignments() == [("nanfang", "accepted", "resolved")]
    row = desk.vendors.crm_row("Case", case)
    assert crm(row["Prm_Resolved_At__c"]) == again.replace(microsecond=0)


def test_a_late_answer_goes_to_the_history_and_moves_nothing(desk: Desk) -> None:
    desk.partner("nanfang", products="Pump")
    desk.partner("beifang")
    desk.case(desk.account("东风贸易", "CN", "北京"), Product__c="Pump", Priority="Critical")
    desk.round()
    desk.bench.clock.advance(hours=5)
    desk.say("nanfang", Answer="accepted", Answered_At=iso(desk.bench.clock.at))
    said = desk.round()
    assert (said.numbers["cases_late"], said.numbers["cases_expired"]) == (1, 1)
    assert desk.assignments() == [("nanfang", "expired", None), ("beifang", "pending", None)]
    [event] = desk.bench.rows("SELECT event, note FROM ledger.offer_event WHERE NOT applied")
    assert event["event"] == "accepted"
    assert "after the offer had run out" in event["note"]


def test_a_case_that_is_not_solved_in_time_is_told_once(desk: Desk) -> None:
    desk.partner("nanfang", manager="Linh Tran")
    desk.case(desk.account("东风贸易", "CN", "北京"), Priority="Critical")  # 8 working hours
    desk.round()
    desk.say("nanfang", Answer="yes")
    desk.round()
    desk.bench.clock.advance(days=3)
    assert desk.round().numbers["cases_overdue"] == 1
    assert "cases_overdue" not in desk.round().numbers
    [alert] = desk.bench.rows("SELECT * FROM ops.alert WHERE kind = 'case_overdue'")
    assert "1 case (case_" in alert["message"]
    [row] = desk.bench.rows("SELECT late FROM mart.case_assignments")
    assert row["late"] is True


def test_a_partner_with_all_the_cases_it_can_take_gets_no_more_until_it_solves_one(
    desk: Desk, project: Project
) -> None:
    from dataclasses import replace

    from prm_sync.rules.routing.cases import CaseCapacity

    app = desk.bench.app
    few = app.policies.cases.model_copy(update={"capacity": CaseCapacity(max_open=2)})
    app.policies = replace(app.policies, cases=few)
    desk.partner("nanfang", weekly_capacity=0)  # of leads: no matter here
    account = desk.account("东风贸易", "CN", "北京")
    for n, priority in enumerate(("Low", "Critical", "High")):
        desk.case(account, Priority=priority, Subject=f"案件 {n}")
    desk.round()
    assert sorted(r["Priority"] for r in desk.seen()) == ["critical", "high"]
    desk.say("nanfang", Answer="yes")
    desk.round()
    assert len(desk.seen()) == 2  # what is accepted is not done
    desk.say("nanfang", Stage="Solved")
    desk.round()
    assert sorted(r["Priority"] for r in desk.seen()) == ["critical", "high", "low"]


def test_a_person_who_wants_no_calls_or_may_not_be_named_is_not_in_the_portal(desk: Desk) -> None:
    desk.partner("nanfang")
    account = desk.account("东风贸易", "CN", "北京")
    desk.case(account, ContactId=desk.contact(account, DoNotCall=True))
    desk.round()
    [row] = desk.seen()
    assert (row["Contact"], row["Contact Phone"]) == ("小明 陈", "")


def test_response_and_resolution_hours_are_among_the_partners_figures(desk: Desk) -> None:
    desk.partner("nanfang")
    desk.case(desk.account("东风贸易", "CN", "北京"))
    desk.round()
    [offered] = desk.bench.rows("SELECT offered_at FROM ledger.case_assignment")
    at = offered["offered_at"]
    desk.bench.clock.advance(hours=5)
    desk.say(
        "nanfang", Answer="yes", Answered_At=iso(at + timedelta(hours=1)),
        First_Response_At=iso(at + timedelta(hours=2)), Solved_At=iso(at + timedelta(hours=5)),
    )  # fmt: skip
    desk.round()
    desk.bench.measure()
    [row] = desk.bench.rows("SELECT f.* FROM core.partner_facts f JOIN core.partner p USING (id) WHERE perf_cases > 0")
    assert (row["perf_cases"], round(row["perf_case_response_hours"], 2)) == (1, 2.0)
    assert 5.0 <= row["perf_case_resolution_hours"] < 5.1


def test_people_see_why_a_case_went_where_and_dagster_what_became_of_all(desk: Desk, project: Project) -> None:
    import json
    from contextlib import nullcontext

    import dagster as dg
    from typer.testing import CliRunner

    from prm_sync.cli import program
    from prm_sync.orchestration.catalogue import read_catalogue
    from prm_sync.orchestration.definitions import definitions_of

    desk.partner("nanfang", company_name="南方服务")
    desk.partner("reseller", partner_type="reseller")
    case = desk.case(desk.account("东风贸易", "CN", "北京"))
    desk.case(desk.account("Nordwind", "SE", "Malmö"))
    desk.round()
    desk.say("nanfang", Answer="yes", Stage="Working")
    desk.round()
    env = {
        "PRM_SYNC_PROJECT": str(project.folder), "PRM_SYNC_HOME": str(project.folder / ".prm_sync"),
        "PRM_SYNC_DATABASE_URL": project.database_url, **desk.vendors.env,
    }  # fmt: skip
    said = CliRunner().invoke(program, ["explain", "case", case], env=env).output
    assert "goes to 南方服务" in said
    assert "type: the partner is reseller, not integrator or service" in said
    assert "offer 1 to 南方服务: accepted (in progress)" in said
    status = json.loads(CliRunner().invoke(program, ["status", "--json"], env=env).stdout)
    assert status["cases"] == {"in_progress": 1, "unassigned": 1}
    settings = desk.bench.app.settings
    defs = definitions_of(
        read_catalogue(settings), opener=lambda *_, **__: nullcontext(desk.bench.app), settings=lambda: settings
    )
    up = {spec.key.path[-1]: {d.asset_key.path[-1] for d in spec.deps} for spec in defs.resolve_all_asset_specs()}
    assert {"core_case", "core_partner", "core_account", "core_contact"} <= up["ledger_case_assignment"]
    assert "ledger_case_assignment" in up["push_portal__cases"] & up["push_crm__Case"]
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("deliver").execute_in_process(instance=instance, raise_on_error=False)
    assert result.success
    [made] = result.asset_materializations_for_node("ledger_case_assignment")
    assert made.metadata["offers_accepted"].value == 1
