"""Dagster's storage: its own database on the installation's PostgreSQL, embedded or given. Named in dagster.yaml.

With `launcher.py` the only file that touches Dagster's internals.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dagster._core.storage.base_storage import DagsterStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from prm_sync.settings import Settings
from prm_sync.warehouse.urls import dagster_url


class PrmSyncStorage(DagsterStorage, ConfigurableClass):
    """Never made itself: `from_config_value` gives a PostgreSQL storage, its server started where it did not run."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 Dagster's signature
    ) -> DagsterPostgresStorage:
        url = dagster_url(Settings.from_env(os.environ)).render_as_string(hide_password=False)
        return DagsterPostgresStorage(postgres_url=url, should_autocreate_tables=True, inst_data=inst_data)
