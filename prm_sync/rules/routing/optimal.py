"""The choice `optimal`: the highest sum of scores of the whole batch under the partners' capacities.

A transportation problem, solved as a flow of least cost. A score depends on the class only: a million leads
become as many sources as there are classes, and the integer solution is exact.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from prm_sync.errors import ConfigError
from prm_sync.rules.routing.board import Batch
from prm_sync.rules.routing.facts import POINTS
from prm_sync.rules.routing.roster import LOT, LOT_AT, SCORE_AT

Ints: TypeAlias = npt.NDArray[np.int64]
ROUTED = 1  #: points that it is worth to route a lead at all: no lead waits while an eligible partner has capacity
FLOOR = 2 * POINTS  #: points that it is worth to fill a partner to its floor: more than any exchange of leads costs
_ROUNDS = 500  #: at most, to find the prices behind `upper_bound`


@dataclass(frozen=True, slots=True)
class Transport:
    """Classes with leads to give, partners with capacity, and an arc for every partner that may have a class."""

    numbers: list[int]  #: the class of each source
    leads: Ints  #: leads of each source
    partners: list[int]  #: the partner of each sink
    capacity: Ints  #: of each sink
    floor: Ints  #: of each sink, the part of its capacity that comes first
    source: Ints  #: of each arc; ascending
    sink: Ints
    rank: Ints  #: of each arc, as it stands before anything is dealt out

    @property
    def points(self) -> Ints:
        return (self.rank >> SCORE_AT) + ROUTED


def deal(batch: Batch) -> None:
    """Give the leads of a batch out. Raises ConfigError where OR-tools is not installed."""
    board = batch.board
    rest: list[int] = []
    for n in batch.order:
        kind = board.kinds[batch.kind_of[n]]
        related = board.related(kind) if kind.stopped is None else -1
        if related >= 0:
            batch.ranks[n], batch.related[n] = related, 1
            board.take(related)
        elif kind.passed:
            rest.append(n)
    problem = transport(batch, rest)
    flow = solved(problem)
    given: dict[int, list[int]] = {}  # ranks of each class, the last to be given first
    for arc in np.flatnonzero(flow)[::-1]:
        number = problem.numbers[problem.source[arc]]
        given.setdefault(number, []).extend([int(problem.rank[arc])] * int(flow[arc]))
    for n in rest:
        ranks = given.get(batch.kind_of[n])
        if ranks:
            batch.ranks[n] = ranks.pop()
            board.take(batch.ranks[n])
    for n, rank in enumerate(batch.ranks):
        batch.settle(n, rank, related=bool(batch.related[n]))


def transport(batch: Batch, leads: list[int]) -> Transport:
    """The problem for these leads of a batch, as the board stands; the order in which they were given plays no part."""
    board = batch.board
    counts = Counter(batch.kind_of[n] for n in leads)  # in the order in which the leads choose
    numbers: list[int] = []
    sources: list[int] = []
    ranks: list[int] = []
    for number in counts:
        kind = board.kinds[number]
        free = kind.passed & ~kind.roster.full
        if not free:
            continue
        for grade, some in kind.roster.graded(kind, free):
            for i in kind.roster.in_set(some):
                sources.append(len(numbers))
                ranks.append(kind.roster.rank(i, grade) + board.load[i])
        numbers.append(number)
    rank = np.array(ranks, np.int64)
    partner, sink = np.unique(rank >> LOT_AT & LOT, return_inverse=True)
    most = len(leads)
    capacity = np.array([min(board.left(i), most) for i in partner.tolist()], np.int64)
    floor = np.array([int(board.weekly(i) * board.policy.optimal.floor) for i in partner.tolist()], np.int64)
    return Transport(
        numbers, np.array([counts[n] for n in numbers], np.int64), partner.tolist(), capacity,
        np.minimum(floor, capacity), np.array(sources, np.int64), sink.astype(np.int64), rank,
    )  # fmt: skip


def solved(problem: Transport) -> Ints:
    """Leads on each arc. Raises ConfigError where OR-tools is not installed."""
    if not len(problem.source):
        return np.zeros(0, np.int64)
    solver = _solver()
    classes, partners = len(problem.numbers), len(problem.partners)
    end = classes + partners
    sources, sinks = np.arange(classes), np.arange(classes, end)
    tails = np.concatenate([problem.source, sources, sinks, sinks])
    heads = np.concatenate([problem.sink + classes, np.full(classes + 2 * partners, end)])
    room = np.concatenate(
        [problem.leads[problem.source], problem.leads, problem.floor, problem.capacity - problem.floor]
    )
    cost = np.concatenate([-problem.points, np.zeros(classes, int), np.full(partners, -FLOOR), np.zeros(partners, int)])
    solver.add_arcs_with_capacity_and_unit_cost(tails, heads, room, cost)
    supply = np.concatenate([problem.leads, np.zeros(partners, int), [-problem.leads.sum()]])
    solver.set_nodes_supplies(np.arange(end + 1), supply)
    status = solver.solve()
    if status != solver.OPTIMAL:
        raise RuntimeError(f"the flow of least cost was not solved: status {status}")
    return np.asarray(solver.flows(np.arange(len(problem.source))), np.int64)


def upper_bound(problem: Transport, flow: Ints) -> int:
    """No dealing out is worth more points (each lead's score, and ROUTED): the value of the dual problem.

    Any prices give a bound; these are what one more place at each partner would be worth, found along the paths on
    which leads could change their partners.
    """
    points, source, sink = problem.points, problem.source, problem.sink
    starts = np.flatnonzero(np.diff(source, prepend=-1))
    used = flow > 0
    waiting = problem.leads - np.bincount(source, flow, len(problem.leads)).astype(np.int64) > 0
    price = np.zeros(len(problem.partners), np.int64)
    for _ in range(_ROUNDS):
        worth = np.where(used, points - price[sink], np.iinfo(np.int64).max)
        least = np.minimum(np.minimum.reduceat(worth, starts), np.where(waiting, 0, np.iinfo(np.int64).max))
        better = price.copy()
        np.maximum.at(better, sink, points - least[source])
        if (better == price).all():
            break
        price = better
    gain = np.maximum(np.maximum.reduceat(points - price[sink], starts), 0)
    return int((price * problem.capacity).sum() + (gain * problem.leads).sum())


def value(problem: Transport, flow: Ints) -> int:
    """The points that a dealing out is worth, without the bonus for floors."""
    return int((problem.points * flow).sum())


def _solver() -> Any:
    try:
        from ortools.graph.python.min_cost_flow import SimpleMinCostFlow
    except ImportError as error:
        raise ConfigError(
            "choice: optimal needs OR-tools, which is not installed; run: pip install 'prm-sync[optimal]', "
            "or set choice: best in policies/routing.yaml"
        ) from error
    return SimpleMinCostFlow()
