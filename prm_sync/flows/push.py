"""push: core, ledger and mart -> remote. Desired state against observed state; only the difference is sent.

Intents are written down before the call, each is settled by its own outcome, and one whose outcome is not known is
looked up before anything is sent again. A plan beyond its limits is held, and nothing of it is sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from prm_sync.app import App, StreamMapping
from prm_sync.connect.protocol import QuotaSpent, RateLimited, Session, Stream, Unavailable
from prm_sync.errors import ConfigError
from prm_sync.flows.deliver import Delivery
from prm_sync.flows.difference import Plan, planned, scope_of
from prm_sync.flows.report import FlowReport, State
from prm_sync.rules import reconcile
from prm_sync.rules.disclosure import edition
from prm_sync.warehouse import (
    conflicts,
    disclosures,
    drift,
    outbox,
    plans,
    progress,
    source,
    targets,
)
from prm_sync.warehouse.db import alone
from prm_sync.warehouse.runs import Run, running

log = logging.getLogger(__name__)


def push(app: App, connection: str, stream: str, *, dagster_run_id: str | None = None) -> FlowReport:
    """Make the remote stream as it should be. `held`: a plan waits for approval; `partial`: some is yet to be sent."""
    now = app.clock()
    mappings = mappings_of(app, connection, stream)
    name = f"{connection}.{stream}"
    # One push of a stream at a time: what another one has just sent must not look lost.
    with alone(app.db, f"push:{name}"), running(app.db, "push", name, now, dagster_run_id=dagster_run_id) as run:
        began = time.perf_counter()
        report = FlowReport("push", run.target)
        run.report = report
        with app.session(connection) as session:
            try:
                declared = declared_of(session, connection, stream)
                for mapping in mappings:
                    _push(app, _Pushing(session, declared, mapping, run), report)
            except (QuotaSpent, RateLimited) as stop:  # before it was known what the stream is
                report.state, report.message = State.PARTIAL, str(stop)
        report.work_s = time.perf_counter() - began
    log.info("pushed", extra={"connection": connection, "stream": stream, "counts": dict(report.numbers)})
    return report


def plan(app: App, connection: str, stream: str) -> list[Plan]:
    """What `push` would do now, without doing it: one plan for each entity that the stream takes.

    It is kept, so that exactly this can be approved; the remote is asked for nothing but what the stream is.
    """
    with app.session(connection, reading=True) as session:
        declared = declared_of(session, connection, stream)
    found = [present(app, mapping, declared) for mapping in mappings_of(app, connection, stream)]
    for p in (p for p in found if p.intents):
        existing = targets.records(app.db, connection, stream)
        held = reconcile.within(p.counts, app.limits_of(connection, stream), existing)
        with app.db.begin() as tx:
            head = p.head
            plans.supersede(tx, connection, stream, p.entity, plans.SHOWN, but=head.id)
            reason = held.message if held else None
            plans.keep(tx, head, p.intents, state="shown", reason=reason, run_id=None, now=app.clock())
    return found


def present(app: App, mapping: StreamMapping, declared: Stream) -> Plan:
    """The plan of one mapping as the warehouse is now."""
    return planned(app, mapping, declared, after=_since(app, mapping)[0], kinds=kinds_of(declared))


@dataclass(slots=True)
class _Pushing:
    """One stream and mapping being pushed by one run."""

    session: Session
    stream: Stream
    mapping: StreamMapping
    run: Run
    kinds: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = kinds_of(self.stream)


def _push(app: App, pushing: _Pushing, report: FlowReport) -> None:
    mapping, stream, run = pushing.mapping, pushing.stream, pushing.run
    delivery = Delivery(app, pushing.session, stream, mapping, run.id, report)
    with to_the_end(app, mapping, report):
        delivery.look_up_doubtful()
        after, upto, hash_ = _marks(app, mapping)
        wanted = planned(app, mapping, stream, after=after, kinds=pushing.kinds)
        report.add(compared=wanted.compared, **wanted.counts.told())
        report.add(frozen=conflicts.freeze(app.db, wanted.frozen, app.clock()))
        held = _write_down(app, pushing, wanted, upto, hash_)
        if held is not None:
            report.state, report.message = State.HELD, held
        delivery.send_ready()


@contextmanager
def to_the_end(app: App, mapping: StreamMapping, report: FlowReport) -> Iterator[None]:
    """The body looks up, decides and sends; what stops it early, or is left after it, makes the report `partial`."""
    try:
        yield
    except (QuotaSpent, RateLimited, Unavailable) as stop:
        if report.state is State.DONE:
            report.state, report.message = State.PARTIAL, str(stop)
    left = outbox.end(app.db, mapping.connection, mapping.stream, mapping.entity)
    if left and report.state is State.DONE:
        moved = report.numbers.get("moved", 0)
        report.state = State.PARTIAL
        report.message = (
            f"{mapping.connection}.{mapping.stream}: {left} changes are not settled; the next push goes on with them"
            + (f" ({moved} of records that changed since they were read: pull first)" if moved else "")
        )


def _write_down(app: App, pushing: _Pushing, wanted: Plan, upto: int, hash_: str) -> str | None:
    """Keep the plan: ready to be sent, or held where it is beyond its limits; then the words for that, else None.

    What a person has approved already counts against no limit, and is sent whatever becomes of the rest.
    """
    mapping, stream, run_id, now = pushing.mapping, pushing.stream.name, pushing.run.id, app.clock()
    connection, entity = mapping.connection, mapping.entity
    existing = targets.records(app.db, connection, stream)
    scope = scope_of(app.connector(connection).kind, mapping)
    with app.db.begin() as tx:
        tokens = {i.token for i in wanted.intents}
        told = [*wanted.targets, *targets.outlived(tx, entity, scope, connection, stream)]
        refused = outbox.drop_unwanted(tx, connection, stream, told, tokens, now)
        refused += outbox.drop_gone(tx, connection, stream, now)
        source.resolve_quarantine(tx, connection, stream, entity, refused, now, push=True)
        released = outbox.released(tx, connection, stream)
        rest = replace(wanted, intents=[i for i in wanted.intents if i.token not in released])
        held = reconcile.within(rest.counts, app.limits_of(connection, stream), existing)
        head = rest.head
        plans.supersede(tx, connection, stream, entity, plans.OPEN, but=head.id)
        if held is not None:
            plans.keep(tx, head, rest.intents, state="held", reason=held.message, run_id=run_id, now=now)
        else:
            if rest.intents:
                plans.keep(tx, head, rest.intents, state="released", reason=None, run_id=run_id, now=now)
            outbox.keep(tx, connection, stream, rest.intents, plan_id=head.id, now=now)
            progress.keep(tx, _step(mapping), upto, hash_)
        leaving = [i for i in wanted.intents if held is None or i.token in released]
        disclosures.log_shared(
            tx, connection, stream, leaving, policy_hash=app.policies.sharing.version, run_id=run_id, now=now
        )
    if held is None:
        return None
    return (
        f"{connection}.{stream}: {held.message}; nothing of it was sent. Look at it with "
        f"`prm-sync plan {connection} {stream}` and release it with `prm-sync approve {head.id}`"
    )


def _step(mapping: StreamMapping) -> str:
    return f"push:{mapping.connection}:{mapping.stream}:{mapping.entity}"


def _since(app: App, mapping: StreamMapping) -> tuple[int, str]:
    """The change number up to which the stream is known to be as it should be, under today's mapping and policy."""
    assert mapping.back is not None
    gone = ",".join(sorted(drift.removed(app.db, mapping.connection, mapping.stream)))  # back again: compare all again
    hash_ = f"{mapping.compiled.hash}|{mapping.back.hash}|{edition(app.policies.sharing, app.clock())}|{gone}"
    with app.db.begin() as tx:
        return progress.upto(tx, _step(mapping), hash_), hash_


