"""The life of an offer: pending -> accepted | declined | expired | withdrawn, and no other way.

A move that is not allowed is a `Refusal`, a value: it goes to the offer's history and moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, assert_never

State = Literal["pending", "accepted", "declined", "expired", "withdrawn"]
Answer = Literal["accepted", "declined"]
RefusalCode = Literal["repeated", "late", "superseded", "illegal", "before_offer"]

UNSTATED = "not stated"  #: the reason of a decline that came without one


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer of one lead to one partner. All times are aware."""

    id: str
    lead_id: str
    partner_id: str
    offered_at: datetime
    expires_at: datetime
    state: State = "pending"
    changed_at: datetime | None = None  #: time of the last transition; None while pending
    reason: str | None = None
    rank: int = 1  #: 1 for the first offer of the lead
    superseded: bool = False  #: the lead has been offered to somebody since


@dataclass(frozen=True, slots=True)
class Transition:
    """A move that is allowed."""

    offer_id: str
    before: State
    after: State
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A move that is not. `repeated` is no trouble: the offer is in that state already (each pull says it again)."""

    offer_id: str
    state: State
    wanted: State
    at: datetime
    code: RefusalCode
    message: str


def apply_answer(offer: Offer, answer: Answer, at: datetime, reason: str | None = None) -> Transition | Refusal:
    """The partner's answer, given at `at` by the partner's clock (not when we heard of it).

    It counts while the offer is pending and has not run out, also if the sweep has not been there yet.
    """
    if offer.state == answer:
        return _refusal(offer, answer, at, "repeated")
    if at < offer.offered_at:
        return _refusal(offer, answer, at, "before_offer")
    if offer.superseded:
        return _refusal(offer, answer, at, "superseded")
    if offer.changed_at is not None and at <= offer.changed_at:
        return _refusal(offer, answer, at, "late")
    if offer.state != "pending":
        return _refusal(offer, answer, at, "late" if offer.state == "expired" else "illegal")
    if at >= offer.expires_at:
        return _refusal(offer, answer, at, "late")
    given = (reason or "").strip() or UNSTATED
    return Transition(offer.id, offer.state, answer, at, given if answer == "declined" else None)


def due(offers: Iterable[Offer], now: datetime) -> list[Transition]:
    """The offers that have run out by `now`, each at the moment it did."""
    return [
        Transition(o.id, "pending", "expired", o.expires_at)
        for o in offers
        if o.state == "pending" and o.expires_at <= now
    ]


def withdraw(offer: Offer, at: datetime, reason: str) -> Transition | Refusal:
    """The seller takes an offer back, which it can only while the partner has not answered."""
    if offer.state == "withdrawn":
        return _refusal(offer, "withdrawn", at, "repeated")
    if offer.state != "pending":
        return _refusal(offer, "withdrawn", at, "illegal")
    return Transition(offer.id, "pending", "withdrawn", at, reason)


def moved(offer: Offer, transition: Transition) -> Offer:
    """The offer after the transition. Raises ValueError where the transition is of another offer or state."""
    if (offer.id, offer.state) != (transition.offer_id, transition.before):
        raise ValueError(f"transition of offer {transition.offer_id} from {transition.before} does not fit {offer.id}")
    return replace(offer, state=transition.after, changed_at=transition.at, reason=transition.reason)


def _refusal(offer: Offer, wanted: State, at: datetime, code: RefusalCode) -> Refusal:
    return Refusal(offer.id, offer.state, wanted, at, code, _words(offer, wanted, code))


def _words(offer: Offer, wanted: State, code: RefusalCode) -> str:
    match code:
        case "repeated":
            return f"the offer is {offer.state} already"
        case "late" if offer.state == "pending":
            return f"answered after the offer had run out at {offer.expires_at:%Y-%m-%d %H:%M %Z}"
        case "late":
            since = offer.changed_at or offer.expires_at
            return f"'{wanted}' comes too late: the offer is {offer.state} since {since:%Y-%m-%d %H:%M %Z}"
        case "superseded":
            return "the lead has been offered to another partner since"
        case "illegal":
            return f"an offer that is {offer.state} cannot become {wanted}"
        case "before_offer":
            return "answered before the offer was made: check the clock of the PRM"
        case _:
            assert_never(code)
