"""Deletes, merges and undeletes over both vendors: the crosswalk follows, nothing is made anew, nothing is emptied."""

from __future__ import annotations

from typing import Any

import pytest
from workbench import Bench, Project, Vendors, rows

from prm_sync.errors import ConnectorError
from prm_sync.flows.accept_deletes import accept_deletes
from prm_sync.flows.pull import pull
from prm_sync.flows.reconcile import reconcile
from prm_sync.flows.refine import refine
from prm_sync.flows.report import State
from prm_sync.flows.route import route


def entity_of(bench: Bench, remote_id: str) -> str:
    return str(bench.one("SELECT entity_id FROM core.crosswalk WHERE remote_id = :id", id=remote_id)["entity_id"])


def golden(bench: Bench, id_: str) -> dict[str, Any]:
    return bench.one("SELECT * FROM core.lead WHERE id = :id", id=id_)


def crm_lead(bench: Bench, remote_id: str) -> dict[str, Any]:
    return bench.vendors.sf.org.tables["Lead"].rows[remote_id]


def in_the_prm(bench: Bench) -> list[str]:
    return sorted(r["external_key"] for r in bench.vendors.prm_leads())


# --- merges ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loser", [0, 1])
def test_the_crosswalk_follows_a_merge_and_nothing_is_made_anew(bench: Bench, loser: int) -> None:
    """Only one of the two went to a partner, who took it: that one stays, whichever record the CRM keeps."""
    bench.vendors.partner("nordwind")
    first = bench.vendors.lead("阮氏安", Email="an@an.example")
    bench.cycle()
    [offered] = bench.vendors.prm_leads()
    bench.vendors.ps.partners.answer(offered["key"], accepted=True)
    bench.vendors.ps.store["partnerships"].update(offered["partnership_key"], {"fields": {"weekly_capacity": 0}})
    second = bench.vendors.lead("Nguyễn Thị An", Email="an.nguyen@other.example", Status="Working - Contacted")
    bench.cycle()
    kept = entity_of(bench, first)
    assert entity_of(bench, second) != kept
    gone, left = (first, second) if loser == 0 else (second, first)
    bench.vendors.sf.org.merge("Lead", left, [gone])
    bench.vendors.forget_calls()
    bench.cycle()
    assert {entity_of(bench, first), entity_of(bench, second)} == {kept}
    assert golden(bench, kept)["deleted_at"] is None
    assert in_the_prm(bench) == [offered["external_key"]]
    assert [c.method for c in bench.vendors.ps.calls.writes() if c.method == "POST"] == []
    assert [o["state"] for o in bench.offers()] == ["accepted"]


def test_two_partners_that_the_prm_merged_are_one_and_keep_their_offers(bench: Bench) -> None:
    north = bench.vendors.partner("nordwind")
    bench.vendors.lead("Weber")
    bench.cycle()
    south = bench.vendors.partner("suedwind")
    bench.cycle()
    bench.vendors.ps.partners.merge("partnerships", north, south)
    bench.vendors.forget_calls()
    bench.cycle()
    assert entity_of(bench, north) == entity_of(bench, south)
    [offer] = bench.offers()
    assert (offer["partner_id"], offer["state"]) == (entity_of(bench, south), "pending")
    assert offer["partner_key"] == "suedwind"
    assert bench.vendors.bodies() == []  # the vendor moved the lead itself
    bench.one("SELECT FROM raw.gone WHERE remote_id = :n AND into_id = :s AND state = 'gone'", n=north, s=south)


