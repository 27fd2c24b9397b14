"""pull: connection.stream -> raw, and the canonical rows of what is news; a page and its cursor in one transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

import sqlalchemy as sa

from prm_sync.app import App, StreamMapping
from prm_sync.connect.ahead import ahead
from prm_sync.connect.protocol import CursorExpired, Deletes, Page, QuotaSpent, RateLimited, Session, Stream
from prm_sync.connect.undecoded import Undecoded
from prm_sync.errors import ConfigError
from prm_sync.flows import drift, translate
from prm_sync.flows.beside import prepared_beside
from prm_sync.flows.bury import bury
from prm_sync.flows.forget import strangers_only
from prm_sync.flows.preparing import Maker, Prepared, Recipe, prepare, rarely_collecting
from prm_sync.flows.report import FlowReport, State
from prm_sync.warehouse import indexes, raw, statistics, tombstones
from prm_sync.warehouse.records import Encoded, encode
from prm_sync.warehouse.runs import Run, running

log = logging.getLogger(__name__)

AHEAD_PAGES = 1  #: pages read while one is being staged
LARGE = 50_000  #: records of a first read from which on indexes are made afterwards, and pages in a process beside

Mappings = Sequence[StreamMapping]
Ready = Prepared | list[Encoded]
"""A page as far as it can be made without the warehouse: all of it, where the stream was empty; else what it holds."""
OnPage = Callable[[int, int | None], None]  #: records so far, records in all where the remote says


def pull(
    app: App, connection: str, stream: str, *, on_page: OnPage | None = None, dagster_run_id: str | None = None
) -> FlowReport:
    """Read what is new of a stream. `partial` where a quota ended it early; connector errors are raised."""
    started_at = app.clock()
    with running(app.db, "pull", f"{connection}.{stream}", started_at, dagster_run_id=dagster_run_id) as run:
        began = time.perf_counter()
        report = FlowReport("pull", run.target)
        run.report = report
        drifted: str | None = None
        with app.session(connection, reading=True) as session, rarely_collecting():
            try:
                declared = _declared(app, session, connection, stream)
                if declared is None:
                    report.message = f"{connection} has no stream {stream!r}; nothing to pull"
                    return report
                form = drift.observe(app, connection, declared, started_at)
                drifted = form.message
                reading = _Reading(app, session, declared, connection, run, report, started_at, on_page)
                if form.returned:  # records that were read meanwhile came without the field
                    reading.start_over()
                try:
                    reading.read()
                except CursorExpired:
                    log.warning("cursor expired, reading in full", extra={"connection": connection, "stream": stream})
                    reading.start_over()
                    reading.read()
            except (QuotaSpent, RateLimited) as stop:
                report.state, report.message = State.PARTIAL, str(stop)
            if drifted is not None and report.state is State.DONE:
                report.state, report.message = State.HELD, drifted
        report.work_s = time.perf_counter() - began
    log.info("pulled", extra={"connection": connection, "stream": stream, "counts": dict(report.numbers)})
    return report


def _declared(app: App, session: Session, connection: str, stream: str) -> Stream | None:
    """The stream; None where it is not there and nobody named it (a mapping is shipped for it, that is all)."""
    named = stream in (app.source.project.connections[connection].streams or ())
    return stream_of(session, connection, stream) if named else next(iter(session.discover([stream])), None)


def stream_of(session: Session, connection: str, stream: str) -> Stream:
    """The stream. Raises ConfigError where it is not there."""
    found = session.discover([stream])
    if not found:
        raise ConfigError(
            f"{connection}: there is no stream {stream!r}; `prm-sync connectors streams {connection}` lists them"
        )
    return found[0]


def taken(app: App, connection: str, stream: Stream, run: Run) -> raw.StreamState:
    """The stream's state, taken for this run: an older run can write no more pages."""
    return raw.take(app.db, connection, stream.name, run.id, key=stream.key, modified=stream.modified)


