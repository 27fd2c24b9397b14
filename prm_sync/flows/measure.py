"""measure: core + ledger -> mart. Performance per partner and month, for the partners of whom something changed.

And signals of demand, for the partners in whose regions it changed.
"""

from __future__ import annotations

import logging
import time

from prm_sync.app import App
from prm_sync.flows.report import FlowReport
from prm_sync.flows.signals import tell_demand
from prm_sync.rules.performance import DEFINITION_VERSION, performance
from prm_sync.warehouse import offers, progress, source
from prm_sync.warehouse import performance as mart
from prm_sync.warehouse.runs import running

log = logging.getLogger(__name__)

_READS = ("opportunity", offers.LOCK, offers.CASES.lock, "target", "partner")


def measure(app: App, *, dagster_run_id: str | None = None) -> FlowReport:
    """Bring `mart.partner_performance` and the signals of demand up to date."""
    now = app.clock()
    with running(app.db, "measure", "", now, dagster_run_id=dagster_run_id) as run:
        began = time.perf_counter()
        report = FlowReport("measure", "")
        run.report = report
        upto = min(source.mark(app.db, name) for name in _READS)
        hash_ = f"{DEFINITION_VERSION}|{app.currency}"
        with app.db.begin() as tx:
            partners = mart.changed_partners(tx, progress.upto(tx, "measure", hash_))
            rows = performance(
                mart.offer_rows(tx, partners), mart.deal_rows(tx, partners), mart.target_rows(tx, partners),
                mart.case_rows(tx, partners) if "case" in app.entities else (), currency=app.currency,
            )  # fmt: skip
            changed = mart.write(tx, partners, rows, source.change_number(tx, mart.LOCK), now) if partners else 0
            progress.keep(tx, "measure", upto, hash_)
        tell_demand(app, report)
        report.add(partners=len(partners), months=len(rows), changed=changed)
        report.work_s = time.perf_counter() - began
    log.info("measured", extra={"counts": dict(report.numbers)})
    return report
