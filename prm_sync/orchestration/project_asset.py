"""The configuration as an asset: is every mapping file right, and which field becomes which (`ops.field_lineage`)?"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.orchestration.catalogue import Catalogue
from prm_sync.orchestration.edge import OpenOnce, check, command, headlines, sql
from prm_sync.orchestration.keys import PROJECT
from prm_sync.orchestration.lineage import lineage_rows

MAPPINGS_ARE_VALID = "mappings_are_valid"


def project_asset(catalogue: Catalogue) -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        PROJECT,
        description="Which remote field becomes which canonical field, and back: the mapping files as a table",
        group_name="ops",
        kinds={"yaml", "postgres"},
        owners=["team:revops"],
        tags={"prm_sync/layer": "ops"},
        metadata={
            "dagster/table_name": "ops.field_lineage",
            "query": sql("SELECT * FROM ops.field_lineage ORDER BY entity, field;"),
            "replay": command("prm-sync check"),
        },
    )
    checks = [dg.AssetCheckSpec(MAPPINGS_ARE_VALID, asset=PROJECT, description="Every mapping file can be used")]

    @dg.multi_asset(name=PROJECT.path[-1], specs=[spec], check_specs=checks, required_resource_keys={"app"})
    def described(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        with headlines("project"):
            opened: OpenOnce = context.resources.app
            rows = write_lineage(opened.app, catalogue)
        for problem in catalogue.problems:
            context.log.error(str(problem))
        yield dg.MaterializeResult(
            asset_key=PROJECT,
            metadata={
                "dagster/row_count": rows, "connections": len(catalogue.connections), "streams": len(catalogue.streams),
                "entities": len(catalogue.entities), "broken_mappings": len(catalogue.problems),
            },
            check_results=[mappings_check(catalogue)],
        )  # fmt: skip

    return described


def mappings_check(catalogue: Catalogue) -> dg.AssetCheckResult:
    """Failed with file and line of each mistake; the files that are right are at work all the same."""
    problems = [str(p) for p in catalogue.problems]
    return check(
        MAPPINGS_ARE_VALID, PROJECT, not problems,
        {"problems": dg.MetadataValue.md("\n".join(f"- `{p}`" for p in problems) or "none")},
        severity=dg.AssetCheckSeverity.ERROR, description=problems[0] if problems else None,
    )  # fmt: skip


def write_lineage(app: App, catalogue: Catalogue) -> int:
    """Replace ops.field_lineage by what the mappings say now; the number of rows."""
    rows = lineage_rows(catalogue)
    table = app.tables["ops.field_lineage"]
    with app.db.begin() as tx:
        tx.execute(sa.delete(table))
        if rows:
            tx.execute(sa.insert(table), list(rows))
    return len(rows)
