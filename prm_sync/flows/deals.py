"""What was decided about registrations, followed up: the deal in the CRM is linked or to be made, later won or lost.

The deal itself is made by push (`warehouse.targets`, scope `registered`); until then it has only its id.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.errors import ConfigError
from prm_sync.rules.deals import SPEAKS, How, Status, customer_of, first_of, status_of
from prm_sync.rules.registrations import Claim, Index, index_of, near, turn
from prm_sync.warehouse import alerts, claims, deals, source
from prm_sync.warehouse.offers import stable_id

if TYPE_CHECKING:
    from prm_sync.flows.register import Registering

OPEN: frozenset[Status] = frozenset({"approved", "converted"})


def home_of(app: App) -> str | None:
    """The CRM in which deals are made: the policy's, else the first that takes them. Raises ConfigError."""
    takes = [
        m.connection for m in app.back_mappings()
        if m.entity == "opportunity" and m.back is not None and "deal_registration_id" in m.back.uses
        and app.connector(m.connection).kind == "crm"
    ]  # fmt: skip
    named = app.policies.registrations.deals.connection
    if named is not None and named not in takes:
        known = ", ".join(takes) or "none"
        raise ConfigError(
            f"policies/registrations.yaml: deals.connection is {named!r}, which is no CRM whose mapping writes "
            f"deals of registrations (there are: {known})"
        )
    return named or next(iter(takes), None)


@dataclass(frozen=True, slots=True)
class Followed:
    """A row of `ledger.registered_deal`, in the order of its columns."""

    registration_id: str
    partner_id: str
    status: Status
    how: How | None = None
    opportunity_id: str | None = None
    connection: str | None = None
    account_id: str | None = None
    credit: str | None = None
    stage: str | None = None
    protected_until: datetime | None = None


def follow_up(work: Registering, ids: Collection[str]) -> int:
    """Bring what becomes of these registrations up to what was decided and to the CRM; returns how many are news."""
    rows = deals.standing(work.tx, ids)
    if not rows:
        return 0
    following = _Following(work, rows)
    found = following.all()
    touched = source.change_number(work.tx, claims.LOCK)
    _alert(work.tx, found, {r.id: r.how for r in rows}, work.now)
    return deals.keep(work.tx, ((*astuple(f), touched) for f in found))


