"""Reading one object: everything, or what changed, in pages that can be gone on from.

A read is a window that begins at `since` and ends where the server stands. Records come in (SystemModstamp, Id) order
and every page's cursor is that place, so a broken read goes on inside its window, also within one timestamp that more
rows share than a page holds. The next window begins at the server's time at the first answer, less `safety_s` (the
servers' own clocks differ) and `lookback_s` (a long transaction shows its rows late, with an old timestamp).

Cursors, all small JSON:
    {"since": t, "log": t}                                     between windows; `log`: where the delete log is read from
    {"from": t, "next": t, "log": t, "stamp": s, "id": i}      inside a window that is read by pages
    {"from": t, "next": t, "log": t, "job": j, "locator": l}   inside a window that is read by a bulk job
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from urllib.parse import quote_plus

import msgspec

from prm_sync.connect import (
    ConnectorError,
    ContractBroken,
    Cursor,
    CursorExpired,
    Deletes,
    Misconfigured,
    Page,
    Stream,
    Unavailable,
    Undecoded,
    ahead,
)
from prm_sync_salesforce import bulk, soql
from prm_sync_salesforce.deletes import deleted_since
from prm_sync_salesforce.remote import RawPage, Remote
from prm_sync_salesforce.rows import records_of_json


@dataclass(frozen=True, slots=True)
class Window:
    """What is read: `since` (None: everything), and where the next window begins, once the server's time is known."""

    stream: Stream
    columns: tuple[str, ...]
    since: str | None
    next: str | None = None
    log: str | None = None  #: where the delete log is read from next; None: at `next`
    stamp: str | None = None  #: the place reached: all rows up to (stamp, id) are given
    id: str | None = None

    @property
    def modified(self) -> str:
        return self.stream.modified or ""

    def query(self) -> str:
        """What is left of the window, in order."""
        if self.stamp is not None and self.id is not None:
            conditions = soql.after(self.modified, self.stamp, self.id)
        else:
            conditions = soql.from_time(self.modified, self.since)
        return soql.select(self.columns, self.stream.name, conditions, (self.modified, "Id"))

    def bulk_query(self) -> str:
        """The whole window in no order: ordering would keep Salesforce from splitting a large table."""
        return soql.select(self.columns, self.stream.name, soql.from_time(self.modified, self.since))

    def at(self, remote: Remote, moment: datetime) -> Window:
        """The window with its end fixed by the server's time, unless it is already."""
        if self.next is not None:
            return self
        begin = moment - timedelta(seconds=remote.config.safety_s + remote.config.lookback_s)
        return replace(self, next=f"{begin:%Y-%m-%dT%H:%M:%S}Z")

    def place(self) -> Cursor:
        return {"from": self.since, "next": self.next, "log": self.log, "stamp": self.stamp, "id": self.id}

    def place_in(self, job: bulk.Job, locator: str) -> Cursor:
        return {"from": self.since, "next": self.next, "log": self.log, "job": job.id, "locator": locator}

    def end(self) -> Cursor:
        return {"since": self.next, "log": self.log or self.next}


def read(remote: Remote, stream: Stream, cursor: Cursor | None, fields: Collection[str]) -> Iterator[Page]:
    """The pages after `cursor`. Raises CursorExpired where deletes may have been missed since."""
    columns = tuple(soql.columns_of(stream, fields))
    if stream.modified is None:
        yield from _unstamped(remote, stream, columns)
        return
    place = dict(cursor or {})
    since, log = place.get("since"), place.get("log")
    if "next" in place:
        window = Window(stream, columns, place["from"], place["next"], log, place.get("stamp"), place.get("id"))
        if "job" in place:
            yield from _bulk_resumed(remote, window, str(place["job"]), place.get("locator"))
        else:
            yield from _paged(remote, window, None)
        since = place["next"]
    yield from _whole_window(remote, Window(stream, columns, since), log or since)


def _whole_window(remote: Remote, window: Window, log_since: str | None) -> Iterator[Page]:
    if window.since is not None and log_since is not None and window.stream.deletes is Deletes.MARKED:
        # Before the records: who was deleted and brought back in between comes as a record afterwards.
        gone = deleted_since(remote, window.stream, window.since, log_since)
        window = replace(window.at(remote, gone.moment), log=gone.covered)
        if gone.ids:
            yield Page([], deleted=gone.ids, merged=gone.merged)
    expected = _counted(remote, window) if window.since is None else None
    if _is_long(window) or _is_large(remote, expected):
        try:
            yield from _bulk(remote, window)
            return
        except bulk.NotForBulk as fork:
            if _is_long(window):
                connection, name = remote.context.connection, window.stream.name
                message = f"{connection}: so many fields of {name} fit no query, and bulk does not take it ({fork});"
                raise Misconfigured(f"{message} list those that are needed in `fields`") from fork
    yield from _paged(remote, window, expected)


def _counted(remote: Remote, window: Window) -> int | None:
    """How many rows there are; None where the server does not say (counting a large table may time out)."""
    if not remote.config.bulk_threshold:
        return None
    text = soql.count(window.stream.name, soql.from_time(window.modified, window.since))
    try:
        return remote.first_page(text)[0].totalSize
    except Unavailable as error:
        if error.code not in ("QUERY_TIMEOUT", "OPERATION_TOO_LARGE"):
            raise
        return None


def _is_large(remote: Remote, expected: int | None) -> bool:
    return expected is not None and 0 < remote.config.bulk_threshold < expected


