"""Finding records by key or external key: what keeps a repeated create from making a second record.

That `GET /deals/{external_key}` works is documented; for leads and customers it is assumed. So a miss by address is
checked once per batch in the newest rows, until a hit by address has shown that addresses take such keys.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from prm_sync.connect import ConnectorError, ContractBroken, Http, Record
from prm_sync_partnerstack.api import (
    BAD_REQUEST,
    GONE,
    NOT_ALLOWED,
    NOT_FOUND,
    data_of,
    list_page,
    one_label,
    one_path,
)
from prm_sync_partnerstack.config import PartnerStackConfig
from prm_sync_partnerstack.streams import SOURCES

log = logging.getLogger(__name__)

Found: TypeAlias = Record | ConnectorError | None
"""The record; None: there is none; an error: not known, for this one value."""


class Lookup:
    """Looks records up, and remembers which addresses have been seen to take which fields. Thread safe."""

    def __init__(self, http: Http, config: PartnerStackConfig) -> None:
        self._http, self._config = http, config
        self._lock = threading.Lock()
        self._proven: set[tuple[str, str]] = set()  # a hit by address was seen: a miss can be believed

    def by(self, stream: str, field: str, values: Sequence[str]) -> dict[str, Found]:
        """Each value once, archived records left out; of several records the one made first."""
        distinct = list(dict.fromkeys(values))
        road = "key" if field == "key" and SOURCES[stream].gettable else SOURCES[stream].roads.get(field, "scan")
        if road == "filter":
            return self._each(distinct, lambda value: self._by_filter(stream, field, value))
        if road == "scan":
            return self._scan(stream, field, distinct, pages=None)
        if road == "key" or self._config.match_by == "path":
            return self._each(distinct, lambda value: self._by_path(stream, field, value))
        if self._config.match_by == "list":
            return self._scan(stream, field, distinct, pages=self._config.match_scan_pages)
        return self._path_then_list(stream, field, distinct)

    def _path_then_list(self, stream: str, field: str, values: Sequence[str]) -> dict[str, Found]:
        found = self._each(values, lambda value: self._by_path(stream, field, value))
        missed = [value for value in values if found[value] is None]
        with self._lock:
            believed = (stream, field) in self._proven
        if not missed or believed:
            return found
        return {**found, **self._scan(stream, field, missed, pages=self._config.match_scan_pages)}

    def _each(self, values: Sequence[str], one: Callable[[str], Record | None]) -> dict[str, Found]:
        def guarded(value: str) -> Found:
            try:
                return one(value)
            except ConnectorError as error:
                return error

        if len(values) <= 1:
            return {value: guarded(value) for value in values}
        with ThreadPoolExecutor(self._config.concurrency, "partnerstack-lookup") as pool:
            return dict(zip(values, pool.map(guarded, values), strict=True))

    def _by_path(self, stream: str, field: str, value: str) -> Record | None:
        if not value or value in {".", ".."}:
            return None
        ok = (200, BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, GONE)
        response = self._http.request("GET", one_path(stream, value), ok=ok, label=one_label(stream))
        if response.status_code != 200:
            return None
        record = data_of(self._http, response)
        if not _same(record.get(field), value):  # the address took the value for another kind of key
            return None
        with self._lock:
            self._proven.add((stream, field))
        return None if record.get("archived") is True else record

    def _by_filter(self, stream: str, field: str, value: str) -> Record | None:
        listing = list_page(self._http, stream, {field: value, "limit": "250"})
        rows = listing.items if listing else ()
        return next((r for r in reversed(rows) if _same(r.get(field), value) and r.get("archived") is not True), None)

    def _scan(self, stream: str, field: str, values: Sequence[str], *, pages: int | None) -> dict[str, Found]:
        """Looks through the newest `pages` (None: all), once for all values; stops when each is found."""
        wanted: dict[str, Record | None] = dict.fromkeys(values)
        try:
            for rows in self._newest(stream, pages):
                for row in rows:
                    if row.get(field) in wanted and row.get("archived") is not True:
                        wanted[str(row[field])] = row
                if None not in wanted.values():
                    break
        except ConnectorError as error:
            return {value: row if row is not None else error for value, row in wanted.items()}
        return dict(wanted)

    def _newest(self, stream: str, pages: int | None) -> Iterator[Sequence[Record]]:
        query, n = {"limit": str(self._config.page_size)}, 0
        while pages is None or n < pages:
            listing = list_page(self._http, stream, query)
            if listing is None or not listing.items:
                return
            yield listing.items
            n += 1
            after = str(listing.items[-1]["key"])
            if not listing.has_more:
                return
            if after == query.get("starting_after"):
                raise ContractBroken(f"partnerstack: the list of {stream} says has_more but does not move on")
            query["starting_after"] = after


def _same(held: object, value: str) -> bool:
    """E-mail addresses are compared without case: the vendor may lower them."""
    return isinstance(held, str) and (held == value or ("@" in value and held.casefold() == value.casefold()))
