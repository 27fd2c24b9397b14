"""`sobjects`: describe, and one record at a time by id or by external id."""

from __future__ import annotations

from typing import Any

from .desk import NEWEST, OLDEST, Ask, Desk, Reply
from .errors import Fault, RowRefused
from .evaluate import address
from .org import Table
from .schema import Column


def versions(_: Desk, __: Ask) -> Reply:
    found = [
        {"label": f"API {n}", "url": f"/services/data/v{n}.0", "version": f"{n}.0"} for n in range(OLDEST, NEWEST + 1)
    ]
    return Reply(200, found)


def list_all(desk: Desk, ask: Ask) -> Reply:
    listed = [t.object.listed(ask.version) for t in desk.org.tables.values()]
    return Reply(200, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed})


def basic(desk: Desk, ask: Ask) -> Reply:
    table = desk.org.table(ask.params["name"])
    return Reply(200, {"objectDescribe": table.object.listed(ask.version), "recentItems": []})


def describe(desk: Desk, ask: Ask) -> Reply:
    table = desk.org.table(ask.params["name"])
    return Reply(200, table.object.described(ask.version, frozenset(desk.org.hidden.get(table.object.name, ()))))


def create(desk: Desk, ask: Ask) -> Reply:
    table = desk.org.table(ask.params["name"])
    values = without_attributes(ask.object())
    made = desk.org.insert(table.object.name, values, assign=assigns(ask), allow=allows_duplicates(ask))
    location = f"/services/data/v{ask.version}/sobjects/{table.object.name}/{made}"
    return Reply(201, {"id": made, "success": True, "errors": []}, {"Location": location})


def read(desk: Desk, ask: Ask) -> Reply:
    table = desk.org.table(ask.params["name"])
    try:
        row = desk.org.live(table, ask.params["id"])
    except RowRefused as refused:
        raise Fault(404, "NOT_FOUND", "The requested resource does not exist") from refused
    return Reply(200, shown(desk, table, row, ask.version, ask.query.get("fields")))


def update(desk: Desk, ask: Ask) -> Reply:
    table = desk.org.table(ask.params["name"])
    desk.org.update(table.object.name, ask.params["id"], without_attributes(ask.object()), assign=assigns(ask))
    return Reply(204)


def delete(desk: Desk, ask: Ask) -> Reply:
    desk.org.delete(desk.org.table(ask.params["name"]).object.name, ask.params["id"])
    return Reply(204)


def read_by_key(desk: Desk, ask: Ask) -> Reply:
    table, column = keyed(desk, ask)
    found = desk.org.by_key(table, column.name, ask.params["value"])
    if len(found) > 1:
        return Reply(300, [f"/services/data/v{ask.version}/sobjects/{table.object.name}/{r['Id']}" for r in found])
    if not found:
        raise Fault(404, "NOT_FOUND", "The requested resource does not exist")
    return Reply(200, shown(desk, table, found[0], ask.version, ask.query.get("fields")))


def upsert(desk: Desk, ask: Ask) -> Reply:
    table, column = keyed(desk, ask)
    values = {**without_attributes(ask.object()), column.name: ask.params["value"]}
    found = desk.org.by_key(table, column.name, ask.params["value"])
    if len(found) > 1:
        return Reply(300, [f"/services/data/v{ask.version}/sobjects/{table.object.name}/{r['Id']}" for r in found])
    if not found and ask.query.get("updateOnly") == "true":
        raise Fault(404, "NOT_FOUND", "The requested resource does not exist")
    how = {"assign": assigns(ask), "allow": allows_duplicates(ask)}
    made, created = desk.org.upsert(table.object.name, column.name, values, **how)
    return Reply(201 if created else 200, {"id": made, "success": True, "errors": [], "created": created})


def delete_by_key(desk: Desk, ask: Ask) -> Reply:
    table, column = keyed(desk, ask)
    found = desk.org.by_key(table, column.name, ask.params["value"])
    if not found:
        raise Fault(404, "NOT_FOUND", "The requested resource does not exist")
    desk.org.delete(table.object.name, found[0]["Id"])
    return Reply(204)


# --- shared with the collections ---------------------------------------------------------------------------------


def keyed(desk: Desk, ask: Ask) -> tuple[Table, Column]:
    """The object and external id field of a path. Raises Fault NOT_FOUND for a field that is no key."""
    table = desk.org.table(ask.params["name"])
    column = desk.org.column(table, ask.params["key"])
    if column is None or not (column.external or column.name == "Id"):
        message = f"Provided external ID field does not exist or is not accessible: {ask.params['key']}"
        raise Fault(404, "NOT_FOUND", message)
    return table, column


def shown(desk: Desk, table: Table, row: dict[str, Any], version: str, fields: str | None) -> dict[str, Any]:
    """A whole record, or the fields named. Raises Fault INVALID_FIELD."""
    hidden = desk.org.hidden.get(table.object.name, ())
    columns = [c for c in table.object.columns.values() if c.name not in hidden]
    if fields is not None:
        names = [n.strip() for n in fields.split(",") if n.strip()]
        chosen = [(n, desk.org.column(table, n)) for n in names]
        unknown = [n for n, c in chosen if c is None]
        if unknown:
            raise Fault(400, "INVALID_FIELD", f"No such column '{unknown[0]}' on sobject of type {table.object.name}")
        columns = [c for _, c in chosen if c is not None]
    url = f"/services/data/v{version}/sobjects/{table.object.name}/{row['Id']}"
    values = {c.name: address(c, row) if c.parts else row.get(c.name) for c in columns}
    return {"attributes": {"type": table.object.name, "url": url}, "Id": row["Id"], **values}


def without_attributes(values: dict[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in values.items() if n != "attributes"}


def assigns(ask: Ask) -> bool:
    """Whether assignment rules run: absent is TRUE (REST API Developer Guide, "Assignment Rule Header")."""
    return ask.headers.get("sforce-auto-assign", "TRUE").strip().upper() != "FALSE"


def allows_duplicates(ask: Ask) -> bool:
    return "allowsave=true" in ask.headers.get("sforce-duplicate-rule-header", "").lower().replace(" ", "")
