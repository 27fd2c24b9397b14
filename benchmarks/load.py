"""How long a first load and an incremental run take, what they cost, and how that compares with dlt.

    python benchmarks/load.py [--rows 200000,1000000] [--pairs 2] [--no-peer] [--json]

The real product runs as a subprocess, `prm-sync run pull refine`, on a fresh home with its own embedded server, against
the fake CRM (fakecrm/): leads over the REST API, mapped, normalised, matched, merged into golden records with history.
dlt loads the same rows over the same API into the same kind of server and merges them by key; it normalises nothing.
The two take turns (A B A B); compare ratios, since a shared machine's seconds are not worth much. dlt runs where
benchmarks/.venv-dlt holds it (see README.md). With --json the last line of the output is one object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
import psutil

from prm_sync.warehouse.embedded import Server, attach_or_start, remove

HERE = Path(__file__).parent
PEER_PYTHON = HERE / ".venv-dlt" / "bin" / "python"
PEER = "dlt[postgres]==1.31.*"
PROGRAM = (sys.executable, "-m", "prm_sync.cli")
PAGE_ROWS = 2000
LATENCY_MS = 200
# As on a user's machine: what was compiled once (`db upgrade` goes first) is not compiled by each run.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
COUNTED = ("raw.record", "core.lead_source", "core.lead", "core.lead_history")

PROJECT = """\
connections:
  crm:
    connector: salesforce
    config:
      instance_url: {url}
      client_id: bench
      client_secret: {{env: BENCH_SECRET}}
      bulk_threshold: {bulk_threshold}
    streams: [Lead]
mappings: {mappings}
"""


@dataclass(frozen=True, slots=True)
class FakeCrm:
    """A running fake CRM."""

    url: str
    process: subprocess.Popen[str]

    def control(self, **settings: object) -> None:
        query = "&".join(f"{name}={value}" for name, value in settings.items())
        with urllib.request.urlopen(f"{self.url}/control?{query}", timeout=10) as answer:
            answer.read()


def data_of(rows: int) -> Path:
    """The folder with so many leads; made where it is not there yet."""
    folder = HERE / f"data-{rows}"
    if not (folder / "meta.json").exists():
        command = [sys.executable, str(HERE / "fakecrm" / "generate.py"), "--out", str(folder), "--leads", str(rows)]
        command += ["--accounts", str(rows // 5), "--contacts", str(rows // 2), "--only", "Lead"]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return folder


@contextmanager
def serving(data: Path) -> Iterator[FakeCrm]:
    command = [sys.executable, str(HERE / "fakecrm" / "server.py"), "--data", str(data), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found, "the fake CRM did not start"
            yield FakeCrm(found[0], process)
        finally:
            process.terminate()


@contextmanager
def fresh_home(folder: Path) -> Iterator[Server]:
    """A new home with a running, empty server, gone afterwards: making a database cluster is nobody's load."""
    home = folder / "home"
    try:
        yield attach_or_start(home)
    finally:
        remove(home)


# --- the two sides --------------------------------------------------------------------------------------------------