@pytest.mark.parametrize("heard", ["at once", "one by one"])
def test_a_merge_over_an_account_that_was_never_seen_is_followed(bench: Bench, heard: str) -> None:
    """nordwind became nordwind2, and that suedwind, before nordwind2 was ever read: nordwind is suedwind."""
    north, south = bench.vendors.partner("nordwind"), bench.vendors.partner("suedwind")
    for n in range(4):
        bench.vendors.lead(f"Weber{n}")
    bench.cycle()
    id_ = entity_of(bench, south)
    between = bench.vendors.partner("nordwind2")
    bench.vendors.ps.partners.merge("partnerships", north, between)
    if heard == "at once":
        bench.vendors.ps.partners.merge("partnerships", between, south)
    else:  # the page with the account in between comes late, and of the one that is left nothing is heard any more
        hidden = bench.vendors.ps.store["partnerships"].get(between)
        bench.vendors.ps.account.remove("partnerships", between)
        bench.cycle()
        assert bench.one("SELECT state FROM raw.gone WHERE remote_id = :n", n=north) == {"state": "gone"}
        assert entity_of(bench, north) != id_
        bench.vendors.ps.load("partnerships", [{**hidden, "archived": True, "merged_into": south}])
    for _ in range(2):
        bench.cycle()
        assert {entity_of(bench, north), entity_of(bench, south)} == {id_}
        assert {(o["partner_id"], o["partner_key"]) for o in bench.offers()} == {(id_, "suedwind")}
    assert bench.rows("SELECT FROM ops.outbox WHERE state = 'refused'") == []


def test_a_record_that_was_restored_unseen_and_merged_elsewhere_leaves_the_first_one(bench: Bench) -> None:
    first, second, third = (bench.vendors.lead(name) for name in ("Weber", "حسین", "王"))
    bench.cycle()
    before = [entity_of(bench, lead) for lead in (first, second, third)]
    org = bench.vendors.sf.org
    org.merge("Lead", first, [second])
    bench.cycle()
    assert entity_of(bench, second) == before[0]
    org.undelete("Lead", second)
    org.merge("Lead", third, [second])
    for _ in range(2):
        bench.cycle()
        assert entity_of(bench, first) == before[0]
        assert entity_of(bench, third) == entity_of(bench, second) != before[0]
    assert golden(bench, before[0])["last_name"] == "Weber"


def test_a_merged_record_that_is_restored_gets_its_entity_back(bench: Bench) -> None:
    first, second = bench.vendors.lead("Weber"), bench.vendors.lead("حسین")
    bench.cycle()
    before = entity_of(bench, first), entity_of(bench, second)
    bench.vendors.sf.org.merge("Lead", first, [second])
    bench.cycle()
    assert (entity_of(bench, first), entity_of(bench, second)) == (before[0], before[0])
    assert golden(bench, before[1])["merged_into"] == before[0]
    bench.vendors.sf.org.undelete("Lead", second)
    bench.cycle()
    assert (entity_of(bench, first), entity_of(bench, second)) == before
    assert [golden(bench, i)["merged_into"] for i in before] == [None, None]
    assert [golden(bench, i)["last_name"] for i in before] == ["Weber", "حسین"]
    bench.vendors.sf.org.merge("Lead", first, [second])  # and once more
    bench.cycle()
    assert (entity_of(bench, first), entity_of(bench, second)) == (before[0], before[0])


@pytest.mark.parametrize("seen", ["together", "one after the other"])
def test_a_restored_record_stays_its_own_although_the_other_was_told_its_id(bench: Bench, seen: str) -> None:
    """The CRM still has the id that we wrote into the record that was left: an echo of ours, and no wish of anybody."""
    bench.vendors.partner("nordwind")
    second = bench.vendors.lead("حسین")
    bench.cycle()
    [offered] = bench.vendors.prm_leads()
    bench.vendors.ps.partners.answer(offered["key"], accepted=True)
    first = bench.vendors.lead("Weber")
    bench.cycle()
    before = entity_of(bench, first), entity_of(bench, second)
    bench.vendors.sf.org.merge("Lead", first, [second])
    bench.cycle()
    assert (entity_of(bench, first), entity_of(bench, second)) == (before[1], before[1])
    assert crm_lead(bench, first)["Prm_Lead_Id__c"] == before[1]
    bench.vendors.sf.org.undelete("Lead", second)
    if seen == "one after the other":
        pull(bench.app, "crm", "Lead")
        refine(bench.app, ["lead"])
        bench.clock.advance(minutes=1)
    bench.vendors.sf.org.update("Lead", first, {"City": "Huế"})
    for _ in range(2):
        bench.cycle()
        assert (entity_of(bench, first), entity_of(bench, second)) == before
    assert crm_lead(bench, first)["Prm_Lead_Id__c"] == before[0]


# --- deletes and undeletes ---------------------------------------------------------------------------------------


