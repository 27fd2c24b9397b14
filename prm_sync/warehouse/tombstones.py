"""What is told to be gone: it waits until the read came to its end, and, if it is too much at once, for a person.

However a stream tells (a mark, a merge, an absence from a complete read, a mapping that no longer takes a record), it
stands here first, in the transaction of its page; so a crash loses none, and the brake sees all of one read together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import sqlalchemy as sa

from prm_sync.warehouse import bulk

How: TypeAlias = Literal["marked", "absent", "merged", "left_out"]
SKEW = timedelta(minutes=10)  #: how far a remote's clock may be behind ours before an undelete is taken for a late page
#: FROM: as `c`, the records that we made in a remote and that were never read
MADE_UNREAD = (
    "(SELECT x.* FROM core.crosswalk x WHERE x.matched_by = 'pushed' AND NOT EXISTS (SELECT FROM raw.record r "
    "WHERE r.connection = x.connection AND r.stream = x.stream AND r.remote_id = x.remote_id)) c"
)


@dataclass(frozen=True, slots=True)
class Told:
    """One record that is told to be gone; `entity` is not empty where only a mapping leaves it out."""

    remote_id: str
    how: How
    into_id: str | None
    entity: str


def is_late(time: datetime, known: datetime | None, deleted_at: datetime) -> bool:
    """Whether a version of a deleted record (changed at `time`) is from before its end, and so revives nothing."""
    return (known is not None and time <= known) or time <= deleted_at - SKEW


def there_are(tx: sa.Connection, connection: str, stream: str) -> bool:
    """Whether anything of the stream is told to be gone or merged: the usual no costs one look at an index."""
    return bool(
        tx.execute(
            sa.text("SELECT EXISTS (SELECT FROM raw.gone WHERE connection = :c AND stream = :s)"),
            {"c": connection, "s": stream},
        ).scalar_one()
    )


def tell(
    tx: sa.Connection, connection: str, stream: str, ids: Iterable[str], how: How, *,
    merged: Mapping[str, str] | None = None, told_at: datetime, run_id: str,
) -> int:  # fmt: skip
    """Note that these records are gone; `merged`: of these, what they were merged into. Returns how many wait now.

    Who is gone already, or never was here, is no news. But a merge is: of a record that is gone already, and of one
    that never was here too, for what was merged into it before is one now with what is left. A record that we made
    is here, though it was never read.
    """
    into = merged or {}
    rows = (
        (connection, stream, i, "", "merged" if i in into else how, into.get(i), "waiting", told_at, run_id)
        for i in dict.fromkeys(ids)
    )
    columns = ("connection", "stream", "remote_id", "entity", "how", "into_id", "state", "told_at", "run_id")
    bulk.stage(tx, "told", "raw.gone", columns, rows)
    here = (
        "EXISTS (SELECT FROM raw.record r WHERE r.connection = t.connection AND r.stream = t.stream "
        "AND r.remote_id = t.remote_id{also})"
    )
    made = (
        f"EXISTS (SELECT FROM {MADE_UNREAD} WHERE c.connection = t.connection AND c.stream = t.stream "
        "AND c.remote_id = t.remote_id)"
    )
    kept = f"INSERT INTO raw.gone AS g ({bulk.quoted(columns)}) SELECT {bulk.quoted(columns)} FROM pg_temp.told t "
    told = tx.exec_driver_sql(
        f"{kept} WHERE ({here.format(also=' AND (r.deleted_at IS NULL OR t.into_id IS NOT NULL)')} OR {made}) "
        "ON CONFLICT (remote_id, connection, stream, entity) DO UPDATE SET how = excluded.how, "
        "into_id = excluded.into_id, state = 'waiting', told_at = excluded.told_at, run_id = excluded.run_id "
        "WHERE g.state = 'back' OR (excluded.into_id IS DISTINCT FROM g.into_id AND excluded.into_id IS NOT NULL)"
    ).rowcount
    if not into:
        return told
    tx.exec_driver_sql("UPDATE pg_temp.told SET state = 'gone'")
    return told + tx.exec_driver_sql(
        "WITH RECURSIVE never AS ("
        f"{kept} WHERE t.into_id IS NOT NULL AND NOT ({here.format(also='')} OR {made}) "
        "ON CONFLICT (remote_id, connection, stream, entity) DO UPDATE SET into_id = excluded.into_id "
        "WHERE g.into_id IS DISTINCT FROM excluded.into_id RETURNING connection, stream, remote_id"
        "), before AS (SELECT * FROM never UNION SELECT m.connection, m.stream, m.remote_id FROM before b "
        "JOIN raw.gone m ON m.into_id = b.remote_id AND m.connection = b.connection AND m.stream = b.stream) "
        "UPDATE raw.gone g SET state = 'waiting' FROM before t WHERE g.connection = t.connection "
        "AND g.stream = t.stream AND g.remote_id = t.remote_id AND g.entity = '' AND g.state = 'gone' "
        f"AND {here.format(also='')}"
    ).rowcount


def leave_out(
    tx: sa.Connection, entity: str, connection: str, stream: str, ids: Iterable[str], told_at: datetime, run_id: str
) -> int:
    """Note that the mapping no longer takes these records for the entity; those it never did are no news."""
    return tx.execute(
        sa.text(
            "INSERT INTO raw.gone (connection, stream, remote_id, entity, how, state, told_at, run_id) "
            f"SELECT connection, stream, remote_id, :e, 'left_out', 'waiting', :at, :run FROM core.{entity}_source "
            "WHERE connection = :c AND stream = :s AND remote_id = ANY(:ids) AND deleted_at IS NULL "
            "ON CONFLICT DO NOTHING"
        ),
        {"e": entity, "c": connection, "s": stream, "ids": list(ids), "at": told_at, "run": run_id},
    ).rowcount


def forget(tx: sa.Connection, connection: str, stream: str, ids: Iterable[str], entity: str = "") -> None:
    """These records are there (again), or taken for the entity again: refine takes apart what a merge had joined."""
    params = {"ids": list(ids), "c": connection, "s": stream, "e": entity}
    where = "WHERE remote_id = ANY(:ids) AND connection = :c AND stream = :s AND entity = :e"
    tx.execute(sa.text(f"DELETE FROM raw.gone {where} AND state = 'waiting'"), params)
    tx.execute(sa.text(f"UPDATE raw.gone SET state = 'back' {where} AND state = 'gone'"), params)


def forget_absent(tx: sa.Connection, connection: str, stream: str) -> None:
    """Nobody is missing any more."""
    tx.execute(
        sa.text(
            "DELETE FROM raw.gone WHERE connection = :c AND stream = :s AND how = 'absent' AND state = 'waiting'"
        ),
        {"c": connection, "s": stream},
    )


def waiting(tx: sa.Connection, connection: str, stream: str) -> list[Told]:
    """What waits, of a stream."""
    rows = tx.execute(
        sa.text(
            "SELECT remote_id, how, into_id, entity FROM raw.gone "
            "WHERE connection = :c AND stream = :s AND state = 'waiting' ORDER BY remote_id, entity"
        ),
        {"c": connection, "s": stream},
    )
    return [Told(r.remote_id, r.how, r.into_id, r.entity) for r in rows]


def ours(tx: sa.Connection, connection: str, stream: str) -> set[str]:
    """Of what waits, the records whose last write was that we deleted them. Reads the stream's whole outbox."""
    rows = tx.execute(
        sa.text(
            "SELECT DISTINCT ON (o.remote_id) o.remote_id, o.op FROM ops.outbox o JOIN raw.gone g "
            "USING (connection, stream, remote_id) WHERE o.connection = :c AND o.stream = :s AND o.state = 'done' "
            "AND g.state = 'waiting' AND g.entity = '' ORDER BY o.remote_id, o.id DESC"
        ),
        {"c": connection, "s": stream},
    )
    return {r.remote_id for r in rows if r.op == "delete"}


def settled(tx: sa.Connection, connection: str, stream: str, entities: Iterable[str]) -> None:
    """What waited is marked as deleted: only merges are remembered, for whoever asks for the record that is left."""
    params = {"c": connection, "s": stream, "e": list(entities)}
    where = "WHERE connection = :c AND stream = :s AND state = 'waiting' AND entity = ANY(:e)"
    tx.execute(sa.text(f"DELETE FROM raw.gone {where} AND into_id IS NULL"), params)
    tx.execute(sa.text(f"UPDATE raw.gone SET state = 'gone' {where}"), params)


def living(tx: sa.Connection, connection: str, stream: str, entity: str) -> int:
    """Records of the stream that are there; with an entity: those that are taken for it."""
    table = f"core.{entity}_source" if entity else "raw.record"
    return int(
        tx.execute(
            sa.text(f"SELECT count(*) FROM {table} WHERE connection = :c AND stream = :s AND deleted_at IS NULL"),
            {"c": connection, "s": stream},
        ).scalar_one()
    )
