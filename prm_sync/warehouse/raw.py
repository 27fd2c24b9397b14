"""Records as received, and how far each stream was read. A page and its cursor become true in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import psycopg
import sqlalchemy as sa

from prm_sync.errors import FencedOff
from prm_sync.warehouse import bulk, records, tombstones
from prm_sync.warehouse.records import Encoded, Received

# By the index, whatever the planner believes; EXISTS (... seq > ...) reads the whole stream to find none.
_NEWEST_SEQ = "(SELECT max(seq) FROM raw.record WHERE connection = :c AND stream = :s)"


@dataclass(slots=True)
class StreamState:
    """One stream as a run holds it: its cursor, and the fence that the run took."""

    connection: str
    stream: str
    cursor: Mapping[str, Any] | None
    fence: int
    mapped_seq: int
    mapping_hash: str | None
    records: int
    behind: bool  #: some records of raw.record did not go through the mapping yet
    key: str
    modified: str | None
    only_new: bool  #: the stream was empty when the run took it: what comes is new, unless a read repeats itself
    full: bool = False  #: the read shows all there is: what it shows is there now
    gone: bool = False  #: there are rows of the stream in raw.gone


@dataclass(slots=True)
class Staged:
    """What of a page was news."""

    new: list[Received] = field(default_factory=list)
    changed: list[Received] = field(default_factory=list)
    unchanged: int = 0
    outlived: int = 0  #: records that were deleted since, by a page that knows nothing of it
    deleted: list[str] = field(default_factory=list)
    late: list[Received] = field(default_factory=list)  #: older than what we have: for the history alone


def take(
    db: sa.Engine, connection: str, stream: str, run_id: str, *, key: str | None = None, modified: str | None = None
) -> StreamState:
    """Take the stream for this run: raises its fence, so that an older run can write no more pages.

    `key` and `modified` are the stream's fields for the remote id and the time of change; None: as last pulled.
    """
    with db.begin() as tx:
        row = tx.execute(
            sa.text(
                "INSERT INTO raw.cursor AS c (connection, stream, fence, holder, key_field, modified_field) "
                "VALUES (:c, :s, 1, :run, :key, :modified) ON CONFLICT (connection, stream) DO UPDATE SET "
                "fence = c.fence + 1, holder = :run, key_field = coalesce(:key, c.key_field), "
                "modified_field = CASE WHEN cast(:key AS text) IS NULL THEN c.modified_field ELSE :modified END "
                "RETURNING cursor, fence, mapped_seq, mapping_hash, records, key_field, modified_field"
            ),
            {"c": connection, "s": stream, "run": run_id, "key": key, "modified": modified},
        ).one()
        behind = tx.execute(
            sa.text(f"SELECT coalesce({_NEWEST_SEQ} > :seq, false)"),
            {"c": connection, "s": stream, "seq": row.mapped_seq},
        ).scalar_one()
        gone = tombstones.there_are(tx, connection, stream)
    return StreamState(
        connection, stream, row.cursor, row.fence, row.mapped_seq, row.mapping_hash, row.records, behind,
        row.key_field or "", row.modified_field, not row.records, row.cursor is None, gone,
    )  # fmt: skip


def waits_for_mapping(db: sa.Engine, connection: str, stream: str, mapping_hash: str) -> bool:
    """Whether records have not gone through these mappings yet. Takes nothing from a run that reads the stream."""
    with db.begin() as tx:
        return bool(
            tx.execute(
                sa.text(
                    "SELECT c.records > 0 AND (c.mapping_hash IS DISTINCT FROM :hash OR c.mapped_seq < "
                    f"{_NEWEST_SEQ}) FROM raw.cursor c WHERE c.connection = :c AND c.stream = :s"
                ),
                {"c": connection, "s": stream, "hash": mapping_hash},
            ).scalar()
        )


def add(tx: sa.Connection, state: StreamState, packed: bytes, count: int) -> bool:
    """Add the records of a page (`records.packed`) to a stream that was empty.

    False: one of them is there already. Nothing was added then, and from now on each page is looked up.
    """
    try:
        with tx.begin_nested():
            bulk.copy_binary(tx, "raw.record", records.COLUMNS, packed)
    except psycopg.errors.UniqueViolation:
        state.only_new = False
        return False
    state.records += count
    return True


def stage(
    tx: sa.Connection, state: StreamState, page: Sequence[Encoded], *, seen_at: datetime, run_id: str
) -> Staged:
    """Keep what of the page is new or changed.

    A record that is gone comes back where a full read shows it, or a page with a change made after it went: a late page
    revives nothing.
    """
    staged = Staged()
    known = _known(tx, state, [e.received.remote_id for e in page])
    fresh = [e for e in page if e.received.remote_id not in known]
    news: list[tuple[Any, ...]] = []
    for received, payload, hash_ in page if known else ():
        remote_id, _, time = received
        before = known.get(remote_id)
        if before is None:
            continue
        if before[0] == hash_ and before[1] is None:
            staged.unchanged += 1
            continue
        gone_at = before[1] if not state.full else None
        if gone_at is not None and time is not None and tombstones.is_late(time, before[2], gone_at):
            staged.outlived += 1
            continue
        if before[1] is None and _is_late(time, before[2], seen_at):
            staged.late.append(received)
            continue
        news.append((state.connection, state.stream, remote_id, payload.decode(), hash_, time, seen_at, run_id))
        staged.changed.append(received)
    if fresh:
        packed = records.packed(state, fresh, seen_at, run_id)
        bulk.copy_binary(tx, "raw.record", records.COLUMNS, packed)
        state.records += len(fresh)
    staged.new = [e.received for e in fresh]
    if news:
        bulk.stage(tx, "news", "raw.record", records.COLUMNS, news)
        tx.exec_driver_sql(
            "UPDATE raw.record r SET payload = n.payload, hash = n.hash, remote_time = n.remote_time, "
            "seen_at = n.seen_at, run_id = n.run_id, deleted_at = NULL, seq = nextval('raw.record_seq') "
            "FROM pg_temp.news n "
            "WHERE r.connection = n.connection AND r.stream = n.stream AND r.remote_id = n.remote_id"
        )
    if state.gone:
        shown = (e.received for e in page) if state.full else (*staged.new, *staged.changed)
        tombstones.forget(tx, state.connection, state.stream, [r.remote_id for r in shown])
    return staged


def _is_late(time: datetime | None, known: datetime | None, seen_at: datetime) -> bool:
    """Whether a payload is older than the one we have; one from the future (a clock gone wrong) makes none late."""
    return time is not None and known is not None and time < known <= seen_at


def _known(
    tx: sa.Connection, state: StreamState, ids: list[str]
) -> dict[str, tuple[bytes, datetime | None, datetime | None]]:
    """Hash, time of deletion and time of the last change of these records; each looked up by itself: see `golden`."""
    rows = tx.execute(
        sa.text(
            "SELECT r.* FROM unnest(cast(:ids AS text[])) AS i (id) CROSS JOIN LATERAL ("
            "SELECT remote_id, hash, deleted_at, remote_time FROM raw.record "
            "WHERE connection = :c AND stream = :s AND remote_id = i.id OFFSET 0) r"
        ),
        {"c": state.connection, "s": state.stream, "ids": ids},
    )
    return {r[0]: (bytes(r[1]), r[2], r[3]) for r in rows}


def mark_deleted(
    tx: sa.Connection, state: StreamState, ids: Sequence[str], at: datetime, run_id: str
) -> list[str]:  # fmt: skip
    """Note that the remote deleted these records; returns those for which it is news.

    One that we made, and that was gone before it was ever read, is kept as an empty record (of no hash).
    """
    params = {"at": at, "c": state.connection, "s": state.stream, "ids": list(ids)}
    rows = tx.execute(
        sa.text(
            "UPDATE raw.record SET deleted_at = :at, seq = nextval('raw.record_seq') "
            "WHERE connection = :c AND stream = :s AND remote_id = ANY(:ids) AND deleted_at IS NULL RETURNING remote_id"
        ),
        params,
    )
    made = tx.execute(
        sa.text(
            "INSERT INTO raw.record (connection, stream, remote_id, payload, hash, seen_at, deleted_at, run_id) "
            "SELECT c.connection, c.stream, c.remote_id, '{}'::json, ''::bytea, cast(:at AS timestamptz), "
            f"cast(:at AS timestamptz), :run FROM {tombstones.MADE_UNREAD} WHERE c.connection = :c AND c.stream = :s "
            "AND c.remote_id = ANY(:ids) ON CONFLICT DO NOTHING RETURNING remote_id"
        ),
        {**params, "run": run_id},
    )
    return [r[0] for r in (*rows, *made)]


def keep_cursor(
    tx: sa.Connection, state: StreamState, cursor: Mapping[str, Any] | None, mapping_hash: str | None
) -> None:
    """Note how far the stream was read (None: no further) and mapped. Raises FencedOff where another run took over."""
    hit = tx.execute(
        sa.text(
            "UPDATE raw.cursor SET cursor = coalesce(cast(:cursor AS jsonb), cursor), records = :records, "
            "mapped_seq = CASE WHEN :mapped THEN (SELECT last_value FROM raw.record_seq) ELSE mapped_seq END, "
            "mapping_hash = CASE WHEN :mapped THEN :hash ELSE mapping_hash END "
            "WHERE connection = :c AND stream = :s AND fence = :fence"
        ),
        {
            "cursor": msgspec.json.encode(cursor).decode() if cursor is not None else None, "records": state.records,
            "mapped": mapping_hash is not None, "hash": mapping_hash,
            "c": state.connection, "s": state.stream, "fence": state.fence,
        },
    ).rowcount  # fmt: skip
    if hit != 1:
        raise _fenced_off(state)
    state.cursor = cursor if cursor is not None else state.cursor


def keep_mapped(tx: sa.Connection, state: StreamState, seq: int, mapping_hash: str) -> None:
    """Note that the records up to `seq` went through these mappings. Raises FencedOff as `keep_cursor` does."""
    hit = tx.execute(
        sa.text(
            "UPDATE raw.cursor SET mapped_seq = :seq, mapping_hash = :hash "
            "WHERE connection = :c AND stream = :s AND fence = :fence"
        ),
        {"seq": seq, "hash": mapping_hash, "c": state.connection, "s": state.stream, "fence": state.fence},
    ).rowcount
    if hit != 1:
        raise _fenced_off(state)


def _fenced_off(state: StreamState) -> FencedOff:
    return FencedOff(f"{state.connection}.{state.stream}: another run has taken this stream over; this one stops")


def forget_cursor(tx: sa.Connection, state: StreamState) -> None:
    """Next time the stream is read in full."""
    tx.execute(
        sa.text("UPDATE raw.cursor SET cursor = NULL WHERE connection = :c AND stream = :s AND fence = :fence"),
        {"c": state.connection, "s": state.stream, "fence": state.fence},
    )
    state.cursor = None


def ended(tx: sa.Connection, state: StreamState, started_at: datetime, *, full: bool) -> None:
    """Note that a read came to its end."""
    tx.execute(
        sa.text(
            "UPDATE raw.cursor SET read_at = :at, full_read_at = CASE WHEN :full THEN :at ELSE full_read_at END "
            "WHERE connection = :c AND stream = :s AND fence = :fence"
        ),
        {"at": started_at, "full": full, "c": state.connection, "s": state.stream, "fence": state.fence},
    )


def records_after(
    tx: sa.Connection, state: StreamState, seq: int, size: int
) -> tuple[int, list[Received], list[str]]:
    """The next `size` staged records after `seq`: the last seq, the present records, the ids of deleted ones."""
    rows = tx.execute(
        sa.text(
            "SELECT seq, remote_id, payload, remote_time, deleted_at FROM raw.record "
            "WHERE connection = :c AND stream = :s AND seq > :seq ORDER BY seq LIMIT :size"
        ),
        {"c": state.connection, "s": state.stream, "seq": seq, "size": size},
    ).all()
    last = rows[-1].seq if rows else seq
    present = [Received(r.remote_id, r.payload, r.remote_time) for r in rows if r.deleted_at is None]
    return last, present, [r.remote_id for r in rows if r.deleted_at]


def payloads(tx: sa.Connection, connection: str, stream: str, ids: Sequence[str]) -> dict[str, sa.Row[Any]]:
    """The last received payload of these records, with `seen_at` and `deleted_at`."""
    rows = tx.execute(
        sa.text(
            "SELECT remote_id, payload, seen_at, deleted_at FROM raw.record "
            "WHERE connection = :c AND stream = :s AND remote_id = ANY(:ids)"
        ),
        {"c": connection, "s": stream, "ids": list(ids)},
    )
    return {r.remote_id: r for r in rows}


class SeenIds:
    """The ids that a full read showed, kept in the database: what is not among them is gone."""

    def __init__(self, db: sa.Engine, state: StreamState) -> None:
        self.state, self.empty = state, True
        self._conn = db.connect()
        self._conn.exec_driver_sql("CREATE TEMP TABLE seen (remote_id text) ON COMMIT PRESERVE ROWS")
        self._conn.commit()

    def add(self, ids: Iterable[str]) -> None:
        rows = [(i,) for i in ids]
        self.empty = self.empty and not rows
        bulk.copy(self._conn, "pg_temp.seen", ("remote_id",), rows)
        self._conn.commit()

    def count(self) -> int:
        """How many ids it showed, each once."""
        found = self._conn.exec_driver_sql("SELECT count(DISTINCT remote_id) FROM pg_temp.seen").scalar_one()
        self._conn.commit()
        return int(found)

    def absent(self, began: datetime) -> list[str]:
        """Ids of present records that the read, which began then, did not show; with those that we had made before."""
        rows = self._conn.execute(
            sa.text(
                "SELECT remote_id FROM raw.record r WHERE connection = :c AND stream = :s AND deleted_at IS NULL "
                "AND NOT EXISTS (SELECT FROM pg_temp.seen s WHERE s.remote_id = r.remote_id) "
                f"UNION SELECT remote_id FROM {tombstones.MADE_UNREAD} WHERE c.connection = :c AND c.stream = :s "
                "AND c.since < :began AND NOT EXISTS (SELECT FROM pg_temp.seen s WHERE s.remote_id = c.remote_id) "
                "AND NOT EXISTS (SELECT FROM ops.outbox o WHERE o.connection = :c AND o.stream = :s "
                "AND o.entity_id = c.entity_id AND o.remote_id = c.remote_id AND o.op = 'delete' AND o.state = 'done') "
                "AND NOT EXISTS (SELECT FROM raw.gone g WHERE g.connection = :c AND g.stream = :s "
                "AND g.remote_id = c.remote_id AND g.state = 'gone')"
            ),
            {"c": self.state.connection, "s": self.state.stream, "began": began},
        ).all()
        self._conn.commit()
        return [r[0] for r in rows]

    def close(self) -> None:
        self._conn.exec_driver_sql("DROP TABLE IF EXISTS pg_temp.seen")
        self._conn.commit()
        self._conn.close()
