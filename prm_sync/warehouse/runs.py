"""One row per flow that was run: ops.run."""

from __future__ import annotations

import secrets
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec
import sqlalchemy as sa

from prm_sync.errors import PrmSyncError


class Report(Protocol):
    """What a flow returns."""

    @property
    def state(self) -> str: ...

    def counts(self) -> Mapping[str, int]: ...

    @property
    def message(self) -> str | None: ...


@dataclass(slots=True)
class Run:
    """A run under way; `report` is set by the flow before it returns."""

    id: str
    verb: str
    target: str
    started_at: datetime
    report: Report | None = field(default=None)


@contextmanager
def running(
    db: sa.Engine, verb: str, target: str, now: datetime, *, dagster_run_id: str | None = None
) -> Iterator[Run]:
    """Records a run, whatever becomes of it: an exception makes it `failed`, or `held`, with its text."""
    began = time.perf_counter()
    run = Run(f"{verb}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}", verb, target, now)
    with db.begin() as tx:
        tx.execute(
            sa.text(
                "UPDATE ops.run SET state = 'failed', ended_at = :at, message = 'its process ended without a word; the "
                "run after it went on from the cursor' WHERE verb = :verb AND target = :target AND state = 'running'"
            ),
            {"at": now, "verb": verb, "target": target},
        )
        tx.execute(
            sa.text(
                "INSERT INTO ops.run (id, verb, target, state, started_at, dagster_run_id) "
                "VALUES (:id, :verb, :target, 'running', :at, :dagster)"
            ),
            {"id": run.id, "verb": verb, "target": target, "at": now, "dagster": dagster_run_id},
        )
    try:
        yield run
    except BaseException as error:
        state = error.leaves if isinstance(error, PrmSyncError) else "failed"
        _end(db, run, time.perf_counter() - began, state, _words(error), {})
        raise
    report = run.report
    took_s = time.perf_counter() - began
    _end(
        db, run, took_s,
        report.state if report else "done", report.message if report else None, report.counts() if report else {},
    )  # fmt: skip


def _words(error: BaseException) -> str:
    """What went wrong. Errors that are not ours may quote a record (PostgreSQL's do): of those, what and where only."""
    name = type(error).__name__
    if isinstance(error, PrmSyncError):
        return f"{name}: {error.told}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "prm_sync" in f.filename]
    where = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{name}{where}: unexpected; the log has the rest"


def _end(db: sa.Engine, run: Run, took_s: float, state: str, message: str | None, counts: Mapping[str, int]) -> None:
    with db.begin() as tx:
        tx.execute(
            sa.text(
                "UPDATE ops.run SET state = :state, ended_at = :ended_at, message = :message, "
                "counts = cast(:counts AS jsonb) WHERE id = :id"
            ),
            {
                "state": state,
                "ended_at": run.started_at + timedelta(seconds=took_s),
                "message": message,
                "counts": msgspec.json.encode(dict(counts)).decode(),
                "id": run.id,
            },
        )
