"""Answers parsed SOQL from the tables: which rows, in which order, with which fields.

A range on SystemModstamp, a set of ids or of external ids narrows the rows before any condition is tried; rows that
come in (SystemModstamp, Id) order are not sorted again. So a page of 2,000 costs the same in a table of 100,000.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from .errors import Fault, malformed
from .org import Org, Row, Table
from .schema import NUMBERS, Column
from .soql import Condition, Day, Logic, Order, Query, Stamp, Test
from .values import id18

Getter: TypeAlias = Callable[[Row], Any]
Check: TypeAlias = Callable[[Row], bool]
_HIGH = "\U0010ffff"


def matching(org: Org, query: Query, *, include_deleted: bool, sort: bool = True) -> list[str]:
    """The ids of the rows that `query` finds, ordered, cut by LIMIT and OFFSET. `sort=False` ignores ORDER BY."""
    table = source_of(org, query)
    check = _condition(org, table, query, query.where) if query.where is not None else None
    deletable = not include_deleted and "IsDeleted" in table.object.columns
    ids, in_order = _candidates(table, query.where, keyed=deletable)
    rows = table.rows
    if deletable:
        ids = [i for i in ids if not rows[i]["IsDeleted"]]
    if check is not None:
        ids = [i for i in ids if check(rows[i])]
    if query.order and sort:
        ids = _sorted(org, table, query, list(ids), in_order)
    ids = ids[query.offset :] if query.offset else ids
    return list(ids[: query.limit] if query.limit is not None else ids)


def projection(org: Org, query: Query, version: str) -> Callable[[Row], dict[str, Any]]:
    """What turns a row into the record of a REST answer, `attributes` first."""
    table = source_of(org, query)
    name, base = table.object.name, f"/services/data/v{version}/sobjects/{table.object.name}/"
    plain: list[tuple[str, Column]] = []
    related: dict[str, list[tuple[str, int]]] = {}
    for written, at in query.fields:
        if "." in written:
            head, _, rest = written.partition(".")
            if head.lower() == name.lower():
                plain.append(_plain(org, table, query, rest, at))
            else:
                related.setdefault(head.lower(), []).append((rest, at))
        else:
            plain.append(_plain(org, table, query, written, at))
    names = [n for n, _ in plain]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise malformed(query.text, 0, f"duplicate field selected: {twice}")
    compounds = [c for _, c in plain if c.parts]
    inner = [
        (table.object.by_relation[h].relation or h, _related(org, table, query, h, f, version))
        for h, f in _known(table, query, related)
    ]

    def record(row: Row) -> dict[str, Any]:
        get = row.get
        out: dict[str, Any] = {"attributes": {"type": name, "url": base + row["Id"]}}
        for field_name in names:
            out[field_name] = get(field_name)
        for compound in compounds:
            out[compound.name] = address(compound, row)
        for relation, follow in inner:
            out[relation] = follow(row)
        return out

    return record


def address(column: Column, row: Row) -> dict[str, Any] | None:
    """A compound address; null where all parts are."""
    keys = ("street", "city", "state", "postalCode", "country")
    parts = {k: row.get(p) for k, p in zip(keys, column.parts, strict=True)}
    if not any(parts.values()):
        return None
    return {**parts, "geocodeAccuracy": None, "latitude": None, "longitude": None}


def source_of(org: Org, query: Query) -> Table:
    """Raises Fault INVALID_TYPE for an object that is not there."""
    for name, table in org.tables.items():
        if name.lower() == query.source.lower():
            return table
    message = (
        f"sObject type '{query.source}' is not supported. If you are attempting to use a custom object, be sure to"
        " append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate"
        " names."
    )
    raise Fault(400, "INVALID_TYPE", malformed(query.text, query.source_at, message).message)


def no_column(query: Query, table: Table, name: str, at: int) -> Fault:
    message = (
        f"No such column '{name}' on entity '{table.object.name}'. If you are attempting to use a custom field, be sure"
        " to append the '__c' after the custom field name. Please reference your WSDL or the describe call for"
        " the appropriate names."
    )
    return Fault(400, "INVALID_FIELD", malformed(query.text, at, message).message)


def bulk_columns(org: Org, query: Query) -> list[tuple[str, Getter]]:
    """(header, getter) of each selected field. Raises Fault for what a bulk query may not select."""
    table = source_of(org, query)
    found = []
    for written, at in query.fields:
        getter, column = _getter(org, table, query, written, at)
        if not column.in_bulk:
            raise Fault(400, "FUNCTIONALITY_NOT_ENABLED", "Selecting compound data not supported in Bulk Query")
        found.append((_header(table, written), getter))
    return found


def _header(table: Table, written: str) -> str:
    column = table.object.by_lower.get(written.lower())
    return column.name if column else written


def _plain(org: Org, table: Table, query: Query, name: str, at: int) -> tuple[str, Column]:
    column = org.column(table, name)
    if column is None:
        raise no_column(query, table, name, at)
    return column.name, column


def _known(
    table: Table, query: Query, related: dict[str, list[tuple[str, int]]]
) -> Iterable[tuple[str, list[tuple[str, int]]]]:
    for head, fields in related.items():
        if head not in table.object.by_relation:
            message = f"Didn't understand relationship '{head}' in field path."
            raise Fault(400, "INVALID_FIELD", malformed(query.text, fields[0][1], message).message)
        yield head, fields


def _related(
    org: Org, table: Table, query: Query, head: str, fields: list[tuple[str, int]], version: str
) -> Callable[[Row], dict[str, Any] | None]:
    column = table.object.by_relation[head]
    target = org.tables[column.refers_to[0]]
    inner = Query(query.text, tuple(fields), False, target.object.name, query.source_at, None, (), None, 0)
    record = projection(org, inner, version)

    def follow(row: Row) -> dict[str, Any] | None:
        other = target.rows.get(row.get(column.name) or "")
        return None if other is None else record(other)

    return follow


# --- conditions ---------------------------------------------------------------------------------------------------


def _condition(org: Org, table: Table, query: Query, condition: Condition) -> Check:
    if isinstance(condition, Logic):
        checks = [_condition(org, table, query, part) for part in condition.parts]
        if condition.word == "NOT":
            inside = checks[0]
            return lambda row: not inside(row)
        if condition.word == "AND":
            return lambda row: all(check(row) for check in checks)
        return lambda row: any(check(row) for check in checks)
    return _test(org, table, query, condition)


def _test(org: Org, table: Table, query: Query, test: Test) -> Check:
    get, column = _getter(org, table, query, test.field, test.at)
    if not column.described()["filterable"]:
        message = f"field '{column.name}' can not be filtered in a query call"
        raise Fault(400, "INVALID_FIELD", malformed(query.text, test.at, message).message)
    compared = _comparable(column)
    if test.operator in ("IN", "NOT IN"):
        wanted = {compared(_literal(query, column, v, test.at)) for v in test.value}
        if test.operator == "IN":
            return lambda row: compared(get(row)) in wanted
        return lambda row: compared(get(row)) not in wanted
    value = _literal(query, column, test.value, test.at)
    if test.operator == "LIKE":
        if not isinstance(value, str):
            raise malformed(query.text, test.at, "LIKE needs a string")
        pattern = _like(value)
        return lambda row: pattern.fullmatch(str(get(row) or "")) is not None
    value = compared(value)
    if test.operator == "=":
        return lambda row: compared(get(row)) == value
    if test.operator == "!=":
        return lambda row: compared(get(row)) != value
    if value is None:
        raise Fault(
            400, "INVALID_QUERY_FILTER_OPERATOR", malformed(query.text, test.at, "invalid operator on null").message
        )
    return _ordered(test.operator, get, compared, value)


def _ordered(operator: str, get: Getter, compared: Callable[[Any], Any], value: Any) -> Check:
    def check(row: Row) -> bool:
        own = compared(get(row))
        if own is None:
            return False
        match operator:
            case "<":
                return bool(own < value)
            case "<=":
                return bool(own <= value)
            case ">":
                return bool(own > value)
            case _:
                return bool(own >= value)

    return check


def _comparable(column: Column) -> Callable[[Any], Any]:
    """Text compares without case; ids, times and dates as they are; null in a boolean counts as false."""
    if column.type == "boolean":
        return bool
    if column.type in NUMBERS or column.type in ("id", "reference", "date", "datetime"):
        return lambda value: value
    return lambda value: value.lower() if isinstance(value, str) else value


def _literal(query: Query, column: Column, value: Any, at: int) -> Any:
    """The value of a literal as the column stores it. Raises Fault INVALID_FIELD for one of another type."""
    if value is None:
        return None
    wanted: Any = {"boolean": bool, "datetime": Stamp, "date": Day}.get(column.type, str)
    if column.type in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_literal(query, column, at)
        return value
    if not isinstance(value, wanted):
        raise _wrong_literal(query, column, at)
    if isinstance(value, Stamp | Day):
        return value.text
    if column.type in ("id", "reference"):
        if len(value) not in (15, 18):
            message = f"invalid ID field: {value}"
            raise Fault(400, "INVALID_QUERY_FILTER_OPERATOR", malformed(query.text, at, message).message)
        return id18(value)
    return value


def _wrong_literal(query: Query, column: Column, at: int) -> Fault:
    bare = column.type in NUMBERS or column.type in ("boolean", "date", "datetime")
    kind, how = (column.type, "should not be") if bare else ("string", "should be")
    message = f"value of filter criterion for field '{column.name}' must be of type {kind} and {how} enclosed in quotes"
    return Fault(400, "INVALID_FIELD", malformed(query.text, at, message).message)


def _like(text: str) -> re.Pattern[str]:
    out = re.sub(
        r"\\([_%])|([_%])|(.)",
        lambda m: re.escape(m[1]) if m[1] else {"_": ".", "%": ".*"}[m[2]] if m[2] else re.escape(m[3]),
        text,
        flags=re.DOTALL,
    )
    return re.compile(out, re.IGNORECASE | re.DOTALL)


def _getter(org: Org, table: Table, query: Query, path: str, at: int) -> tuple[Getter, Column]:
    """How to reach the field of `path` (relationships followed), and what it is."""
    head, dot, rest = path.partition(".")
    if not dot:
        name, column = _plain(org, table, query, head, at)
        return (lambda row: row.get(name)), column
    if head.lower() == table.object.name.lower():
        return _getter(org, table, query, rest, at)
    relation = table.object.by_relation.get(head.lower())
    if relation is None:
        message = f"Didn't understand relationship '{head}' in field path."
        raise Fault(400, "INVALID_FIELD", malformed(query.text, at, message).message)
    target = org.tables[relation.refers_to[0]]
    inner, column = _getter(org, target, query, rest, at)

    def follow(row: Row) -> Any:
        other = target.rows.get(row.get(relation.name) or "")
        return None if other is None else inner(other)

    return follow, column


# --- which rows to look at, and their order -----------------------------------------------------------------------


def _candidates(table: Table, where: Condition | None, *, keyed: bool) -> tuple[list[str], bool]:
    """Ids that may match, and whether they come in (SystemModstamp, Id) order.

    `keyed`: the indexes of unique fields may be used; they do not know rows in the recycle bin.
    """
    parts = where.parts if isinstance(where, Logic) and where.word == "AND" else (where,) if where else ()
    low, high = 0, len(table.by_stamp)
    ranged = False
    for part in parts:
        if not isinstance(part, Test):
            continue
        name = part.field.lower()
        column = table.object.by_lower.get(name)
        if name == "systemmodstamp" and isinstance(part.value, Stamp):
            low, high = _narrowed(table.by_stamp, part, low, high)
            ranged = True
        elif column is not None and part.operator in ("=", "IN") and (column.name == "Id" or (column.unique and keyed)):
            return _by_values(table, column, part.value if part.operator == "IN" else (part.value,)), False
    places = table.by_stamp[low:high] if ranged else table.by_stamp
    return [row_id for _, row_id in places], True


def _narrowed(places: list[tuple[str, str]], test: Test, low: int, high: int) -> tuple[int, int]:
    text = test.value.text
    match test.operator:
        case ">=" | "=":
            low = max(low, bisect_left(places, (text, "")))
        case ">":
            low = max(low, bisect_right(places, (text, _HIGH)))
    match test.operator:
        case "<":
            high = min(high, bisect_left(places, (text, "")))
        case "<=" | "=":
            high = min(high, bisect_right(places, (text, _HIGH)))
    return low, max(low, high)


def _by_values(table: Table, column: Column, values: Sequence[Any]) -> list[str]:
    texts = [v for v in values if isinstance(v, str)]
    if column.name == "Id":
        found = (id18(v) for v in texts if len(v) in (15, 18))
    else:
        found = (i for v in texts for i in table.keys[column.name].get(v.lower(), ()))
    return [i for i in dict.fromkeys(found) if i in table.rows]


def _sorted(org: Org, table: Table, query: Query, ids: list[str], in_order: bool) -> list[str]:
    keys = [(o.field.lower(), o.descending) for o in query.order]
    if in_order and keys in ([("systemmodstamp", False)], [("systemmodstamp", False), ("id", False)]):
        return ids
    for order in reversed(query.order):
        ids.sort(key=_sort_key(org, table, query, order), reverse=order.descending)
    return ids


def _sort_key(org: Org, table: Table, query: Query, order: Order) -> Callable[[str], Any]:
    get, column = _getter(org, table, query, order.field, order.at)
    if not column.described()["sortable"]:
        raise Fault(
            400,
            "INVALID_FIELD",
            malformed(query.text, order.at, f"field '{column.name}' can not be sorted in a query call").message,
        )
    compared, rows = _comparable(column), table.rows
    null_first = order.nulls_last if order.descending else not order.nulls_last

    def key(row_id: str) -> tuple[bool, Any]:
        value = compared(get(rows[row_id]))
        # The first part puts null where it belongs; the second is not compared with null.
        return (
            (value is not None) if null_first else (value is None),
            "" if value is None and column.type not in NUMBERS else value or 0 if column.type in NUMBERS else value,
        )

    return key
