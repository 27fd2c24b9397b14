"""The job that reconciles: every stream against its remote, one step each, so that one that fails stops no other."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from prm_sync.flows.reconcile import reconcile
from prm_sync.orchestration.assets import pool
from prm_sync.orchestration.catalogue import Catalogue, StreamEntry
from prm_sync.orchestration.edge import OpenOnce, command, headlines, numbers, settled
from prm_sync.orchestration.jobs import RECONCILE, SYNC_TAG
from prm_sync.orchestration.keys import raw_key


class ReconcileConfig(dg.Config):
    """`repair`: put right what differs; as prm_sync.yaml says where it is not given."""

    repair: bool | None = None


def reconcile_job(catalogue: Catalogue) -> dg.JobDefinition:
    steps = [_step(entry, repairs=catalogue.source.project.schedules.reconcile_repairs) for entry in catalogue.streams]

    @dg.job(
        name=RECONCILE, tags={SYNC_TAG: RECONCILE}, executor_def=dg.in_process_executor,
        description="Read every stream in full, compare it with the warehouse, and mend what differs",
    )  # fmt: skip
    def reconciling() -> None:
        for step in steps:
            step()

    return reconciling


def _step(entry: StreamEntry, *, repairs: bool) -> Callable[[], Any]:
    subject = f"{entry.connection}.{entry.stream}"

    @dg.op(
        name=f"reconcile_{entry.name}", description=f"Compare {subject} with the warehouse",
        pool=pool(entry.connection), required_resource_keys={"app"},
    )  # fmt: skip
    def compared(context: dg.OpExecutionContext, config: ReconcileConfig) -> None:
        with headlines(subject):
            opened: OpenOnce = context.resources.app
            repair = repairs if config.repair is None else config.repair
            report = reconcile(
                opened.app, entry.connection, entry.stream, repair=repair, dagster_run_id=context.run.run_id
            )
            report = settled(subject, report)
        replay = command(f"prm-sync reconcile {subject} --repair")
        context.log_event(dg.AssetObservation(raw_key(entry), metadata={**numbers(report), "replay": replay}))

    return compared
