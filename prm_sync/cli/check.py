"""`prm-sync check`: files first, then the database, then each connection. It looks and changes nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from prm_sync.cli import database, drift, opening, terminal
from prm_sync.errors import ConfigError, PrmSyncError

if TYPE_CHECKING:
    from prm_sync.app import StreamMapping
    from prm_sync.connect.protocol import Session, Stream
    from prm_sync.policies import Policies
    from prm_sync.project import ProjectFile
    from prm_sync.rules.drift import Shapes

Level = Literal["ok", "warning", "problem"]
Mappings = dict[tuple[str, str], tuple[Any, ...]]
_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


@dataclass(slots=True)
class Findings:
    """What was looked at, in order; `code` is what the command ends with."""

    rows: list[dict[str, str]] = field(default_factory=list)
    code: int = 0

    def add(self, level: Level, subject: str, message: str, code: int = terminal.FAILED) -> None:
        self.rows.append({"level": level, "subject": subject, "message": message})
        if level == "problem":
            self.code = max(self.code, code)

    @contextmanager
    def about(self, subject: str) -> Iterator[None]:
        """An error of ours is a finding, each of its lines one; the check goes on."""
        try:
            yield
        except PrmSyncError as error:
            for line in str(error).splitlines():
                self.add("problem", subject, line, terminal.exit_code(error))


def check(
    connections: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONNECTION]...",
            help="Connections to ask; all by default.",
            autocompletion=opening.connection_names,
        ),
    ] = None,
    as_json: terminal.Json = False,
) -> None:
    """Look for everything that is wrong: files, policies, mappings, database, connections. Changes nothing.

    Exit code 2: a file or setting is wrong. Exit code 1: something else is.
    """
    findings = Findings()
    source = _project(findings)
    if source is not None:
        policies = _policies(source, findings)
        mappings = _mappings(source, policies, findings)
        _database(findings)
        known = drift.expected() if not findings.code else {}
        for name in _named(source, connections):
            _connection(source, name, mappings, known, findings)
    data = {"state": "failed" if findings.code else "done", "findings": findings.rows}

    def people() -> None:
        for row in findings.rows:
            terminal.say(f"{row['level']:8} {row['subject']}: {row['message']}", _STYLES[row["level"]])

    terminal.result(data, people, as_json=as_json, code=findings.code)


def _named(source: ProjectFile, chosen: Sequence[str] | None) -> Sequence[str]:
    from prm_sync.yamlfile import did_you_mean

    known = source.project.connections
    for name in chosen or ():
        if name not in known:
            raise ConfigError(f'there is no connection "{name}"{did_you_mean(name, known)}', file=source.file.path)
    return chosen or tuple(known)


# --- files ---------------------------------------------------------------------------------------------------------


def _project(findings: Findings) -> ProjectFile | None:
    from prm_sync.app import connectors_of
    from prm_sync.project import read_project

    file = opening.settings().project_file
    with findings.about("project"):
        source = read_project(file)
        connectors_of(source)
        names = ", ".join(source.project.connections)
        findings.add(
            "ok" if names else "warning", "project", f"{file}: {names or 'connects nothing yet; add a connection'}"
        )
        return source
    return None


def _policies(source: ProjectFile, findings: Findings) -> Policies:
    """The policies, all looked at; those of a broken file as shipped, so that the mappings can be looked at."""
    from prm_sync.policies import NAMES, load_policies, read_policies

    with findings.about("policies"):
        policies, problems = read_policies(source.folders("policies"), source.project.connections)
        for problem in problems:
            with findings.about("policies"):
                raise problem
        if not problems:
            findings.add("ok", "policies", ", ".join(NAMES))
        return policies
    return load_policies(())


def _mappings(source: ProjectFile, policies: Policies, findings: Findings) -> Mappings:
    from prm_sync.app import load_mappings
    from prm_sync.canonical.entities import ENTITIES

    with findings.about("mappings"):
        found, problems = load_mappings(source, ENTITIES, policies)
        for problem in problems:
            findings.add("problem", "mappings", str(problem), terminal.WRONG)
        if not problems:
            findings.add("ok", "mappings", f"{sum(map(len, found.values()))} in use")
        return dict(found)
    return {}


def _database(findings: Findings) -> None:
    with findings.about("database"):
        try:
            state = database.state()
        except Exception as error:
            known = terminal.ours(error)
            if known is None:
                raise
            raise known from error
        if state["differences"]:
            findings.add(
                "warning", "database", "its schema is not this version's; `prm-sync db upgrade` brings it there"
            )
        else:
            words = {"absent": "will be made by the first run", "stopped": "stopped; the next run starts it"}
            findings.add(
                "ok", "database", words.get(state["server"], f"{state['server']}, revision {state['revision']}")
            )


# --- connections ---------------------------------------------------------------------------------------------------


def _connection(
    source: ProjectFile, name: str, mappings: Mappings, known: Mapping[tuple[str, str], Shapes], findings: Findings
) -> None:
    from prm_sync.connect import registry

    connector = registry.find(source.project.connections[name].connector)
    with findings.about(name), _session(source, name, connector) as session:
        tenant = session.check()
        findings.add(
            "ok", name, f"{connector.title}: {tenant.name} ({tenant.id}){', sandbox' if tenant.sandbox else ''}"
        )
        for scope in tenant.missing_scopes:
            findings.add("problem", name, f"the credentials lack {scope}; add it and connect again")
        named = source.project.connections[name].streams
        wanted = named if named is not None else tuple(s for c, s in mappings if c == name)
        for stream in wanted:
            with findings.about(f"{name}.{stream}"):
                _stream(session, name, stream, mappings.get((name, stream), ()), known.get((name, stream)), findings)
        if not wanted:
            findings.add("warning", name, "no stream is pulled: no mapping is for it, and `streams` names none")
    for limit in connector.limits:
        findings.add(
            "ok", name, f"may make {limit.permits * limit.share:,.0f} calls per {limit.per_s:,.0f} s ({limit.name})"
        )


@contextmanager
def _session(source: ProjectFile, name: str, connector: Any) -> Iterator[Session]:
    """The connection, opened without the warehouse: it may not be there yet."""
    from prm_sync.app import save_secret
    from prm_sync.connect.budget import LocalBudget
    from prm_sync.connect.protocol import Context
    from prm_sync.project import connection_config

    config = connection_config(source, name, connector.config, os.environ)
    context = Context(
        name, LocalBudget(name, connector.limits), logging.getLogger(f"prm_sync.connection.{name}"),
        partial(save_secret, opening.settings().home, name),
    )  # fmt: skip
    with connector.open(config, context) as session:
        yield session


def _stream(
    session: Session, connection: str, name: str, mappings: Sequence[StreamMapping], expected: Shapes | None,
    findings: Findings,
) -> None:  # fmt: skip
    found = session.discover([name])
    subject = f"{connection}.{name}"
    if not found:
        findings.add(
            "problem", subject, f"there is no such stream; `prm-sync connectors streams {connection}` lists them"
        )
        return
    stream = found[0]
    findings.add("ok", subject, f"{len(stream.fields)} fields, {'writable' if stream.write_batch else 'read only'}")
    for mapping in mappings:
        for level, message in field_findings(stream, mapping):
            findings.add(level, subject, message)
    for level, message in drift_findings(connection, stream, mappings, expected):
        findings.add(level, subject, message)
    if not mappings:
        findings.add("warning", subject, "is pulled, and no mapping reads it")


def field_findings(stream: Stream, mapping: StreamMapping) -> Iterator[tuple[Level, str]]:
    """Fields of a mapping that the stream has not. What is missing reads as empty; what cannot be written fails."""
    fields = {f.name: f for f in stream.fields}
    if not fields:
        return
    spec = mapping.spec
    absent = [
        source for sources in [*((name,) for name in spec.when), *(rule.sources for rule in spec.fields)]
        if not any(_has(fields, s) for s in sources) for source in sources
    ]  # fmt: skip
    if absent:
        names = ", ".join(f"{name}{_near(name, fields)}" for name in dict.fromkeys(absent))
        yield "warning", f"{spec.file}: reads fields that are not there and count as empty: {names}"
    if spec.back and not stream.write_batch:
        yield "problem", f"{spec.file}: has a `back:` part, and the stream cannot be written with these credentials"
        return
    for rule in spec.back:
        known = fields.get(rule.remote) or fields.get(rule.remote.split(".")[0])
        if known is None:
            yield "problem", f"{spec.file}: writes {rule.remote}, which is not there{_near(rule.remote, fields)}"
        elif not known.writable:
            yield "problem", f"{spec.file}: writes {rule.remote}, which cannot be written with these credentials"


def drift_findings(
    connection: str, stream: Stream, mappings: Sequence[StreamMapping], expected: Shapes | None
) -> Iterator[tuple[Level, str]]:
    """What of the stream is not as it was when it was last pulled in good order. `expected` None: it never was."""
    from prm_sync.flows.drift import shapes_of
    from prm_sync.rules import drift as rules

    if not expected or not stream.fields:
        return
    now = shapes_of(stream)
    levels: dict[rules.Severity, Level] = {rules.Severity.BREAKING: "problem", rules.Severity.WARNING: "warning"}
    for f in rules.differences(expected, now, rules.uses_of([m.spec for m in mappings], [*expected, *now])):
        if f.severity in levels:
            accept = f"`prm-sync drift accept {connection} {stream.name} {f.field}` if it is meant to be so"
            yield levels[f.severity], f"{f.message}; {accept}"


def _has(fields: Mapping[str, Any], name: str) -> bool:
    return name in fields or name.split(".", maxsplit=1)[0] in fields


def _near(name: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(name, known, 1, 0.75)
    return f" (did you mean {close[0]}?)" if close else ""
