"""The last step of every delete: what waits in raw.gone is marked as deleted, or held for a person."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from prm_sync.app import App, StreamMapping
from prm_sync.flows.report import FlowReport, State
from prm_sync.flows.translate import translate
from prm_sync.rules import reconcile
from prm_sync.warehouse import raw, source, tombstones
from prm_sync.warehouse.tombstones import Told

log = logging.getLogger(__name__)


def bury(
    app: App, state: raw.StreamState, mappings: Sequence[StreamMapping], mapping_hash: str | None, *,
    at: datetime, run_id: str, report: FlowReport, emptied: bool = False, accepted: bool = False,
    entities: Sequence[str] | None = None,
) -> bool:  # fmt: skip
    """Mark what waits as deleted, in one transaction; False where it is so much that the source looks broken.

    `emptied`: a complete read showed nothing at all. `accepted`: a person has looked at it. `entities`: only what the
    mapping leaves out of these. Merges count like deletes: a record is lost either way. What we deleted over there
    ourselves is no surprise, and does not count.
    """
    with app.db.begin() as tx:
        found = [t for t in tombstones.waiting(tx, state.connection, state.stream) if _asked(t, entities)]
        if not found:
            return True
        held = None if accepted else _held(app, tx, state, found, emptied=emptied)
        if held is None:
            ids = [t.remote_id for t in found if not t.entity]
            gone = raw.Staged(deleted=raw.mark_deleted(tx, state, ids, at, run_id))
            translate(tx, state, mappings, gone, at=at, run_id=run_id, report=report)
            for entity in {t.entity for t in found if t.entity}:
                left_out = [t.remote_id for t in found if t.entity == entity]
                touched = source.change_number(tx, entity)
                source.mark_deleted(tx, entity, state.connection, state.stream, left_out, at, touched)
            merged = [t.remote_id for t in found if t.into_id and not t.entity]
            for entity in {m.entity for m in mappings} if merged else ():  # also who was gone already is looked at
                source.touch(tx, entity, state.connection, state.stream, merged, source.change_number(tx, entity))
            tombstones.settled(tx, state.connection, state.stream, {t.entity for t in found})
            if accepted and any(t.how == "absent" for t in found):
                raw.forget_cursor(tx, state)  # it stands before what was held: whatever is there now is read anew
            raw.keep_cursor(tx, state, None, mapping_hash)
            report.add(deleted=len(gone.deleted), left_out=len(found) - len(ids), merged_away=len(merged))
    if held is not None:
        report.state, report.message = State.HELD, held
        log.warning("deletes held", extra={"connection": state.connection, "stream": state.stream, "n": len(found)})
    return held is None


def _asked(told: Told, entities: Sequence[str] | None) -> bool:
    return entities is None or told.entity in entities


def _held(
    app: App, tx: sa.Connection, state: raw.StreamState, found: Sequence[Told], *, emptied: bool
) -> str | None:
    """Why a person must look first; None: it may go on."""
    share = app.limits_of(state.connection, state.stream).max_gone_share
    name = f"{state.connection}.{state.stream}"
    ours = tombstones.ours(tx, state.connection, state.stream) if emptied or len(found) > reconcile.FEW else set()
    found = [t for t in found if t.entity or t.remote_id not in ours]
    for entity in sorted({t.entity for t in found}):
        n = sum(t.entity == entity for t in found)
        there = tombstones.living(tx, state.connection, state.stream, entity) if emptied or n > reconcile.FEW else n
        if not (emptied and not entity) and n <= max(reconcile.FEW, share * there):
            continue
        lost = f"the mapping no longer takes {n} of {there} records for a {entity}"
        if not entity:
            told = Counter(t.how for t in found if not t.entity)
            read = f"a full read no longer shows {n}" if told["absent"] else f"the remote says that {n} are gone,"
            lost = f"{read} of {there} records"
        mend = "`when` and the fields it reads" if entity else "the source"
        return (
            f"{name}: {lost}; nothing was marked as deleted. Look at {mend}; if it is right, "
            f"delete them with `prm-sync quarantine accept-deletes {state.connection} {state.stream}`"
        )
    return None
