"""The table of places against what others know: cities of every country (tzdata), and well-known distances."""

from __future__ import annotations

import re
from collections import defaultdict
from importlib.resources import files
from math import pi, sqrt

import pytest

from prm_sync.canonical.countries import COUNTRIES
from prm_sync.canonical.places import PLACES, Place, km_between

UNINHABITED = {"AQ", "BV", "GS", "HM", "TF", "UM"}
OUTLYING = {"ES-CN", "US-AK", "US-HI"}  # far from the middle of their country, as the table has it


def degrees(text: str) -> float:
    sign, rest = (-1 if text[0] == "-" else 1), text[1:]
    whole = 3 if len(rest) in (5, 7) else 2
    return sign * (int(rest[:whole]) + int(rest[whole : whole + 2]) / 60)


def cities() -> dict[str, list[Place]]:
    """A city of each time zone of each country."""
    found = defaultdict(list)
    for line in (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            country, at = line.split("\t")[:2]
            north, east = re.findall(r"[+-]\d+", at)
            found[country].append(Place(country, degrees(north), degrees(east), 0.0))
    return found


def middle(place: Place) -> Place:
    return Place("", place.latitude, place.longitude, 0.0)


def radius_km(place: Place) -> float:
    return sqrt(place.area_km2 / pi)


def test_every_country_that_somebody_lives_in_has_a_place() -> None:
    assert {c for c in PLACES if "-" not in c} == set(COUNTRIES.values()) - UNINHABITED


def test_the_middle_of_a_country_is_not_far_from_one_of_its_cities() -> None:
    known = cities()
    for code, place in PLACES.items():
        if "-" not in code and code != "XK":  # Kosovo has no line of its own there
            nearest = min(km_between(middle(place), city) for city in known[code])
            assert nearest < 100 + 2 * radius_km(place), (code, nearest)


def test_a_region_lies_in_its_country_and_is_no_larger() -> None:
    for code, place in PLACES.items():
        if "-" in code and code not in OUTLYING:
            country = PLACES[code[:2]]
            away = km_between(middle(place), middle(country))
            assert away < 2.5 * radius_km(country), (code, away)
            assert place.area_km2 < country.area_km2, code


@pytest.mark.parametrize("country", ["US", "CA", "AU", "BR", "CN", "DE", "ES", "FR", "IT"])
def test_regions_of_a_country_that_is_told_whole_make_up_its_area(country: str) -> None:
    regions = [p.area_km2 for c, p in PLACES.items() if c.startswith(f"{country}-") and c not in OUTLYING]
    assert 0.9 < sum(regions) / PLACES[country].area_km2 < 1.1


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [  # great circles between cities, and so about: Paris - Berlin, Los Angeles - New York, Munich - Hamburg, ...
        ("FR-IDF", "DE-BE", 880), ("US-CA", "US-NY", 3940), ("DE-BY", "DE-HH", 610), ("VN-HN", "VN-SG", 1140),
        ("CN-BJ", "CN-SH", 1070), ("SG", "HK", 2590), ("AU-NSW", "AU-WA", 2900), ("BE", "NL", 170), ("PT", "ES", 500),
    ],
)  # fmt: skip
def test_distances_are_about_what_they_are_between_cities(one: str, other: str, km: float) -> None:
    a, b = PLACES[one], PLACES[other]
    assert abs(km_between(a, b) - km) < 0.2 * km + 60
    assert km_between(a, b) == km_between(b, a)


def test_two_points_of_one_large_country_are_far_apart_as_far_as_anybody_knows() -> None:
    assert km_between(PLACES["SG"], PLACES["SG"]) < 20
    assert 1_500 < km_between(PLACES["US"], PLACES["US"]) < 1_700
    assert km_between(PLACES["NL"], PLACES["NL"]) < km_between(PLACES["NL"], PLACES["BE"])


def test_a_great_circle_takes_the_short_way_round_the_date_line() -> None:
    assert km_between(PLACES["FJ"], PLACES["WS"]) < 1_300
