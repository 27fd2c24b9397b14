"""Any sequence of edits on both sides, pulls, plans and approvals: a plan is applied as shown, or not at all."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from scripted import Remote, emptied
from workbench import Project, rows

from prm_sync.app import App
from prm_sync.errors import ConfigError
from prm_sync.flows.approve import approve
from prm_sync.flows.difference import Plan
from prm_sync.flows.pull import pull
from prm_sync.flows.push import plan, push
from prm_sync.flows.refine import refine
from prm_sync.flows.report import State

MAPPING = "from: files.leads\nto: lead\nfields:\n  email: Email\n  city: City\nback:\n  City: city\n"
CITIES = st.sampled_from(("Huế", "القاهرة", "北京", "Köln", "León", None))
IDS = ("a", "b", "c")


def machine(app: App, project: Project) -> type[RuleBasedStateMachine]:
    class Plans(RuleBasedStateMachine):
        """`home` is written by people only; what they say there is to be said in `away` too, and the other way."""

        @initialize()
        def begin(self) -> None:
            emptied(app)
            self.home, self.away = Remote(project.clock), Remote(project.clock)
            app.connectors = {"home": self.home.connector(), "away": self.away.connector()}
            for remote in (self.home, self.away):
                for row_id in IDS:
                    remote.put(row_id, Email=f"{row_id}@x.example", City="Berlin")
            self.shown: Plan | None = None
            self.seen: dict[str, Any] = {}
            self.sync()

        def cities(self) -> dict[str, Any]:
            return {i: r["City"] for i, r in self.away.rows.items()}

        @rule(row_id=st.sampled_from(IDS), city=CITIES)
        def edit_home(self, row_id: str, city: str | None) -> None:
            self.home.put(row_id, City=city)

        @rule(row_id=st.sampled_from(IDS), city=CITIES)
        def edit_away(self, row_id: str, city: str | None) -> None:
            self.away.put(row_id, City=city)

        @rule()
        def sync(self) -> None:
            project.clock.advance(minutes=1)
            for connection in ("home", "away"):
                pull(app, connection, "leads")
            project.clock.advance(seconds=1)
            refine(app)

        @rule()
        def look(self) -> None:
            before = self.away.writes
            [self.shown] = plan(app, "away", "leads")
            self.seen = self.cities()
            assert self.away.writes == before

        @rule(row_id=st.sampled_from(IDS), city=CITIES, away=st.booleans(), pulled=st.booleans())
        def overtake(self, row_id: str, city: str | None, away: bool, pulled: bool) -> None:
            """A plan is shown, then something happens, and then somebody approves the plan."""
            self.home.put(row_id, City="İzmir")
            self.sync()
            self.look()
            (self.edit_away if away else self.edit_home)(row_id, city)
            if pulled:
                self.sync()
            if self.shown is not None and self.shown.intents:
                self.decide()

        @precondition(lambda self: self.shown is not None and self.shown.intents)
        @rule()
        def decide(self) -> None:
            assert self.shown is not None
            wanted = {str(i.remote_id): i for i in self.shown.intents}
            before, writes = self.cities(), self.away.writes
            try:
                done = approve(app, self.shown.head.id, "linh")
            except ConfigError:
                assert self.away.writes == writes
                return
            if done.changed:
                assert done.report.state is State.HELD
                assert (self.cities(), self.away.writes) == (before, writes)
                assert all(c.field in ("City", "*") for c in done.changed)
                return
            observed = {i: w.before["City"] for i, w in wanted.items()}
            assert observed == {i: before[i] for i in wanted}, "applied over what nobody had seen"
            assert self.cities() == {**before, **{i: w.after["City"] for i, w in wanted.items()}}
            assert self.away.writes == writes + len(wanted)
            query = "SELECT remote_id, old, new FROM ops.write_log WHERE plan_id = :id"
            logged = rows(app.db, query, id=self.shown.head.id)
            assert {(r["remote_id"], r["old"], r["new"]) for r in logged} >= {
                (i, w.before["City"], w.after["City"]) for i, w in wanted.items()
            }

        @rule()
        def send(self) -> None:
            project.clock.advance(seconds=1)
            push(app, "away", "leads")
            project.clock.advance(seconds=1)

        def teardown(self) -> None:
            if not hasattr(self, "home"):
                return
            for _ in range(2):  # left alone, both sides agree, and stay so
                self.sync()
                for connection in ("home", "away"):
                    push(app, connection, "leads")
                project.clock.advance(minutes=1)
            self.sync()
            assert self.cities() == {i: r["City"] for i, r in self.home.rows.items()}
            before = self.home.writes, self.away.writes
            for connection in ("home", "away"):
                push(app, connection, "leads")
            assert (self.home.writes, self.away.writes) == before

    return Plans


def test_a_plan_is_applied_exactly_or_not_at_all(project: Project) -> None:
    config: dict[str, Any] = {"folder": str(project.folder)}
    connections = {name: {"connector": "files", "config": config} for name in ("home", "away")}
    project.write(connections=connections, mappings="mappings", trust=["home", "away"])
    project.mapping(MAPPING)
    with project.open() as app:
        run_state_machine_as_test(
            machine(app, project),
            settings=settings(
                max_examples=5, stateful_step_count=6, deadline=None, derandomize=True, database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip
