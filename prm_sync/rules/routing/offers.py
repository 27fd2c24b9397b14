"""The life of an offer: pending -> accepted | declined | expired | withdrawn, accepted -> working -> won | lost.

The seller takes back what waits, and what was accepted as long as nothing was won or lost: the lead may go in the CRM.

`MOVES` is all of it; `CASE_MOVES` that of a service case, accepted -> in_progress -> resolved -> closed, or reopened.
A move that is not there is a `Refusal`, a value: it goes to the history and moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, assert_never

State = Literal["pending", "accepted", "declined", "expired", "withdrawn"]
Answer = Literal["accepted", "declined"]
LeadStage = Literal["working", "won", "lost"]  #: how far a partner is with a lead that it accepted
CaseStage = Literal["in_progress", "resolved", "closed", "reopened"]  #: ... and with a case
Stage = LeadStage | CaseStage
Standing = State | Stage
Event = Literal["accept", "decline", "work", "win", "lose", "run_out", "withdraw", "resolve", "close", "reopen"]
Thing = Literal["lead", "case"]  #: what is offered
RefusalCode = Literal["repeated", "late", "superseded", "illegal", "before_offer"]

UNSTATED = "not stated"  #: the reason of a decline that came without one
CLOSED = "closed without an answer"  #: ... of one that is told by closing the record alone

MOVES: Mapping[Standing, Mapping[Event, Standing]] = {
    # Who works on a lead without a word has accepted it; who closes it without a word does not want it.
    "pending": {
        "accept": "accepted", "decline": "declined", "work": "working", "win": "won", "lose": "declined",
        "run_out": "expired", "withdraw": "withdrawn",
    },
    # What leads to where it is already is no move: each pull says it again.
    "accepted": {"accept": "accepted", "work": "working", "win": "won", "lose": "lost", "withdraw": "withdrawn"},
    "working": {"accept": "working", "work": "working", "win": "won", "lose": "lost", "withdraw": "withdrawn"},
    "won": {"accept": "won", "win": "won"},
    "lost": {"accept": "lost", "lose": "lost"},
    "declined": {"decline": "declined", "lose": "declined"},
    "expired": {"run_out": "expired"},
    "withdrawn": {"withdraw": "withdrawn"},
}  # fmt: skip
CASE_MOVES: Mapping[Standing, Mapping[Event, Standing]] = {
    "pending": {
        "accept": "accepted", "decline": "declined", "work": "in_progress", "resolve": "resolved",
        "run_out": "expired", "withdraw": "withdrawn",
    },
    # Who finds out later that it cannot help gives the case back: it goes to the next.
    "accepted": {
        "accept": "accepted", "decline": "declined", "work": "in_progress", "resolve": "resolved",
        "withdraw": "withdrawn",
    },
    "in_progress": {
        "accept": "in_progress", "decline": "declined", "work": "in_progress", "resolve": "resolved",
        "withdraw": "withdrawn",
    },
    # The seller closes a case, not the partner: what is taken from a partner that had solved it is closed.
    "resolved": {
        "accept": "resolved", "resolve": "resolved", "work": "in_progress", "close": "closed", "reopen": "reopened",
        "withdraw": "closed",
    },
    "closed": {"accept": "closed", "resolve": "closed", "close": "closed", "reopen": "reopened", "withdraw": "closed"},
    "reopened": {
        "accept": "reopened", "decline": "declined", "work": "in_progress", "resolve": "resolved",
        "reopen": "reopened", "withdraw": "withdrawn",
    },
    "declined": {"decline": "declined"},
    "expired": {"run_out": "expired"},
    "withdrawn": {"withdraw": "withdrawn"},
}  # fmt: skip
_LIVES: Mapping[Thing, Mapping[Standing, Mapping[Event, Standing]]] = {"lead": MOVES, "case": CASE_MOVES}
_ANSWERS: Mapping[Answer, Event] = {"accepted": "accept", "declined": "decline"}
_STAGES: Mapping[Stage, Event] = {
    "working": "work", "won": "win", "lost": "lose",
    "in_progress": "work", "resolved": "resolve", "closed": "close", "reopened": "reopen",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer of one lead, or case, to one partner. All times are aware."""

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
    stage: Stage | None = None  #: only where it is accepted
    of: Thing = "lead"

    @property
    def standing(self) -> Standing:
        return self.stage if self.state == "accepted" and self.stage is not None else self.state

    @property
    def moves(self) -> Mapping[Event, Standing]:
        """Where it can go from here."""
        return _LIVES[self.of][self.standing]


