"""Writing a batch: one call for each change, several at a time, one outcome each, in their order.

Changes to the same record stay in order (a *lane*); lanes run side by side. What one change meets says nothing about
the others, so an error is raised only where it is all that is known; otherwise it becomes that change's outcome:

    code "unknown"   the call was perhaps applied: read the record again (by id or match) before anything is sent
    code "not_sent"  nothing was sent, because the look-up before it failed or an earlier call said that none will pass
    code "limited"   the remote refused it for its rate limit; not applied
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from prm_sync.connect import (
    Change,
    ConnectorError,
    Done,
    Http,
    Later,
    Misconfigured,
    Outcome,
    QuotaSpent,
    RateLimited,
    Record,
    Refused,
    Unavailable,
)
from prm_sync_partnerstack.api import (
    BAD_REQUEST,
    CONFLICT,
    GONE,
    NOT_FOUND,
    REFUSALS,
    data_of,
    message_of,
    one_label,
    one_path,
    without_values,
)
from prm_sync_partnerstack.config import PartnerStackConfig
from prm_sync_partnerstack.lookup import Found, Lookup
from prm_sync_partnerstack.streams import Source

CODES = {BAD_REQUEST: "invalid", NOT_FOUND: "not_found", CONFLICT: "conflict", GONE: "not_found"}
TAKEN = ("already", "exist", "duplicate", "unique", "taken")  #: words of a 400 that may mean "this key is there"


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing went out for this change, because of `cause`."""

    cause: ConnectorError


def write(
    http: Http, lookup: Lookup, config: PartnerStackConfig, source: Source, changes: Sequence[Change]
) -> Sequence[Outcome]:
    """One outcome for each change. Raises where one kind of error is all there is to tell of the whole batch."""
    batch = _Batch(http, lookup, config, source, changes)
    results = batch.run()
    errors = [r.cause if isinstance(r, NotSent) else r for r in results if isinstance(r, NotSent | ConnectorError)]
    # What was never sent may share the fate of what was tried; two kinds of trouble are told one by one.
    alike = len({_family(result) for result in results} - {"not_sent"}) <= 1
    if errors and len(errors) == len(results) and alike:
        raise next((r for r in results if isinstance(r, ConnectorError)), errors[0])
    return [_outcome(result) for result in results]


