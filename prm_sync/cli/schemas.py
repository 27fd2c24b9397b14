"""`prm-sync schemas`: the JSON Schemas by which editors complete and check our YAML files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from prm_sync.cli import terminal

schemas = typer.Typer(no_args_is_help=True, help="The JSON Schemas of our YAML files, for editors.")
SHIPPED = ("files", "partnerstack", "salesforce")  #: connectors whose settings the committed schema knows


def all_schemas(*, installed: bool = False) -> Mapping[str, dict[str, Any]]:
    """Every schema by the name of its file; `installed`: with all connectors of this machine."""
    from prm_sync.connect import registry
    from prm_sync.project import project_schema
    from prm_sync.rules.identity import identity_schema
    from prm_sync.rules.incentives import incentives_schema
    from prm_sync.rules.mapping import mapping_schema
    from prm_sync.rules.pacing import targets_schema
    from prm_sync.rules.precedence import authority_schema, survivorship_schema
    from prm_sync.rules.recommendations import recommendations_schema
    from prm_sync.rules.registrations import registrations_schema
    from prm_sync.rules.routing import cases_schema, routing_schema
    from prm_sync.rules.sharing import sharing_schema
    from prm_sync.rules.signals import signals_schema

    names = registry.names() if installed else SHIPPED
    return {
        "mapping": mapping_schema(),
        "prm_sync": project_schema({name: registry.find(name).config for name in names}),
        "routing": routing_schema(),
        "cases": cases_schema(),
        "identity": identity_schema(),
        "sharing": sharing_schema(),
        "survivorship": survivorship_schema(),
        "authority": authority_schema(),
        "registrations": registrations_schema(),
        "incentives": incentives_schema(),
        "signals": signals_schema(),
        "targets": targets_schema(),
        "recommendations": recommendations_schema(),
    }


@schemas.command(epilog="Example: prm-sync schemas write --check")
def write(
    folder: Annotated[Path, typer.Option("--dir", help="Where the schemas are.")] = Path("schemas"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail where a file is not up to date.")] = False,
    installed: Annotated[
        bool, typer.Option("--installed", help="With the settings of all installed connectors.")
    ] = False,
    as_json: terminal.Json = False,
) -> None:
    """Write <name>.schema.json for mappings, prm_sync.yaml and the policies."""
    stale = []
    for name, schema in all_schemas(installed=installed).items():
        path = folder / f"{name}.schema.json"
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(path))
        if not check:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    failed = check and bool(stale)
    said = "not up to date" if check else "written"
    text = "\n".join(f"{said}: {path}" for path in stale) or "all schemas are up to date"
    data = {"state": "failed" if failed else "done", "changed": stale}
    terminal.result(data, lambda: terminal.say(text), as_json=as_json, code=terminal.FAILED if failed else 0)
