"""Drift: a stream that is no longer what the mappings count on holds back what it must, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from workbench import Bench, Project, Vendors, rows

from prm_sync.app import App
from prm_sync.errors import PrmSyncError
from prm_sync.flows.drift import accept
from prm_sync.flows.pull import pull
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.report import FlowReport, State

MAPPING = """\
from: files.leads
to: lead
when: {Kind: [lead, null]}
fields:
  email: Email
  status: {from: Status, choices: {Open: new, Working: working}}
  city: [City, Town]
  currency: {from: Currency, choices: {null: EUR}}
  annual_revenue: Revenue
"""
HEADER = ["Id", "Email", "Status", "City", "Town", "Currency", "Revenue", "Kind"]


@pytest.fixture
def lists(project: Project) -> Project:
    return project.lists(MAPPING)


def lead(n: int, **values: Any) -> dict[str, Any]:
    usual = {"Id": n, "Email": f"l{n}@x.example", "Status": "Open", "City": "Kiel", "Currency": "JPY", "Revenue": 5}
    return {**usual, "Kind": "lead", **values}


def given(project: Project, app: App, *leads: dict[str, Any], without: Sequence[str] = ()) -> FlowReport:
    header = [h for h in HEADER if h not in without]
    project.csv("leads.csv", header, [[r.get(h) for h in header] for r in leads])
    project.clock.advance(minutes=1)
    report = pull(app, "lists", "leads")
    refine(app)
    return report


def golden(app: App) -> list[dict[str, Any]]:
    return rows(
        app.db,
        "SELECT email, status, city, currency, annual_revenue AS revenue FROM core.lead WHERE deleted_at IS NULL "
        "ORDER BY email",
    )


def drift(app: App, state: str = "open") -> list[tuple[str, str, str]]:
    found = rows(app.db, "SELECT field, kind, severity FROM ops.drift WHERE state = :s ORDER BY 1, 2", s=state)
    return [(r["field"], r["kind"], r["severity"]) for r in found]


# --- a field that is gone ----------------------------------------------------------------------------------------


def test_a_removed_field_keeps_its_value_and_every_other_field_goes_on(lists: Project) -> None:
    with lists.open() as app:
        assert given(lists, app, lead(1, City="北京"), lead(2, Town="Huế", City="")).state is State.DONE
        report = given(lists, app, lead(1, Status="Working"), lead(2, Town="Vinh"), lead(3), without=["City"])
        assert [(r["city"], r["status"]) for r in golden(app)] == [("北京", "working"), ("Huế", "new"), (None, "new")]
        assert drift(app) == [("City", "removed", "breaking")]
        assert report.state is State.HELD
        assert report.message == (
            "lists.leads: City is gone; lead.city keep the values they have. Bring it back, or change the mapping. "
            "If it is meant to be so: `prm-sync drift accept lists leads`"
        )
        assert given(lists, app, lead(1), lead(2), without=["City"]).state is State.HELD  # until somebody has looked


def test_a_removed_currency_holds_its_amounts_too_and_is_never_guessed_for_a_new_record(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, lead(1))
        given(lists, app, lead(1, Revenue=7, Status="Working"), lead(2), without=["Currency"])
        told = [(r["currency"], r["revenue"], r["status"]) for r in golden(app)]
        assert told == [("JPY", 5, "working"), (None, None, "new")]


def test_a_field_that_comes_back_brings_the_values_that_were_missed(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, lead(1), lead(2))
        given(lists, app, lead(1, Status="Working"), lead(2, Status="Working"), without=["City"])
        report = given(lists, app, lead(1, City="Ulm"), lead(2, City="Mainz"))
        assert (report.state, drift(app)) == (State.DONE, [])
        assert [r["city"] for r in golden(app)] == ["Ulm", "Mainz"]
        assert drift(app, "mended") == [("City", "removed", "breaking")]


def test_a_field_of_when_that_is_gone_lets_no_record_in_or_out(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, lead(1), lead(2, Kind="supplier"))
        given(lists, app, lead(1, Status="Working"), lead(2), lead(3), without=["Kind"])
        assert [(r["email"], r["status"]) for r in golden(app)] == [("l1@x.example", "new")]
        held = rows(app.db, "SELECT remote_id, code, class FROM ops.quarantine WHERE state = 'open' ORDER BY 1")
        assert [(r["remote_id"], r["code"], r["class"]) for r in held] == [(i, "drift", "transient") for i in "123"]
        given(lists, app, lead(1, Status="Working"), lead(2, Kind="supplier"), lead(3))
        told = [(r["email"], r["status"]) for r in golden(app)]
        assert told == [("l1@x.example", "working"), ("l3@x.example", "new")]
        assert rows(app.db, "SELECT 1 FROM ops.quarantine WHERE state = 'open'") == []


def test_a_field_that_no_mapping_reads_may_come_and_go(lists: Project) -> None:
    lists.mapping(MAPPING.replace("  city: [City, Town]\n", ""))
    with lists.open() as app:
        given(lists, app, lead(1))
        assert given(lists, app, lead(1), without=["City", "Town"]).state is State.DONE
        assert drift(app) == []
        assert drift(app, "noted") == [("City", "removed", "info"), ("Town", "removed", "info")]
        given(lists, app, lead(1))
        assert ("City", "added", "info") in drift(app, "noted")


def test_accepted_drift_is_held_no_more_and_only_its_stream_is_mapped_again(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, lead(1), lead(2))
        given(lists, app, lead(1, Status="Working"), lead(2, Status="Working"), without=["City"])
        done = accept(app, "lists", "leads", "City", "Linh")
        assert (done.findings, done.mapped_again) == ((("City", "removed"),), True)
        assert refine(app).numbers["mapped"] == 2
        assert [r["city"] for r in golden(app)] == [None, None]
        assert given(lists, app, lead(1), lead(2), without=["City"]).state is State.DONE
        row = rows(app.db, "SELECT state, decided_by FROM ops.drift")
        assert row == [{"state": "accepted", "decided_by": "Linh"}]
        with pytest.raises(PrmSyncError, match="there is no open drift"):
            accept(app, "lists", "leads", None, "Linh")


def test_a_mapping_that_no_longer_reads_the_field_settles_the_drift(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, lead(1))
        given(lists, app, lead(1, Town="Ulm"), without=["City"])
        assert golden(app)[0]["city"] == "Kiel"
    lists.mapping(MAPPING.replace("[City, Town]", "Town"))
    with lists.open() as app:
        refine(app)
        assert golden(app)[0]["city"] == "Ulm"
        assert given(lists, app, lead(1, Town="Ulm"), without=["City"]).state is State.DONE
        assert drift(app) == []


def test_nothing_is_compared_or_kept_where_a_stream_is_what_it_was(lists: Project) -> None:
    with lists.open() as app:
        for n in range(3):
            given(lists, app, lead(1, Revenue=n))
        kept = rows(app.db, "SELECT fields FROM ops.schema_snapshot")
        assert len(kept) == 1
        assert set(kept[0]["fields"]) == {*HEADER, "__error__"}


# --- over a vendor's describe ------------------------------------------------------------------------------------


@pytest.fixture
def column(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`column(name, ...)`: change what the CRM says of a field of its leads."""
    columns = bench.vendors.sf.org.tables["Lead"].object.columns

    def changed(name: str, **changes: Any) -> None:
        monkeypatch.setitem(columns, name, replace(columns[name], **changes))

    return changed


