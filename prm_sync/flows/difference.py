"""The difference between what a remote stream should be and what was last seen of it: a plan."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from prm_sync.app import App, StreamMapping
from prm_sync.connect.protocol import Stream
from prm_sync.errors import ConfigError
from prm_sync.flows.disclosing import Disclosing, Leaving, asked, sharing_of
from prm_sync.flows.holding import Holding
from prm_sync.rules import reconcile
from prm_sync.warehouse import drift, outbox, raw, targets
from prm_sync.warehouse.conflicts import Frozen
from prm_sync.warehouse.disclosures import Left
from prm_sync.warehouse.outbox import Intent
from prm_sync.warehouse.plans import PlanHead
from prm_sync.warehouse.targets import Target


@dataclass(slots=True)
class Plan:
    """What is to be done to one stream; `hash` says exactly what, so the same plan has the same id."""

    connection: str
    stream: str
    entity: str
    intents: list[Intent] = field(default_factory=list)
    targets: list[tuple[str, str]] = field(default_factory=list)  #: (entity id, target) of all that was compared
    conflicts: int = 0  #: fields that are not written, since a conflict about them is open; the others are
    frozen: list[Frozen] = field(default_factory=list)  #: fields that go back and forth, found now

    @property
    def compared(self) -> int:
        return len(self.targets)

    @property
    def counts(self) -> reconcile.PlanCounts:
        delete = sum(i.op == "delete" for i in self.intents)
        create = sum(i.creates for i in self.intents)
        blanks = Counter(n for i in self.intents if i.op == "upsert" for n in reconcile.emptied(i.before, i.after))
        [(blanked, most)] = blanks.most_common(1) or [("", 0)]
        return reconcile.PlanCounts(
            create=create, update=len(self.intents) - create - delete, delete=delete,
            skip=self.compared - len(self.intents), conflict=self.conflicts, blanked=blanked, blanks=most,
        )  # fmt: skip

    @property
    def hash(self) -> str:
        """Of every change: what it sets, and what was observed before it."""
        lines = sorted(msgspec.json.encode((i.token, i.before, i.after), order="deterministic") for i in self.intents)
        about = f"{self.connection}|{self.stream}|{self.entity}|".encode()
        return hashlib.sha256(about + b"|".join(lines)).hexdigest()

    @property
    def head(self) -> PlanHead:
        hash_ = self.hash
        return PlanHead(
            "plan_" + hash_[:12], hash_, self.connection, self.stream, self.entity, self.counts.told()
        )  # fmt: skip


def scope_of(kind: str, mapping: StreamMapping) -> targets.Scope:
    """Whose records a mapping writes, by the key that it gives them.

    A PRM gets the leads that are offered, and copies of what belongs to its partners where their key (`shared_key`) is
    written to them; a CRM gets the deals that are registered; everything else is an update of a record that is there.
    Raises ConfigError for a mapping that asks for what only copies have.
    """
    uses = mapping.back.uses if mapping.back is not None else ()
    if kind == "prm" and mapping.entity == "lead":
        return "offered"
    if kind == "prm" and "shared_key" in uses:
        return "shared"
    if kind == "crm" and mapping.entity == "opportunity":
        return "registered"
    for name in targets.SHARED_WITH:
        if name in uses:
            raise ConfigError(
                f"back: {name} is known of the copies that a PRM gets, by a mapping that writes `shared_key`; write it "
                "in such a mapping, or leave it out", file=mapping.spec.file,
            )  # fmt: skip
    return "known"


def planned(app: App, mapping: StreamMapping, stream: Stream, *, after: int, kinds: Mapping[str, str]) -> Plan:
    """Compare every target of which something changed after that change number."""
    back = mapping.back
    assert back is not None
    kind = app.connector(mapping.connection).kind
    gone = drift.removed(app.db, mapping.connection, stream.name)
    sharing = sharing_of(app, mapping.entity, mapping.connection, stream.name) if kind == "prm" else None
    disclosing = Disclosing(sharing, mapping, stream) if sharing is not None else None
    comparing = _Comparing(app, mapping, stream, kinds, disclosing=disclosing, gone=gone)
    uses = (*back.uses, *asked(sharing, mapping)) if sharing is not None else back.uses
    plan = Plan(mapping.connection, stream.name, mapping.entity)
    for batch in targets.changed(
        app.db, mapping.entity, scope_of(kind, mapping), mapping.connection, stream.name,
        tuple(dict.fromkeys(uses)), after,
    ):  # fmt: skip
        plan.targets += [(t.entity_id, t.target) for t in batch]
        plan.intents += comparing.intents(batch)
    plan.conflicts, plan.frozen = comparing.holding.held, comparing.holding.frozen
    return plan


@dataclass(slots=True)
class _Comparing:
    app: App
    mapping: StreamMapping
    stream: Stream
    kinds: Mapping[str, str]
    disclosing: Disclosing | None  #: where it goes to partners
    gone: frozenset[str]  #: remote fields that cannot be written since they have drifted: the others are
    holding: Holding = field(init=False)

    def __post_init__(self) -> None:
        self.holding = Holding(self.app, self.mapping, self.stream.name)

    def intents(self, batch: Sequence[Target]) -> Iterator[Intent]:
        connection, stream = self.mapping.connection, self.stream.name
        with self.app.db.begin() as tx:
            done = outbox.last_done(tx, connection, stream, [t.entity_id for t in batch])
            ids = {t.remote_id or getattr(done.get((t.entity_id, t.target)), "remote_id", None) for t in batch}
            seen = raw.payloads(tx, connection, stream, [i for i in ids if i])
            self.holding.look(tx, [t.entity_id for t in batch], [i for i in ids if i])
            if self.disclosing is not None:
                self.disclosing.look(tx, batch)
        made = [self._one(target, done.get((target.entity_id, target.target)), seen) for target in batch]
        yield from self.holding.thawed([intent for intent in made if intent is not None])

    def _one(self, target: Target, last: Any, seen: Mapping[str, Any]) -> Intent | None:
        remote_id = target.remote_id or (last.remote_id if last is not None else None)
        record = seen.get(remote_id) if remote_id else None
        gone = record is not None and record.deleted_at is not None
        if target.op == "delete":
            if remote_id is None or gone or _deleted_since(last, record):
                return None
            return self._intent(target, "delete", {}, {}, {}, remote_id, last)
        if self.made_here and (gone or _deleted_since(last, record)) and last is not None and last.op == "delete":
            remote_id, record = None, None  # we deleted it, and it is to be there again
        elif gone:
            return None  # somebody deleted it over there: it is not made again
        leaving = self.disclosing.of(target) if self.disclosing is not None else Leaving(target.values)
        if leaving.all_revoked and self.made_here:  # the record is there for the partner alone
            if remote_id is None or _deleted_since(last, record):
                return None
            return self._intent(target, "delete", {}, {}, {}, remote_id, last, leaving)
        back = self.mapping.back
        assert back is not None
        desired = self.holding.without_held(target.entity_id, remote_id, back.run(leaving.values))
        observed = self.holding.as_meant(remote_id, _observed(record, last))
        flat = {name: reconcile.value_at(desired, name) for name in back.fields if self._writable(desired, name)}
        differing = reconcile.difference(flat, observed, list(flat), self.kinds)
        if not differing:
            return None
        before = {name: reconcile.value_at(observed, name) for name in differing} if observed is not None else {}
        tops = dict.fromkeys(name.split(".")[0] for name in differing)
        values = {t: desired[t] for t in tops}
        return self._intent(target, "upsert", values, before, differing, remote_id, last, leaving)

    def _writable(self, desired: Mapping[str, Any], name: str) -> bool:
        return _has(desired, name) and name not in self.gone and name.partition(".")[0] not in self.gone

    @property
    def made_here(self) -> bool:
        """Whether the records of the stream are made, and deleted, by us."""
        return scope_of("prm" if self.disclosing is not None else "", self.mapping) != "known"

    def _intent(
        self, target: Target, op: str, values: dict[str, Any], before: dict[str, Any], after: dict[str, Any],
        remote_id: str | None, last: Any, leaving: Leaving | None = None,
    ) -> Intent:  # fmt: skip
        match = next(((f, str(values[f])) for f in self.stream.match_on if values.get(f) is not None), None)
        token = reconcile.token(
            connection=self.mapping.connection, stream=self.stream.name,
            entity_id=f"{target.entity_id}/{target.target}", op=op, values=values,
            basis=str(last.id) if last is not None else "",
        )  # fmt: skip
        left: tuple[Left, ...] = ()
        revoked: tuple[str, ...] = ()
        if leaving is not None and self.disclosing is not None:
            left = self.disclosing.left(leaving, values)
            revoked = self.disclosing.taken_back(leaving, after) if op == "upsert" else tuple(sorted(leaving.revoked))
        return Intent(
            entity=self.mapping.entity, entity_id=target.entity_id, target=target.target, op=op, values=values,
            before=before, after=after, remote_id=remote_id, match=None if remote_id else match, token=token,
            left=left, revoked=revoked, partner_key=target.partner_key, creates=op == "upsert" and remote_id is None,
        )  # fmt: skip


def _observed(record: Any, last: Any) -> dict[str, Any] | None:
    """The last pulled payload, with what was written since on top; None: there is no such record yet."""
    if record is None:
        return dict(last.values) if last is not None and last.op == "upsert" else None
    if last is not None and last.op == "upsert" and last.settled_at is not None and last.settled_at > record.seen_at:
        return {**record.payload, **last.values}
    return dict(record.payload)


def _deleted_since(last: Any, record: Any) -> bool:
    """Whether we deleted it, and have not seen it come back: what somebody revives over there is deleted again."""
    if last is None or last.op != "delete":
        return False
    return record is None or last.settled_at is None or last.settled_at >= record.seen_at


def _has(record: Mapping[str, Any], name: str) -> bool:
    inner: Any = record
    for part in name.split("."):
        if not isinstance(inner, Mapping) or part not in inner:
            return False
        inner = inner[part]
    return True
