"""What must stand nowhere in the tree, and who may import what import-linter cannot see."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A class of one letter keeps each pattern from meeting itself: this file is looked at too.
REGISTRY_HOSTS = re.compile(
    r"py[p]i\.(org|python)|files\.python[h]osted|conda\.[a]naconda|registry\.[n]pmjs|/sim[p]le/"
)
MACHINE_PATHS = re.compile(r"(?<![\w.~/])/(?:root|work|Users|home/[a-z]+|opt/py[p]i)/\w|\.\./[s]hared")
BINARY = {".png", ".xlsx", ".parquet", ".ico", ".gz"}


def tree() -> list[Path]:
    """Every file that is in git, or will be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    names = told.stdout.splitlines() or [p.relative_to(ROOT).as_posix() for p in ROOT.glob("prm_sync/**/*.py")]
    return [ROOT / n for n in names if (ROOT / n).is_file() and (ROOT / n).suffix not in BINARY]


def hits(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tree():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    return found


def test_no_file_names_a_package_registry() -> None:
    assert hits(REGISTRY_HOSTS) == []


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    assert hits(MACHINE_PATHS) == []


def test_constraints_hold_pinned_versions_only() -> None:
    lines = [n for n in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not n.startswith("#")]
    assert len(lines) > 80
    assert [n for n in lines if not re.fullmatch(r"[a-z0-9._-]+==[\w.]+( ; .+)?", n, re.IGNORECASE)] == []


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def test_only_the_storage_and_the_launcher_use_what_dagster_keeps_to_itself() -> None:
    private = re.compile(r"dagster\w*\.(.+\.)?_")
    users = {
        path.relative_to(ROOT).as_posix()
        for path in [*ROOT.glob("prm_sync/**/*.py"), *ROOT.glob("connectors/**/*.py")]
        if any(private.match(module) for module in imports(path))
    }
    assert users == {"prm_sync/orchestration/launcher.py", "prm_sync/orchestration/storage.py"}