def test_a_new_picklist_value_that_no_mapping_knows_is_a_warning_until_it_is_mapped(
    bench: Bench, project: Project, vendors: Vendors, column: Callable[..., None]
) -> None:
    vendors.lead("Weber")
    bench.pull(("crm", "Lead"))
    column("Status", choices=(*vendors.sf.org.tables["Lead"].object.columns["Status"].choices, "待定"))
    assert pull(bench.app, "crm", "Lead").state is State.DONE
    assert drift(bench.app) == [("Status", "new_choice", "warning")]
    message = bench.one("SELECT message FROM ops.drift")["message"]
    assert message == 'Status has new values that no mapping knows: "待定"; add them to `choices` of lead.status'
    shipped = bench.app.mappings[("crm", "Lead")][0].spec.file.read_text(encoding="utf-8")
    folder = project.folder / "own" / "salesforce"
    folder.mkdir(parents=True)
    known = shipped.replace("Open - Not Contacted: new", "Open - Not Contacted: new\n      待定: working")
    assert known != shipped
    (folder / "lead.yaml").write_text(known, encoding="utf-8")
    project.write(connections=vendors.connections(), trust=["crm", "prm"], mappings="own")
    with project.open() as app:
        pull(app, "crm", "Lead")
        assert drift(app) == []


