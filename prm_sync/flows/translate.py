"""Records of one stream into canonical rows: the step that pull, refine and reconcile share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from prm_sync.app import StreamMapping
from prm_sync.flows.preparing import Mapped, Rows, mapped
from prm_sync.flows.readback import read_back, repeated_fields
from prm_sync.flows.report import FlowReport
from prm_sync.rules import drift as drifted
from prm_sync.rules.corrections import Correction, corrected
from prm_sync.rules.drift import Held
from prm_sync.warehouse import corrections, drift, echoes, late, raw, source, tombstones
from prm_sync.warehouse.field_times import Ours
from prm_sync.warehouse.records import Received, Trouble
from prm_sync.warehouse.tables import MATCH_KEYS

Of = Literal["page", "stock", "remapped"]
"""Records that were just read; of raw.record, not mapped so far; or mapped already, by another mapping: no changes."""
_KEYS = slice(source.HEAD.index(MATCH_KEYS[0]), len(source.HEAD))  #: where the match keys stand in a row


def is_plain(tx: sa.Connection, state: raw.StreamState) -> bool:
    """Whether new records mean what they say: nothing was written there, no field is held, none of them was gone."""
    return not (
        state.gone or drift.holding(tx, state.connection, state.stream)
        or echoes.is_written(tx, state.connection, state.stream)
    )  # fmt: skip


def add(
    tx: sa.Connection, state: raw.StreamState, mappings: Sequence[StreamMapping], made: Sequence[Rows], *,
    at: datetime, run_id: str, report: FlowReport,
) -> None:  # fmt: skip
    """Keep what each mapping has made of a page of new records that mean what they say."""
    for mapping, rows in zip(mappings, made, strict=True):
        compiled = mapping.compiled
        if rows.count:
            source.add(tx, mapping.entity, compiled.columns, rows.lines)
        source.quarantine(
            tx, state.connection, state.stream, mapping.entity, rows.troubles,
            mapping_hash=compiled.hash, at=at, run_id=run_id,
        )  # fmt: skip
        report.add(mapped=rows.count, quarantined=len(rows.troubles))


def translate(
    tx: sa.Connection, state: raw.StreamState, mappings: Sequence[StreamMapping], staged: raw.Staged, *,
    at: datetime, run_id: str, report: FlowReport, of: Of = "page", same_records: bool = False,
) -> None:  # fmt: skip
    """Map what is news of a page, for every entity the stream feeds; what cannot be mapped goes to quarantine.

    `same_records`: only the mapping is news: rows that it makes as they are stay untouched, and all behind them, too.
    """
    if not (staged.new or staged.changed or staged.deleted or staged.late):
        return
    gone = drift.holding(tx, state.connection, state.stream)
    mended = replace(staged, changed=laid_over(tx, state, staged.changed, at))
    meant, repeats = read_back(tx, state, mended, at if of == "page" else None)
    for mapping in mappings:
        held = drifted.held(mapping.spec, gone)
        new = canonical(tx, state, mapping, meant.new, held, known=False)
        ours = None if mapping.alone or of == "remapped" else repeated_fields(mapping, repeats)
        _one(tx, state, mapping, meant, new, held, at, run_id, report, ours, same_records)


def _one(
    tx: sa.Connection, state: raw.StreamState, mapping: StreamMapping, staged: raw.Staged, new: Mapped, held: Held,
    at: datetime, run_id: str, report: FlowReport, ours: Ours | None, same_records: bool,
) -> None:  # fmt: skip
    entity, compiled = mapping.entity, mapping.compiled
    changed = canonical(tx, state, mapping, staged.changed, held)
    if staged.late:  # what is wrong with them is of the past as well
        past = mapped(state, compiled.run, mapping.match_keys, staged.late).rows
        values = [(r[:4], r[len(source.HEAD) :]) for r in past]
        report.add(late=late.land(tx, entity, compiled.columns, values))
    touched = source.write(
        tx, entity, compiled.columns, compiled.unfilled, new.rows, changed.rows,
        ours=ours, at=at, differing=same_records,
    )  # fmt: skip
    looked_at = [*(r.remote_id for r in staged.changed), *staged.deleted]
    source.resolve_quarantine(tx, state.connection, state.stream, entity, looked_at, at)
    troubles = [*new.troubles, *changed.troubles]
    source.quarantine(
        tx, state.connection, state.stream, entity, troubles,
        mapping_hash=compiled.hash, at=at, run_id=run_id,
    )  # fmt: skip
    rows = (*new.rows, *changed.rows)
    if staged.deleted:
        source.mark_deleted(tx, entity, state.connection, state.stream, staged.deleted, at, touched)
    if state.gone and rows:
        tombstones.forget(tx, state.connection, state.stream, [row[2] for row in rows], entity)
    if changed.skipped:  # no longer a partner, say, is gone as one; how many at once, the end of the read sees
        told = tombstones.leave_out(tx, entity, state.connection, state.stream, changed.skipped, at, run_id)
        state.gone = state.gone or told > 0
    report.add(mapped=len(rows), quarantined=len(troubles))


def canonical(
    tx: sa.Connection, state: raw.StreamState, mapping: StreamMapping, records: Sequence[Received], held: Held, *,
    known: bool = True,
) -> Mapped:  # fmt: skip
    """The rows of these records. What is in trouble or held keeps the value it has, where the record is `known`."""
    if held.whole:
        why = "a field that `when` goes by is not what it was; see `prm-sync drift list`"
        return Mapped(troubles=[Trouble(r.remote_id, "*", "drift", why, klass="transient") for r in records])
    made = mapped(state, mapping.compiled.run, mapping.match_keys, records)
    if (known and made.troubles) or held.fields:
        made.rows = _keep_held(tx, state, mapping, made.rows, made.troubles, held.fields)
    return made


def laid_over(
    tx: sa.Connection, state: raw.StreamState, records: list[Received], at: datetime
) -> list[Received]:
    """The records with what people have corrected of them. A correction that the source has overtaken is over."""
    if not records:
        return records
    found = corrections.of_records(tx, state.connection, state.stream, [r.remote_id for r in records])
    if not found:
        return records
    out = []
    for record in records:
        rows = found.get(record.remote_id, ())
        made, over = corrected(record.record, [Correction(r.field, r.value, bytes(r.was)) for r in rows])
        if over:
            corrections.end(tx, state.connection, state.stream, record.remote_id, over, by=corrections.SOURCE, at=at)
        out.append(record._replace(record=made))
    return out


def _keep_held(
    tx: sa.Connection, state: raw.StreamState, mapping: StreamMapping, rows: list[source.Row],
    troubles: Sequence[Trouble], always: Iterable[str],
) -> list[source.Row]:  # fmt: skip
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
    out: list[source.Row] = []
    for row in rows:
        if names := held.get(row[2]):
            old, mended = before.get(row[2]), list(row)
            for name in names & place.keys():
                mended[place[name]] = old[name] if old is not None else None
            mended[_KEYS] = mapping.match_keys(mended[len(source.HEAD) :])  # of the values kept, not of those refused
            row = tuple(mended)
        out.append(row)
    return out
