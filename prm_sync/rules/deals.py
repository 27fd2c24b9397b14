"""What becomes of a registration that was decided about: where it stands, and its deal in the CRM. Pure functions.

submitted -> under_review -> rejected | approved -> converted -> won | lost; approved and converted ones expire.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from prm_sync.rules.registrations import Claim, Outcome, RegistrationPolicy, likeness, turn

Status = Literal["under_review", "rejected", "cancelled", "approved", "converted", "won", "lost", "expired"]
How = Literal["made", "linked", "shares", "waits", "gone"]
SPEAKS: frozenset[How] = frozenset({"made", "linked"})  #: what the CRM shows of a deal comes from this registration


def status_of(
    outcome: Outcome, now: datetime, *, protected_until: datetime | None, stage: str | None, there: bool,
    alive: bool = True,
) -> Status:  # fmt: skip
    """`stage`: of the deal in the CRM; `there`: the CRM has it; `alive`: the PRM has the registration still."""
    if outcome != "approve":
        return "under_review" if outcome == "review" else "rejected"
    if not alive:
        return "cancelled"
    if there and stage == "won":
        return "won"
    if there and stage == "lost":
        return "lost"
    if protected_until is not None and protected_until <= now:
        return "expired"
    return "converted" if there else "approved"


def customer_of(registration: Claim, accounts: Iterable[Claim], policy: RegistrationPolicy) -> str | None:
    """The account that is the registration's customer; of two that are as like it as each other the first by id."""
    found = sorted((-likeness(registration, a).score, a.id) for a in accounts)
    return found[0][1] if found and -found[0][0] >= policy.conflict else None


def first_of(registration: Claim, others: Iterable[Claim], policy: RegistrationPolicy) -> str | None:
    """The first of these registrations that is of the same deal; whose it is does not matter."""
    same = [o for o in others if likeness(registration, o).score >= policy.conflict]
    return min(same, key=turn).id if same else None
