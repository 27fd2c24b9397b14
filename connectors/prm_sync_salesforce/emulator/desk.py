"""What every call meets first: version, session, quota; and the two shapes between the web server and the handlers."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from .errors import Fault
from .org import ORG_ID, Org

CLIENT_ID: Final = "emulator-client"
CLIENT_SECRET: Final = "emulator-client-secret-0f3a"  # noqa: S105 - of the emulator alone
NEWEST: Final = 67  #: newest API version that the emulated org offers (Summer '26)
OLDEST: Final = 31  #: 21 to 30 were retired in Summer '25: 410 GONE


@dataclass(frozen=True, slots=True)
class Ask:
    """One call, its path taken apart."""

    method: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]  #: names in lower case
    body: bytes = b""

    @property
    def version(self) -> str:
        return self.params.get("version", f"{NEWEST}.0")

    def json(self) -> Any:
        """Raises Fault JSON_PARSER_ERROR."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Fault(
                400, "JSON_PARSER_ERROR", "Unexpected character or end of input in the request's body"
            ) from None

    def object(self) -> dict[str, Any]:
        found = self.json()
        if not isinstance(found, dict):
            raise Fault(400, "JSON_PARSER_ERROR", "a JSON object was expected at [line:1, column:1]")
        return found


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: `body` is made JSON unless it is bytes; None has no body."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media: str = "application/json;charset=UTF-8"


Handler: TypeAlias = "Callable[[Desk, Ask], Reply]"


@dataclass
class Cursor:
    """The rows of a query that has more pages: their ids in order, and how to show them."""

    ids: list[str]
    table: str
    record: Callable[[dict[str, Any]], dict[str, Any]]
    made: datetime


class Desk:
    """One emulated org's front: sessions, quota, query cursors, bulk jobs."""

    def __init__(self, org: Org, switches: Mapping[str, Any]) -> None:
        self.org, self.switches = org, switches
        self.keys: dict[str, str] = {}  #: username -> public key (PEM) for the JWT bearer flow
        self.passwords: dict[str, str] = {}  #: username -> password, for the password flow
        self.tokens: set[str] = set()
        self.logins = 0
        self.used = 0
        self.cursors: dict[str, Cursor] = {}
        self.jobs: dict[str, Any] = {}
        self.next_number = 1

    def new_id(self, prefix: str) -> str:
        from .values import id18

        fresh = id18(f"{prefix}dL{self.next_number:010d}")
        self.next_number += 1
        return fresh

    # --- sessions -------------------------------------------------------------------------------------------------

    def new_token(self) -> str:
        self.logins += 1
        token = f"{ORG_ID[:15]}!AQ8A.{secrets.token_hex(16)}"
        self.tokens.add(token)
        return token

    def expire_tokens(self) -> None:
        self.tokens.clear()

    def expire_cursors(self) -> None:
        """Every query locator given so far is forgotten, as after two days."""
        self.cursors.clear()

    def admit(self, ask: Ask) -> None:
        """Raises Fault for a retired version, a session that is not valid, or a spent quota; counts the call."""
        found = re.fullmatch(r"(\d+)\.0", ask.version)
        number = int(found.group(1)) if found else 0
        if 21 <= number < OLDEST:
            raise Fault(410, "GONE", f"API version v{ask.version} has been retired")
        if not OLDEST <= number <= NEWEST:
            raise Fault(404, "NOT_FOUND", "The requested resource does not exist")
        scheme, _, token = ask.headers.get("authorization", "").partition(" ")
        if scheme.lower() not in ("bearer", "oauth") or not token:
            raise Fault(401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")
        if token not in self.tokens:
            raise Fault(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if self.used >= self.switches["api_requests"]:
            raise Fault(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.used += 1

    def usage(self) -> str:
        """`Sforce-Limit-Info`, on every answer of the REST API."""
        return f"api-usage={self.used}/{self.switches['api_requests']}"

    # --- query cursors --------------------------------------------------------------------------------------------

    def cursor(self, cursor_id: str) -> Cursor:
        """Raises Fault INVALID_QUERY_LOCATOR for one that is unknown or older than two days."""
        found = self.cursors.get(cursor_id)
        if found is None or self.org.now() - found.made > timedelta(days=2):
            raise Fault(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return found