def _marks(app: App, mapping: StreamMapping) -> tuple[int, int, str]:
    """(after, upto, hash): look at what changed after `after`; once that is written down, all up to `upto` is done."""
    scope = scope_of(app.connector(mapping.connection).kind, mapping)
    upto = source.mark(app.db, *targets.counted(mapping.entity, scope))
    after, hash_ = _since(app, mapping)
    return after, upto, hash_


def mappings_of(app: App, connection: str, stream: str) -> Sequence[StreamMapping]:
    """The mappings that write to the stream. Raises ConfigError where there is none."""
    found = [m for m in app.mappings_of(connection, stream)[0] if m.back is not None]
    if not found:
        app.connector(connection)
        raise ConfigError(f"no mapping of {connection}.{stream} has a `back:` part: nothing is written there")
    return found


def declared_of(session: Session, connection: str, stream: str) -> Stream:
    """The stream, as something to write to. Raises ConfigError where it is none."""
    found = session.discover([stream])
    if not found or not found[0].write_batch:
        raise ConfigError(f"{connection}: the stream {stream!r} cannot be written with these credentials")
    return found[0]


def kinds_of(stream: Stream) -> dict[str, str]:
    """Field -> type, for comparisons in which a value does not tell."""
    return {f.name: f.type for f in stream.fields}
