"""Which pairs are worth a comparison: those that share a block key.

A key is made of parts of one record alone, so that a pair is a candidate or not whatever else is there, and in whatever
order it came. Only a key that more than `most_rows` records share stops naming candidates: it has said nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from prm_sync.rules.identity.reasons import EITHER, Block
from prm_sync.rules.identity.rows import Codes, Rows
from prm_sync.rules.identity.spelling import number

Numbers: TypeAlias = npt.NDArray[np.int64]

_ODD_1, _ODD_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def _stirred(codes: Codes) -> Codes:
    """SplitMix64's last step: neighbouring numbers become unlike ones."""
    x = codes.copy()
    x ^= x >> np.uint64(30)
    x *= _ODD_1
    x ^= x >> np.uint64(27)
    x *= _ODD_2
    x ^= x >> np.uint64(31)
    return x


def keys_of_block(rows: Rows, block: Block) -> list[Codes]:
    """The keys of one block: an array for each choice among parts that stand for one another; 0: none."""
    found = [np.full(len(rows), np.uint64(number("+".join(block))), np.uint64)]
    there = [np.ones(len(rows), bool)]
    for part in block:
        choices = [p for p in EITHER.get(part, (part,)) if p in rows.code]
        found, there = (
            [_stirred(f ^ rows.code[p] * _ODD_1) for f in found for p in choices],
            [t & (rows.code[p] != 0) for t in there for p in choices],
        )
    keys = [np.where(t, f, np.uint64(0)) for f, t in zip(found, there, strict=True)]
    for n, later in enumerate(keys):
        for earlier in keys[:n]:
            later[later == earlier] = 0  # both choices are the same text: one key
    return keys


def block_keys(rows: Rows, blocks: Sequence[Block]) -> tuple[Codes, Numbers]:
    """(key, number of the row), sorted by key and row, each once."""
    keys, at = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for block in blocks:
        for found in keys_of_block(rows, block):
            has = np.flatnonzero(found)
            keys.append(found[has])
            at.append(has)
    key, row = np.concatenate(keys), np.concatenate(at)
    order = np.lexsort((row, key))
    return key[order], row[order]


def pairs_within(key: Codes, row: Numbers, most_rows: int) -> Numbers:
    """Each pair of rows that share a key, once, as `joined` writes it; both are sorted by key and row."""
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]) if len(key) else np.empty(0, np.int64)
    sizes = np.diff(np.r_[starts, len(key)])
    parts = []
    for size in np.unique(sizes[(sizes > 1) & (sizes <= most_rows)]):
        members = row[starts[sizes == size][:, None] + np.arange(size)]
        for a, b in _steps(int(size)):
            parts.append(joined(members[:, a], members[:, b]))
    return _distinct(parts)


@dataclass(frozen=True, slots=True)
class Index:
    """The block keys of all rows so far, sorted by key and row."""

    key: Codes
    row: Numbers
    rows: int  #: how many rows there are, also those without a key

    def find(self, key: Codes) -> tuple[Codes, Numbers]:
        """The entries of these keys (sorted, each once), in order."""
        low, length = np.searchsorted(self.key, key, "left"), self.count(key)
        at = np.repeat(low, length) + _runs(length)
        return self.key[at], self.row[at]

    def count(self, key: Codes) -> Numbers:
        return np.searchsorted(self.key, key, "right") - np.searchsorted(self.key, key, "left")

    def __add__(self, more: Index) -> Index:
        """With further rows, numbered on from the ones that are here."""
        at = np.searchsorted(self.key, more.key, "right")
        row = np.insert(self.row, at, more.row + self.rows)
        return Index(np.insert(self.key, at, more.key), row, self.rows + more.rows)

    def pairs(self, most_rows: int) -> Numbers:
        """All pairs that share a key of at most so many rows."""
        return pairs_within(self.key, self.row, most_rows)


def index(rows: Rows, blocks: Sequence[Block]) -> Index:
    return Index(*block_keys(rows, blocks), len(rows))


def joined(i: Numbers, j: Numbers) -> Numbers:
    """A pair of rows i < j as one number; rows are counted in 31 bits."""
    return (i << 31) | j


def apart(pairs: Numbers) -> tuple[Numbers, Numbers]:
    return pairs >> 31, pairs & 0x7FFF_FFFF


def _runs(lengths: Numbers) -> Numbers:
    """[2, 3] -> [0, 1, 0, 1, 2]"""
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def _steps(size: int) -> Iterator[tuple[slice, slice]]:
    """Columns of a table of `size` columns against one another, so that each pair of columns meets once."""
    for step in range(1, size):
        yield slice(0, size - step), slice(step, size)


def _distinct(parts: list[Numbers]) -> Numbers:
    if not parts:
        return np.empty(0, np.int64)
    return np.unique(np.concatenate([p.ravel() for p in parts]))
