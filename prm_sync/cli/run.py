"""`prm-sync run`: the flows in their order. One that fails does not stop the others; the exit code is the worst."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, terminal
from prm_sync.cli.plans import SAMPLE, described, show_all
from prm_sync.cli.watch import Watch
from prm_sync.errors import ConfigError, WarehouseError
from prm_sync.flows.report import EXIT_CODE, FlowReport, State, worst
from prm_sync.flows.timeleft import TimeLeft

if TYPE_CHECKING:
    from prm_sync.app import App
    from prm_sync.flows.difference import Plan

log = logging.getLogger(__name__)


class Verb(StrEnum):
    """What can be run, in the order in which it is."""

    PULL = "pull"
    REFINE = "refine"
    ROUTE = "route"
    MEASURE = "measure"
    PUSH = "push"


@dataclass(frozen=True, slots=True)
class Choice:
    """What of the project is to be run; empty: all."""

    verbs: tuple[str, ...]
    connections: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()

    def pulls(self, app: App) -> list[tuple[str, str]]:
        """(connection, stream) to pull. Raises ConfigError for a name that is not there."""
        pairs = [(c, s) for c in self._connections(app) for s in app.streams_of(c)]
        if self.entities:
            mapped = app.mapped_streams(self.entities)
            pairs = [p for p in pairs if p in mapped]
        return self._of_streams(pairs, "pull")

    def pushes(self, app: App) -> list[tuple[str, str]]:
        """(connection, stream) to push; a stream with two mappings once."""
        wanted = self._connections(app)
        found = [m for m in app.back_mappings() if m.connection in wanted]
        if self.entities:
            found = [m for m in found if m.entity in self.entities]
        return self._of_streams(list(dict.fromkeys((m.connection, m.stream) for m in found)), "push")

    def _connections(self, app: App) -> tuple[str, ...]:
        for name in self.connections:
            app.connector(name)
        for name in self.entities:
            if name not in app.entities:
                raise ConfigError(f"there is no entity {name!r}; there are: {', '.join(app.entities)}")
        return self.connections or tuple(app.connectors)

    def _of_streams(self, pairs: list[tuple[str, str]], verb: str) -> list[tuple[str, str]]:
        if not self.streams:
            return pairs
        found = [p for p in pairs if p[1] in self.streams]
        if not found and verb in self.verbs and len(self.verbs) == 1:
            known = ", ".join(f"{c}.{s}" for c, s in pairs) or "none"
            raise ConfigError(f"no stream {', '.join(self.streams)} to {verb}; there are: {known}")
        return found


@dataclass(slots=True)
class Runs:
    """The flows of one call, run one after the other."""

    app: App
    choice: Choice
    watch: Watch
    reports: list[FlowReport] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)  #: of a dry run: what its pushes would change
    left: TimeLeft = field(default_factory=TimeLeft)  #: of the pull under way

    def all(self) -> None:
        verbs = self.choice.verbs
        if Verb.PULL in verbs and Verb.REFINE in verbs:
            with self._refining() as meanwhile:
                self._pull()
            self._refine(meanwhile)
        elif Verb.PULL in verbs:
            self._pull()
        elif Verb.REFINE in verbs:
            self._refine(FlowReport("refine", ""))
        if Verb.ROUTE in verbs:
            from prm_sync.flows.route import route

            self.one("route", "", lambda: route(self.app))
        if Verb.MEASURE in verbs:
            from prm_sync.flows.measure import measure

            self.one("measure", "", lambda: measure(self.app))
        if Verb.PUSH in verbs:
            from prm_sync.flows.push import push

            for connection, stream in self.choice.pushes(self.app):
                self.one("push", f"{connection}.{stream}", partial(push, self.app, connection, stream))

    def one(self, verb: str, target: str, flow: Callable[[], FlowReport]) -> FlowReport:
        """Run one flow; its error becomes a report, unless there is no warehouse to go on with."""
        began = time.perf_counter()
        self.watch.begins(verb, target)
        try:
            report = flow()
        except Exception as error:
            known = terminal.ours(error)
            if isinstance(known, WarehouseError):
                raise
            log.log(logging.DEBUG if known else logging.ERROR, "flow failed", exc_info=self.watch.debug)
            state, words = (State(known.leaves), known.told) if known else (State.FAILED, terminal.words(error))
            report = FlowReport(verb, target, state, words, work_s=time.perf_counter() - began)
            self.errors.append(error)
        self.reports.append(report)
        self.watch.ends(report)
        return report

    def _pull(self) -> None:
        from prm_sync.flows.pull import pull

        for connection, stream in self.choice.pulls(self.app):
            flow = partial(pull, self.app, connection, stream, on_page=self._page)
            self.one("pull", f"{connection}.{stream}", flow)

    def _page(self, records: int, total: int | None) -> None:
        self.watch.page(records, total)
        self.left.page(records, total)

    def _entities(self) -> tuple[str, ...] | None:
        return self.choice.entities or None

    def _refine(self, meanwhile: FlowReport) -> None:
        from prm_sync.flows.refine import refine

        def flow() -> FlowReport:
            report = refine(self.app, self._entities())
            report.add(**meanwhile.numbers)
            return report

        self.one("refine", ",".join(self._entities() or ()), flow)

    @contextmanager
    def _refining(self) -> Iterator[FlowReport]:
        """A report that a refine meanwhile adds to. What goes wrong in it, the refine afterwards meets again."""
        from prm_sync.flows.refine import refining_meanwhile

        report = FlowReport("refine", "")
        pulled = self.choice.pulls(self.app)
        entities = [
            e for e in self.app.entities if any(m.entity == e for p in pulled for m in self.app.mappings.get(p, ()))
        ]
        inside = False
        try:
            with refining_meanwhile(self.app, entities, report, left_s=self.left.seconds):
                inside = True
                yield report
                inside = False
        except Exception as error:
            if inside or isinstance(terminal.ours(error), WarehouseError):
                raise
            log.warning("refining meanwhile stopped", extra={"kind": type(error).__name__})

    # --- dry run ---

    def dry(self) -> None:
        """What would be run; of pushes also what they would change. Nothing is read, nothing sent."""
        from prm_sync.flows.push import plan

        verbs = self.choice.verbs
        if Verb.PULL in verbs:
            self.reports += [
                FlowReport("pull", f"{c}.{s}", message="would be read") for c, s in self.choice.pulls(self.app)
            ]
        for verb in (v for v in (Verb.REFINE, Verb.ROUTE, Verb.MEASURE) if v in verbs):
            self.reports.append(FlowReport(verb.value, "", message="would be run"))
        if Verb.PUSH not in verbs:
            return
        for connection, stream in self.choice.pushes(self.app):

            def flow(connection: str = connection, stream: str = stream) -> FlowReport:
                report = FlowReport("push", f"{connection}.{stream}", message="would be sent, as the warehouse is now")
                for p in plan(self.app, connection, stream):
                    report.add(compared=p.compared, **p.counts.told())
                    self.plans.append(p)
                return report

            self.one("push", f"{connection}.{stream}", flow)


def run(
    verbs: Annotated[list[Verb] | None, typer.Argument(help="pull refine route measure push; all by default.")] = None,
    connection: Annotated[
        list[str] | None,
        typer.Option("--connection", "-c", help="Only this connection.", autocompletion=opening.connection_names),
    ] = None,
    stream: Annotated[list[str] | None, typer.Option("--stream", "-s", help="Only this stream.")] = None,
    entity: Annotated[
        list[str] | None,
        typer.Option("--entity", "-e", help="Only what feeds this entity.", autocompletion=opening.entity_names),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; send nothing.")] = False,
    as_json: terminal.Json = False,
) -> None:
    """Pull, refine, route, measure and push, in this order.

    A connection that fails does not stop the others. Exit code 0: all done; 1: something failed; 2: a file or setting
    is wrong; 3: something is partial or held, the message says what to do.
    """
    began = time.perf_counter()
    asked = tuple(v for v in Verb if v in verbs) if verbs else tuple(Verb)
    choice = Choice(asked, tuple(connection or ()), tuple(stream or ()), tuple(entity or ()))
    with opening.opened() as app, Watch.on(quiet=as_json) as watch:
        runs = Runs(app, choice, watch)
        choice.pulls(app), choice.pushes(app)  # a name that is not there is told before anything is done
        for problem in app.problems:
            terminal.complain(f"left out: {problem}", "yellow")
        shown: list[dict[str, Any]] = []
        if dry_run:
            runs.dry()
            shown = [described(app, p, None if as_json else SAMPLE, show=False) for p in runs.plans]
        else:
            runs.all()
        problems = [str(p) for p in app.problems]
    data = outcome(runs, problems, time.perf_counter() - began)
    if dry_run:
        data["plans"] = shown

    def people() -> None:
        _table(runs.reports, data)
        if shown:
            show_all({"plans": shown, "failures": []})

    terminal.result(data, people, as_json=as_json, code=_code(runs, data["state"]))


def outcome(runs: Runs, problems: Sequence[str], seconds: float) -> dict[str, Any]:
    """The whole call as one JSON object; a mapping file that had to be left out makes it partial."""
    states = [r.state for r in runs.reports] + ([State.PARTIAL] if problems else [])
    flows = [
        {
            "verb": r.verb,
            "target": r.target,
            "state": r.state.value,
            "message": r.message,
            "counts": dict(r.counts()),
            "work_s": round(r.work_s, 4),
        }
        for r in runs.reports
    ]
    data: dict[str, Any] = {
        "state": worst(states).value,
        "seconds": round(seconds, 3),
        "work_s": round(sum(r.work_s for r in runs.reports), 4),
        "flows": flows,
    }
    return {**data, "problems": list(problems)} if problems else data


def _code(runs: Runs, state: str) -> int:
    if runs.errors and all(isinstance(e, ConfigError) for e in runs.errors):
        return terminal.WRONG
    return EXIT_CODE[State(state)]


def _table(reports: Sequence[FlowReport], data: dict[str, Any]) -> None:
    rows = [(r.verb, r.target, r.state.value, _done(r), f"{r.work_s:.1f} s") for r in reports]
    terminal.table(
        "", ("flow", "target", "state", "done", "time"), rows, empty="nothing to run: no connection has a stream"
    )
    for r in reports:
        if r.message and r.state is not State.DONE:
            where = f"{r.verb} {r.target}".strip()
            terminal.say(f"{where}: {r.message}", "red" if r.state is State.FAILED else "yellow")
    terminal.say(f"{data['state']} in {data['seconds']:.1f} s")


def _done(report: FlowReport) -> str:
    """Its numbers; of a dry run what would be done."""
    said = report.message if report.state is State.DONE else None
    if said is None:
        return terminal.numbers(report.counts())
    return f"{said}: {terminal.numbers(report.counts())}" if report.counts() else said
