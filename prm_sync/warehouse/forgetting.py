"""Forgetting a person: finding all that is known of them, removing it, and knowing that they must not come back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from prm_sync.canonical.model import Entity, Kind, Pii
from prm_sync.warehouse import bulk, source
from prm_sync.warehouse.offers import LOCK
from prm_sync.warehouse.tables import Tables

PERSONS = ("lead", "contact", "partner_user")  #: entities that are a person; of others, a person is only a part
_KEY = {"connection", "stream", "remote_id"}
_EVIDENCE = {"ops.share_log", "ops.run"}  #: ids, names of fields and counts: no values


@dataclass(frozen=True, slots=True)
class Found:
    """The person in the warehouse: entities, their remote records, and every address they had."""

    entities: frozenset[tuple[str, str]]  #: (entity, id): the person, and what is known to be their words
    records: frozenset[tuple[str, str, str]]  #: (connection, stream, remote id)
    addresses: frozenset[str]
    mentions: int  #: records that are no person and name the address

    @property
    def persons(self) -> int:
        """How many entities the person was."""
        return sum(name in PERSONS for name, _ in self.entities)


def addresses_of(entity: Entity) -> list[str]:
    """The fields that hold a person's e-mail address."""
    return [f.name for f in entity.fields if f.kind is Kind.EMAIL and f.pii in (Pii.PERSONAL, Pii.SENSITIVE)]


def find(tx: sa.Connection, entities: Mapping[str, Entity], address: str) -> Found:
    """Everything of the person who has, or had, this address."""
    ids: set[tuple[str, str]] = set()
    mentions = 0
    for name, entity in entities.items():
        for field in addresses_of(entity):
            if name not in PERSONS:
                query = f'SELECT count(*) FROM core.{name}_source WHERE "{field}" = :a AND deleted_at IS NULL'
                mentions += int(tx.execute(sa.text(query), {"a": address}).scalar_one())
                continue
            query = (
                f'SELECT coalesce(merged_into, id) FROM core."{name}" WHERE "{field}" = :a '
                f'UNION SELECT id FROM core.{name}_past WHERE "{field}" = :a '
                f"UNION SELECT x.entity_id FROM core.{name}_source s JOIN core.crosswalk x "
                "USING (connection, stream, remote_id) "
                f"WHERE x.entity = '{name}' AND s.\"{field}\" = :a"
            )
            ids |= {(name, r[0]) for r in tx.execute(sa.text(query), {"a": address})}
    ids |= _words_of(tx, entities, _records(tx, ids))
    records, addresses = _records(tx, ids), {address}
    for name in {name for name, _ in ids if name in PERSONS}:
        for field in addresses_of(entities[name]):
            mine = tx.execute(
                sa.text(
                    f'SELECT DISTINCT s."{field}" FROM core.{name}_source s JOIN core.crosswalk x '
                    f"USING (connection, stream, remote_id) WHERE x.entity = '{name}' AND x.entity_id = ANY(:ids) "
                    f'AND s."{field}" IS NOT NULL'
                ),
                {"ids": [i for n, i in ids if n == name]},
            )
            addresses |= {r[0] for r in mine}
    return Found(frozenset(ids), frozenset(records), frozenset(addresses), mentions)


def _words_of(
    tx: sa.Connection, entities: Mapping[str, Entity], records: Collection[tuple[str, str, str]]
) -> set[tuple[str, str]]:
    """What refers to these records of a person and has personal fields: their cases, calls, what they said."""
    references = [f"{connection}:{remote_id}" for connection, _, remote_id in records]
    found: set[tuple[str, str]] = set()
    for name, entity in entities.items():
        personal = any(f.pii in (Pii.PERSONAL, Pii.SENSITIVE) for f in entity.fields)
        who = [f.name for f in entity.fields if f.kind is Kind.REFERENCE and f.entity in PERSONS]
        if name in PERSONS or not personal or not references:
            continue
        for field in who:
            query = f'SELECT coalesce(merged_into, id) FROM core."{name}" WHERE "{field}" = ANY(:references)'
            found |= {(name, r[0]) for r in tx.execute(sa.text(query), {"references": references})}
    return found


def _records(tx: sa.Connection, ids: Collection[tuple[str, str]]) -> set[tuple[str, str, str]]:
    rows = tx.execute(
        sa.text(
            "SELECT x.connection, x.stream, x.remote_id FROM core.crosswalk x JOIN unnest(cast(:kinds AS text[]), "
            "cast(:ids AS text[])) AS i(entity, id) ON i.entity = x.entity AND i.id = x.entity_id"
        ),
        {"kinds": [k for k, _ in ids], "ids": [i for _, i in ids]},
    )
    return {(r[0], r[1], r[2]) for r in rows}


def remember(tx: sa.Connection, hashes: Sequence[tuple[str, str]], now: datetime, run_id: str) -> None:
    """Keep the (hash, kind) by which the person is known again."""
    tx.execute(
        sa.text(
            "INSERT INTO ops.forgotten (hash, kind, at, run_id) VALUES (:hash, :kind, :at, :run) ON CONFLICT DO NOTHING"
        ),
        [{"hash": h, "kind": kind, "at": now, "run": run_id} for h, kind in hashes],
    )


def anybody(db: sa.Engine) -> bool:
    """Whether somebody was forgotten here."""
    with db.begin() as tx:
        return bool(tx.exec_driver_sql("SELECT EXISTS (SELECT FROM ops.forgotten)").scalar_one())


def known(db: sa.Engine, hashes: Collection[str]) -> frozenset[str]:
    """Those of the hashes that are of somebody who was forgotten."""
    with db.begin() as tx:
        rows = tx.execute(sa.text("SELECT hash FROM ops.forgotten WHERE hash = ANY(:h)"), {"h": list(hashes)})
        return frozenset(r[0] for r in rows)


