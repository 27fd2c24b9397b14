"""Indexes that an entity's very first load leaves away: making them afterwards costs a tenth of keeping them up."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from prm_sync.warehouse.db import lock
from prm_sync.warehouse.tables import Tables

KEPT = ("_source_touched", "_source_arrived", "_merged")  #: refine looks rows up by them while a load is under way


def leave_away(tx: sa.Connection, tables: Tables, entity: str) -> None:
    """Drop what only speeds up looking for single rows, of each table of the entity that is empty."""
    lock(tx, "indexes")
    for table in _tables(tables, entity):
        if tx.execute(sa.select(sa.exists().select_from(table))).scalar_one():
            continue
        for index in _secondary(table):
            index.drop(tx, checkfirst=True)


def complete(db: sa.Engine, tables: Tables, entities: Iterable[str]) -> None:
    """Make what is missing: at the end of a refine, also one that follows a pull which was killed."""
    with db.begin() as tx:
        there = set(tx.exec_driver_sql("SELECT indexname FROM pg_indexes WHERE schemaname = 'core'").scalars())
    wanted = {t for e in entities for t in _tables(tables, e) if any(i.name not in there for i in _secondary(t))}
    for table in sorted(wanted, key=lambda t: t.name):
        with db.begin() as tx:
            lock(tx, "indexes")
            for index in _secondary(table):
                index.create(tx, checkfirst=True)


def _tables(tables: Tables, entity: str) -> tuple[sa.Table, ...]:
    own = tables.entities[entity]
    return own.source, own.golden, tables["core.crosswalk"]


def _secondary(table: sa.Table) -> list[sa.Index]:
    return [i for i in table.indexes if not str(i.name).endswith(KEPT)]
