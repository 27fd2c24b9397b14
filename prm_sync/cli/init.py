"""`prm-sync init`: a first prm_sync.yaml, or, from a file of records, a whole project with a proposed mapping."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prm_sync.cli import opening, terminal
from prm_sync.errors import ConfigError

if TYPE_CHECKING:
    from prm_sync.rules.propose import Proposal

FILE = "prm_sync.yaml"
SAMPLES = 500  #: records that a proposal is made of
IGNORED = ".prm_sync/"
EMPTY = """\
# What prm-sync connects. A secret never stands here: write {env: NAME} or {file: path}.
# `prm-sync check` says what is wrong with this file, and whether each system can be reached.
connections: {}
# connections:
#   crm:
#     connector: salesforce
#     config:
#       instance_url: https://acme.my.salesforce.com
#       client_id: {env: SALESFORCE_CLIENT_ID}
#       client_secret: {env: SALESFORCE_CLIENT_SECRET}
#     streams: [Lead, Account, Opportunity]
#   prm:
#     connector: partnerstack
#     config:
#       public_key: {env: PARTNERSTACK_PUBLIC_KEY}
#       secret_key: {env: PARTNERSTACK_SECRET_KEY}
#     limits: {max_create: 500, max_update_share: 0.2, max_delete: 20}  # a push beyond these waits for approval
#   portal:                # a folder that partners see: tables are made there, and what they fill in is read
#     connector: files
#     kind: prm
#     config:
#       folder: ./portal
#       writes:
#         cases: {key: Key, columns: [Key, Partner, Subject, Status, Answer, Answered At]}
#     streams: [cases]
# trust: [crm, prm]      # whom to believe first
# mappings: mappings     # a folder of your own; its files replace the shipped ones
# policies: policies
currency: EUR
"""
FROM_FILE = """\
# What prm-sync connects. More systems go here, too: `prm-sync connectors list` names them.
connections:
  lists:
    connector: files
    config:
      folder: {folder}
{language}      streams:
        {stream}: {{file: {file}{sheet}, header_row: 1}}
    streams: [{stream}]
mappings: mappings
currency: EUR
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some records of a file."""

    path: Path
    stream: str
    sheet: str | None
    language: str | None
    headers: tuple[str, ...]
    records: Sequence[Any]


def init(
    source: Annotated[
        Path | None, typer.Option("--from", help="A CSV, TSV, XLSX or Parquet file to propose a mapping for.")
    ] = None,
    folder: Annotated[Path, typer.Option("--dir", help="Folder of the project; made where it is missing.")] = Path(),
    entity: Annotated[
        str | None,
        typer.Option(
            "--entity", "-e", help="What the records are; guessed by default.", autocompletion=opening.entity_names
        ),
    ] = None,
    sheet: Annotated[str | None, typer.Option("--sheet", help="Sheet of the workbook.")] = None,
    language: Annotated[
        str | None,
        typer.Option(
            "--language", help="Language of the PC that wrote a file that is not UTF-8: ar de en es fa fr vi zh."
        ),
    ] = None,
    as_json: terminal.Json = False,
) -> None:
    """Begin a project here: a commented prm_sync.yaml, or one made from a file of records. Overwrites nothing."""
    if (folder / FILE).exists():
        raise ConfigError("is there already; edit it, or choose another --dir", file=folder / FILE)
    if source is None:
        files = write_project(folder, EMPTY)
        data: dict[str, Any] = {"state": "done", "files": [str(f) for f in files]}
        terminal.result(data, lambda: _told(files), as_json=as_json)
        return
    sample = read_sample(source, sheet, language)
    proposal = _proposed(sample, entity)
    mapping = folder / "mappings" / "files" / f"{proposal.entity}.yaml"
    if mapping.exists():
        raise ConfigError("is there already; move it away, or choose another --dir", file=mapping)
    mapping.parent.mkdir(parents=True, exist_ok=True)
    mapping.write_text(proposal.text, encoding="utf-8")
    files = [*write_project(folder, _project_of(sample)), mapping]
    open_end = _mistake_in(mapping)
    data = as_data(files, sample, proposal, open_end)
    terminal.result(data, lambda: _tell(files, sample, proposal, open_end), as_json=as_json)


def write_project(folder: Path, text: str) -> list[Path]:
    """Write the project file, and have git ignore the embedded server's data."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(text, encoding="utf-8")
    ignore = folder / ".gitignore"
    before = ignore.read_text(encoding="utf-8") if ignore.exists() else ""
    if IGNORED in before.split():
        return [folder / FILE]
    ignore.write_text(
        before + ("\n" if before and not before.endswith("\n") else "") + f"{IGNORED}\n", encoding="utf-8"
    )
    return [folder / FILE, ignore]


