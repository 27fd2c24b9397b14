"""From canonical rows to golden records: crosswalk, golden, past. Set-based; only shared keys come over the wire."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa

from prm_sync.canonical.model import Entity
from prm_sync.warehouse import bulk, conflicts, field_times, merges, progress, statistics
from prm_sync.warehouse.conflicts import ClashRow
from prm_sync.warehouse.db import lock
from prm_sync.warehouse.field_times import MemberRow
from prm_sync.warehouse.matching import Like, kept_apart
from prm_sync.warehouse.tables import MATCH_KEYS

CHUNK_ROWS = 200_000
DERIVED_AT_ONCE = 2_000  #: entities whose records are in memory together


@dataclass(frozen=True, slots=True)
class GoldenRow:
    """What survived: values in field-table order, and where each came from."""

    values: tuple[Any, ...]
    provenance: dict[str, str]
    clashes: tuple[ClashRow, ...] = ()
    settled: tuple[str, ...] = ()  #: fields on which all records agree again


Survive = Callable[[str, Sequence[MemberRow], Mapping[str, Any]], GoldenRow]
"""(entity id, its records, decisions of people that stand) -> golden record."""
Cluster = Callable[[Iterable[tuple[int, int]], Iterable[tuple[int, int]]], dict[int, int]]
"""(what belongs together, what is kept apart) -> each number's root."""


@dataclass(slots=True)
class Refined:
    """What one chunk came to."""

    rows: int = 0  #: source rows looked at
    made: int = 0  #: new entities
    changed: int = 0  #: golden records that changed
    merged: int = 0  #: entities found to be another one


def entity_id(entity: str, connection: str, stream: str, remote_id: str) -> str:
    """The id of an entity whose oldest record is this one; `_sql_id` is the same in SQL."""
    digest = hashlib.md5(f"{connection}/{stream}/{remote_id}".encode(), usedforsecurity=False).hexdigest()
    return f"{entity}_{digest[:16]}"


def _sql_id(entity: str) -> str:
    return f"'{entity}_' || left(md5(s.connection || '/' || s.stream || '/' || s.remote_id), 16)"


def waiting(db: sa.Engine, policy_hashes: Mapping[str, str]) -> list[str]:
    """Of these entities (each with the hash of its policy) those of which source rows wait to be refined."""
    done = "coalesce((SELECT upto FROM core.progress WHERE step = 'refine:{0}' AND policy_hash = :{0}), 0)"
    asked = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT FROM core.{name}_source WHERE touched > {done.format(name)})"
        for name in policy_hashes
    )
    with db.begin() as tx:
        found = set(tx.execute(sa.text(asked), dict(policy_hashes)).scalars())
    return [name for name in policy_hashes if name in found]


def refine_chunk(
    db: sa.Engine, entity: Entity, *, policy_hash: str, survive: Survive, cluster: Cluster, now: datetime,
    never_null: Sequence[str] = (), chunk_rows: int = CHUNK_ROWS, at_least: int = 1, like: Like | None = None,
) -> Refined | None:  # fmt: skip
    """Refine the next chunk of changed source rows in one transaction; None: fewer than `at_least` wait."""
    name = entity.name
    with db.begin() as tx:
        lock(tx, f"change:{name}")  # only to be sure that all numbers up to this one are there
        committed = tx.exec_driver_sql("SELECT last_value FROM core.change_seq").scalar_one()
    with db.begin() as tx:
        lock(tx, f"golden:{name}")
        upto = progress.upto(tx, f"refine:{name}", policy_hash)
        waiting = tx.execute(
            sa.text(
                f"SELECT max(touched), count(*) FROM (SELECT touched FROM core.{name}_source "
                "WHERE touched > :upto AND touched <= :committed ORDER BY touched LIMIT :size) t"
            ),
            {"upto": upto, "committed": committed, "size": chunk_rows},
        ).one()
        if waiting[0] is None or waiting[1] < at_least:
            return None
        done = _Chunk(tx, entity, upto, waiting[0], now, survive, cluster, never_null, like).run()
        progress.keep(tx, f"refine:{name}", waiting[0], policy_hash)
    return done


