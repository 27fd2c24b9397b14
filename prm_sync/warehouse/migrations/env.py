"""Alembic's entry: the caller brings the connection and the tables (see `prm_sync.warehouse.db`)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context

from prm_sync.warehouse.tables import SCHEMAS

config = context.config
connection: sa.Connection = config.attributes["connection"]


def _ours(name: str | None, type_: str, _parents: Any) -> bool:
    if type_ == "schema":
        return name in SCHEMAS
    return not (type_ == "table" and name == "alembic_version")


connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS ops"))
context.configure(
    connection=connection,
    target_metadata=config.attributes["tables"].metadata,
    include_schemas=True,
    include_name=_ours,
    version_table="alembic_version",
    version_table_schema="ops",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
