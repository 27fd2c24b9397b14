"""Invented people and firms: the same seed gives the same ones."""

from __future__ import annotations

import random
from dataclasses import dataclass

from prm_sync.demo.words import TONGUES, Place, Tongue

SHARES = (24, 16, 16, 16, 10, 18)  #: of the languages of `TONGUES`, in percent


@dataclass(frozen=True, slots=True)
class Firm:
    """An invented company."""

    number: int
    tongue: Tongue
    place: Place
    name: str
    domain: str
    street: str
    city: str
    region: str
    postcode: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at a firm."""

    number: int
    given: str
    family: str
    title: str
    email: str
    mobile: str
    phone: str


def firm(rng: random.Random, number: int, kind: str, places: tuple[tuple[Tongue, Place], ...] | None = None) -> Firm:
    """A firm with a domain of its own under .example; at one of `places` in turn, else anywhere."""
    if places:
        tongue, place = places[number % len(places)]
    else:
        tongue = rng.choices(TONGUES, SHARES)[0]
        place = rng.choice(tongue.places)
    city, region, postcode = rng.choice(place.cities)
    name = tongue.firm.format(name=rng.choice(tongue.firms), trade=rng.choice(tongue.trades))
    return Firm(
        number, tongue, place, f"{name} {number}", f"{kind}{number}.example", tongue.street.format(n=rng.randint(1,
            400)), city,
        region, postcode,
    )  # fmt: skip


def person(rng: random.Random, number: int, at: Firm) -> Person:
    """A person with an address at the firm's domain and numbers of its country, as people type them."""
    tongue = at.tongue
    return Person(
        number, rng.choice(tongue.given), rng.choice(tongue.family), rng.choice(tongue.titles),
        f"p{number}@{at.domain}", number_of(rng, at, at.place.mobiles), number_of(rng, at, at.place.landlines),
    )  # fmt: skip


def number_of(rng: random.Random, at: Firm, patterns: tuple[str, ...]) -> str:
    """A telephone number; some people type it in the digits of their own script."""
    text = "".join(str(rng.randrange(10)) if c == "#" else c for c in rng.choice(patterns))
    if rng.random() < 0.2:
        text = text.translate(str.maketrans("0123456789", at.tongue.digits))
    return text
