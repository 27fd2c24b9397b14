"""The wiring: settings and the project file become a warehouse, mappings, policies and connections. Takes fakes."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.model import Entity
from prm_sync.connect import registry
from prm_sync.connect.protocol import Connector, Context, Limit, Session
from prm_sync.errors import ConfigError
from prm_sync.policies import Policies, load_policies
from prm_sync.project import Limits, ProjectFile, connection_config, read_project, shipped
from prm_sync.rules import authority, identity, precedence, survivorship
from prm_sync.rules.mapping import Back, Compiled, MappingSpec, compile_back, compile_mapping, load_all
from prm_sync.settings import Settings
from prm_sync.surviving import surviving
from prm_sync.warehouse import db as database
from prm_sync.warehouse.budget import SharedBudget
from prm_sync.warehouse.golden import Survive
from prm_sync.warehouse.tables import Tables, build
from prm_sync.warehouse.urls import warehouse_url
from prm_sync.yamlfile import did_you_mean

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class StreamMapping:
    """One mapping file at work on one connection."""

    connection: str
    spec: MappingSpec
    compiled: Compiled
    back: Back | None
    match_keys: identity.MatchKeys
    alone: bool = True  #: no other connection knows of the entity: when which field changed decides nothing

    @property
    def stream(self) -> str:
        return self.compiled.stream

    @property
    def entity(self) -> str:
        return self.compiled.entity


@dataclass(slots=True)
class App:
    """Everything that a flow needs, opened."""

    settings: Settings
    source: ProjectFile
    db: sa.Engine
    tables: Tables
    entities: Mapping[str, Entity]
    clock: Clock
    policies: Policies
    connectors: Mapping[str, Connector]  #: by connection; of the kind that the connection stands for
    mappings: Mapping[tuple[str, str], tuple[StreamMapping, ...]]
    problems: tuple[ConfigError, ...] = ()  #: mapping files that are left out, and why
    transports: Mapping[str, Any] = field(default_factory=dict)  #: by connection, instead of the network (tests)
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _precedence: dict[str, precedence.Precedence] = field(default_factory=dict)

    @property
    def currency(self) -> str:
        return self.source.project.currency

    @contextmanager
    def session(self, connection: str, *, reading: bool = False) -> Iterator[Session]:
        """The connection, opened; `reading`: calls stop before what is reserved for writing back.

        Raises ConfigError for one that is not in the project.
        """
        connector = self.connector(connection)
        config = connection_config(self.source, connection, connector.config, self.env)
        context = Context(
            connection=connection,
            budget=SharedBudget(self.db, connection, self.quotas_of(connection), reading=reading),
            log=logging.getLogger(f"prm_sync.connection.{connection}"),
            save_secret=partial(save_secret, self.settings.home, connection),
            transport=self.transports.get(connection),
        )
        with connector.open(config, context) as session:
            yield session

    def connector(self, connection: str) -> Connector:
        if connection not in self.connectors:
            known = ", ".join(self.connectors) or "none"
            raise ConfigError(
                f"there is no connection {connection!r} (connections: {known}); see {self.source.file.path}"
            )
        return self.connectors[connection]

    def quotas_of(self, connection: str) -> list[Limit]:
        """The connector's limits with what the project says this account has. Raises ConfigError for others."""
        limits = self.connector(connection).limits
        quotas = self.source.project.connections[connection].quotas
        known = [limit.name for limit in limits]
        for name in quotas:
            if name not in known:
                raise self.source.error(
                    f'connection "{connection}": no limit is named "{name}"{did_you_mean(name, known)}',
                    "connections", connection, "quotas", name,
                )  # fmt: skip
        own = {name: quota.model_dump(exclude_none=True) for name, quota in quotas.items()}
        return [replace(limit, **own.get(limit.name, {})) for limit in limits]

    def streams_of(self, connection: str) -> tuple[str, ...]:
        """The streams in use: those that the project names, else those with a mapping."""
        named = self.source.project.connections[connection].streams
        return named if named is not None else tuple(s for c, s in self.mappings if c == connection)

    def limits_of(self, connection: str, stream: str) -> Limits:
        return self.source.project.connections[connection].limits_of(stream)

    def mappings_of(self, connection: str, stream: str) -> tuple[tuple[StreamMapping, ...], str | None]:
        """The mappings of a stream and the hash of all that they are made of; None: the stream has none."""
        found = self.mappings.get((connection, stream), ())
        if not found:
            return (), None
        text = "|".join(m.compiled.hash for m in found) + self.policies.identity.version
        return found, hashlib.sha256(text.encode()).hexdigest()[:16]

    def mapped_streams(self, entities: Sequence[str] | None = None) -> list[tuple[str, str]]:
        """(connection, stream) of every mapping, or of those that fill one of these entities."""
        return [
            key for key, found in self.mappings.items()
            if entities is None or {m.entity for m in found} & set(entities)
        ]  # fmt: skip

    def back_mappings(self) -> list[StreamMapping]:
        """The mappings that write something to a stream in use."""
        used = {(c, s) for c in self.connectors for s in self.streams_of(c)}
        return [m for key, found in self.mappings.items() if key in used for m in found if m.back is not None]

    def golden_hash(self, entity: str) -> str:
        """What golden records depend on besides their sources: another hash derives them anew."""
        text = f"{self.source.project.trusted}|{self.entities[entity]!r}|{self.precedence(entity)}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def precedence(self, entity: str) -> precedence.Precedence:
        """Whose values of the entity's fields stand, by both policies."""
        if entity not in self._precedence:
            self._precedence[entity] = precedence.precedence(
                self.entities[entity], self.policies.survivorship, self.policies.authority,
                kinds={name: c.kind for name, c in self.connectors.items()}, trusted=self.source.project.trusted,
                shared=self._shared_fields(entity),
            )  # fmt: skip
        return self._precedence[entity]

    def _shared_fields(self, entity: str) -> set[str]:
        """The fields that we write to one connection and that another one maps in."""
        found = [m for some in self.mappings.values() for m in some if m.entity == entity]
        return {
            name for to in found if to.back is not None for name in to.back.uses
            if any(m.connection != to.connection and name in m.compiled.columns for m in found)
        }  # fmt: skip

    def survive(self, entity: str) -> Survive:
        """Survivorship and authority of one entity, as the warehouse asks for it."""
        kind, rules = self.entities[entity], self.precedence(entity)
        merged = survivorship.merger(kind, self.source.project.trusted, rules.rules)
        return surviving(kind, authority.judge(kind, merged, rules.watched, rules.review), rules.watched)

    @staticmethod
    def cluster(edges: Iterable[tuple[int, int]], apart: Iterable[tuple[int, int]] = ()) -> dict[int, int]:
        """Which rows are one entity: row -> smallest row of its cluster. Pairs of `apart` are not brought together."""
        return identity.clusters(edges, apart)


