"""Drift of a stream: looked for at each pull by what `discover` says, which the pull asks for anyway."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prm_sync.app import App
from prm_sync.connect.protocol import Stream
from prm_sync.errors import PrmSyncError
from prm_sync.rules import drift as rules
from prm_sync.rules.drift import Finding, Severity, Shape
from prm_sync.warehouse import drift as kept

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a look at a stream's form came to."""

    returned: bool = False  #: a field that was held is as it should be: what was read meanwhile lacks its values
    message: str | None = None  #: what is held, and what to do; None: nothing


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a person has accepted: (field, kind) each; `mapped_again`: fields were held, so all records are mapped."""

    findings: tuple[tuple[str, str], ...]
    mapped_again: bool


def shapes_of(stream: Stream) -> dict[str, Shape]:
    """The form of a stream as rules see it."""
    return {f.name: Shape(f.type, f.choices, f.length, f.required, f.writable, f.guessed) for f in stream.fields}


def observe(app: App, connection: str, stream: Stream, at: datetime) -> Observed:
    """Compare the stream with what was expected of it. One look-up where nothing changed."""
    if not stream.fields:  # it does not say: nothing is known, nothing has changed
        return Observed()
    now = shapes_of(stream)
    hash_, uses_hash = _hash({n: s.plain() for n, s in now.items()}), _mappings_hash(app, connection, stream.name)
    returned = False
    with app.db.begin() as tx:
        if not kept.unchanged(tx, connection, stream.name, hash_, uses_hash):
            before = kept.latest(tx, connection, stream.name)
            expected = {n: Shape.of(s) for n, s in before.expected.items()} if before is not None else now
            findings = differences(app, connection, stream.name, expected, now)
            still = [(f.field, f.kind) for f in findings if f.severity is not Severity.INFO]
            freed = kept.mend(tx, connection, stream.name, still, at)
            returned = bool(freed - {f.field for f in findings})  # else it is the mapping that lets it be
            kept.keep(tx, connection, stream.name, [_row(f) for f in findings], at)
            wanted = rules.taken_up(expected, now, findings)
            kept.keep_snapshot(tx, connection, stream.name, at, _snapshot(hash_, now, wanted, uses_hash))
            _tell(connection, stream.name, findings)
        open_ = kept.listed(tx, connection, stream.name)
    worst = [f["message"] for f in open_ if f["severity"] == Severity.BREAKING]
    return Observed(returned, _words(connection, stream.name, worst) if worst else None)


def differences(
    app: App, connection: str, stream: str, expected: Mapping[str, Shape], now: Mapping[str, Shape]
) -> list[Finding]:
    """What of a stream is not as expected, under today's mappings."""
    specs = [m.spec for m in app.mappings.get((connection, stream), ())]
    return rules.differences(expected, now, rules.uses_of(specs, [*expected, *now]))


def accept(app: App, connection: str, stream: str, field: str | None, by: str) -> Accepted:
    """The stream is meant to be as it is now, in one field or in all. What was held is mapped again by the next refine.

    Raises PrmSyncError where nothing of it is open.
    """
    at = app.clock()
    with app.db.begin() as tx:
        found = kept.accept(tx, connection, stream, field, by=by, at=at)
        before = kept.latest(tx, connection, stream)
        if not found or before is None:
            what = f"{connection}.{stream}" + (f" {field}" if field else "")
            raise PrmSyncError(f"{what}: there is no open drift; `prm-sync drift list` shows what there is")
        expected = dict(before.expected)
        for name in {r.field for r in found}:
            expected.pop(name, None)
            if name in before.fields:
                expected[name] = before.fields[name]
        kept.keep_snapshot(
            tx, connection, stream, at, kept.Snapshot(before.hash, before.fields, expected, before.mapping_hash)
        )
        again = any(r.holds for r in found)
        if again:
            kept.map_again(tx, connection, stream)
    log.info("drift accepted", extra={"connection": connection, "stream": stream, "findings": len(found)})
    return Accepted(tuple(sorted((r.field, r.kind) for r in found)), again)


def _words(connection: str, stream: str, messages: list[str]) -> str:
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return (
        f"{connection}.{stream}: {messages[0]}{more}. If it is meant to be so: `prm-sync drift accept {connection} "
        f"{stream}`"
    )


def _tell(connection: str, stream: str, findings: list[Finding]) -> None:
    for f in findings:
        about = {"connection": connection, "stream": stream, "field": f.field, "kind": f.kind.value}
        log.log(logging.INFO if f.severity is Severity.INFO else logging.WARNING, "schema drift", extra=about)


def _row(f: Finding) -> kept.Row:
    before, after = (s.plain() if s is not None else None for s in (f.before, f.after))
    return kept.Row(f.field, f.kind, f.severity, before, after, f.concerns, f.holds, f.message)


def _snapshot(hash_: str, now: Mapping[str, Shape], wanted: Mapping[str, Shape], uses_hash: str) -> kept.Snapshot:
    return kept.Snapshot(hash_, _plain(now), _plain(wanted), uses_hash)


def _plain(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    return {name: shape.plain() for name, shape in shapes.items()}


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _mappings_hash(app: App, connection: str, stream: str) -> str:
    """What the severity of a difference depends on."""
    found = app.mappings.get((connection, stream), ())
    return _hash([[m.compiled.hash, m.back.hash if m.back is not None else None] for m in found])
