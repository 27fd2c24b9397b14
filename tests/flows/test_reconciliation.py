"""reconcile: what no incremental read would ever find, in both systems and in the warehouse, is found and mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from workbench import Bench, Project, SteppedClock, Vendors, rows

from prm_sync.app import App
from prm_sync.connect.protocol import QuotaSpent
from prm_sync.flows.pull import pull
from prm_sync.flows.reconcile import reconcile
from prm_sync.flows.refine import refine
from prm_sync.flows.report import FlowReport, State
from prm_sync_salesforce import session as salesforce

KINDS = ("missing", "extra", "different", "edited", "golden")
NAMES = ["Nguyễn", "王小明", "محمد", "Ñuñez", "رضایی", "Weber"]


def found(report: FlowReport) -> dict[str, int]:
    return {kind: report.numbers[kind] for kind in KINDS if report.numbers[kind]}


@pytest.fixture
def loaded(bench: Bench) -> tuple[Bench, list[str]]:
    """Thirty leads that were pulled and refined an hour ago, so that nothing is on its way; and their ids."""
    ids = [
        bench.vendors.lead(f"Lead{n:02}", FirstName=NAMES[n % len(NAMES)], City="Huế") for n in range(30)
    ]
    bench.clock.advance(hours=1)
    bench.pull(("crm", "Lead"))
    refine(bench.app)
    bench.clock.advance(hours=1)
    return bench, ids


def silently(bench: Bench, row_id: str, **values: Any) -> None:
    """A change that no time stamp tells of: an update that was lost."""
    bench.vendors.sf.org.tables["Lead"].rows[row_id].update(values)


def hard_delete(bench: Bench, row_id: str) -> None:
    """A delete that no log tells of."""
    org = bench.vendors.sf.org
    org.purge("Lead", row_id)
    org.tables["Lead"].gone[:] = [line for line in org.tables["Lead"].gone if row_id not in line]


def test_two_sides_that_agree_have_no_difference_and_nothing_is_touched(loaded: tuple[Bench, list[str]]) -> None:
    bench, _ = loaded
    before = bench.rows("SELECT remote_id, seq FROM raw.record ORDER BY 1")
    report = reconcile(bench.app, "crm", "Lead", repair=True)
    assert (report.state, found(report)) == (State.DONE, {})
    assert (report.numbers["remote"], report.numbers["warehouse"], report.numbers["mended"]) == (30, 30, 0)
    assert bench.rows("SELECT remote_id, seq FROM raw.record ORDER BY 1") == before


def test_a_lost_update_is_found_and_mended(loaded: tuple[Bench, list[str]]) -> None:
    bench, ids = loaded
    silently(bench, ids[3], City="Đà Nẵng")
    bench.pull(("crm", "Lead"))  # no incremental read shows it
    report = reconcile(bench.app, "crm", "Lead")
    assert (report.state, found(report)) == (State.HELD, {"different": 1})
    assert "`prm-sync reconcile crm.Lead --repair` mends it" in (report.message or "")
    kept = bench.rows("SELECT * FROM ops.reconciliation ORDER BY at DESC, run_id")
    assert kept[0]["samples"] == {"different": {ids[3]: ["City"]}}
    assert "Nẵng" not in str(kept)
    assert bench.one("SELECT city FROM core.lead_source WHERE remote_id = :i", i=ids[3])["city"] == "Huế"
    report = reconcile(bench.app, "crm", "Lead", repair=True)
    assert (report.state, report.numbers["mended"]) == (State.DONE, 1)
    assert bench.rows("SELECT count(*) AS n FROM core.lead WHERE city = 'Đà Nẵng'")[0]["n"] == 1
    assert found(reconcile(bench.app, "crm", "Lead")) == {}


def test_a_lost_delete_is_found_and_mended(loaded: tuple[Bench, list[str]]) -> None:
    bench, ids = loaded
    hard_delete(bench, ids[5])
    bench.pull(("crm", "Lead"))
    assert found(reconcile(bench.app, "crm", "Lead")) == {"extra": 1}
    report = reconcile(bench.app, "crm", "Lead", repair=True)
    assert (report.state, report.numbers["mended"]) == (State.DONE, 1)
    gone = bench.rows("SELECT remote_id FROM raw.record WHERE deleted_at IS NOT NULL")
    assert [r["remote_id"] for r in gone] == [ids[5]]
    assert bench.one("SELECT count(*) AS n FROM core.lead WHERE deleted_at IS NULL")["n"] == 29
    assert found(reconcile(bench.app, "crm", "Lead")) == {}


def test_a_record_that_was_never_read_is_found_and_mended(loaded: tuple[Bench, list[str]]) -> None:
    bench, ids = loaded
    with bench.app.db.begin() as tx:
        for table in ("raw.record", "core.lead_source"):
            tx.exec_driver_sql(f"DELETE FROM {table} WHERE remote_id = '{ids[7]}'")
    assert found(reconcile(bench.app, "crm", "Lead")) == {"missing": 1}
    assert reconcile(bench.app, "crm", "Lead", repair=True).state is State.DONE
    assert bench.one("SELECT city FROM core.lead_source WHERE remote_id = :i", i=ids[7])["city"] == "Huế"


BEHIND_OUR_BACK = [
    ("edited", "UPDATE core.lead_source SET city = 'Elsewhere' WHERE remote_id = :i"),
    ("edited", "UPDATE core.lead_source SET email = NULL WHERE remote_id = :i"),
    ("edited", "UPDATE core.lead_source SET key_1 = 42 WHERE remote_id = :i"),
    ("edited", "UPDATE core.lead_source SET deleted_at = now() WHERE remote_id = :i"),
    ("edited", "DELETE FROM core.lead_source WHERE remote_id = :i"),
    ("different", "UPDATE raw.record SET payload = (payload::jsonb || '{\"City\": \"X\"}')::json WHERE remote_id = :i"),
    ("missing", "UPDATE raw.record SET deleted_at = now() WHERE remote_id = :i"),
    ("golden", "UPDATE core.lead SET city = 'Elsewhere' WHERE provenance ->> '*' = 'crm/Lead/' || :i"),
    ("golden", "UPDATE core.lead SET city = NULL WHERE provenance ->> '*' = 'crm/Lead/' || :i"),
    ("golden", "DELETE FROM core.lead WHERE provenance ->> '*' = 'crm/Lead/' || :i"),
]


def test_every_row_edited_behind_our_back_is_found_and_mended(loaded: tuple[Bench, list[str]]) -> None:
    bench, ids = loaded
    told = "SELECT remote_id, city, email, key_1, arrived, deleted_at FROM core.lead_source ORDER BY 1"
    golden = "SELECT id, city, email, sources FROM core.lead WHERE merged_into IS NULL ORDER BY 1"
    before, before_golden = bench.rows(told), bench.rows(golden)
    expected: dict[str, set[str]] = {}
    with bench.app.db.begin() as tx:
        for row_id, (kind, statement) in zip(ids, BEHIND_OUR_BACK, strict=False):
            assert tx.exec_driver_sql(statement.replace(":i", f"'{row_id}'")).rowcount == 1
            expected.setdefault(kind, set()).add(row_id)
    assert found(reconcile(bench.app, "crm", "Lead")) == {kind: len(some) for kind, some in expected.items()}
    samples = bench.one("SELECT samples FROM ops.reconciliation")["samples"]
    assert {kind: set(some) for kind, some in samples.items()} == expected
    bench.clock.advance(minutes=1)
    report = reconcile(bench.app, "crm", "Lead", repair=True)
    assert (report.state, report.numbers["mended"]) == (State.DONE, len(BEHIND_OUR_BACK))
    assert bench.rows(told) == before
    assert bench.rows(golden) == before_golden
    assert found(reconcile(bench.app, "crm", "Lead")) == {}


def test_what_the_remote_changed_just_now_is_no_difference(
    loaded: tuple[Bench, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, ids = loaded
    read = salesforce.SalesforceSession.read

    def edited_meanwhile(self: Any, stream: Any, cursor: Any, fields: Any) -> Any:
        if cursor is None:  # the full read begins: somebody is at work at the same time
            bench.clock.advance(seconds=5)
            bench.vendors.sf.org.update("Lead", ids[0], {"City": "Hội An"})
            bench.vendors.lead("Newcomer")
        return read(self, stream, cursor, fields)

    monkeypatch.setattr(salesforce.SalesforceSession, "read", edited_meanwhile)
    report = reconcile(bench.app, "crm", "Lead")
    assert (report.state, found(report), report.numbers["pending"]) == (State.DONE, {}, 2)


def test_too_many_absent_records_are_held_and_not_deleted(loaded: tuple[Bench, list[str]]) -> None:
    bench, ids = loaded
    for row_id in ids[:20]:
        hard_delete(bench, row_id)
    report = reconcile(bench.app, "crm", "Lead", repair=True)
    assert (report.state, found(report)) == (State.HELD, {"extra": 20})
    assert "does not show 20 of 30 records; nothing was marked as deleted" in (report.message or "")
    assert "prm-sync quarantine accept-deletes crm Lead" in (report.message or "")
    assert bench.rows("SELECT 1 FROM raw.record WHERE deleted_at IS NOT NULL") == []


def test_an_emptied_remote_deletes_nothing(loaded: tuple[Bench, list[str]]) -> None:
    bench, ids = loaded
    for row_id in ids:
        hard_delete(bench, row_id)
    assert reconcile(bench.app, "crm", "Lead", repair=True).state is State.HELD
    assert bench.rows("SELECT 1 FROM raw.record WHERE deleted_at IS NOT NULL") == []


def test_a_read_that_a_quota_ended_says_nothing_of_what_is_absent(
    loaded: tuple[Bench, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, ids = loaded
    silently(bench, ids[0], City="Hội An")
    read = salesforce.SalesforceSession.read

    def cut(self: Any, stream: Any, cursor: Any, fields: Any) -> Any:
        for page in read(self, stream, cursor, fields):
            if cursor is not None:
                yield page
                continue
            from dataclasses import replace

            yield replace(page, records=page.records[:10])
            raise QuotaSpent("crm: the day's share of calls is used")

    monkeypatch.setattr(salesforce.SalesforceSession, "read", cut)
    report = reconcile(bench.app, "crm", "Lead", repair=True)
    assert (report.state, found(report), report.numbers["mended"]) == (State.PARTIAL, {"different": 1}, 1)
    assert "not read to its end: crm: the day's share" in (report.message or "")
    assert bench.one("SELECT complete FROM ops.reconciliation")["complete"] is False


def test_both_sides_are_compared_over_their_emulators(bench: Bench) -> None:
    vendors = bench.vendors
    for key in ("nordwind", "südring", "東方"):
        vendors.partner(key.encode("ascii", "ignore").decode() or "dongfang", company_name=key)
    vendors.lead("Weber")
    bench.cycle()
    bench.cycle()
    bench.clock.advance(hours=2)
    for connection, stream in (("crm", "Lead"), ("prm", "partnerships"), ("prm", "leads")):
        report = reconcile(bench.app, connection, stream)
        assert (report.state, found(report)) == (State.DONE, {}), (stream, report.message)
    with bench.app.db.begin() as tx:
        tx.exec_driver_sql("UPDATE core.partner_source SET name = 'Somebody else' WHERE name = '東方'")
    assert found(reconcile(bench.app, "prm", "partnerships")) == {"edited": 1}
    assert reconcile(bench.app, "prm", "partnerships", repair=True).state is State.DONE
    assert found(reconcile(bench.app, "prm", "partnerships")) == {}


def test_a_field_in_quarantine_and_a_correction_are_no_differences(project: Project) -> None:
    config = {"folder": str(project.folder / "data"), "key": "Id", "snapshot": True}
    project.write(connections={"lists": {"connector": "files", "config": config}}, mappings="mappings")
    project.mapping(
        "from: files.leads\nto: lead\nfields:\n  email: Email\n  city: City\n"
        "  status: {from: Status, choices: {Open: new}}\n"
    )
    project.csv("leads.csv", ["Id", "Email", "Status", "City"], [[1, "l1@x.example", "Open", "Kiel"]])
    with project.open() as app:
        first(app, project.clock)
        project.csv("leads.csv", ["Id", "Email", "Status", "City"], [[1, "l1@x.example", "Strange", "広島"]])
        first(app, project.clock)
        assert len(rows(app.db, "SELECT 1 FROM ops.quarantine WHERE state = 'open'")) == 1
        report = reconcile(app, "lists", "leads")
        assert (report.state, found(report)) == (State.DONE, {})
        from prm_sync.flows.replay import RecordKey, correct

        correct(app, RecordKey("lists", "leads", "1"), {"City": "福岡"}, by="Linh")
        report = reconcile(app, "lists", "leads")
        assert (report.state, found(report)) == (State.DONE, {})
        assert rows(app.db, "SELECT city FROM core.lead") == [{"city": "福岡"}]


def first(app: App, clock: SteppedClock) -> None:
    clock.advance(hours=1)
    pull(app, "lists", "leads")
    refine(app)


def test_memory_holds_one_page_whatever_the_stream_holds(
    make_bench: Callable[..., Bench], vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statements ask for at most a page of records each."""
    bench = make_bench(connections=vendors.connections(crm={"config": {"page_size": 200}}))
    vendors.sf.load("Lead", [
        {"LastName": f"L{n}", "Company": "X", "Email": f"l{n}@x{n}.example", "Status": "Open - Not Contacted"}
        for n in range(700)
    ])  # fmt: skip
    bench.clock.advance(hours=1)
    bench.pull(("crm", "Lead"))
    refine(bench.app)
    asked: list[int] = []
    from prm_sync.warehouse import raw

    payloads = raw.payloads

    def counted(tx: Any, connection: str, stream: str, ids: Any) -> Any:
        asked.append(len(ids))
        return payloads(tx, connection, stream, ids)

    monkeypatch.setattr(raw, "payloads", counted)
    report = reconcile(bench.app, "crm", "Lead")
    assert (report.state, report.numbers["remote"]) == (State.DONE, 700)
    assert max(asked) == 200
    assert sum(asked) == 700


