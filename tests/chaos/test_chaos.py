"""Chaos: people, vendors, networks and kill -9 at once, from a seed; at the end both systems and the warehouse agree.

Most cycles run in this process, so that they are cheap; some run in a process of their own that is killed at a random
moment. A seed that fails prints itself and what was done last; `pytest tests/chaos --chaos-seed N` plays it again: the
same deeds and faults at the same calls. The moments of the kills are drawn from the seed too, but how far a process has
got by then is up to the machine.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aftermath import wrong
from workbench import Bench, Project, Vendors, unhurried
from world import World

from prm_sync.app import App
from prm_sync.errors import PrmSyncError
from prm_sync.flows.pull import pull
from prm_sync.flows.push import push
from prm_sync.flows.reconcile import reconcile
from prm_sync.flows.refine import refine
from prm_sync.flows.report import FlowReport, State
from prm_sync.flows.route import route
from prm_sync.project import shipped
from prm_sync.warehouse.quarantine import Chosen, send_again

pytestmark = [pytest.mark.crash, pytest.mark.timeout(290)]

RUNNER = Path(__file__).parents[1] / "crash" / "cycle.py"
ROUNDS = 8  #: most cycles after which nothing may be written any more
MAPPING = "back:\n  City: city\n  Description: need\n  Industry: industry\n"  # the CRM is told what partners change
AUTHORITY = "entities: {lead: {status: crm, city: latest, need: review, industry: crm}}\n"
WIDE = {"max_update_share": 1.0, "max_gone_share": 1.0, "max_blank_share": 1.0}  # limits have tests of their own

Step = Callable[[App], FlowReport]
STEPS: dict[str, Step] = {
    "pull crm.Lead": lambda app: pull(app, "crm", "Lead"),
    "pull prm.partnerships": lambda app: pull(app, "prm", "partnerships"),
    "pull prm.leads": lambda app: pull(app, "prm", "leads"),
    "refine": lambda app: refine(app, ["partner", "lead"]),
    "route": route,
    "push prm.leads": lambda app: push(app, "prm", "leads"),
    "push crm.Lead": lambda app: push(app, "crm", "Lead"),
}


@dataclass
class Chaos:
    """One seed being played."""

    bench: Bench
    world: World
    rng: random.Random
    runner: subprocess.Popen[str]
    command: dict[str, object]
    killed: int = 0
    stopped: int = field(default=0)

    def cycle(self) -> None:
        self.world.cycle += 1
        for _ in range(self.rng.choice((0, 0, 1, 1, 2))):
            self.world.arm()
        deeds = self.world.happen(self.rng.randint(1, 4))
        if self.rng.random() < 0.12:
            for deed in deeds:
                deed()
                self.bench.clock.advance(seconds=1)
            self._killed_cycle()
        else:
            self._disturbed_cycle(deeds)
        if self.rng.random() < 0.5:
            self.world.calm()
        self.bench.clock.advance(minutes=self.rng.choice((5, 20, 60, 600)))

    def _disturbed_cycle(self, deeds: list[Callable[[], None]]) -> None:
        """People do not wait until a cycle is over; a step that fails holds no other one up."""
        before: dict[str, list[Callable[[], None]]] = {}
        for deed in deeds:
            before.setdefault(self.rng.choice(list(STEPS)), []).append(deed)
        stale: set[str] = set()  #: streams that could not be read: as in life, nothing is written there then
        for name, step in STEPS.items():
            for deed in before.get(name, ()):
                deed()
                self.bench.clock.advance(seconds=1)
            verb, _, stream = name.partition(" ")
            if (verb == "push" and stream in stale) or (stream == "prm.partnerships" and self.rng.random() < 0.7):
                continue  # partners change rarely here, and each look costs time
            try:
                read = step(self.bench.app).state is State.DONE
            except PrmSyncError as error:
                read = False
                self.stopped += 1
                self.world.say(f"{name} stopped: {error}")
            if not read:
                stale.add(stream)
            self.bench.clock.advance(seconds=10)

    def _killed_cycle(self) -> None:
        after_s = self.rng.uniform(0.05, 1.2)
        at = self.bench.clock.at.isoformat()
        assert self.runner.stdin is not None
        assert self.runner.stdout is not None
        self.runner.stdin.write(json.dumps({**self.command, "at": at, "kill_after_s": after_s, "goes_on": True}) + "\n")
        self.runner.stdin.flush()
        said = json.loads(self.runner.stdout.readline())
        self.killed += bool(said["killed"])
        self.world.say(f"a cycle of its own, {'killed' if said['killed'] else 'ended'}")
        self.bench.clock.advance(minutes=2)

    def settle(self) -> None:
        """Cycles without a fault, until one writes nothing; fails where there are too many."""
        for n in range(ROUNDS):
            before = len(self.bench.vendors.ps.calls.writes()), self._crm_writes()
            for step in STEPS.values():
                step(self.bench.app)
                self.bench.clock.advance(seconds=10)
            self.bench.clock.advance(minutes=2)
            if (len(self.bench.vendors.ps.calls.writes()), self._crm_writes()) == before and n:
                return
        raise AssertionError(f"still writing after {ROUNDS} cycles: {self.bench.vendors.ps.calls.writes()[-3:]}")

    def _crm_writes(self) -> int:
        return sum("/sobjects" in c.path and c.method != "GET" for c in self.bench.vendors.sf.calls.writes())


@pytest.fixture
def chaos(
    chaos_seed: int, project: Project, vendors: Vendors, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chaos]:
    back = shipped("mappings") / "salesforce" / "lead.yaml"
    text = back.read_text(encoding="utf-8")
    assert text.count("\nback:\n") == 1
    own = tmp_path / "own" / "salesforce"
    own.mkdir(parents=True)
    (own / "lead.yaml").write_text(text.replace("back:\n", MAPPING), encoding="utf-8")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "authority.yaml").write_text(AUTHORITY, encoding="utf-8")
    project.env = vendors.env
    project.write(
        connections=vendors.connections(crm={"limits": WIDE, "config": {"timeout_s": 30}},
                                        prm={"limits": WIDE, "config": {"timeout_s": 30}}),
        trust=["crm", "prm"], mappings="own", policies="policies",
    )  # fmt: skip
    command: dict[str, object] = {"folder": str(tmp_path), "url": project.database_url, "env": project.env}
    noise = (tmp_path / "killed.log").open("w")
    rng = random.Random(chaos_seed)
    with (
        noise, project.open() as app,
        subprocess.Popen(
            [sys.executable, str(RUNNER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=noise, text=True
        ) as runner,
    ):  # fmt: skip
        assert app.problems == ()
        world = World(vendors, rng)
        try:
            yield Chaos(Bench(unhurried(app), vendors), world, rng, runner, command)
        finally:
            world.leave()
            runner.kill()


def agreed(bench: Bench, world: World) -> None:
    if found := wrong(bench, world):
        pytest.fail("\n".join(found))


def test_after_the_chaos_both_systems_and_the_warehouse_agree(
    chaos: Chaos, chaos_seed: int, chaos_cycles: int
) -> None:
    world, bench = chaos.world, chaos.bench
    try:
        for n in range(chaos_cycles):
            world.told.append(f"--- cycle {n}")
            chaos.cycle()
        world.told.append("--- the end")
        world.calm()
        world.mend_schema()
        bench.clock.advance(hours=25)  # what is to be tried again later is due by now
        chaos.settle()
        for connection, stream in (("crm", "Lead"), ("prm", "leads")):  # hard deletes that nobody told of
            reconcile(bench.app, connection, stream, repair=True)
        chaos.settle()
        agreed(bench, world)  # while what was refused is still in its queue
        with bench.app.db.begin() as tx:
            send_again(tx, Chosen(push=True))
        chaos.settle()
        agreed(bench, world)
        assert bench.rows("SELECT target, code, message FROM ops.outbox WHERE state = 'refused'") == []
    except BaseException:
        print(f"seed {chaos_seed}, {chaos_cycles} cycles; what was done last:", *world.told[-120:], sep="\n")
        raise
    finally:
        print(f"seed {chaos_seed}: {chaos.killed} kills, {chaos.stopped} steps stopped")
