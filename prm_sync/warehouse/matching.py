"""Likeness while records are refined: block keys kept beside the rows, candidates found by them, links written down.

How a record's keys are made and how two are compared is asked of a `Judge`; here is only what the warehouse does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from prm_sync.canonical.model import Entity
from prm_sync.warehouse import bulk, statistics
from prm_sync.warehouse.tables import MATCH_KEYS

Edge = tuple[int, int]
#: The links of a chunk's records, and links that count no longer: what `golden` asks for before it looks for clusters.
Like = Callable[[sa.Connection, datetime], tuple[list[Edge], list[Edge]]]
Columns = Mapping[str, Sequence[Any]]
CANDIDATE_PAIRS = 200_000  #: pairs that are compared at a time


class Judge(Protocol):
    """What the identity rules say about records, given as columns."""

    @property
    def fields(self) -> Sequence[str]:
        """Canonical fields that it looks at."""

    @property
    def most_rows(self) -> int:
        """A key of more records names no candidates."""

    @property
    def merge(self) -> float:
        """From this probability on, two records are one."""

    def keys(self, columns: Columns) -> Iterable[tuple[int, int]]:
        """(number of the row, block key)."""

    def compare(self, columns: Columns, pairs: Sequence[tuple[int, int]]) -> Iterable[tuple[int, float, list[str]]]:
        """(number of the pair, probability, reasons) of those that are worth a merge or a review."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Matching of one entity's records by likeness."""

    entity: Entity
    judge: Judge

    def __call__(self, tx: sa.Connection, now: datetime) -> tuple[list[Edge], list[Edge]]:
        """Compare the records of pg_temp.batch with those that share a block key.

        Returns the pairs that are one, and those that were and are no more: what named them has become too common.
        """
        self._keep_keys(tx)
        withdrawn = self._withdraw(tx)
        self._find_candidates(tx)
        self._keep_links(tx, now)
        return self._links(tx), withdrawn

    def _links(self, tx: sa.Connection) -> list[Edge]:
        return [
            (a, b) for a, b in tx.execute(
                sa.text(
                    "SELECT r.a, r.b FROM core.match_review r WHERE r.entity = :entity "
                    "AND r.state IN ('merged', 'accepted') AND (r.a IN (SELECT arrived FROM pg_temp.batch) "
                    "OR r.b IN (SELECT arrived FROM pg_temp.batch)) ORDER BY r.score DESC NULLS FIRST, r.a, r.b"
                ),
                {"entity": self.entity.name},
            )
        ]  # fmt: skip

    def _keep_keys(self, tx: sa.Connection) -> None:
        """The block keys of the batch anew; a deleted record keeps none, and no copy that we made."""
        arrived, columns = self._columns(
            tx, "s.arrived IN (SELECT arrived FROM pg_temp.batch WHERE NOT copy) AND s.deleted_at IS NULL"
        )
        tx.execute(
            sa.text(
                "DELETE FROM core.match_key WHERE entity = :entity AND arrived IN (SELECT arrived FROM pg_temp.batch)"
            ),
            {"entity": self.entity.name},
        )
        name = self.entity.name
        found = [(key, name, arrived[row]) for row, key in self.judge.keys(columns)]
        bulk.stage(tx, "fresh_key", "core.match_key", ("key", "entity", "arrived"), found)
        tx.exec_driver_sql("INSERT INTO core.match_key SELECT key, entity, arrived FROM pg_temp.fresh_key")
        tx.exec_driver_sql("ANALYZE pg_temp.fresh_key")
        statistics.renew_inside(tx, "core.match_key", ("key", "entity", "arrived"))

    def _withdraw(self, tx: sa.Connection) -> list[Edge]:
        """Take back what only keys had named that too many records share by now: as if all had come at once.

        What a person decided stays. Returns the pairs that had been made one.
        """
        rows = "SELECT FROM core.match_key m WHERE m.key = {key} AND m.entity = :entity LIMIT {n}"
        common = f"(SELECT count(*) FROM ({rows}) t)"
        gone = tx.execute(
            sa.text(
                "WITH worn AS MATERIALIZED (SELECT f.key FROM (SELECT key, count(*) AS n FROM pg_temp.fresh_key "
                f"GROUP BY key) f, LATERAL (SELECT {common.format(key='f.key', n=':most + f.n + 1')} AS n) c "
                "WHERE c.n > :most AND c.n - f.n <= :most), "
                "doubtful AS (SELECT DISTINCT r.a, r.b FROM worn w "
                "JOIN core.match_key x ON x.key = w.key AND x.entity = :entity "
                "JOIN core.match_review r ON r.entity = :entity AND r.a = x.arrived "
                "JOIN core.match_key y ON y.key = w.key AND y.entity = :entity AND y.arrived = r.b "
                "WHERE r.state IN ('merged', 'open') AND r.score IS NOT NULL) "
                "DELETE FROM core.match_review r USING doubtful d WHERE r.entity = :entity AND r.a = d.a AND r.b = d.b "
                "AND NOT EXISTS (SELECT FROM core.match_key x JOIN core.match_key y ON y.key = x.key "
                "AND y.entity = x.entity AND y.arrived = d.b WHERE x.entity = :entity AND x.arrived = d.a "
                f"AND {common.format(key='x.key', n=':most + 1')} <= :most) RETURNING r.a, r.b, r.state"
            ),
            {"entity": self.entity.name, "most": self.judge.most_rows},
        ).all()
        return [(r.a, r.b) for r in gone if r.state == "merged"]

    def _find_candidates(self, tx: sa.Connection) -> None:
        """pg_temp.candidate: pairs that share a block key and no exact one, which makes them one anyway."""
        tx.exec_driver_sql("DROP TABLE IF EXISTS pg_temp.candidate")
        exact = " OR ".join(f"x.{k} = y.{k}" for k in MATCH_KEYS)
        source = f"core.{self.entity.name}_source"
        tx.execute(
            sa.text(
                "CREATE TEMP TABLE candidate ON COMMIT DROP AS "
                "SELECT a, b FROM (SELECT DISTINCT least(f.arrived, m.arrived) AS a, greatest(f.arrived, m.arrived) "
                "AS b FROM (SELECT k.key FROM (SELECT DISTINCT key FROM pg_temp.fresh_key) k, LATERAL "
                "(SELECT count(*) AS n FROM (SELECT FROM core.match_key m WHERE m.key = k.key AND m.entity = :entity "
                "LIMIT :most + 1) t) c WHERE c.n BETWEEN 2 AND :most) live JOIN pg_temp.fresh_key f USING (key) "
                "JOIN core.match_key m ON m.key = live.key AND m.entity = :entity AND m.arrived <> f.arrived) p "
                f"JOIN {source} x ON x.arrived = p.a JOIN {source} y ON y.arrived = p.b "
                f"WHERE ({exact}) IS NOT TRUE"
            ),
            {"entity": self.entity.name, "most": self.judge.most_rows},
        )

    def _keep_links(self, tx: sa.Connection, now: datetime) -> None:
        """What the judge makes of the candidates. Decisions stay; an open pair that is none any more goes."""
        name = self.entity.name
        arrived, columns = self._columns(
            tx, "s.arrived IN (SELECT a FROM pg_temp.candidate UNION SELECT b FROM pg_temp.candidate)"
        )
        row_of = {n: row for row, n in enumerate(arrived)}
        pairs = [(a, b) for a, b in tx.exec_driver_sql("SELECT a, b FROM pg_temp.candidate ORDER BY a, b")]
        found = []
        for begin in range(0, len(pairs), CANDIDATE_PAIRS):
            some = pairs[begin : begin + CANDIDATE_PAIRS]
            for n, score, reasons in self.judge.compare(columns, [(row_of[a], row_of[b]) for a, b in some]):
                found.append((name, *some[n], score, reasons, "merged" if score >= self.judge.merge else "open", now))
        bulk.stage(
            tx, "link", "core.match_review", ("entity", "a", "b", "score", "reasons", "state", "found_at"), found
        )
        tx.execute(
            sa.text(
                "DELETE FROM core.match_review r WHERE r.entity = :entity AND r.state = 'open' "
                "AND (r.a IN (SELECT arrived FROM pg_temp.batch) OR r.b IN (SELECT arrived FROM pg_temp.batch)) "
                "AND NOT EXISTS (SELECT FROM pg_temp.link l WHERE l.a = r.a AND l.b = r.b)"
            ),
            {"entity": name},
        )
        record_a, record_b = (f"{t}.connection || '/' || {t}.stream || '/' || {t}.remote_id" for t in "xy")
        tx.exec_driver_sql(
            "INSERT INTO core.match_review AS r "
            "(entity, a, b, record_a, record_b, score, reasons, state, found_at) "
            f"SELECT l.entity, l.a, l.b, {record_a}, {record_b}, l.score, l.reasons, l.state, l.found_at "
            f"FROM pg_temp.link l JOIN core.{name}_source x ON x.arrived = l.a "
            f"JOIN core.{name}_source y ON y.arrived = l.b ON CONFLICT (entity, a, b) DO UPDATE SET "
            "score = excluded.score, reasons = excluded.reasons, "
            "state = CASE WHEN r.state = 'open' THEN excluded.state ELSE r.state END"
        )

    def _columns(self, tx: sa.Connection, where: str) -> tuple[list[int], Columns]:
        """Arrival numbers, and the judge's fields, of source rows in the order in which they arrived."""
        fields = self.judge.fields
        found = tx.exec_driver_sql(
            f"SELECT s.arrived, {', '.join(f's.{bulk.quoted([f])}' for f in fields)} "
            f"FROM core.{self.entity.name}_source s WHERE {where} ORDER BY s.arrived"
        ).all()
        return [r[0] for r in found], {f: [r[n] for r in found] for n, f in enumerate(fields, 1)}


