"""The program: its commands, its global options, and the edge at which errors become one red line."""

from __future__ import annotations

import atexit
import gc
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from prm_sync.cli import terminal
from prm_sync.cli.check import check
from prm_sync.cli.conflict import conflict
from prm_sync.cli.connectors import connectors, emulate
from prm_sync.cli.database import database
from prm_sync.cli.drift import drift
from prm_sync.cli.edits import quarantine
from prm_sync.cli.explain import explain
from prm_sync.cli.forecast import forecast
from prm_sync.cli.forget import forget
from prm_sync.cli.incentives import incentives
from prm_sync.cli.init import init
from prm_sync.cli.mappings import mappings
from prm_sync.cli.match import match
from prm_sync.cli.plans import approve, plan
from prm_sync.cli.reconcile import reconcile
from prm_sync.cli.registrations import registrations
from prm_sync.cli.run import run
from prm_sync.cli.schemas import schemas
from prm_sync.cli.services import demo, down, up
from prm_sync.cli.sharing import sharing
from prm_sync.cli.simulate import simulate
from prm_sync.cli.status import status
from prm_sync.cli.targets import targets

ANYWHERE = ("--debug", "--verbose")  #: global options, taken wherever they stand
BEGIN, WORK, LOOK, SERVE = "Begin", "Sync", "Look", "Serve"


class Program(TyperGroup):
    """The root of all commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = [a for a in ANYWHERE if a in args]
        return super().parse_args(ctx, [*first, *(a for a in args if a not in ANYWHERE)])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            state = ctx.obj or {}
            if type(error).__module__.startswith(("typer", "click")) or state.get("debug"):
                raise
            terminal.complain(terminal.words(error))
            if state.get("json"):
                terminal.print_json(
                    {"state": "failed", "error": type(error).__name__, "message": terminal.words(error)}
                )
            raise typer.Exit(terminal.exit_code(error)) from None


program = typer.Typer(
    name="prm-sync",
    cls=Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="CRM <-> PRM middleware: partners, leads and performance in one PostgreSQL warehouse.",
    epilog="Example: prm-sync init --from leads.csv, then prm-sync check, then prm-sync run",
)


@program.callback()
def options(
    ctx: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and all log lines.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what is done, step by step.")] = False,
) -> None:
    ctx.obj = {"debug": debug, "json": False}
    terminal.start_logging(terminal.log_level(verbose=verbose, debug=debug))


def _add(command: Any, panel: str, example: str) -> None:
    program.command(rich_help_panel=panel, epilog=f"Example: {example}")(command)


def _group(group: typer.Typer, name: str, panel: str, example: str) -> None:
    program.add_typer(group, name=name, rich_help_panel=panel, epilog=f"Example: {example}")


_add(init, BEGIN, "prm-sync init --from leads.csv")
_add(check, BEGIN, "prm-sync check crm")
_add(demo, BEGIN, "prm-sync demo --leads 500 --accounts 200 --partners 20")
_add(run, WORK, "prm-sync run pull refine --connection crm")
_add(plan, WORK, "prm-sync plan crm Lead --limit 50")
_add(approve, WORK, "prm-sync approve plan_1f2e3d4c5b6a --by Linh")
_add(reconcile, WORK, "prm-sync reconcile crm.Lead --repair")
_add(forget, WORK, "prm-sync forget --email an@example.vn --yes")
_add(status, LOOK, "prm-sync status")
_add(explain, LOOK, "prm-sync explain lead an@example.vn")
_add(simulate, LOOK, "prm-sync simulate --policy routing-new.yaml --month 2026-04")
_add(forecast, LOOK, "prm-sync forecast --days 90")
_add(incentives, LOOK, "prm-sync incentives --state too_much")
_add(targets, LOOK, "prm-sync targets --behind")
_group(quarantine, "quarantine", LOOK, "prm-sync quarantine list")
_group(drift, "drift", LOOK, "prm-sync drift list")
_group(conflict, "conflict", LOOK, "prm-sync conflict list")
_group(match, "match", LOOK, "prm-sync match list contact")
_group(registrations, "registrations", LOOK, "prm-sync registrations list --outcome review")
_group(sharing, "sharing", LOOK, "prm-sync sharing explain an@example.vn --partner nordwind")
_group(mappings, "mappings", LOOK, "prm-sync mappings test")
_group(connectors, "connectors", LOOK, "prm-sync connectors list")
_group(schemas, "schemas", LOOK, "prm-sync schemas write --check")
_add(up, SERVE, "prm-sync up --port 3000")
_add(down, SERVE, "prm-sync down")
_group(database, "db", SERVE, "prm-sync db status")
_add(emulate, SERVE, "prm-sync emulate salesforce --port 9001 --json")


def main() -> None:
    atexit.register(gc.freeze)  # the system takes all back: looking for cycles in it took 0.2 s of each command
    program(prog_name="prm-sync")
