"""What a run costs: wall time, CPU of the process tree, CPU of PostgreSQL, and peak memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_S = 0.05


@dataclass(frozen=True, slots=True)
class Cost:
    """`cpu_s` is user and system time of the command and its children; PostgreSQL's is apart. `peak_mb` is the largest
    sum of resident memory over the tree (pages that processes share count for each of them)."""

    wall_s: float
    cpu_s: float
    postgres_cpu_s: float
    peak_mb: float
    output: str

    def numbers(self) -> dict[str, float]:
        return {
            "wall_s": round(self.wall_s, 3), "cpu_s": round(self.cpu_s, 3),
            "postgres_cpu_s": round(self.postgres_cpu_s, 3), "peak_mb": round(self.peak_mb, 1),
        }  # fmt: skip


def run(command: Sequence[str], *, env: Mapping[str, str], cwd: Path, postgres_pid: int) -> Cost:
    """Run a command to its end. Raises RuntimeError with its last words where it fails.

    The tree is sampled: a child that lives shorter than a sample is seen by its parent's account of ended children.
    """
    before = postgres_cpu_s(postgres_pid)
    began = time.perf_counter()
    with (
        (cwd / "stdout.txt").open("w+") as out,
        (cwd / "stderr.txt").open("w+") as err,
        subprocess.Popen(command, env=dict(env), cwd=cwd, stdout=out, stderr=err) as process,
    ):
        cpu_s, peak_mb = _watched(process)
        wall_s = time.perf_counter() - began
        out.seek(0)
        err.seek(0)
        output, words = out.read(), err.read()
    if process.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command[:6])} ... ended with {process.returncode}:\n{output[-2000:]}\n{words[-4000:]}"
        )
    return Cost(wall_s, cpu_s, postgres_cpu_s(postgres_pid) - before, peak_mb, output)


def _watched(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """(CPU seconds, peak MB) of a process and its descendants until it ends; servers that it starts are left out."""
    root, seen, peak = psutil.Process(process.pid), {}, 0.0
    while True:
        rss = 0
        try:
            tree = [root, *root.children(recursive=True)]
        except psutil.Error:
            tree = []
        for p in tree:
            try:
                if p.name().startswith("postgres"):
                    continue
                with p.oneshot():
                    times = p.cpu_times()
                    rss += p.memory_info().rss
                seen[p.pid] = times.user + times.system
                if p.pid == root.pid:
                    seen["ended children"] = times.children_user + times.children_system
            except psutil.Error:
                continue
        peak = max(peak, rss / 1e6)
        if process.poll() is not None:
            break
        time.sleep(SAMPLE_S)
    return _total(seen, process.pid), peak


def own_peak_mb() -> float:
    """Peak resident memory of this process since it was started (ru_maxrss would begin with its parent's)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return psutil.Process().memory_info().rss / 1e6
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def _total(seen: Mapping[object, float], root: int) -> float:
    """The root's own time, and the larger of what was sampled of its children and what it says of those that ended."""
    children = sum(s for pid, s in seen.items() if pid not in (root, "ended children"))
    return seen.get(root, 0.0) + max(children, seen.get("ended children", 0.0))


def postgres_cpu_s(pid: int) -> float:
    """User and system seconds of a server so far: its living processes, and those that it has buried."""
    server = psutil.Process(pid)
    times = server.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in server.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:  # it is among the buried by the next look
            continue
        total += times.user + times.system
    return total


def installed(python: Path, *packages: str) -> bool:
    """Whether a peer is there, in an environment of its own; made at the first use, where that can be."""
    if python.exists():
        return True
    folder = python.parent.parent
    print(f"installing {', '.join(packages)} into {folder.parent.name}/{folder.name}", file=sys.stderr)
    steps = ([sys.executable, "-m", "venv", str(folder)], [str(python), "-m", "pip", "install", "-q", *packages])
    try:
        for step in steps:
            subprocess.run(step, check=True, stdout=sys.stderr, timeout=600)
    except (OSError, subprocess.SubprocessError):
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True
