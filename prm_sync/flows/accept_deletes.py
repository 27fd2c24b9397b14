"""Deletes that were held back, accepted by a person: what waits is gone, however much it is."""

from __future__ import annotations

import logging
import time

from prm_sync.app import App
from prm_sync.flows.bury import bury
from prm_sync.flows.report import FlowReport
from prm_sync.warehouse import raw
from prm_sync.warehouse.runs import running

log = logging.getLogger(__name__)


def accept_deletes(app: App, connection: str, stream: str) -> FlowReport:
    """Mark as deleted what the reads so far have told to be gone: exactly what was held, nothing is read anew."""
    now = app.clock()
    with running(app.db, "accept_deletes", f"{connection}.{stream}", now) as run:
        began = time.perf_counter()
        report = FlowReport("accept_deletes", run.target)
        run.report = report
        mappings, mapping_hash = app.mappings_of(connection, stream)
        state = raw.take(app.db, connection, stream, run.id)
        caught_up = not state.behind and state.mapping_hash == mapping_hash
        bury(
            app, state, mappings if caught_up else (), mapping_hash if caught_up else None,
            at=now, run_id=run.id, report=report, accepted=True,
        )  # fmt: skip
        report.work_s = time.perf_counter() - began
    log.info("deletes accepted", extra={"connection": connection, "stream": stream, "counts": dict(report.numbers)})
    return report
