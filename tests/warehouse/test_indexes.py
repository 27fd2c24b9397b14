"""Indexes that a first large load leaves away, and that refine makes: what is in use is never left without them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from workbench import Bench, rows

from prm_sync.flows import pull as flow
from prm_sync.flows.pull import pull
from prm_sync.flows.refine import refine
from prm_sync.warehouse import indexes, schema
from prm_sync.warehouse.tables import build

AWAY = {f"lead_source_key_{n}" for n in (1, 2, 3, 4)} | {"crosswalk_by_entity"}


def there(db: sa.Engine) -> set[str]:
    return {r["indexname"] for r in rows(db, "SELECT indexname FROM pg_indexes WHERE schemaname = 'core'")}


def test_empty_tables_lose_their_costly_indexes_and_get_them_back(warehouse: sa.Engine) -> None:
    tables, before = build(), there(warehouse)
    with warehouse.begin() as tx:
        indexes.leave_away(tx, tables, "lead")
    assert before - there(warehouse) == AWAY
    indexes.complete(warehouse, [tables["core.lead_source"], tables["core.crosswalk"]])
    assert there(warehouse) == before
    assert schema.drift(warehouse) == []


def test_a_table_with_records_keeps_its_indexes(warehouse: sa.Engine) -> None:
    tables, before = build(), there(warehouse)
    with warehouse.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO core.lead_source (connection, stream, remote_id, touched) VALUES ('crm', 'Lead', '1', 1)"
        )
        indexes.leave_away(tx, tables, "lead")
    assert before - there(warehouse) == {"crosswalk_by_entity"}


def test_a_first_load_that_is_large_ends_with_every_index(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    before = there(bench.app.db)
    monkeypatch.setattr(flow, "LARGE", 3)
    for n in range(5):
        bench.vendors.lead(f"Lead{n}")
    pull(bench.app, "crm", "Lead")
    assert before - there(bench.app.db) == {"crosswalk_by_entity"}
    refine(bench.app, ["lead"])
    assert there(bench.app.db) == before