def erase(tx: sa.Connection, tables: Tables, found: Found) -> dict[str, int]:
    """Remove it from every table; returns the rows that went, by table. Offers that run are withdrawn."""
    ids = sorted({i for _, i in found.entities})
    bulk.stage(tx, "forgotten_records", "core.crosswalk", ("connection", "stream", "remote_id"), found.records)
    _rederive_others(tx, ids)
    went: dict[str, int] = {}
    for name in {name for name, _ in found.entities}:
        _erase_matching(tx, name)
        kept = f'DELETE FROM core."{name}" WHERE id = ANY(:ids) OR merged_into = ANY(:ids)'
        went[f"core.{name}"] = tx.execute(sa.text(kept), {"ids": ids}).rowcount
        past = tx.execute(sa.text(f"DELETE FROM core.{name}_past WHERE id = ANY(:ids)"), {"ids": ids})
        went[f"core.{name}_past"] = past.rowcount
    tx.execute(
        sa.text(
            "UPDATE raw.cursor c SET records = greatest(0, c.records - n.n) FROM (SELECT r.connection, r.stream, "
            "count(*) AS n FROM raw.record r JOIN pg_temp.forgotten_records USING (connection, stream, remote_id) "
            "GROUP BY 1, 2) n WHERE n.connection = c.connection AND n.stream = c.stream"
        )
    )
    tx.execute(
        sa.text(
            "WITH old AS (UPDATE ops.plan SET state = 'superseded' WHERE state IN ('shown', 'held') AND id IN "
            "(SELECT plan_id FROM ops.plan_change WHERE entity_id = ANY(:ids)) RETURNING id) "
            "DELETE FROM ops.plan_change WHERE plan_id IN (SELECT id FROM old)"
        ),
        {"ids": ids},
    )
    for name, table in tables.metadata.tables.items():
        columns = set(table.columns.keys())
        if name in _EVIDENCE:
            continue
        if columns >= _KEY:
            query = (
                f"DELETE FROM {name} t USING pg_temp.forgotten_records f WHERE t.connection = f.connection "
                "AND t.stream = f.stream AND t.remote_id = f.remote_id"
            )
            went[name] = went.get(name, 0) + tx.execute(sa.text(query)).rowcount
        if "entity_id" in columns:
            query = f"DELETE FROM {name} WHERE entity_id = ANY(:ids)"
            went[name] = went.get(name, 0) + tx.execute(sa.text(query), {"ids": ids}).rowcount
    went["ledger.lead_offer (withdrawn)"] = _withdraw(tx, ids)
    return {name: n for name, n in went.items() if n}


def _rederive_others(tx: sa.Connection, ids: Sequence[str]) -> None:
    """What is made of the same records besides the person: it is derived anew of the records that are left."""
    rows = tx.execute(
        sa.text(
            "SELECT DISTINCT x.entity, x.entity_id, EXISTS (SELECT FROM core.crosswalk y WHERE y.entity = x.entity "
            "AND y.entity_id = x.entity_id AND NOT EXISTS (SELECT FROM pg_temp.forgotten_records f "
            "WHERE f.connection = y.connection AND f.stream = y.stream AND f.remote_id = y.remote_id)) AS lives "
            "FROM core.crosswalk x JOIN pg_temp.forgotten_records USING (connection, stream, remote_id) "
            "WHERE NOT x.entity_id = ANY(:ids)"
        ),
        {"ids": list(ids)},
    ).all()
    for r in rows:
        if r.lives:
            tx.execute(
                sa.text(
                    f"UPDATE core.{r.entity}_source s SET touched = :touched FROM core.crosswalk x "
                    "WHERE x.entity = :e AND x.entity_id = :id AND x.connection = s.connection "
                    "AND x.stream = s.stream AND x.remote_id = s.remote_id"
                ),
                {"touched": source.change_number(tx, r.entity), "e": r.entity, "id": r.entity_id},
            )
        else:
            tx.execute(sa.text(f'DELETE FROM core."{r.entity}" WHERE id = :id'), {"id": r.entity_id})
            tx.execute(sa.text(f"DELETE FROM core.{r.entity}_past WHERE id = :id"), {"id": r.entity_id})


def _erase_matching(tx: sa.Connection, entity: str) -> None:
    arrived = (
        f"(SELECT s.arrived FROM core.{entity}_source s "
        "JOIN pg_temp.forgotten_records USING (connection, stream, remote_id))"
    )
    tx.execute(sa.text(f"DELETE FROM core.match_key WHERE entity = :e AND arrived IN {arrived}"), {"e": entity})
    tx.execute(
        sa.text(f"DELETE FROM core.match_review WHERE entity = :e AND (a IN {arrived} OR b IN {arrived})"),
        {"e": entity},
    )


def _withdraw(tx: sa.Connection, lead_ids: Sequence[str]) -> int:
    touched = source.change_number(tx, LOCK)
    tx.execute(
        sa.text(
            "UPDATE ledger.offer_event SET note = NULL WHERE offer_id IN "
            "(SELECT id FROM ledger.lead_offer WHERE lead_id = ANY(:ids))"
        ),
        {"ids": list(lead_ids)},
    )
    tx.execute(
        sa.text("UPDATE ledger.lead_offer SET decline_reason = NULL WHERE lead_id = ANY(:ids)"), {"ids": list(lead_ids)}
    )
    return tx.execute(
        sa.text(
            "UPDATE ledger.lead_offer SET state = 'withdrawn', touched = :touched "
            "WHERE lead_id = ANY(:ids) AND state IN ('pending', 'accepted')"
        ),
        {"touched": touched, "ids": list(lead_ids)},
    ).rowcount
