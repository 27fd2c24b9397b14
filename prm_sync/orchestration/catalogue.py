"""What there is to orchestrate: read from the project file and the mappings alone, without database or network."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from prm_sync.app import StreamMapping, connectors_of, load_mappings
from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.model import Entity
from prm_sync.errors import ConfigError
from prm_sync.policies import load_policies
from prm_sync.project import ProjectFile, read_project
from prm_sync.settings import Settings

log = logging.getLogger(__name__)

ROUTING_READS = ("lead", "partner", "certification", "agreement", "account", "deal_registration", "opportunity")
MEASURING_READS = {
    "performance": ("opportunity", "target", "partner"),
    "standing": ("partner", "certification", "agreement", "feedback"),
    "service": ("account", "opportunity", "lead", "partner", "deal_registration", "activity", "feedback"),
    "incentives": ("order", "incentive_claim", "opportunity", "partner"),
    "forecast": ("partner", "certification", "agreement", "deal_registration", "lead"),
    "pacing": ("target", "partner", "opportunity", "certification"),
    "signals": ("lead", "opportunity", "order", "case", "account", "partner"),
    "recommendations": ("account", "contact", "opportunity", "order", "lead", "feedback", "partner"),
}
"""The entities that each part of `measure` reads."""
NEEDED = {
    "service": {"account"}, "incentives": {"incentive_claim"}, "forecast": {"lead"}, "pacing": {"target"},
    "recommendations": {"account", "contact"},
}  # fmt: skip
"""What a part of `measure` is of no use without."""
MEASURED = ("partner", "account", "opportunity", "signal", "recommendation")
"""Entities of which measuring makes something that is pushed."""
CASE_ROUTING_READS = ("case", "partner", "certification", "agreement", "account", "contact")


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One stream of one connection: it is pulled, and where `backs` is not empty also written to."""

    connection: str
    connector: str
    stream: str
    feeds: tuple[StreamMapping, ...]  #: the mappings that make canonical rows of it
    backs: tuple[StreamMapping, ...]  #: the mappings that write to it

    @property
    def name(self) -> str:
        """`<connection>__<stream>`, in the letters that Dagster takes."""
        return f"{self.connection}__{plain(self.stream)}"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All streams, and the entities that they fill, each in an order in which they can be run."""

    source: ProjectFile
    streams: tuple[StreamEntry, ...]
    entities: Mapping[str, Entity]
    problems: tuple[ConfigError, ...]  #: mapping files that are left out, and why

    @property
    def connections(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(s.connection for s in self.streams))

    @property
    def pushed(self) -> tuple[StreamEntry, ...]:
        return tuple(s for s in self.streams if s.backs)

    @property
    def routes(self) -> bool:
        return {"lead", "partner"} <= self.entities.keys()

    @property
    def routes_cases(self) -> bool:
        return {"case", "partner"} <= self.entities.keys()

    @property
    def measures(self) -> bool:
        return "partner" in self.entities

    @property
    def measured(self) -> tuple[str, ...]:
        """The parts of `measure` for which there is anything to look at."""
        if not self.measures:
            return ()
        return tuple(part for part in MEASURING_READS if NEEDED.get(part, set()) <= self.entities.keys())

    def feeding(self, entity: str) -> list[tuple[StreamEntry, StreamMapping]]:
        """The streams and mappings that fill an entity."""
        return [(s, m) for s in self.streams for m in s.feeds if m.entity == entity]

    def sources_of(self, entity: str) -> list[StreamEntry]:
        """The streams that fill an entity, each once."""
        return [s for s in self.streams if any(m.entity == entity for m in s.feeds)]

    def version_of(self, entity: str) -> str:
        """Changes where golden records of the entity may change without any record having changed."""
        parts = [m.compiled.hash for _, m in self.feeding(entity)]
        return digest("|".join([*parts, *self.source.project.trusted, repr(self.entities[entity])]))


def read_catalogue(settings: Settings, entities: Mapping[str, Entity] = ENTITIES) -> Catalogue:
    """Raises ConfigError where the project file or a policy is wrong; a wrong mapping is only left out, and logged."""
    source = read_project(settings.project_file)
    connectors_of(source)
    policies = load_policies(source.folders("policies"), source.project.connections)
    mappings, problems = load_mappings(source, entities, policies)
    for problem in problems:
        log.error("mapping left out: %s", problem)
    streams: list[StreamEntry] = []
    for name, connection in source.project.connections.items():
        mapped = [stream for c, stream in mappings if c == name]
        for stream in connection.streams if connection.streams is not None else mapped:
            found = mappings.get((name, stream), ())
            feeds = tuple(m for m in found if m.spec.fields)
            backs = tuple(m for m in found if m.back is not None)
            streams.append(StreamEntry(name, connection.connector, stream, feeds, backs))
    _check_names(source, streams)
    filled = {m.entity for s in streams for m in s.feeds}
    return Catalogue(source, tuple(streams), {n: e for n, e in entities.items() if n in filled}, tuple(problems))


def _check_names(source: ProjectFile, streams: list[StreamEntry]) -> None:
    by_name: dict[str, StreamEntry] = {}
    for s in streams:
        other = by_name.setdefault(s.name, s)
        if other is not s:
            raise source.error(
                f'streams "{s.stream}" and "{other.stream}" differ only in letters that names cannot have; rename one',
                "connections", s.connection, "streams",
            )  # fmt: skip


def plain(name: str) -> str:
    """A name in the letters that Dagster's operations may have."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Patience:
    """How old data may get before somebody should look, and before somebody must."""

    warn: timedelta
    fail: timedelta


def patience(gaps: list[timedelta]) -> Patience:
    """From the gaps between some planned runs: one late run is a warning, two missed ones a failure."""
    longest, shortest = max(gaps), min(gaps)
    return Patience(warn=longest + shortest / 2, fail=longest + 2 * shortest)
