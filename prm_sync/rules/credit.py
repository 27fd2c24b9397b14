"""Who has the credit for a won deal: one partner, or the seller's own people, has all of it; others influenced it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from prm_sync.rules.registrations import Claim, Outcome, turn


@dataclass(frozen=True, slots=True)
class WonDeal:
    """A deal that was won, and what the CRM says of the partner."""

    id: str
    amount_minor: int
    currency: str
    partner_id: str | None = None
    credit: Literal["sourced", "influenced", "fulfilled", "none"] | None = None


@dataclass(frozen=True, slots=True)
class Credit:
    """A share in a won deal. `partner_id` None: the seller's own people. One of a deal is primary, with all of it."""

    deal_id: str
    partner_id: str | None
    kind: Literal["sourced", "influenced", "direct"]
    primary: bool
    amount_minor: int
    currency: str
    because: str
    registration_id: str | None = None  #: what it rests on


def credit_of(deal: WonDeal, claims: Iterable[tuple[Claim, Outcome]]) -> list[Credit]:
    """Who has a share in a won deal: exactly one of them is primary, and that one has the whole amount.

    `claims`: registrations of this deal, each with what was decided. The CRM's word on who sourced the deal goes first,
    then the first approved registration; without either it is the seller's own. Everybody else has influenced it, and
    so has a partner of whom the CRM says just that, whatever it has registered.
    """
    approved = sorted((c for c, outcome in claims if outcome == "approve" and c.partner_id), key=turn)
    named = deal.partner_id if deal.credit != "none" else None
    helping = named if deal.credit in ("influenced", "fulfilled") else None
    because, primary, rests_on = "nobody else registered it", None, None
    claiming = [c for c in approved if c.partner_id != helping]
    if named is not None and helping is None:
        primary, because = named, "the CRM names the partner"
    elif claiming:
        primary, rests_on = claiming[0].partner_id, claiming[0].id
        because = f"registration {rests_on} was approved first"
    kind: Literal["sourced", "direct"] = "sourced" if primary is not None else "direct"
    found = [Credit(deal.id, primary, kind, True, deal.amount_minor, deal.currency, because, rests_on)]
    helped: dict[str | None, tuple[str, str | None]] = {
        c.partner_id: (f"registration {c.id}", c.id) for c in reversed(approved)
    }
    if named is not None and deal.credit != "fulfilled":  # who only delivers has neither sourced nor influenced it
        helped[named] = ("the CRM names the partner", None)
    for partner, (why, of) in sorted((p, w) for p, w in helped.items() if p is not None and p != primary):
        found.append(Credit(deal.id, partner, "influenced", False, deal.amount_minor, deal.currency, why, of))
    return found
