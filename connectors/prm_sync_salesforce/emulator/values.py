"""What a field takes: values of JSON or CSV turned into what is stored, or refused with Salesforce's code.

Stored is what REST shows: date-times as `2026-11-20T08:15:30.000+0000`, numbers as float (int for `int`), null for "".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from .errors import Fault, RowRefused
from .schema import Column

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_TRUE, _FALSE = frozenset(("true", "1")), frozenset(("false", "0"))


def id18(text: str) -> str:
    """The 18-character form of an id: three blocks of five, a bit for each upper-case letter."""
    if len(text) == 18:
        return text
    checksum = ""
    for block in (text[0:5], text[5:10], text[10:15]):
        checksum += "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[sum(1 << i for i, c in enumerate(block) if c.isupper())]
    return text + checksum


def stamp(moment: datetime) -> str:
    """A time as Salesforce writes it in JSON, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000+0000"


def moment_of(text: str) -> datetime:
    """The time of a stored or given date-time text. Raises ValueError."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a date-time without a time zone")
    return found.astimezone(UTC)


def stored(column: Column, value: Any, *, csv: bool, refers: Callable[[Column, str], bool]) -> Any:
    """`value` as `column` stores it. `refers` tells whether an id is one that the lookup may hold.

    Raises RowRefused for a value that is refused, Fault JSON_PARSER_ERROR for JSON of the wrong type.
    """
    if value is None or value == "":
        return False if column.type == "boolean" else None
    match column.type:
        case "boolean":
            return _boolean(column, value, csv)
        case "int" | "double" | "currency" | "percent":
            return _number(column, value, csv)
        case "date" | "datetime":
            return _time(column, value, csv)
    if not isinstance(value, str):
        if isinstance(value, bool | dict | list):
            raise _wrong_json(column, value)
        value = str(value)
    match column.type:
        case "reference" | "id":
            return _reference(column, value, refers)
        case "email":
            if not _EMAIL.fullmatch(value):
                message = f"{column.name}: invalid email address: {value}"
                raise RowRefused("INVALID_EMAIL_ADDRESS", message, [column.name])
        case "picklist":
            if column.restricted and value not in column.choices:
                message = f"{column.name}: bad value for restricted picklist field: {value}"
                raise RowRefused("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [column.name])
    if column.length and len(value) > column.length:
        message = f"{column.name}: data value too large: {value} (max length={column.length})"
        raise RowRefused("STRING_TOO_LONG", message, [column.name])
    return value


def _boolean(column: Column, value: Any, csv: bool) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise _mistyped(column, value, csv)


def _number(column: Column, value: Any, csv: bool) -> int | float:
    if isinstance(value, bool):
        raise _mistyped(column, value, csv)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _mistyped(column, value, csv) from None
    if number != number or number in (float("inf"), float("-inf")):
        raise _mistyped(column, value, csv)
    if column.type == "int":
        if number != int(number) or abs(number) > 2**31:
            raise _mistyped(column, value, csv)
        return int(number)
    return number


def _time(column: Column, value: Any, csv: bool) -> str:
    if not isinstance(value, str):
        raise _mistyped(column, value, csv)
    try:
        if column.type == "date":
            return date.fromisoformat(value[:10]).isoformat()
        return stamp(moment_of(value))
    except ValueError:
        raise _mistyped(column, value, csv) from None


def _reference(column: Column, value: str, refers: Callable[[Column, str], bool]) -> str:
    if not _ID.fullmatch(value):
        message = f"{column.name}: id value of incorrect type: {value}"
        raise RowRefused("MALFORMED_ID", message, [column.name])
    if not refers(column, id18(value)):
        raise RowRefused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [])
    return id18(value)


def _mistyped(column: Column, value: Any, csv: bool) -> Exception:
    if csv:
        message = f"{column.name}: value not of required type: {value}"
        return RowRefused("INVALID_TYPE_ON_FIELD_IN_RECORD", message, [column.name])
    return _wrong_json(column, value)


def _wrong_json(column: Column, value: Any) -> Fault:
    kind = {"int": "int", "boolean": "boolean", "date": "date", "datetime": "datetime"}.get(column.type, "double")
    kind = kind if column.type in ("int", "double", "currency", "percent", "boolean", "date", "datetime") else "string"
    shown = {str: f"VALUE_STRING value {value}", bool: f"VALUE_{str(value).upper()} value {str(value).lower()}"}
    what = shown.get(type(value), "START_OBJECT value {" if isinstance(value, dict) else f"VALUE_NUMBER value {value}")
    return Fault(
        400,
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {kind} from {what} or request may be missing a required field",
    )
