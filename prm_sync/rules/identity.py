"""Identity: which source records are one entity, by keys that must be equal.

A key is a group of fields of one entity, all present and equal after folding. Its hash is the same in every process
and on every machine, so that equal keys can be found by a join in the warehouse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import Field as Setting
from pydantic import field_validator

from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.model import Entity
from prm_sync.rules.fold import fold
from prm_sync.rules.policyfile import Part, Policy, load, schema_of
from prm_sync.yamlfile import Place, YamlFile, did_you_mean

__all__ = [
    "EntityIdentity",
    "IdentityPolicy",
    "clusters",
    "compile_keys",
    "fold",
    "identity_schema",
    "keys_of",
    "load_identity",
    "match_keys",
]

Keys: TypeAlias = tuple[tuple[str, ...], ...]
MOST_GROUPS = 4  #: groups of one entity: each has a column of its own in core.<entity>_source
_ABSENT = (0,)
_BETWEEN = "\x1f"  #: between the parts of a key; folding never leaves one, it counts as space


class EntityIdentity(Part):
    """What makes two records of one entity the same."""

    same_if: Keys = Setting(
        max_length=MOST_GROUPS,
        description="Groups of fields: all fields of a group present and equal, the same entity",
    )

    @field_validator("same_if")
    @classmethod
    def _groups_have_fields(cls, groups: Keys) -> Keys:
        for group in groups:
            if not group or len(set(group)) < len(group):
                raise ValueError("a group names one or more different fields")
        return groups


class IdentityPolicy(Policy):
    """A whole `policies/identity.yaml`. An entity that is not named keeps the keys of the field table."""

    entities: dict[str, EntityIdentity] = Setting(
        default_factory=dict, description="Entity -> what makes two of it the same"
    )

    def mistakes(self) -> Iterator[tuple[Place, str]]:
        for name, identity in self.entities.items():
            if name not in ENTITIES:
                yield ("entities", name), f'"{name}" is no entity{did_you_mean(name, ENTITIES)}'
                continue
            known = ENTITIES[name].by_name
            for n, group in enumerate(identity.same_if):
                for m, field in enumerate(group):
                    if field not in known:
                        place = ("entities", name, "same_if", n, m)
                        yield place, f'"{field}" is no field of {name}{did_you_mean(field, known)}'


def load_identity(source: Path | YamlFile) -> IdentityPolicy:
    """Raises ConfigError with the file:line of every mistake."""
    return load(IdentityPolicy, source)


def identity_schema() -> dict[str, Any]:
    return schema_of(IdentityPolicy, "identity")


def keys_of(entity: Entity, policy: IdentityPolicy | None = None) -> Keys:
    """The policy's groups for the entity, or the field table's."""
    named = policy.entities.get(entity.name) if policy else None
    return named.same_if if named else entity.exact_keys


def match_keys(entity: Entity, row: Mapping[str, Any], policy: IdentityPolicy | None = None) -> tuple[int, ...]:
    """The hashes of the keys that a record has, signed 64-bit. A group with a field missing or empty gives none."""
    columns = tuple(row)
    keys = compile_keys(entity, policy, columns)(tuple(row[c] for c in columns))
    return tuple(key for key in keys if key is not None)


def compile_keys(
    entity: Entity, policy: IdentityPolicy | None, columns: Sequence[str]
) -> Callable[[Sequence[Any]], list[int | None]]:
    """The keys of many rows whose values stand in the order of `columns`: one for each group, in their order.

    None stands for a group of which a field is empty, or not among the columns; always `MOST_GROUPS` entries.
    """
    groups = keys_of(entity, policy)
    used = sorted({f for group in groups for f in group if f in columns})
    places = tuple(columns.index(f) for f in used)
    tail = [None] * (MOST_GROUPS - len(groups))
    known = [all(f in used for f in group) for group in groups]
    recipes = [
        (_BETWEEN.join((entity.name, *group)), tuple(used.index(f) for f in group) if there else ())
        for group, there in zip(groups, known, strict=True)
    ]
    blake2b, from_bytes = hashlib.blake2b, int.from_bytes

    def keys(row: Sequence[Any]) -> list[int | None]:
        folded = [_folded(row[i]) for i in places]
        found: list[int | None] = []
        for text, parts in recipes:
            for i in parts or _ABSENT:
                part = folded[i] if parts else ""
                if not part:
                    found.append(None)
                    break
                text += part
            else:
                digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
                found.append(from_bytes(digest, "big", signed=True))
        return found + tail

    return keys


def _folded(value: Any) -> str:
    """One part of a key, with the mark that goes before it; empty where there is nothing to compare."""
    if value is None:
        return ""
    text = value if type(value) is str else str(value)
    text = " ".join(text.lower().split()) if text.isascii() else fold(text)  # fold's fast path, without the call
    return _BETWEEN + text if text else ""


def clusters(edges: Iterable[tuple[int, int]]) -> dict[int, int]:
    """What is connected, over any number of steps: each number of an edge -> the smallest it is connected with."""
    above: dict[int, int] = {}

    def root(n: int) -> int:
        while (up := above.setdefault(n, n)) != n:
            above[n] = n = above.setdefault(up, up)
        return n

    for a, b in edges:
        low, high = sorted((root(a), root(b)))
        above[high] = low
    return {n: root(n) for n in above}
