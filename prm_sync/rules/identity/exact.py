"""Identity: which source records are one entity, by keys that must be equal.

A key is a group of fields of one entity, all present and equal after folding. Its hash is the same in every process
and on every machine, so that equal keys can be found by a join in the warehouse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from prm_sync.canonical.model import Entity
from prm_sync.rules.fold import fold
from prm_sync.rules.identity.policy import MOST_GROUPS, IdentityPolicy, Keys

MatchKeys = Callable[[Sequence[Any]], Sequence[int | None]]
"""The keys of a row: one for each group of fields, always `MOST_GROUPS` entries; None: it has none."""
_ABSENT = (0,)
_BETWEEN = "\x1f"  #: between the parts of a key; folding never leaves one, it counts as space


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
) -> MatchKeys:
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


def clusters(edges: Iterable[tuple[int, int]], apart: Iterable[tuple[int, int]] = ()) -> dict[int, int]:
    """What is connected, over any number of steps: each number of an edge -> the smallest it is connected with.

    An edge that would bring together a pair of `apart` is passed over; there the order of the edges decides.
    """
    above: dict[int, int] = {}
    foes: dict[int, set[int]] = {}
    for a, b in apart:
        foes.setdefault(a, set()).add(b)
        foes.setdefault(b, set()).add(a)

    def root(n: int) -> int:
        while (up := above.setdefault(n, n)) != n:
            above[n] = n = above.setdefault(up, up)
        return n

    for a, b in edges:
        low, high = sorted((root(a), root(b)))
        if high in foes.get(low, ()):
            continue
        above[high] = low
        if low != high and high in foes:
            for foe in foes.pop(high):
                foes[foe].discard(high)
                foes[foe].add(low)
                foes.setdefault(low, set()).add(foe)
    return {n: root(n) for n in above}
