"""The warehouse's schema: migrate it, make its views anew, tell what differs from the field table."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from prm_sync.errors import WarehouseError
from prm_sync.warehouse.db import MIGRATIONS, lock_key, reached
from prm_sync.warehouse.tables import SCHEMAS, Tables, build
from prm_sync.warehouse.views import view_statements, views_mark


def alembic_config(connection: sa.Connection, tables: Tables, versions: Path | None = None) -> Config:
    """Alembic's configuration without a file: migrations from here, and from `versions` if given."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    if versions is not None:
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", f"{MIGRATIONS / 'versions'}:{versions}")
    config.attributes["connection"] = connection
    config.attributes["tables"] = tables
    return config


def upgrade(
    db: sa.Engine, tables: Tables | None = None, versions: Path | None = None, *, views: bool = True
) -> bool:
    """Bring the schema to this version. Safe from several processes at once. True: something was changed.

    `views` False: they stay as they are, since they may need tables that no migration makes yet.
    Raises WarehouseError where the database belongs to a newer prm-sync.
    """
    tables = tables or build()
    with reached(db) as conn:
        conn.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": lock_key("migrate")})
        conn.commit()
        try:
            before = MigrationContext.configure(conn, opts={"version_table_schema": "ops"}).get_current_heads()
            try:
                command.upgrade(alembic_config(conn, tables, versions), "heads")
            except Exception as error:
                if "Can't locate revision" in str(error):
                    raise WarehouseError(
                        f"the database is at revision {', '.join(before)}, which this prm-sync does not know; "
                        "install the version that made it, or a newer one"
                    ) from error
                raise
            conn.commit()
            after = MigrationContext.configure(conn, opts={"version_table_schema": "ops"}).get_current_heads()
            changed = (views and _refresh_views(conn, tables)) or before != after
            conn.commit()
        finally:
            conn.rollback()
            conn.execute(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": lock_key("migrate")})
            conn.commit()
    return changed


def _refresh_views(conn: sa.Connection, tables: Tables) -> bool:
    """Make the views anew where their text changed. They hold nothing, so they are no migrations."""
    wanted = views_mark(tables)
    found = conn.execute(sa.text("SELECT obj_description('mart'::regnamespace, 'pg_namespace')")).scalar() or ""
    if wanted in found:
        return False
    for schema, name in conn.execute(
        sa.text("SELECT table_schema, table_name FROM information_schema.views WHERE table_schema IN ('mart', 'core')")
    ).all():
        conn.execute(sa.text(f'DROP VIEW IF EXISTS {schema}."{name}" CASCADE'))
    for statement in view_statements(tables):
        conn.exec_driver_sql(statement)
    conn.execute(sa.text(f"COMMENT ON SCHEMA mart IS '{SCHEMAS['mart']} [{wanted}]'"))
    return True


def drift(db: sa.Engine, tables: Tables | None = None) -> list[str]:
    """What the field table says and the database does not have: empty where they agree."""
    with db.connect() as conn:
        context = MigrationContext.configure(conn, opts={"include_schemas": True, "compare_type": True})
        found = compare_metadata(context, (tables or build()).metadata)
    return [str(d[0]) if isinstance(d, tuple) else str(d) for d in found if not _is_alien(d)]


def _is_alien(difference: object) -> bool:
    """Tables of others in the same database (Dagster's, alembic's) are none of our business."""
    if isinstance(difference, tuple) and difference[0] in {"remove_table", "remove_index"}:
        return getattr(difference[1], "schema", None) not in SCHEMAS or difference[1].name == "alembic_version"
    return False


def new_revision(db: sa.Engine, message: str, versions: Path, tables: Tables | None = None) -> Path | None:
    """Write the migration that brings the database to the field table into `versions`; None: they agree."""
    tables = tables or build()
    if not drift(db, tables):
        return None
    with db.connect() as conn:
        scripts = command.revision(
            alembic_config(conn, tables, versions), message, autogenerate=True, version_path=str(versions), head="heads"
        )
    script = scripts if not isinstance(scripts, list) else scripts[0]
    assert script is not None
    return Path(script.path)
