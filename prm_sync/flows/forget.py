"""forget: a person goes from the warehouse and the PRMs, and does not come back with the next pull."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from prm_sync.app import App, StreamMapping
from prm_sync.canonical.model import Kind
from prm_sync.canonical.values import PARSERS
from prm_sync.connect.protocol import Session, Stream
from prm_sync.errors import ConfigError
from prm_sync.flows.deliver import Delivery
from prm_sync.flows.push import declared_of, to_the_end
from prm_sync.flows.report import FlowReport
from prm_sync.rules import reconcile
from prm_sync.rules.disclosure import keyed_hash
from prm_sync.rules.reconcile import value_at
from prm_sync.warehouse import forgetting, outbox
from prm_sync.warehouse.db import alone
from prm_sync.warehouse.forgetting import Found
from prm_sync.warehouse.outbox import Intent
from prm_sync.warehouse.records import Encoded
from prm_sync.warehouse.runs import Run, running

log = logging.getLogger(__name__)

Filter = Callable[[Sequence[Encoded]], list[Encoded]]


@dataclass(slots=True)
class Receipt:
    """What was removed, in numbers and ids of runs only: it names nobody."""

    id: str
    report: FlowReport
    removed: dict[str, int] = field(default_factory=dict)  #: rows by table
    deleted: dict[str, int] = field(default_factory=dict)  #: by "connection.stream": records that a PRM deleted
    left: dict[str, int] = field(default_factory=dict)  #: the same, not deleted yet or by nobody here
    kept_by_crm: dict[str, int] = field(default_factory=dict)  #: records of other systems, which stay there
    hashes: int = 0
    mentions: int = 0  #: records that are no person but name the address


def forget(app: App, email: str) -> Receipt:
    """Forget the person with this address. Raises ConfigError without a key, or where it is no address."""
    key = key_of(app)
    try:
        address = PARSERS[Kind.EMAIL](email)
    except ValueError:
        address = None
    if not address:
        raise ConfigError("--email: this is no e-mail address")
    with ExitStack() as locks, running(app.db, "forget", "", app.clock()) as run:
        report = FlowReport("forget", "")
        run.report = report
        writing = [m for m in app.back_mappings() if app.connector(m.connection).kind == "prm"]
        for name in sorted({f"push:{m.connection}.{m.stream}" for m in writing}):
            locks.enter_context(alone(app.db, name))
        opened = {c: locks.enter_context(app.session(c)) for c in sorted({m.connection for m in writing})}
        deliveries = [_delivery(app, opened[m.connection], m, run, report) for m in writing]
        for delivery, _ in deliveries:
            delivery.look_up_doubtful()  # what may have arrived must be known before its trace is removed
        receipt = _erased(app, key, address, writing, run, report)
        for delivery, mapping in deliveries:
            with to_the_end(app, mapping, report):
                delivery.send_ready(entity_id=f"forgotten:{run.id}")
        _count(app, receipt, run)
    log.info("forgotten", extra={"run": run.id, "counts": dict(report.numbers)})
    return receipt


def _delivery(
    app: App, session: Session, mapping: StreamMapping, run: Run, report: FlowReport
) -> tuple[Delivery, StreamMapping]:
    declared: Stream = declared_of(session, mapping.connection, mapping.stream)
    return Delivery(app, session, declared, mapping, run.id, report), mapping


def _erased(
    app: App, key: bytes, address: str, writing: Iterable[StreamMapping], run: Run, report: FlowReport
) -> Receipt:
    receipt = Receipt(run.id, report)
    entities = {(m.connection, m.stream): m.entity for m in writing}
    with app.db.begin() as tx:
        found = forgetting.find(tx, app.entities, address)
        hashes = [(keyed_hash(key, "email", a), "email") for a in sorted(found.addresses)]
        hashes += [(record_hash(key, *r), "record") for r in sorted(found.records)]
        forgetting.remember(tx, hashes, run.started_at, run.id)
        receipt.removed = forgetting.erase(tx, app.tables, found)
        for (connection, stream), ids in _by_stream(found).items():
            name = f"{connection}.{stream}"
            if (connection, stream) in entities:
                entity = entities[connection, stream]
                intents = [_delete(connection, stream, entity, i, run.id) for i in ids]
                outbox.keep(tx, connection, stream, intents, plan_id=None, now=run.started_at)
            elif app.connector(connection).kind == "prm":
                receipt.left[name] = len(ids)
            else:
                receipt.kept_by_crm[name] = len(ids)
    receipt.hashes, receipt.mentions = len(hashes), found.mentions
    report.add(persons=found.persons, records=len(found.records), rows=sum(receipt.removed.values()))
    return receipt


def _by_stream(found: Found) -> Mapping[tuple[str, str], list[str]]:
    out: dict[tuple[str, str], list[str]] = {}
    for connection, stream, remote_id in sorted(found.records):
        out.setdefault((connection, stream), []).append(remote_id)
    return out


def _delete(connection: str, stream: str, entity: str, remote_id: str, run_id: str) -> Intent:
    token = reconcile.token(
        connection=connection, stream=stream, entity_id=remote_id, op="delete", values={}, basis=run_id
    )
    return Intent(entity, f"forgotten:{run_id}", remote_id, "delete", {}, {}, {}, remote_id, None, token)


def _count(app: App, receipt: Receipt, run: Run) -> None:
    with app.db.begin() as tx:
        for row in outbox.by_state(tx, f"forgotten:{run.id}"):
            where, name = receipt.deleted if row.state == "done" else receipt.left, f"{row.connection}.{row.stream}"
            where[name] = where.get(name, 0) + row.n


# --- they do not come back ---------------------------------------------------------------------------------------


def key_of(app: App) -> bytes:
    """The key that persons are known again by. Raises ConfigError where there is none."""
    if app.settings.hash_key is None:
        raise ConfigError("forgetting needs a key: set PRM_SYNC_HASH_KEY to a secret of 16 characters or more")
    return app.settings.hash_key.get_secret_value().encode()


def record_hash(key: bytes, connection: str, stream: str, remote_id: str) -> str:
    return keyed_hash(key, "record", f"{connection}\0{stream}\0{remote_id}")


def strangers_only(app: App, connection: str, stream: str) -> Filter | None:
    """What leaves persons that were forgotten out of a page; None: nobody was.

    Raises ConfigError where somebody was and the key is not set: they would come back.
    """
    if not forgetting.anybody(app.db):
        return None
    key = key_of(app)
    sources = {
        s for m in app.mappings_of(connection, stream)[0] for rule in m.spec.fields
        if rule.field.name in forgetting.addresses_of(m.spec.entity) for s in rule.sources
    }  # fmt: skip

    def kept(page: Sequence[Encoded]) -> list[Encoded]:
        hashes = [_hashes(key, connection, stream, e, sources) for e in page]
        gone = forgetting.known(app.db, {h for some in hashes for h in some})
        return [e for e, some in zip(page, hashes, strict=True) if gone.isdisjoint(some)]

    return kept


def _hashes(key: bytes, connection: str, stream: str, record: Encoded, sources: Iterable[str]) -> set[str]:
    found = {record_hash(key, connection, stream, record.received.remote_id)}
    for name in sources:
        value: Any = value_at(record.received.record, name)
        try:
            address = PARSERS[Kind.EMAIL](value) if value else None
        except ValueError:
            continue
        if address:
            found.add(keyed_hash(key, "email", address))
    return found