def connectors_of(source: ProjectFile) -> dict[str, Connector]:
    """The connector of each connection, its kind that which the connection says.

    Raises ConfigError, with its line, for one that is not installed, and for a kind given to a system that has one.
    """
    source.check_connectors(registry.names())
    out = {}
    for name, connection in source.project.connections.items():
        found = registry.find(connection.connector)
        if connection.kind is not None and found.kind != "files":
            raise source.error(
                f'connection "{name}": {found.title} is a {found.kind} and nothing else; leave `kind` out (only a '
                "folder of files can stand for a crm or prm)", "connections", name, "kind",
            )  # fmt: skip
        out[name] = replace(found, kind=connection.kind or found.kind)
    return out


def save_secret(home: Path, connection: str, name: str, value: str) -> None:
    """A rotated secret goes to a file only its owner can read, never into a table."""
    folder = home / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{connection}.{name}"
    handle = os.open(path.with_suffix(path.suffix + ".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(value)
    path.with_suffix(path.suffix + ".new").replace(path)


def load_mappings(
    source: ProjectFile, entities: Mapping[str, Entity], policies: Policies
) -> tuple[dict[tuple[str, str], tuple[StreamMapping, ...]], list[ConfigError]]:
    """The mappings of all connections; a broken file is a problem that leaves only itself out.

    The project's own folders come first: a file there replaces the shipped one of the same connector and entity.
    """
    specs: dict[tuple[str, str], MappingSpec] = {}
    replaced: set[tuple[str, str]] = set()  # a broken file too keeps the shipped one of its name from taking its place
    problems: list[ConfigError] = []
    for folder in (*source.folders("mappings"), shipped("mappings")):
        found, errors = load_all(folder, entities, {c.dialect for c in source.project.connections.values()})
        problems += errors
        taken = {s.name: s for s in specs.values()}
        for spec in found:
            slot = (spec.connector, spec.file.stem)
            twin = next((s for s in specs.values() if s.name == spec.name), None)
            if twin is not None and spec.name not in taken:
                problems.append(
                    ConfigError(f"{spec.name} is mapped by {twin.file} already; remove one of both", file=spec.file)
                )
            elif twin is None and slot not in replaced:
                specs.setdefault(slot, spec)
        replaced |= {(Path(e.file).parent.name, Path(e.file).stem) for e in errors if e.file}
    out: dict[tuple[str, str], list[StreamMapping]] = {}
    for name, connection in source.project.connections.items():
        for spec in specs.values():
            if spec.connector == connection.dialect:
                compiled = compile_mapping(spec, name)
                keys = identity.compile_keys(spec.entity, policies.identity, compiled.columns)
                back = compile_back(spec) if spec.back else None
                out.setdefault((name, spec.stream), []).append(StreamMapping(name, spec, compiled, back, keys))
    _tell_who_is_alone(out)
    order = list(entities)
    ranked = sorted(out.items(), key=lambda item: min(order.index(m.entity) for m in item[1]))
    return {key: tuple(sorted(found, key=lambda m: order.index(m.entity))) for key, found in ranked}, problems


def _tell_who_is_alone(mappings: dict[tuple[str, str], list[StreamMapping]]) -> None:
    connections: dict[str, set[str]] = {}
    for found in mappings.values():
        for m in found:
            connections.setdefault(m.entity, set()).add(m.connection)
    for key, found in mappings.items():
        mappings[key] = [replace(m, alone=len(connections[m.entity]) == 1) for m in found]


@contextmanager
def open_app(
    settings: Settings, *, clock: Clock = utc_now, entities: Mapping[str, Entity] = ENTITIES,
    transports: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None, migrate: bool = True,
) -> Iterator[App]:  # fmt: skip
    """Open everything. Raises ConfigError before the first call where a file or setting is wrong."""
    source = read_project(settings.project_file)
    connectors = connectors_of(source)
    policies = load_policies(source.folders("policies"), source.project.connections)
    mappings, problems = load_mappings(source, entities, policies)
    tables = build(entities)
    engine = database.engine(warehouse_url(settings))
    try:
        if migrate and not database.is_current(engine, tables):
            from prm_sync.warehouse import schema  # alembic: only where there is something to do

            schema.upgrade(engine, tables)
        yield App(
            settings, source, engine, tables, entities, clock, policies,
            connectors, mappings, tuple(problems), transports or {}, env if env is not None else os.environ,
        )  # fmt: skip
    finally:
        engine.dispose()
