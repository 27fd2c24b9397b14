"""Records of one stream into canonical rows: the step that pull and refine share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from prm_sync.app import StreamMapping
from prm_sync.flows.readback import read_back, repeated_fields
from prm_sync.flows.report import FlowReport
from prm_sync.rules.mapping import Fault
from prm_sync.warehouse import late, raw, source
from prm_sync.warehouse.field_times import Ours
from prm_sync.warehouse.source import Trouble

Record = Mapping[str, Any]
Of = Literal["page", "stock", "remapped"]
"""Records that were just read; of raw.record, not mapped so far; or mapped already, by another mapping: no changes."""


def translate(
    tx: sa.Connection, state: raw.StreamState, mappings: Sequence[StreamMapping], staged: raw.Staged, *,
    at: datetime, run_id: str, report: FlowReport, of: Of = "page",
) -> None:  # fmt: skip
    """Map what is news of a page, for every entity the stream feeds; what cannot be mapped goes to quarantine."""
    if not (staged.new or staged.changed or staged.deleted or staged.late):
        return
    staged, repeats = read_back(tx, state, staged, at if of == "page" else None)
    for mapping in mappings:
        ours = None if mapping.alone or of == "remapped" else repeated_fields(mapping, repeats)
        _one(tx, state, mapping, staged, at, run_id, report, ours)


def _one(
    tx: sa.Connection, state: raw.StreamState, mapping: StreamMapping, staged: raw.Staged,
    at: datetime, run_id: str, report: FlowReport, ours: Ours | None,
) -> None:  # fmt: skip
    entity, columns = mapping.entity, mapping.compiled.columns
    touched = source.change_number(tx, entity)
    troubles: list[Trouble] = []
    new, _ = _rows(state, mapping, staged.new, touched, troubles)
    before = len(troubles)
    changed, skipped = _rows(state, mapping, staged.changed, touched, troubles)
    if len(troubles) > before:
        changed = _keep_held(tx, state, mapping, changed, troubles[before:])
    if staged.late:  # what is wrong with them is of the past as well
        past, _ = _rows(state, mapping, staged.late, touched, [])
        at_head = len(source.HEAD)
        landed = late.land(tx, entity, columns, [((r[0], r[1], r[2], r[4]), r[at_head:]) for r in past])
        report.add(late=landed)
    source.write(tx, entity, columns, new, changed, ours=ours, at=at)
    looked_at = [*(str(r[state.key]) for r in staged.changed), *staged.deleted]
    source.resolve_quarantine(tx, state.connection, state.stream, entity, looked_at, at)
    source.quarantine(
        tx, state.connection, state.stream, entity, troubles,
        mapping_hash=mapping.compiled.hash, at=at, run_id=run_id,
    )  # fmt: skip
    gone = [*staged.deleted, *skipped]  # a record that no longer is a partner, say, is gone as one
    if gone:
        source.mark_deleted(tx, entity, state.connection, state.stream, gone, at, touched)
    report.add(mapped=len(new) + len(changed), quarantined=len(troubles))


def _rows(
    state: raw.StreamState, mapping: StreamMapping, records: Sequence[Record], touched: int, troubles: list[Trouble]
) -> tuple[list[tuple[Any, ...]], list[str]]:
    """The canonical rows of these records, and the ids of those that the mapping passes over."""
    key, modified = state.key, state.modified
    run, keys_of = mapping.compiled.run, mapping.match_keys
    connection, stream = state.connection, state.stream
    rows: list[tuple[Any, ...]] = []
    skipped: list[str] = []
    faults: list[Fault] = []
    for record in records:
        remote_id = str(record[key])
        if error := record.get("__error__"):
            troubles.append(Trouble(remote_id, "*", "unreadable_row", str(error)))
            continue
        values = run(record, faults)
        if faults:
            troubles += [_trouble(remote_id, f) for f in faults]
            faults.clear()
        elif values is None:
            skipped.append(remote_id)
        if values is None:
            continue
        time = raw.instant(record.get(modified)) if modified else None
        rows.append((connection, stream, remote_id, touched, time, None, *keys_of(values), *values))
    return rows, skipped


def _trouble(remote_id: str, fault: Fault) -> Trouble:
    return Trouble(remote_id, "*" if fault.fatal else fault.field, str(fault.code), fault.reason, fault.source)


def _keep_held(
    tx: sa.Connection, state: raw.StreamState, mapping: StreamMapping, rows: list[tuple[Any, ...]],
    troubles: Sequence[Trouble],
) -> list[tuple[Any, ...]]:  # fmt: skip
    """A field whose new value is in quarantine keeps the value it had."""
    held: dict[str, set[str]] = {}
    for t in troubles:
        if t.field != "*":
            held.setdefault(t.remote_id, set()).add(t.field)
    if not held:
        return rows
    columns = mapping.compiled.columns
    before = source.values_held(tx, mapping.entity, state.connection, state.stream, held, columns)
    place = {name: len(source.HEAD) + n for n, name in enumerate(columns)}
    out = []
    for row in rows:
        old, names = before.get(row[2]), held.get(row[2])
        if old is not None and names:
            kept = list(row)
            for name in names & place.keys():
                kept[place[name]] = old[name]
            row = tuple(kept)
        out.append(row)
    return out
