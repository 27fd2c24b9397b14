"""One embedded PostgreSQL for the whole run, a fresh copy of a migrated database for each test, both vendors served."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest
import sqlalchemy as sa
from workbench import MONDAY, Bench, Project, SteppedClock, Vendors

from prm_sync.connect.emulator import Clock, serve
from prm_sync.warehouse import db as database
from prm_sync.warehouse import embedded, schema
from prm_sync.warehouse.tables import build
from prm_sync_partnerstack.emulator import PartnerStackApp
from prm_sync_salesforce.emulator import EMULATOR as SALESFORCE
from prm_sync_salesforce.emulator import SalesforceApp

_numbers = count(1)
hypothesis.settings.register_profile("untimed", deadline=None, max_examples=60)  # how long a case takes says nothing
hypothesis.settings.load_profile("untimed")


def _in_memory() -> Path | None:
    """A folder in memory, where there is plenty: a disk takes 0.2 s to make the files of each test's fresh database."""
    plenty, folder = 4 * 1024**3, Path("/dev/shm")
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        return None
    free = min(shutil.disk_usage(folder).free, psutil.virtual_memory().available)
    return folder if free > plenty else None


@pytest.fixture(scope="session")
def pg_server() -> Iterator[embedded.Server]:
    """The server that all tests share."""
    home = Path(tempfile.mkdtemp(prefix="prm-tests-", dir=_in_memory()))
    home.chmod(0o711)
    try:
        server = embedded.attach_or_start(home)
        with server.connect() as connection:  # its processes are never killed here, and the disk is slow
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server
    finally:
        embedded.remove(home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated(pg_server: embedded.Server) -> str:
    """The name of a database with the schema and nothing in it: the template of all others."""
    with pg_server.connect() as connection:
        connection.execute("CREATE DATABASE migrated")
    engine = database.engine(pg_server.url("migrated"))
    schema.upgrade(engine, build())
    engine.dispose()
    return "migrated"


@pytest.fixture
def make_database(pg_server: embedded.Server, request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """`make_database()`: the URL of a fresh migrated database; `migrated=False`: of an empty one. Dropped at last."""
    made: list[str] = []

    def make(*, migrated: bool = True) -> str:
        name = f"t{next(_numbers)}"
        template = f"TEMPLATE {request.getfixturevalue('migrated')} STRATEGY FILE_COPY" if migrated else ""
        with pg_server.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} {template}".encode())
        made.append(name)
        return pg_server.url(name).render_as_string(hide_password=False)

    yield make
    with pg_server.connect() as connection:
        for name in made:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def database_url(make_database: Callable[..., str]) -> str:
    return make_database()


@pytest.fixture
def warehouse(database_url: str) -> Iterator[sa.Engine]:
    """A fresh warehouse without a project."""
    engine = database.engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(MONDAY)


@pytest.fixture
def project(tmp_path: Path, database_url: str, clock: SteppedClock) -> Project:
    """A folder without prm_sync.yaml yet, and a database of its own."""
    return Project(tmp_path, database_url, clock)


@pytest.fixture(scope="session")
def served_vendors() -> Iterator[tuple[SalesforceApp, str, PartnerStackApp, str]]:
    sf, ps = SalesforceApp({}, Clock()), PartnerStackApp(clock=Clock())
    with serve(sf) as at_sf, serve(ps) as at_ps:
        yield sf, at_sf.url, ps, at_ps.url


@pytest.fixture
def vendors(served_vendors: tuple[SalesforceApp, str, PartnerStackApp, str], clock: SteppedClock) -> Vendors:
    """Salesforce and PartnerStack as on their first day, following the test's clock."""
    sf, sf_url, ps, ps_url = served_vendors
    sf.switches.clear()
    sf.switches.update(SALESFORCE.switched({}))
    sf.clock.hold(clock.at)
    ps.clock.hold(clock.at)
    ps.switch()
    sf.reset()
    ps.reset()
    clock.followers = [sf.clock, ps.clock]
    return Vendors(sf, sf_url, ps, ps_url, clock)


@pytest.fixture
def bench(project: Project, vendors: Vendors) -> Iterator[Bench]:
    """An app over both vendors with the shipped mappings and policies."""
    project.env = vendors.env
    project.write(connections=vendors.connections(), trust=["crm", "prm"])
    with project.open() as app:
        assert app.problems == ()
        yield Bench(app, vendors)


@pytest.fixture
def make_bench(project: Project, vendors: Vendors) -> Iterator[Callable[..., Any]]:
    """`make_bench(connections=..., ...)`: the same with other content of prm_sync.yaml."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def make(connections: dict[str, Any] | None = None, **content: Any) -> Bench:
            project.env = vendors.env
            project.write(connections=connections or vendors.connections(), **{"trust": ["crm", "prm"], **content})
            return Bench(stack.enter_context(project.open()), vendors)

        yield make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes first, so that nobody waits for one of them at the end."""
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in ("crash", "e2e")))