@dataclass(slots=True)
class _Reading:
    """One stream being read by one run."""

    app: App
    session: Session
    stream: Stream
    connection: str
    run: Run
    report: FlowReport
    started_at: datetime
    on_page: OnPage | None

    def read(self) -> None:
        state = taken(self.app, self.connection, self.stream, self.run)
        full = state.full = state.full or not self.stream.incremental
        mappings, mapping_hash = self.app.mappings_of(self.connection, self.stream.name)
        caught_up = not state.behind and (state.mapping_hash == mapping_hash or state.records == 0)
        now, now_hash = (mappings, mapping_hash) if caught_up else ((), None)  # else refine maps it, all that waits
        had = state.records
        marked_again = full and had and self.stream.deletes is Deletes.MARKED
        by_absence = self.stream.deletes is Deletes.BY_ABSENCE
        watch = raw.SeenIds(self.app.db, state) if marked_again or by_absence else None
        pages, position, empty = 0, None, bool(full and had)
        try:
            for page, ready in self._pages(state, now):
                empty = empty and not page.records
                if watch is not None or empty:  # the position comes last: half a read must not hide what is absent
                    position, page = page.cursor or position, replace(page, cursor=None)
                self._keep(state, page, ready, now, now_hash)
                if watch is not None:
                    watch.add(ready.ids if isinstance(ready, Prepared) else (e.received.remote_id for e in ready))
                pages += 1
                if self.on_page is not None:
                    self.on_page(self.report.numbers.get("read", 0), page.total)
            if watch is not None and pages:
                self._tell_absent(state, watch)
            if by_absence and not pages and state.gone:  # it is what it was at the cursor: nobody is missing any more
                with self.app.db.begin() as tx:
                    tombstones.forget_absent(tx, state.connection, state.stream)
            emptied = bool(pages) and (empty or (watch is not None and watch.empty and had > 0))
            believed = bury(
                self.app, state, now, now_hash,
                at=self.started_at, run_id=self.run.id, report=self.report, emptied=emptied,
            )  # fmt: skip
            if emptied and believed:
                believed = self._nothing_at_all()
            if watch is not None and pages and (believed or not by_absence):  # else read, and held, again
                with self.app.db.begin() as tx:
                    raw.keep_cursor(tx, state, position, now_hash)
        finally:
            if watch is not None:
                watch.close()
        with self.app.db.begin() as tx:
            if pages == 0 and caught_up:
                raw.keep_cursor(tx, state, None, mapping_hash)
            raw.ended(tx, state, self.started_at, full=full)
        if self.report.numbers.get("new"):  # else nothing has grown
            written = [self.app.tables.entities[m.entity].source for m in mappings]
            indexes.complete(self.app.db, written)
            statistics.renew(self.app.db, [self.app.tables["raw.record"], *written])

    def start_over(self) -> None:
        state = taken(self.app, self.connection, self.stream, self.run)
        with self.app.db.begin() as tx:
            raw.forget_cursor(tx, state)

    def _pages(self, state: raw.StreamState, mappings: Mappings) -> Iterator[tuple[Page, Ready]]:
        """The pages, each worked on as far as that goes without the warehouse, while an earlier one is written.

        In a stream that was empty all is new, so that its rows can be made before; else only what is news is mapped.
        """
        strangers = strangers_only(self.app, self.connection, self.stream.name)
        makers = [Maker.of(m.compiled, m.match_keys) for m in mappings]
        whole = strangers is None and all(maker.plain for maker in makers)

        def here(page: Page) -> Ready:
            if state.only_new and whole:
                return prepare(state, makers, page.records, seen_at=self.started_at, run_id=self.run.id)
            records = encode(state, page.records)
            return records if strangers is None else strangers(records)

        def ready() -> Iterator[tuple[Page, Ready]]:
            fields = [f.name for f in self.stream.fields]
            pages = iter(self.session.read(self.stream, state.cursor, fields))
            for first in pages:
                following = chain([first], pages)
                undecoded = isinstance(first.records, Undecoded)
                if state.only_new and whole and mappings and undecoded and _is_large(first):
                    yield from prepared_beside(following, self._recipe(state, mappings), here)
                else:
                    with closing(ahead(following, AHEAD_PAGES)) as read:
                        yield from ((page, here(page)) for page in read)

        return ahead(ready(), AHEAD_PAGES)

    def _recipe(self, state: raw.StreamState, mappings: Mappings) -> Recipe:
        return Recipe(
            state.connection, state.stream, state.key, state.modified, self.started_at, self.run.id,
            tuple(m.spec for m in mappings), self.app.policies.identity,
        )  # fmt: skip

    def _keep(
        self, state: raw.StreamState, page: Page, ready: Ready, mappings: Mappings, mapping_hash: str | None
    ) -> None:
        if state.only_new and state.records == 0 and _is_large(page):
            for mapping in mappings:
                with self.app.db.begin() as tx:
                    indexes.leave_away(tx, self.app.tables, mapping.entity)
        with self.app.db.begin() as tx:
            # Page and cursor would be lost together, and read again.
            tx.exec_driver_sql("SET LOCAL synchronous_commit = off")
            if not self._add(tx, state, page, ready, mappings):
                self._stage(tx, state, page, ready, mappings)
            raw.keep_cursor(tx, state, page.cursor, mapping_hash)
        self.report.add(pages=1, read=len(page.records))
        about = {"connection": self.connection, "stream": self.stream.name, "records": len(page.records)}
        log.info("page staged", extra=about)

    def _add(self, tx: sa.Connection, state: raw.StreamState, page: Page, ready: Ready, mappings: Mappings) -> bool:
        """Whether the page could be kept as it was prepared: all of it is new, and means what it says."""
        if not isinstance(ready, Prepared) or page.deleted or page.merged or not translate.is_plain(tx, state):
            return False
        if not (state.only_new and raw.add(tx, state, ready.packed, len(ready.ids))):
            return False
        translate.add(tx, state, mappings, ready.rows, at=self.started_at, run_id=self.run.id, report=self.report)
        self.report.add(new=len(ready.ids), changed=0, unchanged=0)
        return True

    def _stage(self, tx: sa.Connection, state: raw.StreamState, page: Page, ready: Ready, mappings: Mappings) -> None:
        """Keep what of the page is news."""
        records = encode(state, page.records) if isinstance(ready, Prepared) else ready
        staged = raw.stage(tx, state, records, seen_at=self.started_at, run_id=self.run.id)
        if page.deleted or page.merged:
            self._tell(tx, state, [*page.deleted, *page.merged], "marked", page.merged)
        translate.translate(
            tx, state, mappings, staged, at=self.started_at, run_id=self.run.id, report=self.report
        )
        self.report.add(new=len(staged.new), changed=len(staged.changed), unchanged=staged.unchanged)
        if staged.outlived:
            self.report.add(outlived=staged.outlived)

    def _tell(
        self, tx: sa.Connection, state: raw.StreamState, ids: Sequence[str], how: tombstones.How,
        merged: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        told = tombstones.tell(
            tx, state.connection, state.stream, ids, how,
            merged=merged, told_at=self.started_at, run_id=self.run.id,
        )  # fmt: skip
        state.gone = state.gone or told > 0

    def _tell_absent(self, state: raw.StreamState, watch: raw.SeenIds) -> None:
        """What a complete read did not show is gone."""
        absent = watch.absent(self.started_at)
        if absent:
            with self.app.db.begin() as tx:
                self._tell(tx, state, absent, "absent")

    def _nothing_at_all(self) -> bool:
        """Whether it is right that a full read gave nothing: where records are left, that is told, and read again."""
        with self.app.db.begin() as tx:
            left = tombstones.living(tx, self.connection, self.stream.name, "")
        if left and self.report.state is State.DONE:
            self.report.state = State.HELD
            self.report.message = (
                f"{self.connection}.{self.stream.name}: a full read shows none of the {left} records that were there; "
                "nothing was marked as deleted. Look at the source, its filters and what the credentials may see"
            )
        return not left


def _is_large(page: Page) -> bool:
    """Whether the read that the page is of gives many records, as far as the remote says."""
    return (page.total or 0) >= LARGE