def ours(crm: FakeCrm, *, bulk: bool = False, changes: bool = True) -> dict[str, Any]:
    """First load, then the 1 % that changed, by the product."""
    with tempfile.TemporaryDirectory(prefix="prm-bench-") as name, fresh_home(Path(name)) as server:
        folder = Path(name)
        mappings = HERE / "fakecrm" / "mappings"
        text = PROJECT.format(url=crm.url, bulk_threshold=20_000 if bulk else 0, mappings=mappings)
        (folder / "prm_sync.yaml").write_text(text)
        env = {k: v for k, v in ENVIRONMENT.items() if not k.startswith("PRM_SYNC_")}
        env |= {"PRM_SYNC_PROJECT": name, "PRM_SYNC_HOME": f"{name}/home", "BENCH_SECRET": "bench"}
        subprocess.run([*PROGRAM, "db", "upgrade"], env=env, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        result = {"initial": _product_run([*PROGRAM, "run", "pull", "refine", "--json"], env, folder, server)}
        result["rows"] = {table: _count(server, "prm_sync", table) for table in COUNTED}
        if changes:
            crm.control(delta="on")
            result["delta"] = _product_run([*PROGRAM, "run", "pull", "refine", "--json"], env, folder, server)
            result["rows_after"] = {table: _count(server, "prm_sync", table) for table in COUNTED}
            crm.control(delta="off")
        return result


def _product_run(command: list[str], env: Mapping[str, str], folder: Path, server: Server) -> dict[str, Any]:
    cost = measure.run(command, env=env, cwd=folder, postgres_pid=server.pid)
    return {**cost.numbers(), "work_s": reported_work_s(cost.output)}


def reported_work_s(output: str) -> float | None:
    """The seconds inside the flows, as `--json` reports them: the sum of every `work_s` in it."""

    def sums(value: Any) -> float:
        if isinstance(value, dict):
            own = value.get("work_s")
            return float(own) if isinstance(own, int | float) else sum(map(sums, value.values()))
        return sum(map(sums, value)) if isinstance(value, list) else 0.0

    start = min((i for i in (output.find("{"), output.find("[")) if i >= 0), default=-1)
    return round(sums(json.loads(output[start:])), 3) if start >= 0 else None


def dlt(crm: FakeCrm, *, tuned: bool) -> dict[str, Any]:
    """The same load and changes by dlt, into a database of its own."""
    with tempfile.TemporaryDirectory(prefix="dlt-bench-") as name, fresh_home(Path(name)) as server:
        with server.connect("postgres") as connection:
            connection.execute("CREATE DATABASE peer")
        url = f"postgresql://postgres:none@localhost/peer?host={server.socket}&port={server.port}"
        command = [str(PEER_PYTHON), str(HERE / "peers" / "dlt_rest.py"), "--url", crm.url, "--postgres", url]
        command += ["--work", f"{name}/work", *(["--tuned"] if tuned else [])]
        first = measure.run(command, env=ENVIRONMENT, cwd=Path(name), postgres_pid=server.pid)
        rows = _count(server, "peer", "peer.lead")
        crm.control(delta="on")
        since = ["--since", _first_sync(crm)]
        changed = measure.run([*command, *since], env=ENVIRONMENT, cwd=Path(name), postgres_pid=server.pid)
        crm.control(delta="off")
        return {"initial": first.numbers(), "delta": changed.numbers(), "rows": {"peer.lead": rows}}


def _first_sync(crm: FakeCrm) -> str:
    """Where dlt's second window begins: the fake CRM's clock at the first load."""
    crm.control(delta="off")
    with urllib.request.urlopen(f"{crm.url}/control", timeout=10) as answer:
        stamp = json.load(answer)["now"]
    crm.control(delta="on")
    return str(stamp)


def _count(server: Server, database: str, table: str) -> int:
    with server.connect(database) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0


# --- the whole ------------------------------------------------------------------------------------------------------


def paired(crm: FakeCrm, pairs: int) -> dict[str, list[dict[str, Any]]]:
    """All sides in turn, `pairs` times."""
    sides: dict[str, list[dict[str, Any]]] = {"prm_sync": [], "dlt": [], "dlt_tuned": []}
    for n in range(pairs):
        sides["prm_sync"].append(say(f"prm-sync {n + 1}", ours(crm)))
        if PEER_PYTHON.exists():
            sides["dlt"].append(say(f"dlt {n + 1}", dlt(crm, tuned=False)))
            sides["dlt_tuned"].append(say(f"dlt tuned {n + 1}", dlt(crm, tuned=True)))
    return {name: runs for name, runs in sides.items() if runs}


def ratios(sides: Mapping[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Of each pair the peer's cost over ours; their medians. More than 1: ours is less."""
    found: dict[str, float] = {}
    for peer in ("dlt", "dlt_tuned"):
        pairs = list(zip(sides["prm_sync"], sides.get(peer, []), strict=False))
        for phase in ("initial", "delta"):
            for what in ("wall_s", "cpu_s", "peak_mb"):
                if pairs:
                    values = [_cost(b[phase], what) / _cost(a[phase], what) for a, b in pairs]
                    found[f"{peer}_{phase}_{what}"] = round(statistics.median(values), 2)
    return found


def _cost(numbers: Mapping[str, float], what: str) -> float:
    """CPU is the client's and PostgreSQL's together: work may be on either side."""
    return numbers[what] + (numbers["postgres_cpu_s"] if what == "cpu_s" else 0.0)


def with_latency(crm: FakeCrm, rows: int, work_s: float) -> dict[str, Any]:
    """A source that takes 200 ms a page: the run should take little more than the longer of source and own work."""
    crm.control(latency_ms=LATENCY_MS)
    try:
        run = say(f"{LATENCY_MS} ms a page", ours(crm, changes=False))
    finally:
        crm.control(latency_ms=0)
    source_s = rows / PAGE_ROWS * LATENCY_MS / 1000
    return {
        **run["initial"], "source_s": source_s, "own_work_s": work_s,
        "over_the_longer": round(run["initial"]["wall_s"] / max(source_s, work_s), 3),
    }  # fmt: skip


def bench(rows: int, pairs: int, *, peers: bool) -> dict[str, Any]:
    with serving(data_of(rows)) as crm:
        sides = paired(crm, pairs) if peers else {"prm_sync": [say("prm-sync", ours(crm)) for _ in range(pairs)]}
        walls = [run["initial"]["wall_s"] for run in sides["prm_sync"]]
        result: dict[str, Any] = {"rows": rows, "rows_per_s": round(rows / statistics.median(walls)), "sides": sides}
        result["peer_over_ours"] = ratios(sides) if peers else {}
        result["bulk"] = say("prm-sync, bulk road", ours(crm, bulk=True))
        result["latency"] = with_latency(crm, rows, min(walls)) if peers else None
        return result


def say(name: str, result: dict[str, Any]) -> dict[str, Any]:
    for phase in ("initial", "delta"):
        if phase in result:
            numbers = "  ".join(f"{k} {v}" for k, v in result[phase].items())
            print(f"{name:24} {phase:8} {numbers}", file=sys.stderr, flush=True)
    print(f"{name:24} {'rows':8} {result['rows']}", file=sys.stderr, flush=True)
    return result


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rows", default="200000", help="leads, several with commas; peers and latency at the first only")
    ap.add_argument("--pairs", type=int, default=2)
    ap.add_argument("--no-peer", action="store_true", help="prm-sync alone")
    ap.add_argument("--json", action="store_true", help="end with one JSON object")
    a = ap.parse_args()
    sizes = [int(n) for n in a.rows.split(",")]
    if not a.no_peer and not measure.installed(PEER_PYTHON, PEER):
        print("dlt cannot be installed here: prm-sync alone", file=sys.stderr)
    results = [bench(n, a.pairs if i == 0 else 1, peers=i == 0 and not a.no_peer) for i, n in enumerate(sizes)]
    memory_gb = round(psutil.virtual_memory().total / 1e9, 1)
    summary = {
        "benchmark": "load",
        "machine": {"cpus": os.cpu_count(), "memory_gb": memory_gb, "load": os.getloadavg()},
        "sizes": results,
        "linearity": round(results[-1]["rows_per_s"] / results[0]["rows_per_s"], 2) if len(results) > 1 else None,
    }
    for result in results:
        compared = result["peer_over_ours"] or "not run"
        print(f"{result['rows']} leads: {result['rows_per_s']} rows/s; peer over ours: {compared}")
    if a.json:
        print(json.dumps(summary))


if __name__ == "__main__":
    main()
