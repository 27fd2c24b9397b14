"""What people decide about pairs of records: written down, carried out by the next refine, taken back when asked.

A decision is a state of pairs (`core.match_review`): accepted pairs are links, rejected ones keep two records apart
whatever else links them. Records that are one already and must not be are taken out of their entity here; everything
else (merging, deriving golden records) is refine's, which looks again at the records that were touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations, pairwise
from typing import Any

import sqlalchemy as sa

from prm_sync.canonical.model import Entity
from prm_sync.warehouse import source
from prm_sync.warehouse.db import lock
from prm_sync.warehouse.golden import Cluster, entity_id
from prm_sync.warehouse.matching import Edge
from prm_sync.warehouse.tables import MATCH_KEYS

ALL_PAIRS_OF = 50  #: records that share a key, of which each pair is looked at when an entity is taken apart


@dataclass(frozen=True, slots=True)
class Record:
    """A remote record and the entity it is part of."""

    arrived: int
    connection: str
    stream: str
    remote_id: str
    entity_id: str | None

    @property
    def name(self) -> str:
        return f"{self.connection}/{self.stream}/{self.remote_id}"


@dataclass(frozen=True, slots=True)
class Made:
    """A decision that was written down."""

    id: int
    verb: str
    pairs: tuple[Edge, ...]
    moved: tuple[tuple[str, str], ...]  #: (entity before, entity after)


def records(tx: sa.Connection, entity: str, *, ids: Iterable[str] = (), names: Iterable[str] = ()) -> list[Record]:
    """Records of these entities, or of these names ('<connection>/<stream>/<remote id>'), oldest first."""
    found = tx.execute(
        sa.text(
            "SELECT s.arrived, s.connection, s.stream, s.remote_id, x.entity_id "
            f"FROM core.{entity}_source s LEFT JOIN core.crosswalk x ON x.entity = :entity "
            "AND x.connection = s.connection AND x.stream = s.stream AND x.remote_id = s.remote_id "
            "WHERE x.entity_id = ANY(:ids) OR (s.connection, s.stream, s.remote_id) IN (SELECT split_part(n, '/', 1), "
            "split_part(n, '/', 2), substr(n, length(split_part(n, '/', 1)) + length(split_part(n, '/', 2)) + 3) "
            "FROM unnest(cast(:names AS text[])) n) ORDER BY s.arrived"
        ),
        {"entity": entity, "ids": list(ids), "names": list(names)},
    )
    return [Record(*row) for row in found]


def waiting(tx: sa.Connection, entity: str, limit: int | None = None) -> list[dict[str, Any]]:
    """Pairs that wait for a decision, the least certain first; `waiting` says how many there are in all.

    A pair that became one by another road meanwhile does not wait.
    """
    part_of = "".join(
        f"LEFT JOIN core.{entity}_source s{n} ON s{n}.arrived = r.{n} LEFT JOIN core.crosswalk x{n} "
        f"ON x{n}.entity = r.entity AND x{n}.connection = s{n}.connection AND x{n}.stream = s{n}.stream "
        f"AND x{n}.remote_id = s{n}.remote_id "
        for n in "ab"
    )
    found = tx.execute(
        sa.text(
            "SELECT r.entity, r.score, r.record_a, r.record_b, r.reasons, r.found_at, count(*) OVER () AS waiting "
            f"FROM core.match_review r {part_of} WHERE r.entity = :entity AND r.state = 'open' "
            "AND xa.entity_id IS DISTINCT FROM xb.entity_id ORDER BY abs(r.score - 0.5), r.a, r.b LIMIT :limit"
        ),
        {"entity": entity, "limit": limit},
    )
    return [dict(r) for r in found.mappings()]


def decide(
    tx: sa.Connection, entity: Entity, verb: str, pairs: Sequence[tuple[Record, Record]], *,
    by: str, at: datetime, cluster: Cluster, out: Record | None = None,
) -> Made:  # fmt: skip
    """Write down that these pairs are one (accept, merge) or two (reject, split), and take apart what must be.

    `out`: the record that leaves its entity, whichever of the records there is the oldest.
    """
    name = entity.name
    lock(tx, f"golden:{name}")
    state = "accepted" if verb in ("accept", "merge") else "rejected"
    ordered = [tuple(sorted(pair, key=lambda r: r.arrived)) for pair in pairs]
    before = _states(tx, name, [(x.arrived, y.arrived) for x, y in ordered])
    kept = [[x.arrived, y.arrived, before.get((x.arrived, y.arrived))] for x, y in ordered]
    tx.execute(
        sa.text(
            "INSERT INTO core.match_review AS r "
            "(entity, a, b, record_a, record_b, reasons, state, found_at, decided_by, decided_at) "
            "VALUES (:entity, :a, :b, :record_a, :record_b, '{}', :state, :at, :by, :at) "
            "ON CONFLICT (entity, a, b) DO UPDATE SET state = :state, decided_by = :by, decided_at = :at"
        ),
        [
            {"entity": name, "a": x.arrived, "b": y.arrived, "record_a": x.name, "record_b": y.name, "state": state,
             "by": by, "at": at}
            for x, y in ordered
        ],
    )  # fmt: skip
    number = tx.execute(
        sa.text(
            "INSERT INTO core.match_decision (entity, verb, pairs, moved, decided_by, decided_at) "
            "VALUES (:entity, :verb, :pairs, '[]', :by, :at) RETURNING id"
        ),
        {"entity": name, "verb": verb, "pairs": json.dumps(kept), "by": by, "at": at},
    ).scalar_one()
    concerned = {r.arrived for pair in ordered for r in pair}
    moved: list[tuple[str, str]] = []
    if state == "rejected":
        for id_ in sorted({x.entity_id for x, y in ordered if x.entity_id and x.entity_id == y.entity_id}):
            moved += _taken_apart(tx, entity, id_, concerned, cluster, number, out)
    tx.execute(
        sa.text("UPDATE core.match_decision SET moved = :moved WHERE id = :id"),
        {"moved": json.dumps(moved), "id": number},
    )
    _touch(tx, name, concerned, [id_ for pair in moved for id_ in pair])
    return Made(number, verb, tuple((x.arrived, y.arrived) for x, y in ordered), tuple(moved))


def undo(tx: sa.Connection, entity: Entity, decision: int, *, at: datetime, cluster: Cluster) -> Made | None:
    """Pairs and entities as they were before this decision; None: there is none of this entity to be taken back."""
    name = entity.name
    lock(tx, f"golden:{name}")
    row = tx.execute(
        sa.text(
            "UPDATE core.match_decision SET undone_at = :at WHERE id = :id AND entity = :entity AND undone_at IS NULL "
            "RETURNING verb, pairs, moved"
        ),
        {"at": at, "id": decision, "entity": name},
    ).one_or_none()
    if row is None:
        return None
    pairs = [(a, b) for a, b, _ in row.pairs]
    for a, b, state in row.pairs:
        tx.execute(
            sa.text(
                "UPDATE core.match_review SET state = :state, decided_by = NULL, decided_at = NULL "
                "WHERE entity = :entity AND a = :a AND b = :b"
                if state
                else "DELETE FROM core.match_review WHERE entity = :entity AND a = :a AND b = :b"
            ),
            {"state": state, "entity": name, "a": a, "b": b},
        )
    moved: list[tuple[str, str]] = []
    for before, after in row.moved:
        _put_back(tx, name, before, after)
        moved.append((after, before))
    concerned = {n for pair in pairs for n in pair}
    if row.verb in ("accept", "merge"):
        for id_ in _entities_of(tx, name, pairs):
            moved += _taken_apart(tx, entity, id_, concerned, cluster, decision, None)
    _touch(tx, name, concerned, [id_ for pair in moved for id_ in pair])
    return Made(decision, row.verb, tuple(pairs), tuple(moved))


def _states(tx: sa.Connection, entity: str, pairs: Collection[Edge]) -> dict[Edge, str]:
    found = tx.execute(
        sa.text("SELECT a, b, state FROM core.match_review WHERE entity = :entity AND a = ANY(:a) AND b = ANY(:b)"),
        {"entity": entity, "a": [a for a, _ in pairs], "b": [b for _, b in pairs]},
    )
    return {(a, b): state for a, b, state in found}


def _entities_of(tx: sa.Connection, entity: str, pairs: Collection[Edge]) -> list[str]:
    """Entities that both records of a pair are part of."""
    numbers = {n for pair in pairs for n in pair}
    found = tx.execute(
        sa.text(
            f"SELECT s.arrived, x.entity_id FROM core.{entity}_source s JOIN core.crosswalk x ON x.entity = :entity "
            "AND x.connection = s.connection AND x.stream = s.stream AND x.remote_id = s.remote_id "
            "WHERE s.arrived = ANY(:numbers)"
        ),
        {"entity": entity, "numbers": list(numbers)},
    )
    part_of = {r.arrived: r.entity_id for r in found}
    return sorted({part_of[a] for a, b in pairs if a in part_of and part_of[a] == part_of.get(b)})


# --- entities that are taken apart and put together again ---


def _taken_apart(
    tx: sa.Connection, entity: Entity, id_: str, concerned: Collection[int], cluster: Cluster, decision: int,
    out: Record | None,
) -> list[tuple[str, str]]:  # fmt: skip
    """The groups with a record that is concerned leave the entity, if nothing links them with the rest any more."""
    members = {r.arrived: r for r in records(tx, entity.name, ids=[id_])}
    roots = cluster(_links(tx, entity.name, id_, members), _rejected(tx, entity.name, members))
    group_of = {n: roots.get(n, n) for n in members}
    staying = group_of[min(n for n in members if out is None or n != out.arrived)]
    leaving = sorted({group_of[n] for n in concerned if n in members} - {staying})
    moved = []
    for group in leaving:
        those = [members[n] for n in sorted(members) if group_of[n] == group]
        new = _id_for(tx, entity.name, those[0], id_, decision)
        _move(tx, entity.name, those, new)
        moved.append((id_, new))
    if leaving:
        oldest = min(n for n in members if group_of[n] not in leaving)
        tx.execute(sa.text(f'UPDATE core."{entity.name}" SET arrived = :n WHERE id = :id'), {"n": oldest, "id": id_})
    return moved


def _links(tx: sa.Connection, entity: str, id_: str, members: Mapping[int, Record]) -> list[Edge]:
    """Why the records of an entity are one: written to by us, equal keys, pairs judged to be one; strongest first."""
    rows = tx.execute(
        sa.text(
            f"SELECT s.arrived, x.matched_by, {', '.join(f's.{k}' for k in MATCH_KEYS)} FROM core.{entity}_source s "
            "JOIN core.crosswalk x ON x.entity = :entity AND x.connection = s.connection AND x.stream = s.stream "
            "AND x.remote_id = s.remote_id WHERE x.entity_id = :id"
        ),
        {"entity": entity, "id": id_},
    ).all()
    oldest = min(members)
    edges = [(oldest, r.arrived) for r in rows if r.matched_by in ("pushed", "external_id")]
    for n in range(len(MATCH_KEYS)):
        sharing: dict[int, list[int]] = {}
        for r in rows:
            if r[2 + n] is not None:
                sharing.setdefault(r[2 + n], []).append(r.arrived)
        for those in sharing.values():
            some = combinations(sorted(those), 2) if len(those) <= ALL_PAIRS_OF else pairwise(those)
            edges += some
    judged = tx.execute(
        sa.text(
            "SELECT a, b FROM core.match_review WHERE entity = :entity AND state IN ('merged', 'accepted') "
            "AND a = ANY(:members) AND b = ANY(:members) ORDER BY score DESC NULLS FIRST, a, b"
        ),
        {"entity": entity, "members": list(members)},
    )
    return [*edges, *((a, b) for a, b in judged)]


def _rejected(tx: sa.Connection, entity: str, members: Mapping[int, Record]) -> list[Edge]:
    found = tx.execute(
        sa.text(
            "SELECT a, b FROM core.match_review WHERE entity = :entity AND state = 'rejected' "
            "AND a = ANY(:members) AND b = ANY(:members)"
        ),
        {"entity": entity, "members": list(members)},
    )
    return [(a, b) for a, b in found]


def _id_for(tx: sa.Connection, entity: str, oldest: Record, left: str, decision: int) -> str:
    """The id of a group that leaves: the one its oldest record had of old, if that is free, else a new one."""
    own = entity_id(entity, oldest.connection, oldest.stream, oldest.remote_id)
    known = tx.execute(
        sa.text(f'UPDATE core."{entity}" SET merged_into = NULL WHERE id = :id AND merged_into = :left RETURNING id'),
        {"id": own, "left": left},
    ).one_or_none()
    taken = tx.execute(sa.text(f'SELECT 1 FROM core."{entity}" WHERE id = :id'), {"id": own}).one_or_none()
    if known or not taken:
        return own
    digest = hashlib.md5(f"{oldest.name}/{decision}".encode(), usedforsecurity=False).hexdigest()
    return f"{entity}_{digest[:16]}"


def _move(tx: sa.Connection, entity: str, those: Sequence[Record], id_: str) -> None:
    tx.execute(
        sa.text(
            "UPDATE core.crosswalk SET entity_id = :id, matched_by = 'split' WHERE entity = :entity "
            "AND connection = :connection AND stream = :stream AND remote_id = :remote_id"
        ),
        [
            {"id": id_, "entity": entity, "connection": r.connection, "stream": r.stream, "remote_id": r.remote_id}
            for r in those
        ],
    )


def _put_back(tx: sa.Connection, entity: str, before: str, after: str) -> None:
    """What a decision took out of `before` as `after` becomes part of it again, under the id it had."""
    values = {"entity": entity, "before": before, "after": after}
    tx.execute(
        sa.text(
            "UPDATE core.crosswalk SET entity_id = :before, matched_by = 'likeness' "
            "WHERE entity = :entity AND entity_id = :after"
        ),
        values,
    )
    tx.execute(
        sa.text(
            f'UPDATE core."{entity}" g SET arrived = least(g.arrived, a.arrived) FROM core."{entity}" a '
            "WHERE g.id = :before AND a.id = :after"
        ),
        values,
    )
    tx.execute(
        sa.text(
            f"UPDATE core.\"{entity}\" SET merged_into = :before, touched = nextval('core.change_seq') "
            "WHERE id = :after"
        ),
        values,
    )


def _touch(tx: sa.Connection, entity: str, arrived: Collection[int], ids: Collection[str]) -> None:
    """Refine looks again at these records, and at those of these entities."""
    number = source.change_number(tx, entity)
    more = {r.arrived for r in records(tx, entity, ids=ids)} if ids else set()
    tx.execute(
        sa.text(f"UPDATE core.{entity}_source SET touched = :touched WHERE arrived = ANY(:arrived)"),
        {"touched": number, "arrived": sorted({*arrived, *more})},
    )
