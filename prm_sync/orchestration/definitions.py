"""What Dagster loads: everything that prm_sync.yaml and the mappings call for. Reads files; no network, no secrets."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

import dagster as dg

from prm_sync.app import App, open_app
from prm_sync.orchestration.assets import all_assets
from prm_sync.orchestration.catalogue import Catalogue, read_catalogue
from prm_sync.orchestration.edge import Opener, app_resource
from prm_sync.orchestration.jobs import asset_jobs, freshness, schedules
from prm_sync.orchestration.purge import purge
from prm_sync.orchestration.reconciling import reconcile_job
from prm_sync.orchestration.sensors import ReadSettings, all_sensors
from prm_sync.settings import Settings


def settings_now() -> Settings:
    return Settings.from_env(os.environ)


def open_now() -> AbstractContextManager[App]:
    return open_app(settings_now())


def definitions_of(
    catalogue: Catalogue, opener: Opener = open_now, settings: ReadSettings = settings_now
) -> dg.Definitions:
    """One flat Definitions. Steps run in the run's own process: 0.05 s each instead of 2, and none can be orphaned."""
    plan = catalogue.source.project.schedules
    assets = all_assets(catalogue, freshness(plan.pull), freshness(plan.measure))
    jobs, reconciling = asset_jobs(catalogue), reconcile_job(catalogue)
    promised = [
        spec.key
        for asset in assets
        for spec in (asset.specs if isinstance(asset, dg.AssetsDefinition) else [asset])
        if spec.freshness_policy is not None
    ]
    return dg.Definitions(
        assets=assets,
        jobs=[*jobs.values(), purge, reconciling],  # type: ignore[list-item]
        schedules=schedules(catalogue, jobs, reconciling),
        sensors=all_sensors(settings, jobs, promised),
        resources={"app": app_resource(opener)},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    return definitions_of(read_catalogue(settings_now()))