@dataclass(frozen=True, slots=True)
class Transition:
    """A move that is allowed."""

    offer_id: str
    before: Standing
    after: Standing
    at: datetime
    reason: str | None = None

    @property
    def stage(self) -> Stage | None:
        return stage_of(self.after)

    @property
    def state(self) -> State:
        match self.after:
            case "pending" | "accepted" | "declined" | "expired" | "withdrawn" as state:
                return state
            case _:
                return "accepted"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A move that is not. `repeated` is no trouble: the offer is in that state already (each pull says it again)."""

    offer_id: str
    state: Standing
    wanted: Standing
    at: datetime
    code: RefusalCode
    message: str


def apply_answer(offer: Offer, answer: Answer, at: datetime, reason: str | None = None) -> Transition | Refusal:
    """The partner's answer, given at `at` by the partner's clock (not when we heard of it).

    It counts while the offer is pending and has not run out, also if the sweep has not been there yet.
    """
    after = offer.moves.get(_ANSWERS[answer])
    if after == offer.standing:
        return _refusal(offer, answer, at, "repeated")
    if (code := _untimely(offer, at)) is not None:
        return _refusal(offer, answer, at, code)
    if offer.changed_at is not None and at <= offer.changed_at:
        return _refusal(offer, answer, at, "late")
    if after is None:
        return _refusal(offer, answer, at, "late" if offer.state == "expired" else "illegal")
    given = (reason or "").strip() or UNSTATED
    return Transition(offer.id, offer.standing, after, at, given if after == "declined" else None)


def apply_stage(offer: Offer, stage: Stage, at: datetime) -> Transition | Refusal:
    """How far the partner is with the lead, as it says at `at`: of an offer that still waits, an answer as well."""
    after = offer.moves.get(_STAGES[stage])
    if after == offer.standing:
        return _refusal(offer, stage, at, "repeated")
    if (code := _untimely(offer, at)) is not None:
        return _refusal(offer, stage, at, code)
    if offer.standing == "reopened" and offer.changed_at is not None and at <= offer.changed_at:
        return _refusal(offer, stage, at, "late")  # said before it was reopened
    if after is None:
        return _refusal(offer, stage, at, "late" if offer.state == "expired" else "illegal")
    return Transition(offer.id, offer.standing, after, at, CLOSED if after == "declined" else None)


def _untimely(offer: Offer, at: datetime) -> RefusalCode | None:
    if at < offer.offered_at:
        return "before_offer"
    if offer.superseded:
        return "superseded"
    return "late" if offer.state == "pending" and at >= offer.expires_at else None


def due(offers: Iterable[Offer], now: datetime) -> list[Transition]:
    """The offers that have run out by `now`, each at the moment it did."""
    return [
        Transition(o.id, o.standing, "expired", o.expires_at)
        for o in offers
        if o.moves.get("run_out") not in (None, o.standing) and o.expires_at <= now
    ]


def withdraw(offer: Offer, at: datetime, reason: str) -> Transition | Refusal:
    """The seller takes an offer back: one that waits or was accepted, but none that is won, lost or over."""
    after = offer.moves.get("withdraw")
    if after is None or after == offer.standing:
        return _refusal(offer, "withdrawn", at, "illegal" if after is None else "repeated")
    return Transition(offer.id, offer.standing, after, at, reason)


def reopen(offer: Offer, at: datetime, reason: str) -> Transition | Refusal:
    """The seller opens a case again that was done with: the partner who had it goes on."""
    after = offer.moves.get("reopen")
    if after is None or after == offer.standing:
        return _refusal(offer, "reopened", at, "illegal" if after is None else "repeated")
    return Transition(offer.id, offer.standing, after, at, reason)


def stage_of(standing: str | None) -> Stage | None:
    """The stage that this is, if it is one."""
    return next((stage for stage in _STAGES if stage == standing), None)


def moved(offer: Offer, transition: Transition) -> Offer:
    """The offer after the transition. Raises ValueError where the transition is of another offer or state."""
    if (offer.id, offer.standing) != (transition.offer_id, transition.before):
        raise ValueError(f"transition of offer {transition.offer_id} from {transition.before} does not fit {offer.id}")
    return replace(
        offer, state=transition.state, stage=transition.stage, changed_at=transition.at, reason=transition.reason
    )


US = "us"  #: the seller's own people


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an offered lead, or case, in the CRM. `sold_by`: who sells what the lead was converted to."""

    gone: bool = False  #: deleted
    merged: bool = False  #: found to be another one, which has its own offer
    status: str | None = None
    sold_by: str | None = None  #: the partner's id, or `US`; None: nobody says


def taken_back(offer: Offer, fate: Fate) -> str | None:
    """Why the offer is to be withdrawn; None: it stands.

    Of a lead that the partner has accepted, a conversion is what was hoped for: it ends the offer only where the
    opportunity is another partner's, or the seller's own.
    """
    if fate.merged:
        return f"the {offer.of} is one with another in the CRM"
    if fate.gone:
        return f"the {offer.of} is gone from the CRM"
    if offer.of == "case" or offer.state == "pending":
        return None if fate.status not in (None, *_OVER[offer.of]) else _told(offer, fate.status)
    if fate.status == "disqualified":
        return _told(offer, fate.status)
    if fate.status == "converted" and fate.sold_by not in (None, offer.partner_id):
        who = "the seller's own people" if fate.sold_by == US else "another partner"
        return f"the lead was converted in the CRM for {who}"
    return None


_OVER: Mapping[Thing, tuple[str, ...]] = {"lead": ("converted", "disqualified"), "case": ("resolved", "closed")}


def _told(offer: Offer, status: str | None) -> str:
    return f"the {offer.of} is {status} in the CRM" if status else f"the {offer.of} is gone from the CRM"


def _refusal(offer: Offer, wanted: Standing, at: datetime, code: RefusalCode) -> Refusal:
    return Refusal(offer.id, offer.standing, wanted, at, code, _words(offer, wanted, code))


def _words(offer: Offer, wanted: Standing, code: RefusalCode) -> str:
    match code:
        case "repeated":
            return f"the offer is {offer.standing} already"
        case "late" if offer.state == "pending":
            return f"answered after the offer had run out at {offer.expires_at:%Y-%m-%d %H:%M %Z}"
        case "late":
            since = offer.changed_at or offer.expires_at
            return f"'{wanted}' comes too late: the offer is {offer.state} since {since:%Y-%m-%d %H:%M %Z}"
        case "superseded":
            return f"the {offer.of} has been offered to another partner since"
        case "illegal":
            return f"an offer that is {offer.standing} cannot become {wanted}"
        case "before_offer":
            return "answered before the offer was made: check the clock of the PRM"
        case _:
            assert_never(code)
