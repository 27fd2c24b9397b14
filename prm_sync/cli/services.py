"""`prm-sync up`, `down` and `demo`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, terminal
from prm_sync.cli.database import stop_server
from prm_sync.errors import WarehouseError

if TYPE_CHECKING:
    from prm_sync.demo.cycle import Demo

PORT = 3000


def up(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Where the web interface is served.")] = PORT,
    read_only: Annotated[bool, typer.Option("--read-only", help="A web interface that starts nothing.")] = False,
) -> None:
    """Start the web interface and the scheduler, and keep them running until Ctrl-C."""
    from prm_sync.orchestration import services

    code = services.up(opening.settings(), port, read_only=read_only, say=terminal.say)
    if code:
        raise typer.Exit(code)


def down(as_json: terminal.Json = False) -> None:
    """Stop the services and the embedded server in good order."""
    from prm_sync.orchestration import services

    settings = opening.settings()
    stopped = services.down(settings)
    server = stop_server() if settings.database_url is None else False
    text = f"services: {'stopped' if stopped else 'not running'}; server: {'stopped' if server else 'not running'}"
    data = {"state": "done", "services": stopped, "server": server}
    terminal.result(data, lambda: terminal.say(text), as_json=as_json)


def demo(
    leads: Annotated[int, typer.Option("--leads", min=1, help="Leads in the CRM.")] = 5_000,
    accounts: Annotated[int, typer.Option("--accounts", min=1, help="Customers in the CRM.")] = 2_000,
    partners: Annotated[int, typer.Option("--partners", min=1, help="Partners in the PRM.")] = 60,
    seed: Annotated[int, typer.Option("--seed", help="Another seed makes another company.")] = 1,
    ui: Annotated[bool, typer.Option("--ui", help="Open the web interface on it afterwards.")] = False,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of the web interface.")] = PORT,
    as_json: terminal.Json = False,
) -> None:
    """Sync an invented company between two emulated systems: three rounds of the whole cycle, nothing to set up."""
    from prm_sync.demo.company import Size
    from prm_sync.demo.cycle import DemoOptions, run_demo

    def show(made: Demo) -> None:
        from prm_sync.orchestration import services

        if services.up(made.settings, port, say=terminal.say):
            raise WarehouseError("the services did not start; what they said is above")

    options = DemoOptions(
        opening.settings().home, Size(leads, accounts, partners), seed, as_json, then=show if ui else None
    )  # fmt: skip
    result: Any = run_demo(options)
    if as_json:
        terminal.print_json({"state": "done", **dataclasses.asdict(result)})
