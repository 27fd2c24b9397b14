"""approve: exactly the plan that a person has seen is applied; or it is said what changed since, and nothing is."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from prm_sync.app import App, StreamMapping
from prm_sync.connect.protocol import Session, Stream
from prm_sync.errors import ConfigError
from prm_sync.flows import looking
from prm_sync.flows.deliver import Delivery
from prm_sync.flows.push import declared_of, mappings_of, present, to_the_end
from prm_sync.flows.report import FlowReport, State
from prm_sync.warehouse import disclosures, outbox, plans
from prm_sync.warehouse.db import alone
from prm_sync.warehouse.outbox import Intent
from prm_sync.warehouse.runs import running

log = logging.getLogger(__name__)

WHOLE = "*"  #: `Changed.field` of what concerns the record, not one field


@dataclass(frozen=True, slots=True)
class Changed:
    """What is no longer as the plan has it: of `field`, or of the whole record."""

    entity_id: str
    remote_id: str | None
    field: str
    why: str
    planned: Any = None
    now: Any = None


@dataclass(slots=True)
class Approval:
    """What became of it. `changed` is not empty where nothing was applied."""

    report: FlowReport
    connection: str
    stream: str
    counts: Mapping[str, int]
    changed: list[Changed] = field(default_factory=list)


def approve(app: App, plan_id: str, who: str, *, look: bool = True, dagster_run_id: str | None = None) -> Approval:
    """Apply a plan that was shown or is held. `look`: the records are read from the remote first, where it can.

    Raises ConfigError where there is no such plan. `held`: something changed since, and nothing was applied.
    """
    now = app.clock()
    head = _found(app, plan_id)
    mapping = _mapping(app, head.connection, head.stream, head.entity)
    name = f"{head.connection}.{head.stream}"
    with alone(app.db, f"push:{name}"), running(app.db, "approve", name, now, dagster_run_id=dagster_run_id) as run:
        began = time.perf_counter()
        report = FlowReport("approve", name)
        run.report = report
        done = Approval(report, head.connection, head.stream, head.counts)
        with app.session(head.connection) as session, to_the_end(app, mapping, report):
            declared = declared_of(session, head.connection, head.stream)
            delivery = Delivery(app, session, declared, mapping, run.id, report)
            delivery.look_up_doubtful()
            wanted = {(i.entity_id, i.target): i for i in present(app, mapping, declared).intents}
            with app.db.begin() as tx:
                held = plans.changes(tx, plan_id)
            done.changed = [c for row in held for c in _since_planned(row, wanted.get((row.entity_id, row.target)))]
            if look and not done.changed:
                done.changed = list(_since_seen(app, session, declared, mapping, held))
            if done.changed:
                _refuse(report, plan_id, done.changed)
            else:
                _release(app, mapping, plan_id, [wanted[r.entity_id, r.target] for r in held], who, run.id)
                delivery.send_ready(plan_id=plan_id)
        report.work_s = time.perf_counter() - began
    log.info("approved", extra={"plan": plan_id, "changed": len(done.changed), "counts": dict(report.numbers)})
    return done


def _found(app: App, plan_id: str) -> Any:
    with app.db.begin() as tx:
        row = plans.find(tx, plan_id)
        others = plans.latest(tx, 10, plans.OPEN)
    if row is not None and row.state in plans.OPEN and row.entity is not None:
        return row
    known = f"it is {row.state}; " if row is not None else ""
    waiting = ", ".join(f"{r.id} ({r.connection}.{r.stream}, {r.state})" for r in others) or "none"
    raise ConfigError(f"no plan {plan_id!r} waits for approval: {known}those that do: {waiting}")


def _mapping(app: App, connection: str, stream: str, entity: str) -> StreamMapping:
    found = [m for m in mappings_of(app, connection, stream) if m.entity == entity]
    if not found:
        raise ConfigError(f"no mapping writes a {entity} to {connection}.{stream} any more; make a new plan")
    return found[0]


def _since_planned(row: Any, intent: Intent | None) -> Iterator[Changed]:
    """What the warehouse says otherwise now."""
    if intent is None:
        yield Changed(row.entity_id, row.remote_id, WHOLE, "there is nothing to be changed any more")
        return
    if intent.token == row.token and (_plain(intent.before), _plain(intent.after)) == (row.before, row.after):
        return
    if (intent.op, intent.creates) != (row.op, row.creates):
        yield Changed(row.entity_id, row.remote_id, WHOLE, f"is now a{_deed(intent.op, creates=intent.creates)}")
        return
    told = 0
    for why, planned, now in (
        ("another value is wanted", row.after, _plain(intent.after)),
        ("another value was observed", row.before, _plain(intent.before)),
    ):
        for name in sorted({*planned, *now}):
            if planned.get(name) != now.get(name):
                told += 1
                yield Changed(row.entity_id, row.remote_id, name, why, planned.get(name), now.get(name))
    if not told:
        yield Changed(row.entity_id, row.remote_id, WHOLE, "was written since")


def _deed(op: str, *, creates: bool) -> str:
    return " delete" if op == "delete" else " create" if creates else "n update"


def _since_seen(
    app: App, session: Session, stream: Stream, mapping: StreamMapping, held: Sequence[Any]
) -> Iterator[Changed]:
    """What the remote itself says otherwise than when it was last read, of what is to be written."""
    for row, seen in zip(held, looking.look(app, session, stream, mapping, held, all_read=False), strict=True):
        if seen.gone:
            yield Changed(row.entity_id, row.remote_id, WHOLE, "is gone from the remote")
        for m in seen.moved:
            yield Changed(row.entity_id, row.remote_id, m.field, "was changed in the remote", m.read, m.now)


def _refuse(report: FlowReport, plan_id: str, changed: Sequence[Changed]) -> None:
    records = len({(c.entity_id, c.remote_id) for c in changed})
    report.add(changed_since=records)
    report.state = State.HELD
    report.message = (
        f"{report.target}: {records} records are not as {plan_id} has them any more; nothing was applied. "
        f"`prm-sync run pull refine`, then `prm-sync plan {report.target}` shows the plan as it is now"
    )


def _release(
    app: App, mapping: StreamMapping, plan_id: str, intents: Sequence[Intent], who: str, run_id: str
) -> None:
    """From here on it is sent, whatever happens to this process: the next push goes on with it."""
    now, connection, stream = app.clock(), mapping.connection, mapping.stream
    with app.db.begin() as tx:
        outbox.keep(tx, connection, stream, intents, plan_id=plan_id, now=now)
        outbox.adopt(tx, plan_id, (i.token for i in intents))
        plans.approve(tx, plan_id, who, now)
        disclosures.log_shared(
            tx, connection, stream, intents, policy_hash=app.policies.sharing.version, run_id=run_id, now=now
        )


def _plain(values: Mapping[str, Any]) -> Any:
    """As the warehouse gives it back."""
    return msgspec.json.decode(msgspec.json.encode(dict(values)))