def _is_long(window: Window) -> bool:
    """Whether the query is too long for a URL. A keyset adds some 200 characters later on."""
    return len(quote_plus(window.query())) > soql.URI_MAX - 400


# --- by pages -----------------------------------------------------------------------------------------------------


def _paged(remote: Remote, window: Window, expected: int | None) -> Iterator[Page]:
    """The window page by page. A lost query locator is no loss: the query is asked again from the place reached."""
    given, restarts = 0, 0
    while True:
        first, moment = remote.first_page(window.query())
        window = window.at(remote, moment)
        fresh = window.stamp is None and given == 0
        if fresh and expected is None and _is_large(remote, first.totalSize) and window.since is not None:
            try:
                yield from _bulk(remote, window)
                return
            except bulk.NotForBulk:
                pass
        ordered, total, lost = True, first.totalSize + given, False
        pages = _chain(remote, first)
        with closing(pages):
            while True:
                try:
                    raw = next(pages, None)
                except CursorExpired as error:
                    if error.code != "INVALID_QUERY_LOCATOR" or restarts >= 20:
                        raise
                    lost = True
                    break
                if raw is None:
                    return
                content = bytes(raw.records)
                places = _places(remote, window, content)
                given += len(places)
                ordered = ordered and _in_order(places, window, moment)
                if ordered:
                    window = _moved(places, window, moment)
                last = raw.done or raw.nextRecordsUrl is None
                cursor = window.end() if last else window.place() if ordered and window.stamp is not None else None
                yield Page(Undecoded(content, records_of_json, len(places)), cursor=cursor, total=total)
        if lost:
            restarts += 1
            about = {"connection": remote.context.connection, "stream": window.stream.name, "given": given}
            remote.context.log.warning("query locator gone, asked again", extra=about)


def _chain(remote: Remote, first: RawPage) -> Generator[RawPage, None, None]:
    """The first page and those after it, which are fetched while the consumer works."""
    yield first
    if not first.done and first.nextRecordsUrl:
        following = ahead(remote.next_pages(first.nextRecordsUrl), 1)
        try:
            yield from following
        finally:
            following.close()


Place = tuple[str, str]  #: time of change and id


def _places(remote: Remote, window: Window, content: bytes) -> list[Place]:
    """Where each record stands, without decoding the rest of it. Raises ContractBroken where one has no id."""
    try:
        return [(p.modified or "", p.id) for p in _place_decoder(window.modified).decode(content)]
    except msgspec.ValidationError:
        where = f"{remote.context.connection}: a page of {window.stream.name}"
        raise ContractBroken(f"{where} has records without Id or {window.modified} as they should be") from None


@cache
def _place_decoder(modified: str) -> msgspec.json.Decoder[list[Any]]:
    fields: list[tuple[str, Any, Any]] = [("id", str, msgspec.NODEFAULT), ("modified", str | None, None)]
    place = msgspec.defstruct("Place", fields, rename={"id": "Id", "modified": modified})
    return msgspec.json.Decoder(list[place])  # type: ignore[valid-type]


def _in_order(places: list[Place], window: Window, moment: datetime) -> bool:
    """Whether the rows come in (modified, Id) order, so that the last of them is a place to go on from.

    A row that changed after the query began shows its new time in the middle of the page. It is not a sign of disorder:
    its time is past `moment`, and the next window brings it again.
    """
    latest = _as_stamp(moment)
    places = [p for p in places if p[0] <= latest]
    if window.stamp is not None and places and places[0] <= (window.stamp, window.id or ""):
        return False
    return all(a < b for a, b in pairwise(places))


def _moved(places: list[Place], window: Window, moment: datetime) -> Window:
    latest = _as_stamp(moment)
    for stamp, id_ in reversed(places):
        if stamp and stamp <= latest:
            return replace(window, stamp=stamp, id=id_)
    return window


def _as_stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.999+0000"


def _unstamped(remote: Remote, stream: Stream, columns: tuple[str, ...]) -> Iterator[Page]:
    """An object that tells no time of change: all of it, every time."""
    first, _ = remote.first_page(soql.select(columns, stream.name, (), ("Id",)))
    with closing(_chain(remote, first)) as pages:
        for raw in pages:
            yield Page(raw.decoded(), total=first.totalSize)


# --- by bulk jobs -------------------------------------------------------------------------------------------------


def _bulk(remote: Remote, window: Window) -> Iterator[Page]:
    """The window by a bulk job. Raises NotForBulk before the first page, never after it."""
    job = bulk.run_job(remote, window.bulk_query())
    if job.made_at is not None:
        window = window.at(remote, job.made_at)
    yield from _results(remote, window, job, None)


def _bulk_resumed(remote: Remote, window: Window, job_id: str, locator: str | None) -> Iterator[Page]:
    """The rest of an earlier run's job; where the job is gone, the window from its beginning."""
    job = bulk.find_job(remote, job_id)
    if job is not None:
        try:
            yield from _results(remote, window, job, locator)
            return
        except ConnectorError as error:
            if error.status != 404:
                raise
    try:
        yield from _bulk(remote, window)
    except bulk.NotForBulk:
        yield from _paged(remote, window, 0)


def _results(remote: Remote, window: Window, job: bulk.Job, locator: str | None) -> Iterator[Page]:
    with closing(ahead(bulk.result_pages(remote, job, locator), depth=1)) as pages:
        for page in pages:
            records = bulk.page_records(remote, page, window.columns, window.stream)
            cursor = window.place_in(job, page.after) if page.after else window.end()
            yield Page(records, cursor=cursor, total=job.rows)
    bulk.forget(remote, job)
