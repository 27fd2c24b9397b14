"""The schema: migrations, views, comments; and that one more entity needs nothing but its entry and a mapping."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from workbench import Project, engine, rows

from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.model import Entity, Field, Kind, Pii
from prm_sync.errors import WarehouseError
from prm_sync.flows.pull import pull
from prm_sync.flows.refine import refine
from prm_sync.warehouse import schema
from prm_sync.warehouse.tables import SCHEMAS, build

TICKET = Entity(
    "voucher", "A voucher that a partner may hand out.", exact_keys=(("code",),),
    fields=(
        Field("code", Kind.TEXT, "Code of the voucher"), Field("amount", Kind.MONEY, "Worth", given="currency"),
        Field("currency", Kind.CURRENCY, "ISO 4217"), Field("holder", Kind.TEXT, "Who has it", pii=Pii.PERSONAL),
        Field("ends_on", Kind.DATE, "Last day"), Field("tags", Kind.TEXTS, "Labels"),
    ),
)  # fmt: skip


def catalogue(db: sa.Engine) -> list[tuple[str, str, str, str | None]]:
    """(schema, table, column or "", comment) of all that is ours."""
    found = rows(
        db,
        "SELECT n.nspname AS schema, c.relname AS name, coalesce(a.attname, '') AS col, "
        "CASE WHEN a.attnum IS NULL THEN obj_description(c.oid, 'pg_class') "
        "ELSE col_description(c.oid, a.attnum) END AS doc, "
        "c.relkind::text AS kind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN LATERAL (SELECT NULL::name AS attname, NULL::smallint AS attnum UNION ALL SELECT attname, attnum "
        "FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND c.relkind = 'r') a ON true "
        "WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'v') AND c.relname <> 'alembic_version'",
        schemas=list(SCHEMAS),
    )
    return [(r["schema"], r["name"], r["col"], r["doc"]) for r in found]


def test_a_second_upgrade_changes_nothing(warehouse: sa.Engine) -> None:
    assert schema.upgrade(warehouse) is False


def test_the_database_is_what_the_field_table_says(warehouse: sa.Engine) -> None:
    assert schema.drift(warehouse) == []


def test_every_schema_table_view_and_column_has_a_comment(warehouse: sa.Engine) -> None:
    found = catalogue(warehouse)
    assert len(found) > 500
    assert [f"{schema}.{name}.{column}" for schema, name, column, doc in found if not doc] == []
    schemas = rows(warehouse, "SELECT nspname, obj_description(oid, 'pg_namespace') AS doc FROM pg_namespace")
    docs = {r["nspname"]: r["doc"] for r in schemas}
    assert all(docs[s].startswith(SCHEMAS[s]) for s in SCHEMAS)


def test_each_entity_has_its_tables_and_views(warehouse: sa.Engine) -> None:
    there = {f"{schema}.{name}" for schema, name, _, _ in catalogue(warehouse)}
    for name in ENTITIES:
        assert {f"core.{name}", f"core.{name}_source", f"core.{name}_past", f"core.{name}_history"} <= there
    assert {"mart.leads", "mart.opportunities", "mart.offers", "mart.lead_funnel", "mart.partner_performance"} <= there
    for view in sorted(there):
        if view.startswith("mart."):
            rows(warehouse, f"SELECT * FROM {view}")


def test_the_analysts_views_show_nothing_personal(warehouse: sa.Engine) -> None:
    found = rows(
        warehouse, "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'mart'"
    )
    shown = {(r["table_name"], r["column_name"]) for r in found}
    for name, entity in ENTITIES.items():
        for f in entity.fields:
            if f.pii in (Pii.PERSONAL, Pii.SENSITIVE):
                assert not {t for t, c in shown if c == f.name and t.startswith(name)}, (name, f.name)


def test_four_processes_may_upgrade_at_once(make_database: Callable[..., str]) -> None:
    url = make_database(migrated=False)
    code = "import sys; from prm_sync.warehouse import db, schema; print(schema.upgrade(db.engine(sys.argv[1])))"
    started = [
        subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [p.communicate(timeout=120) for p in started]
    assert [p.returncode for p in started] == [0] * 4, said
    assert sorted(out.strip() for out, _ in said) == ["False", "False", "False", "True"]
    db = engine(url)
    assert schema.drift(db) == []
    db.dispose()


def test_a_database_of_a_newer_version_is_refused(warehouse: sa.Engine) -> None:
    with warehouse.begin() as tx:
        tx.exec_driver_sql("UPDATE ops.alembic_version SET version_num = 'from_the_future'")
    with pytest.raises(WarehouseError, match="from_the_future, which this prm-sync does not know; install the version"):
        schema.upgrade(warehouse)


def test_tables_of_others_in_the_same_database_are_left_alone(warehouse: sa.Engine) -> None:
    with warehouse.begin() as tx:
        tx.exec_driver_sql("CREATE TABLE public.runs (id int); CREATE SCHEMA other; CREATE TABLE other.thing (id int)")
    assert schema.drift(warehouse) == []
    assert schema.upgrade(warehouse) is False
    assert rows(warehouse, "SELECT FROM public.runs") == []


def test_a_new_entity_needs_its_entry_a_mapping_and_a_generated_migration(project: Project, tmp_path: Path) -> None:
    entities = {**ENTITIES, TICKET.name: TICKET}
    tables = build(entities)
    config = {"folder": str(project.folder / "data")}
    project.write(connections={"lists": {"connector": "files", "config": config}}, mappings="mappings")
    project.csv("vouchers.csv", ["Code", "Worth", "Currency", "Holder", "Ends", "Tags"], [
        ("A1", "12.50", "EUR", "Ann", "2027-05-01", "x;y"), ("B2", "1000", "JPY", "", "", ""),
    ])  # fmt: skip
    project.mapping(
        "from: files.vouchers\nto: voucher\nfields:\n  code: Code\n  amount: Worth\n  currency: Currency\n"
        "  holder: Holder\n  ends_on: Ends\n  tags: {from: Tags, do: split_list}\n",
        name="voucher",
    )
    db = engine(project.database_url)
    versions = tmp_path / "versions"
    versions.mkdir()
    assert schema.drift(db, tables) != []
    script = schema.new_revision(db, "vouchers", versions, tables)
    assert script is not None
    assert script.parent == versions
    assert schema.upgrade(db, tables, versions) is True
    assert schema.drift(db, tables) == []
    assert schema.new_revision(db, "again", versions, tables) is None
    assert schema.upgrade(db, tables, versions) is False
    db.dispose()
    with project.open(entities=entities) as app:
        assert app.problems == ()
        pull(app, "lists", "vouchers")
        refine(app)
        found = rows(
            app.db, "SELECT code, amount, currency, holder, ends_on::text, tags FROM core.voucher ORDER BY code"
        )
        assert [tuple(r.values()) for r in found] == [
            ("A1", 1250, "EUR", "Ann", "2027-05-01", ["x", "y"]), ("B2", 1000, "JPY", None, None, None),
        ]  # fmt: skip
        assert [r["code"] for r in rows(app.db, "SELECT code FROM core.voucher_history")] != []
        shown = rows(app.db, "SELECT * FROM mart.vouchers")
    assert "holder" not in shown[0]
    assert {r["code"] for r in shown} == {"A1", "B2"}
