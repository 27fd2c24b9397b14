from __future__ import annotations

import json
from datetime import UTC, datetime

from prm_sync.rules.routing import LeadFacts, Ledger, PartnerFacts, RoutingPolicy, as_json, explain, route

NOW = datetime(2026, 5, 6, 10, tzinfo=UTC)
PARTNERS = [
    PartnerFacts("p1", territories=("FR", "BE")),
    PartnerFacts("p2", territories=("DE",), weekly_capacity=0),
    PartnerFacts("p3", territories=("DE",)),
    PartnerFacts("p4", territories=("DE",), won=20),
]
NAMES = {"p1": "Alpha", "p2": "Beta", "p3": "Gamma", "p4": "شركة النور"}


def told(lead: LeadFacts, **rules: object) -> list[str]:
    (decision,) = route([lead], PARTNERS, Ledger(), RoutingPolicy.model_validate(rules), NOW)
    return explain(json.loads(json.dumps(as_json(decision))), NAMES)


def test_an_explanation_names_the_winner_first_and_why_each_other_lost() -> None:
    headline, winner, second, full, abroad = told(LeadFacts("4711", country="DE"))
    version = RoutingPolicy().version
    assert headline == (
        f"lead 4711 goes to شركة النور, one of 4 partners; decided 2026-05-06T10:00:00+00:00 by rules {version}"
    )
    assert winner.startswith("  شركة النور: chosen: highest score; score 0.")
    assert "place 1 of 2" in winner
    assert "win_rate 0." in winner
    assert second.startswith("  Gamma: not chosen: lower score")
    assert full == "  Beta: no, capacity: 0 offers this week of at most 0"
    assert abroad == "  Alpha: no, territory: sells in BE, FR; the lead is in DE"


def test_a_winner_by_lot_comes_first_even_with_a_lower_score() -> None:
    wins = [told(LeadFacts(f"l{n}", country="DE"), choice="weighted", seed=2) for n in range(12)]
    places = {lines[1].split("place ")[1][0] for lines in wins}
    assert places == {"1", "2"}
    assert all("chosen: drawn by lot" in lines[1] for lines in wins)


def test_a_lead_that_nobody_may_have_is_explained_too() -> None:
    lines = told(LeadFacts("1", country="VN"))
    assert lines[0].startswith("lead 1 goes to nobody: each of 4 partners is ruled out;")
    assert len(lines) == 5
    assert told(LeadFacts("2", status="converted"))[0].startswith("lead 2 goes to nobody: the lead is converted;")


def test_ids_stand_where_there_is_no_name() -> None:
    (decision,) = route([LeadFacts("1", country="DE")], PARTNERS, Ledger(), RoutingPolicy(), NOW)
    assert explain(as_json(decision))[1].startswith("  p4: chosen")


def test_a_stored_decision_is_plain_json_with_one_array_for_each_candidate() -> None:
    (decision,) = route([LeadFacts("1", country="DE")], PARTNERS, Ledger(), RoutingPolicy(), NOW)
    stored = json.loads(json.dumps(as_json(decision)))
    assert stored["partner_id"] == "p4"
    assert sorted(row[:2] for row in stored["candidates"]) == [
        ["p1", "territory"], ["p2", "capacity"], ["p3", "eligible"], ["p4", "eligible"],
    ]  # fmt: skip
