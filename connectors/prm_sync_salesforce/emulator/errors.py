"""What Salesforce refuses with: one exception for a whole call, one dict for a row of a collection."""

from __future__ import annotations

from typing import Any


class Fault(Exception):  # noqa: N818 - an answer, not an error of ours
    """A call that is refused as a whole: HTTP status, errorCode, message, and the fields where there are any.

    The body is a JSON array with one object (REST API Developer Guide, "Status Codes and Error Responses").
    """

    def __init__(self, status: int, code: str, message: str, fields: list[str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.fields = status, code, message, fields

    def body(self) -> list[dict[str, Any]]:
        error: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            error["fields"] = self.fields
        return [error]


class RowRefused(Exception):  # noqa: N818
    """One record that is refused: `statusCode` in a collection, `errorCode` where it was the whole call."""

    def __init__(self, code: str, message: str, fields: list[str] | None = None, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.fields, self.status = code, message, fields or [], status
        self.more: dict[str, Any] = {}

    def error(self) -> dict[str, Any]:
        return {"statusCode": self.code, "message": self.message, "fields": self.fields, **self.more}

    def fault(self) -> Fault:
        return Fault(self.status, self.code, self.message, self.fields)


def malformed(query: str, at: int, message: str) -> Fault:
    """MALFORMED_QUERY with the position, as Salesforce words it."""
    row = query.count("\n", 0, at) + 1
    column = at - (query.rfind("\n", 0, at) + 1) + 1
    near = query[max(0, at - 40) : at + 20].replace("\n", " ")
    return Fault(400, "MALFORMED_QUERY", f"\n{near}\n^\nERROR at Row:{row}:Column:{column}\n{message}")
