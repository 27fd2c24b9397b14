"""What happens by itself after something happened: alerts, and going on without a system that is away."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import sqlalchemy as sa

from prm_sync.orchestration.alerts import post_waiting, raise_alert
from prm_sync.orchestration.edge import UNAVAILABLE
from prm_sync.orchestration.jobs import DELIVER, SYNC_ALL
from prm_sync.settings import Settings
from prm_sync.warehouse import db, schema
from prm_sync.warehouse.urls import warehouse_url

log = logging.getLogger(__name__)

RUNNING = dg.DefaultSensorStatus.RUNNING
ReadSettings = Callable[[], Settings]


@contextmanager
def _warehouse(settings: Settings) -> Iterator[sa.Engine]:
    engine = db.engine(warehouse_url(settings))
    try:
        with engine.begin() as tx:
            made = tx.execute(sa.text("SELECT to_regclass('ops.alert') IS NOT NULL")).scalar_one()
        if not made:  # plain `dagster dev` on a fresh installation: nothing has run yet
            schema.upgrade(engine)
        yield engine
    finally:
        engine.dispose()


def all_sensors(
    settings: ReadSettings, jobs: dict[str, object], fresh: Sequence[dg.AssetKey]
) -> list[dg.SensorDefinition]:
    """`fresh`: the assets with a freshness policy."""
    out = [alert_on_failure(settings), watch(settings, fresh)]
    if DELIVER in jobs:
        out.append(go_on_without(jobs[DELIVER]))
    return out


# --- failures ----------------------------------------------------------------------------------------------------


def headline(context: dg.RunFailureSensorContext) -> tuple[str, set[str]]:
    """Why a run failed in one line, and the classes of its failures (see `edge`)."""
    words: list[str] = []
    classes: set[str] = set()
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        told = data.user_failure_data
        if told is not None and told.description:
            words.append(told.description)
            value = told.metadata.get("class")
            classes.add(str(value.value) if value is not None else "other")
        else:
            error = data.error
            while error is not None and error.cause is not None:
                error = error.cause
            words.append(f"{event.step_key}: {error.message.strip().splitlines()[0] if error else 'failed'}")
            classes.add("other")
    if not words:
        return context.failure_event.message or "the run failed", {"crash"}
    rest = f" (and {len(words) - 1} more)" if len(words) > 1 else ""
    return words[0] + rest, classes


def alert_on_failure(settings: ReadSettings) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="alert_on_failure", default_status=RUNNING, minimum_interval_seconds=15, monitor_all_code_locations=False,
        description="Keeps the headline of every failed run in ops.alert; `watch` posts it",
    )  # fmt: skip
    def failed(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        message, _ = headline(context)
        with _warehouse(settings()) as engine:
            raise_alert(engine, "run_failed", run.job_name, message, datetime.now(UTC), run.run_id)

    return failed


def go_on_without(deliver: Any) -> dg.SensorDefinition:
    """A system that is away stops its own streams; what others sent is still refined, routed and delivered."""

    @dg.run_failure_sensor(
        name="go_on_without", default_status=RUNNING, minimum_interval_seconds=15, request_job=deliver,
        description="After a sync in which some pulls failed since their system was away: deliver the rest",
    )  # fmt: skip
    def went_on(context: dg.RunFailureSensorContext) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run
        if run.job_name != SYNC_ALL:
            return dg.SkipReason(f"{run.job_name} is not {SYNC_ALL}")
        failed = {event.step_key for event in context.get_step_failure_events()}
        _, classes = headline(context)
        if not failed or not all((key or "").startswith("raw_") for key in failed):
            return dg.SkipReason("it is not only pulls that failed")
        if not classes <= {UNAVAILABLE, "misconfigured"}:
            return dg.SkipReason(f"what failed must be seen to first: {', '.join(sorted(classes))}")
        return dg.RunRequest(run_key=f"after-{run.run_id}", tags={"prm_sync/after": run.run_id})

    return went_on


# --- what is late, and what was not posted yet -------------------------------------------------------------------


def watch(settings: ReadSettings, fresh: Sequence[dg.AssetKey]) -> dg.SensorDefinition:
    @dg.sensor(
        name="watch", default_status=RUNNING, minimum_interval_seconds=30,
        description="Raises alerts for assets that are too old and flows that are held; posts alerts to the webhook",
    )  # fmt: skip
    def watched(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        current, now = settings(), datetime.now(UTC)
        before = json.loads(context.cursor or "{}")
        late = _late(context.instance, fresh)
        with _warehouse(current) as engine:
            for name in sorted(set(late) - set(before.get("late", []))):
                raise_alert(
                    engine, "too_old", name, "has not been brought up to date in time: look at its last runs", now
                )
            held_upto = _alert_held(engine, before.get("held", ""), now)
            drift_upto = _alert_drift(engine, before.get("drift", ""), now)
            delivered, waiting = post_waiting(engine, current.alert_url, now)
        cursor = json.dumps({"late": late, "held": held_upto, "drift": drift_upto})
        return dg.SensorResult(
            skip_reason=f"{len(late)} too old, {delivered} alerts posted, {waiting} waiting", cursor=cursor
        )

    return watched


def _late(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]) -> list[str]:
    records = instance.get_freshness_state_records(list(keys))
    return sorted(key.to_user_string() for key, r in records.items() if r.freshness_state.value == "FAIL")


def _alert_held(engine: sa.Engine, since: str, now: datetime) -> str:
    """One alert for each flow that ended held since the last look; the end of the newest one, to look on from.

    A flow that an error ended within a Dagster run has its alert already, as that of the failed run.
    """
    start = datetime.fromisoformat(since) if since else now
    with engine.begin() as tx:
        rows = tx.execute(
            sa.text(
                "SELECT verb, target, message, ended_at, dagster_run_id FROM ops.run "
                "WHERE state = 'held' AND ended_at > :since "
                "AND NOT (dagster_run_id IS NOT NULL AND message LIKE 'Misconfigured: %')"
            ),
            {"since": start},
        ).all()
    for row in rows:
        raise_alert(
            engine, "held", f"{row.verb} {row.target}", row.message or "waits for approval", now, row.dagster_run_id
        )
    ends: list[datetime] = [row.ended_at for row in rows]
    return max([start, *ends]).isoformat()


def _alert_drift(engine: sa.Engine, since: str, now: datetime) -> str:
    """One alert for each field that drifted since the last look and holds nothing; what holds makes its pull `held`."""
    start = datetime.fromisoformat(since) if since else now
    with engine.begin() as tx:
        rows = tx.execute(
            sa.text(
                "SELECT connection, stream, message, first_seen_at FROM ops.drift "
                "WHERE state = 'open' AND severity = 'warning' AND first_seen_at > :since ORDER BY first_seen_at"
            ),
            {"since": start},
        ).all()
    for row in rows:
        raise_alert(engine, "drift", f"{row.connection}.{row.stream}", row.message, now)
    seen: list[datetime] = [row.first_seen_at for row in rows]
    return max([start, *seen]).isoformat()
