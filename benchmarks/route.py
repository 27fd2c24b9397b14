"""Routing: 1,000,000 leads to 2,000 partners, with the winner's whole score and counts of reasons for the rest.

    make bench NAME=route ARGS="--json"
    make bench NAME=route ARGS="--leads 100000 --choices best,optimal --no-peers"

Each side runs in a process of its own and starts from its own tables in memory. Ours: columns of leads and facts of
partners -> an assignment and the reasons of every lead. The peers (pandas, DuckDB: in benchmarks/.venv-route, made
where it can be) get the same rules without load, since a score that moves with every offer is no join; their answers
are compared with ours lead by lead. Their time is without counts of reasons; `--peer-reasons`: what those take besides.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import measure
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import routing_data

from prm_sync.rules.routing import Agreement, Batch, Board, Ledger, PartnerFacts, RoutingPolicy, deal
from prm_sync.rules.routing.board import fraction
from prm_sync.rules.routing.columns import Column, LeadColumns
from prm_sync.rules.routing.score import Scale

HERE = Path(__file__).parent
PEER_PYTHON = HERE / ".venv-route" / "bin" / "python"
PEER = ("duckdb", "pandas>=2.3", "pyarrow>=21")
NOW = datetime(2026, 5, 6, 10, tzinfo=UTC)
#: name of a side -> choice, and weight of the load
SIDES = {
    "best": ("best", 1.0), "best_static": ("best", 0.0), "round_robin": ("round_robin", 0.0),
    "weighted": ("weighted", 0.0), "optimal": ("optimal", 0.0),
}  # fmt: skip


def policy_of(side: str) -> RoutingPolicy:
    choice, load = SIDES[side]
    return RoutingPolicy.model_validate(
        {
            "choice": choice,
            "capacity": {"weekly": 1, "max_open": 10**9},
            "tiers_needed": [{"segment": ["enterprise"], "tiers": ["gold", "platinum"]}],
            "score": {
                "load": {"weight": load},
                "tier": {"weight": 1, "tiers": {"platinum": 1.0, "gold": 0.8, "silver": 0.5, "bronze": 0.25}},
            },
        }
    )


# --- our side, in a process of its own ------------------------------------------------------------------------------


def partners_of(folder: Path) -> list[PartnerFacts]:
    return [
        PartnerFacts(
            r["id"], status=r["status"], tier=r["tier"], territories=tuple(r["territories"]),
            products=tuple(r["products"]), industries=tuple(r["industries"]), languages=tuple(r["languages"]),
            certifications=dict.fromkeys(r["certificates"], r["valid_until"]), weekly_capacity=r["weekly_capacity"],
            won=r["won"], lost=r["lost"], response_h=r["response_h"], country=r["country"], region=r["region"],
            segments={s: (r["segment_won"][n], r["segment_lost"][n]) for n, s in enumerate(routing_data.SEGMENTS)},
            agreements=(Agreement(in_force=True, last=r["agreement_until"]),),
        )
        for r in pq.read_table(folder / "partners.parquet").to_pylist()
    ]  # fmt: skip


def leads_in(folder: Path) -> dict[str, pa.Array]:
    """Read one by one: what reading takes besides is taken once."""
    with pq.ParquetFile(folder / "leads.parquet") as file:
        return {n: file.read([n], use_threads=False)[n].combine_chunks() for n in routing_data.LEAD_COLUMNS}


def leads_of(columns: dict[str, pa.Array]) -> LeadColumns:
    """The columns, each value numbered. They are handed over: none is kept twice."""
    ids, priorities = columns.pop("id").to_numpy(zero_copy_only=False).tolist(), columns.pop("priority").to_numpy()
    fields = {}
    while columns:
        name, values = columns.popitem()
        encoded = values.dictionary_encode(null_encoding="encode")
        small = np.min_scalar_type(len(encoded.dictionary))
        fields[name] = Column(encoded.indices.to_numpy().astype(small), encoded.dictionary.to_pylist())
    return LeadColumns(ids, priorities, fields)


def ours(folder: Path, side: str, out: Path | None) -> dict[str, Any]:
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps what it has freed
    partners = partners_of(folder)
    columns = leads_in(folder)
    began, cpu = time.perf_counter(), time.process_time()
    board = Board(partners, Ledger(), policy_of(side), NOW)
    batch = Batch(board, leads_of(columns))
    read_s = time.perf_counter() - began
    deal(batch)
    dealt_s = time.perf_counter() - began - read_s
    routed = reasons = 0
    for lead in batch:  # the winner's score with every term, and the counts for all others
        routed += lead.winner is not None
        reasons += lead.full + lead.outscored
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    peak_mb = measure.own_peak_mb()
    found: dict[str, Any] = {
        "seconds": took_s, "cpu_s": cpu_s, "leads": len(batch), "leads_per_s": round(len(batch) / took_s),
        "read_s": read_s, "deal_s": dealt_s, "reasons_s": took_s - read_s - dealt_s, "classes": len(board.kinds),
        "eligible_a_class": statistics.fmean(k.many for k in board.kinds), "routed": routed,
        "served": sum(board.kinds[k].many > 0 for k in batch.kind_of), "points": batch.points(), "peak_mb": peak_mb,
    }  # fmt: skip
    if side == "optimal":
        found |= bound(folder, partners, routed)
    if out is not None:
        names = [lead.winner and lead.winner.partner_id for lead in batch]
        pq.write_table(pa.table({"id": batch.ids, "partner": names}), out)
    return found


def bound(folder: Path, partners: list[PartnerFacts], routed: int) -> dict[str, Any]:
    """What no dealing out can be worth more than, by the dual problem; not counted in the time."""
    from prm_sync.rules.routing import optimal

    batch = Batch(Board(partners, Ledger(), policy_of("optimal"), NOW), leads_of(leads_in(folder)))
    problem = optimal.transport(batch, list(batch.order))
    flow = optimal.solved(problem)
    most = optimal.upper_bound(problem, flow)
    worth = optimal.value(problem, flow)
    assert int(flow.sum()) == routed
    return {"arcs": len(problem.source), "upper_bound": most, "worth": worth, "gap": (most - worth) / most}


# --- the whole ------------------------------------------------------------------------------------------------------


def given(folder: Path, work: Path) -> Path:
    """What the peers must know: the points of each term, of the distance between each two countries (the benchmark's
    regions are made up), the day, and the lots by which ties are broken."""
    policy = policy_of("best_static")
    total = sum(policy.score.weights)
    terms = ("fit", "win_rate", "response_time", "load", "tier", "distance")
    points = {name: weight / total for name, weight in zip(terms, policy.score.weights, strict=True)}
    lots = {p.id: fraction(policy.seed, p.id) for p in partners_of(folder)}
    scale = Scale(policy)
    countries = routing_data.COUNTRIES
    near = [(a, b, scale.grades[scale.nearness(a, b)].distance) for a in countries for b in countries]
    path = work / "given.json"
    path.write_text(json.dumps({"points": points, "near": near, "today": f"{NOW:%Y-%m-%d}", "lots": lots}))
    return path


def child(command: list[str]) -> dict[str, Any]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def say(name: str, found: dict[str, Any]) -> dict[str, Any]:
    numbers = "  ".join(f"{k} {round(v, 3) if isinstance(v, float) else v}" for k, v in found.items())
    print(f"{name:12} {numbers}", file=sys.stderr, flush=True)
    return found


def bench(a: argparse.Namespace) -> dict[str, Any]:
    folder = routing_data.write(
        HERE / f"data-route-{a.leads}-{a.partners}-{a.tightness}-{a.seed}", a.leads, a.partners, a.tightness, a.seed
    )
    sides: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="route-bench-") as name:
        work = Path(name)
        peers = [] if a.no_peers or not measure.installed(PEER_PYTHON, *PEER) else ["duckdb", "pandas"]
        for n in range(a.repeat):
            for side in a.choices.split(","):
                command = [sys.executable, __file__, "--side", side, "--data", str(folder), "--out", str(work / side)]
                sides.setdefault(side, []).append(say(side, child(command)))
            for engine in peers if n == 0 else peers[:1]:
                command = [str(PEER_PYTHON), str(HERE / "peers" / "route_peer.py"), "--data", str(folder)]
                command += ["--engine", engine, "--given", str(given(folder, work)), "--out", str(work / engine)]
                command += ["--reasons"] if a.peer_reasons else []
                sides.setdefault(engine, []).append(say(engine, child(command)))
        same = agreement(work, peers)
    return {
        "leads": a.leads, "partners": a.partners, "tightness": a.tightness, "seed": a.seed, "sides": sides,
        "same_answer_as_best_static": same, "ratios": ratios(sides),
    }  # fmt: skip


def agreement(work: Path, peers: list[str]) -> dict[str, float]:
    """Share of leads that a peer gave to the same partner as `best_static`."""
    if not (work / "best_static").exists():
        return {}
    by_id = sorted(zip(*pq.read_table(work / "best_static").to_pydict().values(), strict=True))
    shares = {}
    for engine in peers:
        theirs = pq.read_table(work / engine, columns=["id", "partner"]).to_pydict()
        assert theirs["id"] == [lead for lead, _ in by_id]
        shares[engine] = sum(a == b for (_, a), b in zip(by_id, theirs["partner"], strict=True)) / len(by_id)
    return shares


def ratios(sides: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Time of one side over another's, and objectives; medians of the runs."""

    def median(side: str, what: str) -> float | None:
        return statistics.median(r[what] for r in sides[side]) if side in sides else None

    found: dict[str, float | None] = {}
    for over, under, what in (
        ("duckdb", "best_static", "seconds"), ("duckdb", "best", "seconds"), ("pandas", "best_static", "seconds"),
        ("optimal", "best_static", "seconds"), ("optimal", "best_static", "points"),
        ("optimal", "best_static", "routed"), ("optimal", "round_robin", "points"),
        ("optimal", "round_robin", "routed"),
    ):  # fmt: skip
        a, b = median(over, what), median(under, what)
        found[f"{over}/{under} {what}"] = round(a / b, 3) if a is not None and b is not None else None
    return {k: v for k, v in found.items() if v is not None}


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--leads", type=int, default=1_000_000)
    ap.add_argument("--partners", type=int, default=2_000)
    ap.add_argument("--tightness", type=float, default=1.0, help="capacity of all partners over the number of leads")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--repeat", type=int, default=1)
    ap.add_argument("--choices", default=",".join(SIDES), help=f"of {', '.join(SIDES)}")
    ap.add_argument("--no-peers", action="store_true")
    ap.add_argument("--peer-reasons", action="store_true", help="time DuckDB's counts of reasons, too (slow)")
    ap.add_argument("--json", action="store_true", help="end with one JSON object")
    ap.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    ap.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    ap.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    a = ap.parse_args()
    if a.side:
        print(json.dumps(ours(a.data, a.side, a.out)))
        return
    result = {"benchmark": "route", "machine": {"cpus": os.cpu_count(), "load": os.getloadavg()}, **bench(a)}
    for side, runs in result["sides"].items():
        rate = statistics.median(r["leads"] / r["seconds"] for r in runs)
        score = runs[0]["points"] / 10_000 / a.leads
        share = runs[0]["routed"] / a.leads
        print(f"{side:12} {rate:10,.0f} leads/s  objective a lead {score:.4f}  routed {share:.1%}")
    print(f"capacity/leads {a.tightness}; same answer as best_static: {result['same_answer_as_best_static']}")
    print(result["ratios"])
    if a.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
