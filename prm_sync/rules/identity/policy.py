"""`policies/identity.yaml`: the keys that make two records one, and how records without a common key are recognised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import Field as Setting
from pydantic import field_validator, model_validator

from prm_sync.canonical.entities import ENTITIES
from prm_sync.rules.identity.reasons import BLOCKS, HAND_SET, NAMES, PARTS, ROLES, Block, Matching, Weights
from prm_sync.rules.policyfile import Part, Policy, load, schema_of
from prm_sync.yamlfile import Place, YamlFile, did_you_mean

Keys: TypeAlias = tuple[tuple[str, ...], ...]
MOST_GROUPS = 4  #: groups of one entity: each has a column of its own in core.<entity>_source


class Resemblance(Part):
    """How records that share no exact key are recognised as one: candidates, scores, thresholds."""

    fields: dict[str, str] = Setting(
        min_length=1, description=f"What the fields say: role -> field. Roles: {', '.join(ROLES)}"
    )
    merge: float = Setting(0.95, gt=0, le=1, description="From this probability on, two records are one")
    review: float = Setting(0.5, gt=0, le=1, description="From this probability on, a person decides")
    candidates: tuple[Block, ...] = Setting(
        BLOCKS, min_length=1,
        description="Parts that two records must share to be compared at all: one of these groups, the whole of it",
    )  # fmt: skip
    most_rows: int = Setting(50, ge=2, le=1000, description="A group that more records share names no candidates")
    base: float = Setting(HAND_SET.base, description="Log-odds of two candidates before anything is compared")
    weights: dict[str, float] = Setting(
        default_factory=dict, description="Log-odds that a reason adds; those not named keep the shipped weight"
    )

    @field_validator("fields")
    @classmethod
    def _known_roles(cls, fields: dict[str, str]) -> dict[str, str]:
        return _known(fields, ROLES, "role")

    @field_validator("weights")
    @classmethod
    def _known_reasons(cls, weights: dict[str, float]) -> dict[str, float]:
        return _known(weights, NAMES, "reason")

    @field_validator("candidates")
    @classmethod
    def _known_parts(cls, groups: tuple[Block, ...]) -> tuple[Block, ...]:
        for group in groups:
            if not group:
                raise ValueError("a group names one or more parts")
            _known(dict.fromkeys(group, ""), PARTS, "part")
        return groups

    @model_validator(mode="after")
    def _ordered(self) -> Resemblance:
        if self.review > self.merge:
            raise ValueError("review must not be above merge")
        return self

    def matching(self) -> Matching:
        weights = Weights(self.base, {**HAND_SET.of, **self.weights})
        return Matching(self.fields, self.candidates, self.merge, self.review, self.most_rows, weights)


def _known(named: dict[str, Any], known: tuple[str, ...], what: str) -> dict[str, Any]:
    for name in named:
        if name not in known:
            raise ValueError(f'"{name}" is no {what}{did_you_mean(name, known)}')
    return named


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

    resembles: Resemblance | None = Setting(
        None, description="How records that share no key are recognised; left out: exact keys alone decide"
    )

    @property
    def matching(self) -> Matching | None:
        return self.resembles.matching() if self.resembles else None


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
            for role, field in identity.resembles.fields.items() if identity.resembles else ():
                if field not in known:
                    where: Place = ("entities", name, "resembles", "fields", role)
                    yield where, f'"{field}" is no field of {name}{did_you_mean(field, known)}'


def load_identity(source: Path | YamlFile) -> IdentityPolicy:
    """Raises ConfigError with the file:line of every mistake."""
    return load(IdentityPolicy, source)


def matching_of(policy: IdentityPolicy, entity: str) -> Matching | None:
    """How records of the entity are matched by likeness; None: not at all."""
    named = policy.entities.get(entity)
    return named.matching if named else None


def identity_schema() -> dict[str, Any]:
    return schema_of(IdentityPolicy, "identity")
