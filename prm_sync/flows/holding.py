"""What keeps a push from writing a field: an open conflict about it, a freeze, or that the remote says it already.

It asks of the entities that are compared, and of the writes of those records that would be written: its cost follows
what changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App, StreamMapping
from prm_sync.rules import authority, echo, reconcile
from prm_sync.warehouse import conflicts, echoes
from prm_sync.warehouse.conflicts import Frozen, Held
from prm_sync.warehouse.echoes import Pairs
from prm_sync.warehouse.outbox import Intent


@dataclass(slots=True)
class Holding:
    """One comparison of one stream, batch by batch."""

    app: App
    mapping: StreamMapping
    stream: str
    held: int = 0  #: fields held back
    frozen: list[Frozen] = field(default_factory=list)  #: fields that go back and forth, found now
    _entities: Mapping[str, Held] = field(default_factory=dict)
    _echoes: Mapping[str, Pairs] = field(default_factory=dict)

    def look(self, tx: sa.Connection, entity_ids: Sequence[str], remote_ids: Sequence[str]) -> None:
        """Ask for all that stands against writing to these."""
        connection = self.mapping.connection
        self._entities = conflicts.held(tx, self.mapping.entity, connection, self.stream, entity_ids)
        self._echoes = echoes.shown(tx, connection, self.stream, remote_ids)

    def as_meant(self, remote_id: str | None, observed: dict[str, Any] | None) -> dict[str, Any] | None:
        """The observed record with our own words where the remote shows them in its own way."""
        pairs = self._echoes.get(remote_id or "")
        return dict(echo.as_meant(observed, pairs)) if observed is not None and pairs else observed

    def without_held(self, entity_id: str, remote_id: str | None, desired: dict[str, Any]) -> dict[str, Any]:
        """What is to be written, without the fields of which nothing may be."""
        stands = self._entities.get(entity_id)
        if stands is None:
            return desired
        names = {name for of, name in stands.frozen if of == remote_id} | {
            rule.remote for rule in self.mapping.spec.back
            if not stands.fields.isdisjoint([*(f.name for f in rule.sources), rule.currency or ""])
        }  # fmt: skip
        self.held += len(names)
        for name in names:
            desired = _without(desired, name.split("."))
        return desired

    def thawed(self, intents: Sequence[Intent]) -> Iterator[Intent]:
        """These intents without the fields that would now go back and forth once too often."""
        ids = [i.remote_id for i in intents if i.remote_id and i.op == "upsert"]
        if not ids:
            yield from intents
            return
        limit = self.app.policies.authority.flip_flop
        since = self.app.clock() - timedelta(hours=limit.hours)
        with self.app.db.begin() as tx:
            past = conflicts.recent_writes(tx, self.mapping.connection, self.stream, ids, since)
        for intent in intents:
            flipping = [
                name for name, value in intent.values.items()
                if len(past.get((intent.remote_id or "", name), ())) >= limit.times
                and _flips(past[intent.remote_id or "", name], value) > limit.times
            ]  # fmt: skip
            for name in flipping:
                writes = [{"at": w.at, "old": w.old, "new": w.new} for w in past[intent.remote_id or "", name]]
                self.frozen.append(self._freeze(intent, name, writes))
            self.held += len(flipping)
            rest = _trimmed(intent, flipping) if flipping else intent
            if rest.values or rest.op != "upsert":
                yield rest

    def _freeze(self, intent: Intent, name: str, writes: Sequence[Mapping[str, Any]]) -> Frozen:
        limit = self.app.policies.authority.flip_flop
        return Frozen(
            intent.entity, intent.entity_id, self.mapping.connection, self.stream, intent.remote_id or "", name, writes,
            f"more than {limit.times} times in {limit.hours:g} hours",
        )  # fmt: skip


def _flips(past: Sequence[Any], wanted: Any) -> int:
    return authority.flips([(w.old, w.new) for w in past], wanted, reconcile.same)


def _trimmed(intent: Intent, names: Sequence[str]) -> Intent:
    """The intent without these top-level fields; it is another one, so its token is, too."""
    def kept(values: Mapping[str, Any]) -> dict[str, Any]:
        return {n: v for n, v in values.items() if n.split(".")[0] not in names}

    token = hashlib.blake2b(f"{intent.token}|{sorted(names)}".encode(), digest_size=16).hexdigest()
    return replace(
        intent, values=kept(intent.values), before=kept(intent.before), after=kept(intent.after), token=token
    )


def _without(record: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    if path[0] not in record:
        return record
    if len(path) == 1:
        return {k: v for k, v in record.items() if k != path[0]}
    inner = record[path[0]]
    return {**record, path[0]: _without(inner, path[1:])} if isinstance(inner, dict) else record