def test_a_shrunk_text_and_a_retyped_field_are_told_by_what_they_break(
    bench: Bench, vendors: Vendors, column: Callable[..., None]
) -> None:
    vendors.lead("Weber", City="Huế")
    bench.pull(("crm", "Lead"))
    refine(bench.app)
    column("Company", length=40)
    column("City", type="double")
    column("Salutation", length=1)  # no mapping reads it
    bench.clock.advance(minutes=5)
    report = pull(bench.app, "crm", "Lead")
    assert report.state is State.HELD
    assert "City was text and is number; lead.city keep the values they have" in (report.message or "")
    assert drift(bench.app) == [("City", "retyped", "breaking"), ("Company", "shrunk", "warning")]
    message = bench.one("SELECT message FROM ops.drift WHERE field = 'Company'")["message"]
    assert message == "Company held 255 characters and holds 40: longer values may be cut"


def test_a_field_hidden_from_us_is_neither_blanked_nor_written_and_the_rest_is_sent(
    bench: Bench, vendors: Vendors
) -> None:
    lead_id = vendors.lead("Weber", City="Huế")
    vendors.partner("nordwind")
    bench.pull()
    refine(bench.app)
    vendors.sf.org.hidden["Lead"] = {"City", "Prm_Offer_Status__c"}
    bench.clock.advance(minutes=5)
    vendors.sf.org.update("Lead", lead_id, {"Company": "Weber & Söhne"})
    bench.cycle()
    assert bench.one("SELECT city, company FROM core.lead") == {"city": "Huế", "company": "Weber & Söhne"}
    assert drift(bench.app) == [("City", "removed", "breaking"), ("Prm_Offer_Status__c", "removed", "breaking")]
    assert bench.quarantine() == []
    sent = vendors.crm_row("Lead", lead_id)
    assert (sent["Prm_Partner__c"], sent.get("Prm_Offer_Status__c")) == ("Nordwind", None)
    vendors.sf.org.hidden.clear()
    bench.pull(("crm", "Lead"))
    push(bench.app, "crm", "Lead")
    assert vendors.crm_row("Lead", lead_id)["Prm_Offer_Status__c"] == "pending"


def test_describe_tells_lengths_and_what_a_record_cannot_be_made_without(bench: Bench) -> None:
    with bench.app.session("crm") as session:
        [stream] = session.discover(["Lead"])
    fields = {f.name: f for f in stream.fields}
    assert (fields["Company"].length, fields["Company"].required) == (255, True)
    assert (fields["City"].length, fields["City"].required) == (40, False)
    assert not fields["Id"].required


# --- mappings in state -------------------------------------------------------------------------------------------


def test_only_the_stream_whose_mapping_changed_is_mapped_again_and_only_what_differs_is_touched(
    lists: Project,
) -> None:
    others = MAPPING.replace("files.leads", "files.others")
    lists.mapping(others, name="others")
    with lists.open() as app:
        lists.csv("others.csv", HEADER, [[9, "l9@x.example", "Open", "Bonn", "", "EUR", 1, "lead"]])
        pull(app, "lists", "others")
        given(lists, app, lead(1), lead(2, City="", Town="Vinh"), lead(3))
        before, golden_before = touched(app), changed(app)
    lists.mapping(MAPPING.replace("city: [City, Town]", "city: City"))
    with lists.open() as app:
        assert refine(app).numbers["mapped"] == 3  # those of the stream `leads`, the other is not looked at
        after = touched(app)
        assert {i for i in before if before[i] != after[i]} == {"2"}
        assert {e for e, n in changed(app).items() if golden_before[e] != n} == {"l2@x.example"}
        assert [r["city"] for r in golden(app)] == ["Kiel", None, "Kiel", "Bonn"]
        assert refine(app).numbers.get("mapped", 0) == 0


def test_a_changed_mapping_still_has_what_changed_meanwhile_compared(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, lead(1), lead(2))
        before = touched(app)
    lists.mapping(MAPPING.replace("city: [City, Town]", "city: City"))
    with lists.open() as app:
        lists.csv("leads.csv", [*HEADER, "Note"], [line(lead(1), "news"), line(lead(2), "")])
        lists.clock.advance(minutes=1)
        pull(app, "lists", "leads")
        refine(app)
        after = touched(app)
        assert {i for i in before if before[i] != after[i]} == {"1", "2"}  # both were read anew, with a column more


def line(values: dict[str, Any], note: str) -> list[Any]:
    return [*(values.get(h) for h in HEADER), note]


def changed(app: App) -> dict[str, int]:
    return {r["email"]: r["touched"] for r in rows(app.db, "SELECT email, touched FROM core.lead")}


def touched(app: App) -> dict[str, int]:
    return {r["remote_id"]: r["touched"] for r in rows(app.db, "SELECT remote_id, touched FROM core.lead_source")}
