"""Deletes that pull held back, accepted by a person: what a full read does not show is gone, however much it is."""

from __future__ import annotations

import logging
import time

from prm_sync.app import App
from prm_sync.connect.ahead import ahead
from prm_sync.errors import ConfigError
from prm_sync.flows.pull import AHEAD_PAGES
from prm_sync.flows.report import FlowReport
from prm_sync.flows.translate import translate
from prm_sync.warehouse import raw
from prm_sync.warehouse.runs import running

log = logging.getLogger(__name__)


def accept_deletes(app: App, connection: str, stream: str) -> FlowReport:
    """Read all ids of a stream and mark the absent records as deleted. Stages nothing else: that is for the next pull.

    An error on the way is raised and nothing is marked: half a read shows nothing.
    """
    now = app.clock()
    with running(app.db, "accept_deletes", f"{connection}.{stream}", now) as run:
        began = time.perf_counter()
        report = FlowReport("accept_deletes", run.target)
        run.report = report
        with app.session(connection) as session:
            found = session.discover([stream])
            if not found:
                raise ConfigError(f"{connection} has no stream {stream!r}; `prm-sync connectors streams` lists them")
            declared = found[0]
            state = raw.take(app.db, connection, stream, run.id, key=declared.key, modified=declared.modified)
            seen = raw.SeenIds(app.db, state)
            try:
                for page in ahead(session.read(declared, None, [declared.key]), AHEAD_PAGES):
                    report.add(read=len(page.records))
                    seen.add(str(r[declared.key]) for r in page.records)
                absent = seen.absent()
            finally:
                seen.close()
        mappings, mapping_hash = app.mappings_of(connection, stream)
        caught_up = not state.behind and state.mapping_hash == mapping_hash
        with app.db.begin() as tx:
            staged = raw.Staged(deleted=raw.mark_deleted(tx, state, absent, now))
            translate(tx, state, mappings if caught_up else (), staged, at=now, run_id=run.id, report=report)
            raw.keep_cursor(tx, state, None, mapping_hash if caught_up else None)
        report.add(deleted=len(staged.deleted))
        report.work_s = time.perf_counter() - began
    log.info("deletes accepted", extra={"connection": connection, "stream": stream, "counts": dict(report.numbers)})
    return report
