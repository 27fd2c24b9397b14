"""Reading a stream in passes that may be killed anywhere.

Pages come newest-created first and are walked by key: rows that arrive during a pass stand before our place, so nothing
is shifted or skipped. The time filter is by *change*, the order by *creation*; the greatest `updated_at` seen so far is
therefore no position, and a new `since` is given out only with the last page: the server's clock when the pass BEGAN.

    between pages   {"since": ms | null, "started": ms, "after": key}    go on in this pass
    at its end      {"since": ms}                                        the next pass, from `since` minus the overlap

A row changed during the pass and already behind us has `updated_at` >= started, so the next pass shows it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from prm_sync.connect import ContractBroken, Cursor, CursorExpired, Http, Page, Record
from prm_sync_partnerstack.api import BAD_REQUEST, NOT_FOUND, Listing, list_page
from prm_sync_partnerstack.config import PartnerStackConfig
from prm_sync_partnerstack.streams import Source

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
RESTARTS = 3  #: of one read; rows that vanish more often than this are no accident


@dataclass(frozen=True, slots=True)
class Pass:
    """Where we are: `since_ms` filters, `started_ms` is the server's clock at the first page, `after` a key."""

    since_ms: int | None = None
    started_ms: int | None = None
    after: str | None = None

    @classmethod
    def of(cls, cursor: Cursor | None) -> Pass:
        """Raises CursorExpired for a cursor that this connector did not write."""
        if cursor is None:
            return cls()
        since, started, after = cursor.get("since"), cursor.get("started"), cursor.get("after")
        if after is None and isinstance(since, int):
            return cls(since)
        if isinstance(after, str) and isinstance(started, int) and isinstance(since, int | None):
            return cls(since, started, after)
        raise CursorExpired("partnerstack: the cursor is not one of this connector; the stream is read in full")

    def cursor(self) -> Cursor:
        return {"since": self.since_ms, "started": self.started_ms, "after": self.after}


def pages(
    http: Http, source: Source, config: PartnerStackConfig, cursor: Cursor | None, fields: Collection[str]
) -> Iterator[Page]:
    """The pages from `cursor` to the end of the pass. Raises CursorExpired where the place cannot be found again."""
    at, restarts, name = Pass.of(cursor), 0, source.stream.name
    wanted = {source.stream.key, *fields}
    while True:
        listing = _page_at(http, source, config, at)
        if listing is None:  # the row we stood on is gone for good: the pass begins again, nothing is lost
            restarts += 1
            if restarts > RESTARTS:
                raise CursorExpired(f"partnerstack: the place in {name} was lost {restarts} times; read it in full")
            log.warning("pass restarted", extra={"stream": name, "restarts": restarts})
            at = Pass(at.since_ms)
            continue
        started = at.started_ms if at.started_ms is not None else listing.at_ms
        if not listing.has_more:
            yield _page(source, config, listing, wanted, {"since": started})
            return
        last = str(listing.items[-1]["key"]) if listing.items else None
        if last is None or last == at.after:
            raise ContractBroken(f"partnerstack: the list of {name} says has_more but does not move on")
        at = replace(at, started_ms=started, after=last)
        yield _page(source, config, listing, wanted, at.cursor())


def _page_at(http: Http, source: Source, config: PartnerStackConfig, at: Pass) -> Listing | None:
    query = {"limit": str(config.page_size), **_since(source, config, at.since_ms)}
    if source.stream.name in config.archived:
        query["include_archived"] = "true"
    if at.after is None:
        return list_page(http, source.stream.name, query)
    return list_page(http, source.stream.name, {**query, "starting_after": at.after}, ok=(200, BAD_REQUEST, NOT_FOUND))


def _since(source: Source, config: PartnerStackConfig, since_ms: int | None) -> dict[str, str]:
    if since_ms is None:
        return {}
    back_ms = config.overlap_s * 1000
    if source.changed_filter:
        return {"min_updated": str(max(0, since_ms - back_ms))}
    days = config.reward_rescan_days if source.stream.name == "rewards" else config.transaction_rescan_days
    return {"min_created": str(max(0, since_ms - max(back_ms, days * DAY_MS)))}


def _page(
    source: Source, config: PartnerStackConfig, listing: Listing, wanted: Collection[str], cursor: Cursor
) -> Page:
    marks = source.stream.name in config.archived
    archived = [row for row in listing.items if marks and row.get("archived") is True]
    gone = [str(row["key"]) for row in archived]
    there = [cut(row, wanted) for row in listing.items if not (marks and row.get("archived") is True)]
    field = config.merged_field
    merged = {key: str(row[field]) for key, row in zip(gone, archived, strict=True) if row.get(field)}
    return Page(there, deleted=gone, cursor=cursor, merged=merged)


def cut(row: Record, wanted: Collection[str]) -> Record:
    return {name: value for name, value in row.items() if name in wanted}
