"""`prm-sync registrations`: whose deal it is, the conflicts with their evidence, and a person's decision."""

from __future__ import annotations

import getpass
from datetime import timedelta
from typing import Annotated

import typer

from prm_sync.cli import opening, terminal
from prm_sync.errors import ConfigError

registrations = typer.Typer(no_args_is_help=True, help="Deal registrations: decisions, conflicts, evidence.")
OUTCOMES = ("approve", "reject", "review")
STATUSES = ("under_review", "rejected", "cancelled", "approved", "converted", "won", "lost", "expired")
Id = Annotated[str, typer.Argument(help="Id, as `prm-sync registrations list` shows it.")]


@registrations.command("list", epilog="Example: prm-sync registrations list --outcome review")
def list_(
    outcome: Annotated[str | None, typer.Option("--outcome", help="Only approve, reject or review.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="Only those that stand here: expired, won ...")] = None,
    conflicts: Annotated[bool, typer.Option("--conflicts", help="The conflicts instead, open ones first.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Rows to list.")] = 20,
    as_json: terminal.Json = False,
) -> None:
    """List what was decided about deal registrations, the latest first; or who is in conflict with whom."""
    from prm_sync.warehouse import registrations as ledger

    if outcome is not None and outcome not in OUTCOMES:
        raise ConfigError(f"--outcome {outcome!r}: it is one of {', '.join(OUTCOMES)}")
    if status is not None and status not in STATUSES:
        raise ConfigError(f"--status {status!r}: it is one of {', '.join(STATUSES)}")
    with opening.opened() as app, app.db.begin() as tx:
        counts = ledger.conflict_counts(tx) if conflicts else []
        rows = ledger.conflicts_of(tx, None, limit) if conflicts else ledger.listed(tx, outcome, limit, status)
    columns: tuple[str, ...] = (
        "registration_id", "partner", "outcome", "status", "because", "protected_until", "deal_id", "open_conflicts",
    )  # fmt: skip
    if conflicts:
        columns = ("state", "kind", "registration_id", "partner", "other_kind", "other_id", "other_partner", "score")
    data = {"state": "done", "conflicts" if conflicts else "registrations": rows}
    if conflicts:
        data["counts"] = counts

    def people() -> None:
        if conflicts:
            names = ("kind", "other_kind", "conflicts", "open", "registrations", "of")
            terminal.table("Channel conflicts", names, ([c[n] for n in names] for c in counts), empty="none")
        title = "Conflicts" if conflicts else "Registrations"
        terminal.table(title, columns, ([r[c] for c in columns] for r in rows), empty="none")

    terminal.result(data, people, as_json=as_json)


@registrations.command(epilog="Example: prm-sync registrations show deal_registration_1f2e3d4c5b6a")
def show(registration_id: Id, as_json: terminal.Json = False) -> None:
    """Show one registration: what was decided and why, and every conflict with its evidence."""
    from prm_sync.warehouse import registrations as ledger

    with opening.opened() as app, app.db.begin() as tx:
        decision = ledger.decision_of(tx, registration_id)
        found = ledger.conflicts_of(tx, registration_id)
    if decision is None:
        raise _unknown(registration_id)

    def people() -> None:
        terminal.table(registration_id, ("", ""), [(k, v) for k, v in decision.items() if v is not None])
        columns = ("state", "kind", "registration_id", "other_kind", "other_id", "other_first", "apart_s", "score")
        rows = ([*(c[n] for n in columns), ", ".join(c["evidence"]).replace("_", " ")] for c in found)
        terminal.table("Conflicts", (*columns, "evidence"), rows, empty="none")

    terminal.result({"state": "done", "registration": decision, "conflicts": found}, people, as_json=as_json)


@registrations.command(epilog="Example: prm-sync registrations decide deal_registration_1f2e3d4c5b6a approve --by Linh")
def decide(
    registration_id: Id,
    outcome: Annotated[str, typer.Argument(help="approve or reject.")],
    because: Annotated[str, typer.Option("--because", help="Why, for those who ask.")] = "decided by a person",
    by: Annotated[str | None, typer.Option("--by", help="Who decides; your login name by default.")] = None,
    as_json: terminal.Json = False,
) -> None:
    """Decide a registration; the rules do not change it again. The next `prm-sync run route` settles what it was
    in conflict with."""
    from prm_sync.warehouse import registrations as ledger

    if outcome not in ("approve", "reject"):
        raise ConfigError(f"{outcome!r} is no decision: approve or reject")
    with opening.opened() as app, app.db.begin() as tx:
        now, days = app.clock(), app.policies.registrations.window.protection_days
        until = now + timedelta(days=days) if outcome == "approve" else None
        if not ledger.settle(tx, registration_id, outcome, because, by or getpass.getuser(), now, until):
            raise _unknown(registration_id)
        decision = ledger.decision_of(tx, registration_id)
    text = f"{registration_id}: {outcome}" + (f", protected until {until:%Y-%m-%d}" if until is not None else "")
    terminal.result({"state": "done", "registration": decision}, lambda: terminal.say(text), as_json=as_json)


def _unknown(registration_id: str) -> ConfigError:
    return ConfigError(
        f"nothing was decided about a registration {registration_id!r}; `prm-sync registrations list` shows all, "
        "`prm-sync run route` decides new ones"
    )
