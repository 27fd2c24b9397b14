"""Records as they come, made ready to be kept. Needs no database: a process that only prepares them imports this."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from prm_sync.errors import ContractBroken
from prm_sync.warehouse import copyformat

COLUMNS = ("connection", "stream", "remote_id", "payload", "hash", "remote_time", "seen_at", "run_id")
"""Of raw.record, in the order in which rows are made."""
_encode = msgspec.json.Encoder(order="deterministic").encode


class OfStream(Protocol):
    """Where records come from, and their fields for the remote id and for the time of the last change."""

    @property
    def connection(self) -> str: ...
    @property
    def stream(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def modified(self) -> str | None: ...


class Received(NamedTuple):
    """A record as it came: its id, its fields, and when the remote says that it changed last."""

    remote_id: str
    record: Mapping[str, Any]
    time: datetime | None


class Encoded(NamedTuple):
    """A record ready to be kept: its JSON, and the hash that tells whether it changed."""

    received: Received
    payload: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a record, or one field of it, was held back. `reason` has no values in it."""

    remote_id: str
    field: str  #: canonical field; "*": the whole record
    code: str
    reason: str
    source: str | None = None
    klass: str = "fixable"


def received(of: OfStream, records: Sequence[Mapping[str, Any]]) -> list[Received]:
    """Records as the stream's fields for id and time tell them. One without its key breaks the contract."""
    ids = [record.get(of.key) for record in records]
    if None in ids or "" in ids:
        raise ContractBroken(f"{of.connection}.{of.stream}: a record came without its key {of.key!r}")
    names = [i if i.__class__ is str else str(i) for i in ids]
    times = [record.get(of.modified) for record in records] if of.modified else [None] * len(records)
    return list(map(Received, names, records, map(instant, times)))


def encode(of: OfStream, records: Sequence[Mapping[str, Any]]) -> list[Encoded]:
    """The records of a page by their ids, of each the last. Records without their key break the contract."""
    payloads = [_encode(record) for record in records]
    if odd := [n for n, payload in enumerate(payloads) if b"\\u0000" in payload]:  # or a backslash and "u0000", no NUL
        records = list(records)
        for n in odd:
            records[n] = _without_nul(records[n])
            payloads[n] = _encode(records[n])
    digest = hashlib.blake2b
    hashes = (digest(payload, digest_size=16).digest() for payload in payloads)
    found = map(Encoded, received(of, records), payloads, hashes)
    return list({one.received.remote_id: one for one in found}.values())


def packed(of: OfStream, records: Iterable[Encoded], seen_at: datetime, run_id: str) -> bytes:
    """The rows of raw.record (`COLUMNS`) for these records, in the binary format of COPY."""
    value = copyformat.packed
    head = copyformat.fields(len(COLUMNS)) + value(of.connection) + value(of.stream)
    tail = value(seen_at) + value(run_id)
    return b"".join(
        b"".join((head, value(received.remote_id), value(payload), value(hash_), value(received.time), tail))
        for received, payload, hash_ in records
    )


def _without_nul(value: Any) -> Any:
    """The same without NUL characters, which PostgreSQL does not keep in a text."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, Mapping):
        return {_without_nul(k): _without_nul(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nul(v) for v in value]
    return value


def instant(value: object) -> datetime | None:
    """A remote's time stamp, ISO text or epoch milliseconds; None where it is neither."""
    if isinstance(value, str) and value:
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            return None
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value / 1000, tz=UTC)
        except (ValueError, OverflowError, OSError):
            return None
    return None
