"""What the planner knows of tables that have just grown: the server looks once a minute, the next step comes now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from prm_sync.warehouse import bulk


def renew(db: sa.Engine, tables: Iterable[sa.Table]) -> None:
    """Renew them where a table has grown to twice what the planner believes, or more: of what it is looked up by.

    In transactions of their own, which are short: meanwhile nobody makes an index of the table.
    """
    names = {f'{t.schema}."{t.name}"': t for t in tables}
    with db.begin() as tx:
        grown = _grown(tx, list(names))
    for name in grown:
        with db.begin() as tx:
            _analyze(tx, name, _looked_up_by(names[name]))


def renew_inside(tx: sa.Connection, table: str, columns: Sequence[str]) -> None:
    """The same of these columns of one table (as SQL), inside a transaction that has filled it."""
    if _grown(tx, [table]):
        _analyze(tx, table, columns)


def _grown(tx: sa.Connection, names: Sequence[str]) -> list[str]:
    return list(
        tx.execute(
            sa.text(
                "SELECT name FROM unnest(cast(:names AS text[])) AS n (name) JOIN pg_class c "
                "ON c.oid = to_regclass(name) WHERE pg_relation_size(c.oid) > 0 AND ("
                "pg_relation_size(c.oid) / 8192 > 2 * greatest(relpages, 8) OR NOT EXISTS (SELECT FROM pg_stats s "
                "WHERE s.schemaname = c.relnamespace::regnamespace::text AND s.tablename = c.relname)) ORDER BY name"
            ),
            {"names": list(names)},
        ).scalars()
    )


def roughly(tx: sa.Connection) -> None:
    """Let ANALYZE look at 3,000 rows in this transaction instead of 30,000: it is a tenth of the time, and enough."""
    tx.exec_driver_sql("SET LOCAL default_statistics_target = 10")


def _analyze(tx: sa.Connection, name: str, columns: Sequence[str]) -> None:
    roughly(tx)
    tx.exec_driver_sql(f"ANALYZE {name} ({bulk.quoted(columns)})")


def _looked_up_by(table: sa.Table) -> list[str]:
    """The columns of its keys and indexes."""
    indexed = {column.name for index in table.indexes for column in index.columns}
    return [c.name for c in table.columns if c.primary_key or c.name in indexed]