def kept_apart(tx: sa.Connection, entity: str) -> list[Edge]:
    """Pairs that a person said are two, each record by the oldest one of its entity (or itself, without one)."""
    side = (
        "LEFT JOIN core.{e}_source s{n} ON s{n}.arrived = r.{n} LEFT JOIN core.crosswalk x{n} ON x{n}.entity = :entity "
        "AND x{n}.connection = s{n}.connection AND x{n}.remote_id = s{n}.remote_id AND x{n}.stream = s{n}.stream "
        'LEFT JOIN core."{e}" g{n} ON g{n}.id = x{n}.entity_id '
    )
    joins = "".join(side.format(e=entity, n=n) for n in "ab")
    found = tx.execute(
        sa.text(
            "SELECT coalesce(ga.arrived, r.a), coalesce(gb.arrived, r.b) FROM core.match_review r "
            f"{joins} WHERE r.entity = :entity AND r.state = 'rejected'"
        ),
        {"entity": entity},
    )
    return [(a, b) for a, b in found if a != b]


def judged(tx: sa.Connection, entity: str, arrived: Sequence[int]) -> tuple[list[Edge], list[Edge]]:
    """Of these records, by arrival number: pairs that were found to be one, and those that a person said are two."""
    found = tx.execute(
        sa.text(
            "SELECT a, b, state FROM core.match_review WHERE entity = :e AND a = ANY(:n) AND b = ANY(:n) "
            "AND state IN ('merged', 'accepted', 'rejected')"
        ),
        {"e": entity, "n": list(arrived)},
    ).all()
    return [(r.a, r.b) for r in found if r.state != "rejected"], [(r.a, r.b) for r in found if r.state == "rejected"]
