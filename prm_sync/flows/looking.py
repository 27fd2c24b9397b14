"""Looking before writing: a record is written only as it was read. What was changed since is read first.

What is compared is what the mapping reads and what is to be written; our own writes that were not read back yet count
as read. Between the look and the write some milliseconds are left: no vendor here writes a batch on a condition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prm_sync.app import App, StreamMapping
from prm_sync.connect.protocol import Fetches, Session, Stream
from prm_sync.rules import echo
from prm_sync.rules.reconcile import same, value_at
from prm_sync.warehouse import echoes, raw
from prm_sync.warehouse.echoes import Written

LOOK_UP = 200  #: records looked at in one call
PATIENCE = 4  #: tries after which only what is to be written is compared: a field that never rests stops nothing


@dataclass(frozen=True, slots=True)
class Moved:
    """A field of a record that is not as it was read."""

    field: str
    read: Any
    now: Any


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen of one record: `gone`, or the fields that have moved since it was read."""

    gone: bool = False
    moved: tuple[Moved, ...] = ()


def look(
    app: App, session: Session, stream: Stream, mapping: StreamMapping, rows: Sequence[Any], *, all_read: bool = True
) -> list[Looked]:  # fmt: skip
    """Each row (`remote_id`, `before`, `after`, and `tries` where it has some) beside its record as it is now.

    `all_read`: all that the mapping reads is compared, too. All are taken to be as they were read where the connector
    cannot look, and those that have no record yet. Raises what the connector raises.
    """
    known = [r for r in rows if r.remote_id]
    if not known or not isinstance(session, Fetches):
        return [Looked() for _ in rows]
    names = _read_by(mapping, stream) if all_read else set()
    tops = sorted({stream.key, *(n.split(".")[0] for n in (*names, *(n for r in known for n in _written(r))))})
    fields = [f.name for f in stream.fields if f.name in tops]
    ids = list(dict.fromkeys(r.remote_id for r in known))
    found: dict[str, Mapping[str, Any] | None] = {}
    for start in range(0, len(ids), LOOK_UP):
        part = ids[start : start + LOOK_UP]
        found |= zip(part, session.fetch(stream, stream.key, part, fields), strict=True)
    with app.db.begin() as tx:
        read = raw.payloads(tx, mapping.connection, stream.name, ids)
        ours = echoes.written(tx, mapping.connection, stream.name, ids)
    out = []
    for row in rows:
        if not row.remote_id:
            out.append(Looked())
        elif (now := found[row.remote_id]) is None:
            out.append(Looked(gone=True))
        else:
            looked_at = _written(row) | (names if getattr(row, "tries", 0) <= PATIENCE else set())
            last = read.get(row.remote_id)
            then = last.payload if last is not None else {}
            moved = _moved(sorted(looked_at), then, now, ours.get(row.remote_id) or Written())
            out.append(Looked(moved=tuple(moved)))
    return out


def _read_by(mapping: StreamMapping, stream: Stream) -> set[str]:
    """The remote fields that the mapping reads, but for the time of the last change, which also our writes move."""
    return {name for name in mapping.spec.sources if name.split(".")[0] != stream.modified}


def _written(row: Any) -> set[str]:
    return {*(row.before or ()), *(row.after or ())}


def _moved(names: Sequence[str], then: Mapping[str, Any], now: Mapping[str, Any], ours: Written) -> Iterator[Moved]:
    wrote = {name: value for w in ours.unread for name, value in echo.flat(w.field, w.new)}
    may_be = {name: value for top, v in ours.doubtful.items() for name, value in echo.flat(top, v)}
    for name in names:
        shows = value_at(now, name)
        if name in may_be and echo.alike(may_be[name], shows):
            continue
        if name in wrote:
            if not echo.alike(wrote[name], shows):
                yield Moved(name, wrote[name], shows)
        elif _has(then, name) and not same(value_at(then, name), shows):
            yield Moved(name, value_at(then, name), shows)


def _has(record: Mapping[str, Any], name: str) -> bool:
    return name.split(".", maxsplit=1)[0] in record
