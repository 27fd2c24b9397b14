"""A second try for what is in quarantine: as it is, or with fields of the record corrected by a person."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App
from prm_sync.errors import ConfigError, PrmSyncError
from prm_sync.flows.refine import refine
from prm_sync.rules.corrections import fingerprint
from prm_sync.rules.reconcile import value_at
from prm_sync.warehouse import corrections, quarantine, raw
from prm_sync.warehouse.quarantine import Chosen
from prm_sync.yamlfile import did_you_mean

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a second try came to: records mapped again, troubles that are gone, and those that are left."""

    records: int
    resolved: int
    still: int


@dataclass(frozen=True, slots=True)
class RecordKey:
    """One remote record."""

    connection: str
    stream: str
    remote_id: str

    def __str__(self) -> str:
        return f"{self.connection}.{self.stream} {self.remote_id}"

    @property
    def chosen(self) -> Chosen:
        return Chosen(self.connection, self.stream, ids=(self.remote_id,), push=False)


def replay(app: App, chosen: Chosen) -> Replayed:
    """Map the records of these rows again. Refused writes among them are not concerned: `quarantine.send_again`."""
    with app.db.begin() as tx:
        before, entities = quarantine.count(tx, chosen), quarantine.entities(tx, chosen)
        records = quarantine.put_up(tx, chosen)
    if entities:
        refine(app, entities)
    with app.db.begin() as tx:
        still = quarantine.count(tx, chosen)
    log.info("replayed", extra={"records": records, "before": before, "still": still})
    return Replayed(records, max(before - still, 0), still)


def correct(app: App, key: RecordKey, values: Mapping[str, Any], *, by: str, note: str | None = None) -> Replayed:
    """Remember what these remote fields of the record should have been, and map it again.

    Raises PrmSyncError for a record that is not there, ConfigError for a field that it and its mappings do not know.
    """
    at = app.clock()
    with app.db.begin() as tx:
        payload = _payload(tx, key)
        for field in values:
            _check(app, key, payload, field)
        before = quarantine.count(tx, key.chosen)
        for field, value in values.items():
            was = fingerprint(value_at(payload, field))
            corrections.keep(
                tx, key.connection, key.stream, key.remote_id, field,
                value=value, was=was, by=by, at=at, note=note,
            )  # fmt: skip
        quarantine.put_up_record(tx, key.connection, key.stream, key.remote_id)
    log.info("corrected", extra={"record": str(key), "fields": len(values)})
    return _again(app, key, before)


def take_back(app: App, key: RecordKey, fields: Sequence[str] | None, *, by: str) -> tuple[list[str], Replayed]:
    """The record goes by its source again in these fields (None: in all); the fields that were corrected."""
    with app.db.begin() as tx:
        before = quarantine.count(tx, key.chosen)
        ended = corrections.end(tx, key.connection, key.stream, key.remote_id, fields, by=by, at=app.clock())
        if not ended:
            raise PrmSyncError(f"{key}: no correction of it applies; `prm-sync quarantine edits` lists them")
        quarantine.put_up_record(tx, key.connection, key.stream, key.remote_id)
    return sorted(ended), _again(app, key, before)


def _again(app: App, key: RecordKey, before: int) -> Replayed:
    refine(app, [m.entity for m in app.mappings.get((key.connection, key.stream), ())])
    with app.db.begin() as tx:
        still = quarantine.count(tx, key.chosen)
    return Replayed(1, max(before - still, 0), still)


def _payload(tx: sa.Connection, key: RecordKey) -> Mapping[str, Any]:
    row = raw.payloads(tx, key.connection, key.stream, [key.remote_id]).get(key.remote_id)
    if row is None or row.deleted_at is not None:
        raise PrmSyncError(f"{key}: there is no such record; `prm-sync quarantine list` names those in quarantine")
    payload: Mapping[str, Any] = row.payload
    return payload


def _check(app: App, key: RecordKey, payload: Mapping[str, Any], field: str) -> None:
    mapped = {s for m in app.mappings.get((key.connection, key.stream), ()) for s in m.spec.sources}
    top = field.partition(".")[0]
    if field not in mapped and field not in payload and top not in payload:
        raise ConfigError(f'{key}: it has no field "{field}"{did_you_mean(field, {*mapped, *payload})}')
    inner: Any = payload
    for part in field.split(".") if field not in payload else ():
        if isinstance(inner, list):
            raise ConfigError(f'{key}: "{field}" stands in a list; correct the list as a whole ("{top}")')
        inner = inner.get(part) if isinstance(inner, Mapping) else None
