"""The command line in this process, over a project of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import Cli


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def folder_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A command line without a database."""
    monkeypatch.chdir(tmp_path)
    for name in ("PRM_SYNC_DATABASE_URL", "PRM_SYNC_LOG_LEVEL", "PRM_SYNC_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    return Cli(tmp_path, {"PRM_SYNC_PROJECT": str(tmp_path), "PRM_SYNC_HOME": str(tmp_path / "home")})


@pytest.fixture
def cli(folder_only: Cli, database_url: str) -> Cli:
    """A command line with a fresh warehouse."""
    url = database_url.replace("postgresql+psycopg://", "postgresql://")
    folder_only.env["PRM_SYNC_DATABASE_URL"] = url
    return folder_only