def test_an_undeleted_record_is_the_same_entity_again(bench: Bench) -> None:
    bench.vendors.partner("nordwind")
    lead = bench.vendors.lead("Weber")
    bench.cycle()
    id_ = entity_of(bench, lead)
    bench.vendors.sf.org.delete("Lead", lead)
    bench.cycle()
    assert golden(bench, id_)["deleted_at"] is not None
    assert in_the_prm(bench) == []
    bench.vendors.sf.org.undelete("Lead", lead)
    bench.cycle()
    assert entity_of(bench, lead) == id_
    assert golden(bench, id_)["deleted_at"] is None
    assert len(bench.rows("SELECT FROM core.lead")) == 1


def test_the_other_systems_copy_does_not_revive_what_was_deleted(bench: Bench) -> None:
    bench.vendors.partner("nordwind")
    lead = bench.vendors.lead("Weber")
    bench.cycle()
    id_ = entity_of(bench, lead)
    bench.vendors.sf.org.delete("Lead", lead)
    bench.cycle()
    [copy] = bench.vendors.prm_leads(archived=True)
    bench.vendors.ps.store["leads"].update(copy["key"], {"archived": False})  # somebody brings the copy back
    for _ in range(2):
        bench.cycle()
        assert golden(bench, id_)["deleted_at"] is not None
    assert in_the_prm(bench) == []
    assert bench.offers()[-1]["state"] == "withdrawn"
    assert [r for r in bench.vendors.sf.org.tables["Lead"].rows.values() if not r["IsDeleted"]] == []


def test_a_mass_delete_in_the_crm_waits_for_a_person_and_can_be_accepted(bench: Bench) -> None:
    bench.vendors.partner("nordwind", weekly_capacity=50)
    leads = [bench.vendors.lead(f"Lead{n:02}") for n in range(30)]
    bench.cycle()
    sent = in_the_prm(bench)
    for lead in leads[:20]:
        bench.vendors.sf.org.delete("Lead", lead)
    for _ in range(2):  # each time, also when the delete page itself is long past
        bench.cycle()
        held = next(r for r in reversed(bench.reports) if r.target == "crm.Lead" and r.verb == "pull")
        assert held.state is State.HELD
        assert "the remote says that 20 are gone, of 30 records; nothing was marked as deleted" in (held.message or "")
    assert in_the_prm(bench) == sent
    assert bench.rows("SELECT FROM core.lead WHERE deleted_at IS NOT NULL") == []
    bench.vendors.sf.org.undelete("Lead", leads[0])
    bench.cycle()
    assert accept_deletes(bench.app, "crm", "Lead").numbers["deleted"] == 19
    bench.cycle()
    assert len(bench.rows("SELECT FROM core.lead WHERE deleted_at IS NOT NULL")) == 19
    assert pull(bench.app, "crm", "Lead").state is State.DONE


