"""A remote system in memory behind the connector protocol: records that are made, deleted, merged and restored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict
from workbench import SteppedClock

from prm_sync.app import App
from prm_sync.connect import Change, Connector, Context, Cursor, Deletes, Done, Field, Outcome, Page, Record, Stream
from prm_sync.connect.protocol import Tenant

LEADS = Stream(
    "leads", "Id", (Field("Id", "text"), *(Field(n, "text", writable=True) for n in ("Email", "City", "Key")),
                    Field("Changed", "datetime")),
    modified="Changed", incremental=True, deletes=Deletes.MARKED, match_on=("Key",), write_batch=5,
)  # fmt: skip


TABLES = (
    "raw.record", "raw.cursor", "raw.gone", "core.lead", "core.lead_past", "core.lead_source", "core.crosswalk",
    "core.progress", "core.entity_merge", "ops.outbox", "ops.plan", "ops.plan_change", "ops.write_log",
)  # fmt: skip


def emptied(app: App) -> None:
    """The warehouse as on its first day, for the next example."""
    with app.db.begin() as tx:
        tx.exec_driver_sql(f"TRUNCATE {', '.join(TABLES)}")


class AnyConfig(BaseModel):
    model_config = ConfigDict(extra="allow")


@dataclass
class Remote:
    """What the remote holds. Every change bears the clock's time, which moves on by a second with each."""

    clock: SteppedClock
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    gone: dict[str, tuple[dict[str, Any], str, str | None]] = field(default_factory=dict)  #: row, when, into
    writes: int = 0

    def _now(self) -> str:
        return (self.clock.advance(seconds=1)).isoformat()

    def put(self, row_id: str, **values: Any) -> None:
        self.rows[row_id] = {**self.rows.get(row_id, {"Id": row_id}), **values, "Changed": self._now()}

    def delete(self, row_id: str, into: str | None = None) -> None:
        self.gone[row_id] = (self.rows.pop(row_id), self._now(), into)

    def merge(self, loser: str, winner: str) -> None:
        self.delete(loser, winner)
        self.put(winner)

    def undelete(self, row_id: str) -> None:
        row, _, _ = self.gone.pop(row_id)
        self.rows[row_id] = {**row, "Changed": self._now()}

    def connector(self) -> Connector:
        @contextmanager
        def opened(_: Any, __: Context) -> Iterator[ScriptedSession]:
            yield ScriptedSession(self)

        return Connector("files", "Scripted", "crm", AnyConfig, opened)


@dataclass
class ScriptedSession:
    remote: Remote

    def check(self) -> Tenant:
        return Tenant("scripted", "Scripted", sandbox=True)

    def discover(self, only: Collection[str] | None = None) -> Sequence[Stream]:
        return [LEADS] if only is None or LEADS.name in only else []

    def read(self, stream: Stream, cursor: Cursor | None, fields: Collection[str]) -> Iterator[Page]:
        since = cursor["since"] if cursor else ""
        until = (self.remote.clock() + timedelta(microseconds=1)).isoformat()
        if cursor:
            told = {i: into for i, (_, at, into) in self.remote.gone.items() if at >= since}
            if told:
                yield Page([], deleted=list(told), merged={i: into for i, into in told.items() if into})
        found = [dict(r) for r in self.remote.rows.values() if r["Changed"] >= since]
        yield Page(found, cursor={"since": until})

    def write(self, stream: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        self.remote.writes += len(changes)
        out: list[Outcome] = []
        for change in changes:
            assert change.remote_id is not None, "only records that are there are written here"
            if change.op == "delete":
                self.remote.delete(change.remote_id)
            else:
                self.remote.put(change.remote_id, **change.values)
            out.append(Done(change.remote_id, created=False))
        return out

    def fetch(self, stream: Stream, by: str, values: Sequence[str], fields: Collection[str]) -> Sequence[Record | None]:
        by_value = {str(r.get(by)): r for r in self.remote.rows.values()}
        return [by_value.get(v) for v in values]