class _Following:
    """The registrations of one pass: first those that have a deal, then those that share one, then the others.

    Among these in the order of their turn: an earlier one has the deal, a later one shares it.
    """

    def __init__(self, work: Registering, rows: Sequence[sa.Row[Any]]) -> None:
        self.work, self.policy, self.home = work, work.policy, home_of(work.app)
        self.claims = work.rows([r.id for r in rows])
        self.rows = sorted(rows, key=self._place)
        known = {i for r in rows for i in (r.deal_id, r.linked_id, r.own_id) if i is not None}
        self.deals = deals.opportunities(work.tx, known)
        batch = {r.id for r in rows}
        self.speaking = {deal: r for deal, r in deals.speaking(work.tx, known).items() if r not in batch}
        self.found: dict[str, Followed] = {}
        # Only a registration without a deal asks for its customer, and for others of the same deal.
        without = [c for r in rows if (c := self.claims.get(r.id)) is not None and self._has_no_buyer(r)]
        self.accounts: Index = index_of(work.held_near(without, "account", anybodys=True) if without else ())
        others = work.registrations_near(without) if without else []
        self.registrations: Index = index_of([*others, *self.claims.values()])
        self.kept = deals.kept(work.tx, [c.id for c in others if c.id not in batch])

    def _place(self, row: sa.Row[Any]) -> tuple[int, tuple[float, str]]:
        claim = self.claims.get(row.id)
        rank = 0 if row.how in SPEAKS else 1 if row.how == "shares" else 2
        return rank, turn(claim) if claim is not None else (float("inf"), row.id)

    def all(self) -> list[Followed]:
        for row in self.rows:
            self.found[row.id] = self._one(row)
        return list(self.found.values())

    def _one(self, row: sa.Row[Any]) -> Followed:
        claim = self.claims.get(row.id)
        shared = row.how == "shares" and (row.deal_id in self.deals or row.deal_id in self.speaking)
        deal_id = row.own_id or row.linked_id or (row.deal_id if row.how in SPEAKS or shared else None)
        if row.outcome != "approve" or not row.alive or (claim is None and deal_id is None):
            return self._over(row)
        how: How | None
        account = self._customer(claim) if claim is not None and self._has_no_buyer(row) else None
        how, deal_id = self._how(row, claim, deal_id, account)
        deal = self.deals.get(deal_id) if deal_id is not None else None
        if deal is not None and deal.deleted_at is not None:
            how = "gone"
        if how in SPEAKS and deal_id is not None:
            self.speaking[deal_id] = row.id
        there = deal is not None and how != "gone"
        until = row.protected_until
        status = status_of(
            "approve", self.work.now, protected_until=until, stage=deal.stage if deal is not None else None, there=there
        )
        shown = None if status == "expired" and self.policy.deals.after_protection == "clear" else until
        home = deal.connection if deal is not None else row.connection or self.home
        return Followed(
            row.id, row.partner_id, status, how, deal_id, home if deal_id is not None else None, account,
            self._credit(row, how, deal_id, deal),
            row.stage or self.policy.deals.stage if how == "made" else None, shown,
        )  # fmt: skip

    def _over(self, row: sa.Row[Any]) -> Followed:
        """Not approved, or gone: what the CRM says of it is that nothing is protected any more."""
        speaks = row.how in SPEAKS
        status = status_of(row.outcome, self.work.now, protected_until=None, stage=None, there=False, alive=False)
        return Followed(
            row.id, row.partner_id, status, row.how if speaks else None, row.deal_id if speaks else None,
            row.connection if speaks else None,
        )  # fmt: skip

    def _how(
        self, row: sa.Row[Any], claim: Claim | None, deal_id: str | None, account: str | None
    ) -> tuple[How | None, str | None]:
        """How the registration comes to its deal, and which it is."""
        if deal_id is not None:
            if self.speaking.get(deal_id, row.id) != row.id:
                return "shares", deal_id
            made = deal_id == row.own_id or deal_id not in self.deals
            return row.how if row.how in SPEAKS else "made" if made else "linked", deal_id
        if claim is None:
            return None, None
        first = first_of(claim, [c for c in near(claim, self.registrations) if self._open_deal(c.id)], self.policy)
        if first is not None:
            return "shares", self._open_deal(first)
        if self.home is None:
            return None, None
        if account is None and self.policy.deals.unknown_account == "wait":
            return "waits", None
        return "made", stable_id("opportunity", row.id)

    def _open_deal(self, registration_id: str) -> str | None:
        """The deal that another registration has, as long as it is open."""
        other = self.found.get(registration_id) or self.kept.get(registration_id)
        return other.opportunity_id if other is not None and other.status in OPEN else None

    def _has_no_buyer(self, row: sa.Row[Any]) -> bool:
        deal = next((self.deals[i] for i in (row.own_id, row.linked_id, row.deal_id) if i in self.deals), None)
        return row.outcome == "approve" and row.alive and (deal is None or deal.account_ref is None)

    def _customer(self, claim: Claim) -> str | None:
        return customer_of(claim, near(claim, self.accounts), self.policy)

    def _credit(self, row: sa.Row[Any], how: How | None, deal_id: str | None, deal: sa.Row[Any] | None) -> str | None:
        if how not in SPEAKS:
            return None
        if row.credit is not None and row.deal_id == deal_id:
            return str(row.credit)  # our own word in the CRM does not make the partner the one who brought it
        brought = how == "made" or (deal is not None and deal.partner_id == row.partner_id)
        return self.policy.deals.credit_made if brought else self.policy.deals.credit_linked


def _alert(tx: sa.Connection, found: Sequence[Followed], before: dict[str, Any], now: datetime) -> None:
    words = {
        "waits": "is approved and waits: the CRM does not know its customer. Make the account there; the deal follows",
        "gone": "is approved, and its deal was deleted in the CRM: it is not made again. Decide with "
                "`prm-sync registrations decide`, or restore it there",
    }  # fmt: skip
    said = (
        (f"registration {f.registration_id}", f"{words[f.how]}; `prm-sync registrations show {f.registration_id}`")
        for f in found if f.how in words and before.get(f.registration_id) != f.how
    )  # fmt: skip
    alerts.keep(tx, "registered_deal", said, now)
