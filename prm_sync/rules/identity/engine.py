"""Candidates, scores and clusters of a set of records, all at once or row by row: the answer is the same.

A pair's score depends on its two records alone, and whether it is scored at all on their block keys; so no order of
arrival matters. Where a key becomes too common to mean anything, the pairs that only it had named are withdrawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from prm_sync.rules.identity import blocking
from prm_sync.rules.identity.blocking import Index, Numbers
from prm_sync.rules.identity.compare import features, taken
from prm_sync.rules.identity.reasons import Matching
from prm_sync.rules.identity.rows import Rows
from prm_sync.rules.identity.score import Floats, score

SLICE_PAIRS = 200_000  #: pairs that are compared at a time: 100 MB


@dataclass(frozen=True, slots=True)
class Links:
    """Pairs of rows i < j at or above the review threshold, by their number (`blocking.joined`), with their scores."""

    pairs: Numbers
    scores: Floats

    def above(self, threshold: float) -> Numbers:
        return self.pairs[self.scores >= threshold]


@dataclass(frozen=True, slots=True)
class Resolved:
    """Records that were matched with one another, open for more."""

    matching: Matching
    rows: Rows
    index: Index
    links: Links

    def clusters(self) -> Numbers:
        """For each row the smallest row of its cluster."""
        return components(self.links.above(self.matching.merge), len(self.rows))

    def with_more(self, more: Rows) -> Resolved:
        """The same as if `more` had been there from the beginning; costs what the new rows and their blocks cost."""
        fresh = blocking.index(more, self.matching.blocks)
        key = np.unique(fresh.key)
        index, rows = self.index + fresh, self.rows + more
        before, after, most = self.index.count(key), index.count(key), self.matching.most_rows
        pairs = blocking.pairs_within(*index.find(key[after <= most]), most)
        pairs = pairs[blocking.apart(pairs)[1] >= self.index.rows]
        links = self._withdrawn(key[(before <= most) & (after > most)], index)
        found = scored(rows, pairs, self.matching)
        merged = Links(np.concatenate((links.pairs, found.pairs)), np.concatenate((links.scores, found.scores)))
        return Resolved(self.matching, rows, index, merged)

    def _withdrawn(self, worn: npt.NDArray[np.uint64], index: Index) -> Links:
        """The links without those that only keys which are too common now had named."""
        if not len(worn):
            return self.links
        doubtful = np.isin(self.links.pairs, blocking.pairs_within(*self.index.find(worn), self.matching.most_rows))
        members = np.unique(np.concatenate(blocking.apart(self.links.pairs[doubtful])))
        key, row = blocking.block_keys(taken(self.rows, members), self.matching.blocks)
        live = index.count(key) <= self.matching.most_rows
        named = blocking.pairs_within(key[live], members[row[live]], self.matching.most_rows)
        keep = ~doubtful | np.isin(self.links.pairs, named)
        return Links(self.links.pairs[keep], self.links.scores[keep])


def resolve(rows: Rows, matching: Matching) -> Resolved:
    """Match records with one another."""
    index = blocking.index(rows, matching.blocks)
    return Resolved(matching, rows, index, scored(rows, index.pairs(matching.most_rows), matching))


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

