"""The sweep by the clock: weekends, holidays, the change of clocks, three days without the PRM; and leads that go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from workbench import Bench, Project, Vendors

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
