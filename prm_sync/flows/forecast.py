"""forecast: certificates, agreements and protections that run out, and what routing will then do otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import msgspec
import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.flows.report import FlowReport
from prm_sync.flows.route import lead_facts, partner_facts
from prm_sync.rules.papers import HELD, IN_FORCE, Certificate, certificates_on
from prm_sync.rules.routing import PartnerFacts
from prm_sync.rules.routing.forecast import Expiry, Impact, OpenLead, Protection, impacts, in_words
from prm_sync.warehouse import alerts, forecasts, offers, standing

DAYS = 90  #: how far a forecast looks where nobody says otherwise
WARN_DAYS = (7, 30, 90)  #: an alert is given once when so many days are left
ONCE = timedelta(days=3_650)


@dataclass(frozen=True, slots=True)
class Forecast:
    """One thing that runs out, and what then changes."""

    kind: str
    subject_id: str
    partner_id: str
    partner: str
    manager: str | None
    name: str
    last_day: date
    days_left: int
    registrations: int  #: approved registrations of the partner that are protected longer (an agreement that ends)
    impact: Impact
    says: str  #: the impact in words


def forecast(app: App, days: int = DAYS) -> list[Forecast]:
    """What runs out within so many days, soonest first. Reads in one read-only transaction."""
    now = app.clock()
    with app.db.connect() as conn, conn.begin():
        conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return _forecast(conn, app, now, days)


def keep_forecast(app: App, now: datetime, report: FlowReport) -> None:
    """`mart.expiry_forecast` for the next `DAYS` days, and an alert when `WARN_DAYS` are left."""
    with app.db.begin() as tx:
        found = _forecast(tx, app, now, DAYS)
        version = app.policies.routing.version
        forecasts.write(tx, ([
            f.kind, f.subject_id, f.partner_id, f.name, f.last_day, f.impact.leads, f.impact.stranded,
            msgspec.json.encode(dict(f.impact.stranded_in)).decode(), f.impact.offers, f.registrations, f.impact.freed,
            list(f.impact.lead_ids), version, now,
        ] for f in found))  # fmt: skip
        said = alerts.keep(tx, "expiry", (_alert(f) for f in found), now, again_after=ONCE)
    report.add(expiries=len(found), expiry_alerts=said)


def _alert(f: Forecast) -> tuple[str, str]:
    """The same words until fewer days are left than the next of `WARN_DAYS`; counts of leads move and are not told."""
    left = next(d for d in (*WARN_DAYS, max(f.days_left, DAYS)) if f.days_left <= d)
    return f"partner {f.partner_id}", (
        f"{f.kind} {f.subject_id} runs out on {f.last_day}, within {left} days. Channel manager: "
        f"{f.manager or 'not known'}. What it changes: `prm-sync forecast --days {left}`"
    )


def _forecast(tx: sa.Connection, app: App, now: datetime, days: int) -> list[Forecast]:
    today = now.astimezone(UTC).date()
    policy = app.policies.routing
    rows = forecasts.running_out(tx, today, today + timedelta(days=days), HELD, IN_FORCE)
    expiries = [Expiry(r.kind, r.id, r.partner_id, r.name, r.last) for r in rows]
    if not expiries:
        return []
    protected = forecasts.protections(tx, now)
    leads = [
        OpenLead(lead_facts(r), r.offered_to, bool(r.accepted))
        for batch in forecasts.open_leads(tx, policy.eligible_statuses, now)
        for r in batch
    ]
    held = [Protection(p.domain, p.partner_id, p.until) for p in protected if p.domain is not None and p.partner_id]
    found = impacts(expiries, leads, held, _partners_by_day(tx, now), policy)
    names = forecasts.names(tx, list({e.partner_id for e in expiries}))
    out = []
    for e in expiries:
        impact = found[e.partner_id, e.last]
        end = datetime(e.last.year, e.last.month, e.last.day, tzinfo=UTC) + timedelta(days=1)
        longer = sum(p.partner_id == e.partner_id and p.until > end for p in protected) if e.kind == "agreement" else 0
        says = in_words(impact, e.last) + (f"; {longer} protected registrations outlast it" if longer else "")
        out.append(Forecast(e.kind, e.id, e.partner_id, *names.get(e.partner_id, (e.partner_id, None)), e.name, e.last,
                            (e.last - today).days, longer, impact, says.removeprefix("; ")))  # fmt: skip
    return out


def _partners_by_day(tx: sa.Connection, now: datetime) -> Callable[[date], Sequence[PartnerFacts]]:
    """The partners as their papers will be on a day; everything else as it is now."""
    partners = partner_facts(tx, now)
    listed = {r.id: r.certifications or () for r in standing.listed(tx)}
    papers = {id_: [Certificate(*c) for c in some] for id_, some in offers.certificates(tx).items()}

    def on(day: date) -> Sequence[PartnerFacts]:
        return [
            replace(p, certifications=certificates_on(listed.get(p.id, ()), papers[p.id], day)) if p.id in papers else p
            for p in partners
        ]

    return on
