"""What the planner knows of tables that have just been filled."""

from __future__ import annotations

import sqlalchemy as sa
from workbench import Bench, rows

from prm_sync.flows.pull import pull
from prm_sync.flows.refine import refine
from prm_sync.warehouse import statistics
from prm_sync.warehouse.tables import build

KEYS = {"connection", "stream", "remote_id", "seq"}


def known(db: sa.Engine, table: str) -> dict[str, float]:
    """Of each column that the planner knows, how many rows it believes there are."""
    return {
        r["attname"]: r["reltuples"]
        for r in rows(
            db,
            "SELECT s.attname, c.reltuples FROM pg_stats s JOIN pg_class c ON c.oid = to_regclass(:t) "
            "WHERE s.schemaname || '.' || s.tablename = :t",
            t=table,
        )
    }


def filled(db: sa.Engine, first: int, last: int) -> None:
    with db.begin() as tx:
        tx.execute(
            sa.text(
                "INSERT INTO raw.record (connection, stream, remote_id, payload, hash, seen_at) SELECT 'crm', 'Lead', "
                "n::text, json_build_object('Name', repeat('x', 500)), '', now() "
                "FROM generate_series(cast(:a AS int), cast(:b AS int)) n"
            ),
            {"a": first, "b": last},
        )


def test_a_table_that_nobody_looked_at_is_known_by_what_it_is_looked_up_by(warehouse: sa.Engine) -> None:
    table = build()["raw.record"]
    statistics.renew(warehouse, [table])
    assert known(warehouse, "raw.record") == {}, "an empty one is left alone"
    filled(warehouse, 1, 500)
    statistics.renew(warehouse, [table])
    assert known(warehouse, "raw.record") == dict.fromkeys(KEYS, 500.0)


def test_it_is_looked_at_again_when_it_has_grown_to_twice_its_size(warehouse: sa.Engine) -> None:
    table = build()["raw.record"]
    filled(warehouse, 1, 500)
    statistics.renew(warehouse, [table])
    filled(warehouse, 501, 700)
    statistics.renew(warehouse, [table])
    assert known(warehouse, "raw.record")["seq"] == 500
    filled(warehouse, 701, 1_500)
    statistics.renew(warehouse, [table])
    assert known(warehouse, "raw.record")["seq"] == 1_500


def test_an_index_made_later_does_not_pass_for_knowledge(warehouse: sa.Engine) -> None:
    """Making an index counts the rows, and says nothing of what is in them."""
    filled(warehouse, 1, 500)
    with warehouse.begin() as tx:
        tx.exec_driver_sql("CREATE INDEX later ON raw.record (run_id)")
    statistics.renew(warehouse, [build()["raw.record"]])
    assert set(known(warehouse, "raw.record")) == KEYS


def test_a_pull_and_a_refine_leave_their_tables_known(bench: Bench) -> None:
    for n in range(20):
        bench.vendors.lead(f"Lead{n}")
    pull(bench.app, "crm", "Lead")
    assert set(known(bench.app.db, "raw.record")) >= KEYS
    refine(bench.app, ["lead"])
    assert {"id", "touched"} <= set(known(bench.app.db, "core.lead"))
    assert {"entity_id", "remote_id"} <= set(known(bench.app.db, "core.crosswalk"))
    assert {"arrived", "touched", "key_1"} <= set(known(bench.app.db, "core.lead_source"))
