"""`prm-sync mappings`: what mapping files there are, what each does, and whether their golden cases hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, terminal
from prm_sync.errors import ConfigError

if TYPE_CHECKING:
    from prm_sync.rules.mapping import MappingSpec

mappings = typer.Typer(no_args_is_help=True, help="Mapping files: how remote records become canonical ones, and back.")
Folder = Annotated[
    Path | None, typer.Option("--dir", help="A folder of mappings; the project's and the shipped by default.")
]


def folders(chosen: Path | None) -> tuple[Path, ...]:
    """The chosen folder, or the project's own ones before the shipped ones."""
    from prm_sync.project import read_project, shipped

    if chosen is not None:
        if not chosen.is_dir():
            raise ConfigError(f"{chosen} is no folder; name one that holds <connector>/<entity>.yaml")
        return (chosen.resolve(),)
    file = opening.settings().project_file
    own = read_project(file).folders("mappings") if file.is_file() else ()
    return (*own, shipped("mappings"))


def found(chosen: Path | None) -> tuple[list[MappingSpec], list[ConfigError]]:
    """The mappings that are used: of two of one connector and entity the first; and the errors of broken files."""
    from prm_sync.rules.mapping import load_all

    specs: dict[tuple[str, str], MappingSpec] = {}
    problems: list[ConfigError] = []
    for folder in folders(chosen):
        some, errors = load_all(folder)
        problems += errors
        for spec in some:
            specs.setdefault((spec.connector, spec.file.stem), spec)
    return list(specs.values()), problems


@mappings.command("list", epilog="Example: prm-sync mappings list")
def list_(folder: Folder = None, as_json: terminal.Json = False) -> None:
    """List the mappings that are in use."""
    from prm_sync.rules.mapping import cases_file

    specs, problems = found(folder)
    rows = [
        {
            "connector": s.connector,
            "stream": s.stream,
            "entity": s.entity.name,
            "fields": len(s.fields),
            "back": len(s.back),
            "cases": cases_file(s).is_file(),
            "file": str(s.file),
        }
        for s in specs
    ]
    columns = ("connector", "stream", "entity", "fields", "back", "file")

    def people() -> None:
        terminal.table("", columns, [[r[c] for c in columns] for r in rows])
        _complain(problems)

    data = {"state": "failed" if problems else "done", "mappings": rows, "problems": [str(p) for p in problems]}
    terminal.result(data, people, as_json=as_json, code=terminal.WRONG if problems else 0)


@mappings.command(epilog="Example: prm-sync mappings show salesforce lead")
def show(
    connector: Annotated[str, typer.Argument(help="The connector.", autocompletion=opening.connector_names)],
    entity: Annotated[
        str, typer.Argument(help="What is mapped: lead, partner, account ...", autocompletion=opening.entity_names)
    ],
    folder: Folder = None,
    as_json: terminal.Json = False,
) -> None:
    """Show where each canonical field comes from, and what is written back."""
    from prm_sync.rules.mapping import compile_mapping

    specs, problems = found(folder)
    spec = next((s for s in specs if (s.connector, s.entity.name) == (connector, entity)), None)
    if spec is None:
        broken = next(
            (p for p in problems if Path(str(p.file)).stem == entity and Path(str(p.file)).parent.name == connector),
            None,
        )
        if broken is not None:
            raise broken
        known = ", ".join(f"{s.connector} {s.entity.name}" for s in specs)
        raise ConfigError(f"no mapping makes a {entity} of {connector}; there are: {known}")
    lineage = compile_mapping(spec, connector).lineage()
    fields = [{"field": name, "from": list(sources), "how": how} for name, sources, how in lineage]
    back = [
        {
            "remote": r.remote,
            "from": [f.name for f in r.sources],
            "how": r.do.name if r.do else "choices" if r.choices else "as it is",
        }
        for r in spec.back
    ]

    def people() -> None:
        terminal.say(f"{spec.name}  ({spec.file})", "bold")
        terminal.table("Read", ("field", "from", "how"), [(f["field"], ", ".join(f["from"]), f["how"]) for f in fields])
        if back:
            terminal.table(
                "Written back",
                ("remote field", "from", "how"),
                [(b["remote"], ", ".join(b["from"]), b["how"]) for b in back],
            )

    data = {"state": "done", "name": spec.name, "file": str(spec.file), "fields": fields, "back": back}
    terminal.result(data, people, as_json=as_json)


@mappings.command("test", epilog="Example: prm-sync mappings test --dir mappings")
def golden_cases(folder: Folder = None, as_json: terminal.Json = False) -> None:
    """Run the golden cases that stand beside the mappings. Exit code 1: one does not hold."""
    specs, problems = found(folder)
    rows = [_tested(spec, problems) for spec in specs]
    failures = [f for r in rows for f in r["failures"]]
    code = terminal.WRONG if problems else terminal.FAILED if failures else 0

    def people() -> None:
        terminal.table(
            "",
            ("mapping", "cases", "passed", ""),
            (
                (
                    r["name"],
                    r["cases"],
                    r["passed"],
                    "no cases" if not r["cases"] else "failed" if r["failures"] else "ok",
                )
                for r in rows
            ),
        )
        for f in failures:
            terminal.say(f"{f['file']}:{f['line']}: {f['case']}: {'; '.join(f['problems'])}", "red")
        _complain(problems)

    data = {"state": "failed" if code else "done", "mappings": rows, "problems": [str(p) for p in problems]}
    terminal.result(data, people, as_json=as_json, code=code)


def _tested(spec: MappingSpec, problems: list[ConfigError]) -> dict[str, Any]:
    from prm_sync.rules.mapping import cases_file, run_cases

    row: dict[str, Any] = {"name": spec.name, "file": str(spec.file), "cases": 0, "passed": 0, "failures": []}
    if not cases_file(spec).is_file():
        return row
    try:
        results = run_cases(spec)
    except ConfigError as wrong:
        problems.append(wrong)
        return row
    failures = [
        {"file": str(cases_file(spec)), "line": r.line, "case": r.name, "problems": list(r.problems)}
        for r in results
        if not r.passed
    ]
    return row | {"cases": len(results), "passed": len(results) - len(failures), "failures": failures}


@mappings.command(epilog="Example: prm-sync mappings schema > mapping.schema.json")
def schema() -> None:
    """Print the JSON Schema of mapping files."""
    from prm_sync.rules.mapping import mapping_schema

    terminal.print_json(mapping_schema())


def _complain(problems: Sequence[ConfigError]) -> None:
    for problem in problems:
        terminal.complain(str(problem))
