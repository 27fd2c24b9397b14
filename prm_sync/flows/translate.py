"""Records of one stream into canonical rows: the step that pull and refine share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.app import StreamMapping
from prm_sync.flows.report import FlowReport
from prm_sync.rules import drift as drifted
from prm_sync.rules.corrections import Correction, corrected
from prm_sync.rules.drift import Held
from prm_sync.rules.mapping import Fault
from prm_sync.warehouse import corrections, drift, raw, source
from prm_sync.warehouse.source import Trouble
from prm_sync.warehouse.tables import MATCH_KEYS

_KEYS = slice(source.HEAD.index(MATCH_KEYS[0]), len(source.HEAD))  #: where the match keys stand in a row


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
            why = str(record["__error__"])
            made.troubles.append(Trouble(remote_id, "*", "unreadable_row", why, klass="permanent"))
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
    at: datetime, run_id: str, report: FlowReport, ready: Sequence[Mapped] | None = None, same_records: bool = False,
) -> None:  # fmt: skip
    """Map what is news of a page, for every entity the stream feeds; what cannot be mapped goes to quarantine.

    `ready`: what each mapping made of `staged.new`, where somebody has let it do so before. `same_records`: only the
    mapping is news: rows that it makes as they are stay untouched, and all behind them, too.
    """
    if not (staged.new or staged.changed or staged.deleted):
        return
    gone = drift.holding(tx, state.connection, state.stream)
    staged = replace(staged, changed=laid_over(tx, state, staged.changed, at))
    for n, mapping in enumerate(mappings):
        held = drifted.held(mapping.spec, gone)
        new = canonical(tx, state, mapping, staged.new, held, known=False, ready=ready[n] if ready else None)
        _one(tx, state, mapping, staged, new, held, at, run_id, report, same_records)


def _one(
    tx: sa.Connection, state: raw.StreamState, mapping: StreamMapping, staged: raw.Staged, new: Mapped, held: Held,
    at: datetime, run_id: str, report: FlowReport, same_records: bool,
) -> None:  # fmt: skip
    entity, compiled = mapping.entity, mapping.compiled
    changed = canonical(tx, state, mapping, staged.changed, held)
    touched = source.write(
        tx, entity, compiled.columns, compiled.unfilled, new.rows, changed.rows, differing=same_records
    )
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


def canonical(
    tx: sa.Connection, state: raw.StreamState, mapping: StreamMapping, records: Sequence[raw.Received], held: Held, *,
    known: bool = True, ready: Mapped | None = None,
) -> Mapped:  # fmt: skip
    """The rows of these records. What is in trouble or held keeps the value it has, where the record is `known`.

    `ready`: what the mapping has made of them already.
    """
    if held.whole:
        why = "a field that `when` goes by is not what it was; see `prm-sync drift list`"
        return Mapped(troubles=[Trouble(r.remote_id, "*", "drift", why, klass="transient") for r in records])
    made = ready if ready is not None else mapped(state, mapping, records)
    if (known and made.troubles) or held.fields:
        made.rows = _keep_held(tx, state, mapping, made.rows, made.troubles, held.fields)
    return made


def laid_over(
    tx: sa.Connection, state: raw.StreamState, records: list[raw.Received], at: datetime
) -> list[raw.Received]:
    """The records with what people have corrected of them. A correction that the source has overtaken is over."""
    connection, stream = state.connection, state.stream
    found = corrections.of_records(tx, connection, stream, [r.remote_id for r in records])
    if not found:
        return records
    out = []
    for received in records:
        rows = found.get(received.remote_id, ())
        made, over = corrected(received.record, [Correction(r.field, r.value, bytes(r.was)) for r in rows])
        if over:
            corrections.end(tx, connection, stream, received.remote_id, over, by=corrections.SOURCE, at=at)
        out.append(received._replace(record=made))
    return out


def _trouble(remote_id: str, fault: Fault) -> Trouble:
    return Trouble(remote_id, "*" if fault.fatal else fault.field, str(fault.code), fault.reason, fault.source)


def _keep_held(
    tx: sa.Connection, state: raw.StreamState, mapping: StreamMapping, rows: list[list[Any]],
    troubles: Sequence[Trouble], always: Iterable[str],
) -> list[list[Any]]:  # fmt: skip
    """A field whose new value is in quarantine keeps the value it had, and so does one of `always`, of every row."""
    held: dict[str, set[str]] = {row[2]: set(always) for row in rows} if always else {}
    for t in troubles:
        if t.field != "*":
            held.setdefault(t.remote_id, set(always)).add(t.field)
    if not held:
        return rows
    columns = mapping.compiled.columns
    before = source.values_held(tx, mapping.entity, state.connection, state.stream, held, columns)
    place = {name: len(source.HEAD) + n for n, name in enumerate(columns)}
    out = []
    for row in rows:
        if names := held.get(row[2]):
            old, row = before.get(row[2]), list(row)
            for name in names & place.keys():
                row[place[name]] = old[name] if old is not None else None
            row[_KEYS] = mapping.match_keys(row[len(source.HEAD) :])  # of the values kept, not of those refused
        out.append(row)
    return out
