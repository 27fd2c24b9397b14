"""The warehouse's engine and its schema: connect, migrate, make the views anew."""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from prm_sync.errors import WarehouseError
from prm_sync.warehouse.tables import SCHEMAS, Tables, build
from prm_sync.warehouse.views import view_statements

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
CONNECT_TIMEOUT_S = 15


def engine(url: str | sa.URL) -> sa.Engine:
    """An engine for the warehouse (psycopg 3). Idle connections are tested before use; statements are UTC."""
    return sa.create_engine(
        url,
        pool_size=5,
        max_overflow=10,
        pool_pre_ping=True,
        hide_parameters=True,  # an error's text goes to logs and ops.run: no record's values in it
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": "-c timezone=UTC -c application_name=prm-sync",
            "prepare_threshold": None,
        },
    )


def lock(conn: sa.Connection, name: str) -> None:
    """Wait for the lock `name` and hold it until the transaction ends."""
    conn.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(name)})


@contextmanager
def alone(db: sa.Engine, name: str) -> Iterator[None]:
    """The body runs in one process at a time; the others wait. A process that is killed lets go."""
    key = {"key": lock_key(name)}
    with db.connect() as plain:
        conn = plain.execution_options(isolation_level="AUTOCOMMIT")  # no transaction stays open meanwhile
        if not conn.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one():
            log.info("another process is at it, waiting", extra={"lock": name})
            conn.execute(sa.text("SELECT pg_advisory_lock(:key)"), key)
        try:
            yield
        finally:
            conn.execute(sa.text("SELECT pg_advisory_unlock(:key)"), key)


def lock_key(name: str) -> int:
    """The advisory lock number of a name."""
    return zlib.crc32(name.encode()) + (0x70726D << 32)


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


def upgrade(db: sa.Engine, tables: Tables | None = None, versions: Path | None = None) -> bool:
    """Bring the schema to this version. Safe from several processes at once. True: something was changed.

    Raises WarehouseError where the database belongs to a newer prm-sync.
    """
    tables = tables or build()
    with _reached(db) as conn:
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
            changed = _refresh_views(conn, tables) or before != after
            conn.commit()
        finally:
            conn.rollback()
            conn.execute(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": lock_key("migrate")})
            conn.commit()
    return changed


def _reached(db: sa.Engine) -> sa.Connection:
    """A connection. Raises WarehouseError, without the password, where the server does not let us in."""
    try:
        return db.connect()
    except sa.exc.OperationalError as error:
        why = str(error.orig).strip().splitlines()[0]
        where = db.url.render_as_string(hide_password=True)
        raise WarehouseError(
            f"the warehouse {where} cannot be used: {why}; check PRM_SYNC_DATABASE_URL and its server"
        ) from None


def _refresh_views(conn: sa.Connection, tables: Tables) -> bool:
    """Make the views anew where their text changed. They hold nothing, so they are no migrations."""
    statements = view_statements(tables)
    wanted = "views " + hashlib.sha256("\n".join(statements).encode()).hexdigest()[:16]
    found = conn.execute(sa.text("SELECT obj_description('mart'::regnamespace, 'pg_namespace')")).scalar() or ""
    if wanted in found:
        return False
    for schema, name in conn.execute(
        sa.text("SELECT table_schema, table_name FROM information_schema.views WHERE table_schema IN ('mart', 'core')")
    ).all():
        conn.execute(sa.text(f'DROP VIEW IF EXISTS {schema}."{name}" CASCADE'))
    for statement in statements:
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
