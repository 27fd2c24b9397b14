"""Ways to prove who we are, as `httpx.Auth`: a bearer token that renews itself, user and key, a signed assertion."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final

import httpx
from pydantic import SecretStr

from prm_sync.errors import Misconfigured

ASSERTION_LIFE_S: Final = 180  #: Salesforce wants it within 3 minutes (docs, "OAuth 2.0 JWT Bearer Flow")


class BearerToken(httpx.Auth):
    """`Authorization: Bearer <get()>`; a 401 calls `refresh` (a new login) and repeats the request once.

    Thread safe: of the threads that saw the same stale token, one logs in and all go on with what it got. `get` gives
    the first token (it may log in: it is called once, by the first request); `refresh=None`: a 401 is final.
    """

    def __init__(self, get: Callable[[], str], refresh: Callable[[], str] | None = None) -> None:
        self._get, self._refresh = get, refresh
        self._lock = threading.Lock()
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        used = self._current()
        request.headers["Authorization"] = f"Bearer {used}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED and self._refresh is not None:
            request.headers["Authorization"] = f"Bearer {self._renewed(used)}"
            yield request

    def _current(self) -> str:
        with self._lock:
            if self._token is None:
                self._token = _sendable(self._get())
            return self._token

    def _renewed(self, stale: str) -> str:
        """The token after `stale`: logs in only where no other thread has done so since."""
        with self._lock:
            if self._token == stale and self._refresh is not None:
                self._token = _sendable(self._refresh())
            return self._token or stale


def _sendable(token: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Misconfigured("the access token has characters that no header can carry; paste it again, without spaces")
    return token


def basic(user: str, password: SecretStr) -> httpx.BasicAuth:
    """HTTP basic authentication; many APIs take their public and secret key this way."""
    return httpx.BasicAuth(user, password.get_secret_value())


def jwt_assertion(
    private_key: SecretStr,
    *,
    issuer: str,
    subject: str,
    audience: str,
    life_s: float = ASSERTION_LIFE_S,
    now_s: float | None = None,
    claims: Mapping[str, Any] | None = None,
) -> str:
    """A signed assertion (RS256) for the OAuth 2.0 JWT bearer grant, RFC 7523. `private_key` is PEM text.

    `now_s` is Unix time; give the remote's, where its clock is known to differ. Raises Misconfigured for a key that
    is not one.
    """
    import jwt  # brings cryptography along, which most connections never need

    issued_s = int(time.time() if now_s is None else now_s)
    payload = {**(claims or {}), "iss": issuer, "sub": subject, "aud": audience, "exp": issued_s + int(life_s)}
    try:
        return jwt.encode(payload, private_key.get_secret_value(), algorithm="RS256")
    except (ValueError, TypeError, jwt.InvalidKeyError):
        # The library's own text may quote the key.
        raise Misconfigured("the private key is no RSA key in PEM; paste the whole file, with its first line") from None
