"""Analysts' way in: the role `analyst`, which may read the schema `mart` and nothing else, with a fresh password.

The embedded server then listens on 127.0.0.1 too, for that role and database alone; a given server's network is its
administrator's business and stays as it is.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL

from prm_sync.errors import WarehouseError
from prm_sync.settings import Settings
from prm_sync.warehouse.embedded import Server, attach_or_start, port_is_free, restart
from prm_sync.warehouse.pgsettings import HBA, free_port
from prm_sync.warehouse.urls import libpq, warehouse_url

log = logging.getLogger(__name__)

ROLE = "analyst"
_HBA_LINE = f"host prm_sync {ROLE} 127.0.0.1/32 scram-sha-256\n"


def expose(settings: Settings) -> URL:
    """Let analysts in, and return the URL to show them once: its password is kept nowhere. Again: a new password.

    The embedded server is restarted where it did not listen yet: connections of running syncs end, and are retried.
    Raises WarehouseError where we may not make a role, or where the schema `mart` is not there yet.
    """
    url = warehouse_url(settings)
    with _connection(url) as connection:
        password = secrets.token_urlsafe(24)
        _grant(connection, password)
    reachable = url.set(drivername="postgresql", username=ROLE, password=password)
    if settings.database_url is not None:
        return reachable
    server = _listening(settings.home)
    return reachable.set(host="127.0.0.1", port=server.port, query={})


def unexpose(settings: Settings) -> bool:
    """Shut analysts out again: their connections end, the role may not log in. False: they were not in."""
    with _connection(warehouse_url(settings)) as connection:
        there = connection.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", (ROLE,)).fetchone()
        if there is None or not there[0]:
            return False
        connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(ROLE)))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (ROLE,))
        if settings.database_url is None:
            connection.execute("ALTER SYSTEM RESET listen_addresses")
    if settings.database_url is None:
        server = attach_or_start(settings.home)
        _write_hba(server, HBA)
        restart(settings.home)
    log.info("analysts shut out")
    return True


@contextmanager
def _connection(url: URL) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(libpq(url), autocommit=True, connect_timeout=15) as connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege:
        raise WarehouseError(
            f"{url.username} may not make the role {ROLE} or grant to it; an administrator must give it CREATEROLE"
        ) from None
    except psycopg.OperationalError as e:
        raise WarehouseError(f"the warehouse cannot be reached: {type(e).__name__}") from None


def _grant(connection: psycopg.Connection, password: str) -> None:
    """Make the role able to read `mart`, present and future, and unable to do anything else."""
    if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'mart'").fetchone():
        raise WarehouseError("there is no schema `mart` to show yet; run `prm-sync db upgrade` first")
    # Hashed here: the server and its log never see the password itself.
    verifier = connection.pgconn.encrypt_password(password.encode(), ROLE.encode(), b"scram-sha-256").decode()
    role, database = sql.Identifier(ROLE), sql.Identifier(connection.info.dbname)
    with connection.transaction():
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,)).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        for statement in (
            sql.SQL("ALTER ROLE {role} LOGIN CONNECTION LIMIT 20 PASSWORD {verifier}"),
            sql.SQL("ALTER ROLE {role} SET default_transaction_read_only = on"),
            sql.SQL("ALTER ROLE {role} SET statement_timeout = '10min'"),
            sql.SQL("ALTER ROLE {role} SET idle_in_transaction_session_timeout = '10min'"),
            sql.SQL("ALTER ROLE {role} SET search_path = mart"),
            sql.SQL("GRANT CONNECT ON DATABASE {database} TO {role}"),
            sql.SQL("GRANT USAGE ON SCHEMA mart TO {role}"),
            sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA mart TO {role}"),
            sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA mart GRANT SELECT ON TABLES TO {role}"),
        ):
            connection.execute(statement.format(role=role, database=database, verifier=sql.Literal(verifier)))
    log.info("analysts may read", extra={"schema": "mart"})


def _listening(home: Path) -> Server:
    """The embedded server, listening on 127.0.0.1 for analysts, restarted where it was not."""
    server = attach_or_start(home)
    _write_hba(server, HBA + _HBA_LINE)
    with server.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
        (listens,) = connection.execute("SHOW listen_addresses").fetchone() or ("",)
        if listens:
            return server
        if not port_is_free(server.port):
            connection.execute(sql.SQL("ALTER SYSTEM SET port = {}").format(sql.Literal(free_port())))
        connection.execute("ALTER SYSTEM SET listen_addresses = '127.0.0.1'")
    return restart(home)


def _write_hba(server: Server, text: str) -> None:
    """In place: owner and mode stay what they are."""
    (server.data / "pg_hba.conf").write_text(text)
