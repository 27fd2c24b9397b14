"""The declaration of an emulator: what a connector's `emulator` names, and the switches of what nobody confirmed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prm_sync.connect.emulator.app import EmulatedApp
from prm_sync.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Switch:
    """A behaviour that can be chosen. `assumed`: the vendor's own documents do not confirm the default."""

    name: str
    default: Any
    doc: str
    assumed: bool = True


@dataclass(frozen=True, slots=True)
class Emulator:
    """One emulated vendor, as data.

    `build` makes the app from options (how much to seed, `{"switches": {...}}`; the emulator's README lists them).
    `credentials` gives, for the URL at which it is served, the keys of the connector's config that reach it.
    """

    name: str
    build: Callable[[Mapping[str, Any]], EmulatedApp]
    credentials: Callable[[str], Mapping[str, Any]]
    switches: tuple[Switch, ...] = ()

    @property
    def assumed(self) -> frozenset[str]:
        """The switches whose default is an assumption."""
        return frozenset(switch.name for switch in self.switches if switch.assumed)

    def switched(self, chosen: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The value of every switch, `chosen` over the defaults. Raises ConfigError for a name that is none."""
        return switch_values(self.switches, chosen)


def switch_values(switches: tuple[Switch, ...], chosen: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The value of every switch, `chosen` over the defaults. Raises ConfigError for a name that is none."""
    values = {switch.name: switch.default for switch in switches}
    unknown = sorted(set(chosen or {}) - set(values))
    if unknown:
        raise ConfigError(f"no such switch: {', '.join(unknown)}; there are: {', '.join(sorted(values)) or 'none'}")
    return {**values, **(chosen or {})}


def load_emulator(address: str) -> Emulator:
    """The emulator that `package.module:NAME` names. Raises ConfigError where there is none."""
    module_name, _, attribute = address.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute or "EMULATOR")
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"there is no emulator at {address!r} ({type(error).__name__}: {error})") from error
    if not isinstance(found, Emulator):
        raise ConfigError(f"{address!r} is a {type(found).__name__}, not an Emulator")
    return found
