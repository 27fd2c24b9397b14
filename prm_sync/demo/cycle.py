"""The whole cycle over the invented company, three times: offers go out, answers come back, nothing is left to do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from prm_sync.app import App, open_app
from prm_sync.connect import Connector
from prm_sync.demo import folder as place
from prm_sync.demo import found, offers, partners, scenes, service, show
from prm_sync.demo.company import Size, company
from prm_sync.demo.result import DemoResult
from prm_sync.demo.scenes import Scene
from prm_sync.demo.systems import Systems, Traffic, systems
from prm_sync.errors import PrmSyncError
from prm_sync.flows.measure import measure
from prm_sync.flows.pull import pull
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine, refining_meanwhile
from prm_sync.flows.report import FlowReport, State
from prm_sync.flows.route import route
from prm_sync.settings import Settings
from prm_sync.warehouse import embedded
from prm_sync.warehouse.urls import warehouse_url

SECOND_H, PEOPLE_H, THIRD_H = 50.0, 50.5, 51.0  #: hours from the first round to the others; offers run out after 48
PUSHES = ("push", "approve")  #: verbs of reports of what was sent
REFINE_AHEAD_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that has run and whose systems are still up."""

    settings: Settings
    systems: Systems
    result: DemoResult


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What a demo is asked for. `base`: the home in which its folder `demo` is made anew.

    `then` is called at the end while the emulated systems still run, on the real time (`--ui`: Dagster's services).
    """

    base: Path
    size: Size = field(default_factory=Size)
    seed: int = 1
    as_json: bool = False
    now: datetime | None = None
    then: Callable[[Demo], object] | None = None
    console: Console | None = None


@dataclass(slots=True)
class Round:
    """What one round came to."""

    reports: list[FlowReport] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)
    scenes: list[Scene] = field(default_factory=list)
    took_s: float = 0.0

    def sum(self, name: str, *verbs: str, connection: str = "") -> int:
        """A number of the reports, added up."""
        return sum(
            r.numbers.get(name, 0) for r in self.reports
            if (not verbs or r.verb in verbs) and r.target.startswith(f"{connection}." if connection else "")
        )  # fmt: skip

    def by_connection(self, name: str, verb: str) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for r in self.reports:
            if r.verb == verb:
                counts[r.target.split(".")[0]] += r.numbers.get(name, 0)
        return dict(counts)


def run_demo(options: DemoOptions) -> DemoResult:
    """Everything, from an empty folder. Raises PrmSyncError where a step does not end well."""
    began = time.perf_counter()
    say = show.Story(options.console or Console(stderr=options.as_json, highlight=False))
    folder = place.fresh_folder(options.base)
    settings = place.settings_of(folder)
    start = options.now or monday_before(datetime.now(UTC))
    with ExitStack() as stack:
        stack.callback(embedded.stop, settings.home)  # nothing stays running; the next command starts it again
        with say.step("start two emulated systems and a database") as step, ThreadPoolExecutor(1,
            "demo-start") as aside:
            database = aside.submit(warehouse_url, settings)
            remote = stack.enter_context(systems(folder / "emulators.log"))
            remote.set_time(start)
            made = company(options.size, options.seed, start)
            remote.load(made)
            place.write_project(folder, remote, made.targets_csv, options.size)
            database.result()
            app = stack.enter_context(open_app(settings, clock=remote.now))
            app.connectors = {name: _unhurried(c) for name, c in app.connectors.items()}
            size = options.size
            step.done(f"{size.leads:,} leads, {size.accounts:,} accounts, {size.partners:,} partners")
        first = _round(app, remote, say, "round 1, Monday: everything is new")
        with say.step("the partners answer for two days") as step:
            step.done(f"{partners.act(remote, options.seed)} answers; {service.answer(folder)} to service cases")
        remote.set_time(start + timedelta(hours=SECOND_H))
        order = scenes.an_order_ships(app, remote)
        second = _round(app, remote, say, "round 2, Wednesday: answers, offers that ran out, performance")
        remote.set_time(start + timedelta(hours=PEOPLE_H))
        scenes.two_say_different_things(app, remote)
        people = _round(app, remote, say, "in between: what the machine leaves to people", decide=scenes.queues)
        remote.set_time(start + timedelta(hours=THIRD_H))
        third = _round(app, remote, say, "round 3, later that day: nothing has changed")
        rounds = (first, second, people, third)
        result = DemoResult(
            pulled=first.sum("read", "pull"), answered=sum(r.sum("answered") for r in rounds),
            delivered=sum(r.sum("written", *PUSHES, connection="prm") for r in rounds),
            written_back=sum(r.sum("written", *PUSHES, connection="crm") for r in rounds),
            refused=sum(r.sum("refused", *PUSHES) for r in rounds), scenes=_once_each(rounds),
            notices=sum(r.sum("written", *PUSHES, connection="portal") for r in rounds),
            offered_again=offers.offered_again(app), masked=offers.masked(app),
            notice=scenes.shipping_notice(app, order), case=service.routed_case(app),
            what_if=scenes.what_if(app, folder, start),
            third_run_writes=third.traffic.writes + third.sum("written", *PUSHES, connection="portal"),
            third_run_reads=third.traffic.reads,
            first_run_reads=first.traffic.reads, third_run_records=third.sum("read", "pull"),
            pulled_by=first.by_connection("read", "pull"), bad=made.bad, duplicates=made.duplicates,
            project=str(folder), seconds=round(time.perf_counter() - began, 1), **found.facts(app),
        )  # fmt: skip
        say.summary(result)
        if options.then is not None:
            remote.set_time(None)
            options.then(Demo(settings, remote, result))
    return result


def monday_before(now: datetime) -> datetime:
    """The last Monday 08:00 UTC from which the demo's three days are over by `now`: it never leaves a time to come."""
    latest = now - timedelta(hours=THIRD_H + 1)
    monday = (latest - timedelta(days=latest.weekday())).replace(hour=8, minute=0, second=0, microsecond=0)
    return monday if monday <= latest else monday - timedelta(days=7)


def _unhurried(connector: Connector) -> Connector:
    """The same connector without limits by the second: an emulated system has no other users to be careful of."""
    return replace(
        connector, limits=tuple(replace(x, permits=x.permits * 1000) if x.per_s <= 1 else x for x in connector.limits)
    )


def _once_each(rounds: Iterable[Round]) -> tuple[Scene, ...]:
    """The first scene of each kind."""
    kinds: dict[str, Scene] = {}
    for scene in (s for r in rounds for s in r.scenes):
        kinds.setdefault(scene.name, scene)
    return tuple(kinds.values())


def _round(
    app: App, remote: Systems, say: show.Story, title: str, *, decide: Callable[[App], Iterable[Scene]] | None = None
) -> Round:
    """pull, refine, route, push, measure and push: what the schedule does every hour. `decide`: by people."""
    this, before, began = Round(), remote.traffic(), time.perf_counter()
    say.headline(title)
    keep = this.reports
    with say.step("pull, refine") as step:
        ahead = FlowReport("refine", "")
        with refining_meanwhile(app, list(app.entities), ahead, at_least=REFINE_AHEAD_ROWS):
            for connection in app.source.project.connections:
                for stream in app.streams_of(connection):
                    keep.append(pull(app, connection, stream, on_page=step.progress(f"{connection}.{stream}")))
        keep += [ahead, refine(app)]
        news = this.sum("new", "pull") + this.sum("changed", "pull")
        step.done(f"{this.sum('read', 'pull'):,} records read, {news:,} new or changed")
    for scene in decide(app) if decide is not None else ():
        this.scenes.append(scene)
        say.scene(scene)
    decided = len(this.scenes)
    with say.step("route") as step:
        keep.append(route(app))
        step.done(
            f"{this.sum('answered')} answers, {this.sum('expired')} offers ran out, {this.sum('offered')} leads offered"
        )
    with say.step("push to the PRM") as step:
        _push(app, "prm", "leads", this)
        step.done(f"{this.sum('written', *PUSHES, connection='prm')} offers written")
    with say.step("measure, push to the CRM") as step:
        keep.append(measure(app))
        _push(app, "crm", "Lead", this)
        _push(app, "crm", "Account", this)
        _push(app, "crm", "Opportunity", this)
        _push(app, "crm", "Case", this)
        step.done(f"{this.sum('written', *PUSHES, connection='crm')} leads, partners and cases written")
    with say.step("push to the partners' folder") as step:
        for stream in dict.fromkeys(m.stream for m in app.back_mappings() if m.connection == "portal"):
            _push(app, "portal", stream, this)
        step.done(f"{this.sum('written', *PUSHES, connection='portal')} notices, signals and cases written")
    for scene in this.scenes[decided:]:
        say.scene(scene)
    for report in keep:
        if report.state is not State.DONE:
            raise PrmSyncError(f"demo: {report.verb} {report.target} ended {report.state}: {report.message}")
    this.traffic, this.took_s = remote.traffic() - before, time.perf_counter() - began
    return this


def _push(app: App, connection: str, stream: str, this: Round) -> None:
    """Push; a plan that is held is looked at and approved."""
    report = push(app, connection, stream)
    if report.state is State.HELD:
        report, scene = scenes.release(app, report)
        this.scenes.append(scene)
    this.reports.append(report)
