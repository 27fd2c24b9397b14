"""The warehouse's engine, its locks, and whether its schema is the one of this version."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from prm_sync.errors import WarehouseError
from prm_sync.warehouse.tables import Tables
from prm_sync.warehouse.views import views_mark

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
CONNECT_TIMEOUT_S = 15
PROVEN_S = 1.0  #: a connection that was given back so lately is not tested


def engine(url: str | sa.URL) -> sa.Engine:
    """An engine for the warehouse (psycopg 3). Idle connections are tested before use; statements are UTC."""
    made = sa.create_engine(
        url,
        pool_size=5,
        max_overflow=10,
        hide_parameters=True,  # an error's text goes to logs and ops.run: no record's values in it
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": "-c timezone=UTC -c application_name=prm-sync",
            "prepare_threshold": None,
        },
    )
    _test_the_idle(made)
    return made


def _test_the_idle(db: sa.Engine) -> None:
    """As `pool_pre_ping`, but for connections that were in use a moment ago: flows make many small transactions."""

    def given_back(_: Any, record: ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    def taken(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) > PROVEN_S:
            try:
                db.dialect.do_ping(connection)
            except db.dialect.loaded_dbapi.Error as error:
                raise sa.exc.DisconnectionError from error

    sa.event.listen(db, "checkin", given_back)
    sa.event.listen(db, "checkout", taken)


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


def reached(db: sa.Engine) -> sa.Connection:
    """A connection. Raises WarehouseError, without the password, where the server does not let us in."""
    try:
        return db.connect()
    except sa.exc.OperationalError as error:
        why = str(error.orig).strip().splitlines()[0]
        where = db.url.render_as_string(hide_password=True)
        raise WarehouseError(
            f"the warehouse {where} cannot be used: {why}; check PRM_SYNC_DATABASE_URL and its server"
        ) from None


def is_current(db: sa.Engine, tables: Tables) -> bool:
    """Whether the schema is this version's: a quick look, so that not every start asks alembic."""
    newest = max(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    with reached(db) as conn:
        if not conn.execute(sa.text("SELECT to_regclass('ops.alembic_version') IS NOT NULL")).scalar_one():
            return False
        found = conn.execute(sa.text("SELECT version_num FROM ops.alembic_version")).scalars().all()
        mark = conn.execute(sa.text("SELECT obj_description(to_regnamespace('mart'), 'pg_namespace')")).scalar() or ""
    return list(found) == [newest] and views_mark(tables) in mark
