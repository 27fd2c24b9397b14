"""Entities that became one: which of them is left, what follows it, and taking them apart when a record comes back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import sqlalchemy as sa

from prm_sync.warehouse.db import lock
from prm_sync.warehouse.matching import judged
from prm_sync.warehouse.tables import MATCH_KEYS

MERGED = "merged"  #: `crosswalk.matched_by` of records that are one since their remote merged them
LIKENESS = "likeness"  #: and of those that are alike
COPIES = ("pushed", "external_id")  #: and of those that we wrote ourselves
Cluster: TypeAlias = Callable[[Iterable[tuple[int, int]], Iterable[tuple[int, int]]], dict[int, int]]
OwnId: TypeAlias = Callable[[str, str, str], str]  #: (connection, stream, remote id) -> id of an entity that begins so
LEDGERS = (("ledger.lead_offer", "lead_offer"), ("ledger.case_assignment", "case_assignment"))  #: offers, their lock
_OFFERS = {"lead": "ledger.lead_offer", "case": "ledger.case_assignment"}


@dataclass(frozen=True, slots=True)
class Edge:
    """Two records of a stream that the remote made one, by their arrival numbers."""

    gone: int
    left: int


def edges(tx: sa.Connection, entity: str) -> list[Edge]:
    """The merges that a record of pg_temp.batch is part of. Which came first, the loser or the merge, is no matter."""
    if not tx.exec_driver_sql("SELECT EXISTS (SELECT FROM raw.gone WHERE into_id IS NOT NULL)").scalar_one():
        return []
    same = "{0}.connection = m.connection AND {0}.stream = m.stream AND {0}.remote_id = m.{1}"
    rows = tx.exec_driver_sql(
        f"{_ways('pg_temp.batch')} SELECT o.arrived AS gone, s.arrived AS left_ FROM way m "
        f"JOIN core.{entity}_source o ON {same.format('o', 'remote_id')} AND o.deleted_at IS NOT NULL "
        f"JOIN core.{entity}_source s ON {same.format('s', 'into_id')} ORDER BY o.arrived"
    )
    return [Edge(r.gone, r.left_) for r in rows]


def _ways(records: str) -> str:
    """SQL: `way`, what each record that is merged with one of `records` has become, over one step or several.

    A step may lead over a record that never was here: it was merged away before it was read.
    """
    merged = "m.state = 'gone' AND m.into_id IS NOT NULL AND m.entity = ''"
    at = "m.connection = {0}.connection AND m.stream = {0}.stream AND m.{1} = {0}.{2}"
    return (
        "WITH RECURSIVE node AS ("
        f"SELECT m.connection, m.stream, m.remote_id FROM {records} b "
        f"JOIN raw.gone m ON {at.format('b', 'remote_id', 'remote_id')} AND {merged} "
        f"UNION SELECT m.connection, m.stream, m.into_id FROM {records} b "
        f"JOIN raw.gone m ON {at.format('b', 'into_id', 'remote_id')} AND {merged} "
        "UNION SELECT n.connection, n.stream, e.other FROM node n CROSS JOIN LATERAL ("
        f"SELECT m.into_id AS other FROM raw.gone m WHERE {at.format('n', 'remote_id', 'remote_id')} AND {merged} "
        "UNION ALL "
        f"SELECT m.remote_id FROM raw.gone m WHERE {at.format('n', 'into_id', 'remote_id')} AND {merged}) e"
        "), way AS ("
        "SELECT m.connection, m.stream, m.remote_id, m.into_id FROM node n "
        f"JOIN raw.gone m ON {at.format('n', 'remote_id', 'remote_id')} AND {merged} "
        "UNION SELECT w.connection, w.stream, w.remote_id, m.into_id FROM way w "
        f"JOIN raw.gone m ON {at.format('w', 'remote_id', 'into_id')} AND {merged})"
    )


def standing(tx: sa.Connection, entity: str, ids: Collection[str]) -> dict[str, int]:
    """How much already hangs on each of these entities: 2 an offer that was accepted, 1 one that waits.

    Of entities that are found to be one, the one that is known elsewhere stays, so that nothing is made there anew.
    """
    offers = _OFFERS.get(entity)
    if offers is None or not ids:
        return {}
    rows = tx.execute(
        sa.text(
            f"SELECT {entity}_id, max(CASE state WHEN 'accepted' THEN 2 ELSE 1 END) FROM {offers} "
            f"WHERE {entity}_id = ANY(:ids) AND state IN ('pending', 'accepted') GROUP BY 1"
        ),
        {"ids": sorted(ids)},
    )
    return {r[0]: r[1] for r in rows}


def hand_over(tx: sa.Connection, entity: str, remote: Collection[str], now: datetime) -> None:
    """Losers' records go over to their winners (pg_temp.losers: loser, entity_id, matched_by); which ones is noted.

    `remote`: losers that are one with their winner since a remote merged records, and for no reason of our own.
    """
    tx.execute(
        sa.text(
            "WITH moved AS (UPDATE core.crosswalk x SET entity_id = l.entity_id, since = :now, "
            f"matched_by = CASE WHEN x.matched_by IN {COPIES} THEN x.matched_by ELSE l.matched_by END "
            "FROM pg_temp.losers l WHERE x.entity = :e AND x.entity_id = l.loser "
            "RETURNING l.loser, x.connection, x.stream, x.remote_id), "
            "of AS (SELECT loser, array_agg(connection || '/' || stream || '/' || remote_id ORDER BY remote_id) "
            "AS records FROM moved GROUP BY loser) "
            "INSERT INTO core.entity_merge (entity, loser_id, winner_id, why, at, moved) "
            "SELECT :e, l.loser, l.entity_id, CASE WHEN l.loser = ANY(:remote) THEN 'merged' "
            "WHEN l.matched_by = 'likeness' THEN l.matched_by ELSE 'exact_key' END, "
            ":now, coalesce(of.records, '{}') FROM pg_temp.losers l LEFT JOIN of USING (loser)"
        ),
        {"e": entity, "now": now, "remote": sorted(remote)},
    )


def follow(tx: sa.Connection, entity: str) -> None:
    """What else names the losers (pg_temp.losers) by their ids and is to name the winner: a partner's offers."""
    if entity != "partner":
        return
    for offers, name in LEDGERS:
        lock(tx, f"change:{name}")
        tx.exec_driver_sql(
            f"UPDATE {offers} o SET partner_id = l.entity_id, touched = nextval('core.change_seq') "
            "FROM pg_temp.losers l WHERE o.partner_id = l.loser"
        )


