"""`query`, `queryAll` and their pages; `limits` and record counts."""

from __future__ import annotations

import re
from typing import Any

from .desk import Ask, Cursor, Desk, Reply
from .errors import Fault, RowRefused
from .evaluate import matching, projection, source_of
from .soql import parse

_PAGE_MAX, _PAGE_MIN = 2000, 200  #: REST API Developer Guide, "Query Options Header"
_URI_MAX = 16_384


def query(desk: Desk, ask: Ask) -> Reply:
    return _first_page(desk, ask, include_deleted=False)


def query_all(desk: Desk, ask: Ask) -> Reply:
    return _first_page(desk, ask, include_deleted=True)


def query_more(desk: Desk, ask: Ask) -> Reply:
    """`01g...-2000`: the cursor and how many rows were given. Cursors of queryAll come back under /query/ too."""
    cursor_id, dash, offset = ask.params["locator"].rpartition("-")
    if not dash or not offset.isdigit():
        raise Fault(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(desk, ask, cursor_id, desk.cursor(cursor_id), int(offset))


def _first_page(desk: Desk, ask: Ask, *, include_deleted: bool) -> Reply:
    text = ask.query.get("q")
    if text is None:
        raise Fault(400, "MALFORMED_QUERY", "unexpected token: '<EOF>'")
    if len(text) > _URI_MAX:
        return Reply(
            414, b"<html><body><h1>Bad Message 414</h1><pre>reason: URI Too Long</pre></body></html>", media="text/html"
        )
    wanted = parse(text)
    if wanted.count:
        ids = matching(desk.org, wanted, include_deleted=include_deleted)
        return Reply(200, {"totalSize": len(ids), "done": True, "records": []})
    record = projection(desk.org, wanted, ask.version)
    ids = matching(desk.org, wanted, include_deleted=include_deleted, sort=not desk.switches["ignore_order_by"])
    if desk.switches["ignore_order_by"]:
        ids = sorted(ids, key=lambda i: i[::-1])
    cursor = Cursor(ids, source_of(desk.org, wanted).object.name, record, desk.org.now())
    cursor_id = desk.new_id("01g")
    return _page(desk, ask, cursor_id, cursor, 0)


def _page(desk: Desk, ask: Ask, cursor_id: str, cursor: Cursor, offset: int) -> Reply:
    size = _page_size(desk, ask)
    rows = desk.org.tables[cursor.table].rows
    # The cursor holds ids; a page shows the rows as they are when it is fetched. Purged ones are left out.
    records = [cursor.record(rows[i]) for i in cursor.ids[offset : offset + size] if i in rows]
    body: dict[str, Any] = {"totalSize": len(cursor.ids), "done": offset + size >= len(cursor.ids)}
    if not body["done"]:
        desk.cursors[cursor_id] = cursor
        body["nextRecordsUrl"] = f"/services/data/v{ask.version}/query/{cursor_id}-{offset + size}"
    return Reply(200, {**body, "records": records})


def _page_size(desk: Desk, ask: Ask) -> int:
    found = re.search(r"batchSize=(\d+)", ask.headers.get("sforce-query-options", ""))
    asked = min(_PAGE_MAX, max(_PAGE_MIN, int(found.group(1)))) if found else _PAGE_MAX
    shortened = desk.switches["page_rows"]
    return min(asked, shortened) if shortened else asked


def limits(desk: Desk, _: Ask) -> Reply:
    most = desk.switches["api_requests"]
    return Reply(
        200,
        {
            "DailyApiRequests": {"Max": most, "Remaining": max(0, most - desk.used)},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000 - len(desk.jobs)},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
        },
    )


def record_count(desk: Desk, ask: Ask) -> Reply:
    names = [n for n in ask.query.get("sObjects", "").split(",") if n] or list(desk.org.tables)
    counted = [{"count": len(desk.org.tables[n].rows), "name": n} for n in names if n in desk.org.tables]
    return Reply(200, {"sObjects": counted})


def deleted(desk: Desk, ask: Ask) -> Reply:
    """`sobjects/X/deleted/?start=&end=`: what is gone, also what was purged. Seconds are ignored."""
    start, end = _window(ask)
    table, org = desk.org.table(ask.params["name"]), desk.org
    earliest = org.earliest_delete()
    if start < earliest.replace(second=0, microsecond=0):
        raise Fault(400, "INVALID_REPLICATION_DATE", "startDate before org earliest available date")
    from .values import stamp

    records = [{"id": i, "deletedDate": when} for when, i in org.deleted_between(table, start, end)]
    covered = min(end, org.now()).replace(second=0, microsecond=0)
    body = {"deletedRecords": records, "earliestDateAvailable": stamp(earliest), "latestDateCovered": stamp(covered)}
    return Reply(200, body)


def updated(desk: Desk, ask: Ask) -> Reply:
    start, end = _window(ask)
    table = desk.org.table(ask.params["name"])
    from .values import moment_of, stamp

    ids = [i for when, i in table.by_stamp if start <= moment_of(when) < end]
    return Reply(
        200, {"ids": ids, "latestDateCovered": stamp(min(end, desk.org.now()).replace(second=0, microsecond=0))}
    )


def _window(ask: Ask) -> tuple[Any, Any]:
    from .values import moment_of

    try:
        start, end = (
            moment_of(ask.query[k].replace(" ", "+")).replace(second=0, microsecond=0) for k in ("start", "end")
        )
    except (KeyError, ValueError):
        raise RowRefused("INVALID_REPLICATION_DATE", "start and end must be ISO 8601 date-times").fault() from None
    if end <= start:
        raise Fault(400, "INVALID_REPLICATION_DATE", "startDate must be at least one minute before endDate")
    return start, end
