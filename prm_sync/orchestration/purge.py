"""Dagster keeps runs and their events for ever: this deletes the old ones, after their outline went to `ops.run`."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import msgspec
import sqlalchemy as sa

from prm_sync.orchestration.edge import OpenOnce, headlines

PURGE_CRON = "40 3 * * *"
BATCH = 200
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


class PurgeConfig(dg.Config):
    """`keep_days`: days that runs and their events are kept."""

    keep_days: int = 30


@dg.op(required_resource_keys={"app"}, description="Delete runs and events older than `keep_days`")
def delete_old_runs(context: dg.OpExecutionContext, config: PurgeConfig) -> None:
    if config.keep_days < 1:
        raise dg.Failure(description="purge: keep_days must be 1 or more", allow_retries=False)
    with headlines("purge"):
        opened: OpenOnce = context.resources.app
        engine = opened.app.db
        deleted = purge_runs(
            context.instance, engine, datetime.now(UTC) - timedelta(days=config.keep_days), context.run.run_id
        )
    context.add_output_metadata({"deleted": deleted, "keep_days": config.keep_days})


@dg.job(name="purge", description="Delete old runs and events of Dagster; their outline stays in ops.run",
        tags={"prm_sync/sync": "purge"}, executor_def=dg.in_process_executor)  # fmt: skip
def purge() -> None:
    delete_old_runs()


def purge_runs(instance: dg.DagsterInstance, engine: sa.Engine, before: datetime, own_run_id: str = "") -> int:
    """Delete finished runs created before a time, each after its outline is kept; how many."""
    deleted = 0
    while True:
        records = instance.get_run_records(
            dg.RunsFilter(statuses=FINISHED, created_before=before), limit=BATCH, ascending=True
        )
        records = [r for r in records if r.dagster_run.run_id != own_run_id]
        if not records:
            return deleted
        _keep_outline(engine, records)
        for record in records:
            instance.delete_run(record.dagster_run.run_id)
        deleted += len(records)


def _keep_outline(engine: sa.Engine, records: list[dg.RunRecord]) -> None:
    """One row per run, for trends: what ran, when, how it ended. What each flow did stands in ops.run already."""
    states = {
        dg.DagsterRunStatus.SUCCESS: "done",
        dg.DagsterRunStatus.FAILURE: "failed",
        dg.DagsterRunStatus.CANCELED: "failed",
    }
    rows = []
    for record in records:
        run = record.dagster_run
        started = record.start_time or record.create_timestamp.timestamp()
        rows.append(
            {
                "id": f"dagster-{run.run_id}", "dagster": run.run_id,
                "target": run.job_name, "state": states[run.status],
                "started": datetime.fromtimestamp(started, UTC),
                "ended": datetime.fromtimestamp(record.end_time, UTC) if record.end_time else None,
                "counts": msgspec.json.encode({"steps": len(run.step_keys_to_execute or ())}).decode(),
                "message": "canceled" if run.status is dg.DagsterRunStatus.CANCELED else None,
            }
        )  # fmt: skip
    with engine.begin() as tx:
        tx.execute(
            sa.text(
                "INSERT INTO ops.run (id, verb, target, state, started_at, ended_at, counts, message, dagster_run_id) "
                "VALUES (:id, 'dagster', :target, :state, :started, :ended, cast(:counts AS jsonb), :message, :dagster)"
                " ON CONFLICT (id) DO NOTHING"
            ),
            rows,
        )
