"""The command line in this process, over a project of its own; what it printed, taken apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from prm_sync.cli import program

LEADS = ("Lead Id", "First Name", "Last Name", "Company", "Email", "Country", "Product", "Status")


@dataclass(frozen=True)
class Said:
    """What a command said, and the code it ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object that is the last thing on stdout."""
        found: dict[str, Any] = json.loads(self.out.rstrip().splitlines()[-1])
        return found


@dataclass
class Cli:
    """`cli("run", "pull")` runs it in this project's environment."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def __call__(self, *args: str, code: int = 0) -> Said:
        result = CliRunner().invoke(program, list(args), env=self.env, prog_name="prm-sync")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        said = Said(result.exit_code, result.stdout, result.stderr)
        assert said.code == code, f"{args}: exit code {said.code}\n{said.out}\n{said.err}"
        return said

    def write(self, **content: Any) -> Path:
        path = self.folder / "prm_sync.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return path

    def text(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def leads(self, *rows: Mapping[str, str], name: str = "leads.csv") -> Path:
        lines = [",".join(row.get(h, "") for h in LEADS) for row in rows]
        return self.text(f"data/{name}", "\n".join([",".join(LEADS), *lines]) + "\n")

    def lists(self, streams: tuple[str, ...] = ("leads",), **config: Any) -> dict[str, Any]:
        """A files connection to the folder `data`."""
        return {
            "connector": "files",
            "config": {"folder": str(self.folder / "data"), **config},
            "streams": list(streams),
        }


def lead(number: int, **values: str) -> dict[str, str]:
    return {
        "Lead Id": str(number), "First Name": "An", "Last Name": f"Nguyen{number}", "Company": f"Company {number}",
        "Email": f"an{number}@company{number}.example", "Country": "Vietnam", "Product": "CRM", "Status": "New",
        **values,
    }  # fmt: skip