def test_deletes_that_were_told_before_a_crash_are_not_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    leads = [bench.vendors.lead(f"Lead{n:02}") for n in range(3)]
    bench.cycle()
    bench.vendors.sf.org.delete("Lead", leads[0])

    def killed(*_: Any, **__: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("prm_sync.flows.pull.bury", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.pull(("crm", "Lead"))
    assert bench.rows("SELECT FROM raw.record WHERE deleted_at IS NOT NULL") == []
    bench.cycle()
    assert len(bench.rows("SELECT FROM raw.record WHERE deleted_at IS NOT NULL")) == 1


# --- sources that are emptied ------------------------------------------------------------------------------------


@pytest.fixture
def filled(bench: Bench) -> Bench:
    bench.vendors.partner("nordwind", weekly_capacity=50)
    for n in range(15):
        bench.vendors.lead(f"Lead{n:02}", Phone=f"+49 30 9018{n:02}", City="Köln")
    bench.cycle()
    assert len(in_the_prm(bench)) == 10  # as many as may wait for one partner
    return bench


def untouched(bench: Bench, before: list[dict[str, Any]]) -> None:
    assert bench.vendors.prm_leads(archived=None) == before
    assert bench.rows("SELECT FROM core.lead WHERE deleted_at IS NOT NULL") == []


def test_a_full_read_that_shows_nothing_is_held(filled: Bench) -> None:
    before = filled.vendors.prm_leads(archived=None)
    filled.vendors.sf.org.tables["Lead"].rows.clear()
    with filled.app.db.begin() as tx:
        tx.exec_driver_sql("UPDATE raw.cursor SET cursor = NULL WHERE stream = 'Lead'")
    filled.vendors.sf.org.tables["Lead"].by_stamp.clear()
    filled.cycle()
    [report] = [r for r in filled.reports[-9:] if r.target == "crm.Lead" and r.verb == "pull"]
    assert report.state is State.HELD
    assert "a full read no longer shows 15 of 15 records" in (report.message or "")
    untouched(filled, before)


@pytest.mark.parametrize("skip", [0, 1])
def test_a_401_in_the_middle_of_a_full_read_deletes_nothing(filled: Bench, skip: int) -> None:
    before = filled.vendors.prm_leads(archived=None)
    many = [{"partner_key": f"p{n}", "email": f"p{n}@x.example", "test": True} for n in range(60)]  # two pages
    filled.vendors.ps.load("partnerships", many)
    filled.pull(("prm", "partnerships"))
    with filled.app.db.begin() as tx:
        tx.exec_driver_sql("UPDATE raw.cursor SET cursor = NULL WHERE stream = 'partnerships'")
    filled.clock.advance(minutes=1)
    filled.vendors.ps.faults.status(401, times=None, skip=skip, method="GET")
    with pytest.raises(ConnectorError):
        pull(filled.app, "prm", "partnerships")
    filled.vendors.ps.faults.clear()
    [run] = filled.rows(
        "SELECT state, message FROM ops.run WHERE target LIKE 'prm.%' AND verb = 'pull' "
        "ORDER BY started_at DESC LIMIT 1"
    )
    assert run["state"] == "held"
    assert "answered 401: the credentials are not accepted; renew them" in run["message"]
    assert "nothing is deleted or blanked for it; the next run goes on where this one stopped" in run["message"]
    refine(filled.app)
    filled.push()
    untouched(filled, before)


def test_a_typo_in_a_mappings_filter_is_held_and_its_mending_resolves_it(
    filled: Bench, project: Project, vendors: Vendors
) -> None:
    before = vendors.prm_leads(archived=None)
    shipped = filled.app.mappings[("crm", "Lead")][0].spec.file.read_text(encoding="utf-8")
    folder = project.folder / "own" / "salesforce"
    folder.mkdir(parents=True)
    assert "\nwhen:" not in shipped
    (folder / "lead.yaml").write_text(
        shipped.replace("\nfields:", "\nwhen: {City: [Colonge]}\nfields:", 1), encoding="utf-8"
    )
    project.write(connections=vendors.connections(), trust=["crm", "prm"], mappings="own")
    with project.open() as app:
        assert app.problems == ()
        typo = Bench(app, vendors)
        typo.cycle()
        [report] = [r for r in typo.reports if r.verb == "refine"]
        assert report.state is State.HELD
        assert "the mapping no longer takes 15 of 15 records for a lead; nothing was marked as deleted" in (
            report.message or ""
        )
        untouched(typo, before)
    (folder / "lead.yaml").write_text(
        shipped.replace("\nfields:", "\nwhen: {City: [Köln]}\nfields:", 1), encoding="utf-8"
    )
    with project.open() as app:
        mended = Bench(app, vendors)
        mended.cycle()
        assert mended.reports[-4].state is State.DONE
        untouched(mended, before)
        assert mended.rows("SELECT FROM raw.gone") == []


def test_an_emptied_file_that_tells_no_deletes_says_so_each_time(project: Project) -> None:
    config = {"folder": str(project.folder / "data"), "key": "Id"}
    project.write(connections={"lists": {"connector": "files", "config": config}}, mappings="mappings")
    project.mapping("from: files.leads\nto: lead\nfields:\n  email: Email\n")
    project.csv("leads.csv", ["Id", "Email"], [[n, f"l{n}@x.example"] for n in range(3)])
    with project.open() as app:
        pull(app, "lists", "leads")
        refine(app)
        project.csv("leads.csv", ["Id", "Email"], [])
        for _ in range(2):
            report = pull(app, "lists", "leads")
            assert report.state is State.HELD
            assert "a full read shows none of the 3 records that were there" in (report.message or "")
        refine(app)
        assert len(rows(app.db, "SELECT FROM core.lead WHERE deleted_at IS NULL")) == 3


def test_a_field_that_is_blank_in_most_records_all_at_once_blanks_nothing_over_there(
    project: Project, vendors: Vendors
) -> None:
    """The integration user lost the right to see a field, say: the source answers, with nothing in it."""
    from prm_sync.project import shipped

    text = (shipped("mappings") / "partnerstack" / "lead.yaml").read_text(encoding="utf-8")
    folder = project.folder / "own" / "partnerstack"
    folder.mkdir(parents=True)
    assert "\n  city: meta.city\n" in text  # the partner's copy must not be the one to remember it
    (folder / "lead.yaml").write_text(text.replace("\n  city: meta.city\n", "\n"), encoding="utf-8")
    project.env = vendors.env
    project.write(connections=vendors.connections(), trust=["crm", "prm"], mappings="own")
    with project.open() as app:
        bench = Bench(app, vendors)
        for key in ("nordwind", "suedwind"):
            vendors.partner(key)
        leads = [vendors.lead(f"Lead{n:02}", City="Köln") for n in range(15)]
        bench.cycle()
        before = vendors.prm_leads(archived=None)
        assert {r["meta"]["city"] for r in before} == {"Köln"}
        for lead in leads:
            vendors.sf.org.update("Lead", lead, {"City": None})
        to_prm, _ = bench.cycle()
        assert to_prm.state is State.HELD
        assert "would empty meta.city in 15 of 15 records, the limit is 20%" in (to_prm.message or "")
        untouched(bench, before)


# --- what we made ------------------------------------------------------------------------------------------------


def test_a_lead_of_ours_that_the_prm_lost_before_it_was_read_is_found_gone_and_not_made_again(bench: Bench) -> None:
    lead, _ = bench.vendors.lead("حسین"), bench.vendors.lead("Huber")
    bench.vendors.partner("nordwind")
    bench.cycle()
    [copy] = [r for r in bench.vendors.prm_leads() if r["meta"]["last_name"] == "حسین"]
    bench.vendors.ps.account.remove("leads", copy["key"])  # a hard delete, of which nothing is told
    bench.vendors.sf.org.update("Lead", lead, {"City": "Huế"})
    bench.cycle()
    assert [(q["remote_id"], q["code"]) for q in bench.quarantine()] == [(copy["key"], "not_found")]
    assert reconcile(bench.app, "prm", "leads").numbers["extra"] == 1
    report = reconcile(bench.app, "prm", "leads", repair=True)
    assert (report.state, report.numbers["mended"]) == (State.DONE, 1)
    bench.clock.advance(minutes=10)
    bench.cycle()
    assert (bench.quarantine(), bench.rows("SELECT FROM ops.outbox WHERE state = 'refused'")) == ([], [])
    bench.vendors.sf.org.update("Lead", lead, {"City": "Đà Nẵng"})
    bench.vendors.forget_calls()
    bench.cycle()
    assert [c for c in bench.vendors.ps.calls.writes() if "leads" in c.path] == []
    assert reconcile(bench.app, "prm", "leads").numbers["extra"] == 0
    restored = {k: v for k, v in copy.items() if not k.endswith("_at")}
    bench.vendors.ps.load("leads", [restored])
    bench.clock.advance(minutes=10)
    bench.cycle()
    [back] = [r for r in bench.vendors.prm_leads() if r["meta"]["last_name"] == "حسین"]
    assert (back["key"], back["meta"]["city"]) == (copy["key"], "Đà Nẵng")
    assert len(bench.offers()) == 2


def test_a_lead_of_ours_that_we_took_back_before_it_was_read_is_no_difference(bench: Bench) -> None:
    lead = bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.cycle()
    bench.vendors.sf.org.delete("Lead", lead)
    bench.clock.advance(minutes=10)
    bench.pull(("crm", "Lead"))
    refine(bench.app)
    route(bench.app)
    bench.push()
    assert bench.vendors.prm_leads() == []
    bench.clock.advance(minutes=10)
    report = reconcile(bench.app, "prm", "leads")
    assert (report.state, report.numbers["extra"]) == (State.DONE, 0)
