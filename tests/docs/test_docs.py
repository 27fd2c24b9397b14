"""The documentation is true: commands exist, links resolve, examples run, generated pages are up to date."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.facts import FACTS
from prm_sync.cli import program
from prm_sync.connect import registry
from prm_sync.project import Project
from prm_sync.rules.mapping import load_mapping, run_cases

ROOT = Path(__file__).parents[2]
PLACES = ("*.md", "docs/**/*.md", "connectors/*/README.md", "benchmarks/README.md", "benchmarks/fakecrm/README.md")
PAGES = sorted(page for place in PLACES for page in ROOT.glob(place))
FENCED = re.compile(r"^```[a-z]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
YAML = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(?:^|\$\(|&& )\s*prm-sync ([^)'\"`;|#]*)")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def commands() -> set[tuple[str, ...]]:
    """Every command and group of the program: ("db", "upgrade"), ("db",), ("run",)."""

    def below(command: Any, path: tuple[str, ...]) -> set[tuple[str, ...]]:
        found = {path} if path else set()
        for name, sub in getattr(command, "commands", {}).items():
            found |= below(sub, (*path, name))
        return found

    return below(typer.main.get_command(program), ())


@cache
def options_of(path: tuple[str, ...]) -> set[str]:
    command: Any = typer.main.get_command(program)
    found = {"--debug", "--verbose", "--help"}
    for name in path:
        command = command.commands[name]
    for option in command.params:
        found |= {*option.opts, *option.secondary_opts}
    return found


# --- commands ----------------------------------------------------------------------------------------------------


def spoken(text: str) -> list[list[str]]:
    """Every `prm-sync ...` that is meant as a command: in code, not in prose."""
    lines = [line for block in FENCED.findall(text) for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", FENCED.sub("", text))
    return [found[1].split() for line in lines if (found := COMMAND.search(line)) and found[1].strip()]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    known = commands()
    for words in spoken(text_of(page)):
        path = tuple(words[:2]) if tuple(words[:2]) in known else (words[0],)
        assert path in known, f"prm-sync {' '.join(words)}"
        options = {w.split("=")[0] for w in words if re.match(r"--?[a-z]", w)}
        assert options <= options_of(path), f"prm-sync {' '.join(words)}"


def test_every_command_that_a_message_of_the_program_names_exists() -> None:
    known, wrong = commands(), []
    for path in [*ROOT.glob("prm_sync/**/*.py"), *ROOT.glob("connectors/**/*.py"), *ROOT.glob("policies/*.yaml")]:
        for said in re.findall(r"`prm-sync ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", text_of(path)):
            words = tuple(said.split())
            if words not in known and words[:1] not in known:
                wrong.append(f"{name_of(path)}: prm-sync {said}")
    assert not wrong


def test_every_command_stands_in_the_reference() -> None:
    reference = text_of(ROOT / "docs" / "cli.md")
    leaves = {c for c in commands() if not any(o[: len(c)] == c and len(o) > len(c) for o in commands())}
    assert leaves
    assert {c for c in leaves if f"## prm-sync {' '.join(c)}\n" not in reference} == set()


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    named = {t for page in PAGES for t in re.findall(r"(?:^|`)make ([a-z]+)", text_of(page), re.MULTILINE)}
    assert {"demo", "test"} <= named <= targets


def test_make_help_names_every_target() -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE)) - {"help", "constraints"}
    told = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    ).stdout
    assert targets == set(re.findall(r"^make ([a-z]+)", told, re.MULTILINE))


# --- links and generated pages -----------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in heads}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_resolves(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        to = (page.parent / file).resolve() if file else page
        assert to.exists(), target
        assert not anchor or anchor in anchors(to), target


def test_the_generated_pages_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "scripts" / "generate_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.stale() == [], "run `make docs`"


def test_every_page_of_docs_is_reachable_from_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", text_of(ROOT / "docs" / "index.md")))
    assert linked == {p.name for p in (ROOT / "docs").glob("*.md")} - {"index.md"}


def test_every_requirement_that_the_field_table_names_is_explained_and_no_other() -> None:
    fields = [f for e in ENTITIES.values() for f in e.fields] + [f for facts in FACTS.values() for f in facts]
    named = {f.req for f in fields} | {e.req for e in ENTITIES.values()}
    explained = re.findall(r"^\| (R\d{3}) \|", text_of(ROOT / "docs" / "requirements.md"), re.MULTILINE)
    assert explained == sorted(named - {""})


# --- examples ----------------------------------------------------------------------------------------------------


def yaml_blocks(page: Path) -> list[Any]:
    return [
        yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_project_file_that_a_page_shows_is_valid(page: Path) -> None:
    for shown in (b for b in yaml_blocks(page) if isinstance(b, dict) and "connections" in b):
        project = Project.model_validate(shown)
        for connection in project.connections.values():
            known = registry.find(connection.connector).config.model_fields
            assert set(connection.config) <= set(known)
            assert {n for n, f in known.items() if f.is_required()} <= set(connection.config)


def test_the_mapping_of_the_manual_passes_the_cases_of_the_manual(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```yaml\n(.*?)^```", text_of(ROOT / "docs" / "writing-a-mapping.md"), re.DOTALL | re.MULTILINE
    )
    (tmp_path / "lead.yaml").write_text(blocks[0], encoding="utf-8")
    (tmp_path / "lead.cases.yaml").write_text(blocks[1], encoding="utf-8")
    results = run_cases(load_mapping(tmp_path / "lead.yaml"))
    assert len(results) == 4
    assert [(r.name, r.problems) for r in results if not r.passed] == []
