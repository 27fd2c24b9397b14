"""The sweep by the clock: weekends, holidays, the change of clocks, three days without the PRM; and leads that go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from workbench import Bench, Project, Vendors

from prm_sync.connect.emulator import serve
from prm_sync_partnerstack.emulator import PartnerStackApp, credentials

CALENDARS = {
    "gulf": {"countries": ["SA"], "weekend": ["fri", "sat"], "hours": ["08:00", "16:00"], "time_zone": "Asia/Riyadh",
             "holidays": ["2027-03-07"]},
    "others": {"time_zone": "Europe/Berlin"},
}  # fmt: skip
CRM = (("crm", "Account"), ("crm", "Lead"))


@pytest.fixture
def opened(project: Project, vendors: Vendors) -> Iterator[Callable[..., Bench]]:
    """`opened(at, ...)`: an app at that time with an offer of 8 working hours; `offer`, `queues` change the policy."""
    with ExitStack() as stack:

        def make(at: datetime, **more: Any) -> Bench:
            policy = {
                "rules": {"territory": False}, "calendars": CALENDARS,
                "offer": {"expires_after_h": 8, "hours": "working", **more.pop("offer", {})}, **more,
            }  # fmt: skip
            (project.folder / "policies").mkdir()
            (project.folder / "policies" / "routing.yaml").write_text(yaml.safe_dump(policy), encoding="utf-8")
            project.env = vendors.env
            project.write(connections=vendors.connections(), trust=["crm", "prm"], policies="policies")
            vendors.clock.advance(seconds=(at - vendors.clock.at).total_seconds())
            return Bench(stack.enter_context(project.open()), vendors)

        yield make


def utc(month: int, day: int, hour: int, year: int = 2027) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def at(bench: Bench, when: datetime) -> None:
    """Let it be that time, and run everything."""
    bench.clock.advance(seconds=(when - bench.clock.at).total_seconds())
    if bench.vendors.sf.org.tables["Opportunity"].rows:
        bench.pull(("crm", "Opportunity"))
    bench.cycle(minutes=0)


def states(bench: Bench) -> list[tuple[str, str]]:
    return [(o["partner_key"], o["state"]) for o in bench.offers()]


def alerts(bench: Bench, kind: str) -> list[str]:
    return [r["message"] for r in bench.rows("SELECT * FROM ops.alert WHERE kind = :kind ORDER BY id", kind=kind)]


@pytest.mark.parametrize(
    ("country", "offered", "stands", "runs_out"),
    [
        # Friday afternoon in Berlin: the weekend does not count.
        ("DE", utc(3, 5, 14), utc(3, 8, 13), utc(3, 8, 15)),
        # Thursday afternoon in Riyadh: neither Friday nor Saturday count, nor Sunday, a holiday.
        ("SA", utc(3, 4, 12), utc(3, 8, 11), utc(3, 8, 13)),
        # Clocks go forward on Sunday 28 March: 8 hours from Friday 16:00 are over on Monday 16:00, which is 14:00 UTC.
        ("DE", utc(3, 26, 15), utc(3, 29, 13), utc(3, 29, 15)),
    ],
)
def test_an_offer_stands_over_days_off_and_then_goes_to_the_next_partner(
    opened: Callable[..., Bench], country: str, offered: datetime, stands: datetime, runs_out: datetime
) -> None:
    bench = opened(offered)
    bench.vendors.partner("nordwind", country=country)
    bench.vendors.partner("suedwind", country=country)
    bench.vendors.lead()
    at(bench, offered)
    [(first, _)] = states(bench)
    at(bench, stands)
    assert states(bench) == [(first, "pending")]
    at(bench, runs_out)
    other = ({"nordwind", "suedwind"} - {first}).pop()
    assert states(bench) == [(first, "expired"), (other, "pending")]
    [told] = alerts(bench, "offer_expired")
    assert bench.offers()[0]["lead_id"] in told


def test_after_the_most_offers_the_lead_waits_in_a_queue_and_its_owner_is_told(opened: Callable[..., Bench]) -> None:
    bench = opened(
        utc(3, 1, 8), offer={"max_offers": 2},
        queues={"by_reason": {"max_offers": "second look"}, "owners": {"second look": "Lê Thị Hà"}},
    )  # fmt: skip
    for key in ("nordwind", "suedwind", "westwind"):
        bench.vendors.partner(key, country="DE")
    bench.vendors.lead()
    for day in (1, 3, 5, 8, 9):
        at(bench, utc(3, day, 8))
    assert [s for _, s in states(bench)] == ["expired", "expired"]
    assert len(set(states(bench))) == 2
    last = bench.rows("SELECT outcome, queue FROM ledger.routing_decision ORDER BY rank DESC LIMIT 1")
    assert last == [{"outcome": "max_offers", "queue": "second look"}]
    [told] = alerts(bench, "offers_in_vain")
    assert "Lê Thị Hà" in told


def test_nothing_runs_out_in_three_days_without_the_prm_and_answers_given_meanwhile_count(
    opened: Callable[..., Bench],
) -> None:
    bench = opened(utc(3, 1, 8))
    bench.vendors.partner("nordwind", country="DE")
    bench.vendors.partner("suedwind", country="DE")
    for n, name in enumerate(("Weber", "Nguyễn", "العلي")):
        bench.vendors.lead(name, Email=f"a@k{n}.example")
    at(bench, utc(3, 1, 8))
    offered = {r["external_key"]: r["key"] for r in bench.vendors.prm_leads()}
    in_time, too_late, silent = (offered[k] for k in sorted(offered))
    for hours in (24, 48, 72):  # only the CRM can be read
        bench.clock.advance(seconds=(utc(3, 1, 8) + timedelta(hours=hours) - bench.clock.at).total_seconds())
        bench.pull(*CRM)
        bench.reports.append(_route(bench))
        assert {s for _, s in states(bench)} == {"pending"}
    said = {in_time: utc(3, 1, 12), too_late: utc(3, 3, 12)}
    for key, when in said.items():
        bench.vendors.ps.partners.answer(key, accepted=True, at=int(when.timestamp() * 1000))
    at(bench, utc(3, 4, 9))
    by_key = {f"{o['lead_id']}:{o['rank']}": o["state"] for o in bench.offers()}
    assert by_key[next(k for k, v in offered.items() if v == in_time)] == "accepted"
    for key in (too_late, silent):
        assert by_key[next(k for k, v in offered.items() if v == key)] == "expired"
    assert len(bench.offers()) == 5
    late = bench.rows("SELECT note FROM ledger.offer_event WHERE NOT applied")
    assert len(late) == 1
    assert "after the offer had run out" in late[0]["note"]
    at(bench, utc(3, 4, 10))
    assert len(bench.offers()) == 5  # the late answer did not move the lead that somebody else has now


def _route(bench: Bench) -> Any:
    from prm_sync.flows.refine import refine
    from prm_sync.flows.route import route

    refine(bench.app)
    return route(bench.app)


@pytest.mark.parametrize("gone", ["converted", "disqualified", "deleted", "merged"])
def test_an_offer_of_a_lead_that_is_gone_from_the_crm_is_taken_back(opened: Callable[..., Bench], gone: str) -> None:
    bench = opened(utc(3, 1, 8))
    bench.vendors.partner("nordwind", country="DE")
    org, lead = bench.vendors.sf.org, bench.vendors.lead()
    other = bench.vendors.lead("Kaya", Status="Unqualified") if gone == "merged" else ""
    at(bench, utc(3, 1, 8))
    at(bench, utc(3, 1, 9))
    match gone:
        case "converted":
            org.update("Lead", lead, {"Status": "Closed - Converted"})
        case "disqualified":
            org.update("Lead", lead, {"Status": "Unqualified"})
        case "deleted":
            org.delete("Lead", lead)
        case "merged":
            org.merge("Lead", other, [lead])
    at(bench, utc(3, 1, 10))
    at(bench, utc(3, 1, 11))
    assert states(bench) == [("nordwind", "withdrawn")]
    assert bench.vendors.prm_leads() == []


@pytest.mark.parametrize("gone", ["deleted", "merged", "disqualified", "sold by us", "sold by another"])
def test_an_accepted_lead_that_is_gone_from_the_crm_is_taken_back_and_the_channel_manager_is_told(
    opened: Callable[..., Bench], gone: str
) -> None:
    bench = opened(utc(3, 1, 8))
    bench.vendors.partner("nordwind", country="DE", manager="Trần Minh")
    org, lead = bench.vendors.sf.org, bench.vendors.lead()
    other = bench.vendors.lead("Kaya", Status="Unqualified") if gone == "merged" else ""
    at(bench, utc(3, 1, 8))
    [record] = bench.vendors.prm_leads()
    bench.vendors.ps.partners.answer(record["key"], accepted=True)
    at(bench, utc(3, 1, 9))
    bench.vendors.ps.partners.progress(record["key"], status="open", stage="working")
    at(bench, utc(3, 1, 10))
    assert states(bench) == [("nordwind", "accepted")]
    match gone:
        case "deleted":
            org.delete("Lead", lead)
        case "merged":
            org.merge("Lead", other, [lead])
        case "disqualified":
            org.update("Lead", lead, {"Status": "Unqualified"})
        case _:
            seller = {"Name": "Südwind", "Type": "Channel Partner / Reseller", "Prm_Partner_Key__c": "suedwind"}
            sold = {"Prm_Partner__c": bench.vendors.sf.load("Account", [seller])[0], "Prm_Credit__c": "sourced"}
            converted(bench, lead, **({"Prm_Credit__c": "none"} if gone == "sold by us" else sold))
    at(bench, utc(3, 1, 11))
    at(bench, utc(3, 1, 12))
    assert states(bench) == [("nordwind", "withdrawn")]
    assert bench.vendors.prm_leads() == []
    [told] = alerts(bench, "offer_withdrawn")
    assert "had been accepted" in told
    # What the partner says of it now is kept, and moves nothing; and it was accepted, whatever became of it.
    bench.vendors.ps.account.store["leads"].update(record["key"], {"archived": False})
    bench.vendors.ps.partners.progress(record["key"], status="closed won", stage="won", amount=1_000)
    at(bench, utc(3, 1, 13))
    assert states(bench) == [("nordwind", "withdrawn")]
    late = bench.rows("SELECT note FROM ledger.offer_event WHERE NOT applied AND event = 'stage'")
    assert [r["note"] for r in late] == ["an offer that is withdrawn cannot become won"]
    bench.measure()
    figures = bench.one("SELECT offered, accepted FROM mart.partner_performance")
    assert (figures["offered"], figures["accepted"]) == (1, 1)


@pytest.mark.parametrize("seller", [None, "nordwind"])
def test_a_conversion_of_an_accepted_lead_is_what_was_hoped_for(
    opened: Callable[..., Bench], seller: str | None
) -> None:
    bench = opened(utc(3, 1, 8))
    bench.vendors.partner("nordwind", country="DE")
    lead = bench.vendors.lead()
    at(bench, utc(3, 1, 8))
    bench.vendors.ps.partners.answer(bench.vendors.prm_leads()[0]["key"], accepted=True)
    at(bench, utc(3, 1, 9))
    row = {"Name": "Nordwind", "Type": "Channel Partner / Reseller", "Prm_Partner_Key__c": "nordwind"}
    account = bench.vendors.sf.load("Account", [row])[0] if seller else None
    converted(bench, lead, Prm_Partner__c=account)
    at(bench, utc(3, 1, 10))
    at(bench, utc(3, 1, 11))
    assert states(bench) == [("nordwind", "accepted")]
    assert len(bench.vendors.prm_leads()) == 1
    # ... until the opportunity is given to somebody else.
    deal = next(iter(bench.vendors.sf.org.tables["Opportunity"].rows))
    bench.vendors.sf.org.update("Opportunity", deal, {"Prm_Partner__c": None, "Prm_Credit__c": "none"})
    at(bench, utc(3, 1, 12))
    assert states(bench) == [("nordwind", "withdrawn")]


def converted(bench: Bench, lead: str, **sold: Any) -> None:
    """The lead becomes an opportunity in the CRM, which from now on is pulled."""
    deal = {"Name": "Weber 2027", "StageName": "Prospecting", "CloseDate": "2027-06-30", **sold}
    id_ = bench.vendors.sf.load("Opportunity", [deal])[0]
    stamps = dict.fromkeys(("SystemModstamp", "LastModifiedDate", "CreatedDate"))  # changed now
    row = {**bench.vendors.crm_row("Lead", lead), **stamps, "Status": "Closed - Converted"}
    row["ConvertedOpportunityId"] = id_
    bench.vendors.sf.load("Lead", [{n: v for n, v in row.items() if v is not None}])


def test_a_prm_that_is_down_keeps_its_own_partners_offers_open_and_no_others(
    project: Project, vendors: Vendors
) -> None:
    second = PartnerStackApp(clock=vendors.ps.clock)
    with serve(second) as there:
        both = vendors.connections()
        other = credentials(there.url)
        project.env = {**vendors.env, "PS2_PUBLIC": other["public_key"], "PS2_SECRET": other["secret_key"]}
        both["prm2"] = {**both["prm"], "config": {
            **both["prm"]["config"], "base_url": other["base_url"], "public_key": {"env": "PS2_PUBLIC"},
            "secret_key": {"env": "PS2_SECRET"},
        }}  # fmt: skip
        project.write(connections=both, trust=["crm", "prm", "prm2"])
        usual = {"company_name": "شركة الفهد", "territories": "SA", "weekly_capacity": 50}
        second.load("partnerships", [{"partner_key": "fahd", "email": "ops@fahd.example", "fields": usual}])
        vendors.partner("nordwind")
        vendors.lead()
        vendors.lead("Fahd", "SA")
        with project.open() as app:
            bench = Bench(app, vendors)
            every = (*CRM, *((c, s) for c in ("prm", "prm2") for s in ("partnerships", "leads")))
            bench.pull(*every)
            _route(bench)
            assert sorted(states(bench)) == [("fahd", "pending"), ("nordwind", "pending")]
            bench.clock.advance(hours=72)
            bench.pull(*(s for s in every if s[0] != "prm2"))  # prm2 cannot be read
            _route(bench)
            assert sorted(states(bench)) == [("fahd", "pending"), ("nordwind", "expired")]
            bench.pull(("prm2", "leads"))
            _route(bench)
            assert [s for key, s in states(bench) if key == "fahd"] == ["expired"]


def test_a_partner_who_works_on_a_lead_without_a_word_has_accepted_it(opened: Callable[..., Bench]) -> None:
    bench = opened(utc(3, 1, 8))
    bench.vendors.partner("nordwind", country="DE")
    bench.vendors.lead()
    at(bench, utc(3, 1, 8))
    key = bench.vendors.prm_leads()[0]["key"]
    bench.clock.advance(hours=1)
    bench.vendors.ps.partners.progress(key, status="open", stage="working")
    at(bench, utc(3, 3, 8))
    [offer] = bench.offers()
    assert (offer["state"], offer["partner_stage"]) == ("accepted", "working")
    bench.vendors.ps.partners.progress(key, status="closed won", stage="won", amount=250_000)
    at(bench, utc(3, 3, 9))
    bench.vendors.ps.partners.progress(key, status="open", stage="working")
    at(bench, utc(3, 3, 10))
    [offer] = bench.offers()
    assert (offer["state"], offer["partner_stage"], offer["won_amount"]) == ("accepted", "won", 250_000)
    [event] = bench.rows("SELECT note FROM ledger.offer_event WHERE NOT applied")
    assert event["note"] == "an offer that is won cannot become working"
