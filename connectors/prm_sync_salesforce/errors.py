"""What Salesforce's codes mean: for a whole call (`classify`) and for one row of a write (`refused`).

Sources: REST API Developer Guide, "Status Codes and Error Responses"; SOAP API Developer Guide, "ExceptionCode" and
"StatusCode"; OAuth errors: Salesforce Help, "OAuth 2.0 error codes".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import httpx

from prm_sync.connect import (
    ConnectorError,
    ContractBroken,
    CursorExpired,
    Misconfigured,
    QuotaSpent,
    RateLimited,
    Refused,
    Unavailable,
    body_or_none,
    redact,
    retry_after_s,
)

LOGIN_WAIT_S: Final = 60.0
CONCURRENT_WAIT_S: Final = 5.0  #: the limit is 25 calls of 20 s or longer at a time: it frees soon

CODES: Final[Mapping[str, tuple[type[ConnectorError], str]]] = {
    "INVALID_SESSION_ID": (Misconfigured, "the session is not accepted, and a new login did not help; log in anew"),
    "INVALID_AUTH_HEADER": (Misconfigured, "the token is not accepted; check the credentials"),
    "API_DISABLED_FOR_ORG": (Misconfigured, "this edition has no API, or the user lacks 'API Enabled'"),
    "API_CURRENTLY_DISABLED": (Misconfigured, "the API is switched off for this user; grant 'API Enabled'"),
    "FUNCTIONALITY_NOT_ENABLED": (Misconfigured, "the org or the user lacks this feature"),
    "INSUFFICIENT_ACCESS": (Misconfigured, "the integration user lacks a permission"),
    "INSUFFICIENT_ACCESS_OR_READONLY": (Misconfigured, "the integration user lacks a permission"),
    "TXN_SECURITY_METERING_ERROR": (Misconfigured, "a transaction security policy of the org blocks this object"),
    "INVALID_TYPE": (Misconfigured, "the object is not visible to the integration user; grant it, or leave it out"),
    "INVALID_FIELD": (Misconfigured, "a field is not visible to the integration user; grant it, or leave it out"),
    "GONE": (Misconfigured, "this API version is retired; set a newer api_version"),
    "UNSUPPORTED_API_VERSION": (Misconfigured, "this API version is not supported; set another api_version"),
    "MALFORMED_QUERY": (ContractBroken, "the query is not understood; report it"),
    "QUERY_TOO_COMPLICATED": (Misconfigured, "the query is too long; list fewer `fields` for this object"),
    "INVALID_QUERY_LOCATOR": (CursorExpired, "the query's cursor is gone"),
    "INVALID_REPLICATION_DATE": (CursorExpired, "the delete log does not reach back so far"),
    "EXCEEDED_ID_LIMIT": (CursorExpired, "more than 600,000 deletes since then"),
    "QUERY_TIMEOUT": (Unavailable, "the query took too long; it is tried again later"),
    "OPERATION_TOO_LARGE": (Unavailable, "the query is too large for now; it is tried again later"),
    "UNABLE_TO_LOCK_ROW": (Unavailable, "the rows are locked; it is tried again later"),
    "UNKNOWN_EXCEPTION": (Unavailable, "Salesforce has a fault; it is tried again later"),
    "SERVER_UNAVAILABLE": (Unavailable, "Salesforce is not available; it is tried again later"),
}

OAUTH: Final[Mapping[str, str]] = {
    "invalid_grant": "the login is refused: is the app approved for the user, a run-as user set, the user active?",
    "invalid_client_id": "client_id is not a consumer key of this org; a new app takes some 10 minutes",
    "invalid_client": "client_secret is not the app's consumer secret",
    "unsupported_grant_type": "the app does not allow this flow; enable it in the app's OAuth settings",
    "invalid_app_access": "the user is not approved for the app; add its permission set or profile",
    "inactive_user": "the user is inactive",
    "inactive_org": "the org is locked, closed or suspended",
    "invalid_assertion": "the assertion is refused; check the certificate, the username and the audience",
}

RETRY: Final = frozenset(
    ("UNABLE_TO_LOCK_ROW", "UNKNOWN_EXCEPTION", "SERVER_UNAVAILABLE", "QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG",
     "ALL_OR_NONE_OPERATION_ROLLED_BACK", "CONNECTION_FAILED")
)  # fmt: skip
"""Row errors after which the same change may pass later."""


def classify(response: httpx.Response) -> ConnectorError | None:
    """The error that a body tells of; its message is what to do. None: the status alone decides."""
    body = body_or_none(response)
    if isinstance(body, dict) and "error" in body:
        return _oauth(str(body["error"]), retry_after_s(response))
    if not (isinstance(body, list) and body and isinstance(body[0], dict)):
        return None
    code = str(body[0].get("errorCode", ""))
    if code == "REQUEST_LIMIT_EXCEEDED":
        if "concurrent" in str(body[0].get("message", "")).lower():
            after_s = retry_after_s(response) or CONCURRENT_WAIT_S
            return RateLimited("too many long calls at a time; wait", after_s=after_s, code=code)
        return QuotaSpent("the org's calls of the last 24 hours are used up; the next run goes on", code=code)
    if code == "NOT_FOUND" and "/composite/" in response.request.url.path:
        hint = "the object or its external id field is not there for this user; create it (README) and grant it"
        return Misconfigured(hint, code=code)
    if code not in CODES:
        return None if response.status_code >= 500 or not code else _by_status(response.status_code, code)
    kind, hint = CODES[code]
    return kind(_with_fields(hint, body[0].get("fields")), code=code)


def _by_status(status: int, code: str) -> ConnectorError | None:
    """An unknown code: the status decides the kind, the code is kept for whoever looks."""
    if status in (401, 403):
        return Misconfigured("the integration user may not do this; check its permissions", code=code)
    if status in (400, 404):
        return ContractBroken("Salesforce does not take this call; report it with the code", code=code)
    return None


def _oauth(error: str, asked_s: float | None) -> ConnectorError:
    if error == "rate_limit_exceeded":
        return RateLimited("too many logins in an hour; wait", after_s=asked_s or LOGIN_WAIT_S, code=error)
    return Misconfigured(OAUTH.get(error, "the login is refused; check the app and the credentials"), code=error)


def _with_fields(hint: str, fields: Any) -> str:
    return f"{hint} (fields: {', '.join(map(str, fields))})" if fields else hint


def refused(errors: Iterable[Mapping[str, Any]], values: Mapping[str, Any]) -> Refused:
    """The outcome of a row that was refused. `values` are taken out of Salesforce's words."""
    first = next(iter(errors), {})
    code = str(first.get("statusCode") or first.get("errorCode") or "UNKNOWN")
    fields = first.get("fields") or []
    # A trigger's failure wraps the true cause, which may be a lock.
    retry = code in RETRY or (
        code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" and "UNABLE_TO_LOCK_ROW" in str(first.get("message"))
    )
    message = without_values(str(first.get("message", "")), values)
    return Refused(code, message, field=str(fields[0]) if fields else None, retry=retry)


def without_values(message: str, values: Mapping[str, Any]) -> str:
    """Salesforce's words with everything that came from the record replaced by `***`."""
    texts = {str(v) for v in values.values() if isinstance(v, str | int | float) and not isinstance(v, bool)}
    for text in sorted(texts, key=len, reverse=True):
        if len(text) > 1:
            message = message.replace(text, "***")
    return redact(message)[:500]
