"""The two databases of an installation by URL: the warehouse (psycopg 3) and Dagster's own (psycopg2).

SQLAlchemy 2.1 reads a bare `postgresql://` as psycopg 3, which Dagster's storage cannot use: name the driver always.
"""

from __future__ import annotations

import psycopg
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from prm_sync.errors import ConfigError, WarehouseError
from prm_sync.settings import Settings
from prm_sync.warehouse.embedded import attach_or_start


def warehouse_url(settings: Settings) -> URL:
    """The given server's URL, or that of the embedded one, which is started where it is not running."""
    if settings.database_url is not None:
        return _given(settings.database_url).set(drivername="postgresql+psycopg")
    return attach_or_start(settings.home).url("prm_sync", "psycopg")


def dagster_url(settings: Settings) -> URL:
    """Dagster's own database on the same server; made where it is missing and we may.

    Raises WarehouseError with the statement to run where we may not.
    """
    if settings.database_url is None:
        return attach_or_start(settings.home).url("dagster", "psycopg2")
    url = _given(settings.database_url)
    _ensure_database(url, settings.dagster_database)
    return url.set(drivername="postgresql+psycopg2", database=settings.dagster_database)


def libpq(url: URL) -> str:
    """The URL as psycopg and psql take it, password included: never to be logged."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _given(secret: SecretStr) -> URL:
    try:
        url = make_url(secret.get_secret_value())
    except ArgumentError:
        raise ConfigError("PRM_SYNC_DATABASE_URL is no URL; write postgresql://user:password@host:5432/name") from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigError(f"PRM_SYNC_DATABASE_URL: {url.get_backend_name()} is not PostgreSQL; the warehouse needs it")
    if not url.database:
        raise ConfigError("PRM_SYNC_DATABASE_URL names no database; end it with /name")
    return url


def _ensure_database(url: URL, name: str) -> None:
    try:
        with psycopg.connect(libpq(url), autocommit=True, connect_timeout=15) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                return
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                return  # another process was first
            except psycopg.errors.InsufficientPrivilege:
                raise WarehouseError(
                    f"Dagster needs a database of its own and {url.username} may not make one; run as administrator: "
                    f'CREATE DATABASE "{name}" OWNER "{url.username}"; or name another by PRM_SYNC_DAGSTER_DATABASE'
                ) from None
    except psycopg.OperationalError as e:
        raise WarehouseError(f"the server of PRM_SYNC_DATABASE_URL cannot be reached: {type(e).__name__}") from None
