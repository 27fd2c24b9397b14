"""How a command gets at its installation: the settings, the opened app, the names that completion offers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prm_sync.app import App
    from prm_sync.settings import Settings


def settings() -> Settings:
    """The settings of this environment. Raises ConfigError."""
    from prm_sync.settings import Settings

    return Settings.from_env(os.environ)


@contextmanager
def opened() -> Iterator[App]:
    """The installation, opened and migrated. Raises ConfigError and WarehouseError."""
    from prm_sync.app import open_app

    with open_app(settings()) as app:
        yield app


def connection_names(incomplete: str) -> list[str]:
    """For the shell's completion: quiet where there is no project."""
    from prm_sync.errors import ConfigError
    from prm_sync.project import read_project

    try:
        found = read_project(settings().project_file).project.connections
    except ConfigError:
        return []
    return [name for name in found if name.startswith(incomplete)]


def connector_names(incomplete: str) -> list[str]:
    from prm_sync.connect import registry

    return [name for name in registry.names() if name.startswith(incomplete)]


def entity_names(incomplete: str) -> list[str]:
    from prm_sync.canonical.entities import ENTITIES

    return [name for name in ENTITIES if name.startswith(incomplete)]
