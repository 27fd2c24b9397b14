"""The vendor's wire format: addresses, the envelope of an answer, and its times."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx

from prm_sync.connect import ConnectorError, ContractBroken, Http, Record, body_or_none

BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, CONFLICT, GONE, UNPROCESSABLE = 400, 404, 405, 409, 410, 422
REFUSALS = (BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, CONFLICT, GONE, UNPROCESSABLE)  #: they say something about one record


@dataclass(frozen=True, slots=True)
class Listing:
    items: Sequence[Record]
    has_more: bool
    at_ms: int  #: the server's clock when it answered, whole seconds; ours where it sent no Date


def one_path(stream: str, key: str) -> str:
    return f"/{stream}/{quote(key, safe='')}"


def one_label(stream: str) -> str:
    """What stands in messages and logs for the address of one record: keys may be e-mail addresses."""
    return f"/{stream}/{{key}}"


def list_page(http: Http, stream: str, query: Mapping[str, str], *, ok: tuple[int, ...] = (200,)) -> Listing | None:
    """One page; None where the answer is another status of `ok`. Raises ContractBroken for an unknown envelope."""
    response = http.request("GET", f"/{stream}", params=dict(query), ok=ok, label=f"/{stream}")
    if response.status_code != httpx.codes.OK:
        return None
    body = http.json_of(response)
    data = body.get("data") if isinstance(body, Mapping) else None
    items = data.get("items") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(items, list):
        raise ContractBroken(f"partnerstack: the list of {stream} has no data.items; check base_url and the version")
    return Listing(items, bool(data.get("has_more")), server_ms(response))


def data_of(http: Http, response: httpx.Response) -> Record:
    """The record in an answer; empty where there is none (a 204, or only a message)."""
    if not response.content:
        return {}
    body = http.json_of(response)
    data = body.get("data") if isinstance(body, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def message_of(response: httpx.Response) -> str:
    body = body_or_none(response)
    text = body.get("message") if isinstance(body, Mapping) else None
    return str(text)[:300] if text else f"status {response.status_code} without a message"


def server_ms(response: httpx.Response) -> int:
    """Epoch milliseconds of the answer's Date header, else of our own clock."""
    try:
        return int(parsedate_to_datetime(response.headers["date"]).timestamp() * 1000)
    except (KeyError, TypeError, ValueError):
        return int(time.time()) * 1000


def refused_read(response: httpx.Response) -> ConnectorError | None:
    """A 400 is worth its words: the vendor has no error codes, only a message."""
    if response.status_code == BAD_REQUEST:
        return ContractBroken(f"the remote refuses the call and says: {message_of(response)}")
    return None


def without_values(text: str, values: Any) -> str:
    """The remote's words with what we sent cut out: messages are kept, records' values are not."""
    for value in sorted(set(_leaves(values)), key=len, reverse=True):
        text = text.replace(value, "…")
    return text


def _leaves(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, list | tuple):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [str(value)] if value is not None and not isinstance(value, bool) and len(str(value)) > 2 else []
