"""The one HTTP client of the connectors: permits, time-outs, retries and worded errors, in one place.

Every exchange takes a permit from the connection's budget, the repeat after a re-login too. What is retried depends on
what the remote may have done with the call:

    never sent (connect error, no free connection)      always retried
    refused before any work (429, 503 + Retry-After)    always retried, after the wait that the remote asked for
    perhaps done (read time-out, cut connection, 5xx)   only where the call is safe to repeat

A status becomes an error by a table (`STATUS_RULES`), which a connector extends by `rules`; what only the body tells
(Salesforce answers 403 for a spent quota) a connector says in `classify`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from prm_sync import __version__
from prm_sync.connect.protocol import Context
from prm_sync.connect.statuses import STATUS_RULES, StatusRule, rule_for
from prm_sync.connect.wire import body_or_none, quiet_libraries, redact, retry_after_s
from prm_sync.errors import ConnectorError, ContractBroken, Misconfigured, QuotaSpent, RateLimited, Unavailable

__all__ = ["STATUS_RULES", "Download", "Http", "StatusRule", "body_or_none", "redact", "retry_after_s"]

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
REFUSED_UNDONE: Final = frozenset({429, 503})  #: with Retry-After: the remote did nothing yet, whatever the method
UNASKED_WAIT_S: Final = 1.0  #: `RateLimited.after_s` where the remote does not say
FIRST_WAIT_S: Final = 0.5  #: the backoff before the second attempt; it doubles from there
LIMITS_KEY: Final = "prm_sync.limits"  #: where a request carries its (limits, cost) to the hook that takes the permit
PATH_KEY: Final = "prm_sync.path"  #: where it carries the path that may be shown


class _Failed(Exception):  # noqa: N818  (a signal between an attempt and the retry loop; it never leaves this module)
    """One attempt failed with `error`; `again`: the same call may be tried once more, after `after_s` if given."""

    def __init__(self, error: ConnectorError, *, again: bool, after_s: float | None = None) -> None:
        super().__init__()
        self.error, self.again, self.after_s = error, again, after_s


class Download:
    """The body of a big answer as it arrives: an iterator of bytes, decompressed. A cut raises Unavailable."""

    def __init__(self, response: httpx.Response, broken: Callable[[httpx.HTTPError], ConnectorError]) -> None:
        self.status, self.headers = response.status_code, response.headers
        self._chunks, self._broken = response.iter_bytes(), broken

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except httpx.HTTPError as error:
            raise self._broken(error) from None


class Http:
    """A pool of kept connections to one origin. Thread safe; close it, or use it in a `with`.

    `secrets` are never shown in a message. `observe` sees each response's status and headers (to `budget.learn`).
    `classify` sees a response that is not `ok`, with its body read: it gives an error whose message is the *hint* and
    whose `code` is the vendor's own, or None to let the table decide. `attempts=1` switches retries off.
    """

    def __init__(
        self,
        context: Context,
        *,
        base_url: str,
        auth: httpx.Auth | None = None,
        headers: Mapping[str, str] = {},
        rules: Mapping[int, StatusRule] = {},
        classify: Callable[[httpx.Response], ConnectorError | None] | None = None,
        limits: tuple[str, ...] = (),
        timeout_s: float = 60,
        attempts: int = 5,
        max_wait_s: float = 60,
        observe: Callable[[httpx.Response], None] | None = None,
        secrets: Collection[str] = (),
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        quiet_libraries()
        self._context, self._classify, self._limits, self._observe = context, classify, limits, observe
        self._rules = rules
        self._attempts, self._max_wait_s = attempts, max_wait_s
        self._secrets, self._sleep, self._chance = tuple(s for s in secrets if s), sleep, chance
        self._client = httpx.Client(
            auth=auth,
            base_url=base_url,
            headers={"User-Agent": f"prm-sync/{__version__}", **headers},
            timeout=httpx.Timeout(timeout_s, connect=min(10.0, timeout_s)),
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=8, keepalive_expiry=30),
            transport=context.transport,
            verify=_tls(),
            event_hooks={"request": [self._take_permit]},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    @property
    def base_url(self) -> str:
        return str(self._client.base_url).rstrip("/")

    def request(
        self,
        method: str,
        url: str,
        *,
        ok: Collection[int] = (200, 201, 202, 204),
        safe: bool | None = None,
        label: str | None = None,
        limits: tuple[str, ...] | None = None,
        cost: int = 1,
        **kwargs: Any,
    ) -> httpx.Response:
        """The answer, its body read, its status one of `ok`; `kwargs` go to `httpx.Client.build_request`.

        `safe=True` says that a repeated write has the effect of one. `label` stands for the path in messages and logs
        where the path holds a record's value. `limits` and `cost` are the permits of this call, where they differ.
        Raises the table's ConnectorError; Unavailable where a write may or may not have been done.
        """
        call = _Call(method.upper(), url, ok, safe, label, kwargs)
        return self._send(call, limits, cost, stream=False)

    def get_json(self, url: str, **kwargs: Any) -> Any:
        """The decoded JSON body of a GET. Raises Unavailable for a gateway's HTML page, ContractBroken for bad JSON."""
        response = self.request("GET", url, **kwargs)
        return self.json_of(response)

    def json_of(self, response: httpx.Response) -> Any:
        """The decoded JSON body of an answer; errors as `get_json`."""
        try:
            return msgspec.json.decode(response.content)
        except msgspec.DecodeError:
            request, status = response.request, response.status_code
            path = request.extensions.get(PATH_KEY) or redact(request.url.path, self._secrets)
            where = f"{self._context.connection}: {request.method} {path} answered {status}"
            if "html" in response.headers.get("content-type", ""):
                raise Unavailable(
                    f"{where} with a web page: a gateway or maintenance; try later", status=status
                ) from None
            message = f"{where} without valid JSON: check the base URL and the API version"
            raise ContractBroken(message, status=status) from None

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        ok: Collection[int] = (200,),
        safe: bool | None = None,
        label: str | None = None,
        limits: tuple[str, ...] | None = None,
        cost: int = 1,
        **kwargs: Any,
    ) -> Iterator[Download]:
        """The body in pieces, for what does not fit memory. Opening is retried as `request`; a cut body is not."""
        call = _Call(method.upper(), url, ok, safe, label, kwargs)
        response = self._send(call, limits, cost, stream=True)
        try:
            yield Download(response, lambda error: self._transport_failure(error, call, response.request).error)
        finally:
            response.close()

    # --- one call: attempts until it is answered ------------------------------------------------------------------

    def _send(self, call: _Call, limits: tuple[str, ...] | None, cost: int, *, stream: bool) -> httpx.Response:
        if not isinstance(call.kwargs.get("content", b""), bytes | str):
            raise TypeError("content must be bytes or str: a body that can be sent again")
        extensions = {LIMITS_KEY: (self._limits if limits is None else limits, cost)}
        attempt = Retrying(
            stop=stop_after_attempt(self._attempts),
            retry=retry_if_exception(lambda e: isinstance(e, _Failed) and e.again),
            wait=self._wait_s,
            sleep=self._sleep,
            before_sleep=self._tell_wait,
            reraise=True,
        )
        try:
            return attempt(self._attempt, call, extensions, stream)
        except _Failed as failed:
            raise failed.error from None

    def _attempt(self, call: _Call, extensions: dict[str, Any], stream: bool) -> httpx.Response:
        try:
            request = self._client.build_request(call.method, call.url, **call.kwargs)
        except httpx.InvalidURL:
            raise ContractBroken(f"{self._context.connection}: {call.method} was given an invalid URL") from None
        self._stay_home(request, call)
        request.extensions = {**request.extensions, **extensions, PATH_KEY: self._path(call, request)}
        started = time.perf_counter()
        status: int | str = "unsent"
        try:
            response = self._client.send(request, stream=True)
            status = response.status_code
            try:
                self._judge(response, call, stream)
            except BaseException:
                response.close()
                raise
        except httpx.HTTPError as error:
            status = type(error).__name__
            raise self._transport_failure(error, call, request) from None
        finally:
            ms = round((time.perf_counter() - started) * 1000, 1)
            about = {"connection": self._context.connection, "method": call.method, "status": status, "ms": ms}
            self._context.log.debug("http call", extra={**about, "path": self._path(call, request)})
        return response

    def _judge(self, response: httpx.Response, call: _Call, stream: bool) -> None:
        """Reads the body, unless a good answer is to be streamed; raises _Failed for a status that is not ok."""
        if self._observe is not None:
            self._observe(response)
        good = response.status_code in call.ok
        if not (good and stream):
            response.read()
            response.stream = httpx.ByteStream(b"")  # httpx's own knows the response: a cycle keeps megabytes of body
        if not good:
            raise self._status_failure(response, call)

    def _take_permit(self, request: httpx.Request) -> None:
        # A hook, not a line in `_attempt`: the repeat of a request after a re-login is a call like any other.
        limits, cost = request.extensions.get(LIMITS_KEY, (self._limits, 1))
        if limits:
            self._context.budget.take(*limits, cost=cost)

    def _stay_home(self, request: httpx.Request, call: _Call) -> None:
        # A "next page" address comes from outside; the token must not follow it to another host.
        ours, theirs = self._client.base_url, request.url
        if (ours.scheme, ours.host, ours.port) != (theirs.scheme, theirs.host, theirs.port):
            where = f"{self._context.connection}: {call.method} was sent to {theirs.host}"
            raise ContractBroken(f"{where}, but this connection talks to {ours.host} only; nothing was sent")

    def _wait_s(self, state: RetryCallState) -> float:
        failed = state.outcome.exception() if state.outcome else None
        asked_s = failed.after_s if isinstance(failed, _Failed) else None
        if asked_s:  # "0" is no advice: many would come back in the same instant
            return asked_s + self._chance() * min(1.0, asked_s / 10)  # spread those who were told the same second
        wait_s: float = min(self._max_wait_s, FIRST_WAIT_S * 2 ** (state.attempt_number - 1))
        return wait_s * (0.5 + self._chance() / 2)

    def _tell_wait(self, state: RetryCallState) -> None:
        about = {"connection": self._context.connection, "attempt": state.attempt_number}
        self._context.log.info("http call waits", extra={**about, "wait_s": round(state.upcoming_sleep, 2)})

    # --- what a failure means -------------------------------------------------------------------------------------

    def _path(self, call: _Call, request: httpx.Request) -> str:
        return call.label or redact(request.url.path, self._secrets)

    def _status_failure(self, response: httpx.Response, call: _Call) -> _Failed:
        status, asked_s = response.status_code, retry_after_s(response)
        error = self._classify(response) if self._classify else None
        if error is None:
            rule = rule_for(status, self._rules)
            if issubclass(rule.error, RateLimited):
                error = rule.error(rule.hint, after_s=asked_s or UNASKED_WAIT_S, status=status)
            else:
                error = rule.error(rule.hint, status=status)
        elif isinstance(error, RateLimited):
            asked_s = error.after_s = asked_s or error.after_s
        where = f"{self._context.connection}: {call.method} {self._path(call, response.request)} answered {status}"
        code = f" ({error.code})" if error.code else ""
        text = redact(f"{where}{code}: {error}", self._secrets)
        error.args, error.status = (text,), error.status or status
        if isinstance(error, QuotaSpent):
            return _Failed(error, again=False)
        if asked_s is not None and asked_s > self._max_wait_s and isinstance(error, Unavailable):
            return _Failed(RateLimited(text, after_s=asked_s, status=status, code=error.code), again=False)
        undone = isinstance(error, RateLimited) or (status in REFUSED_UNDONE and asked_s is not None)
        again = isinstance(error, Unavailable) and (undone or call.repeatable)
        return _Failed(error, again=again, after_s=asked_s)

    def _transport_failure(self, error: httpx.HTTPError, call: _Call, request: httpx.Request) -> _Failed:
        where, kind = f"{self._context.connection}: {call.method} {self._path(call, request)}", type(error).__name__
        if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
            # Their text may hold the offending header, the token of a bad paste: it is not shown.
            return _Failed(Misconfigured(f"{where} could not be sent ({kind}): check URL and credentials"), again=False)
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
            return _Failed(Unavailable(f"{where} found no connection ({kind}): check the network and URL"), again=True)
        outlook = "it is tried again later" if call.repeatable else "it may have been done"
        return _Failed(Unavailable(f"{where} was not answered ({kind}): {outlook}"), again=call.repeatable)


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    url: str
    ok: Collection[int]
    safe: bool | None
    label: str | None
    kwargs: Mapping[str, Any]

    @property
    def repeatable(self) -> bool:
        return self.method in SAFE_METHODS if self.safe is None else self.safe


@cache
def _tls() -> SSLContext:
    """One TLS context for all clients: loading the certificates takes some 30 ms each time."""
    return httpx.create_ssl_context()
