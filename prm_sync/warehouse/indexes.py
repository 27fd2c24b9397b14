"""Indexes that an entity's very first load leaves away: making them afterwards costs a tenth of keeping them up.

They are those whose keys come in no order: of the match keys, four to a row, and of the crosswalk by entity. While a
load is under way, refine joins all rows by them anyway. By the others it looks up single rows. The pull makes those of
the source rows when it has ended, refine those of the crosswalk, and what a pull that was killed has left.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from prm_sync.warehouse.db import lock
from prm_sync.warehouse.tables import MATCH_KEYS, Tables


def leave_away(tx: sa.Connection, tables: Tables, entity: str) -> None:
    """Drop them from each table that has no rows yet."""
    lock(tx, "indexes")
    for table in _tables(tables, entity):
        if not tx.execute(sa.select(sa.exists().select_from(table))).scalar_one():
            for index in _costly(table):
                index.drop(tx, checkfirst=True)


def complete(db: sa.Engine, tables: Iterable[sa.Table]) -> None:
    """Make what these tables lack, where it was left away."""
    with db.begin() as tx:
        there = set(tx.exec_driver_sql("SELECT indexname FROM pg_indexes WHERE schemaname = 'core'").scalars())
    for table in tables:
        missing = [i for i in _costly(table) if i.name not in there]
        if missing:
            with db.begin() as tx:
                lock(tx, "indexes")
                for index in missing:
                    index.create(tx, checkfirst=True)


def _tables(tables: Tables, entity: str) -> tuple[sa.Table, ...]:
    return tables.entities[entity].source, tables["core.crosswalk"]


def _costly(table: sa.Table) -> list[sa.Index]:
    return [i for i in table.indexes if str(i.name).endswith((*MATCH_KEYS, "_by_entity"))]
