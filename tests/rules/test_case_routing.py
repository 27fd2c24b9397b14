"""Cases by the engine that routes leads: who may serve, who comes first, until when; and the life of an assignment."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.canonical.entities import CASE_PRIORITIES
from prm_sync.errors import ConfigError
from prm_sync.rules.routing import (
    CasePolicy,
    Decision,
    LeadFacts,
    Ledger,
    Offer,
    PartnerFacts,
    Refusal,
    RoutingPolicy,
    Transition,
    apply_answer,
    apply_stage,
    as_json,
    explain,
    load_cases,
    moved,
    reopen,
    route,
    withdraw,
)
from prm_sync.rules.routing.offers import _ANSWERS, _STAGES, CASE_MOVES

NOW = datetime(2027, 3, 5, 14, tzinfo=UTC)  # a Friday, three hours before people go home
SHIPPED = Path(__file__).parents[2] / "policies"
PRODUCTS = ("Pumpe", "水泵", "مضخة", "Máy bơm", None)
COUNTRIES = ("DE", "CN", "EG", "VN", "IR", None)


def policy(**changes: Any) -> CasePolicy:
    return CasePolicy.model_validate(changes)


def partner(name: str, **facts: Any) -> PartnerFacts:
    return PartnerFacts(name, **{"territories": ("*",), "type": "service", **facts})


def case(name: str, priority: str = "medium", **facts: Any) -> LeadFacts:
    return LeadFacts(name, **{"priority": float(CASE_PRIORITIES.index(priority)), "country": "DE", **facts})  # type: ignore[arg-type]


def why(one: LeadFacts, other: PartnerFacts, **rules: Any) -> tuple[str, str]:
    [decision] = route([one], [other], Ledger(), policy(**rules), NOW)
    [row] = decision.candidates
    return row.code, row.detail


def test_who_may_serve_a_case_is_said_in_words_about_cases() -> None:
    assert why(case("c", country="CN"), partner("p", territories=("DE", "AT"))) == (
        "territory", "serves in AT, DE; the case is in CN",
    )  # fmt: skip
    assert why(case("c", product="水泵"), partner("p", products=("Pumpe",))) == (
        "product", "serves Pumpe; the case is about 水泵",
    )  # fmt: skip
    assert why(case("c", language="fa"), partner("p", languages=("de", "ar"))) == (
        "language", "speaks ar, de; the case speaks fa",
    )  # fmt: skip
    assert why(case("c", declined_by=frozenset({"p"})), partner("p")) == ("prior_decline", "declined this case before")
    assert why(case("c", certification="Kältetechnik"), partner("p")) == (
        "certification", "does not hold 'Kältetechnik'",
    )  # fmt: skip
    assert why(case("c"), partner("p", type="reseller")) == (
        "type", "the partner is reseller, not integrator or service",
    )  # fmt: skip
    assert why(case("c"), partner("p", type=None)) == (
        "type", "the partner is of no known type, not integrator or service",
    )  # fmt: skip
    assert why(case("c"), partner("p", type="reseller"), partner_types=[])[0] == "eligible"
    [stopped] = route([case("c", status="in_progress")], [partner("p")], Ledger(), policy(), NOW)
    assert (stopped.outcome, stopped.note) == ("status", "the case is in_progress")


def test_the_most_urgent_cases_choose_first() -> None:
    cases = [case(f"c{n}", name) for n, name in enumerate(CASE_PRIORITIES)]
    decisions = route(cases, [partner("p")], Ledger(), policy(capacity={"max_open": 2}), NOW)
    assert [d.partner_id for d in decisions] == [None, None, "p", "p"]
    assert decisions[0].reasons == {"capacity": 1}
    assert decisions[0].queue == "unrouted"
    assert decisions[0].candidates[0].detail == "2 offers open of at most 2"


def test_what_is_open_is_load_and_capacity_and_the_weekly_number_of_leads_is_neither() -> None:
    busy, free = partner("busy", weekly_capacity=0), partner("free", weekly_capacity=0)
    ledger = Ledger(week={"free": 99}, open={"busy": 9})
    [decision] = route([case("c")], [busy, free], ledger, policy(), NOW)
    assert decision.partner_id == "free"
    terms = {c.partner_id: c.terms[3] for c in decision.considered}
    assert terms["free"] > 8 * terms["busy"] > 0


def test_the_deadlines_count_working_hours_of_the_partner_by_the_priority() -> None:
    terms = {"answer_within_h": {"critical": 1, "high": 4}, "resolve_within_h": {"critical": 8}, "expires_after_h": 8}
    gulf = {"countries": ["SA"], "weekend": ["fri", "sat"], "hours": ["08:00", "16:00"], "time_zone": "Asia/Riyadh"}
    rules = policy(offer=terms, calendars={"gulf": gulf})

    def until(priority: str, who: PartnerFacts) -> tuple[datetime, datetime | None]:
        [decision] = route([case("c", priority)], [who], Ledger(), rules, NOW)
        return decision.expires_at, decision.resolve_by

    here, riyadh = partner("here"), partner("riyadh", country="SA")
    monday, sunday = datetime(2027, 3, 8, 9, tzinfo=UTC), datetime(2027, 3, 7, 5, tzinfo=UTC)
    assert until("critical", here) == (NOW + timedelta(hours=1), monday + timedelta(hours=5))
    assert until("high", here) == (monday + timedelta(hours=1), None)
    assert until("low", here) == (monday + timedelta(hours=5), None)  # what no priority says
    assert until("critical", riyadh)[0] == sunday + timedelta(hours=1)
    always = policy(offer={**terms, "hours": "all"})
    [decision] = route([case("c", "high")], [here], Ledger(), always, NOW)
    assert decision.expires_at == NOW + timedelta(hours=4)


partners = st.lists(
    st.builds(
        dict,
        type=st.sampled_from(["service", "integrator", "reseller", None]),
        status=st.sampled_from(["active", "active", "suspended"]),
        territories=st.lists(st.sampled_from(["*", "DE", "CN", "EG", "VN"]), max_size=2).map(tuple),
        products=st.lists(st.sampled_from([p for p in PRODUCTS if p]), max_size=2).map(tuple),
        languages=st.lists(st.sampled_from(["de", "zh", "ar", "vi"]), max_size=2).map(tuple),
        response_h=st.sampled_from([None, 0.5, 4.0, 30.0]),
    ),
    max_size=6,
)
cases = st.lists(
    st.builds(
        dict,
        priority=st.sampled_from(CASE_PRIORITIES), country=st.sampled_from(COUNTRIES),
        product=st.sampled_from(PRODUCTS),
        language=st.sampled_from(["de", "zh", "ar", "vi", None]), status=st.sampled_from(["new", "new", "closed"]),
        declined=st.sets(st.integers(0, 5), max_size=2),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(partners, cases, st.integers(1, 3), st.dictionaries(st.integers(0, 5), st.integers(0, 3)), st.randoms())
def test_the_order_of_a_batch_changes_nothing_no_hard_rule_is_broken_and_no_capacity_exceeded(
    some: list[dict[str, Any]], asked: list[dict[str, Any]], most: int, busy: dict[int, int], rng: Any
) -> None:
    who = [PartnerFacts(f"p{n}", **facts) for n, facts in enumerate(some)]
    batch = [
        case(f"c{n:02}", declined_by=frozenset(f"p{i}" for i in c["declined"]),
             **{k: v for k, v in c.items() if k != "declined"})
        for n, c in enumerate(asked)
    ]  # fmt: skip
    ledger = Ledger(open={f"p{n}": n_open for n, n_open in busy.items()})
    rules = policy(capacity={"max_open": most})
    made = {d.lead_id: d for d in route(batch, who, ledger, rules, NOW)}
    rng.shuffle(batch)
    rng.shuffle(who)
    again = {d.lead_id: _said(d) for d in route(batch, who, ledger, rules, NOW)}
    assert again == {i: _said(d) for i, d in made.items()}
    by_id = {p.id: p for p in who}
    got = Counter(d.partner_id for d in made.values() if d.partner_id is not None)
    assert all(got[p] + ledger.open.get(p, 0) <= most for p in got)
    for one in batch:
        winner = by_id.get(made[one.id].partner_id or "")
        able = [p for p in who if _may(p, one)]
        if winner is not None:
            assert winner in able
        else:  # nobody waits while somebody who may serve has capacity left
            assert all(got[p.id] + ledger.open.get(p.id, 0) >= most for p in able)


def _said(decision: Decision) -> tuple[Any, ...]:
    return decision.partner_id, decision.outcome, decision.score, decision.reasons, decision.expires_at


def _may(p: PartnerFacts, c: LeadFacts) -> bool:
    """The hard rules once more, plainly."""
    return (
        c.status == "new" and p.type in ("service", "integrator") and p.status == "active"
        and ("*" in p.territories or (c.country is not None and c.country in p.territories))
        and (not p.products or c.product is None or c.product in p.products)
        and (not p.languages or c.language is None or c.language in p.languages) and p.id not in c.declined_by
    )  # fmt: skip


# --- the policy file ---


def test_the_shipped_policy_is_sound_and_takes_places_and_calendars_from_routing() -> None:
    calendars = {"golf": {"countries": ["SA"], "weekend": ["fri", "sat"]}}
    routing = RoutingPolicy.model_validate({"areas": {"خليج": ["SA", "AE"]}, "calendars": calendars})
    found = load_cases(SHIPPED / "cases.yaml", routing)
    assert found.areas == routing.areas
    assert set(found.calendars) == {"golf"}
    assert found.offer.answer_within_h["critical"] < found.offer.answer_within_h["low"]
    assert found.version != load_cases(SHIPPED / "cases.yaml", RoutingPolicy()).version


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("eligible_statuses: [qualified]\n", '"qualified" is no status of a case'),
        ("partner_types: [servise]\n", 'did you mean "service"?'),
        ("offer:\n  answer_within_h: {urgent: 1}\n", "cases.yaml:2"),
        ("offer:\n  resolve_within_h: {low: 0}\n", "cases.yaml:2"),
        ("offer:\n  calendar: gulf\n", '"gulf" is none of `calendars`, here or in routing.yaml'),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_cases(path, RoutingPolicy())
    assert said in str(error.value)


def test_a_decision_about_a_case_is_explained_as_such() -> None:
    [decision] = route([case("c7", "critical")], [partner("p"), partner("q", type="agent")], Ledger(), policy(), NOW)
    stored = {k: v for k, v in as_json(decision).items() if k != "lead_id"}
    lines = explain({**stored, "case_id": "c7"}, {"p": "南方服务"})
    assert lines[0].startswith("case c7 goes to 南方服务, one of 2 partners")
    assert lines[2] == "  q: no, type: the partner is agent, not integrator or service"


# --- the life of an assignment ---

GIVEN = Offer("o1", "c1", "p1", offered_at=NOW, expires_at=NOW + timedelta(hours=4), of="case")
HOUR = timedelta(hours=1)


def played(*steps: Transition | Refusal) -> Offer:
    offer = GIVEN
    for step in steps:
        assert isinstance(step, Transition), step
        offer = moved(offer, step)
    return offer


def test_a_case_is_taken_worked_on_solved_closed_and_opened_again() -> None:
    offer = played(apply_answer(GIVEN, "accepted", NOW + HOUR))
    assert (offer.standing, offer.state) == ("accepted", "accepted")
    for say, standing in (("in_progress", "in_progress"), ("resolved", "resolved")):
        step = apply_stage(offer, say, NOW + 2 * HOUR)  # type: ignore[arg-type]
        assert isinstance(step, Transition)
        offer = moved(offer, step)
        assert (offer.standing, offer.state) == (standing, "accepted")
    closed = withdraw(offer, NOW + 3 * HOUR, "the case is closed in the CRM")
    assert isinstance(closed, Transition)
    assert closed.after == "closed"  # it is not taken from who has solved it
    again = reopen(moved(offer, closed), NOW + 4 * HOUR, "opened again in the CRM")
    assert isinstance(again, Transition)
    offer = moved(moved(offer, closed), again)
    assert offer.standing == "reopened"
    early = apply_stage(offer, "resolved", NOW + 2 * HOUR)
    assert isinstance(early, Refusal)
    assert early.code == "late"
    assert isinstance(apply_stage(offer, "resolved", NOW + 5 * HOUR), Transition)


def test_a_partner_may_give_back_what_it_took_and_not_what_it_solved() -> None:
    taken = played(apply_answer(GIVEN, "accepted", NOW + HOUR))
    back = apply_answer(taken, "declined", NOW + 2 * HOUR, "没有备件")
    assert isinstance(back, Transition)
    assert (back.state, back.reason) == ("declined", "没有备件")
    solved = played(apply_stage(GIVEN, "resolved", NOW + HOUR))
    assert isinstance(apply_answer(solved, "declined", NOW + 2 * HOUR), Refusal)


names = st.sampled_from([*_ANSWERS, *_STAGES, "withdraw", "reopen"])
events = st.lists(st.tuples(names, st.integers(0, 9)), max_size=9)


@given(events)
def test_no_sequence_of_events_leads_where_the_table_does_not(some: list[tuple[str, int]]) -> None:
    offer = GIVEN
    for what, hours in some:
        at = NOW + hours * HOUR
        if what in _ANSWERS:
            step = apply_answer(offer, what, at)  # type: ignore[arg-type]
        elif what in _STAGES:
            step = apply_stage(offer, what, at)  # type: ignore[arg-type]
        else:
            step = withdraw(offer, at, "") if what == "withdraw" else reopen(offer, at, "")
        if isinstance(step, Transition):
            assert step.after in CASE_MOVES[offer.standing].values()
            assert step.after != offer.standing
            offer = moved(offer, step)
            assert offer.standing == step.after
