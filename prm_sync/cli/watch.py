"""What is seen of a run while it goes on: a line per flow with records, rate and the time that is left."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prm_sync.flows.report import FlowReport

if TYPE_CHECKING:
    from rich.progress import Progress


@dataclass(slots=True)
class Watch:
    """Shows the flow under way on stderr where that is a terminal; elsewhere it shows nothing."""

    debug: bool = False
    progress: Progress | None = None
    task: Any = None

    @classmethod
    @contextmanager
    def on(cls, *, quiet: bool) -> Iterator[Watch]:
        debug = logging.getLogger().isEnabledFor(logging.DEBUG)
        if quiet or not sys.stderr.isatty():
            yield cls(debug)
            return
        with _bars() as progress:
            yield cls(debug, progress)

    def begins(self, verb: str, target: str) -> None:
        if self.progress is not None:
            self.task = self.progress.add_task(f"{verb} {target}".strip(), total=None, rate="")

    def page(self, records: int, total: int | None) -> None:
        """Called by pull after each page."""
        if self.progress is not None and self.task is not None:
            speed = self.progress.tasks[self.task].speed
            self.progress.update(self.task, completed=records, total=total, rate=f"{speed:,.0f}/s" if speed else "")

    def ends(self, report: FlowReport) -> None:
        if self.progress is not None and self.task is not None:
            self.progress.remove_task(self.task)
            self.task = None
            self.progress.console.print(
                f"{report.verb} {report.target} {report.state.value}, {report.work_s:.1f} s",
                markup=False,
                highlight=False,
            )


def _bars() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    from prm_sync.cli.terminal import console

    return Progress(
        SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), console=console(err=True), transient=True,
    )  # fmt: skip
