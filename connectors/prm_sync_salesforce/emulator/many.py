"""`composite/sobjects` (200 rows in a call), `composite` and `composite/batch` (25 calls in one)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .desk import Ask, Desk, Reply
from .errors import Fault, RowRefused
from .sobjects import allows_duplicates, assigns, keyed, shown, without_attributes

ROWS_MAX = 200  #: REST API Developer Guide, "Collections"
CALLS_MAX = 25
_ROLLED_BACK = {
    "statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "message": "Record rolled back because not all records were valid and the request was using AllOrNone header",
    "fields": [],
}

Deed = Callable[[dict[str, Any]], dict[str, Any]]


def create(desk: Desk, ask: Ask) -> Reply:
    def one(row: dict[str, Any]) -> dict[str, Any]:
        made = desk.org.insert(
            _type_of(row), without_attributes(row), assign=assigns(ask), allow=allows_duplicates(ask)
        )
        return {"id": made, "success": True, "errors": []}

    return _rows(desk, ask, one)


def update(desk: Desk, ask: Ask) -> Reply:
    def one(row: dict[str, Any]) -> dict[str, Any]:
        row_id = next((v for k, v in row.items() if k.lower() == "id"), None)
        if not row_id:
            raise RowRefused("MISSING_ARGUMENT", "Id not specified in an update call", ["Id"])
        values = {n: v for n, v in without_attributes(row).items() if n.lower() != "id"}
        return {
            "id": desk.org.update(_type_of(row), row_id, values, assign=assigns(ask)),
            "success": True,
            "errors": [],
        }

    return _rows(desk, ask, one)


def upsert(desk: Desk, ask: Ask) -> Reply:
    table, column = keyed(desk, ask)
    seen: set[str] = set()

    def one(row: dict[str, Any]) -> dict[str, Any]:
        if _type_of(row) != table.object.name:
            raise Fault(400, "INVALID_TYPE", "all records of an upsert must be of one type")
        values = without_attributes(row)
        if column.name != "Id" and any(n.lower() == "id" for n in values):
            raise RowRefused("INVALID_FIELD", "cannot specify Id in an Insert call", ["Id"])
        key = str(values.get(column.name))
        if key.lower() in seen:
            raise RowRefused("DUPLICATE_VALUE", f"Duplicate external id specified: {key}", [column.name])
        seen.add(key.lower())
        how = {"assign": assigns(ask), "allow": allows_duplicates(ask)}
        made, created = desk.org.upsert(table.object.name, column.name, values, **how)
        return {"id": made, "success": True, "errors": [], "created": created}

    return _rows(desk, ask, one)


def delete(desk: Desk, ask: Ask) -> Reply:
    ids = [i for i in ask.query.get("ids", "").split(",") if i]
    _countable(desk, ids)
    by_prefix = {t.object.prefix: name for name, t in desk.org.tables.items()}

    def one(row: dict[str, Any]) -> dict[str, Any]:
        name = by_prefix.get(row["id"][:3])
        if name is None:
            raise RowRefused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        return {"id": desk.org.delete(name, row["id"]), "success": True, "errors": []}

    all_or_none = ask.query.get("allOrNone", "false").lower() == "true"
    return Reply(200, _each(desk, [{"id": i} for i in ids], one, all_or_none))


def read(desk: Desk, ask: Ask) -> Reply:
    """POST composite/sobjects/X {"ids": [...], "fields": [...]}: null for what is not there."""
    table, wanted = desk.org.table(ask.params["name"]), ask.object()
    ids, fields = wanted.get("ids") or [], ",".join(wanted.get("fields") or [])
    if len(ids) > 2000:
        raise Fault(400, "INVALID_BATCH_SIZE", "at most 2000 records can be retrieved")
    rows = [desk.org.by_key(table, "Id", str(i)) for i in ids]
    return Reply(200, [shown(desk, table, found[0], ask.version, fields) if found else None for found in rows])


def _rows(desk: Desk, ask: Ask, one: Deed) -> Reply:
    given = ask.object()
    rows = given.get("records")
    if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
        raise Fault(400, "JSON_PARSER_ERROR", "`records` must be an array of objects")
    _countable(desk, rows)
    return Reply(200, _each(desk, rows, one, bool(given.get("allOrNone"))))


def _countable(desk: Desk, rows: list[Any]) -> None:
    if not rows:
        raise Fault(400, "REQUIRED_FIELD_MISSING", "At least 1 record is required")
    if len(rows) > ROWS_MAX:
        raise Fault(400, desk.switches["too_many_rows_code"], f"The maximum number of records allowed is {ROWS_MAX}")


def _each(desk: Desk, rows: list[dict[str, Any]], one: Deed, all_or_none: bool) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []

    def attempt(row: dict[str, Any]) -> dict[str, Any]:
        try:
            return one(row)
        except RowRefused as refused:
            return {"success": False, "errors": [refused.error()]}
        except Fault as fault:
            if desk.switches["unknown_field_fails_call"] or fault.code == "JSON_PARSER_ERROR":
                raise
            return {"success": False, "errors": [{"statusCode": fault.code, "message": fault.message, "fields": []}]}

    def all_rows() -> bool:
        try:
            results.extend(attempt(row) for row in rows)
        except Fault as fault:
            stopped.append(fault)
            return False
        return not all_or_none or all(r["success"] for r in results)

    stopped: list[Fault] = []
    desk.org.together(all_rows)
    if stopped:
        raise stopped[0]
    if all_or_none and not all(r["success"] for r in results):
        return [r if not r["success"] else {"success": False, "errors": [_ROLLED_BACK]} for r in results]
    return results


def _type_of(row: dict[str, Any]) -> str:
    name = (row.get("attributes") or {}).get("type")
    if not name:
        raise Fault(400, "INVALID_TYPE", "The `type` of each record's `attributes` is required")
    return str(name)


# --- many calls in one ---------------------------------------------------------------------------------------------

Dispatch = Callable[[Ask, str], Reply]


def composite(desk: Desk, ask: Ask, dispatch: Dispatch) -> Reply:
    """POST composite: the calls in order, `@{ref.id}` replaced by what an earlier one gave."""
    given = ask.object()
    calls = given.get("compositeRequest") or []
    if len(calls) > CALLS_MAX:
        raise Fault(400, "LIMIT_EXCEEDED", f"at most {CALLS_MAX} subrequests are allowed")
    answers: list[dict[str, Any]] = []
    known: dict[str, Any] = {}

    def run() -> bool:
        good = True
        for call in calls:
            reference = str(call.get("referenceId", ""))
            if not re.fullmatch(r"[A-Za-z0-9_]+", reference):
                raise Fault(400, "JSON_PARSER_ERROR", "referenceId may hold letters, digits and underscores only")
            reply = _subcall(ask, call, known, dispatch)
            good = good and reply.status < 300
            known[reference] = reply.body
            answer = {"body": reply.body, "httpHeaders": dict(reply.headers), "httpStatusCode": reply.status}
            answers.append({**answer, "referenceId": reference})
        return good or not given.get("allOrNone")

    desk.org.together(run)
    if given.get("allOrNone") and any(a["httpStatusCode"] >= 300 for a in answers):
        halted = [
            {
                "errorCode": "PROCESSING_HALTED",
                "message": "The transaction was rolled back since another operation in the same transaction failed.",
            }
        ]
        answers = [a if a["httpStatusCode"] >= 300 else {**a, "body": halted, "httpStatusCode": 400} for a in answers]
    return Reply(200, {"compositeResponse": answers})


def batch(_: Desk, ask: Ask, dispatch: Dispatch) -> Reply:
    """POST composite/batch: independent calls; their urls begin at `v66.0/...`."""
    calls = ask.object().get("batchRequests") or []
    if len(calls) > CALLS_MAX:
        raise Fault(400, "LIMIT_EXCEEDED", f"at most {CALLS_MAX} subrequests are allowed")
    replies = []
    for call in calls:
        url = "/services/data/" + str(call.get("url", "")).removeprefix("/services/data/").lstrip("/")
        inner = {"method": call.get("method", "GET"), "url": url, "body": call.get("richInput")}
        replies.append(_subcall(ask, inner, {}, dispatch))
    results = [{"statusCode": r.status, "result": r.body} for r in replies]
    return Reply(200, {"hasErrors": any(r.status >= 400 for r in replies), "results": results})


def _subcall(ask: Ask, call: dict[str, Any], known: dict[str, Any], dispatch: Dispatch) -> Reply:
    import json

    def put_in(match: re.Match[str]) -> str:
        value = known.get(match[1])
        for step in match[2].split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return str(value)

    text = re.sub(r"@\{(\w+)\.([\w.]+)\}", put_in, json.dumps([call.get("url", ""), call.get("body")]))
    url, body = json.loads(text)
    parts = urlsplit(url)
    query = {k: v[0] for k, v in parse_qs(parts.query).items()}
    content = b"" if body is None else json.dumps(body).encode()
    headers = {**ask.headers, **{k.lower(): v for k, v in (call.get("httpHeaders") or {}).items()}}
    inner = Ask(str(call.get("method", "GET")).upper(), {}, query, headers, content)
    try:
        return dispatch(inner, unquote(parts.path))
    except RowRefused as refused:
        fault = refused.fault()
        return Reply(fault.status, fault.body())
    except Fault as fault:
        return Reply(fault.status, fault.body())
