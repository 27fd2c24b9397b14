"""Reading back what we wrote: a page with our own words wherever the remote shows them in its own way.

What a remote makes of our write (trimmed, cut, rounded ...) then means what we wrote: it is no change of that system,
and nothing is sent again for it. The payload stays in `raw.record` as received.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from prm_sync.app import StreamMapping
from prm_sync.rules import echo
from prm_sync.rules.reconcile import same, value_at
from prm_sync.warehouse import echoes, raw
from prm_sync.warehouse.echoes import Pairs, Written
from prm_sync.warehouse.records import Received

Record = Mapping[str, Any]
_UNKNOWN = datetime.min.replace(tzinfo=UTC)
Repeats = Mapping[str, Collection[str]]
"""Remote id -> flat remote fields that say what we wrote there."""


def read_back(
    tx: sa.Connection, state: raw.StreamState, staged: raw.Staged, read_at: datetime | None
) -> tuple[raw.Staged, Repeats]:
    """The page as it is meant, and which of its fields repeat us. `read_at`: start of the read; None: not known.

    A stream that was never written to costs one look at an index.
    """
    if not echoes.is_written(tx, state.connection, state.stream):
        return staged, {}
    ids = [r.remote_id for r in (*staged.new, *staged.changed)]
    read_at = read_at or _UNKNOWN
    written = echoes.written(tx, state.connection, state.stream, ids)
    if not written:
        return staged, {}
    repeats: dict[str, set[str]] = {}
    news: dict[str, Written] = {}

    def meant(received: Received) -> Received:
        remote_id, record, changed_at = received
        known = written.get(remote_id)
        if known is None:
            return received
        pairs, ours = _compared(record, known, read_at, changed_at)
        if ours:
            repeats[remote_id] = ours
        upto = max((w.id for w in known.unread if w.at <= read_at), default=known.read_upto)
        if upto != known.read_upto or pairs != known.shown:
            news[remote_id] = Written(upto, pairs)
        return received._replace(record=echo.as_meant(record, pairs)) if pairs else received

    out = replace(staged, new=[meant(r) for r in staged.new], changed=[meant(r) for r in staged.changed])
    echoes.keep(tx, state.connection, state.stream, news)
    return out, repeats


def _compared(
    record: Record, known: Written, read_at: datetime, changed_at: datetime | None
) -> tuple[Pairs, set[str]]:
    """What the record shows in its own way, and its fields that repeat us."""
    pairs = {name: p for name, p in known.shown.items() if same(p["shows"], value_at(record, name))}
    ours: set[str] = set()
    for w in known.unread:
        for name, wrote in echo.flat(w.field, w.new):
            shows = value_at(record, name)
            if w.at > read_at:  # the page may have been read before it was written
                repeated = echo.alike(wrote, shows)
                if not repeated:
                    continue
            else:
                old = w.old if name == w.field else None
                repeated = echo.is_echo(wrote, shows, old, wrote_at=w.at, changed_at=changed_at)
            pairs.pop(name, None)
            ours.discard(name)
            if repeated:
                ours.add(name)
                if not same(wrote, shows):
                    pairs[name] = {"wrote": wrote, "shows": shows}
    for top, value in known.doubtful.items():
        ours |= {name for name, wrote in echo.flat(top, value) if echo.alike(wrote, value_at(record, name))}
    return pairs, ours


def repeated_fields(mapping: StreamMapping, repeats: Repeats) -> dict[str, set[str]]:
    """The same as canonical fields: those that are made of a remote field that repeats us."""
    if not repeats:
        return {}
    made_of = [(rule.field.name, set(rule.sources)) for rule in mapping.spec.fields]
    return {i: {name for name, sources in made_of if not sources.isdisjoint(ours)} for i, ours in repeats.items()}
