"""reconcile: a whole remote stream against the warehouse. Finds what no incremental read ever would, and mends it.

The stream is pulled and refined first, so that what is merely on its way is no difference. Then all of the remote is
read by the same connector, page by page, and each page compared with what is kept: is the record there (missing,
extra), are its mapped fields the same (different), is its canonical row what the mapping makes of it (edited), and has
each golden value its origin (golden). Memory holds one page.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from prm_sync.app import App, StreamMapping
from prm_sync.connect.ahead import ahead
from prm_sync.connect.protocol import Deletes, Page, QuotaSpent, RateLimited, Record, Session, Stream
from prm_sync.flows.bury import bury
from prm_sync.flows.forget import strangers_only
from prm_sync.flows.preparing import rarely_collecting
from prm_sync.flows.pull import AHEAD_PAGES, pull, stream_of, taken
from prm_sync.flows.refine import refine
from prm_sync.flows.report import FlowReport, State
from prm_sync.flows.translate import canonical, laid_over, translate
from prm_sync.rules import drift as drifted
from prm_sync.rules.corrections import fingerprint
from prm_sync.rules.reconcile import value_at
from prm_sync.warehouse import drift, raw, reconciliation, source, tombstones
from prm_sync.warehouse.records import encode, instant, received
from prm_sync.warehouse.runs import Run, running

log = logging.getLogger(__name__)

KINDS = ("missing", "extra", "different", "edited", "golden")
SAMPLES = 20  #: ids of each kind that are kept
JUST_NOW = timedelta(minutes=10)  #: a change that young may still be on its way: connectors look back that far


def reconcile(
    app: App, connection: str, stream: str, *, repair: bool = False, dagster_run_id: str | None = None
) -> FlowReport:
    """Compare a stream with its remote. `held`: something differs and was not mended; `partial`: not all was read."""
    mappings, _ = app.mappings_of(connection, stream)
    entities = list(dict.fromkeys(m.entity for m in mappings))
    first = pull(app, connection, stream, dagster_run_id=dagster_run_id)
    if entities and first.state is not State.PARTIAL:
        refine(app, entities, dagster_run_id=dagster_run_id)
    now = app.clock()
    with running(app.db, "reconcile", f"{connection}.{stream}", now, dagster_run_id=dagster_run_id) as run:
        began = time.perf_counter()
        report = FlowReport("reconcile", run.target)
        run.report = report
        if first.state is State.PARTIAL:
            report.state, report.message = State.PARTIAL, f"not compared: {first.message}"
            return report
        with app.session(connection) as session, rarely_collecting():
            comparing = _comparing(app, session, connection, stream, run, report, repair=repair)
            comparing.compare()
        if comparing.found.mended and entities:
            refine(app, entities, dagster_run_id=dagster_run_id)
        report.work_s = time.perf_counter() - began
    log.info("reconciled", extra={"connection": connection, "stream": stream, "counts": dict(report.numbers)})
    return report


@dataclass(slots=True)
class _Found:
    """Differences by kind: how many, and some of their ids with the fields that differ."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    samples: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    pending: int = 0
    mended: int = 0

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def add(self, kind: str, found: Mapping[str, Sequence[str]]) -> None:
        self.counts[kind] += len(found)
        kept = self.samples.setdefault(kind, {}) if found else {}
        for remote_id, fields in found.items():
            if len(kept) >= SAMPLES:
                break
            kept[remote_id] = list(fields)


def _comparing(
    app: App, session: Session, connection: str, stream: str, run: Run, report: FlowReport, *, repair: bool
) -> _Comparing:
    declared = stream_of(session, connection, stream)
    mappings, mapping_hash = app.mappings_of(connection, stream)
    with app.db.begin() as tx:
        last = reconciliation.read_at(tx, connection, stream)
        gone = drift.holding(tx, connection, stream)
    sources = dict.fromkeys(s for m in mappings for s in m.spec.sources if s.partition(".")[0] not in gone)
    comparing = _Comparing(
        app, session, declared, connection, run, report, repair,
        mappings=mappings, mapping_hash=mapping_hash, sources=tuple(s for s in sources if s not in gone), gone=gone,
        just_now=last - JUST_NOW if last is not None else None,
        state=reconciliation.standing(
            app.db, connection, stream, key=declared.key, modified=declared.modified
        ),
    )  # fmt: skip
    if repair:
        comparing.take()
    return comparing


