"""What the demo's third round found: echoes of our own writes that looked like news."""

from __future__ import annotations

from datetime import timedelta

from workbench import Bench

from prm_sync.connect.emulator import Calls


def writes(calls: Calls) -> int:
    return sum("/oauth2/" not in call.path for call in calls.writes())


def test_our_own_write_does_not_make_a_duplicate_the_newest_record(bench: Bench) -> None:
    """Both duplicates get the offer's state at one moment; who was edited last by a person must still be known."""
    earlier = bench.clock.at - timedelta(days=9)
    stamps = [f"{earlier + timedelta(days=n):%Y-%m-%dT%H:%M:%S}.000+0000" for n in (0, 5)]
    for company, stamp in zip(("weber gmbh", "Weber GmbH"), stamps, strict=True):
        bench.vendors.lead(Company=company, CreatedDate=stamp, SystemModstamp=stamp)
    bench.vendors.partner("nordwind")
    bench.cycle()
    bench.cycle()
    bench.vendors.forget_calls()
    bench.cycle()
    assert bench.one("SELECT company FROM core.lead WHERE merged_into IS NULL")["company"] == "Weber GmbH"
    assert writes(bench.vendors.sf.calls) == writes(bench.vendors.ps.calls) == 0


def test_a_person_who_edits_the_older_duplicate_later_wins(bench: Bench) -> None:
    ids = [bench.vendors.lead(Company=company) for company in ("weber gmbh", "Weber GmbH")]
    bench.vendors.partner("nordwind")
    bench.cycle()
    bench.cycle()
    bench.vendors.sf.org.update("Lead", ids[0], {"Company": "Weber AG"})
    bench.cycle()
    assert bench.one("SELECT company FROM core.lead WHERE merged_into IS NULL")["company"] == "Weber AG"


def test_a_new_record_in_the_prm_that_is_open_says_nothing_yet(bench: Bench) -> None:
    lead = bench.vendors.lead()
    bench.vendors.partner("nordwind")
    bench.cycle()
    bench.cycle()
    assert bench.one("SELECT partner_stage FROM ledger.lead_offer")["partner_stage"] is None
    assert bench.vendors.crm_row("Lead", lead).get("Prm_Partner_Stage__c") is None


def test_every_duplicate_in_the_crm_gets_the_offer_and_none_is_refused(bench: Bench) -> None:
    ids = [bench.vendors.lead(), bench.vendors.lead()]
    bench.vendors.partner("nordwind")
    bench.cycle()
    rows = [bench.vendors.crm_row("Lead", i) for i in ids]
    assert {row["Prm_Offer_Status__c"] for row in rows} == {"pending"}
    assert len({row["Prm_Lead_Id__c"] for row in rows}) == 1
    assert bench.quarantine() == []
