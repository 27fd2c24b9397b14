"""pull and refine over files: quarantine, changed mappings, records that are no longer what they were, deletes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from workbench import Bench, Project, SteppedClock, Vendors, rows

from prm_sync.app import App
from prm_sync.flows.pull import pull
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.report import FlowReport, State
from prm_sync.warehouse import raw

HEADER = ["Id", "Email", "Status", "City", "Kind"]
MAPPING = """\
from: files.leads
to: lead
when: {Kind: [lead, null]}
fields:
  email: Email
  status: {from: Status, choices: {Open: new, Working: working}}
  city: City
"""


@pytest.fixture
def lists(project: Project) -> Project:
    """A folder of files with `leads`, each file complete."""
    return project.lists(MAPPING)


def given(project: Project, app: App, leads: Sequence[Sequence[Any]]) -> FlowReport:
    project.csv("leads.csv", HEADER, leads)
    project.clock.advance(minutes=1)
    report = pull(app, "lists", "leads")
    refine(app)
    return report


def lead(n: int, status: str = "Open", city: str = "Kiel", kind: str = "lead") -> list[Any]:
    return [n, f"l{n}@x.example", status, city, kind]


def golden(app: App) -> dict[str, tuple[Any, ...]]:
    found = rows(app.db, "SELECT email, status, city FROM core.lead WHERE deleted_at IS NULL AND merged_into IS NULL")
    return {r["email"]: (r["status"], r["city"]) for r in found}


def quarantine(app: App, state: str = "open") -> list[tuple[str, str, str]]:
    found = rows(app.db, "SELECT remote_id, field, code FROM ops.quarantine WHERE state = :s ORDER BY 1, 2", s=state)
    return [(r["remote_id"], r["field"], r["code"]) for r in found]


# --- quarantine --------------------------------------------------------------------------------------------------


def test_an_unmapped_value_holds_back_its_field_and_nothing_else(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [lead(1), lead(2, "On the moon", "Ulm")])
        assert golden(app) == {"l1@x.example": ("new", "Kiel"), "l2@x.example": (None, "Ulm")}
        [(remote_id, field, _)] = quarantine(app)
        assert (remote_id, field) == ("2", "status")
        [row] = rows(app.db, "SELECT * FROM ops.quarantine")
        assert "On the moon" not in str({k: v for k, v in row.items() if k != "reason"})
        assert row["source"] == "Status"


def test_a_held_field_keeps_its_former_value_and_resolves_when_the_row_is_mended(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [lead(1, "Working"), lead(2)])
        given(lists, app, [lead(1, "On the moon", "Ulm"), lead(2)])
        assert golden(app)["l1@x.example"] == ("working", "Ulm")
        first = rows(app.db, "SELECT first_seen_at, last_seen_at FROM ops.quarantine")[0]
        given(lists, app, [lead(1, "Mars", "Ulm"), lead(2)])
        again = rows(app.db, "SELECT first_seen_at, last_seen_at FROM ops.quarantine")[0]
        assert again["first_seen_at"] == first["first_seen_at"] < again["last_seen_at"]
        given(lists, app, [lead(1, "Open", "Ulm"), lead(2)])
        assert golden(app)["l1@x.example"] == ("new", "Ulm")
        assert quarantine(app) == []
        assert [(i, f) for i, f, _ in quarantine(app, "resolved")] == [("1", "status")]


def test_a_record_that_nobody_can_reach_is_held_back_whole_until_it_is_mended(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [lead(1), [2, "", "Open", "Ulm", "lead"]])
        assert list(golden(app)) == ["l1@x.example"]
        assert [(i, f) for i, f, _ in quarantine(app)] == [("2", "*")]
        given(lists, app, [lead(1), lead(2)])
        assert sorted(golden(app)) == ["l1@x.example", "l2@x.example"]
        assert quarantine(app) == []


def test_a_mended_mapping_resolves_what_it_held_back_without_a_new_read(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [lead(n, "On the moon" if n % 2 else "Open") for n in range(6)])
        assert len(quarantine(app)) == 3
    lists.mapping(MAPPING.replace("Open: new", "Open: new, On the moon: recycled"))
    (lists.folder / "data" / "leads.csv").unlink()  # nothing to read any more
    with lists.open() as app:
        report = refine(app)
        assert report.numbers["mapped"] == 6
        assert quarantine(app) == []
        assert {s for s, _ in golden(app).values()} == {"new", "recycled"}
        assert refine(app).numbers.get("mapped", 0) == 0


def test_the_quarantine_of_a_record_that_is_gone_is_closed(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [lead(n) for n in range(5)] + [lead(9, "On the moon")])
        assert len(quarantine(app)) == 1
        given(lists, app, [lead(n) for n in range(5)])
        assert quarantine(app) == []


# --- mappings that change, records that change sides --------------------------------------------------------------


def test_a_changed_mapping_maps_again_from_raw_without_a_call(bench: Bench, project: Project, vendors: Vendors) -> None:
    for n in range(30):
        vendors.lead(f"Lead{n}", Description="cobalt")
    bench.pull(("crm", "Lead"))
    refine(bench.app)
    vendors.forget_calls()
    shipped = bench.app.mappings[("crm", "Lead")][0].spec.file.read_text(encoding="utf-8")
    folder = project.folder / "own" / "salesforce"
    folder.mkdir(parents=True)
    (folder / "lead.yaml").write_text(shipped.replace("need: Description", "segment: Description"), encoding="utf-8")
    project.write(connections=vendors.connections(), trust=["crm", "prm"], mappings="own")
    with project.open() as app:
        report = refine(app)
        assert report.numbers["mapped"] == 30
        found = rows(app.db, "SELECT need, segment FROM core.lead")
        assert {(r["need"], r["segment"]) for r in found} == {(None, "cobalt")}
    assert vendors.sf.calls.count() == vendors.ps.calls.count() == 0


def test_a_record_that_is_no_longer_one_is_gone_and_can_come_back(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [lead(1), lead(2)])
        given(lists, app, [lead(1, kind="supplier"), lead(2)])
        assert list(golden(app)) == ["l2@x.example"]
        [row] = rows(app.db, "SELECT deleted_at FROM core.lead_source WHERE remote_id = '1'")
        assert row["deleted_at"] is not None
        given(lists, app, [lead(1), lead(2)])
        assert sorted(golden(app)) == ["l1@x.example", "l2@x.example"]


def test_a_stream_that_was_pulled_before_it_had_a_mapping_is_mapped_by_refine(lists: Project) -> None:
    text = MAPPING.replace("files.leads", "files.others")
    with lists.open() as app:
        lists.csv("others.csv", HEADER, [lead(1), lead(2)])
        pull(app, "lists", "others")
        refine(app)
        assert golden(app) == {}
    lists.mapping(text, name="others")
    with lists.open() as app:
        refine(app)
        assert len(golden(app)) == 2


def test_a_broken_mapping_of_our_own_does_not_let_the_shipped_one_in(lists: Project) -> None:
    lists.mapping(MAPPING.replace("email: Email", "emial: Email"))
    with lists.open() as app:
        assert len(app.problems) == 1
        assert ("lists", "leads") not in app.mappings


def test_two_mappings_of_one_stream_to_one_entity_are_refused_with_both_names(lists: Project) -> None:
    second = lists.mapping(MAPPING, name="prospects")
    with lists.open() as app:
        [problem] = app.problems
        assert str(problem).startswith(f"{second}: files.leads -> lead is mapped by ")
        given(lists, app, [lead(1)])
        assert len(golden(app)) == 1


# --- deletes -----------------------------------------------------------------------------------------------------


def test_what_a_complete_file_no_longer_shows_is_gone(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [lead(n) for n in range(30)])
        report = given(lists, app, [lead(n) for n in range(27)])
        assert (report.state, report.numbers["deleted"]) == (State.DONE, 3)
        assert len(golden(app)) == 27


def test_a_file_that_lost_too_much_deletes_nothing_and_says_so_each_time(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [lead(n) for n in range(30)])
        for _ in range(2):
            report = given(lists, app, [lead(n, city="Ulm") for n in range(10)])
            assert report.state is State.HELD
            assert "no longer shows 20 of 30 records; nothing was marked as deleted" in (report.message or "")
            assert "prm-sync quarantine accept-deletes lists leads" in (report.message or "")
        assert len(golden(app)) == 30
        assert golden(app)["l3@x.example"] == ("new", "Ulm")  # what the file does say, holds
        assert given(lists, app, [lead(n) for n in range(28)]).state is State.DONE
        assert len(golden(app)) == 28


@pytest.mark.parametrize("n", [1, 4, 30])
def test_an_emptied_file_deletes_nothing(lists: Project, n: int) -> None:
    with lists.open() as app:
        given(lists, app, [lead(i) for i in range(n)])
        report = given(lists, app, [])
        assert report.state is State.HELD
        assert len(golden(app)) == n
        assert given(lists, app, [lead(i) for i in range(n)]).state is State.DONE


def test_the_same_file_again_is_not_read_again(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [lead(1)])
        assert pull(app, "lists", "leads").numbers.get("read", 0) == 0


def test_deletes_are_seen_after_a_run_that_ended_between_the_pages_and_them(
    lists: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prm_sync.warehouse import raw

    def cut(self: raw.SeenIds, began: datetime) -> list[str]:
        raise KeyboardInterrupt

    with lists.open() as app:
        given(lists, app, [lead(n) for n in range(30)])
        with monkeypatch.context() as patch:
            patch.setattr(raw.SeenIds, "absent", cut)
            with pytest.raises(KeyboardInterrupt):
                given(lists, app, [lead(n) for n in range(28)])
        assert given(lists, app, [lead(n) for n in range(28)]).numbers["deleted"] == 2


def test_a_cursor_that_the_vendor_forgot_leads_to_a_full_read_and_deletes_meanwhile_are_seen(
    bench: Bench, vendors: Vendors, clock: SteppedClock
) -> None:
    ids = [vendors.lead(f"Lead{n:02}") for n in range(40)]
    bench.pull(("crm", "Lead"))
    clock.advance(hours=1)
    for row_id in ids[:3]:
        vendors.sf.org.purge("Lead", row_id)
    clock.advance(days=40)  # beyond what the vendor keeps of deletes
    vendors.sf.org.delete_log_from = clock.at
    report = pull(bench.app, "crm", "Lead")
    assert report.state is State.DONE
    gone = rows(bench.app.db, "SELECT remote_id FROM raw.record WHERE deleted_at IS NOT NULL")
    assert {r["remote_id"] for r in gone} == set(ids[:3])


def test_a_refine_with_nothing_to_map_leaves_a_pull_under_way_alone(bench: Bench, vendors: Vendors) -> None:
    vendors.lead()
    bench.pull(("crm", "Lead"))
    refine(bench.app)
    reading = raw.take(bench.app.db, "crm", "Lead", "a pull under way")
    refine(bench.app)
    with bench.app.db.begin() as tx:
        raw.keep_cursor(tx, reading, None, None)  # FencedOff, had refine taken the stream over


def test_a_changed_back_part_is_compared_with_all_records_again(
    bench: Bench, project: Project, vendors: Vendors
) -> None:
    lead = vendors.lead()
    vendors.partner("nordwind")
    bench.cycle()
    shipped = bench.app.mappings[("crm", "Lead")][0].spec.file.read_text(encoding="utf-8")
    folder = project.folder / "own" / "salesforce"
    folder.mkdir(parents=True)
    changed = shipped.replace("\nback:\n", "\nback:\n  Title: offer_partner_name\n")
    assert changed != shipped
    (folder / "lead.yaml").write_text(changed, encoding="utf-8")
    project.write(connections=vendors.connections(), trust=["crm", "prm"], mappings="own")
    with project.open() as app:
        push(app, "crm", "Lead")
    assert vendors.crm_row("Lead", lead)["Title"] == "Nordwind"