@dataclass(slots=True)
class _Comparing:
    """One stream being compared by one run."""

    app: App
    session: Session
    stream: Stream
    connection: str
    run: Run
    report: FlowReport
    repair: bool
    mappings: tuple[StreamMapping, ...]
    mapping_hash: str | None
    sources: tuple[str, ...]  #: remote fields that mappings read; none: compare whole records
    gone: frozenset[str]  #: remote fields that have drifted
    just_now: datetime | None
    state: raw.StreamState
    found: _Found = field(default_factory=_Found)

    def take(self) -> None:
        """Hold the stream, as a pull does: what is mended would else be overtaken by one."""
        self.state = taken(self.app, self.connection, self.stream, self.run)
        self.state.full = True  # what is read is there now, whatever the warehouse thinks

    def compare(self) -> None:
        with self.app.db.begin() as tx:
            warehouse = reconciliation.live(tx, self.connection, self.stream.name)
        seen = raw.SeenIds(self.app.db, self.state)
        stopped: str | None = None
        held: str | None = None
        try:
            try:
                strangers = strangers_only(self.app, self.connection, self.stream.name)
                for page in ahead(self.session.read(self.stream, None, self._fields()), AHEAD_PAGES):
                    if strangers is not None:
                        shown = strangers(encode(self.state, page.records))
                        page = replace(page, records=[e.received.record for e in shown])
                    self._page(page)
                    seen.add(str(r[self.stream.key]) for r in page.records)
            except (QuotaSpent, RateLimited) as stop:
                stopped = str(stop)
            remote = seen.count()
            if stopped is None:
                held = self._absent(seen)
        finally:
            seen.close()
        self._tell(remote, warehouse, stopped, held)

    def _fields(self) -> list[str]:
        """Only what is compared; to mend, all that a pull reads."""
        everything = [f.name for f in self.stream.fields]
        if self.repair or not self.sources:
            return everything
        wanted = {s for source in self.sources for s in (source, source.partition(".")[0])}
        wanted |= {self.stream.key, *([self.stream.modified] if self.stream.modified else [])}
        return [n for n in everything if n in wanted] or sorted(wanted)

    # --- a page ---

    def _page(self, page: Page) -> None:
        records = {str(r[self.stream.key]): r for r in page.records}
        with self.app.db.begin() as tx:
            ours = raw.payloads(tx, self.connection, self.stream.name, list(records))
            missing, different, same, pending = self._sorted(records, ours)
            edited = self._edited(tx, same)
            wrong = [*missing, *different, *edited]
            right = [i for r in same if (i := str(r[self.stream.key])) not in edited]
            golden = self._golden(tx, right)
            if self.repair and wrong:
                self._mend(tx, [records[i] for i in wrong])
        self.found.pending += pending
        kinds = (("missing", missing), ("different", different), ("edited", edited), ("golden", golden))
        for kind, found in kinds:
            self.found.add(kind, found)
        self.report.add(pages=1)

    def _sorted(
        self, records: Mapping[str, Record], ours: Mapping[str, Any]
    ) -> tuple[dict[str, list[str]], dict[str, list[str]], list[Record], int]:
        """(missing, different, the same, how many differ since they were changed just now)."""
        missing: dict[str, list[str]] = {}
        different: dict[str, list[str]] = {}
        same: list[Record] = []
        pending = 0
        for remote_id, record in records.items():
            row = ours.get(remote_id)
            if row is None or row.deleted_at is not None:
                fields, kind = list[str](), missing
            elif fields := self._other_fields(record, row.payload):
                kind = different
            else:
                same.append(record)
                continue
            if self._changed_just_now(record):
                pending += 1
            else:
                kind[remote_id] = fields
        return missing, different, same, pending

    def _changed_just_now(self, record: Record) -> bool:
        at = instant(record.get(self.stream.modified)) if self.stream.modified else None
        return at is not None and self.just_now is not None and at >= self.just_now

    def _other_fields(self, theirs: Record, ours: Mapping[str, Any]) -> list[str]:
        names = self.sources or tuple(n for n in theirs if n not in self.gone)
        return [n for n in names if not _same(value_at(theirs, n), value_at(ours, n))]

    def _edited(self, tx: sa.Connection, records: list[Record]) -> dict[str, list[str]]:
        """Records whose canonical row is not what their mapping makes of them."""
        found: dict[str, list[str]] = {}
        if not records or self.state.mapping_hash != self.mapping_hash or self.state.behind:
            return found  # not mapped by these mappings yet: there is nothing to hold the rows to
        meant = laid_over(tx, self.state, received(self.state, records), self.run.started_at)
        for m in self.mappings:
            made = canonical(tx, self.state, m, meant, drifted.held(m.spec, self.gone))
            found |= reconciliation.differing(tx, m.entity, m.compiled.columns, made.rows)
            there = reconciliation.still_there(tx, m.entity, self.connection, self.stream.name, made.skipped)
            found |= {i: ["*"] for i in there}
        return found

    def _golden(self, tx: sa.Connection, ids: Sequence[str]) -> dict[str, list[str]]:
        """Of records that are right: those that a golden record says another value of; to mend, it is derived anew."""
        out: dict[str, list[str]] = {}
        for name in dict.fromkeys(m.entity for m in self.mappings) if ids else ():
            connection, stream = self.connection, self.stream.name
            found = reconciliation.golden_differing(tx, self.app.entities[name], connection, stream, ids)
            if found and self.repair:
                source.touch(tx, name, connection, stream, list(found), source.change_number(tx, name))
                self.found.mended += len(found.keys() - out.keys())
            out |= found
        return out

    # --- what is to be mended ---

    @property
    def _now(self) -> tuple[Sequence[StreamMapping], str | None]:
        """The mappings to go through at once, with their hash; none where refine has some to catch up with first."""
        caught_up = not self.state.behind and self.state.mapping_hash == self.mapping_hash
        return (self.mappings, self.mapping_hash) if caught_up else ((), None)

    def _mend(self, tx: sa.Connection, records: Sequence[Record]) -> None:
        """Stage and map these as a pull would, though nothing of the record may be news."""
        state, at = self.state, self.run.started_at
        mappings, mapping_hash = self._now
        ids = [str(r[self.stream.key]) for r in records]
        reconciliation.distrust(tx, self.connection, self.stream.name, ids)
        staged = raw.stage(tx, state, encode(state, records), seen_at=at, run_id=self.run.id)
        translate(tx, state, mappings, staged, at=at, run_id=self.run.id, report=self.report)
        for name in dict.fromkeys(m.entity for m in self.mappings):
            reconciliation.arrived_before(tx, name, self.connection, self.stream.name, ids)
        raw.keep_cursor(tx, state, None, mapping_hash)
        self.found.mended += len(records)

    def _absent(self, seen: raw.SeenIds) -> str | None:
        """Records that the remote does not show; to mend, they are marked as gone, unless they are too many to believe.

        Returns what to say where they are too many.
        """
        absent = seen.absent(self.run.started_at)
        if absent and self.stream.deletes is Deletes.MARKED:  # some may have gone while we read
            pull(self.app, self.connection, self.stream.name)
            if self.repair:
                self.take()
            absent = seen.absent(self.run.started_at)
        self.found.add("extra", dict.fromkeys(absent, ()))
        if not absent or not self.repair:
            return None
        with self.app.db.begin() as tx:
            told = tombstones.tell(
                tx, self.connection, self.stream.name, absent, "absent",
                told_at=self.run.started_at, run_id=self.run.id,
            )  # fmt: skip
        self.state.gone = self.state.gone or told > 0
        before = self.report.numbers.get("deleted", 0)
        mappings, mapping_hash = self._now
        believed = bury(
            self.app, self.state, mappings, mapping_hash,
            at=self.run.started_at, run_id=self.run.id, report=self.report, emptied=seen.empty,
        )  # fmt: skip
        self.found.mended += self.report.numbers.get("deleted", 0) - before
        return None if believed else self.report.message

    # --- what is said ---

    def _tell(self, remote: int, warehouse: int, stopped: str | None, held: str | None) -> None:
        found, name = self.found, f"{self.connection}.{self.stream.name}"
        counts = {
            "remote": remote, "warehouse": warehouse, "pending": found.pending, **found.counts, "mended": found.mended
        }  # fmt: skip
        self.report.add(**counts)
        with self.app.db.begin() as tx:
            reconciliation.keep(
                tx,
                reconciliation.Kept(
                    self.run.id, self.connection, self.stream.name, self.run.started_at, stopped is None, counts,
                    found.samples,
                ),
            )  # fmt: skip
        told = ", ".join(f"{n} {kind}" for kind, n in found.counts.items() if n)
        if stopped is not None:
            self.report.state, self.report.message = State.PARTIAL, f"not read to its end: {stopped}"
        elif held is not None:
            self.report.state, self.report.message = State.HELD, held
        elif found.total > found.mended:
            mend = f"`prm-sync reconcile {name} --repair` mends it"
            self.report.state, self.report.message = State.HELD, f"{name} and the warehouse differ: {told}; {mend}"
        elif found.total:
            self.report.message = f"{name}: mended {told}"


def _same(theirs: Any, ours: Any) -> bool:
    """Whether two JSON values are one; as the remote gives it, and as it comes back from the database."""
    return theirs == ours or fingerprint(msgspec.to_builtins(theirs)) == fingerprint(ours)