def _external(entity: Entity) -> str | None:
    """SQL for the id that we gave a record, where the entity has a field for it: the key of a copy begins with it."""
    own = f"prm_{entity.name}_id"
    if own in entity.by_name:
        return f's."{own}"'
    return "split_part(s.shared_key, ':', 1)" if "shared_key" in entity.by_name else None


def _member(row: tuple[Any, ...]) -> MemberRow:
    _, connection, stream, remote_id, arrived, time, deleted_at, _, base_time, changed, *values = row
    return MemberRow(connection, stream, remote_id, arrived, time, deleted_at, tuple(values), base_time, changed)


class _Chunk:
    """One transaction's work: the rows of core.<entity>_source with after < touched <= upto."""

    def __init__(
        self, tx: sa.Connection, entity: Entity, after: int, upto: int, now: datetime,
        survive: Survive, cluster: Cluster, never_null: Sequence[str], like: Like | None,
    ) -> None:  # fmt: skip
        self.like = like
        self.tx, self.entity, self.name, self.now = tx, entity, entity.name, now
        self.after, self.upto, self.survive, self.cluster = after, upto, survive, cluster
        self.fields = [f.name for f in entity.fields]
        self.external = _external(entity)
        self.never_null = never_null
        self.touched = 0
        self.own_id = partial(entity_id, entity.name)
        self.alike: list[tuple[int, int]] = []
        self.clashes: list[ClashRow] = []
        self.settled: list[tuple[str, str, list[tuple[Any, ...]]]] = []
        self.done = Refined()

    def run(self) -> Refined:
        self._sql("SET LOCAL synchronous_commit = off")  # a chunk that gets lost is refined again
        statistics.roughly(self.tx)
        self._sql("SET LOCAL cursor_tuple_fraction = 1")  # streamed results are read to their end
        self.touched = int(self._sql("SELECT nextval('core.change_seq')").scalar_one())
        apart = merges.taken_apart(self.tx, self.name, self.after, self.upto, self.now, self.cluster, self.own_id)
        self._load_batch()
        apart |= self._match_by_likeness()
        merged_ids, assigned = self._clusters()
        self._write_crosswalk(assigned)
        self.done.made += self._insert_alone()
        affected = {i for i, _ in assigned.values()} | merged_ids | apart
        known = self._sql("SELECT DISTINCT entity_id FROM pg_temp.batch WHERE entity_id IS NOT NULL")
        affected |= set(known.scalars())
        if affected:
            self._rederive(sorted(affected))
        self._sql("DROP TABLE pg_temp.batch")
        return self.done

    def _sql(self, text: str, **params: Any) -> sa.CursorResult[Any]:
        return self.tx.execute(sa.text(text), params)

    def _load_batch(self) -> None:
        """The changed source rows with the entity they belong to so far."""
        self._sql("DROP TABLE IF EXISTS pg_temp.batch")
        external = self.external or "NULL::text"
        seen = progress.upto(self.tx, f"refined:{self.name}", "")
        columns = (
            f"s.connection, s.stream, s.remote_id, s.arrived, {', '.join(f's.{k}' for k in MATCH_KEYS)}, "
            f"{external} AS external_id, {_sql_id(self.name)} AS own_id"
        )
        rows = f"core.{self.name}_source s"
        of_batch = "s.touched > :after AND s.touched <= :upto"
        pushed = (
            "(s.connection, s.stream) IN "
            "(SELECT connection, stream FROM core.crosswalk WHERE matched_by = 'pushed')"
        )
        self.done.rows = self._sql(
            f"CREATE TEMP TABLE batch ON COMMIT DROP AS SELECT {columns}, x.entity_id, "
            f"coalesce(x.matched_by IN {merges.COPIES}, false) AS copy "
            f"FROM {rows} LEFT JOIN core.crosswalk x ON x.entity = '{self.name}' "
            "AND x.connection = s.connection AND x.remote_id = s.remote_id AND x.stream = s.stream "
            f"WHERE {of_batch} AND (s.arrived <= :seen OR {pushed}) "
            f"UNION ALL SELECT {columns}, NULL, false FROM {rows} "
            f"WHERE {of_batch} AND s.arrived > :seen AND NOT {pushed}",
            after=self.after, upto=self.upto, seen=seen,
        ).rowcount  # fmt: skip
        newest = self._sql("SELECT max(arrived) FROM pg_temp.batch").scalar_one()
        if newest is not None and newest > seen:
            progress.keep(self.tx, f"refined:{self.name}", newest, "")
        asked = ("arrived", "entity_id", "external_id", *MATCH_KEYS)
        self._sql(f"ANALYZE pg_temp.batch ({bulk.quoted(asked)})")

    def _match_by_likeness(self) -> set[str]:
        """Find the links of the batch; entities that only withdrawn ones held together are parted, and returned."""
        if self.like is None:
            return set()
        self.alike, withdrawn = self.like(self.tx, self.now)
        if not withdrawn:
            return set()
        parted = merges.unlinked(self.tx, self.name, withdrawn, self.now, self.cluster, self.own_id)
        if parted:
            self._sql(
                "UPDATE pg_temp.batch b SET entity_id = x.entity_id FROM core.crosswalk x "
                f"WHERE x.entity = '{self.name}' AND x.connection = b.connection AND x.stream = b.stream "
                "AND x.remote_id = b.remote_id AND x.entity_id <> b.entity_id"
            )
        return parted

    def _clusters(self) -> tuple[set[str], dict[int, tuple[str, str]]]:
        """Entities that were found to be one, and for each row that is not alone its entity and why."""
        why: dict[int, str] = {}
        edges: list[tuple[int, int]] = []
        groups = self._sharing()
        known = self._known({n for rows in groups for n in rows})
        for rows in groups:  # a copy belongs to the entity that it is one of, whatever we wrote into it since
            own = [n for n in rows if not known[n].copy]
            if len(own) > 1:
                edges += [(own[0], other) for other in own[1:]]
                why.update(dict.fromkeys(own, "exact_key"))
        if self.external:
            linked = self._sql(
                "SELECT b.arrived, coalesce(w.arrived, g.arrived) AS root "
                "FROM (SELECT * FROM pg_temp.batch WHERE external_id IS NOT NULL) b CROSS JOIN LATERAL "
                f'(SELECT id, arrived, merged_into FROM core."{self.name}" WHERE id = b.external_id OFFSET 0) g '
                f'LEFT JOIN core."{self.name}" w ON w.id = g.merged_into '
                "WHERE b.entity_id IS DISTINCT FROM coalesce(w.id, g.id) "
                f"AND NOT {merges.parted(self.name, 'b.entity_id', 'coalesce(w.id, g.id)')}"
            )
            for link in linked.mappings():
                edges.append((link["root"], link["arrived"]))
                why[link["arrived"]] = "external_id"
        merged = merges.edges(self.tx, self.name)
        for edge in merged:
            edges.append((edge.gone, edge.left))
            why.update({n: merges.MERGED for n in (edge.gone, edge.left) if n not in why})
        for a, b in self.alike:
            edges.append((a, b))
            why.setdefault(a, "likeness")
            why.setdefault(b, "likeness")
        if not edges:
            return set(), {}
        return self._assign(edges, why, merged, known)

    def _sharing(self) -> list[list[int]]:
        """Arrival numbers of the rows that share a key with a row of the batch, key by key."""
        groups: list[list[int]] = []
        for key in MATCH_KEYS:
            groups += self._sql(
                f"SELECT array_agg(s.arrived ORDER BY s.arrived) FROM (SELECT DISTINCT {key} FROM pg_temp.batch "
                f"WHERE {key} IS NOT NULL AND NOT copy) b JOIN core.{self.name}_source s USING ({key}) "
                f"GROUP BY {key} HAVING count(*) > 1"
            ).scalars()  # fmt: skip
        return groups

    def _assign(
        self, edges: list[tuple[int, int]], why: dict[int, str], merged: Sequence[merges.Edge],
        known: Mapping[int, sa.Row[Any]],
    ) -> tuple[set[str], dict[int, tuple[str, str]]]:  # fmt: skip
        nodes = {n for edge in edges for n in edge}
        have = {n: known[n] for n in nodes & known.keys()} | self._known(nodes - known.keys())
        before = [
            (row.root, row.arrived)
            for row in have.values()
            if row.entity_id is not None and row.root is not None and row.root != row.arrived
        ]
        roots = self.cluster(before + edges, kept_apart(self.tx, self.name))
        have |= self._known(set(roots.values()) - have.keys())
        losers: dict[str, tuple[str, str]] = {}
        assigned: dict[int, tuple[str, str]] = {}
        winners = self._winners(roots, have)
        for arrived, root in roots.items():
            winner = winners[root]
            found = have.get(arrived)
            if found is None:
                continue
            if found.entity_id is None:
                assigned[arrived] = (winner, "new" if arrived == root else why.get(arrived, "exact_key"))
            elif found.entity_id != winner:
                losers[found.entity_id] = (winner, why.get(arrived, "exact_key"))
        if losers:
            self._merge(losers, {have[n].entity_id for edge in merged for n in (edge.gone, edge.left) if n in have})
        return {winner for winner, _ in losers.values()}, assigned

    def _winners(self, roots: dict[int, int], have: dict[int, sa.Row[Any]]) -> dict[int, str]:
        """The entity of each cluster, by root: its oldest record's, unless another one of them is known elsewhere."""
        ids: dict[int, set[str]] = {}
        for arrived, root in roots.items():
            if arrived in have and have[arrived].entity_id is not None:
                ids.setdefault(root, set()).add(have[arrived].entity_id)
        several = {i for found in ids.values() if len(found) > 1 for i in found}
        standing = merges.standing(self.tx, self.name, several)
        winners = {}
        for root in set(roots.values()):
            row = have[root]
            oldest = row.entity_id or row.own_id
            found = sorted(ids.get(root, ()), key=lambda i: (-standing.get(i, 0), i != oldest, i))
            winners[root] = found[0] if found and standing.get(found[0]) else oldest
        return winners

    def _known(self, arrived: Collection[int]) -> dict[int, sa.Row[Any]]:
        """Source rows by arrival number: own id, entity, that one's oldest record, and whether we wrote it ourselves.

        Each is looked up by itself: while a load is under way no statistics tell the planner what a join would cost.
        """
        if not arrived:
            return {}
        self._sql("CREATE TEMP TABLE IF NOT EXISTS nodes (arrived bigint) ON COMMIT DROP")
        self._sql("TRUNCATE pg_temp.nodes")
        bulk.copy(self.tx, "pg_temp.nodes", ("arrived",), ((n,) for n in arrived))
        self._sql("ANALYZE pg_temp.nodes")
        rows = self._sql(
            f"SELECT s.arrived, {_sql_id(self.name)} AS own_id, x.entity_id, "
            f'(SELECT g.arrived FROM core."{self.name}" g WHERE g.id = x.entity_id) AS root, '
            f"coalesce(x.matched_by IN {merges.COPIES}, false) AS copy "
            f"FROM pg_temp.nodes n JOIN core.{self.name}_source s ON s.arrived = n.arrived "
            "LEFT JOIN LATERAL (SELECT x.entity_id, x.matched_by FROM core.crosswalk x "
            f"WHERE x.entity = '{self.name}' AND x.connection = s.connection "
            "AND x.remote_id = s.remote_id AND x.stream = s.stream OFFSET 0) x ON true"
        )
        return {r.arrived: r for r in rows}

    def _merge(self, losers: dict[str, tuple[str, str]], remote: set[str]) -> None:
        """The losers' records go over to the winners; the losing golden rows stay and point at them."""
        bulk.stage(self.tx, "losers", "core.crosswalk", ("entity", "entity_id", "matched_by"), ())
        self._sql("ALTER TABLE pg_temp.losers RENAME COLUMN entity TO loser")
        columns = ("loser", "entity_id", "matched_by")
        bulk.copy(self.tx, "pg_temp.losers", columns, ((loser, *into) for loser, into in losers.items()))
        merges.hand_over(self.tx, self.name, {i for i in remote if i in losers}, self.now)
        self._sql(
            f'UPDATE core."{self.name}" g SET merged_into = l.entity_id, touched = :touched FROM pg_temp.losers l '
            "WHERE g.id = l.loser",
            touched=self.touched,
        )
        self._sql(
            f'UPDATE core."{self.name}" g SET merged_into = l.entity_id '
            "FROM pg_temp.losers l WHERE g.merged_into = l.loser"
        )
        self._sql(
            "UPDATE pg_temp.batch b SET entity_id = l.entity_id FROM pg_temp.losers l WHERE b.entity_id = l.loser"
        )
        merges.follow(self.tx, self.name)
        conflicts.follow(self.tx, self.name, {loser: winner for loser, (winner, _) in losers.items()})
        self.done.merged += len(losers)

    def _write_crosswalk(self, assigned: dict[int, tuple[str, str]]) -> None:
        """Each fresh record gets its entity: the one that it shares a key with, else one of its own."""
        self._sql("CREATE TEMP TABLE assigned (arrived bigint PRIMARY KEY, entity_id text, why text) ON COMMIT DROP")
        bulk.copy(
            self.tx, "pg_temp.assigned", ("arrived", "entity_id", "why"), ((a, i, w) for a, (i, w) in assigned.items())
        )
        self._sql(
            "INSERT INTO core.crosswalk (entity, connection, remote_id, stream, entity_id, matched_by, score, since) "
            f"SELECT '{self.name}', b.connection, b.remote_id, b.stream, coalesce(a.entity_id, b.own_id), "
            "coalesce(a.why, 'new'), 1, :now FROM pg_temp.batch b LEFT JOIN pg_temp.assigned a USING (arrived) "
            "WHERE b.entity_id IS NULL",
            now=self.now,
        )

    def _insert_alone(self) -> int:
        """Golden rows of fresh records that share no key with another: the record itself."""
        fields = bulk.quoted(self.fields)
        made = self._sql(
            f'INSERT INTO core."{self.name}" '
            f"(id, {fields}, provenance, sources, arrived, touched, valid_from, deleted_at) "
            f"SELECT b.own_id, {', '.join(f's.{bulk.quoted([f])}' for f in self.fields)}, "
            "jsonb_build_object('*', b.connection || '/' || b.stream || '/' || b.remote_id), 1, s.arrived, :touched, "
            "coalesce(s.remote_time, :now), s.deleted_at "
            f"FROM pg_temp.batch b JOIN core.{self.name}_source s ON s.arrived = b.arrived "
            "LEFT JOIN pg_temp.assigned a ON a.arrived = b.arrived WHERE b.entity_id IS NULL AND a.arrived IS NULL",
            touched=self.touched, now=self.now,
        ).rowcount  # fmt: skip
        self._sql("DROP TABLE pg_temp.assigned")
        return made

    def _rederive(self, ids: list[str]) -> None:
        """Golden rows of these entities anew from all their records; what changed leaves its past behind."""
        columns = ("id", *self.fields, "provenance", "sources", "arrived", "touched", "valid_from", "deleted_at")
        bulk.stage(self.tx, "derived", f'core."{self.name}"', columns, ())
        records = self._records(ids)
        while some := list(islice(records, DERIVED_AT_ONCE)):
            bulk.copy(self.tx, "pg_temp.derived", columns, list(self._derived(dict(some))))  # read before COPY begins
        self._keep_last_values()
        fields = bulk.quoted(self.fields)
        differs = (
            f"({', '.join(f'g.{bulk.quoted([f])}' for f in self.fields)}) IS DISTINCT FROM "
            f"({', '.join(f'd.{bulk.quoted([f])}' for f in self.fields)})"
        )
        self._sql(
            f"INSERT INTO core.{self.name}_past (id, version, {fields}, provenance, valid_from, valid_to) "
            f"SELECT g.id, g.touched, {', '.join(f'g.{bulk.quoted([f])}' for f in self.fields)}, g.provenance, "
            "g.valid_from, greatest(d.valid_from, g.valid_from) "
            f"FROM core.\"{self.name}\" g JOIN pg_temp.derived d ON d.id = g.id WHERE {differs}"
        )
        self.done.changed += self._sql(
            f'UPDATE core."{self.name}" g SET '
            f"{', '.join(f'{bulk.quoted([f])} = d.{bulk.quoted([f])}' for f in self.fields)}, "
            "provenance = d.provenance, sources = d.sources, arrived = least(g.arrived, d.arrived), "
            "touched = d.touched, "
            f"valid_from = CASE WHEN {differs} THEN greatest(d.valid_from, g.valid_from) ELSE g.valid_from END, "
            "deleted_at = d.deleted_at FROM pg_temp.derived d WHERE d.id = g.id AND "
            f"({differs} OR g.provenance <> d.provenance OR g.sources <> d.sources "
            "OR g.deleted_at IS DISTINCT FROM d.deleted_at)"
        ).rowcount
        self.done.made += self._sql(
            f'INSERT INTO core."{self.name}" ({bulk.quoted(columns)}) '
            f"SELECT {bulk.quoted(columns)} FROM pg_temp.derived ON CONFLICT (id) DO NOTHING"
        ).rowcount
        self._sql("DROP TABLE pg_temp.derived")
        settled = {(id_, field) for id_, field, _ in self.settled}
        conflicts.keep(self.tx, self.name, ids, self.clashes, settled, self.now)
        if self.settled:
            field_times.settle(self.tx, self.name, [row for _, _, rows in self.settled for row in rows])

    def _keep_last_values(self) -> None:
        """A field that is never to be null keeps what it said, where every source has lost it."""
        for f in self.never_null:
            self._sql(
                f'UPDATE pg_temp.derived d SET "{f}" = g."{f}", provenance = d.provenance || '
                f"jsonb_build_object('{f}', coalesce(g.provenance ->> '{f}', g.provenance ->> '*')) "
                f'FROM core."{self.name}" g WHERE g.id = d.id AND d."{f}" IS NULL AND g."{f}" IS NOT NULL'
            )

    def _records(self, ids: list[str]) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
        """The source rows of each of these entities, entity by entity."""
        rows = self.tx.execute(
            sa.text(
                f"SELECT x.entity_id, s.connection, s.stream, s.remote_id, s.arrived, s.remote_time, s.deleted_at, "
                f"x.matched_by IN {merges.COPIES} AS copy, t.base_time, t.changed, "
                f"{', '.join(f's.{bulk.quoted([f])}' for f in self.fields)} FROM core.crosswalk x "
                f"CROSS JOIN LATERAL (SELECT * FROM core.{self.name}_source WHERE connection = x.connection "
                "AND stream = x.stream AND remote_id = x.remote_id OFFSET 0) s "
                "LEFT JOIN core.field_time t ON t.remote_id = s.remote_id AND t.connection = s.connection "
                "AND t.stream = s.stream AND t.entity = x.entity "
                f"WHERE x.entity = '{self.name}' AND x.entity_id = ANY(:ids) ORDER BY x.entity_id, s.arrived"
            ),
            {"ids": ids},
            execution_options={"stream_results": len(ids) > DERIVED_AT_ONCE},
        )
        for id_, group in groupby(rows, key=itemgetter(0)):
            yield id_, [tuple(row) for row in group]

    def _derived(self, records: Mapping[str, Sequence[tuple[Any, ...]]]) -> Iterator[tuple[Any, ...]]:
        decisions = conflicts.decided(self.tx, self.name, list(records))
        for id_, rows in records.items():
            group = [_member(row) for row in rows]
            copies = [row[7] for row in rows]  # what we wrote ourselves is a copy: it keeps nothing alive
            own = [m for m, copy in zip(group, copies, strict=True) if not copy] or group
            all_gone = all(m.deleted_at for m in own)
            live = group if all_gone else [m for m in group if m.deleted_at is None]
            last = [] if all_gone else [m for m in group if m.deleted_at and m.changed and m not in own]
            golden = self.survive(id_, [*live, *last], decisions.get(id_, {}))
            self.clashes += golden.clashes
            self.settled += [(id_, f, field_times.settled_rows([*live, *last], f)) for f in golden.settled]
            gone = max(m.deleted_at for m in own if m.deleted_at) if all_gone else None
            since = max((m.remote_time for m in group if m.remote_time), default=self.now)
            yield (
                id_, *golden.values, msgspec.json.encode(golden.provenance).decode(), len(live), group[0].arrived,
                self.touched, since, gone,
            )  # fmt: skip
