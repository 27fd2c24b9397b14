"""`policies/sharing.yaml`: what may leave for partners. Whatever is not named there stays.

A field leaves over a stream only where the policy names the field *and* allows its privacy class; one without the other
is a mistake in the file, found when it is read. Sensitive fields cannot be allowed at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field as Setting

from prm_sync.canonical.entities import ENTITIES, FACTS
from prm_sync.canonical.model import Field
from prm_sync.rules.policyfile import Part, Policy, load, schema_of
from prm_sync.yamlfile import Place, YamlFile, did_you_mean


class StreamSharing(Part):
    """What may leave over one stream of a PRM."""

    entity: str = Setting(description="Canonical entity whose fields these are")
    purpose: str = Setting(min_length=1, description="What partners need it for; goes to the share log's readers")
    pii: tuple[Literal["none", "company", "personal"], ...] = Setting(
        default=("none",), description="Privacy classes that may leave; sensitive fields never do"
    )
    fields: tuple[str, ...] = Setting(description="Canonical fields that may leave, and no others")


class SharingPolicy(Policy):
    """A whole `policies/sharing.yaml`. An empty one shares nothing."""

    streams: dict[str, StreamSharing] = Setting(
        default_factory=dict,
        description='By stream ("leads"), or for one connection only ("acme_prm/leads"), which then stands alone',
    )

    def mistakes(self) -> Iterator[tuple[Place, str]]:
        for stream, sharing in self.streams.items():
            entity = sharing.entity
            if entity not in ENTITIES:
                yield ("streams", stream, "entity"), f'"{entity}" is no entity{did_you_mean(entity, ENTITIES)}'
                continue
            known = _fields_of(entity)
            for n, name in enumerate(sharing.fields):
                place = ("streams", stream, "fields", n)
                if name not in known:
                    yield place, f'"{name}" is no field of {entity}{did_you_mean(name, known)}'
                elif known[name].pii not in sharing.pii:
                    yield place, f'"{name}" is {known[name].pii}, which `pii` does not allow: add the class or drop it'


@dataclass(frozen=True, slots=True)
class Shared:
    """What may leave of a record, and the names of what was kept back."""

    values: dict[str, Any]
    withheld: tuple[str, ...]


def allowed_fields(policy: SharingPolicy, entity: str, stream: str) -> frozenset[str]:
    """The canonical fields that may leave. `stream`: "connection/stream", or the stream alone."""
    found = policy.streams.get(stream) or policy.streams.get(stream.rpartition("/")[2])
    if found is None or found.entity != entity:
        return frozenset()
    known = _fields_of(entity)
    return frozenset(name for name in found.fields if name in known and known[name].pii in found.pii)


def shared(policy: SharingPolicy, entity: str, stream: str, values: Mapping[str, Any]) -> Shared:
    """The values that may leave; the names of the others."""
    allowed = allowed_fields(policy, entity, stream)
    return Shared(
        {name: value for name, value in values.items() if name in allowed},
        tuple(name for name in values if name not in allowed),
    )


def load_sharing(source: Path | YamlFile) -> SharingPolicy:
    """Raises ConfigError with the file:line of every mistake."""
    return load(SharingPolicy, source)


def sharing_schema() -> dict[str, Any]:
    return schema_of(SharingPolicy, "sharing")


def _fields_of(entity: str) -> dict[str, Field]:
    return ENTITIES[entity].by_name | {f.name: f for f in FACTS.get(entity, ())}
