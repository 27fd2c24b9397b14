"""The asset checks of a raw stream that look at what has drifted, and at what the last reconciliation found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from prm_sync.app import App
from prm_sync.orchestration.catalogue import StreamEntry
from prm_sync.orchestration.edge import check, command
from prm_sync.warehouse import drift, reconciliation

KINDS = ("missing", "extra", "different", "edited", "golden")


def specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec("as_expected", asset=key, description="Its fields are what the mappings count on"),
        dg.AssetCheckSpec(
            "agrees_with_the_remote", asset=key, description="The last reconciliation left no difference behind"
        ),
    ]


def results(app: App, key: dg.AssetKey, entry: StreamEntry) -> list[dg.AssetCheckResult]:
    with app.db.begin() as tx:
        drifted = drift.listed(tx, entry.connection, entry.stream)
        found = reconciliation.last(tx, entry.connection, entry.stream)
    return [_as_expected(key, entry, drifted), _agrees(key, entry, found[0] if found else None)]


def _as_expected(key: dg.AssetKey, entry: StreamEntry, drifted: Sequence[Mapping[str, Any]]) -> dg.AssetCheckResult:
    breaking = [r for r in drifted if r["severity"] == "breaking"]
    rows = "\n".join(f"| {r['severity']} | {r['field']} | {r['message']} |" for r in drifted[:50])
    return check(
        "as_expected", key, not drifted,
        {"drift": dg.MetadataValue.md(f"| | field | |\n|---|---|---|\n{rows}"), "fields": len(drifted),
         "accept": command(f"prm-sync drift accept {entry.connection} {entry.stream}")},
        severity=dg.AssetCheckSeverity.ERROR if breaking else dg.AssetCheckSeverity.WARN,
        description=(breaking or drifted)[0]["message"] if drifted else None,
    )  # fmt: skip


def _agrees(key: dg.AssetKey, entry: StreamEntry, last: Mapping[str, Any] | None) -> dg.AssetCheckResult:
    name = f"{entry.connection}.{entry.stream}"
    mend = command(f"prm-sync reconcile {name} --repair")
    if last is None:
        return check(
            "agrees_with_the_remote", key, True, {"compared": "never", "compare": mend},
            description="It was never compared",
        )  # fmt: skip
    counts = {kind: int(last[kind]) for kind in KINDS}
    left = sum(counts.values()) - int(last["mended"])
    told = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)
    return check(
        "agrees_with_the_remote", key, left <= 0,
        {"compared": last["at"].isoformat(), "remote": int(last["remote"]), "warehouse": int(last["warehouse"]),
         **counts, "mended": int(last["mended"]), "mend": mend},
        description=f"{told}: {left} of them were not mended" if left > 0 else None,
    )  # fmt: skip
