"""Candidates, scores and clusters of a set of records, all at once or row by row: the answer is the same.

A pair's score depends on its two records alone, and whether it is scored at all on their block keys; so no order of
arrival matters. Where a key becomes too common to mean anything, the pairs that only it had named are withdrawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from prm_sync.rules.identity import blocking
from prm_sync.rules.identity.blocking import Index, Numbers
from prm_sync.rules.identity.compare import features, taken
from prm_sync.rules.identity.reasons import Matching
from prm_sync.rules.identity.rows import Codes, Rows
from prm_sync.rules.identity.score import Floats, score

SLICE_PAIRS = 200_000  #: pairs that are compared at a time: 100 MB
MUCH_LARGER = 8  #: times that a part has the rows of the next one


@dataclass(frozen=True, slots=True)
class Links:
    """Pairs of rows i < j at or above the review threshold, by their number (`blocking.joined`), with their scores."""

    pairs: Numbers
    scores: Floats

    def above(self, threshold: float) -> Numbers:
        return self.pairs[self.scores >= threshold]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that were indexed together; the first of them is row number `first` of all."""

    first: int
    rows: Rows
    index: Index


@dataclass(frozen=True, slots=True)
class Resolved:
    """Records that were matched with one another, open for more."""

    matching: Matching
    parts: tuple[Part, ...]
    links: Links

    def __len__(self) -> int:
        return self.parts[-1].first + len(self.parts[-1].rows)

    def clusters(self) -> Numbers:
        """For each row the smallest row of its cluster."""
        return components(self.links.above(self.matching.merge), len(self))

    def with_more(self, rows: Rows) -> Resolved:
        """The same as if `rows` had been there from the beginning; costs what they and their blocks cost."""
        index, first, most = blocking.index(rows, self.matching.blocks), len(self), self.matching.most_rows
        parts = (*self.parts, Part(first, rows, index))
        key, fresh = np.unique(index.key, return_counts=True)
        before = _count(self.parts, key)
        pairs = blocking.pairs_within(*_found(parts, key[before + fresh <= most]), most)
        found = _scored_of(parts, pairs[blocking.apart(pairs)[1] >= first], self.matching)
        links = self._withdrawn(key[(before <= most) & (before + fresh > most)], parts)
        merged = Links(np.concatenate((links.pairs, found.pairs)), np.concatenate((links.scores, found.scores)))
        return Resolved(self.matching, _gathered(parts), merged)

    def _withdrawn(self, worn: Codes, parts: Sequence[Part]) -> Links:
        """The links without those that only keys which are too common now had named."""
        if not len(worn):
            return self.links
        most = self.matching.most_rows
        doubtful = np.isin(self.links.pairs, blocking.pairs_within(*_found(self.parts, worn), most))
        members = np.unique(np.concatenate(blocking.apart(self.links.pairs[doubtful])))
        key, row = blocking.block_keys(_taken(parts, members), self.matching.blocks)
        live = _count(parts, key) <= most
        named = blocking.pairs_within(key[live], members[row[live]], most)
        keep = ~doubtful | np.isin(self.links.pairs, named)
        return Links(self.links.pairs[keep], self.links.scores[keep])


def resolve(rows: Rows, matching: Matching) -> Resolved:
    """Match records with one another."""
    index = blocking.index(rows, matching.blocks)
    links = scored(rows, index.pairs(matching.most_rows), matching)
    return Resolved(matching, (Part(0, rows, index),), links)


def _count(parts: Sequence[Part], key: Codes) -> Numbers:
    """How many rows have each key."""
    counted: Numbers = np.sum([part.index.count(key) for part in parts], axis=0, dtype=np.int64)
    return counted


def _found(parts: Sequence[Part], key: Codes) -> tuple[Codes, Numbers]:
    """The entries of these keys, sorted by key and row."""
    entries = [(*part.index.find(key), part.first) for part in parts]
    keys = np.concatenate([k for k, _, _ in entries])
    at = np.concatenate([r + first for _, r, first in entries])
    order = np.lexsort((at, keys))
    return keys[order], at[order]


def _taken(parts: Sequence[Part], at: Numbers) -> Rows:
    """These rows (sorted)."""
    picked = [taken(p.rows, at[(at >= p.first) & (at < p.first + len(p.rows))] - p.first) for p in parts]
    return reduce(Rows.__add__, picked)


def _scored_of(parts: Sequence[Part], pairs: Numbers, matching: Matching) -> Links:
    """As `scored`, of pairs anywhere in the parts."""
    i, j = blocking.apart(pairs)
    at = np.unique(np.concatenate((i, j)))
    links = scored(_taken(parts, at), blocking.joined(np.searchsorted(at, i), np.searchsorted(at, j)), matching)
    i, j = blocking.apart(links.pairs)
    return Links(blocking.joined(at[i], at[j]), links.scores)


def _gathered(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Few parts, each far larger than the next: a row is copied a few times in its life, not with each arrival."""
    *head, last = parts
    while head and len(head[-1].rows) < MUCH_LARGER * len(last.rows):
        before = head.pop()
        last = Part(before.first, before.rows + last.rows, before.index + last.index)
    return (*head, last)


def scored(rows: Rows, pairs: Numbers, matching: Matching) -> Links:
    """Those of the candidates that are worth a merge or a review; compared slice by slice."""
    kept: list[tuple[Numbers, Floats]] = [(np.empty(0, np.int64), np.empty(0))]
    for low, high in pairwise([*range(0, len(pairs), SLICE_PAIRS), len(pairs)]):
        some = pairs[low:high]
        i, j = blocking.apart(some)
        odds = score(features(taken(rows, i), taken(rows, j)), matching.weights)
        keep = odds >= matching.review
        kept.append((some[keep], odds[keep]))
    return Links(np.concatenate([p for p, _ in kept]), np.concatenate([s for _, s in kept]))


def components(pairs: Numbers, rows: int) -> Numbers:
    """What is connected, over any number of steps: for each row the smallest row of its component."""
    i, j = blocking.apart(pairs)
    links = coo_array((np.ones(len(i), bool), (i, j)), shape=(rows, rows))
    count, label = connected_components(links, directed=False)
    smallest = np.full(count, rows, np.int64)
    np.minimum.at(smallest, label, np.arange(rows))
    roots: Numbers = smallest[label]
    return roots

