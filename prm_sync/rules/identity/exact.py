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

KeysOfRows = Callable[[Sequence[Sequence[Any]]], list[tuple[int | None, ...]]]
_BETWEEN = "\x1f"  #: between the parts of a key; folding never leaves one, it counts as space


def keys_of(entity: Entity, policy: IdentityPolicy | None = None) -> Keys:
    """The policy's groups for the entity, or the field table's."""
    named = policy.entities.get(entity.name) if policy else None
    return named.same_if if named else entity.exact_keys


def match_keys(entity: Entity, row: Mapping[str, Any], policy: IdentityPolicy | None = None) -> tuple[int, ...]:
    """The hashes of the keys that a record has, signed 64-bit. A group with a field missing or empty gives none."""
    columns = tuple(row)
    [keys] = compile_keys(entity, policy, columns)([tuple(row[c] for c in columns)])
    return tuple(key for key in keys if key is not None)


def compile_keys(entity: Entity, policy: IdentityPolicy | None, columns: Sequence[str]) -> KeysOfRows:
    """The keys of many rows whose values stand in the order of `columns`: one for each group, in their order.

    None stands for a group of which a field is empty, or not among the columns; always `MOST_GROUPS` entries.
    """
    groups = keys_of(entity, policy)
    places = {f: columns.index(f) for group in groups for f in group if f in columns}
    recipes = [(_BETWEEN.join((entity.name, *group)), group) for group in groups]

    def keys(rows: Sequence[Sequence[Any]]) -> list[tuple[int | None, ...]]:
        folded = {f: _folded([row[n] for row in rows]) for f, n in places.items()}
        none = [None] * len(rows)
        made = [
            _hashed(head, [folded[f] for f in group]) if all(f in folded for f in group) else none
            for head, group in recipes
        ]
        return list(zip(*made, *([none] * (MOST_GROUPS - len(made))), strict=True))

    return keys


def _hashed(head: str, parts: Sequence[Sequence[str]]) -> list[int | None]:
    """The hashes of a group's keys; `parts` are its folded columns."""
    blake2b, from_bytes = hashlib.blake2b, int.from_bytes
    return [
        from_bytes(blake2b((head + "".join(key)).encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)
        if all(key)
        else None
        for key in zip(*parts, strict=True)
    ]


def _folded(column: Sequence[Any]) -> list[str]:
    """Parts of keys, each with the mark that goes before it; empty where there is nothing to compare."""
    texts = [v if v.__class__ is str else "" if v is None else str(v) for v in column]
    joined = "".join(texts)
    if joined.isascii() and joined.isprintable() and " " not in joined:
        return [v and _BETWEEN + v.lower() for v in texts]
    return [(w := fold(v)) and _BETWEEN + w for v in texts]


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