def taken_apart(
    tx: sa.Connection, entity: str, after: int, upto: int, now: datetime, cluster: Cluster, own_id: OwnId
) -> set[str]:
    """Part the entities of merged records that came back with a change number in (after, upto]; those concerned.

    What is one for another reason stays one: an equal key, likeness, another merge, one that was found before. A record
    that is merged again may have come back in between, without our knowing.
    """
    if not tx.exec_driver_sql("SELECT EXISTS (SELECT FROM core.entity_merge WHERE why = 'merged')").scalar_one():
        return set()
    whole = tx.execute(
        sa.text(
            "SELECT DISTINCT x.entity_id FROM raw.gone m "
            f"JOIN core.{entity}_source s USING (connection, stream, remote_id) "
            "JOIN core.crosswalk x USING (connection, stream, remote_id) WHERE x.entity = :e "
            "AND s.touched > :after AND s.touched <= :upto AND m.entity = '' "
            "AND ((m.state = 'back' AND s.deleted_at IS NULL) OR (m.state = 'gone' AND EXISTS ("
            f'SELECT FROM core.entity_merge p JOIN core."{entity}" w ON w.id = p.winner_id WHERE p.entity = :e '
            "AND p.why = 'merged' AND p.undone_at IS NULL AND coalesce(w.merged_into, w.id) = x.entity_id)))"
        ),
        {"e": entity, "after": after, "upto": upto},
    ).scalars()
    return _all_parted(tx, entity, whole.all(), now, cluster, own_id)


