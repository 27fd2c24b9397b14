"""What a mapping has to say against a field or a record: values, not exceptions."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple


class FaultCode(StrEnum):
    INVALID = "invalid"  #: the parser of the field's kind, or the function of `do`, refused the value
    UNMAPPED_VALUE = "unmapped_value"  #: a picklist value that `choices` does not know
    EMPTY_REQUIRED = "empty_required"  #: a field with `required: true` is empty
    UNREACHABLE = "unreachable"  #: none of a group of `Entity.any_of` has a value


class Fault(NamedTuple):
    """One trouble of one record. `value` is the raw value, for the quarantine only; `reason` never holds it."""

    field: str  #: the canonical field; for UNREACHABLE the group, "email|phone|mobile"
    source: str  #: the remote field(s) it comes from, "MobilePhone, Phone"
    reason: str
    code: FaultCode
    fatal: bool = False  #: True: the record was refused; False: the field alone is empty
    value: Any = None
