"""All that a connector imports of prm_sync: the protocol, the HTTP client and the ways to log in."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from prm_sync.connect.ahead import ahead
from prm_sync.connect.protocol import (
    Budget,
    Change,
    Connector,
    ConnectorError,
    Context,
    ContractBroken,
    Cursor,
    CursorExpired,
    Deletes,
    Done,
    Fetches,
    Field,
    FieldKind,
    Json,
    Later,
    Limit,
    Misconfigured,
    Outcome,
    Page,
    QuotaSpent,
    RateLimited,
    Record,
    Refused,
    Session,
    Settles,
    Stream,
    Tenant,
    Unavailable,
)
from prm_sync.connect.statuses import STATUS_RULES, StatusRule
from prm_sync.connect.undecoded import Undecoded

if TYPE_CHECKING:
    from prm_sync.connect.auth import BearerToken, basic, jwt_assertion
    from prm_sync.connect.http import Download, Http
    from prm_sync.connect.wire import body_or_none, redact, retry_after_s

__all__ = [
    "STATUS_RULES",
    "BearerToken",
    "Budget",
    "Change",
    "Connector",
    "ConnectorError",
    "Context",
    "ContractBroken",
    "Cursor",
    "CursorExpired",
    "Deletes",
    "Done",
    "Download",
    "Fetches",
    "Field",
    "FieldKind",
    "Http",
    "Json",
    "Later",
    "Limit",
    "Misconfigured",
    "Outcome",
    "Page",
    "QuotaSpent",
    "RateLimited",
    "Record",
    "Refused",
    "Session",
    "Settles",
    "StatusRule",
    "Stream",
    "Tenant",
    "Unavailable",
    "Undecoded",
    "ahead",
    "basic",
    "body_or_none",
    "jwt_assertion",
    "redact",
    "retry_after_s",
]

_HTTP = {  # imported when first asked for: the HTTP library takes 0.2 s and 20 MB, and not every process makes calls
    "BearerToken": "auth", "basic": "auth", "jwt_assertion": "auth", "Download": "http", "Http": "http",
    "body_or_none": "wire", "redact": "wire", "retry_after_s": "wire",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HTTP:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HTTP[name]}"), name)
