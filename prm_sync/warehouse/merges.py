"""Entities that became one: which of them is left, what follows it, and taking them apart when a record comes back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from prm_sync.warehouse.db import lock

MERGED = "merged"  #: `crosswalk.matched_by` of records that are one since their remote merged them
LEDGER = "lead_offer"  #: the name under which the ledger's change numbers are given out


@dataclass(frozen=True, slots=True)
class Edge:
    """Two records of a stream that the remote made one, by their arrival numbers and remote ids."""

    gone: int
    left: int
    connection: str
    stream: str
    gone_id: str
    into_id: str


def edges(tx: sa.Connection, entity: str) -> list[Edge]:
    """The merges that a record of pg_temp.batch is part of. Which came first, the loser or the merge, is no matter."""
    if not tx.exec_driver_sql("SELECT EXISTS (SELECT FROM raw.gone WHERE into_id IS NOT NULL)").scalar_one():
        return []
    same = "{0}.connection = m.connection AND {0}.stream = m.stream AND {0}.remote_id = m.{1}"
    rows = tx.execute(
        sa.text(
            "SELECT o.arrived AS gone, s.arrived AS left_, m.connection, m.stream, m.remote_id, m.into_id FROM raw.gone m "
            f"JOIN core.{entity}_source o ON {same.format('o', 'remote_id')} AND o.deleted_at IS NOT NULL "
            f"JOIN core.{entity}_source s ON {same.format('s', 'into_id')} "
            "WHERE m.state = 'gone' AND m.into_id IS NOT NULL AND EXISTS (SELECT FROM pg_temp.batch b "
            f"WHERE ({same.format('b', 'remote_id')}) OR ({same.format('b', 'into_id')})) ORDER BY o.arrived"
        )
    )
    return [Edge(r.gone, r.left_, r.connection, r.stream, r.remote_id, r.into_id) for r in rows]


def standing(tx: sa.Connection, entity: str, ids: Collection[str]) -> dict[str, int]:
    """How much already hangs on each of these entities: 2 an offer that was accepted, 1 one that waits.

    Of entities that are found to be one, the one that is known elsewhere stays, so that nothing is made there anew.
    """
    if entity != "lead" or not ids:
        return {}
    rows = tx.execute(
        sa.text(
            "SELECT lead_id, max(CASE state WHEN 'accepted' THEN 2 ELSE 1 END) FROM ledger.lead_offer "
            "WHERE lead_id = ANY(:ids) AND state IN ('pending', 'accepted') GROUP BY 1"
        ),
        {"ids": sorted(ids)},
    )
    return {r[0]: r[1] for r in rows}


def keep(
    tx: sa.Connection, entity: str, losers: Mapping[str, str], causes: Mapping[str, Edge], now: datetime
) -> None:
    """Note which records go over with each loser. Before they do: `losers` are pg_temp.losers (loser, entity_id)."""
    tx.execute(
        sa.text(
            "INSERT INTO core.entity_merge (entity, loser_id, winner_id, at, moved) "
            "SELECT :e, l.loser, l.entity_id, :now, coalesce(array_agg(x.connection || '/' || x.stream || '/' || "
            "x.remote_id ORDER BY x.connection, x.stream, x.remote_id) FILTER (WHERE x.remote_id IS NOT NULL), '{}') "
            "FROM pg_temp.losers l LEFT JOIN core.crosswalk x ON x.entity = :e AND x.entity_id = l.loser GROUP BY 2, 3"
        ),
        {"e": entity, "now": now},
    )
    caused = [
        {"c": e.connection, "s": e.stream, "gone": e.gone_id, "into": e.into_id, "e": entity, "loser": loser, "now": now}
        for loser, e in causes.items() if loser in losers
    ]  # fmt: skip
    if caused:
        tx.execute(
            sa.text(
                "UPDATE core.entity_merge SET connection = :c, stream = :s, gone_id = :gone, into_id = :into "
                "WHERE entity = :e AND loser_id = :loser AND at = :now AND gone_id IS NULL"
            ),
            caused,
        )


def keep_joined(
    tx: sa.Connection, entity: str, joined: Iterable[tuple[str, str, str, Edge]], now: datetime
) -> None:
    """Note records that never had an entity of their own, since a merge gave them one: (record, own id, entity, why)."""
    rows = [
        {"e": entity, "loser": own, "winner": winner, "now": now, "moved": [record],
         "c": edge.connection, "s": edge.stream, "gone": edge.gone_id, "into": edge.into_id}
        for record, own, winner, edge in joined
    ]  # fmt: skip
    if rows:
        tx.execute(
            sa.text(
                "INSERT INTO core.entity_merge "
                "(entity, loser_id, winner_id, at, moved, connection, stream, gone_id, into_id) "
                "VALUES (:e, :loser, :winner, :now, :moved, :c, :s, :gone, :into)"
            ),
            rows,
        )


def follow(tx: sa.Connection, entity: str) -> None:
    """What else names the losers (pg_temp.losers) by their ids and is to name the winner: a partner's offers."""
    if entity != "partner":
        return
    lock(tx, f"change:{LEDGER}")
    tx.exec_driver_sql(
        "UPDATE ledger.lead_offer o SET partner_id = l.entity_id, touched = nextval('core.change_seq') "
        "FROM pg_temp.losers l WHERE o.partner_id = l.loser"
    )


def taken_apart(tx: sa.Connection, entity: str, after: int, upto: int, now: datetime) -> set[str]:
    """Undo the merges of records that came back with a change number in (after, upto]; the entities concerned.

    Each side gets its records and its id back. Whether the two are the same person for another reason, the same refine
    sees by their keys.
    """
    found = tx.execute(
        sa.text(
            "SELECT m.id, m.loser_id, m.winner_id, m.moved FROM core.entity_merge m "
            f"JOIN core.{entity}_source s "
            "ON s.connection = m.connection AND s.stream = m.stream AND s.remote_id = m.gone_id "
            "WHERE m.entity = :e AND m.undone_at IS NULL AND m.gone_id IS NOT NULL AND s.deleted_at IS NULL "
            "AND s.touched > :after AND s.touched <= :upto ORDER BY m.id DESC"
        ),
        {"e": entity, "after": after, "upto": upto},
    ).all()
    affected: set[str] = set()
    for m in found:
        affected |= _apart(tx, entity, m.loser_id, m.winner_id, m.moved)
        tx.execute(sa.text("UPDATE core.entity_merge SET undone_at = :now WHERE id = :id"), {"now": now, "id": m.id})
    if affected:
        _arrived_anew(tx, entity, affected)
    return affected


def _apart(tx: sa.Connection, entity: str, loser: str, winner: str, moved: Sequence[str]) -> set[str]:
    params = {"e": entity, "loser": loser, "winner": winner, "moved": list(moved)}
    held = tx.execute(
        sa.text(
            "UPDATE core.crosswalk x SET entity_id = :loser, matched_by = CASE WHEN matched_by IN ('pushed', 'external_id') "
            "THEN matched_by ELSE 'new' END FROM core.crosswalk b WHERE b.entity = x.entity "
            "AND b.connection = x.connection AND b.stream = x.stream AND b.remote_id = x.remote_id "
            "AND x.entity = :e AND x.connection || '/' || x.stream || '/' || x.remote_id = ANY(:moved) "
            "RETURNING b.entity_id"
        ),
        params,
    ).scalars()
    affected = {*held, loser, winner}
    tx.execute(sa.text(f'UPDATE core."{entity}" SET merged_into = NULL WHERE id = :loser'), params)
    return affected


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
