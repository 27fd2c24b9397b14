"""Looking before writing: what somebody changed since we read a record is never overwritten or taken away unseen."""

from __future__ import annotations

from collections.abc import Callable

from workbench import Bench, Project, Vendors

from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.report import State
from prm_sync.flows.route import route
from prm_sync.project import shipped

BOTH_WAYS = "back:\n  City: city\n"


def offered(bench: Bench, **values: object) -> str:
    """A lead that the PRM has."""
    lead = bench.vendors.lead("Nguyễn", City="Huế", **values)
    bench.vendors.partner("nordwind")
    bench.cycle()
    bench.cycle()
    return lead


def until_push(bench: Bench) -> None:
    bench.pull()
    bench.clock.advance(seconds=10)
    refine(bench.app)
    route(bench.app)
    bench.clock.advance(seconds=10)


def test_what_was_changed_between_our_read_and_our_write_is_read_first(bench: Bench) -> None:
    lead = offered(bench)
    bench.vendors.sf.org.update("Lead", lead, {"City": "Đà Nẵng"})
    until_push(bench)
    [copy] = bench.vendors.prm_leads()
    bench.vendors.ps.store["leads"].update(copy["key"], {"meta": {**copy["meta"], "city": "Hà Nội"}})
    bench.clock.advance(seconds=1)
    to_prm = push(bench.app, "prm", "leads")
    assert (to_prm.state, to_prm.numbers["moved"]) == (State.PARTIAL, 1)
    assert "1 of records that changed since they were read: pull first" in (to_prm.message or "")
    [copy] = bench.vendors.prm_leads()
    assert copy["meta"]["city"] == "Hà Nội"
    waiting = bench.one("SELECT state, code, message FROM ops.outbox WHERE state NOT IN ('done', 'dropped')")
    assert waiting == {"state": "ready", "code": "moved", "message": "meta.city changed since it was read"}
    bench.clock.advance(minutes=5)
    to_prm, _ = bench.cycle()
    assert to_prm.state is State.DONE
    assert bench.rows("SELECT FROM ops.outbox WHERE state NOT IN ('done', 'dropped')") == []


def test_an_offer_that_was_just_answered_is_not_taken_away(bench: Bench) -> None:
    offered(bench)
    bench.clock.advance(hours=49)  # it has run out
    until_push(bench)
    assert [o["state"] for o in bench.offers()] == ["expired"]
    [copy] = bench.vendors.prm_leads()
    bench.vendors.ps.partners.answer(copy["key"], accepted=True)
    to_prm = push(bench.app, "prm", "leads")
    assert to_prm.numbers["moved"] == 1
    assert len(bench.vendors.prm_leads()) == 1
    bench.clock.advance(minutes=5)
    bench.cycle()
    [late] = bench.rows("SELECT event, note FROM ledger.offer_event WHERE NOT applied")
    assert late["event"] == "accepted"


def test_a_record_that_is_as_it_was_read_is_written_at_once_also_twice(bench: Bench) -> None:
    lead = offered(bench)
    for city in ("Cần Thơ", "Vinh"):
        bench.vendors.sf.org.update("Lead", lead, {"City": city})
        bench.pull(("crm", "Lead"))  # the PRM is not read: our own last write is not news
        refine(bench.app)
        bench.clock.advance(seconds=10)
        to_prm = push(bench.app, "prm", "leads")
        assert (to_prm.state, to_prm.numbers["written"], to_prm.numbers.get("moved", 0)) == (State.DONE, 1, 0)
        assert bench.vendors.prm_leads()[0]["meta"]["city"] == city
        bench.clock.advance(minutes=1)


def test_who_does_not_want_to_look_writes_blindly(
    make_bench: Callable[..., Bench], vendors: Vendors
) -> None:
    bench = make_bench(vendors.connections(prm={"look_before_write": False}))
    lead = offered(bench)
    bench.vendors.sf.org.update("Lead", lead, {"City": "Đà Nẵng"})
    until_push(bench)
    [copy] = bench.vendors.prm_leads()
    bench.vendors.ps.store["leads"].update(copy["key"], {"meta": {**copy["meta"], "city": "Hà Nội"}})
    assert push(bench.app, "prm", "leads").state is State.DONE
    assert bench.vendors.prm_leads()[0]["meta"]["city"] == "Đà Nẵng"


def test_what_a_partner_entered_outlives_the_copy_in_which_it_was_entered(project: Project, vendors: Vendors) -> None:
    """The CRM cannot be written while the offer runs out: with the copy the partner's word would be gone."""
    text = (shipped("mappings") / "salesforce" / "lead.yaml").read_text(encoding="utf-8")
    own = project.folder / "own" / "salesforce"
    own.mkdir(parents=True)
    (own / "lead.yaml").write_text(text.replace("back:\n", BOTH_WAYS), encoding="utf-8")
    (project.folder / "policies").mkdir()
    authority = project.folder / "policies" / "authority.yaml"
    authority.write_text("entities: {lead: {city: latest}}\n", encoding="utf-8")
    project.env = vendors.env
    project.write(connections=vendors.connections(), trust=["crm", "prm"], mappings="own", policies="policies")
    with project.open() as app:
        bench = Bench(app, vendors)
        lead = offered(bench)
        [copy] = vendors.prm_leads()
        vendors.ps.store["leads"].update(copy["key"], {"meta": {**copy["meta"], "city": "شیراز"}})
        bench.clock.advance(hours=49)
        until_push(bench)
        assert push(app, "prm", "leads").numbers["written"] == 1  # the copy is taken away
        bench.clock.advance(minutes=10)
        bench.pull(("prm", "leads"))
        refine(app)
        assert bench.one("SELECT city FROM core.lead WHERE merged_into IS NULL")["city"] == "شیراز"
        bench.cycle()
        assert vendors.crm_row("Lead", lead)["City"] == "شیراز"
        vendors.sf.org.update("Lead", lead, {"City": "Köln"})  # and the last word is not for ever
        bench.clock.advance(minutes=10)
        bench.cycle()
        bench.cycle()
        assert vendors.crm_row("Lead", lead)["City"] == "Köln"
