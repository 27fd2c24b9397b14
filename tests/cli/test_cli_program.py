"""The program as such: its help, its speed, its errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from commandline import Cli
from typer.main import get_command

from prm_sync.cli import program


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*words, name))


EVERY = sorted(commands(get_command(program)))


def test_all_commands_are_there() -> None:
    assert {words[0] for words in EVERY if words} == {
        "init", "check", "demo", "run", "plan", "approve", "status", "explain", "quarantine", "mappings", "connectors",
        "conflict", "drift", "match", "reconcile", "schemas", "simulate", "registrations", "sharing", "forget",
        "forecast", "incentives", "targets",
        "up", "down", "db", "emulate",
    }  # fmt: skip


@pytest.mark.parametrize("words", EVERY, ids=lambda words: " ".join(words) or "prm-sync")
def test_the_help_of_a_command_has_an_example_of_itself(words: tuple[str, ...], folder_only: Cli) -> None:
    said = folder_only(*words, "--help")
    example = said.out.partition("Example: ")[2]
    assert " ".join(("prm-sync", *words)) in " ".join(example.split())


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['prm-sync', '--help']\n"
        "from prm_sync.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('heavy:', sorted({'sqlalchemy', 'pandas', 'dagster', 'httpx', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.rstrip().endswith("heavy: []"), done.stdout[-300:] + done.stderr


def test_an_unknown_command_is_wrong_usage(folder_only: Cli) -> None:
    assert "No such command 'frobnicate'" in folder_only("frobnicate", code=2).err


def test_an_unknown_verb_is_wrong_usage_and_names_the_verbs(folder_only: Cli) -> None:
    said = folder_only("run", "pul", code=2)
    assert "'pull'" in said.err
    assert "'measure'" in said.err


def test_an_error_is_one_line_without_traceback(folder_only: Cli) -> None:
    said = folder_only("run", code=2)
    assert said.err.count("\n") == 1
    assert "prm_sync.yaml: there is no project here; run `prm-sync init`" in said.err
    assert said.out == ""


def test_with_json_an_error_is_json_too(folder_only: Cli) -> None:
    said = folder_only("run", "--json", code=2)
    assert said.json["state"] == "failed"
    assert said.json["error"] == "ConfigError"
    assert "there is no project here" in said.json["message"]


def test_debug_shows_the_traceback_wherever_it_stands(folder_only: Cli) -> None:
    from prm_sync.errors import ConfigError

    with pytest.raises(ConfigError):
        folder_only("run", "--debug")


def test_a_wrong_database_address_is_told_without_its_password(folder_only: Cli) -> None:
    folder_only.env["PRM_SYNC_DATABASE_URL"] = "postgresql://me:hunter2@127.0.0.1:1/warehouse"
    folder_only.write(connections={})
    said = folder_only("run", code=1)
    assert "the warehouse postgresql" in said.err
    assert "cannot be used: connection failed" in said.err
    assert "hunter2" not in said.err
    assert "Traceback" not in said.err


def test_status_without_a_warehouse_makes_none(folder_only: Cli) -> None:
    folder_only.write(connections={})
    assert folder_only("status", "--json").json == {"state": "done", "server": "absent"}
    assert not (folder_only.folder / "home").exists()
