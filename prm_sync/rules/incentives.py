"""Incentive programmes: what partners earn by them, and whether what they claim is that. Pure functions.

A programme gives a percentage of an order that the partner sold, or of a won deal that it sourced. Amounts are in minor
units of the order's or deal's own currency; nothing is converted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import Field as Setting

from prm_sync.rules.fold import fold
from prm_sync.rules.policyfile import Part, Policy, load, schema_of
from prm_sync.yamlfile import Place, YamlFile

EarnedBy = Literal["orders", "sourced_deals"]
CheckState = Literal["as_earned", "too_much", "too_little", "not_earned", "not_claimed", "other_currency"]
VOID = ("declined", "reversed", "expired")  #: claims in these states ask for nothing any more


class Programme(Part):
    name: str = Setting(min_length=1, description="As claims name it")
    earned_by: EarnedBy = Setting(description="Orders that the partner sold, or won deals that it sourced")
    percent: float = Setting(gt=0, le=100, description="Of the amount of the order or deal")
    tiers: tuple[str, ...] = Setting(default=(), description="Levels that take part; empty: all")
    products: tuple[str, ...] = Setting(default=(), description="Products that count; empty: all")
    since: date | None = Setting(default=None, description="First day of orders and deals that count")
    until: date | None = Setting(default=None, description="Last day")


class IncentivePolicy(Policy):
    """A whole `policies/incentives.yaml`."""

    programmes: tuple[Programme, ...] = Setting(default=(), description="Without any, claims are not checked")
    tolerance_percent: float = Setting(
        default=1.0, ge=0, le=100, description="A claim may differ from what was earned by so much"
    )

    def mistakes(self) -> Iterable[tuple[Place, str]]:
        seen: set[str] = set()
        for n, p in enumerate(self.programmes):
            if fold(p.name) in seen:
                yield ("programmes", n, "name"), f'there are two programmes "{p.name}"'
            seen.add(fold(p.name))
            if p.since is not None and p.until is not None and p.until < p.since:
                yield ("programmes", n, "until"), "ends before it begins"


def load_incentives(source: Path | YamlFile) -> IncentivePolicy:
    """Raises ConfigError with the file:line of every mistake."""
    return load(IncentivePolicy, source)


def incentives_schema() -> dict[str, Any]:
    return schema_of(IncentivePolicy, "incentives")


@dataclass(frozen=True, slots=True)
class Sale:
    """An order that a partner sold, or a won deal that it sourced."""

    kind: EarnedBy
    id: str
    partner_id: str
    amount_minor: int
    currency: str
    on: date  #: ordered, or won
    product: str | None = None
    tier: str | None = None  #: the partner's level

    @property
    def basis(self) -> str:
        """What stands for it in the mart."""
        return f"{'order' if self.kind == 'orders' else 'opportunity'}:{self.id}"


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """What a partner claims. `bases`: the order or deal it names, in the form of `Sale.basis`; several: either."""

    id: str
    partner_id: str
    programme: str | None
    bases: tuple[str, ...]
    amount_minor: int
    currency: str | None
    status: str | None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was earned, or is claimed, by a partner under a programme."""

    partner_id: str
    programme: str
    basis: str
    currency: str
    earned: int
    claimed: int
    paid: int
    state: CheckState
    claims: tuple[str, ...]


def earned(sales: Iterable[Sale], policy: IncentivePolicy) -> Iterator[tuple[Programme, Sale, int]]:
    """What every sale earns by every programme that it counts for, minor units, rounded half to even."""
    for sale in sales:
        for programme in policy.programmes:
            if _counts(sale, programme):
                share = Decimal(sale.amount_minor) * Decimal(str(programme.percent)) / 100
                yield programme, sale, int(share.to_integral_value())


def _counts(sale: Sale, programme: Programme) -> bool:
    def among(value: str | None, names: tuple[str, ...]) -> bool:
        return not names or fold(value or "") in map(fold, names)

    return (
        sale.kind == programme.earned_by
        and (programme.since or sale.on) <= sale.on <= (programme.until or sale.on)
        and among(sale.tier, programme.tiers)
        and among(sale.product, programme.products)
    )


def check(sales: Iterable[Sale], claims: Iterable[ClaimRow], policy: IncentivePolicy) -> list[Check]:
    """Everything that was earned beside what is claimed for it; sorted. Without programmes there is nothing to check.

    A claim belongs to what its programme gives for the order or deal that it names; one that names no programme, to any
    programme's. Several claims for one thing are added up, so that what is claimed twice is too much.
    """
    if not policy.programmes:
        return []
    amounts: dict[tuple[str, str, str], tuple[int, str]] = {}
    for programme, sale, minor in earned(sales, policy):
        amounts[sale.partner_id, programme.name, sale.basis] = (minor, sale.currency)
    by_basis: dict[tuple[str, str], list[str]] = defaultdict(list)
    for partner_id, name, basis in amounts:
        by_basis[partner_id, basis].append(name)
    claimed: dict[tuple[str, str, str], list[ClaimRow]] = defaultdict(list)
    for claim in claims:
        if claim.status not in VOID:
            claimed[_key(claim, by_basis, policy)].append(claim)
    return [
        _checked(key, amounts.get(key), sorted(claimed.get(key, ()), key=lambda c: c.id), policy)
        for key in sorted({*amounts, *claimed})
    ]


def _key(
    claim: ClaimRow, by_basis: Mapping[tuple[str, str], list[str]], policy: IncentivePolicy
) -> tuple[str, str, str]:
    known = {fold(p.name): p.name for p in policy.programmes}
    name = known.get(fold(claim.programme or ""))
    for basis in claim.bases:
        names = by_basis.get((claim.partner_id, basis), [])
        if names and (claim.programme is None or name in names):
            return claim.partner_id, name if name in names else min(names), basis
    return claim.partner_id, name or "", claim.bases[0] if claim.bases else f"claim:{claim.id}"


def _checked(
    key: tuple[str, str, str], gives: tuple[int, str] | None, claims: list[ClaimRow], policy: IncentivePolicy
) -> Check:
    minor, currency = gives or (0, next((c.currency for c in claims if c.currency), ""))
    claimed = sum(c.amount_minor for c in claims)
    paid = sum(c.amount_minor for c in claims if c.status == "paid")
    state: CheckState
    if not claims:
        state = "not_claimed"
    elif gives is None:
        state = "not_earned"
    elif any(c.currency not in (None, currency) for c in claims):
        state = "other_currency"
    elif abs(claimed - minor) <= abs(minor) * policy.tolerance_percent / 100 + 1:  # one minor unit is rounding
        state = "as_earned"
    else:
        state = "too_much" if claimed > minor else "too_little"
    return Check(*key, currency, minor, claimed, paid, state, tuple(c.id for c in claims))
