"""Small readings of HTTP answers, and what must not be seen of them: Retry-After, odd bodies, redaction."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote, quote_plus

import httpx
import msgspec

HIDDEN: Final = "***"
SECRET_SHAPES: Final = (
    re.compile(r"(?i)(?<=bearer )[^\s,;\"']+"),
    re.compile(r"(?i)(?<=basic )[A-Za-z0-9+/=]{8,}"),
    re.compile(r"eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"),  # a JWT
    re.compile(r"\b00D\w{12,15}![\w.]+"),  # a Salesforce session id
    re.compile(
        r"(?i)(?<=access_token=)[^&\s]+|(?<=refresh_token=)[^&\s]+|(?<=client_secret=)[^&\s]+|(?<=password=)[^&\s]+"
        r"|(?<=assertion=)[^&\s]+|(?<=api_key=)[^&\s]+"
    ),
    re.compile(r"[^\s/=&,;:<>\"'()]+(?:@|%40)[\w-]+(?:\.[\w-]+)+", re.IGNORECASE),  # an e-mail address
)


def redact(text: str, secrets: Collection[str] = ()) -> str:
    """The text with the given secrets (also URL-quoted), token shapes and e-mail addresses replaced by `***`."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for shape in (secret, quote(secret, safe=""), quote_plus(secret)):
            text = text.replace(shape, HIDDEN)
    for shape_of in SECRET_SHAPES:
        text = shape_of.sub(HIDDEN, text)
    return text


def retry_after_s(response: httpx.Response, now: datetime | None = None) -> float | None:
    """Seconds that the answer asks to wait (never below 0); None where it does not, or in words nobody can read.

    A date is compared with the answer's own `Date`, so that a wrong clock here does no harm (RFC 9110, 10.2.3).
    """
    text = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    until = _http_date(text)
    if until is None:
        return None
    since = _http_date(response.headers.get("date", "")) or now or datetime.now(UTC)
    return max(0.0, (until - since).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def body_or_none(response: httpx.Response) -> Any | None:
    """The JSON body of an answer, or None where it is something else (a gateway's HTML, say). For `classify` hooks."""
    try:
        return msgspec.json.decode(response.content)
    except (msgspec.DecodeError, httpx.ResponseNotRead):
        return None


def quiet_libraries() -> None:
    """Keep httpx and httpcore from logging URLs with their queries, which hold record values and sometimes tokens.

    Whoever sets these loggers' levels on purpose keeps what they asked for.
    """
    for name in ("httpx", "httpcore"):
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.WARNING)
