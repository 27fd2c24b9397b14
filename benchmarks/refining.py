"""The same persons matched by the product itself: pulled from a CSV into PostgreSQL and refined, then 1 % more."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from prm_sync.app import App, open_app
from prm_sync.flows.pull import pull
from prm_sync.flows.refine import refine
from prm_sync.settings import Settings
from prm_sync.warehouse.embedded import remove

FIELDS = {"postal_code": "postcode"}  #: the canonical field of a column that has another name
STREAMS = ("before", "later")


def refined(table: pa.Table, resembles: dict[str, Any], later: int, seed: int) -> dict[str, Any]:
    """Wall seconds of refine for all rows but the last `later` ones (in a random order), and then for those."""
    columns = [c for c in table.column_names if c != "entity"]
    order = np.random.default_rng(seed).permutation(table.num_rows)
    parts = dict(zip(STREAMS, np.split(order, [table.num_rows - later]), strict=True))
    roles = {role: FIELDS.get(f, f) for role, f in resembles["fields"].items()}
    identity = {"entities": {"lead": {"same_if": [["email"]], "resembles": {**resembles, "fields": roles}}}}
    mapped = {FIELDS.get(c, c): c for c in columns}
    with tempfile.TemporaryDirectory(prefix="prm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the embedded server may run as another user
        settings = Settings(project=folder, home=folder / ".prm_sync")
        config = {"connector": "files", "config": {"folder": str(folder / "data"), "key": "Id"}}
        _yaml(folder / "prm_sync.yaml", connections={"one": config}, mappings="mappings", policies="policies")
        _yaml(folder / "policies" / "identity.yaml", **identity)
        for stream, rows in parts.items():
            _yaml(folder / "mappings" / "files" / f"{stream}.yaml", **{"from": f"files.{stream}", "to": "lead",
                                                                       "fields": mapped})  # fmt: skip
            _csv(folder / "data" / f"{stream}.csv", ["Id", *columns], table.take(pa.array(rows)), rows, columns)
        try:
            with open_app(settings) as app:
                took = {stream: _refined(app, stream) for stream in STREAMS}
        finally:
            remove(settings.home)
    return {**{f"{stream}_s": round(s, 2) for stream, s in took.items()},
            "share": round(took["later"] / took["before"], 4)}  # fmt: skip


def _refined(app: App, stream: str) -> float:
    pull(app, "one", stream)
    began = time.perf_counter()
    refine(app, ["lead"])
    return time.perf_counter() - began


def _yaml(path: Path, **data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")


def _csv(path: Path, header: list[str], table: pa.Table, ids: Iterable[int], columns: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(zip(ids, *(table[c].to_pylist() for c in columns), strict=True))
