"""The list of all checks, in the order in which a connector's author meets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prm_sync.connect.kit import manners, reading, writing
from prm_sync.connect.kit.bench import Bench

CHECKS: Final[tuple[Callable[[Bench], None], ...]] = tuple(
    check for part in (manners, reading, writing) for name, check in vars(part).items() if name.startswith("check_")
)
