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
STREAMS = 10  #: pairs of partners between which leads move
LETTERS = 36  #: of a name in the picture
NOBODY = "(nobody)"
KEPT, LOST, GAINED = "#b5c0cc", "#c0562b", "#2f6db3"  # told apart without red and green


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
    shown, rest = found.partners[:SHOWN], found.partners[SHOWN:]
    terminal.table(
        "Leads by partner, those with most changes first",
        ("partner", "got", "in force", "changed", "difference", "lost", "gained"),
        [(s.partner, s.got, s.today, s.changed, f"{s.changed - s.today:+}", s.lost, s.gained) for s in shown],
        empty="no lead was decided on in that month",
    )  # fmt: skip
    if rest:
        terminal.say(f"and {len(rest):,} more partners: {sum(s.lost for s in rest):,} leads lost, "
                     f"{sum(s.gained for s in rest):,} gained")  # fmt: skip
    for line in plot(shown):
        terminal.say(line)
    if found.streams:
        terminal.table(
            "Who gives leads to whom, the largest first", ("from", "to", "leads"),
            [(s.source or NOBODY, s.target or NOBODY, s.leads) for s in found.streams[:STREAMS]],
        )  # fmt: skip
    for line in _summary(found):
        terminal.say(line)


def _summary(found: Simulation) -> list[str]:
    """Leads with and without a partner, by each of the policies."""
    lines = []
    for name, routed, queues in (
        ("in force", found.routed, found.queues), ("changed", found.routed_changed, found.queues_changed),
    ):  # fmt: skip
        waits = ", ".join(f"{n:,} in queue {q}" for q, n in queues.items()) or "none"
        lines.append(f"{name}: {routed:,} with a partner; without: {waits}")
    return lines


def plot(shares: tuple[PartnerShare, ...]) -> list[str]:
    """A bar for each partner: leads that it keeps, that it loses and that it gains by the changed policy."""
    most = max((s.today + s.gained for s in shares), default=0)
    if not most:
        return []
    from rich.cells import cell_len  # a Chinese sign is as wide as two letters

    width = max(cell_len(s.partner) for s in shares)
    lines = []
    for s in shares:
        ends = [round(BAR * n / most) for n in (s.kept, s.today, s.today + s.gained)]
        bar = "█" * ends[0] + "░" * (ends[1] - ends[0]) + "▓" * (ends[2] - ends[1])
        change = f" ({s.changed - s.today:+,})" if s.changed != s.today else ""
        lines.append(f"{s.partner}{' ' * (width - cell_len(s.partner))} {bar} {s.today:,} -> {s.changed:,}{change}")
    return [*lines, f"{' ' * width} █ keeps  ░ loses to others  ▓ gains from others"]


def _svg(found: Simulation) -> str:
    """The same plot as a picture: to the right what a partner has by the changed policy, to the left what it loses."""
    from xml.sax.saxutils import escape

    shares = found.partners[:SHOWN]
    left = max((s.lost for s in shares), default=0)
    unit = 440 / max(left + max((s.changed for s in shares), default=0), 1)
    axis, top, step = 300 + left * unit, 96, 24
    rows = []
    for n, s in enumerate(shares):
        y = top + step * n
        if n % 2 == 0:
            rows.append(f'<rect x="10" y="{y - 4}" width="880" height="{step}" fill="#f5f6f8"/>')
        rows.append(f'<text x="250" y="{y + 12}" text-anchor="end">{escape(_short(s.partner))}</text>')
        bars = ((axis - s.lost * unit, s.lost, LOST), (axis, s.kept, KEPT), (axis + s.kept * unit, s.gained, GAINED))
        for x, leads, colour in bars:
            if leads:
                rows.append(f'<rect x="{x:.1f}" y="{y}" width="{leads * unit:.1f}" height="16" fill="{colour}"/>')
            if leads * unit >= 9 * len(str(leads)):
                middle = f'x="{x + leads * unit / 2:.1f}" y="{y + 12}" text-anchor="middle"'
                rows.append(f'<text {middle} fill="{"#fff" if colour != KEPT else "#222"}">{leads:,}</text>')
        difference = s.changed - s.today
        colour = "#222" if not difference else GAINED if difference > 0 else LOST
        rows.append(f'<text x="770" y="{y + 12}">{s.today:,} → {s.changed:,}</text>')
        rows.append(f'<text x="880" y="{y + 12}" text-anchor="end" fill="{colour}" '
                    f'font-weight="bold">{f"{difference:+,}" if difference else "±0"}</text>')  # fmt: skip
    end = top + step * len(shares)
    rows.append(f'<line x1="{axis:.1f}" x2="{axis:.1f}" y1="{top - 6}" y2="{end}" stroke="#555"/>')
    title = f"{found.month}: of {found.leads:,} leads, {found.moved:,} go to somebody else by the changed policy"
    names = ((LOST, "loses to others"), (KEPT, "keeps"), (GAINED, "gains from others"))
    legend = [
        f'<rect x="{260 + 150 * n}" y="46" width="12" height="12" fill="{colour}"/>'
        f'<text x="{278 + 150 * n}" y="56">{text}</text>'
        for n, (colour, text) in enumerate(names)
    ]
    heads = '<text x="770" y="84">in force → changed</text>'
    rest = len(found.partners) - len(shares)
    notes = [f"and {rest:,} more partners, with fewer changes"] if rest else []
    notes += [escape(line) for line in _summary(found)]
    below = [f'<text x="20" y="{end + 24 + 16 * n}" fill="#555">{line}</text>' for n, line in enumerate(notes)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="900" height="{end + 24 + 16 * len(notes)}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="20" y="28" font-size="16" font-weight="bold">{title}</text>\n'
        + "\n".join([*legend, heads, *rows, *below]) + "\n</svg>\n"
    )  # fmt: skip


def _short(name: str) -> str:
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
