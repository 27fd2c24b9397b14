"""The jobs and their schedules.

`sync_all` is what the hourly schedule runs: pull, refine, route, push, in one run whose graph shows the whole way.
`sync_<connection>` pulls and refines one connection; `deliver` does everything but pull; `measure` makes the marts and
sends what they tell; `reconcile` compares whole streams. Two runs of the same job wait for one another (tag
`prm_sync/sync`).
"""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from prm_sync.orchestration.catalogue import MEASURED, Catalogue, Patience, patience
from prm_sync.orchestration.keys import MARTS, PROJECT, core_key, ledgers, push_key, raw_key
from prm_sync.orchestration.purge import PURGE_CRON, purge

SYNC_TAG = "prm_sync/sync"
SYNC_ALL, DELIVER, MEASURE, PURGE = "sync_all", "deliver", "measure", "purge"
RECONCILE = "reconcile"
HOURLY = ("standing", "service")  #: marts that a sync makes too, since the CRM shows them
Job = dg.JobDefinition
AssetJob = type(dg.define_asset_job("x"))
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING,
]  # fmt: skip


def sync_name(connection: str) -> str:
    return f"sync_{connection}" if connection != "all" else "sync_connection_all"


def asset_jobs(catalogue: Catalogue) -> dict[str, object]:
    """All jobs that materialise assets, by name."""
    pulls = [raw_key(s) for s in catalogue.streams]
    cores = [core_key(name) for name in catalogue.entities]
    ledger = ledgers(catalogue)
    pushes = [push_key(s) for s in catalogue.pushed]
    jobs: dict[str, object] = {}

    def add(name: str, keys: Sequence[dg.AssetKey], description: str) -> None:
        if keys:
            selection = dg.AssetSelection.assets(*keys)
            jobs[name] = dg.define_asset_job(name, selection, description=description, tags={SYNC_TAG: name})

    hourly = [MARTS[part] for part in HOURLY if part in catalogue.measured]
    add(SYNC_ALL, [PROJECT, *pulls, *cores, *ledger, *hourly, *pushes], "Everything: pull, refine, route, push")
    add(DELIVER, [*cores, *ledger, *hourly, *pushes], "Refine, route and push what was pulled before")
    for connection in catalogue.connections:
        own = [s for s in catalogue.streams if s.connection == connection]
        fed = [name for name in catalogue.entities if any(m.entity == name for s in own for m in s.feeds)]
        add(
            sync_name(connection), [*(raw_key(s) for s in own), *(core_key(name) for name in fed)],
            f"Pull every stream of {connection} and refine what it feeds",
        )  # fmt: skip
    if catalogue.measures:
        told = [push_key(s) for s in catalogue.pushed if any(m.entity in MEASURED for m in s.backs)]
        marts = [MARTS[part] for part in catalogue.measured]
        add(MEASURE, [*marts, *told], "Measure what partners do, and tell it where a mapping says so")
    return jobs


def schedules(catalogue: Catalogue, jobs: dict[str, object], reconciling: Job) -> list[dg.ScheduleDefinition]:
    """Those of prm_sync.yaml; running from the start, since somebody wrote them down."""
    plan = catalogue.source.project.schedules
    out = [_unless_under_way("daily_purge", PURGE, purge, PURGE_CRON)]
    if plan.pull is not None and SYNC_ALL in jobs:
        out.append(_unless_under_way("sync", SYNC_ALL, jobs[SYNC_ALL], plan.pull))
    if plan.measure is not None and MEASURE in jobs:
        out.append(_unless_under_way("measuring", MEASURE, jobs[MEASURE], plan.measure))
    if plan.reconcile is not None and catalogue.streams:
        out.append(_unless_under_way("reconciling", RECONCILE, reconciling, plan.reconcile))
    return out


def _unless_under_way(name: str, job_name: str, job: object, cron: str) -> dg.ScheduleDefinition:
    """A schedule that passes over a time at which the run before is still at work: a first load takes hours."""

    @dg.schedule(
        name=name, cron_schedule=cron, job=job, execution_timezone="UTC",  # type: ignore[arg-type]
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )  # fmt: skip
    def planned(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        under_way = context.instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=UNDER_WAY), limit=1)
        if under_way:
            return dg.SkipReason(f"{job_name} is still at work: run {under_way[0].run_id}")
        return dg.RunRequest()

    return planned


def freshness(cron: str | None) -> dg.FreshnessPolicy | None:
    """How old the assets of a schedule may get; None: nothing is promised without a schedule."""
    if cron is None:
        return None
    allowed = allowed_age(cron)
    return dg.FreshnessPolicy.time_window(fail_window=allowed.fail, warn_window=allowed.warn)


def allowed_age(cron: str) -> Patience:
    """From the gaps between some consecutive times of a schedule."""
    windows = dg.TimeWindowPartitionsDefinition(start="2026-01-01-00:00", fmt="%Y-%m-%d-%H:%M", cron_schedule=cron)
    gaps: list[timedelta] = []
    window = windows.get_first_partition_window()
    while window is not None and len(gaps) < 20:
        gaps.append(window.end - window.start)
        window = windows.get_next_partition_window(window.end, respect_bounds=False)
    return patience(gaps or [timedelta(days=1)])
