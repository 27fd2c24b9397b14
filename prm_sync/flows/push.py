"""push: core, ledger and mart -> remote. Desired state against observed state; only the difference is sent.

Intents are written down before the call, each is settled by its own outcome, and one whose outcome is not known is
looked up before anything is sent again. A plan beyond its limits is held, and nothing of it is sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from prm_sync.app import App, StreamMapping
from prm_sync.connect.protocol import QuotaSpent, RateLimited, Session, Stream, Unavailable
from prm_sync.errors import ConfigError
from prm_sync.flows.deliver import Delivery
from prm_sync.flows.difference import Plan, planned
from prm_sync.flows.report import FlowReport, State
from prm_sync.rules import reconcile
from prm_sync.warehouse import offers, outbox, progress, source, targets
from prm_sync.warehouse.runs import Run, running

log = logging.getLogger(__name__)

_CHANGES = {"lead": ("lead", offers.LOCK), "partner": ("partner", "partner_performance")}


def push(app: App, connection: str, stream: str, *, dagster_run_id: str | None = None) -> FlowReport:
    """Make the remote stream as it should be. `held`: a plan waits for approval; `partial`: something is still to send."""
    now = app.clock()
    mappings = _mappings(app, connection, stream)
    with running(app.db, "push", f"{connection}.{stream}", now, dagster_run_id=dagster_run_id) as run:
        began = time.perf_counter()
        report = FlowReport("push", run.target)
        run.report = report
        with app.session(connection) as session:
            declared = _declared(session, connection, stream)
            for mapping in mappings:
                _push(app, _Pushing(session, declared, mapping, run), report)
        report.work_s = time.perf_counter() - began
    log.info("pushed", extra={"connection": connection, "stream": stream, **report.numbers})
    return report


def plan(app: App, connection: str, stream: str) -> list[Plan]:
    """What `push` would do now, without doing it: one plan for each entity that the stream takes."""
    with app.session(connection) as session:
        declared = _declared(session, connection, stream)
        return [
            planned(app, mapping, declared, after=_since(app, mapping)[0], kinds=_kinds(declared))
            for mapping in _mappings(app, connection, stream)
        ]


@dataclass(slots=True)
class _Pushing:
    """One stream and mapping being pushed by one run."""

    session: Session
    stream: Stream
    mapping: StreamMapping
    run: Run
    kinds: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = _kinds(self.stream)


def _push(app: App, pushing: _Pushing, report: FlowReport) -> None:
    mapping, stream, run = pushing.mapping, pushing.stream, pushing.run
    connection, now = mapping.connection, app.clock()
    delivery = Delivery(app, pushing.session, stream, mapping, run.id, report)
    try:
        delivery.look_up_doubtful()
        after, upto, hash_ = _marks(app, mapping)
        wanted = planned(app, mapping, stream, after=after, kinds=pushing.kinds)
        held = _hold(app, pushing, wanted)
        report.add(
            compared=wanted.compared, create=wanted.counts.create, update=wanted.counts.update, delete=wanted.counts.delete
        )
        if held is not None:
            report.state, report.message = State.HELD, held
            return
        with app.db.begin() as tx:
            outbox.keep(tx, connection, stream.name, wanted.intents, state="ready", plan_id=None, now=now)
            outbox.log_shared(
                tx, connection, stream.name, wanted.intents, policy_hash=app.policies.sharing.version, run_id=run.id, now=now
            )
            progress.keep(tx, _step(mapping), upto, hash_)
        delivery.send_ready()
    except (QuotaSpent, RateLimited, Unavailable) as stop:
        report.state, report.message = State.PARTIAL, str(stop)
    if delivery.left and report.state is State.DONE:
        report.state = State.PARTIAL
        report.message = f"{connection}.{stream.name}: {delivery.left} changes are not settled; the next push goes on with them"


def _hold(app: App, pushing: _Pushing, wanted: Plan) -> str | None:
    """Keep a plan that is beyond its limits for approval; the words for it, or None where it may be sent."""
    mapping, stream = pushing.mapping, pushing.stream.name
    held = reconcile.within(
        wanted.counts, app.limits_of(mapping.connection, stream), targets.records(app.db, mapping.connection, stream)
    )
    if held is None or wanted.id in _approved(app, mapping.connection, stream):
        return None
    now = app.clock()
    counts = {"create": wanted.counts.create, "update": wanted.counts.update, "delete": wanted.counts.delete}
    with app.db.begin() as tx:
        outbox.drop_planned(tx, mapping.connection, stream, now)
        outbox.keep_plan(
            tx, wanted.id, mapping.connection, stream, state="held", counts=counts, reason=held.message,
            run_id=pushing.run.id, now=now,
        )  # fmt: skip
        outbox.keep(tx, mapping.connection, stream, wanted.intents, state="planned", plan_id=wanted.id, now=now)
    return (
        f"{mapping.connection}.{stream}: {held.message}; nothing was sent. Look at it with "
        f"`prm-sync plan {mapping.connection} {stream}` and release it with `prm-sync approve {wanted.id}`"
    )


def _approved(app: App, connection: str, stream: str) -> set[str]:
    import sqlalchemy as sa

    with app.db.begin() as tx:
        rows = tx.execute(
            sa.text("SELECT id FROM ops.plan WHERE connection = :c AND stream = :s AND state = 'approved'"),
            {"c": connection, "s": stream},
        )
        return {r[0] for r in rows}


def _step(mapping: StreamMapping) -> str:
    return f"push:{mapping.connection}:{mapping.stream}:{mapping.entity}"


def _since(app: App, mapping: StreamMapping) -> tuple[int, str]:
    """The change number up to which the stream is known to be as it should be, under today's mapping and policy."""
    hash_ = f"{mapping.compiled.hash}|{app.policies.sharing.version}"
    with app.db.begin() as tx:
        return progress.upto(tx, _step(mapping), hash_), hash_


def _marks(app: App, mapping: StreamMapping) -> tuple[int, int, str]:
    """(after, upto, hash): look at what changed after `after`; once that is written down, all up to `upto` is done."""
    upto = min(source.mark(app.db, name) for name in _CHANGES.get(mapping.entity, (mapping.entity,)))
    after, hash_ = _since(app, mapping)
    return after, upto, hash_


def _mappings(app: App, connection: str, stream: str) -> Sequence[StreamMapping]:
    found = [m for m in app.mappings_of(connection, stream)[0] if m.back is not None]
    if not found:
        app.connector(connection)
        raise ConfigError(f"no mapping of {connection}.{stream} has a `back:` part: nothing is written there")
    return found


def _declared(session: Session, connection: str, stream: str) -> Stream:
    found = session.discover([stream])
    if not found or not found[0].write_batch:
        raise ConfigError(f"{connection}: the stream {stream!r} cannot be written with these credentials")
    return found[0]


def _kinds(stream: Stream) -> dict[str, str]:
    return {f.name: f.type for f in stream.fields}
