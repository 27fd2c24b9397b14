"""How the demo tells what it does: a headline for each round, a line for each step, and a table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from prm_sync.demo.result import DemoResult
from prm_sync.demo.scenes import Scene

#: What a scene is called.
TITLES = {
    "plan": "a held plan", "match": "a match under review", "conflict": "a conflict",
    "quarantine": "a record in quarantine", "simulate": "what if", "notice": "a shipping notice",
    "case": "a routed case", "offered_again": "an offer that ran out", "masked": "a masked field",
}  # fmt: skip


@dataclass(slots=True)
class Step:
    """One step under way."""

    title: str
    status: Status
    outcome: str = ""

    def done(self, outcome: str) -> None:
        """What came of it, in a few words."""
        self.outcome = outcome

    def progress(self, what: str) -> Callable[[int, int | None], None]:
        """What `pull` tells of each page: shown beside the spinner."""

        def on_page(so_far: int, total: int | None) -> None:
            of = f" of {total:,}" if total else ""
            self.status.update(f"{self.title}: {what} {so_far:,}{of}")

        return on_page


class Story:
    """Tells on one console."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def headline(self, text: str) -> None:
        self.console.print(f"\n[bold]{escape(text)}[/]")

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """A spinner while the body runs (on a terminal), then one line."""
        began = time.perf_counter()
        with self.console.status(title) as status:
            step = Step(title, status)
            yield step
        took_s = time.perf_counter() - began
        self.console.print(f"  {escape(title):<42} {escape(step.outcome):<62} [dim]{took_s:5.1f} s[/]",
                           soft_wrap=True)

    def scene(self, scene: Scene) -> None:
        """What waited for a person, what became of it, and the command."""
        for line in (f"  [bold]{TITLES[scene.name]}[/]: {escape(scene.happened)}", f"    {escape(scene.outcome)}",
                     f"    [dim]$ {escape(scene.command)}[/]"):
            self.console.print(line, soft_wrap=True)

    def summary(self, result: DemoResult) -> None:
        table = Table(title="\nWhat was done", title_justify="left", show_header=False, box=None, padding=(0, 2))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(justify="right")
        table.add_column(style="dim", overflow="fold")
        rows = (
            ("pulled", result.pulled, _listed(result.pulled_by)),
            ("quarantined", result.quarantined, _listed(result.quarantined_by)),
            ("entities", result.entities, _listed(result.entities_by)),
            ("offers", result.offers, _listed(result.offers_by)),
            ("delivered", result.delivered, "offers written to the PRM, and taken back where they ran out"),
            ("answered", result.answered, "offers that partners accepted or declined"),
            ("written back", result.written_back, "leads and partners in the CRM: state of the offer, performance"),
            ("notices", result.notices, "to the partners' folder: shipping notices, signals of demand"),
            ("decided", len(result.scenes), f"by people: {_listed_titles(result)}"),
            ("third run", result.third_run_writes,
             f"writes; {result.third_run_reads} calls to read (first run {result.first_run_reads})"),
        )  # fmt: skip
        for name, n, note in rows:
            table.add_row(name, f"{n:,}", escape(note))
        self.console.print(table)
        self._explained(result)
        self.console.print()
        for scene in (result.offered_again, result.masked, result.notice, result.case, result.what_if):
            self.scene(scene)
        self._next(result)
        self.console.print(f"\n[bold]{result.seconds:.1f} s[/] in all.")

    def _explained(self, result: DemoResult) -> None:
        if not result.explained:
            return
        lead, *lines = result.explained
        self.console.print(f"\n[bold]Why did that partner get lead {lead}?[/]")
        for line in lines:
            self.console.print(f"  {escape(line)}", soft_wrap=True)

    def _next(self, result: DemoResult) -> None:
        lead = result.explained[0] if result.explained else "<id>"
        self.console.print("\n[bold]What to try next[/] (the project and its database stay until the next demo)")
        self.console.print(f"  cd {escape(result.project)}", soft_wrap=True)
        waiting = {s.name for s in result.scenes if s.left_open}
        for command, why in (
            (f"prm-sync explain lead {lead}", "every candidate, with the reason it lost"),
            ("prm-sync match list", f"{_left(result, 'match')} of contacts that may be one: accept or reject"),
            ("prm-sync conflict list", f"{_left(result, 'conflict')} in which the CRM and the PRM disagree: resolve"),
            ("prm-sync quarantine list", "what could not be used, and why; `quarantine edit` mends it"),
            ("prm-sync plan list", "the plans that were pushed, and who approved the one that was held"),
            (result.what_if.command, "who would have got how many, as a plot"),
            ("prm-sync status", "connections, streams and the last runs"),
            ("prm-sync demo --ui", "the same again, then Dagster's pages of it"),
        ):
            if command.split()[1] in {"match", "conflict"} - waiting:
                continue
            self.console.print(f"  {escape(command):<56} [dim]{escape(why)}[/]", soft_wrap=True)


def _left(result: DemoResult, name: str) -> str:
    """How many of a queue still wait."""
    noun = {"match": "pair", "conflict": "field"}[name]
    n = sum(s.left_open for s in result.scenes if s.name == name)
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _listed_titles(result: DemoResult) -> str:
    return ", ".join(TITLES[s.name] for s in result.scenes) or "nothing"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())
