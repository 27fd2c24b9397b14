"""Sending intents and settling each by its own outcome; looking up those whose outcome is not known."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, assert_never

from prm_sync.app import App, StreamMapping
from prm_sync.connect.protocol import (
    Change,
    ConnectorError,
    ContractBroken,
    CursorExpired,
    Done,
    Fetches,
    Later,
    Outcome,
    Refused,
    Session,
    Settles,
    Stream,
)
from prm_sync.flows.looking import Moved, look
from prm_sync.flows.report import FlowReport
from prm_sync.rules import reconcile
from prm_sync.warehouse import outbox, source
from prm_sync.warehouse.outbox import Settled
from prm_sync.warehouse.records import Trouble

log = logging.getLogger(__name__)

MOVED = "moved"  #: code of what waits until somebody's change was read
UNTIL_READ = timedelta(minutes=1)  #: for which it waits at least
UNKNOWN = "unknown"  #: code of a Refused that says: it may or may not have been applied
LOOK_UP = 50  #: records looked up in one call


class Delivery:
    """The delivery of one stream by one run."""

    def __init__(
        self, app: App, session: Session, stream: Stream, mapping: StreamMapping, run_id: str, report: FlowReport
    ) -> None:
        self.app, self.session, self.stream, self.mapping = app, session, stream, mapping
        self.run_id, self.report = run_id, report
        self.connection, self.name = mapping.connection, stream.name

    # --- sending ---

    def send_ready(self, *, plan_id: str | None = None, entity_id: str | None = None) -> None:
        """Send all that is ready, or of that what belongs to one plan or entity.

        Raises what the connector raises; what was under way is then `unknown`.

        What a lost job was to do is looked up at once, and sent again where it was not done; once in one push.
        """
        self._send_all(plan_id, entity_id)
        if self._ask_jobs():
            self.look_up_doubtful()
            self._send_all(plan_id, entity_id)

    def _send_all(self, plan_id: str | None, entity_id: str | None) -> None:
        while True:
            with self.app.db.begin() as tx:
                rows = outbox.take_ready(
                    tx, self.connection, self.name, self.mapping.entity, self.stream.write_batch, self.run_id,
                    self.app.clock(),
                    plan_id=plan_id, entity_id=entity_id,
                )  # fmt: skip
            if not rows:
                break
            self._send(rows)

    def _send(self, rows: Sequence[Any]) -> None:
        rows = self._as_read(rows)
        if not rows:
            return
        changes = [_change(r) for r in rows]
        try:
            outcomes = self.session.write(self.stream, changes)
        except ConnectorError as error:
            self._settle([Settled(r, "unknown", code=error.code, message=str(error)) for r in rows])
            raise
        if len(outcomes) != len(changes):
            self._settle([Settled(r, "unknown", message="the connector gave too few outcomes") for r in rows])
            raise ContractBroken(f"{self.connection}.{self.name}: {len(changes)} changes, {len(outcomes)} outcomes")
        self._settle([self._settled(r, o) for r, o in zip(rows, outcomes, strict=True)])

    def _as_read(self, rows: Sequence[Any]) -> Sequence[Any]:
        """The rows whose records are as they were read; the others wait until that was read, too."""
        if not self.app.source.project.connections[self.connection].look_before_write:
            return rows
        try:
            seen = look(self.app, self.session, self.stream, self.mapping, rows)
        except ConnectorError as error:  # nothing was sent yet
            self._settle([Settled(r, "ready", code=error.code, message=str(error)) for r in rows])
            raise
        moved = [(r, s.moved) for r, s in zip(rows, seen, strict=True) if s.moved]
        if moved:
            again = self.app.clock() + UNTIL_READ
            self._settle([
                Settled(r, "ready", code=MOVED, message=f"{names(fields)} changed since it was read", next_try_at=again)
                for r, fields in moved
            ])  # fmt: skip
            self.report.add(moved=len(moved))
        return [r for r, s in zip(rows, seen, strict=True) if not s.moved]

    def _settled(self, row: Any, outcome: Outcome) -> Settled:
        match outcome:
            case Done(remote_id=remote_id, created=created):
                return Settled(row, "done", remote_id=remote_id, created=created)
            case Refused(code=code) if code == UNKNOWN:
                return Settled(row, "unknown", code=code, message=outcome.message)
            case Refused():
                return self._refused(row, outcome)
            case Later(ticket=ticket, after_s=_):
                return Settled(row, "waiting", ticket=ticket)
            case _:
                assert_never(outcome)

    def _refused(self, row: Any, outcome: Refused) -> Settled:
        klass = reconcile.classify(outcome.code, outcome.message, retry=outcome.retry)
        again = reconcile.next_try(row.tries, self.app.clock()) if klass == "transient" else None
        return Settled(
            row, "ready" if again else "refused", code=outcome.code, message=outcome.message, field=outcome.field,
            klass=klass, next_try_at=again,
        )  # fmt: skip

    def _settle(self, outcomes: Sequence[Settled]) -> None:
        now = self.app.clock()
        rule = self.mapping.spec.name
        with self.app.db.begin() as tx:
            policy = self.app.policies.sharing.version
            outbox.settle(tx, outcomes, rule=rule, policy=policy, run_id=self.run_id, now=now)
            refused = [o for o in outcomes if o.state == "refused"]
            source.quarantine(
                tx, self.connection, self.name, self.mapping.entity,
                [
                    Trouble(
                        o.row.remote_id or o.row.target, "push", o.code or "", o.message or "", o.field,
                        o.klass or "fixable",
                    )
                    for o in refused
                ],
                mapping_hash=self.mapping.compiled.hash, at=now, run_id=self.run_id,
            )  # fmt: skip
            through = [
                i for o in outcomes if o.state == "done" for i in {o.row.remote_id or o.row.target, o.row.target}
            ]
            source.resolve_quarantine(
                tx, self.connection, self.name, self.mapping.entity, through, now, push=True
            )
        self.report.add(
            written=sum(o.state == "done" for o in outcomes),
            created=sum(o.state == "done" and o.created for o in outcomes),
            refused=len(refused),
            later=sum(o.state in ("waiting", "unknown") or o.next_try_at is not None for o in outcomes),
        )  # fmt: skip

    # --- jobs of the remote ---

    def _ask_jobs(self) -> bool:
        """Settle what the jobs of the remote have done so far; whether one of them was lost."""
        with self.app.db.begin() as tx:
            rows = outbox.waiting(tx, self.connection, self.name, self.mapping.entity)
        if not rows:
            return False
        if not isinstance(self.session, Settles):
            raise ContractBroken(f"{self.connection}.{self.name}: the connector makes jobs that it cannot settle")
        by_ticket: dict[str, list[Any]] = {}
        for row in rows:
            by_ticket.setdefault(str(row.ticket), []).append(row)
        lost = False
        for group in by_ticket.values():
            try:
                outcomes = self.session.settle(self.stream, group[0].ticket)
            except CursorExpired as error:
                lost = True
                self._settle([Settled(r, "unknown", code=error.code, message=str(error)) for r in group])
                continue
            settled = [self._settled(r, o) for r, o in zip(group, outcomes, strict=True)]
            self._settle([s for s in settled if s.state != "waiting"])
        return lost

    # --- unknown outcomes ---

    def look_up_doubtful(self) -> None:
        """Intents that may have arrived: look at the remote, then they are done, or ready to be sent again."""
        with self.app.db.begin() as tx:
            rows = outbox.in_doubt(tx, self.connection, self.name, self.mapping.entity)
        if not rows:
            return
        if not isinstance(self.session, Fetches):
            self._settle([Settled(r, "ready") for r in rows])  # a connector that cannot look promises idempotent writes
            return
        log.warning(
            "looking up unknown outcomes",
            extra={"connection": self.connection, "stream": self.name, "n": len(rows)},
        )
        for by, group in self._by_look_up(rows).items():
            for start in range(0, len(group), LOOK_UP):
                part = group[start : start + LOOK_UP]
                found = self.session.fetch(
                    self.stream, by, [v for _, v in part], [f.name for f in self.stream.fields]
                )
                self._settle([self._looked_up(r, f) for (r, _), f in zip(part, found, strict=True)])
        self.report.add(looked_up=len(rows))

    def _by_look_up(self, rows: Sequence[Any]) -> dict[str, list[tuple[Any, str]]]:
        groups: dict[str, list[tuple[Any, str]]] = {}
        unaddressed = []
        for r in rows:
            if r.remote_id:
                groups.setdefault(self.stream.key, []).append((r, r.remote_id))
            elif r.match_field:
                groups.setdefault(r.match_field, []).append((r, r.match_value))
            else:
                unaddressed.append(r)
        self._settle([Settled(r, "ready") for r in unaddressed])
        return groups

    def _looked_up(self, row: Any, found: Mapping[str, Any] | None) -> Settled:
        if row.op == "delete":
            return Settled(row, "done", remote_id=row.remote_id) if found is None else Settled(row, "ready")
        if found is None:
            return Settled(row, "ready")
        remote_id = str(found[self.stream.key])
        applied = all(reconcile.same(v, reconcile.value_at(found, k)) for k, v in row.values.items())
        created = row.remote_id is None and applied
        return Settled(row, "done" if applied else "ready", remote_id=remote_id, created=created)


def names(moved: Sequence[Moved]) -> str:
    """The fields' names, for a message."""
    return ", ".join(m.field for m in moved)


def _change(row: Any) -> Change:
    return Change(
        op=row.op, token=row.token, values=row.values or {}, remote_id=row.remote_id,
        match=(row.match_field, row.match_value) if row.match_field and not row.remote_id else None,
    )  # fmt: skip
