"""Which values are personal, and are shown only where they were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from prm_sync.canonical.model import Entity, Field, Pii
from prm_sync.cli.terminal import MASK

if TYPE_CHECKING:
    from prm_sync.app import App


def is_personal(field: Field) -> bool:
    return field.pii in (Pii.PERSONAL, Pii.SENSITIVE)


def written_personal(app: App, connection: str, stream: str) -> frozenset[str]:
    """Remote fields, and the objects they stand in, that personal values are written to."""
    specs = [m.spec for m in app.mappings.get((connection, stream), ())]
    return _with_tops(rule.remote for s in specs for rule in s.back if any(map(is_personal, rule.sources)))


def read_plainly(app: App, connection: str, stream: str) -> frozenset[str]:
    """Remote fields that are read into fields without personal data only: all others may hold anything."""
    rules = [rule for m in app.mappings.get((connection, stream), ()) for rule in m.spec.fields]
    open_ = _with_tops(s for rule in rules if not is_personal(rule.field) for s in rule.sources)
    return open_ - _with_tops(s for rule in rules if is_personal(rule.field) for s in rule.sources)


def masked(value: Any, *, hide: bool) -> Any:
    """The value, or the mask; that there is none is no secret."""
    return MASK if hide and value is not None and value != "" else value


def golden(entity: Entity, row: Mapping[str, Any], *, show: bool) -> dict[str, Any]:
    """The canonical values of a row that has them, personal ones masked unless they are to be shown."""
    return {
        f.name: masked(row[f.name], hide=is_personal(f) and not show) for f in entity.fields if row[f.name] is not None
    }


def _with_tops(names: Iterable[str]) -> frozenset[str]:
    return frozenset(part for name in names for part in (name, name.split(".")[0]))
