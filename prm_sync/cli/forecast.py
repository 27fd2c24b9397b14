"""`prm-sync forecast`: what of partners runs out soon, and which leads this leaves without a partner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prm_sync.cli import opening, terminal

if TYPE_CHECKING:
    from prm_sync.flows.forecast import Forecast

BAR = 60  #: characters of the whole time
SHOWN = 40  #: rows of the table and the plot


def forecast(
    days: Annotated[int, typer.Option("--days", "-d", min=0, help="How far to look.")] = 90,
    partner: Annotated[str | None, typer.Option("--partner", "-p", help="Only this partner: its id or name.")] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="Write the plot to this file, too.")] = None,
    as_json: terminal.Json = False,
) -> None:
    """List certificates, agreements and protections of registered deals that run out, with what routing then changes.

    The routing rules are evaluated on the day after: leads that nobody may have by then are told by country. Nothing is
    written to the warehouse and nothing is sent.
    """
    from prm_sync.flows.forecast import forecast as looked_ahead

    with opening.opened() as app:
        found = looked_ahead(app, days)
    if partner is not None:
        found = [f for f in found if partner in (f.partner_id, f.partner)]
    if svg is not None:
        svg.write_text(_svg(found[:SHOWN], days), encoding="utf-8")
    data = {"state": "done", "days": days, "expiries": [asdict(f) for f in found]}
    terminal.result(data, lambda: _show(found, days), as_json=as_json)


def _show(found: Sequence[Forecast], days: int) -> None:
    terminal.table(
        f"Runs out within {days} days", ("last day", "days", "partner", "what", "name", "then"),
        [(f.last_day, f.days_left, f.partner, f.kind, f.name, f.says or "nothing changes") for f in found[:SHOWN]],
        empty="nothing",
    )  # fmt: skip
    for line in plot(found[:SHOWN], days):
        terminal.say(line)
    if len(found) > SHOWN:
        terminal.say(f"and {len(found) - SHOWN:,} more: --json has all")
    stranded = sum({(f.partner_id, f.last_day): f.impact.stranded for f in found}.values())
    if stranded:
        terminal.say(f"{stranded:,} open leads are left without any eligible partner", "yellow")


def plot(found: Sequence[Forecast], days: int) -> list[str]:
    """A bar for each, as long as it still holds; full where leads are left without a partner after it."""
    if not found:
        return []
    width = max(len(f.partner) for f in found)
    lines = [
        f"{f.partner:<{width}} {('█' if f.impact.stranded else '░') * max(round(BAR * f.days_left / max(days, 1)), 1)} "
        f"{f.kind} {f.last_day}"
        for f in found
    ]
    return [*lines, f"{'':<{width}} ░ holds  █ holds, and leads have nobody afterwards"]


def _svg(found: Sequence[Forecast], days: int) -> str:
    """The same plot as a picture."""
    from xml.sax.saxutils import escape

    rows = []
    for n, f in enumerate(found):
        y, length = 34 + 18 * n, max(420 * f.days_left / max(days, 1), 2)
        colour = "#b5432f" if f.impact.stranded else "#2f6db3"
        rows.append(f'<text x="190" y="{y + 9}" text-anchor="end">{escape(f.partner)}</text>')
        rows.append(f'<rect x="200" y="{y}" width="{length:.1f}" height="10" fill="{colour}"/>')
        rows.append(f'<text x="{206 + length:.1f}" y="{y + 9}">{escape(f.kind)} {f.last_day}</text>')
    title = f"What runs out within {days} days (red: leads have nobody afterwards)"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{50 + 18 * len(found)}" '
        f'font-family="sans-serif" font-size="11"><text x="10" y="20" font-size="13">{title}</text>\n'
        + "\n".join(rows) + "\n</svg>\n"
    )  # fmt: skip
