"""Records of one stream into canonical rows: the step that pull and refine share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.app import StreamMapping
from prm_sync.flows.report import FlowReport
from prm_sync.rules.mapping import Fault
from prm_sync.warehouse import raw, source
from prm_sync.warehouse.source import Trouble


@dataclass(slots=True)
class Mapped:
    """What a mapping made of some records: canonical rows, what it could not use, and the ids that it passes over."""

    rows: list[list[Any]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def mapped(state: raw.StreamState, mapping: StreamMapping, records: Iterable[raw.Received]) -> Mapped:
    """The canonical rows of these records, each as `source.write` takes them. Asks the warehouse nothing."""
    made = Mapped()
    run, keys_of = mapping.compiled.run, mapping.match_keys
    connection, stream = state.connection, state.stream
    add, faults = made.rows.append, []  # type: ignore[var-annotated]
    for remote_id, record, time in records:
        if "__error__" in record:
            made.troubles.append(Trouble(remote_id, "*", "unreadable_row", str(record["__error__"])))
            continue
        values = run(record, faults)
        if faults:
            made.troubles += [_trouble(remote_id, f) for f in faults]
            faults.clear()
        elif values is None:
            made.skipped.append(remote_id)
        if values is not None:
            add([connection, stream, remote_id, 0, time, None, *keys_of(values), *values])
    return made


def translate(
    tx: sa.Connection, state: raw.StreamState, mappings: Sequence[StreamMapping], staged: raw.Staged, *,
    at: datetime, run_id: str, report: FlowReport, ready: Sequence[Mapped] | None = None,
) -> None:  # fmt: skip
    """Map what is news of a page, for every entity the stream feeds; what cannot be mapped goes to quarantine.

    `ready`: what each mapping made of `staged.new`, where somebody has let it do so before.
    """
    if not (staged.new or staged.changed or staged.deleted):
        return
    for n, mapping in enumerate(mappings):
        new = ready[n] if ready else mapped(state, mapping, staged.new)
        _one(tx, state, mapping, staged, new, at, run_id, report)


def _one(
    tx: sa.Connection, state: raw.StreamState, mapping: StreamMapping, staged: raw.Staged, new: Mapped,
    at: datetime, run_id: str, report: FlowReport,
) -> None:  # fmt: skip
    entity, columns = mapping.entity, mapping.compiled.columns
    changed = mapped(state, mapping, staged.changed)
    if changed.troubles:
        changed.rows = _keep_held(tx, state, mapping, changed.rows, changed.troubles)
    touched = source.write(tx, entity, columns, mapping.compiled.unfilled, new.rows, changed.rows)
    looked_at = [*(r.remote_id for r in staged.changed), *staged.deleted]
    source.resolve_quarantine(tx, state.connection, state.stream, entity, looked_at, at)
    troubles = [*new.troubles, *changed.troubles]
    source.quarantine(
        tx, state.connection, state.stream, entity, troubles,
        mapping_hash=mapping.compiled.hash, at=at, run_id=run_id,
    )  # fmt: skip
    gone = [*staged.deleted, *changed.skipped]  # a record that no longer is a partner, say, is gone as one
    if gone:
        source.mark_deleted(tx, entity, state.connection, state.stream, gone, at, touched)
    report.add(mapped=len(new.rows) + len(changed.rows), quarantined=len(troubles))


def _trouble(remote_id: str, fault: Fault) -> Trouble:
    return Trouble(remote_id, "*" if fault.fatal else fault.field, str(fault.code), fault.reason, fault.source)


def _keep_held(
    tx: sa.Connection, state: raw.StreamState, mapping: StreamMapping, rows: list[list[Any]],
    troubles: Sequence[Trouble],
) -> list[list[Any]]:  # fmt: skip
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
            row = list(row)
            for name in names & place.keys():
                row[place[name]] = old[name]
        out.append(row)
    return out
