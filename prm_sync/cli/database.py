"""`prm-sync db`: the warehouse's schema, its server, and the door for analysts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from prm_sync.cli import opening, terminal
from prm_sync.errors import WarehouseError

database = typer.Typer(no_args_is_help=True, help="The warehouse: its schema, its server, and analysts' access.")


def _engine() -> Any:
    from prm_sync.warehouse import db
    from prm_sync.warehouse.urls import warehouse_url

    return db.engine(warehouse_url(opening.settings()))


@database.command(epilog="Example: prm-sync db upgrade")
def upgrade(as_json: terminal.Json = False) -> None:
    """Start the server where it is ours, and bring the schema to this version."""
    from prm_sync.warehouse import schema

    engine = _engine()
    try:
        changed = schema.upgrade(engine)
    finally:
        engine.dispose()
    text = "the schema was brought to this version" if changed else "the schema is up to date"
    terminal.result({"state": "done", "changed": changed}, lambda: terminal.say(text), as_json=as_json)


@database.command(epilog="Example: prm-sync db status --json")
def status(as_json: terminal.Json = False) -> None:
    """Say where the warehouse is and whether its schema is this version's. Starts and changes nothing."""
    data = state()
    code = terminal.FAILED if data["differences"] else 0

    def people() -> None:
        terminal.table("", ("warehouse", ""), [(k, v) for k, v in data.items() if k not in ("state", "differences")])
        if data["differences"]:
            counts = terminal.numbers(Counter(data["differences"]))
            terminal.say(f"the schema is not this version's ({counts}); `prm-sync db upgrade` brings it there", "red")

    terminal.result(data, people, as_json=as_json, code=code)


def state() -> dict[str, Any]:
    """What there is of the warehouse: `server` is absent | stopped | starting | ready | stopping, or given by URL."""
    from prm_sync.warehouse import embedded, schema

    settings = opening.settings()
    out: dict[str, Any] = {"state": "done", "server": "given", "data": None, "revision": None, "differences": []}
    if settings.database_url is None:
        found = embedded.status(settings.home)
        out |= {"server": found.state, "data": str(found.data) if found.data else None}
        if found.state != "ready":
            return out
    engine = _engine()
    try:
        out["revision"] = _revision(engine)
        out["differences"] = schema.drift(engine)
    finally:
        engine.dispose()
    return out


def _revision(engine: Any) -> str | None:
    from alembic.runtime.migration import MigrationContext

    with engine.connect() as conn:
        heads = MigrationContext.configure(conn, opts={"version_table_schema": "ops"}).get_current_heads()
    return ", ".join(heads) or None


@database.command(epilog='Example: prm-sync db revision -m "orders get a channel"')
def revision(
    message: Annotated[str, typer.Option("--message", "-m", help="What the migration is for.")],
    folder: Annotated[Path, typer.Option("--dir", help="Where the migration is written.")] = Path("migrations"),
    as_json: terminal.Json = False,
) -> None:
    """Write the migration that brings the database to the field table."""
    from prm_sync.warehouse import schema

    engine = _engine()
    try:
        schema.upgrade(engine, views=False)
        folder.mkdir(parents=True, exist_ok=True)
        path = schema.new_revision(engine, message, folder.resolve())
    finally:
        engine.dispose()
    text = f"written: {path}; look at it before it is run" if path else "nothing to do: database and field table agree"
    terminal.result({"state": "done", "file": str(path) if path else None}, lambda: terminal.say(text), as_json=as_json)


@database.command(epilog="Example: prm-sync db expose")
def expose(as_json: terminal.Json = False) -> None:
    """Let analysts read the schema `mart`; prints a URL with a fresh password, which is kept nowhere."""
    from prm_sync.warehouse import analysts

    url = analysts.expose(opening.settings()).render_as_string(hide_password=False)
    terminal.result({"state": "done", "url": url}, lambda: terminal.say(url), as_json=as_json)


@database.command(epilog="Example: prm-sync db unexpose")
def unexpose(as_json: terminal.Json = False) -> None:
    """Shut analysts out again."""
    from prm_sync.warehouse import analysts

    were_in = analysts.unexpose(opening.settings())
    text = "analysts are shut out" if were_in else "analysts were not let in"
    terminal.result({"state": "done", "changed": were_in}, lambda: terminal.say(text), as_json=as_json)


@database.command(epilog="Example: prm-sync db stop")
def stop(as_json: terminal.Json = False) -> None:
    """Stop the embedded server in good order; the next command that needs it starts it again."""
    stopped = stop_server()
    text = "the server is stopped" if stopped else "no server was running"
    terminal.result({"state": "done", "changed": stopped}, lambda: terminal.say(text), as_json=as_json)


def stop_server() -> bool:
    """Stop the embedded server. False: none was running. Raises WarehouseError where the server is not ours."""
    from prm_sync.warehouse import embedded

    settings = opening.settings()
    if settings.database_url is not None:
        raise WarehouseError("the server of PRM_SYNC_DATABASE_URL is not ours to stop; ask its administrator")
    return embedded.stop(settings.home)


@database.command("psql-url", epilog='Example: psql "$(prm-sync db psql-url)"')
def psql_url(as_json: terminal.Json = False) -> None:
    """Print the URL of the warehouse as psql takes it, password included: keep it to yourself."""
    from prm_sync.warehouse.urls import libpq, warehouse_url

    url = libpq(warehouse_url(opening.settings()))
    terminal.result({"state": "done", "url": url}, lambda: terminal.say(url), as_json=as_json)
