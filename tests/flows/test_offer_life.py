"""The life of a lead from the CRM to partners and back, over both emulated vendors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from workbench import Bench

from prm_sync.flows.push import push
from prm_sync.flows.report import State


def states(bench: Bench) -> list[tuple[str, str, int]]:
    return [(o["partner_key"], o["state"], o["rank"]) for o in bench.offers()]


def only(rows: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(rows) == 1, rows
    return rows[0]


def writes(bench: Bench) -> list[Any]:
    """Calls that change something at a vendor; logging in is none."""
    both = [*bench.vendors.sf.calls.writes(), *bench.vendors.ps.calls.writes()]
    return [c for c in both if "/oauth2/" not in c.path]


def test_an_offer_becomes_one_lead_in_the_prm_and_shows_in_the_crm(bench: Bench) -> None:
    lead = bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.cycle()
    offered, offer = only(bench.vendors.prm_leads()), only(bench.offers())
    assert offered["external_key"] == f"{offer['lead_id']}:1"
    assert offered["partner_key"] == "nordwind"
    assert offered["meta"]["email"] == "weber@weber-gmbh.example"
    row = bench.vendors.crm_row("Lead", lead)
    assert (row["Prm_Lead_Id__c"], row["Prm_Offer_Status__c"]) == (offer["lead_id"], "pending")
    assert (row["Prm_Partner__c"], row["Prm_Partner_Key__c"]) == ("Nordwind", "nordwind")


def test_a_second_cycle_without_news_writes_nothing(bench: Bench) -> None:
    for n in range(20):
        bench.vendors.lead(f"Lead{n}")
    bench.vendors.partner("nordwind", weekly_capacity=5)
    bench.vendors.partner("suedwind", weekly_capacity=30)
    bench.cycle()
    assert len(bench.vendors.prm_leads()) == len(bench.offers()) == 15  # 5, and 10 that may wait at one time
    bench.cycle()  # reads back what was written
    before = (bench.vendors.ps.store.snapshot(), bench.vendors.sf.store.snapshot())
    bench.vendors.forget_calls()
    to_prm, to_crm = bench.cycle()
    assert writes(bench) == []
    assert (to_prm.numbers.get("written", 0), to_crm.numbers.get("written", 0)) == (0, 0)
    assert (bench.vendors.ps.store.snapshot(), bench.vendors.sf.store.snapshot()) == before


def test_a_record_that_was_just_written_is_not_written_again_before_it_is_read_back(bench: Bench) -> None:
    bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.cycle()
    with bench.app.db.begin() as tx:
        tx.exec_driver_sql("DELETE FROM core.progress WHERE step LIKE 'push:%%'")  # compare everything anew
    bench.vendors.forget_calls()
    bench.push()
    assert writes(bench) == []


def test_an_accepted_offer_shows_in_the_crm_and_stays_with_the_partner(bench: Bench) -> None:
    lead = bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.vendors.partner("suedwind")
    bench.cycle(minutes=60)
    offered = only(bench.vendors.prm_leads())
    bench.vendors.ps.partners.answer(offered["key"], accepted=True)
    said_at = bench.clock.at
    bench.clock.advance(hours=80)
    bench.cycle()
    assert states(bench) == [(offered["partner_key"], "accepted", 1)]
    row = bench.vendors.crm_row("Lead", lead)
    assert row["Prm_Offer_Status__c"] == "accepted"
    assert row["Prm_Answered_At__c"].startswith(f"{said_at:%Y-%m-%dT%H:%M}")
    assert only(bench.vendors.prm_leads())["approved"] is True


def test_both_sides_follow_when_a_partner_gets_another_name_and_key(bench: Bench) -> None:
    lead = bench.vendors.lead()
    partner = bench.vendors.partner("nordwind")
    bench.cycle(minutes=60)
    changed = {"partner_key": "südwind", "fields": {"company_name": "رياح الجنوب", "weekly_capacity": 50}}
    bench.vendors.ps.store["partnerships"].update(partner, changed)
    bench.cycle()
    row = bench.vendors.crm_row("Lead", lead)
    assert (row["Prm_Partner_Key__c"], row["Prm_Partner__c"]) == ("südwind", "رياح الجنوب")
    assert only(bench.vendors.prm_leads())["partner_key"] == "südwind"


def test_a_refused_lead_is_offered_to_the_next_partner(bench: Bench) -> None:
    lead = bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.vendors.partner("suedwind")
    bench.cycle(minutes=60)
    first = only(bench.vendors.prm_leads())
    bench.vendors.ps.partners.answer(first["key"], accepted=False, reason="no capacity")
    bench.clock.advance(minutes=5)
    bench.cycle()
    other = ({"nordwind", "suedwind"} - {first["partner_key"]}).pop()
    assert states(bench) == [(first["partner_key"], "declined", 1), (other, "pending", 2)]
    declined, reoffered = bench.vendors.prm_leads()
    assert (declined["key"], declined["approved"], reoffered["partner_key"]) == (first["key"], False, other)
    row = bench.vendors.crm_row("Lead", lead)
    assert (row["Prm_Partner_Key__c"], row["Prm_Offer_Status__c"]) == (other, "pending")
    assert (row.get("Prm_Answered_At__c"), row.get("Prm_Decline_Reason__c")) == (None, None)
    [event] = bench.rows("SELECT * FROM ledger.offer_event WHERE event = 'declined'")
    assert (event["applied"], event["note"]) == (True, "no capacity")


def test_an_offer_that_ran_out_is_taken_back_and_goes_to_the_next_partner(bench: Bench) -> None:
    bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.vendors.partner("suedwind")
    bench.cycle()
    first = only(bench.vendors.prm_leads())
    bench.clock.advance(hours=48)
    bench.cycle()
    other = ({"nordwind", "suedwind"} - {first["partner_key"]}).pop()
    assert states(bench) == [(first["partner_key"], "expired", 1), (other, "pending", 2)]
    assert only(bench.vendors.prm_leads())["partner_key"] == other
    assert [r["key"] for r in bench.vendors.prm_leads(archived=True)] == [first["key"]]
    bench.cycle()
    bench.vendors.forget_calls()
    bench.cycle()
    assert writes(bench) == []


def test_a_late_answer_goes_to_the_history_and_moves_nothing(bench: Bench) -> None:
    bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.vendors.partner("suedwind")
    bench.cycle()
    first = only(bench.vendors.prm_leads())
    bench.clock.advance(hours=49)
    bench.vendors.ps.partners.answer(first["key"], accepted=True)
    bench.cycle()
    assert [o["state"] for o in bench.offers()] == ["expired", "pending"]
    [event] = bench.rows("SELECT * FROM ledger.offer_event WHERE event = 'accepted'")
    assert event["applied"] is False
    assert "after the offer had run out" in event["note"]
    bench.cycle()
    assert len(bench.rows("SELECT FROM ledger.offer_event WHERE event = 'accepted'")) == 1


def test_an_answer_given_in_time_counts_though_it_is_heard_after_the_offer_ran_out(bench: Bench) -> None:
    bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.cycle()
    first = only(bench.vendors.prm_leads())
    in_time = int((bench.clock.at + timedelta(hours=1)).timestamp() * 1000)
    bench.clock.advance(hours=60)
    bench.vendors.ps.partners.answer(first["key"], accepted=True, at=in_time)
    bench.cycle()
    assert states(bench) == [("nordwind", "accepted", 1)]
    assert len(bench.vendors.prm_leads()) == 1


def test_a_lead_that_is_disqualified_in_the_crm_is_taken_back_from_the_partner(bench: Bench) -> None:
    lead = bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.cycle()
    bench.vendors.sf.org.update("Lead", lead, {"Status": "Unqualified"})
    bench.cycle()
    assert [o["state"] for o in bench.offers()] == ["withdrawn"]
    assert bench.vendors.prm_leads() == []
    assert bench.vendors.crm_row("Lead", lead)["Prm_Offer_Status__c"] == "withdrawn"


def test_a_lead_deleted_in_the_crm_is_taken_back_and_not_made_again(bench: Bench) -> None:
    lead = bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.cycle()
    bench.cycle()
    bench.vendors.sf.org.delete("Lead", lead)
    bench.cycle()
    bench.cycle()
    assert [o["state"] for o in bench.offers()] == ["withdrawn"]
    assert bench.vendors.prm_leads() == []


def test_a_prm_lead_that_somebody_archived_is_not_made_again(bench: Bench) -> None:
    bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.cycle()
    bench.vendors.ps.account.archive("leads", only(bench.vendors.prm_leads())["key"])
    bench.cycle()
    bench.cycle()
    assert bench.vendors.prm_leads() == []
    assert len(bench.vendors.prm_leads(archived=None)) == 1


def test_a_change_in_the_crm_reaches_the_partner_and_an_edit_over_there_is_put_right(bench: Bench) -> None:
    lead = bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.cycle()
    bench.vendors.sf.org.update("Lead", lead, {"City": "Bremen"})
    bench.cycle()
    offered = only(bench.vendors.prm_leads())
    assert offered["meta"]["city"] == "Bremen"
    bench.vendors.ps.account.patch("leads", offered["key"], {"meta": {"city": "Kiel"}}, test=False)
    bench.cycle()
    bench.cycle()
    assert only(bench.vendors.prm_leads())["meta"]["city"] == "Bremen"
    assert bench.vendors.crm_row("Lead", lead)["City"] == "Bremen"


def test_how_far_the_partner_is_shows_in_the_crm_and_in_the_figures_of_the_account(bench: Bench) -> None:
    lead = bench.vendors.lead()
    bench.vendors.partner("nordwind")
    nordwind = {"Name": "Nordwind", "Type": "Partner", "Prm_Partner_Key__c": "nordwind"}
    account = bench.vendors.sf.load("Account", [nordwind])[0]
    bench.cycle(minutes=60)
    offered = only(bench.vendors.prm_leads())
    bench.vendors.ps.partners.answer(offered["key"], accepted=True)
    bench.clock.advance(hours=2)
    bench.vendors.ps.partners.progress(offered["key"], status="closed won", stage="won", amount=250_000)
    bench.clock.advance(hours=2)
    bench.cycle()
    assert bench.measure().state is State.DONE
    assert push(bench.app, "crm", "Account").numbers["written"] == 1
    row = bench.vendors.crm_row("Account", account)
    assert row["Prm_Partner_Id__c"] == only(bench.offers())["partner_id"]
    assert (row["Prm_Period__c"], row["Prm_Leads_Offered__c"], row["Prm_Leads_Accepted__c"]) == ("2027-03", 1, 1)
    assert (row["Prm_Acceptance_Rate__c"], row["Prm_Win_Rate__c"]) == (1, 1)
    assert bench.vendors.crm_row("Lead", lead)["Prm_Partner_Stage__c"] == "won"
    bench.cycle()
    bench.measure()
    bench.vendors.forget_calls()
    push(bench.app, "crm", "Account")
    assert writes(bench) == []


def test_a_lead_that_a_partner_brings_becomes_a_golden_record_and_no_offer(bench: Bench) -> None:
    bench.vendors.partner("nordwind")
    meta = {"email": "jo@kunde.example", "first_name": "Jo", "last_name": "Kunde"}
    bench.vendors.ps.partners.submit_lead("nordwind", {"meta": meta})
    bench.cycle()
    bench.cycle()
    assert bench.one("SELECT email FROM core.lead")["email"] == "jo@kunde.example"
    assert bench.offers() == []
    assert len(bench.vendors.prm_leads()) == 1


def test_every_written_field_is_in_the_write_log_with_its_value_before(bench: Bench) -> None:
    lead = bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.cycle(minutes=60)
    bench.cycle()
    bench.vendors.ps.partners.answer(only(bench.vendors.prm_leads())["key"], accepted=True)
    bench.clock.advance(hours=1)
    bench.cycle()
    [log] = bench.rows(
        "SELECT old, new, rule FROM ops.write_log WHERE remote_id = :id AND field = 'Prm_Offer_Status__c' "
        "AND new = '\"accepted\"'", id=lead,
    )  # fmt: skip
    assert log["old"] == "pending"
    assert log["rule"]
