"""What an emulated vendor holds: tables of records in memory, with stamps, tombstones and a dump to compare by."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prm_sync.connect.emulator.clock import Clock

Row = Mapping[str, Any]


def iso_ms(at: datetime) -> str:
    """`2026-08-01T09:30:00.123Z`: how most vendors write an instant."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A record that is gone: its last state and when it went."""

    row_id: str
    row: Row
    at: datetime


class Table:
    """Records of one type, in the order in which they came. Thread safe; `lock` makes several steps one.

    Rows are replaced on a change, never altered, so a row that was handed out stays as it was. `created` and `modified`
    name the fields that get the clock's time, written by `stamp`. `index` names fields that `find` looks up fast.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        key: str = "id",
        new_id: Callable[[int], str] | None = None,
        created: str | None = None,
        modified: str | None = None,
        stamp: Callable[[datetime], Any] = iso_ms,
        index: Sequence[str] = (),
        lock: threading.RLock | None = None,
    ) -> None:
        self.name, self.key, self.lock = name, key, lock or threading.RLock()
        self._clock, self._new_id = clock, new_id or (lambda n: f"{name}-{n:06}")
        self._created, self._modified, self._stamp = created, modified, stamp
        self._rows: dict[str, Row] = {}
        self._changed: dict[str, datetime] = {}
        self._gone: dict[str, Tombstone] = {}
        self._index: dict[str, dict[Any, dict[str, None]]] = {field: {} for field in index}
        self._made = 0

    def insert(self, values: Row) -> Row:
        """The new row; its id is made unless `values` has one. Raises KeyError for an id that is taken."""
        with self.lock:
            self._made += 1
            row_id = str(values.get(self.key) or self._new_id(self._made))
            if row_id in self._rows:
                raise KeyError(f"{self.name} has {row_id} already")
            now = self._clock.now()
            stamps = {field: self._stamp(now) for field in (self._created, self._modified) if field}
            # Seeded records may bring stamps of their own, from the past.
            return self._put(row_id, {self.key: row_id, **stamps, **values}, now)

    def update(self, row_id: str, values: Row) -> Row:
        """The row with `values` laid over it and a new stamp. Raises KeyError where there is none."""
        with self.lock:
            now = self._clock.now()
            stamps = {self._modified: self._stamp(now)} if self._modified else {}
            return self._put(row_id, {**self._rows[row_id], **stamps, **values, self.key: row_id}, now)

    def remove(self, row_id: str, *, tombstone: bool = True) -> Row:
        """Takes the row away; without a tombstone nobody can tell that it was there (a hard delete). KeyError: none."""
        with self.lock:
            row = self._rows.pop(row_id)
            del self._changed[row_id]
            self._unindex(row_id, row)
            if tombstone:
                self._gone[row_id] = Tombstone(row_id, row, self._clock.now())
            return row

    def get(self, row_id: str) -> Row | None:
        return self._rows.get(row_id)

    def find(self, field: str, value: Any) -> list[Row]:
        """The rows whose `field` equals `value`, in the order in which they came."""
        with self.lock:
            if field in self._index:
                return [self._rows[row_id] for row_id in self._index[field].get(value, ())]
            return [row for row in self._rows.values() if row.get(field) == value]

    def rows(self, where: Callable[[Row], bool] | None = None) -> list[Row]:
        with self.lock:
            rows = list(self._rows.values())
        return rows if where is None else [row for row in rows if where(row)]

    def changed_at(self, row_id: str) -> datetime:
        """When the row was last written by this store's clock. Raises KeyError where there is none."""
        return self._changed[row_id]

    def tombstones(self, since: datetime | None = None) -> list[Tombstone]:
        with self.lock:
            return [t for t in self._gone.values() if since is None or t.at >= since]

    def clear(self) -> None:
        with self.lock:
            self._rows.clear()
            self._changed.clear()
            self._gone.clear()
            for ids in self._index.values():
                ids.clear()
            self._made = 0

    def __len__(self) -> int:
        return len(self._rows)

    def _put(self, row_id: str, row: Row, now: datetime) -> Row:
        old = self._rows.get(row_id)
        if old is not None:
            self._unindex(row_id, old)
        self._rows[row_id], self._changed[row_id] = row, now
        self._gone.pop(row_id, None)
        for field, ids in self._index.items():
            ids.setdefault(row.get(field), {})[row_id] = None
        return row

    def _unindex(self, row_id: str, row: Row) -> None:
        for field, ids in self._index.items():
            ids.get(row.get(field), {}).pop(row_id, None)


class Store:
    """All tables of one emulated vendor, under one lock."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.lock = clock, threading.RLock()
        self._tables: dict[str, Table] = {}

    def add(self, name: str, **options: Any) -> Table:
        """A new table; `options` as of `Table`."""
        self._tables[name] = table = Table(name, self.clock, lock=self.lock, **options)
        return table

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def snapshot(self, without: Collection[str] = ()) -> dict[str, list[dict[str, Any]]]:
        """All rows by table, in their order, less the fields `without` (stamps, say): to compare two end states by."""
        with self.lock:
            return {
                name: [{k: v for k, v in row.items() if k not in without} for row in table.rows()]
                for name, table in self._tables.items()
            }

    def clear(self) -> None:
        with self.lock:
            for table in self._tables.values():
                table.clear()