class _Batch:
    """One call of `write`: what was found before, and whether to go on."""

    def __init__(
        self, http: Http, lookup: Lookup, config: PartnerStackConfig, source: Source, changes: Sequence[Change]
    ) -> None:
        self.http, self.lookup, self.config, self.source, self.changes = http, lookup, config, source, changes
        self.name = source.stream.name
        self.results: list[Outcome | NotSent | ConnectorError | None] = [None] * len(changes)
        self.found = self._matches()
        self._lock, self._halt = threading.Lock(), None

    _halt: ConnectorError | None

    def run(self) -> list[Outcome | NotSent | ConnectorError]:
        lanes = self._lanes()
        if len(lanes) == 1:
            self._lane(lanes[0])
        elif lanes:
            with ThreadPoolExecutor(self.config.concurrency, "partnerstack-write") as pool:
                list(pool.map(self._lane, lanes))
        return [r if r is not None else NotSent(Unavailable("partnerstack: was not sent")) for r in self.results]

    def _matches(self) -> dict[tuple[str, str], Found]:
        """Every match of the batch looked up once. A transaction's own key makes its create repeatable: no look-up."""
        by_field: dict[str, list[str]] = {}
        for change in self.changes:
            if change.remote_id is None and change.match is not None and change.match[0] != self.source.stream.key:
                by_field.setdefault(change.match[0], []).append(change.match[1])
        return {
            (field, value): found
            for field, values in by_field.items()
            for value, found in self.lookup.by(self.name, field, values).items()
        }

    def _lanes(self) -> list[list[int]]:
        lanes: dict[object, list[int]] = {}
        for i, change in enumerate(self.changes):
            record = self.found.get(change.match) if change.remote_id is None and change.match else None
            about: object = change.remote_id or (record.get("key") if isinstance(record, Mapping) else None)
            lanes.setdefault(about or change.match or i, []).append(i)
        return list(lanes.values())

    def _lane(self, lane: Sequence[int]) -> None:
        made: str | None = None
        for i in lane:
            with self._lock:
                halt = self._halt
            if halt is not None:
                self.results[i] = NotSent(halt)
                continue
            try:
                result = self._one(self.changes[i], made)
            except (Misconfigured, RateLimited, QuotaSpent) as error:
                result = error
                with self._lock:
                    self._halt = self._halt or error
            except ConnectorError as error:
                result = error
            self.results[i] = result
            if isinstance(result, Done):
                made = result.remote_id if self.changes[i].op == "upsert" else None

    # --- one change -----------------------------------------------------------------------------------------------

    def _one(self, change: Change, made: str | None) -> Outcome | NotSent | ConnectorError:
        remote_id, record = change.remote_id or made, None
        if remote_id is None and change.match is not None:
            found = self.found.get(change.match)
            if isinstance(found, ConnectorError):
                return NotSent(found)
            record, remote_id = found, str(found["key"]) if found is not None else None
        if change.op == "delete":
            return self._delete(change, remote_id)
        if remote_id is None:
            return self._create(change)
        return self._patch(remote_id, change.values, record)

    def _create(self, change: Change) -> Outcome:
        values = {name: value for name, value in change.values.items() if value is not None}
        if change.match is not None:
            values.setdefault(*change.match)
        # A transaction's key makes the repeat harmless; every other create may be done twice by a repeat.
        repeatable = not self.source.patchable and "key" in values
        response = self.http.request(
            "POST", f"/{self.name}", json=values, ok=(200, 201, *REFUSALS), safe=repeatable, label=f"/{self.name}"
        )
        if response.status_code not in REFUSALS:
            key = data_of(self.http, response).get("key") or values.get("key")
            if key is None:
                raise Unavailable("partnerstack: the answer to a create names no key: look it up before the next try")
            return Done(str(key), created=True)
        match = ("key", str(values["key"])) if repeatable else change.match
        if match is not None and _says_taken(response):
            there = self.lookup.by(self.name, match[0], [match[1]])[match[1]]
            if isinstance(there, ConnectorError):
                raise there
            if there is not None:
                return self._patch(str(there["key"]), change.values, there, known=True)
        return _refused(response, change.values)

    def _patch(self, remote_id: str, values: Record, record: Record | None, *, known: bool = False) -> Outcome:
        if record is not None and holds(record, values):
            return Done(remote_id, created=False)
        if not self.source.patchable:
            if known:
                return Done(remote_id, created=False)
            return Refused("immutable", f"{self.name} cannot be changed, only made and deleted")
        if self.config.nested_patch == "whole" and any(isinstance(v, Mapping) for v in values.values()):
            record = record if record is not None else self._read(remote_id)
            values = {name: _whole(record, name, value) for name, value in values.items()}
        response = self.http.request(
            "PATCH", one_path(self.name, remote_id), json=dict(values), ok=(200, 201, 202, 204, *REFUSALS), safe=True,
            label=one_label(self.name),
        )  # fmt: skip
        return _refused(response, values) if response.status_code in REFUSALS else Done(remote_id, created=False)

    def _delete(self, change: Change, remote_id: str | None) -> Outcome:
        if remote_id is None:
            return Refused("not_found", "there is no such record to archive")
        response = self.http.request(
            "DELETE", one_path(self.name, remote_id), ok=(200, 202, 204, *REFUSALS), safe=True,
            label=one_label(self.name),
        )  # fmt: skip
        if response.status_code in {NOT_FOUND, GONE} or response.status_code not in REFUSALS:
            return Done(remote_id, created=False)
        return _refused(response, change.values)

    def _read(self, remote_id: str) -> Record:
        found = self.lookup.by(self.name, "key", [remote_id])[remote_id]
        if isinstance(found, ConnectorError):
            raise found
        return found or {}


def holds(record: Record, values: Record) -> bool:
    """True where the record already is as `values` would make it: then no call is needed."""
    return all(
        holds(_object(record, name), value) if isinstance(value, Mapping) else record.get(name) == value
        for name, value in values.items()
    )


def _whole(record: Record, name: str, value: Any) -> Any:
    """A nested object with the parts it has already: whether a patch merges it or replaces it is not documented."""
    return {**_object(record, name), **value} if isinstance(value, Mapping) else value


def _object(record: Record, name: str) -> Record:
    # `fields` is seen as a list of its definitions with the values beside it in `field_data`, in older accounts.
    held = record.get(name)
    if name == "fields" and not isinstance(held, Mapping):
        held = record.get("field_data")
    return held if isinstance(held, Mapping) else {}


def _says_taken(response: httpx.Response) -> bool:
    if response.status_code == CONFLICT:
        return True
    return response.status_code == BAD_REQUEST and any(word in message_of(response).lower() for word in TAKEN)


def _refused(response: httpx.Response, values: Record) -> Refused:
    text = message_of(response)
    field = next((name for name in values if name in text.split(" ")), None)
    code = CODES.get(response.status_code, f"status_{response.status_code}")
    return Refused(code, without_values(text, values), field)


def _family(result: Outcome | NotSent | ConnectorError) -> str:
    if isinstance(result, Done | Refused | Later):
        return "known"
    if isinstance(result, NotSent):
        return "not_sent"
    if isinstance(result, Misconfigured):
        return "misconfigured"
    return "limited" if isinstance(result, RateLimited | QuotaSpent) else "unknown"


def _outcome(result: Outcome | NotSent | ConnectorError) -> Outcome:
    if isinstance(result, NotSent):
        return Refused("not_sent", f"was not sent: {result.cause}", retry=True)
    if isinstance(result, ConnectorError):
        family = _family(result)
        code = "not_sent" if family == "misconfigured" else family
        return Refused(code, str(result), retry=True)
    return result
