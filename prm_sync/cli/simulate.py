"""`prm-sync simulate`: who would have got last month's leads by a changed routing policy."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prm_sync.cli import opening, terminal
from prm_sync.errors import ConfigError

if TYPE_CHECKING:
    from prm_sync.flows.simulate import PartnerShare, Simulation

BAR = 40  #: characters of the longest bar
SHOWN = 25  #: partners in the table and the plot


def simulate(
    policy: Annotated[Path, typer.Option("--policy", "-p", help="The changed policy: a whole routing.yaml.")],
    month: Annotated[str | None, typer.Option("--month", "-m", help="YYYY-MM; otherwise last month.")] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="Write the plot to this file, too.")] = None,
    as_json: terminal.Json = False,
) -> None:
    """Run a changed routing policy over the leads of a past month: a table and a plot of who would have got how many.

    Nothing is written to the warehouse and nothing is sent. Partners are taken as they are today; nobody declines.
    """
    from prm_sync.flows.simulate import last_month
    from prm_sync.flows.simulate import simulate as simulated
    from prm_sync.rules.routing import load_routing

    changed = load_routing(policy)
    with opening.opened() as app:
        found = simulated(app, changed, _month(month) if month else last_month(app.clock()))
    if svg is not None:
        svg.write_text(_svg(found), encoding="utf-8")
    terminal.result({"state": "done", **asdict(found)}, lambda: _show(found), as_json=as_json)


def _month(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise ConfigError(f"--month {text!r} is no month such as 2026-04") from None


def _show(found: Simulation) -> None:
    terminal.say(
        f"{found.month}: {found.leads:,} leads; the changed policy ({found.rule_version_changed}) gives "
        f"{found.moved:,} of them to somebody else than the policy in force ({found.rule_version})", "bold",
    )  # fmt: skip
    terminal.table(
        "Leads by partner", ("partner", "got", "in force", "changed", "difference"),
        [(s.partner, s.got, s.today, s.changed, f"{s.changed - s.today:+}") for s in found.partners[:SHOWN]],
        empty="no lead was decided on in that month",
    )  # fmt: skip
    for line in plot(found.partners[:SHOWN]):
        terminal.say(line)
    for name, routed, queues in (
        ("in force", found.routed, found.queues), ("changed", found.routed_changed, found.queues_changed),
    ):  # fmt: skip
        waits = ", ".join(f"{n:,} in queue {q}" for q, n in queues.items()) or "none"
        terminal.say(f"{name}: {routed:,} with a partner; without: {waits}")


def plot(shares: tuple[PartnerShare, ...]) -> list[str]:
    """Two bars for each partner: by the policy in force, and by the changed one."""
    most = max((max(s.today, s.changed) for s in shares), default=0)
    if not most:
        return []
    width = max(len(s.partner) for s in shares)
    lines = []
    for s in shares:
        for name, bar, n in ((s.partner, "░", s.today), ("", "█", s.changed)):
            lines.append(f"{name:<{width}} {bar * round(BAR * n / most)} {n:,}")
    return [*lines, f"{'':<{width}} ░ in force  █ changed"]


def _svg(found: Simulation) -> str:
    """The same plot as a picture."""
    from xml.sax.saxutils import escape

    shares = found.partners[:SHOWN]
    most = max((max(s.today, s.changed) for s in shares), default=0) or 1
    rows = []
    for n, s in enumerate(shares):
        y = 40 + 34 * n
        rows.append(f'<text x="190" y="{y + 16}" text-anchor="end">{escape(s.partner)}</text>')
        for k, (colour, count) in enumerate((("#b5c0cc", s.today), ("#2f6db3", s.changed))):
            width, top = 420 * count / most, y + 12 * k
            rows.append(f'<rect x="200" y="{top}" width="{width:.1f}" height="10" fill="{colour}"/>')
            rows.append(f'<text x="{206 + width:.1f}" y="{top + 9}">{count:,}</text>')
    title = f"{found.month}: {found.leads:,} leads, {found.moved:,} change (grey: in force, blue: changed policy)"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="700" height="{60 + 34 * len(shares)}" '
        f'font-family="sans-serif" font-size="11"><text x="10" y="20" font-size="13">{title}</text>\n'
        + "\n".join(rows) + "\n</svg>\n"
    )  # fmt: skip