def unlinked(
    tx: sa.Connection, entity: str, links: Sequence[tuple[int, int]], now: datetime, cluster: Cluster, own_id: OwnId
) -> set[str]:
    """Part the entities that only these links between records (by arrival number) made one; those concerned."""
    whole = tx.execute(
        sa.text(
            f"SELECT DISTINCT x.entity_id FROM core.{entity}_source s "
            "JOIN core.crosswalk x USING (connection, stream, remote_id) WHERE x.entity = :e AND s.arrived = ANY(:n)"
        ),
        {"e": entity, "n": sorted({n for link in links for n in link})},
    ).scalars()
    return _all_parted(tx, entity, whole.all(), now, cluster, own_id)


def _all_parted(
    tx: sa.Connection, entity: str, wholes: Iterable[str], now: datetime, cluster: Cluster, own_id: OwnId
) -> set[str]:
    affected: set[str] = set()
    for id_ in wholes:
        affected |= _parted(tx, entity, id_, now, cluster, own_id)
    if affected:
        _arrived_anew(tx, entity, affected)
    return affected


def parted(entity: str, a: str, b: str) -> str:
    """SQL: whether `a` and `b` were one and were taken apart. A record may still say that they are: we wrote so."""
    into = f'(m.winner_id, (SELECT w.merged_into FROM core."{entity}" w WHERE w.id = m.winner_id))'
    return (
        f"EXISTS (SELECT FROM core.entity_merge m WHERE m.entity = '{entity}' AND m.undone_at IS NOT NULL AND "
        f"((m.loser_id = {a} AND {b} IN {into}) OR (m.loser_id = {b} AND {a} IN {into})))"
    )


def _parted(
    tx: sa.Connection, entity: str, whole: str, now: datetime, cluster: Cluster, own_id: OwnId
) -> set[str]:
    """Give every part of an entity an id: the one it has, where that is of one of its records; else its oldest's."""
    members = tx.execute(
        sa.text(
            f"SELECT x.connection, x.stream, x.remote_id, x.matched_by, s.arrived, {', '.join(MATCH_KEYS)} "
            f"FROM core.crosswalk x LEFT JOIN core.{entity}_source s USING (connection, stream, remote_id) "
            "WHERE x.entity = :e AND x.entity_id = :id"
        ),
        {"e": entity, "id": whole},
    ).all()
    own = {_name(r): r for r in members if r.arrived is not None and r.matched_by not in COPIES}
    of_whole = "(SELECT connection, stream, remote_id FROM core.crosswalk WHERE entity = :e AND entity_id = :id)"
    ways = tx.execute(sa.text(f"{_ways(of_whole)} SELECT * FROM way"), {"e": entity, "id": whole}).all()
    merged = [(f"{w.connection}/{w.stream}/{w.remote_id}", f"{w.connection}/{w.stream}/{w.into_id}") for w in ways]
    past = tx.execute(
        sa.text(
            "SELECT loser_id, winner_id, why, moved FROM core.entity_merge WHERE entity = :e AND undone_at IS NULL "
            "AND moved && cast(:names AS text[]) ORDER BY id DESC"
        ),
        {"e": entity, "names": [_name(r) for r in members]},
    ).all()
    ids = {own_id(r.connection, r.stream, r.remote_id): name for name, r in own.items()}
    arrived = [r.arrived for r in own.values()]
    alike, apart = judged(tx, entity, arrived)
    roots = cluster([*((n, n) for n in arrived), *_links(own, merged, past, ids), *alike], apart)
    parts: dict[int, list[str]] = {}
    for name, r in own.items():
        parts.setdefault(roots[r.arrived], []).append(name)
    if len(parts) < 2:
        return set()
    named: dict[str, str] = {}
    for part in parts.values():
        of_part = {i: own[name].arrived for i, name in ids.items() if name in part}
        named |= dict.fromkeys(part, whole if whole in of_part else min(of_part, key=lambda i: of_part[i]))
    came_from = {name: p.loser_id for p in reversed(past) for name in p.moved}
    for r in members:  # a copy goes with the entity that it was made of
        if _name(r) not in named:
            at = came_from.get(_name(r), whole)
            named[_name(r)] = at if at in named.values() else whole if whole in named.values() else min(named.values())
    _name_parts(tx, entity, whole, named, now)
    lost = [{"id": i, "now_in": named[name]} for i, name in ids.items() if named[name] != i]
    if lost:
        text = f'UPDATE core."{entity}" SET merged_into = :now_in WHERE id = :id AND merged_into IS NOT NULL'
        tx.execute(sa.text(text), lost)
    return set(named.values())


