"""Routing over a real warehouse: two processes at once, queues as stored, a simulation that leaves no trace."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import sqlalchemy as sa
from workbench import MONDAY, Bench, Project

from prm_sync.cli.lookups import partner_in_routing
from prm_sync.cli.simulate import plot
from prm_sync.flows.route import route
from prm_sync.flows.simulate import PartnerShare, last_month, simulate
from prm_sync.rules.routing import RoutingPolicy
from prm_sync.rules.routing.policy import Capacity

NAMES = ("Weber", "Nguyễn", "陈", "García", "رضایی", "الأحمد")


def leads(bench: Bench, n: int, **values: Any) -> None:
    rows = [
        {"FirstName": "A", "LastName": NAMES[i % 6], "Company": f"{NAMES[i % 6]} {i}", "Country": "DE",
         "Email": f"person{i}@firm{i}.example", "Status": "Open - Not Contacted", **values}
        for i in range(n)
    ]  # fmt: skip
    bench.vendors.sf.load("Lead", rows)


def known(bench: Bench) -> None:
    """All that the vendors have, in the warehouse, and nothing routed yet."""
    from prm_sync.flows.refine import refine

    bench.pull()
    bench.clock.advance(seconds=10)
    refine(bench.app)
    bench.clock.advance(seconds=10)


@pytest.mark.parametrize("choice", ["best", "optimal"])  # lead by lead, as the other two, and a batch as a whole
def test_two_processes_that_route_at_once_never_exceed_a_capacity(bench: Bench, project: Project, choice: str) -> None:
    leads(bench, 60)
    for n, name in enumerate(("nordwind", "शक्ति", "saigon")):
        bench.vendors.partner(f"p{n}", company_name=name, weekly_capacity=9 + n)
    known(bench)
    command = [sys.executable, str(Path(__file__).with_name("routing_process.py")), str(project.folder)]
    command += [project.database_url, bench.clock.at.isoformat(), choice]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for p in both:
        assert p.stdout.readline() == "ready\n", p.stderr.read()
    said = [p.stdin.write("go\n") and p.stdin.flush() for p in both]
    outputs = [p.communicate(timeout=120) for p in both]
    assert [p.returncode for p in both] == [0, 0], (said, outputs)
    made = Counter(o["partner_key"] for o in bench.offers())
    assert made == {"p0": 9, "p1": 10, "p2": 10}  # 9 and 10 a week, and at most 10 open
    assert len({o["lead_id"] for o in bench.offers()}) == 29


def test_a_lead_without_a_partner_is_kept_with_its_queue_and_its_reasons(bench: Bench) -> None:
    bench.vendors.partner("nordwind", territories="VN")
    bench.vendors.partner("saigon", territories="DE", weekly_capacity=0)
    leads(bench, 1)
    known(bench)
    report = route(bench.app)
    assert report.numbers["queue:unrouted"] == 1
    decision = bench.one("SELECT * FROM ledger.routing_decision")
    assert (decision["queue"], decision["reasons"]) == (
        "unrouted", {"test": 1, "territory": 1, "capacity": 1},  # every PRM has a partner to test with
    )  # fmt: skip
    assert decision["rule_version"] == bench.app.policies.routing.version
    waiting = bench.one("SELECT * FROM mart.unrouted_leads")
    assert (waiting["queue"], waiting["reason"]) == ("unrouted", "capacity")
    bench.clock.advance(minutes=30)
    route(bench.app)
    assert len(bench.rows("SELECT id FROM ledger.routing_decision")) == 1  # said once


def test_a_partner_is_told_how_often_it_was_chosen_and_why_it_was_not(bench: Bench) -> None:
    bench.vendors.partner("nordwind", weekly_capacity=2)
    bench.vendors.partner("saigon", territories="VN")
    leads(bench, 3)
    known(bench)
    route(bench.app)
    with bench.app.db.begin() as tx:
        ids = {r.partner_key: r.id for r in tx.execute(sa.text("SELECT id, partner_key FROM core.partner"))}
        since = bench.clock.at - timedelta(days=1)
        assert partner_in_routing(tx, ids["nordwind"], since) == {"chosen": 2, "capacity": 1}
        assert partner_in_routing(tx, ids["saigon"], since) == {"territory": 3}
        assert partner_in_routing(tx, ids["saigon"], since + timedelta(days=2)) == {}


def test_optimal_routes_through_the_flow_and_says_what_it_gained(bench: Bench) -> None:
    bench.vendors.partner("nordwind", weekly_capacity=3)
    bench.vendors.partner("saigon", weekly_capacity=4)
    leads(bench, 10)
    known(bench)
    bench.app.policies = replace(bench.app.policies, routing=RoutingPolicy(choice="optimal"))
    numbers = route(bench.app).numbers
    assert (numbers["offered"], numbers["best_offered"]) == (7, 7)
    assert numbers["score_x100"] >= numbers["best_score_x100"] > 0


def test_a_simulation_shows_who_would_have_got_what_and_leaves_no_trace(bench: Bench) -> None:
    bench.vendors.partner("nordwind", territories="DE", weekly_capacity=6)
    bench.vendors.partner("saigon", territories="DE,VN", weekly_capacity=6)
    leads(bench, 8)
    known(bench)
    route(bench.app)
    bench.clock.advance(days=31)
    before = _everything(bench)
    same = simulate(bench.app, bench.app.policies.routing, last_month(bench.clock.at))
    assert (same.month, same.leads, same.moved, same.routed) == (f"{MONDAY:%Y-%m}", 8, 0, 8)
    assert {s.partner: s.got for s in same.partners} == {s.partner: s.today for s in same.partners}
    fewer = RoutingPolicy(capacity=Capacity(max_open=3))
    changed = simulate(bench.app, fewer, last_month(bench.clock.at))
    assert {s.partner: s.changed for s in changed.partners} == {"Nordwind": 3, "Saigon": 3}
    assert (changed.routed_changed, changed.queues_changed) == (6, {"unrouted": 2})
    assert [m["to"] for m in changed.moves if m["to"] is None] == [None, None]
    assert changed.moved == len(changed.moves)
    assert {s.partner: (s.kept, s.lost, s.gained) for s in changed.partners} == {
        s.partner: (s.today - s.lost, s.today - s.kept, s.changed - s.kept) for s in changed.partners
    }
    assert sum(s.lost for s in changed.partners) == changed.moved
    assert sum(s.leads for s in changed.streams) == changed.moved
    assert sum(s.leads for s in changed.streams if s.target is None) == 2
    assert len(plot(changed.partners)) == 3
    assert _everything(bench) == before
    assert simulate(bench.app, fewer, last_month(MONDAY)).leads == 0


def test_a_plot_shows_what_a_partner_keeps_loses_and_gains_even_where_the_number_stays() -> None:
    shares = (
        PartnerShare("p1", "海纳贸易", got=9, today=10, changed=10, kept=5),
        PartnerShare("p2", "Công ty Ánh Dương", got=0, today=0, changed=4, kept=0),
        PartnerShare("p3", "شركة النور", got=4, today=4, changed=0, kept=0),
    )
    swapped, more, none, legend = plot(shares)
    assert swapped.split() == ["海纳贸易", "█" * 13 + "░" * 14 + "▓" * 13, "10", "->", "10"]
    assert more.endswith(" " + "▓" * 11 + " 0 -> 4 (+4)")
    assert none.endswith(" " + "░" * 11 + " 4 -> 0 (-4)")
    assert swapped.index("█") + 4 == more.index("▓")  # each Chinese sign is as wide as two letters
    assert "keeps" in legend
    assert plot(()) == []


def _everything(bench: Bench) -> dict[str, int]:
    """A count of every table, and the last change number."""
    tables = bench.rows(
        "SELECT table_schema || '.\"' || table_name || '\"' AS name FROM information_schema.tables "
        "WHERE table_schema IN ('raw', 'core', 'ops', 'ledger', 'mart') AND table_type = 'BASE TABLE'"
    )
    with bench.app.db.begin() as tx:
        counts = {t["name"]: tx.execute(sa.text(f"SELECT count(*) FROM {t['name']}")).scalar_one() for t in tables}
        return {**counts, "touched": tx.execute(sa.text("SELECT last_value FROM core.change_seq")).scalar_one()}


def test_the_command_prints_the_simulation_and_writes_its_picture(
    bench: Bench, project: Project, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from prm_sync.cli import program

    bench.vendors.partner("nordwind", company_name="Công ty Ánh Dương")
    leads(bench, 3)
    known(bench)
    route(bench.app)
    changed = tmp_path / "routing-new.yaml"
    changed.write_text("choice: round_robin\n", encoding="utf-8")
    env = {
        "PRM_SYNC_PROJECT": str(project.folder), "PRM_SYNC_HOME": str(project.folder / ".prm_sync"),
        "PRM_SYNC_DATABASE_URL": project.database_url, **bench.vendors.env,
    }  # fmt: skip
    ask = ["simulate", "--policy", str(changed), "--month", f"{MONDAY:%Y-%m}", "--svg", str(tmp_path / "plot.svg")]
    said = CliRunner().invoke(program, ask, env=env)
    assert said.exit_code == 0, said.output
    assert "2027-03: 3 leads" in said.output
    assert "Công ty Ánh Dương ████" in said.output
    picture = ET.parse(tmp_path / "plot.svg").getroot()
    texts = [t.text for t in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Công ty Ánh Dương", "3 → 3", "±0", "keeps"} <= set(texts)
    assert "2027-03: of 3 leads, 0 go to somebody else by the changed policy" in texts
    data = json.loads(CliRunner().invoke(program, [*ask, "--json"], env=env).stdout)
    assert (data["leads"], data["state"]) == (3, "done")
    wrong = CliRunner().invoke(program, ["simulate", "--policy", str(changed), "--month", "May"], env=env)
    assert wrong.exit_code == 2
