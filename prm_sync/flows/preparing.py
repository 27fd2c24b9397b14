"""Records made ready for the warehouse, without asking it: canonical rows, and whole pages as COPY takes them."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from prm_sync.canonical.model import Kind
from prm_sync.rules.identity import IdentityPolicy, MatchKeys, compile_keys
from prm_sync.rules.mapping import Compiled, Fault, MappingSpec, compile_mapping
from prm_sync.rules.mapping.compile import Run
from prm_sync.warehouse import copyformat, records
from prm_sync.warehouse.records import OfStream, Received, Trouble

_M_MMAP_THRESHOLD = -3  #: of mallopt(3)


class Maker(NamedTuple):
    """One mapping at work: a record's values in the order of its columns, and the keys of these."""

    run: Run
    match_keys: MatchKeys
    plain: bool  #: its rows can be lines of text: no value is a list

    @classmethod
    def of(cls, compiled: Compiled, match_keys: MatchKeys) -> Maker:
        kinds = {f.kind for f in compiled.spec.entity.fields if f.name in compiled.columns}
        return cls(compiled.run, match_keys, Kind.TEXTS not in kinds)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is to be made of a stream's records: an `OfStream` with its mappings, to be sent to another process."""

    connection: str
    stream: str
    key: str
    modified: str | None
    seen_at: datetime
    run_id: str
    mappings: tuple[MappingSpec, ...]
    identity: IdentityPolicy

    def makers(self) -> list[Maker]:
        compiled = [compile_mapping(spec, self.connection) for spec in self.mappings]
        return [Maker.of(c, compile_keys(c.spec.entity, self.identity, c.columns)) for c in compiled]


@dataclass(slots=True)
class Mapped:
    """What a mapping makes of some records."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)  #: as `source.write` takes them
    skipped: list[str] = field(default_factory=list)  #: ids of those that the mapping passes over
    troubles: list[Trouble] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rows:
    """The canonical rows of a page, as `source.add` takes them, and what could not be one."""

    lines: bytes
    count: int
    troubles: list[Trouble]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A page of records none of which is known: all that is to be kept of it."""

    ids: list[str]
    packed: bytes  #: as `raw.add` takes them
    rows: list[Rows]  #: of each mapping


def prepare(
    of: OfStream, makers: Sequence[Maker], page: Sequence[Mapping[str, Any]], *, seen_at: datetime, run_id: str
) -> Prepared:
    """A page of new records, by mappings all of which make plain rows."""
    encoded = records.encode(of, page)
    packed = records.packed(of, encoded, seen_at, run_id)
    received = [e.received for e in encoded]
    del encoded  # the JSON is packed: two megabytes less while rows are made
    rows = []
    for maker in makers:
        made = mapped(of, maker.run, maker.match_keys, received)
        rows.append(Rows(copyformat.lines(made.rows), len(made.rows), made.troubles))
    return Prepared([r.remote_id for r in received], packed, rows)


def mapped(of: OfStream, run: Run, match_keys: MatchKeys, received: Iterable[Received]) -> Mapped:
    """The canonical rows of these records."""
    made = Mapped()
    connection, stream = of.connection, of.stream
    add, faults = made.rows.append, list[Fault]()
    for remote_id, record, time in received:
        if error := record.get("__error__"):
            made.troubles.append(Trouble(remote_id, "*", "unreadable_row", str(error), klass="permanent"))
            continue
        values = run(record, faults)
        if faults:
            made.troubles += [_trouble(remote_id, f) for f in faults]
            faults.clear()
        elif values is None:
            made.skipped.append(remote_id)
        if values is not None:
            add((connection, stream, remote_id, time, None, *match_keys(values), *values))
    return made


def _trouble(remote_id: str, fault: Fault) -> Trouble:
    return Trouble(remote_id, "*" if fault.fatal else fault.field, str(fault.code), fault.reason, fault.source)


def give_back_memory() -> None:
    """Let the C library give blocks of a megabyte back when they are freed. Pages go from thread to thread: in heaps of
    its threads, which it makes otherwise, a load's memory grew with its size. Where there is no such library: nothing.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


@contextmanager
def rarely_collecting() -> Iterator[None]:
    """Records make no cycles: looking for some after every 700 objects took a tenth of a big pull's time."""
    before = gc.get_threshold()
    gc.freeze()  # what is there already will stay: no need to look through it again
    gc.set_threshold(50_000, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