def _links(
    own: Mapping[str, sa.Row[Any]], merged: Iterable[tuple[str, str]], past: Sequence[sa.Row[Any]],
    ids: Mapping[str, str],
) -> list[tuple[int, int]]:  # fmt: skip
    """Which of these records are one still, by arrival number."""
    links: list[tuple[int, int]] = []
    first: dict[tuple[int, int], int] = {}
    for r in own.values():
        for n, key in enumerate(MATCH_KEYS):
            if (value := getattr(r, key)) is not None:
                links.append((first.setdefault((n, value), r.arrived), r.arrived))
    links += [(own[left].arrived, own[gone].arrived) for gone, left in merged if gone in own and left in own]
    for p in (p for p in past if p.why not in (MERGED, LIKENESS)):
        joined = [own[name].arrived for name in (*p.moved, ids.get(p.winner_id, "")) if name in own]
        links += [(joined[0], n) for n in joined[1:]]
    return links


def _name_parts(tx: sa.Connection, entity: str, whole: str, named: Mapping[str, str], now: datetime) -> None:
    ids = sorted(set(named.values()))
    tx.execute(
        sa.text(
            "UPDATE core.crosswalk SET entity_id = :id, since = :now WHERE entity = :e AND entity_id = :whole "
            "AND connection || '/' || stream || '/' || remote_id = :name AND entity_id <> :id"
        ),
        [{"e": entity, "whole": whole, "id": id_, "name": name, "now": now} for name, id_ in named.items()],
    )
    params = {"e": entity, "ids": ids, "now": now}
    tx.execute(sa.text(f'UPDATE core."{entity}" SET merged_into = NULL WHERE id = ANY(:ids)'), params)
    tx.execute(
        sa.text(
            "UPDATE core.entity_merge SET undone_at = :now "
            "WHERE entity = :e AND loser_id = ANY(:ids) AND undone_at IS NULL"
        ),
        params,
    )


def _name(row: sa.Row[Any]) -> str:
    return f"{row.connection}/{row.stream}/{row.remote_id}"


def _arrived_anew(tx: sa.Connection, entity: str, ids: Iterable[str]) -> None:
    """A golden record's arrival number is that of its oldest record, of those that it still has."""
    tx.execute(
        sa.text(
            f'UPDATE core."{entity}" g SET arrived = o.arrived FROM (SELECT x.entity_id, min(s.arrived) AS arrived '
            f"FROM core.crosswalk x JOIN core.{entity}_source s ON s.connection = x.connection "
            "AND s.stream = x.stream AND s.remote_id = x.remote_id "
            "WHERE x.entity = :e AND x.entity_id = ANY(:ids) GROUP BY 1) o WHERE g.id = o.entity_id"
        ),
        {"e": entity, "ids": sorted(ids)},
    )
