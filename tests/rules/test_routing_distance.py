"""The score's term `distance`: kilometres between places, what is not known, and how it is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.canonical.places import PLACES, km_between
from prm_sync.rules.routing import (
    TERMS,
    Batch,
    Board,
    Candidate,
    LeadFacts,
    Ledger,
    PartnerFacts,
    RoutingPolicy,
    as_json,
    explain,
    route,
)

NOW = datetime(2026, 5, 6, 10, tzinfo=UTC)


def policy(**distance: Any) -> RoutingPolicy:
    none = {name: {"weight": 0} for name in TERMS}
    names = {"DE-BY": ["Bayern"], "CN-GD": ["广东"], "VN-SG": ["Hồ Chí Minh"], "EG-C": ["القاهرة"]}
    score = {**none, "distance": {"weight": 1, **distance}}
    return RoutingPolicy.model_validate({"score": score, "region_names": names})


def partner(name: str, country: str | None = None, region: str | None = None) -> PartnerFacts:
    return PartnerFacts(name, territories=("*",), country=country, region=region)


def seen(lead: LeadFacts, *partners: PartnerFacts, **distance: Any) -> dict[str, tuple[float | None, str]]:
    (decision,) = route([lead], partners, Ledger(), policy(**distance), NOW)
    return {c.partner_id: (c.score, c.detail) for c in decision.candidates}


def test_the_nearer_partner_abroad_wins_over_the_farther_one() -> None:
    at = LeadFacts("1", country="DE", region="Bayern")
    found = seen(at, partner("wien", "AT"), partner("paris", "FR", "FR-IDF"), partner("saigon", "VN", "Hồ Chí Minh"))
    assert found == {
        "wien": (0.6, "214 to 333 km away"), "paris": (0.4, "500 to 750 km away"),
        "saigon": (0.0, "more than 4,500 km away"),
    }  # fmt: skip


def test_the_same_region_is_as_near_as_it_gets_whatever_its_name_is_written_like() -> None:
    for country, one, other in (
        ("DE", "Bayern", "BY"), ("CN", "广东", "CN-GD"), ("EG", "القاهرة", "C"), ("DE", "DE-X9", "x9"),
    ):  # fmt: skip
        found = seen(LeadFacts("1", country=country, region=one), partner("p", country.lower(), other))
        assert found == {"p": (1.0, "in the same region")}, one


def test_what_is_not_known_is_neither_near_nor_far() -> None:
    unknown = (0.5, "distance not known")
    here, nowhere, no_such = partner("here", "VN"), partner("nowhere"), partner("no-such", "ZZ", "ZZ-1")
    assert seen(LeadFacts("1"), here, nowhere, no_such) == dict.fromkeys(("here", "nowhere", "no-such"), unknown)
    found = seen(LeadFacts("1", country="VN"), here, nowhere, partner("far", "DE"), unknown=0.3)
    assert found["nowhere"] == (0.3, "distance not known")
    assert found["far"][0] == 0.0
    assert (found["here"][0] or 0) > 0.5


def test_the_same_country_is_never_worth_less_than_what_is_not_known() -> None:
    found = seen(LeadFacts("1", country="US"), partner("us", "US"), partner("ny", "US", "NY"), partner("none"))
    assert found == {"us": (0.5, "in the same country"), "ny": (0.5, "in the same country"),
                     "none": (0.5, "distance not known")}  # fmt: skip
    coast = seen(LeadFacts("1", country="US", region="CA"), partner("ny", "US", "NY"), partner("none"))
    assert coast["ny"][0] == 0.1  # both are known: it is far


def test_the_scale_is_the_policys() -> None:
    lead, other = LeadFacts("1", country="DE"), partner("p", "FR")
    km = km_between(PLACES["DE"], PLACES["FR"])
    for half in (100, 1000, 5000):
        assert seen(lead, other, half_after_km=half)["p"][0] == int(10 * half / (half + km)) / 10
    assert seen(LeadFacts("1", country="DE", region="BY"), partner("p", "DE", "BY"), same_region=0.7)["p"][0] == 0.7


def test_an_explanation_tells_how_far_away_each_candidate_is() -> None:
    partners = [partner("near", "NL"), partner("far", "EG", "القاهرة"), partner("none")]
    rules = RoutingPolicy()
    (decision,) = route([LeadFacts("1", country="BE")], partners, Ledger(), rules, NOW)
    lines = explain(as_json(decision))
    assert lines[1].startswith("  near: chosen: highest score;")
    assert lines[1].endswith("; 125 to 214 km away")
    assert lines[2].endswith("; distance not known")
    assert lines[3].endswith("; 2,000 to 4,500 km away")
    off = RoutingPolicy.model_validate({"score": {"distance": {"weight": 0}}})
    (decision,) = route([LeadFacts("1", country="BE")], partners, Ledger(), off, NOW)
    assert {c.detail for c in decision.candidates} == {""}


codes = st.sampled_from([*sorted(PLACES)[::9], "ZZ", None])


@settings(max_examples=60, deadline=None)
@given(codes, st.lists(codes, min_size=1, max_size=8), st.floats(20, 5000), st.floats(0, 1))
def test_nobody_nearer_ever_scores_less_and_everybody_has_a_grade(
    at: str | None, sits: list[str | None], half: float, unknown: float
) -> None:
    partners = [partner(f"p{n}", c and c[:2], c if c and "-" in c else None) for n, c in enumerate(sits)]
    rules = policy(half_after_km=half, unknown=unknown)
    lead = LeadFacts("1", country=at and at[:2], region=at if at and "-" in at else None)
    (decision,) = route([lead], partners, Ledger(), rules, NOW)
    rows: dict[str, Candidate] = {c.partner_id: c for c in decision.candidates}
    assert len(rows) == len(partners)
    measured = [
        (km_between(PLACES[at], PLACES[c]), rows[f"p{n}"].score or 0.0)
        for n, c in enumerate(sits)
        if at in PLACES and c in PLACES and c[:2] != at[:2]
    ]
    for km, score in measured:
        assert abs(score - half / (half + km)) <= 0.1 + 1e-9
    for (_, nearer), (_, farther) in zip(sorted(measured), sorted(measured)[1:], strict=False):
        assert nearer >= farther
    for n, c in enumerate(sits):
        if c not in PLACES or at not in PLACES:
            assert rows[f"p{n}"].score == (1.0 if c and c == at and "-" in c else int(unknown * 10_000 + 1e-6) / 10_000)


def test_distance_splits_the_partners_of_a_class_and_misses_nobody() -> None:
    partners = [partner(f"p{n:03}", c[:2], c if "-" in c else None) for n, c in enumerate(sorted(PLACES))]
    board = Board(partners, Ledger(), policy(), NOW)
    kind = board.kinds[Batch(board, [LeadFacts("1", country="DE", region="BY")]).kind_of[0]]
    parts = kind.roster.graded(kind, kind.passed)
    assert sum(some.bit_count() for _, some in parts) == len(partners)
    assert len({grade for grade, _ in parts}) == len(parts) > 5
