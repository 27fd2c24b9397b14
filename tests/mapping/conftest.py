from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from prm_sync.rules.mapping import Compiled, Fault, MappingSpec, compile_mapping, load_mapping

Row = dict[str, Any]


@pytest.fixture
def spec_of(tmp_path: Path) -> Callable[..., MappingSpec]:
    """A mapping from the text of its file; `from` and `to` are put before it unless it is `whole`."""

    def make(text: str, to: str = "lead", stem: str = "lead", whole: bool = False) -> MappingSpec:
        text = dedent(text).strip()
        head = "" if whole else f"from: salesforce.Lead\nto: {to}\n"
        path = tmp_path / "salesforce" / f"{stem}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(head + text + "\n", encoding="utf-8")
        return load_mapping(path)

    return make


def rows(compiled: Compiled, *records: dict[str, Any]) -> tuple[list[Row | None], list[Fault]]:
    """What a mapping makes of records, as dicts, and its faults."""
    faults: list[Fault] = []
    made = [compiled.run(record, faults) for record in records]
    return [None if r is None else compiled.named(r) for r in made], faults


@pytest.fixture
def run_one() -> Callable[..., tuple[Row | None, list[Fault]]]:
    def run(spec: MappingSpec, record: dict[str, Any], connection: str = "acme") -> tuple[Row | None, list[Fault]]:
        [row], faults = rows(compile_mapping(spec, connection), record)
        return row, faults

    return run
