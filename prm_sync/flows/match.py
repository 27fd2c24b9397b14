"""Matching by likeness as refine does it, a person's decisions about pairs, and weights learned from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.errors import ConfigError
from prm_sync.rules.identity import blocking, matching_of
from prm_sync.rules.identity.compare import features, taken
from prm_sync.rules.identity.reasons import NAMES, Matching, Weights
from prm_sync.rules.identity.rows import rows
from prm_sync.rules.identity.score import score, train
from prm_sync.warehouse import match_decisions
from prm_sync.warehouse.match_decisions import Made, Record
from prm_sync.warehouse.matching import Columns

if TYPE_CHECKING:
    import numpy.typing as npt

LEAST_DECISIONS = 20  #: of each kind, before weights are worth learning


@dataclass(frozen=True, slots=True)
class LikenessJudge:
    """The identity rules, as the warehouse asks them (`warehouse.matching.Judge`)."""

    matching: Matching

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.matching.roles.values()))

    @property
    def most_rows(self) -> int:
        return self.matching.most_rows

    @property
    def merge(self) -> float:
        return self.matching.merge

    def keys(self, columns: Columns) -> list[tuple[int, int]]:
        key, row = blocking.block_keys(rows(columns, self.matching.roles), self.matching.blocks)
        return list(zip(row.tolist(), key.view(np.int64).tolist(), strict=True))

    def compare(self, columns: Columns, pairs: Sequence[tuple[int, int]]) -> Iterable[tuple[int, float, list[str]]]:
        spelled = rows(columns, self.matching.roles)
        i, j = np.array(pairs, np.int64).reshape(-1, 2).T
        found = features(taken(spelled, i), taken(spelled, j))
        odds = score(found, self.matching.weights)
        for n in np.flatnonzero(odds >= self.matching.review).tolist():
            yield n, float(odds[n]), [NAMES[k] for k in np.flatnonzero(found[n]).tolist()]


# --- decisions ---


def matched_entities(app: App) -> list[str]:
    return [name for name in app.entities if matching_of(app.policies.identity, name) is not None]


def pair_of(app: App, entity: str, names: Sequence[str]) -> tuple[Record, Record]:
    """Two records by their names '<connection>/<stream>/<remote id>'. Raises ConfigError."""
    with app.db.begin() as tx:
        found = {r.name: r for r in match_decisions.records(tx, entity, names=names)}
    for name in names:
        if name not in found:
            raise ConfigError(
                f"no {entity} record is named {name!r}; a name is <connection>/<stream>/<remote id>, "
                "as `prm-sync match list` and `prm-sync explain` show it"
            )
    if len(found) != 2:
        raise ConfigError("a pair is two different records")
    return found[names[0]], found[names[1]]


def decide(app: App, entity: str, verb: str, pair: tuple[Record, Record], by: str) -> Made:
    """accept, merge: the two are one. reject: they are two. Golden records follow at once."""
    with app.db.begin() as tx:
        made = match_decisions.decide(
            tx, app.entities[entity], verb, [pair], by=by, at=app.clock(), cluster=app.cluster
        )
    _refine(app, entity)
    return made


def split(app: App, entity: str, name: str, by: str) -> Made:
    """The record leaves its entity and is kept apart from all that are in it now. Raises ConfigError."""
    with app.db.begin() as tx:
        record = next(iter(match_decisions.records(tx, entity, names=[name])), None)
        if record is None or record.entity_id is None:
            raise ConfigError(f"no {entity} record is named {name!r}; `prm-sync explain` shows an entity's records")
        others = [r for r in match_decisions.records(tx, entity, ids=[record.entity_id]) if r != record]
        if not others:
            raise ConfigError(f"{name} is the only record of {record.entity_id}: there is nothing to split")
        made = match_decisions.decide(
            tx, app.entities[entity], "split", [(record, other) for other in others], by=by, at=app.clock(),
            cluster=app.cluster, out=record,
        )  # fmt: skip
    _refine(app, entity)
    return made


def undo(app: App, decision: int) -> Made:
    """Take a decision back. Raises ConfigError where there is none."""
    with app.db.begin() as tx:
        entity = tx.execute(
            sa.text("SELECT entity FROM core.match_decision WHERE id = :id"), {"id": decision}
        ).scalar_one_or_none()
        made = None
        if entity is not None and entity in app.entities:
            made = match_decisions.undo(tx, app.entities[entity], decision, at=app.clock(), cluster=app.cluster)
    if entity is None or made is None:
        raise ConfigError(f"there is no decision {decision} to take back; `prm-sync match list --decided` shows them")
    _refine(app, entity)
    return made


def _refine(app: App, entity: str) -> None:
    from prm_sync.flows.refine import refine

    refine(app, [entity])


# --- learning ---


@dataclass(frozen=True, slots=True)
class Learned:
    """Weights from decisions, and how many of the decisions they and the present ones agree with."""

    matching: Matching
    decisions: int
    agree_before: int
    agree_after: int


def learn(app: App, entity: str) -> Learned:
    """Weights from what was accepted and rejected of what was found. Raises ConfigError where that is too little."""
    matching = matching_of(app.policies.identity, entity)
    if matching is None:
        known = ", ".join(matched_entities(app)) or "none"
        raise ConfigError(f"policies/identity.yaml says no `resembles` for {entity}; it does for: {known}")
    with app.db.begin() as tx:
        found = tx.execute(
            sa.text(
                "SELECT reasons, state = 'accepted' AS yes FROM core.match_review WHERE entity = :entity "
                "AND state IN ('accepted', 'rejected') AND score IS NOT NULL ORDER BY a, b"
            ),
            {"entity": entity},
        ).all()
    yes = np.array([r.yes for r in found], bool)
    if min(yes.sum(), (~yes).sum()) < LEAST_DECISIONS:
        raise ConfigError(
            f"{int(yes.sum())} accepted and {int((~yes).sum())} rejected pairs of {entity} are too few to learn from: "
            f"{LEAST_DECISIONS} of each are needed; `prm-sync match list {entity}` offers the ones to decide"
        )
    reasons = _flags([r.reasons for r in found])
    weights = train(reasons, yes, prior=matching.weights)
    before, after = (
        int(((score(reasons, w) >= 0.5) == yes).sum()) for w in (matching.weights, weights)
    )  # fmt: skip
    rounded = Weights(round(weights.base, 3), {name: round(w, 3) for name, w in weights.of.items() if abs(w) >= 0.001})
    return Learned(replace(matching, weights=rounded), len(found), before, after)


def _flags(reasons: Sequence[Sequence[Any]]) -> npt.NDArray[np.uint8]:
    place = {name: n for n, name in enumerate(NAMES)}
    flags = np.zeros((len(reasons), len(NAMES)), np.uint8)
    for row, names in enumerate(reasons):
        flags[row, [place[name] for name in names if name in place]] = 1
    return flags
