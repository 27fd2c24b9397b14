"""Deal registrations: core.deal_registration -> ledger. Part of route, before leads are offered: approved ones protect.

Runs where registrations, deals, accounts, offers, the policy or the day changed; it then reads what others hold anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.flows.report import FlowReport
from prm_sync.rules.credit import Credit, WonDeal, credit_of
from prm_sync.rules.registrations import Claim, Conflict, Outcome, RegistrationPolicy, Verdict, judge, likeness
from prm_sync.warehouse import alerts, progress
from prm_sync.warehouse import registrations as ledger
from prm_sync.warehouse.offers import stable_id

STEP = "register"


def judge_registrations(app: App, now: datetime, run_id: str, report: FlowReport) -> None:
    """Decide what waits, keep conflicts with their evidence, say who has the credit for won deals."""
    policy = app.policies.registrations
    with app.db.begin() as tx:
        tx.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('prm_sync:registrations'))")
        if progress.upto(tx, STEP, _key(tx, policy, now)):
            return
        rows = [r for r in ledger.claimed(tx) if r.partner_id is not None]
        claims = {r.id: _claim(r) for r in rows}
        asked = [claims[r.id] for r in rows if not _is_rejected(r)]
        since = min((c.since for c in asked if c.since is not None and not c.approved), default=now)
        others = [Claim(**dict(r)) for r in ledger.held(tx, since)] if asked else []
        verdicts = judge(asked, others, policy, now)
        decided = ledger.decide(tx, (_decision(v, claims[v.registration_id], policy, now, run_id) for v in verdicts))
        outcomes: dict[str, str] = {r.id: r.outcome for r in rows if r.outcome is not None}
        outcomes |= {v.registration_id: v.outcome for v in verdicts}
        conflicts = _once(c for v in verdicts for c in v.conflicts)
        found = ledger.find(
            tx, [_row(i, c, outcomes, policy, now) for i, c in conflicts.items()], [c.id for c in asked], now
        )
        _alert(tx, verdicts, now)
        linked = {v.registration_id: v.opportunity_id for v in verdicts}
        shares = [
            (c.deal_id, c.partner_id or "", c.kind, c.primary, c.amount_minor, c.currency, c.because, now)
            for c in _credits(tx, claims, outcomes, linked, policy)
        ]
        credited = ledger.credit(tx, shares)
        progress.keep(tx, STEP, 1, _key(tx, policy, now))
    report.add(registrations=decided, deal_conflicts=found, credits=credited)


def _key(tx: sa.Connection, policy: RegistrationPolicy, now: datetime) -> str:
    return f"{policy.version}|{now:%Y-%m-%d}|{ledger.marks(tx)}"  # protection ends by the day


def _is_rejected(row: sa.Row[Any]) -> bool:
    return bool(row.outcome == "reject" and row.status not in ledger.HOLDING)


def _claim(row: sa.Row[Any]) -> Claim:
    return Claim(
        "registration", row.id, row.partner_id, row.since, row.company, row.domain, row.tax_id, row.country, row.email,
        row.product, row.opportunity_id or row.linked_id, row.protected_until,
        approved=row.status in ledger.HOLDING or row.outcome == "approve",
    )  # fmt: skip


def _decision(v: Verdict, claim: Claim, policy: RegistrationPolicy, now: datetime, run_id: str) -> tuple[Any, ...]:
    until = claim.protected_until
    if v.outcome == "approve" and until is None:
        until = now + timedelta(days=policy.window.protection_days)
    return (
        v.registration_id, claim.partner_id, v.outcome, v.because, now, None, until if v.outcome == "approve" else None,
        v.opportunity_id, policy.version, run_id,
    )  # fmt: skip


def _once(conflicts: Iterable[Conflict]) -> dict[str, Conflict]:
    """Two registrations are one conflict, kept as the later one's."""
    found: dict[str, Conflict] = {}
    for c in conflicts:
        pair = sorted((("registration", c.registration_id), (c.other.kind, c.other.id)))
        id_ = stable_id("dealconflict", *(part for one in pair for part in one))
        if id_ not in found or c.other_first:
            found[id_] = c
    return found


def _row(
    id_: str, c: Conflict, outcomes: Mapping[str, str], policy: RegistrationPolicy, now: datetime
) -> tuple[Any, ...]:
    awaited = "review" in (outcomes.get(c.registration_id), outcomes.get(c.other.id))
    return (
        id_, c.kind, c.registration_id, c.partner_id, c.other.kind, c.other.id, c.other.partner_id, c.other_first,
        c.apart.total_seconds() if c.apart is not None else None, c.likeness.score, list(c.likeness.evidence),
        "open" if awaited else "settled", now, None if awaited else now, policy.version,
    )  # fmt: skip


def _alert(tx: sa.Connection, verdicts: Sequence[Verdict], now: datetime) -> None:
    said = (
        (f"registration {v.registration_id}",
         f"a person is to decide: {v.because}; `prm-sync registrations show {v.registration_id}`")
        for v in verdicts if v.outcome == "review"
    )  # fmt: skip
    alerts.keep(tx, "registration", said, now)


def _credits(
    tx: sa.Connection, claims: Mapping[str, Claim], outcomes: Mapping[str, str], linked: Mapping[str, str | None],
    policy: RegistrationPolicy,
) -> Iterable[Credit]:  # fmt: skip
    """Of every won deal."""
    by_deal: dict[str, list[Claim]] = defaultdict(list)
    by_key: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for claim in claims.values():
        deal_id = claim.opportunity_id or linked.get(claim.id)
        if deal_id is not None:
            by_deal[deal_id].append(claim)
            continue
        for key in claim.keys:
            by_key[key].append(claim)
    for row in ledger.won(tx):
        deal = Claim("opportunity", row.id, row.partner_id, row.closed_at, row.company, row.domain, row.tax_id,
                     row.country, None, row.product)  # fmt: skip
        near = {c.id: c for key in deal.keys for c in by_key[key] if _in_time(c, row.closed_at)}
        mine = [c for c in near.values() if likeness(deal, c).score >= policy.conflict] + by_deal[row.id]
        told: list[tuple[Claim, Outcome]] = [(c, "approve" if outcomes.get(c.id) == "approve" else "review")
                                             for c in mine]  # fmt: skip
        yield from credit_of(WonDeal(row.id, row.amount, row.currency, row.partner_id, row.credit), told)


def _in_time(claim: Claim, closed_at: datetime | None) -> bool:
    """Whether it was registered before the deal closed, and protected still."""
    if closed_at is None or claim.since is None:
        return True
    return claim.since <= closed_at and (claim.protected_until is None or claim.protected_until >= closed_at)
