"""Corrections: what a person says a field of a remote record should have been. Laid over the record before mapping.

A correction is of one value: once the source has another one there, the source has been mended (or has become wrong in
another way), and the correction is over. A change of the record's other fields, the echo of our own write among them,
leaves it standing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from prm_sync.rules.reconcile import value_at


class Correction(NamedTuple):
    field: str  #: remote field; a path with dots where the record has no field of that whole name
    value: Any
    was: bytes  #: `fingerprint` of the value that it corrects


def fingerprint(value: Any) -> bytes:
    """BLAKE2b-128 of a JSON value. A field that is not there is null."""
    return hashlib.blake2b(json.dumps(_plain(value), sort_keys=True).encode(), digest_size=16).digest()


def _plain(value: Any) -> Any:
    """The same after it went through a database: 1e5 comes back as 100000, a NUL character not at all."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def corrected(record: Mapping[str, Any], corrections: Sequence[Correction]) -> tuple[dict[str, Any], list[str]]:
    """The record as corrected, and the fields whose correction is over: the source has another value there now."""
    out, over = dict(record), []
    for c in corrections:
        if fingerprint(value_at(record, c.field)) != c.was:
            over.append(c.field)
        else:
            out = _put(out, c.field, c.value)
    return out, over


def _put(record: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    """The record with another value there; the objects on the way are copied, not changed."""
    if field in record or "." not in field:
        return {**record, field: value}
    top, _, rest = field.partition(".")
    inner = record.get(top)
    return {**record, top: _put(dict(inner) if isinstance(inner, Mapping) else {}, rest, value)}
