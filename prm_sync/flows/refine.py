"""refine: raw -> core. Maps what was not mapped yet, then identity (crosswalk) and survivorship (golden, past)."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.flows.bury import bury
from prm_sync.flows.deliveries import tell_late
from prm_sync.flows.report import FlowReport
from prm_sync.flows.timeleft import Chunks
from prm_sync.flows.translate import translate
from prm_sync.rules.identity import matching_of
from prm_sync.warehouse import golden, indexes, raw, statistics
from prm_sync.warehouse.matching import Edge, Like, Likeness
from prm_sync.warehouse.runs import running
from prm_sync.warehouse.tables import Tables

log = logging.getLogger(__name__)

CATCH_UP_ROWS = 5_000
LOOK_EVERY_S = 1.0  #: each look counts the rows that wait
MEANWHILE_ROWS, MEANWHILE_MOST = 10_000, 100_000  #: fewer wait; more would need memory that pages are in


def refine(app: App, entities: Sequence[str] | None = None, *, dagster_run_id: str | None = None) -> FlowReport:
    """Bring the golden records of these entities (None: all) up to what was pulled."""
    now = app.clock()
    with running(app.db, "refine", ",".join(entities or ()), now, dagster_run_id=dagster_run_id) as run:
        began = time.perf_counter()
        report = FlowReport("refine", run.target)
        run.report = report
        for connection, stream in app.mapped_streams(entities):
            _catch_up(app, connection, stream, run.id, report)
        for name in golden.waiting(app.db, {name: app.golden_hash(name) for name in entities or app.entities}):
            refine_entity(app, name, report)
        if "order" in (entities or app.entities):
            tell_late(app, report)
        written = _written(app.tables, entities or app.entities)
        indexes.complete(app.db, written)
        statistics.renew(app.db, written)
        report.work_s = time.perf_counter() - began
    log.info("refined", extra={"counts": dict(report.numbers)})
    return report


def _written(tables: Tables, entities: Iterable[str]) -> list[sa.Table]:
    """Where pull and refine write: a pull that was killed has not completed its own."""
    of_entities = (tables.entities[name] for name in entities)
    return [tables["core.crosswalk"], *(table for of in of_entities for table in (of.source, of.golden))]


def refine_entity(
    app: App, name: str, report: FlowReport, *, at_least: int = 1, at_most: int = golden.CHUNK_ROWS
) -> None:
    """Crosswalk and golden records of one entity, in chunks of so many rows, until fewer wait."""
    entity, like = app.entities[name], likeness(app, name)
    while True:
        statistics.renew(app.db, [app.tables.entities[name].source])  # what a pull beside has brought so far
        done = golden.refine_chunk(
            app.db, entity, policy_hash=app.golden_hash(name), survive=app.survive(name), cluster=app.cluster,
            now=app.clock(), never_null=app.precedence(name).never_null, like=like,
            at_least=at_least, chunk_rows=at_most,
        )  # fmt: skip
        if done is None:
            return
        report.add(refined=done.rows, made=done.made, golden_changed=done.changed, merged=done.merged)


def likeness(app: App, name: str) -> Like | None:
    """Matching of the entity's records by likeness; None: the policy says nothing of it, and nothing is imported."""
    matching = matching_of(app.policies.identity, name)
    if matching is None:
        return None
    made: list[Like] = []

    def when_asked(tx: sa.Connection, now: datetime) -> tuple[list[Edge], list[Edge]]:
        if not made:  # only where there are records to match: numpy, scipy and rapidfuzz cost half a second and 60 MB
            from prm_sync.flows.match import LikenessJudge

            made.append(Likeness(app.entities[name], LikenessJudge(matching)))
        return made[0](tx, now)

    return when_asked


@contextmanager
def refining_meanwhile(
    app: App, entities: Sequence[str], report: FlowReport, *,
    at_least: int = MEANWHILE_ROWS, left_s: Callable[[], float] = lambda: math.inf,
) -> Iterator[None]:  # fmt: skip
    """While the body pulls, a thread refines what it has staged: both halves of a big load at once.

    A chunk's cost has a part that grows with what is there already. So chunks grow with it, from `at_least` rows on,
    and after each the thread rests as long as it took, but for the last one that can be done before the body is
    (`left_s`: seconds that it has left). What is left then is done afterwards, all at once.
    """
    stop = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            chunks = Chunks(LOOK_EVERY_S)
            while not stop.wait(LOOK_EVERY_S / 10):
                turn = chunks.turn(left_s())
                if turn in ("rest", "leave"):
                    continue
                began, refined = time.monotonic(), report.numbers.get("refined", 0)
                for name in entities:
                    grown = report.numbers.get("refined", 0) // 4 if turn == "full" else 0
                    enough = min(max(at_least, grown), MEANWHILE_MOST)
                    refine_entity(app, name, report, at_least=enough, at_most=MEANWHILE_MOST)
                chunks.done(began, idle=report.numbers.get("refined", 0) == refined)
        except BaseException as e:  # noqa: BLE001 - raised in the caller's thread below
            failed.append(e)

    thread = threading.Thread(target=work, name="refine-meanwhile", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]


def _catch_up(app: App, connection: str, stream: str, run_id: str, report: FlowReport) -> None:
    """Map what raw has and the mapping has not seen: after a crash, a changed mapping, or a pull without one."""
    mappings, mapping_hash = app.mappings_of(connection, stream)
    if mapping_hash is None or not raw.waits_for_mapping(app.db, connection, stream, mapping_hash):
        return
    state = raw.take(app.db, connection, stream, run_id)
    remapped = state.mapping_hash != mapping_hash
    seq = 0 if remapped else state.mapped_seq
    while True:
        with app.db.begin() as tx:
            last, present, deleted = raw.records_after(tx, state, seq, CATCH_UP_ROWS)
            if last == seq:
                raw.keep_cursor(tx, state, None, mapping_hash)
                break
            staged = raw.Staged(changed=present, deleted=deleted)
            translate(
                tx, state, mappings, staged, at=app.clock(), run_id=run_id, report=report,
                of="remapped" if remapped else "stock", same_records=last <= state.mapped_seq,
            )  # fmt: skip
            raw.keep_mapped(tx, state, last, mapping_hash)
        seq = last
    left_out = [m.entity for m in mappings]
    bury(app, state, (), mapping_hash, at=app.clock(), run_id=run_id, report=report, entities=left_out)
