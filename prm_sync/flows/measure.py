"""measure: core + ledger -> mart. Each part looks at what changed since it last ran; none depends on another's run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from prm_sync.app import App
from prm_sync.errors import ConfigError
from prm_sync.flows.forecast import keep_forecast
from prm_sync.flows.pacing import keep_pacing
from prm_sync.flows.recommendations import recommend
from prm_sync.flows.report import FlowReport
from prm_sync.flows.signals import tell_demand
from prm_sync.rules import incentives as incentive_rules
from prm_sync.rules.papers import Certificate, Contract, agreement_on, certificates_on, valid_on
from prm_sync.rules.performance import DEFINITION_VERSION, performance
from prm_sync.warehouse import incentives, offers, progress, registrations, service, source, standing
from prm_sync.warehouse import performance as mart
from prm_sync.warehouse.runs import running

log = logging.getLogger(__name__)


def measure(app: App, parts: Sequence[str] = (), *, dagster_run_id: str | None = None) -> FlowReport:
    """Bring the marts up to date, or these `PARTS` of them. Raises ConfigError for a part that there is not."""
    for part in parts:
        if part not in PARTS:
            raise ConfigError(f"measure: there is no part {part!r}; there are: {', '.join(PARTS)}")
    now, target = app.clock(), ",".join(parts)
    with running(app.db, "measure", target, now, dagster_run_id=dagster_run_id) as run:
        began = time.perf_counter()
        report = FlowReport("measure", target)
        run.report = report
        for part in parts or PARTS:
            PARTS[part](app, now, report)
        report.work_s = time.perf_counter() - began
    log.info("measured", extra={"counts": dict(report.numbers)})
    return report


def _performance(app: App, now: datetime, report: FlowReport) -> None:
    """Performance per partner and month, for the partners of whom something changed."""
    upto = source.mark(
        app.db, "opportunity", offers.LOCK, offers.CASES.lock, registrations.CREDITS, "target", "partner"
    )
    hash_ = f"{DEFINITION_VERSION}|{app.currency}"
    with app.db.begin() as tx:
        partners = mart.changed_partners(tx, progress.upto(tx, "measure", hash_))
        rows = performance(
            mart.offer_rows(tx, partners), mart.deal_rows(tx, partners), mart.target_rows(tx, partners),
            mart.case_rows(tx, partners) if "case" in app.entities else (), currency=app.currency,
        )  # fmt: skip
        changed = mart.write(tx, partners, rows, source.change_number(tx, mart.LOCK), now) if partners else 0
        progress.keep(tx, "measure", upto, hash_)
    report.add(partners=len(partners), months=len(rows), changed=changed)


def _standing(app: App, now: datetime, report: FlowReport) -> None:
    """Agreement and certificates of every partner on the day, where papers, partners or the day changed."""
    day = now.astimezone(UTC).date()
    with app.db.begin() as tx:
        marks = standing.marks(tx, day)
        if progress.upto(tx, "measure:standing", marks):
            return
        certificates, contracts, said = offers.certificates(tx), offers.agreements(tx), standing.feedback(tx)
        rows = []
        for partner in standing.listed(tx):
            papers = (Certificate(*c) for c in certificates.get(partner.id, ()))
            held = valid_on(certificates_on(partner.certifications or (), papers, day), day)
            state, until = agreement_on((Contract(*c) for c in contracts.get(partner.id, ())), day)
            first_end = min((last for last in held.values() if last is not None), default=None)
            rows.append((partner.id, state, until, sorted(held), first_end, *said.get(partner.id, (None, None))))
        changed = standing.write(tx, rows, source.change_number(tx, standing.LOCK), now)
        progress.keep(tx, "measure:standing", 1, marks)
    report.add(standings=changed)


def _service(app: App, now: datetime, report: FlowReport) -> None:
    """Who serves which account and deal, for those of which something changed; once a month, for all."""
    upto = source.mark(
        app.db, "account", "opportunity", "lead", "partner", "deal_registration", "activity", "feedback", offers.LOCK,
        registrations.CREDITS, mart.LOCK,
    )  # fmt: skip
    month = now.astimezone(UTC).strftime("%Y-%m-01")
    with app.db.begin() as tx:
        after = progress.upto(tx, "measure:service", month)
        looked_at, changed = service.bring_up_to_date(
            tx, after, month, source.change_number(tx, service.LOCK), now
        )
        progress.keep(tx, "measure:service", upto, month)
    report.add(services_looked_at=looked_at, services=changed)


def _incentives(app: App, now: datetime, report: FlowReport) -> None:
    """What partners earned beside what they claim, for the partners of whom something changed."""
    policy = app.policies.incentives
    upto = source.mark(app.db, "order", "incentive_claim", "partner", "opportunity", registrations.CREDITS)
    with app.db.begin() as tx:
        partners = incentives.changed_partners(tx, progress.upto(tx, "measure:incentives", policy.version))
        checked: list[incentive_rules.Check] = []
        if partners:
            sales = [incentive_rules.Sale(**r) for r in (row._asdict() for row in incentives.sales(tx, partners))]
            claims = [_claim(row._asdict()) for row in incentives.claims(tx, partners)]
            checked = incentive_rules.check(sales, claims, policy)
            rows = (
                (c.partner_id, c.programme, c.basis, c.currency, c.earned, c.claimed, c.paid, c.state, list(c.claims),
                 policy.version)
                for c in checked
            )  # fmt: skip
            touched = source.change_number(tx, incentives.LOCK)
            report.add(incentives=incentives.write(tx, partners, rows, touched, now))
        progress.keep(tx, "measure:incentives", upto, policy.version)
    report.add(claims_in_doubt=sum(c.state in incentives.WRONG for c in checked))


def _claim(row: Mapping[str, str | int | None]) -> incentive_rules.ClaimRow:
    named = (("order", row["order_id"]), ("opportunity", row["deal_id"]), ("opportunity", row["order_deal_id"]))
    return incentive_rules.ClaimRow(
        str(row["id"]), str(row["partner_id"]), _text(row["programme"]),
        tuple(dict.fromkeys(f"{kind}:{id_}" for kind, id_ in named if id_ is not None)), int(row["amount"] or 0),
        _text(row["currency"]), _text(row["status"]),
    )  # fmt: skip


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def _signals(app: App, _now: datetime, report: FlowReport) -> None:
    """Signals of demand, for the partners in whose regions it changed."""
    tell_demand(app, report)


Part = Callable[[App, datetime, FlowReport], None]
PARTS: dict[str, Part] = {
    "performance": _performance, "standing": _standing, "service": _service, "incentives": _incentives,
    "forecast": keep_forecast, "pacing": keep_pacing, "signals": _signals, "recommendations": recommend,
}  # fmt: skip
"""What can be measured by itself, in the order in which one uses the other's rows."""