def read_sample(path: Path, sheet: str | None, language: str | None) -> Sample:
    """Headers and first records, read as a files connection would read them. Raises ConfigError and ConnectorError."""
    from pydantic import ValidationError

    from prm_sync.connect import registry
    from prm_sync.connect.budget import LocalBudget
    from prm_sync.connect.protocol import Context

    path = path.expanduser().resolve()
    if not path.is_file():
        raise ConfigError("there is no such file; name a CSV, TSV, XLSX or Parquet file", file=path)
    stream = re.sub(r"[^\w]+", "_", path.stem).strip("_") or "records"
    connector = registry.find("files")
    how = {"file": path.name, **({"sheet": sheet} if sheet else {})}
    try:
        config = connector.config.model_validate(
            {"folder": path.parent, "language": language, "streams": {stream: how}}
        )
    except ValidationError as wrong:
        first = wrong.errors(include_input=False, include_url=False)[0]
        raise ConfigError(f"--{first['loc'][0]}: {first['msg']}") from None
    context = Context(
        "lists", LocalBudget("lists", ()), logging.getLogger("prm_sync.connection.lists"), lambda *_: None
    )
    with connector.open(config, context) as session:
        (found,) = session.discover([stream])
        headers = tuple(f.name for f in found.fields)
        pages = session.read(found, None, headers)
        records = list(itertools.islice((r for page in pages for r in page.records), SAMPLES))
    return Sample(path, stream, sheet, language, headers, records)


def _proposed(sample: Sample, entity: str | None) -> Proposal:
    from prm_sync.rules.propose import propose

    try:
        return propose(sample.headers, sample.records, entity, source=f"files.{sample.stream}")
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from None


def _project_of(sample: Sample) -> str:
    import json

    def text(value: str) -> str:
        return json.dumps(value, ensure_ascii=False)

    return FROM_FILE.format(
        folder=text(str(sample.path.parent)), stream=text(sample.stream), file=text(sample.path.name),
        sheet=f", sheet: {text(sample.sheet)}" if sample.sheet else "",
        language=f"      language: {sample.language}\n" if sample.language else "",
    )  # fmt: skip


def _mistake_in(mapping: Path) -> str | None:
    """What keeps the proposed mapping from being used as it is."""
    from prm_sync.rules.mapping import load_mapping

    try:
        load_mapping(mapping)
    except ConfigError as wrong:
        return str(wrong)
    return None


def as_data(files: Sequence[Path], sample: Sample, proposal: Proposal, open_end: str | None) -> dict[str, Any]:
    placed = [{"field": p.field, "headers": list(p.headers), "sure": p.sure, "why": p.why} for p in proposal.placed]
    return {
        "state": "done", "files": [str(f) for f in files], "stream": sample.stream, "entity": proposal.entity,
        "records": len(sample.records), "placed": placed, "confirm": [p["field"] for p in placed if not p["sure"]],
        "unplaced": list(proposal.unplaced), "missing": list(proposal.missing), "mistake": open_end,
    }  # fmt: skip


def _told(files: Sequence[Path]) -> None:
    for file in files:
        terminal.say(f"written: {file}")
    terminal.say(f"next: connect a system in {files[0]}, then run `prm-sync check`")


def _tell(files: Sequence[Path], sample: Sample, proposal: Proposal, open_end: str | None) -> None:
    for file in files:
        terminal.say(f"written: {file}")
    terminal.say(f"{sample.path.name}: each of {len(sample.records)} records looked at is a {proposal.entity}")
    rows = [(p.field, ", ".join(p.headers), "" if p.sure else f"please confirm: {p.why}") for p in proposal.placed]
    terminal.table("Placed", ("field", "column", ""), rows)
    for header in proposal.unplaced:
        terminal.say(f"no field for the column {header}", "yellow")
    for missing in proposal.missing:
        terminal.say(missing, "yellow")
    if open_end:
        terminal.say(f"to mend before it can be used: {open_end}", "red")
    terminal.say(f"next: look at {files[-1]}, then run `prm-sync check` and `prm-sync run`")
