"""`prm-sync db` and the program as a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg
from commandline import Cli, lead

from prm_sync.warehouse import embedded


def test_upgrade_says_whether_anything_was_to_do(cli: Cli, make_database: Callable[..., str]) -> None:
    cli.env["PRM_SYNC_DATABASE_URL"] = make_database(migrated=False).replace("postgresql+psycopg://", "postgresql://")
    assert cli("db", "upgrade", "--json").json == {"state": "done", "changed": True}
    assert cli("db", "upgrade", "--json").json == {"state": "done", "changed": False}
    said = cli("db", "status", "--json").json
    assert said["differences"] == []
    assert said["revision"]


def test_status_fails_where_the_schema_is_another(cli: Cli) -> None:
    url = cli("db", "psql-url").out.strip()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE ops.alert DROP COLUMN subject")
    said = cli("db", "status", code=1)
    assert "the schema is not this version's (add_column 1)" in said.out


def test_a_revision_is_not_written_where_nothing_differs(cli: Cli) -> None:
    assert cli("db", "revision", "-m", "nothing", "--json").json == {"state": "done", "file": None}


def test_a_server_of_others_is_not_stopped(cli: Cli) -> None:
    assert "is not ours to stop" in cli("db", "stop", code=1).err


def test_the_program_runs_as_a_process_and_leaves_nothing_running() -> None:
    """From nothing to a stopped server: init, run, status, down."""
    place = Path(tempfile.mkdtemp(prefix="prm-cli-"))
    place.chmod(0o711)
    env = {k: v for k, v in os.environ.items() if not k.startswith("PRM_SYNC_")}
    env |= {"PRM_SYNC_PROJECT": str(place), "PRM_SYNC_HOME": str(place / "home")}
    source = Cli(place).leads(lead(1), lead(2))

    def call(*args: str) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-m", "prm_sync.cli", *args, "--json"],
            env=env,
            cwd=place,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return dict(json.loads(done.stdout))

    try:
        assert call("init", "--from", str(source), "--entity", "lead")["entity"] == "lead"
        assert call("run", "pull", "refine")["state"] == "done"
        assert embedded.status(place / "home").state == "ready"
        assert call("down") == {"state": "done", "services": False, "server": True}
        assert embedded.status(place / "home").state == "stopped"
    finally:
        embedded.remove(place / "home")
        shutil.rmtree(place)
