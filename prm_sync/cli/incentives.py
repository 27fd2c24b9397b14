"""`prm-sync incentives`: what partners claim beside what they earned."""

from __future__ import annotations

from typing import Annotated

import typer

from prm_sync.cli import opening, terminal
from prm_sync.errors import ConfigError

STATES = ("as_earned", "too_much", "too_little", "not_earned", "not_claimed", "other_currency")


def incentives(
    state: Annotated[
        list[str] | None, typer.Option("--state", help=f"{', '.join(STATES)}; by default what claims too much.")
    ] = None,
    partner: Annotated[str | None, typer.Option("--partner", "-p", help="Only this partner: its id or key.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Rows to list.")] = 50,
    as_json: terminal.Json = False,
) -> None:
    """List incentive claims that are not what policies/incentives.yaml gives, the largest difference first.

    Amounts are in minor units. `prm-sync run measure` brings them up to date; nothing is paid or sent from here.
    """
    from prm_sync.warehouse import incentives as mart

    for name in state or ():
        if name not in STATES:
            raise ConfigError(f"--state {name!r}: it is one of {', '.join(STATES)}")
    with opening.opened() as app, app.db.begin() as tx:
        rows = mart.listed(tx, state or mart.WRONG, partner, limit)
        counts = mart.by_state(tx)
        programmes = len(app.policies.incentives.programmes)
    columns = ("state", "partner", "programme", "claim_numbers", "earned", "claimed", "difference", "paid", "currency",
               "basis")  # fmt: skip

    def people() -> None:
        terminal.table("Claims", columns, ([r[c] for c in columns] for r in rows), empty="none")
        terminal.say(terminal.numbers(counts) if programmes else "policies/incentives.yaml names no programme")

    terminal.result({"state": "done", "counts": counts, "claims": rows}, people, as_json=as_json)
