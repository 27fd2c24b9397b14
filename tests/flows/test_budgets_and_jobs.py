"""Quotas that end a run early, the reserve for writing back, and jobs of a remote that are lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from scripted import Remote, ScriptedSession
from workbench import Bench, Project, Vendors, rows

from prm_sync.connect import Change, Connector, Context, CursorExpired, Later, Outcome, Stream
from prm_sync.connect.protocol import Cursor
from prm_sync.flows.pull import pull
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.report import State
from prm_sync.flows.route import route

DAILY = {"permits": 60, "share": 1.0, "reserve": 0.5}


def test_reads_stop_in_good_order_before_the_reserve_and_the_answer_is_still_written(
    make_bench: Callable[..., Bench], vendors: Vendors, project: Project
) -> None:
    bench = make_bench(vendors.connections(crm={"quotas": {"daily": DAILY}}))
    vendors.partner("nordwind")
    lead = vendors.lead("Weber")
    bench.pull()
    refine(bench.app)
    route(bench.app)
    for _ in range(60):
        vendors.lead("Huber")
        report = pull(bench.app, "crm", "Lead")
        bench.clock.advance(minutes=1)
        if report.state is not State.DONE:
            break
    assert report.state is State.PARTIAL
    assert "crm: our share of burst, daily is used up" in (report.message or "")
    assert bench.one("SELECT state FROM ops.run ORDER BY started_at DESC, id DESC LIMIT 1") == {"state": "partial"}
    assert vendors.sf.desk.used <= 30  # logins are none of the quota
    assert push(bench.app, "crm", "Lead").state is State.DONE
    assert vendors.crm_row("Lead", lead)["Prm_Offer_Status__c"] == "pending"
    held = len(bench.rows("SELECT FROM raw.record WHERE stream = 'Lead'"))
    project.write(connections=vendors.connections(crm={"quotas": {"daily": {**DAILY, "permits": 6000}}}))
    with project.open() as app:
        assert pull(app, "crm", "Lead").state is State.DONE
        there = len(rows(app.db, "SELECT FROM raw.record WHERE stream = 'Lead'"))
    assert there == len(vendors.sf.org.tables["Lead"].rows) >= held


def test_a_push_that_the_quota_ends_is_partial_and_the_next_one_goes_on(
    make_bench: Callable[..., Bench], vendors: Vendors
) -> None:
    """Every lead is a call of its own here; what was left out is never called done."""
    bench = make_bench(vendors.connections())
    vendors.partner("nordwind")
    for n in range(6):
        vendors.lead(f"Lead{n}")
    bench.pull()
    refine(bench.app)
    route(bench.app)
    vendors.ps.faults.status(429, retry_after_s=3600, skip=2, times=None, method="POST")
    to_prm = push(bench.app, "prm", "leads")
    assert (to_prm.state, len(vendors.prm_leads())) == (State.PARTIAL, 2)
    vendors.ps.faults.clear()
    bench.clock.advance(hours=2)
    to_prm = push(bench.app, "prm", "leads")
    assert (to_prm.state, len(vendors.prm_leads())) == (State.DONE, 6)


# --- jobs --------------------------------------------------------------------------------------------------------


@dataclass
class JobSession(ScriptedSession):
    """Its writes are jobs. The first one is lost when half of it was done."""

    lost: list[str] = field(default_factory=list)

    def write(self, stream: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        if not self.lost:
            self.lost.append("job-1")
            super().write(stream, changes[: len(changes) // 2])
            return [Later({"job": "job-1"}, 1.0)] * len(changes)
        return super().write(stream, changes)

    def settle(self, stream: Stream, ticket: Cursor) -> Sequence[Outcome]:
        raise CursorExpired(f"there is no job {ticket['job']} any more", code="NOT_FOUND")


def test_the_changes_of_a_lost_job_are_looked_up_and_only_those_not_done_are_sent_again(project: Project) -> None:
    config: dict[str, Any] = {"folder": str(project.folder)}
    connections = {name: {"connector": "files", "config": config} for name in ("home", "away")}
    project.write(connections=connections, mappings="mappings", trust=["home", "away"])
    project.mapping("from: files.leads\nto: lead\nfields:\n  email: Email\n  city: City\nback:\n  City: city\n")
    home, away = Remote(project.clock), Remote(project.clock)
    for n in range(4):
        home.put(f"h{n}", Email=f"l{n}@x.example", City="重庆")
        away.put(f"a{n}", Email=f"l{n}@x.example", City="Berlin")
    lost: list[str] = []

    @contextmanager
    def opened(_: Any, __: Context) -> Iterator[JobSession]:
        yield JobSession(away, lost)

    with project.open() as app:
        jobs: Connector = replace(away.connector(), open=opened)
        app.connectors = {"home": home.connector(), "away": jobs}
        for connection in ("home", "away"):
            pull(app, connection, "leads")
        project.clock.advance(seconds=1)
        refine(app)
        report = push(app, "away", "leads")
        assert (report.state, report.numbers["looked_up"], report.numbers["written"]) == (State.DONE, 4, 4)
        assert {r["City"] for r in away.rows.values()} == {"重庆"}
        assert away.writes == 2 + 2
        assert len(rows(app.db, "SELECT FROM ops.write_log WHERE field = 'City'")) == 4
        assert rows(app.db, "SELECT DISTINCT state FROM ops.outbox") == [{"state": "done"}]
