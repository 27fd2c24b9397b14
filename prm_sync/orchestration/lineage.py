"""Where each column comes from: for the Columns tab, for catalogue tools, and as a table that people read.

Dagster's open-source UI stores column lineage and does not draw it: it is therefore told three times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dagster as dg

from prm_sync.app import StreamMapping
from prm_sync.canonical.model import Entity
from prm_sync.orchestration.catalogue import Catalogue, StreamEntry
from prm_sync.orchestration.keys import core_key, raw_key
from prm_sync.rules.mapping.spec import NOTHING, BackRule
from prm_sync.warehouse.targets import SHARED_WITH


@dataclass(frozen=True, slots=True)
class Edge:
    """One field becomes another. `source` and `target` are "<stream>.<field>" or "<entity>.<field>"."""

    connection: str
    stream: str
    entity: str
    field: str
    remote: str
    transform: str
    back: bool = False


def edges_in(entry: StreamEntry) -> list[Edge]:
    """Remote fields -> canonical fields of a stream."""
    return [
        Edge(entry.connection, entry.stream, m.entity, column, remote, transform)
        for m in entry.feeds
        for column, sources, transform in m.compiled.lineage()
        for remote in sources
    ]


def edges_back(entry: StreamEntry) -> list[Edge]:
    """Canonical fields and facts -> remote fields of a stream."""
    return [
        Edge(entry.connection, entry.stream, m.entity, field.name, rule.remote, _in_words(rule), back=True)
        for m in entry.backs
        for rule in m.spec.back
        for field in rule.sources
    ]


def _in_words(rule: BackRule) -> str:
    words = []
    if rule.do is not None:
        words.append(rule.do.name)
    if rule.choices is not None:
        known = len(rule.choices.known)
        other = "" if rule.choices.other is NOTHING else ", else a default"
        words.append("default where empty" if rule.choices.is_default else f"{known} choices{other}")
    return ", ".join(words) or "as it is"


def markdown(edges: Iterable[Edge]) -> dg.MarkdownMetadataValue:
    """The table `source | transform | target`."""
    rows = []
    for e in edges:
        remote, ours = f"{e.connection}.{e.stream}.`{e.remote}`", f"{e.entity}.`{e.field}`"
        source, target = (ours, remote) if e.back else (remote, ours)
        rows.append(f"| {source} | {e.transform.replace('|', '/')} | {target} |")
    return dg.MetadataValue.md("\n".join(["| source | transform | target |", "|---|---|---|", *rows]))


def raw_schema(entry: StreamEntry) -> dg.TableSchema:
    """The remote fields that are used, and what becomes of each; the payload holds all others, too."""
    used: dict[str, list[str]] = defaultdict(list)
    for e in edges_in(entry):
        used[e.remote].append(f"{e.entity}.{e.field}")
    for name in (name for m in entry.feeds for name in m.spec.when):
        used[name].append("which records are taken (`when`)")
    columns = [dg.TableColumn(name, "json", description=f"to {', '.join(to)}") for name, to in used.items()]
    return dg.TableSchema(columns)


def golden_schema(catalogue: Catalogue, entity: Entity) -> dg.TableSchema:
    """The canonical columns with their docs and the remote fields that they come from."""
    sources: dict[str, list[str]] = defaultdict(list)
    for entry in catalogue.sources_of(entity.name):
        for e in edges_in(entry):
            if e.entity == entity.name:
                sources[e.field].append(f"{e.stream}.{e.remote} ({e.connection})")
    columns = []
    for f in entity.fields:
        origin = f"from {', '.join(sources[f.name])}. " if f.name in sources else ""
        columns.append(dg.TableColumn(f.name, f.kind.value, description=f"{origin}{f.doc}", tags={"pii": f.pii.value}))
    return dg.TableSchema(columns)


def golden_lineage(catalogue: Catalogue, entity: Entity) -> dg.TableColumnLineage:
    deps: dict[str, list[dg.TableColumnDep]] = defaultdict(list)
    for entry, mapping in catalogue.feeding(entity.name):
        for column, remotes, _ in mapping.compiled.lineage():
            deps[column] += [dg.TableColumnDep(raw_key(entry), remote) for remote in remotes]
    return dg.TableColumnLineage(deps)


def pushed_lineage(entry: StreamEntry, facts: dict[str, dg.AssetKey]) -> dg.TableColumnLineage:
    """`facts`: the asset that a fact of an entity comes from; other fields come from the golden record."""
    deps: dict[str, list[dg.TableColumnDep]] = defaultdict(list)
    for m in entry.backs:
        for e in edges_back(entry):
            if e.entity == m.entity and not any(d.column_name == e.field for d in deps[e.remote]):
                deps[e.remote].append(dg.TableColumnDep(origin_of(m, e.field, facts), e.field))
    return dg.TableColumnLineage(deps)


def origin_of(mapping: StreamMapping, field: str, facts: dict[str, dg.AssetKey]) -> dg.AssetKey:
    """The asset that holds a field or fact of an entity."""
    if field in mapping.spec.entity.by_name or field == "id":
        return core_key(mapping.entity)
    if field in SHARED_WITH:
        return core_key("partner")
    return facts.get(mapping.entity, core_key(mapping.entity))


def lineage_rows(catalogue: Catalogue) -> Sequence[dict[str, str]]:
    """Rows of ops.field_lineage."""
    rows = {}
    for entry in catalogue.streams:
        for e in (*edges_in(entry), *edges_back(entry)):
            row = {
                "connection": e.connection, "stream": e.stream, "entity": e.entity, "field": e.field,
                "source": e.remote, "direction": "back" if e.back else "in", "transform": e.transform,
            }  # fmt: skip
            rows[tuple(list(row.values())[:6])] = row
    return list(rows.values())
