"""What RevOps decides: the files under policies/, each from the first folder that has it, else as shipped."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from prm_sync.errors import ConfigError
from prm_sync.project import shipped
from prm_sync.rules import (
    identity,
    incentives,
    pacing,
    precedence,
    recommendations,
    registrations,
    sharing,
    signals,
)  # fmt: skip
from prm_sync.rules.routing import CasePolicy, RoutingPolicy, load_cases, load_routing


@dataclass(frozen=True, slots=True)
class Policies:
    """One field for each file, named like it."""

    routing: RoutingPolicy
    identity: identity.IdentityPolicy
    sharing: sharing.SharingPolicy
    survivorship: precedence.SurvivorshipPolicy
    authority: precedence.AuthorityPolicy
    registrations: registrations.RegistrationPolicy
    incentives: incentives.IncentivePolicy
    cases: CasePolicy
    signals: signals.SignalPolicy
    targets: pacing.TargetPolicy
    recommendations: recommendations.RecommendationPolicy


NAMES = tuple(f.name for f in fields(Policies))


def load_policies(folders: Sequence[Path], connections: Collection[str] | None = None) -> Policies:
    """The policies; they may name these connections (None: any). Raises ConfigError for a broken file."""
    policies, problems = read_policies(folders, connections)
    if problems:
        raise problems[0]
    return policies


def read_policies(
    folders: Sequence[Path], connections: Collection[str] | None = None
) -> tuple[Policies, list[ConfigError]]:
    """The policies, and what is wrong with their files; the shipped one stands in for each broken one."""
    loaded: dict[str, Any] = {}
    loaders: dict[str, Callable[[Path], Any]] = {
        "routing": load_routing,
        "identity": identity.load_identity,
        "sharing": sharing.load_sharing,
        "survivorship": partial(precedence.load_survivorship, connections=connections),
        "authority": partial(precedence.load_authority, connections=connections),
        "registrations": registrations.load_registrations,
        "incentives": incentives.load_incentives,
        "cases": lambda path: load_cases(path, loaded["routing"]),
        "signals": signals.load_signals,
        "targets": pacing.load_targets,
        "recommendations": recommendations.load_recommendations,
    }
    problems: list[ConfigError] = []
    for name, load in loaders.items():
        ours = shipped("policies") / f"{name}.yaml"
        try:
            loaded[name] = load(next((f / ours.name for f in folders if (f / ours.name).is_file()), ours))
        except ConfigError as error:
            problems.append(error)
            loaded[name] = load(ours)
    return Policies(**loaded), problems
