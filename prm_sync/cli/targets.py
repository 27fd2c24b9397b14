"""`prm-sync targets`: how far partners' targets are, beside how far they should be by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from prm_sync.cli import opening, terminal

BAR = 20  #: characters of a whole target
SHOWN = 40  #: rows of the table


def targets(
    behind: Annotated[bool, typer.Option("--behind", help="Only those behind plan.")] = False,
    partner: Annotated[str | None, typer.Option("--partner", "-p", help="Only this partner: its id or key.")] = None,
    as_json: terminal.Json = False,
) -> None:
    """List partners' sales targets with what is reached beside what should be by the day, the furthest behind first.

    policies/targets.yaml says from when on a partner is behind plan. `prm-sync run measure` brings the numbers up to
    date; with --json, money is in minor units.
    """
    from prm_sync.rules.pacing import in_words
    from prm_sync.warehouse import pacing as mart

    with opening.opened() as app, app.db.begin() as tx:
        rows = mart.listed(tx, partner, behind=behind)
        counts, left_out = mart.by_state(tx), mart.left_out(tx)
    for r in rows:
        r["says"] = in_words(r["state"], r["attainment"], r["elapsed"], r["pace"])
    data = {"state": "done", "counts": counts, "left_out": left_out, "targets": rows}
    terminal.result(data, lambda: _show(rows, counts, left_out), as_json=as_json)


def _show(rows: Sequence[Mapping[str, Any]], counts: Mapping[str, int], left_out: int) -> None:
    terminal.table(
        "Targets", ("partner", "metric", "until", "reached", "of", "", "how far"),
        [
            (r["partner"], r["metric"], r["period_end"], _amount(r["reached"], r["currency"]),
             _amount(r["target"], r["currency"]), bar(r["attainment"], r["elapsed"]), r["says"])
            for r in rows[:SHOWN]
        ],
        empty="none",
    )  # fmt: skip
    if rows:
        terminal.say("█ reached  │ how far it should be by now")
    if len(rows) > SHOWN:
        terminal.say(f"and {len(rows) - SHOWN:,} more: --json has all")
    terminal.say(terminal.numbers(counts) if counts else "no target is followed; `prm-sync run measure` counts them")
    other = sum(r["other_currency"] for r in rows)
    if other:
        terminal.say(f"won deals left out, since they are in another currency than the target: {other:,}", "yellow")
    if left_out:
        terminal.say(f"targets left out, since no partner, amount or period is known of them: {left_out:,}", "yellow")


def bar(attainment: float, elapsed: float) -> str:
    """As long as what is reached, with a mark where it should be by now."""
    full = min(int(BAR * attainment), BAR)
    cells = ["█"] * full + ["░"] * (BAR - full)
    cells.insert(int(BAR * elapsed), "│")
    return "".join(cells)


def _amount(value: float, currency: str | None) -> str:
    """Money in whole units with its currency; a count as it is."""
    from prm_sync.canonical.currencies import EXPONENTS

    return f"{value:,g}" if currency is None else f"{value / 10 ** EXPONENTS.get(currency, 0):,.0f} {currency}"
