"""The connectors that are installed, found by the entry-point group `prm_sync.connectors`.

An entry point names a `Connector`, a declaration: reading it imports the connector's package, but not the vendor's
client library, which connectors import when they open.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from prm_sync.connect.protocol import Connector
from prm_sync.errors import ConfigError

GROUP: Final = "prm_sync.connectors"

_registered: dict[str, Connector] = {}


def names() -> list[str]:
    """The names of all connectors, sorted. Imports none of them."""
    return sorted({*_registered, *(point.name for point in entry_points(group=GROUP))})


def find(name: str) -> Connector:
    """The connector of this name.

    Raises ConfigError where there is none (with the names there are), where two packages claim the name, or where the
    package cannot be imported.
    """
    if name in _registered:
        return _registered[name]
    points = _distinct(name)
    if not points:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"there is no connector {name!r}; installed are: {', '.join(names()) or 'none'}{hint}")
    if len(points) > 1:
        claims = " and ".join(f"{_package(point)} ({point.value})" for point in points)
        raise ConfigError(f"the connector {name!r} is claimed by {claims}; uninstall one of them")
    return _loaded(points[0])


@contextmanager
def register(connector: Connector) -> Iterator[None]:
    """Within the `with`, `find` gives this connector for its name (tests)."""
    before = _registered.get(connector.name)
    _registered[connector.name] = connector
    try:
        yield
    finally:
        if before is None:
            del _registered[connector.name]
        else:
            _registered[connector.name] = before


def _distinct(name: str) -> list[EntryPoint]:
    # The same distribution may be on the path twice (an editable install and its source tree): that is no conflict.
    points = {(_package(point), point.value): point for point in entry_points(group=GROUP, name=name)}
    return [points[claim] for claim in sorted(points)]


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "an unnamed package"


def _loaded(point: EntryPoint) -> Connector:
    where = f"connector {point.name!r} of {_package(point)}"
    try:
        connector = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{where} cannot be loaded from {point.value!r} ({error}); reinstall it") from error
    if not isinstance(connector, Connector):
        raise ConfigError(f"{where}: {point.value!r} is a {type(connector).__name__}, not a Connector")
    if connector.name != point.name:
        raise ConfigError(f"{where} calls itself {connector.name!r}; the entry point and the declaration must agree")
    return connector
