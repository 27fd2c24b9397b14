"""The token endpoint: client credentials (form body or Basic), JWT bearer, and the old password flow.

REST API Developer Guide and Salesforce Help, "OAuth Authorization Flows". Errors are objects, not arrays.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import parse_qs

import jwt

from .desk import CLIENT_ID, CLIENT_SECRET, Ask, Desk, Reply
from .org import ADMIN_ID, ORG_ID

_AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


class _Denied(Exception):  # noqa: N818
    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error, self.description = error, description


def token(desk: Desk, ask: Ask) -> Reply:
    """POST /services/oauth2/token"""
    form = {k: v[0] for k, v in parse_qs(ask.body.decode("utf-8", "replace"), keep_blank_values=True).items()}
    grants = {
        "client_credentials": _client_credentials,
        "urn:ietf:params:oauth:grant-type:jwt-bearer": _assertion,
        "password": _password,
    }
    try:
        grant = grants.get(form.get("grant_type", ""))
        if grant is None:
            raise _Denied("unsupported_grant_type", "grant type not supported")
        grant(desk, ask, form)
    except _Denied as denied:
        return Reply(400, {"error": denied.error, "error_description": denied.description})
    answer = {
        "access_token": desk.new_token(),
        "instance_url": f"http://{ask.headers.get('host', 'localhost')}",
        "id": f"https://login.salesforce.com/id/{ORG_ID}/{ADMIN_ID}",
        "token_type": "Bearer",
        "scope": "api",
    }
    if form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer":
        answer |= {"issued_at": str(int(desk.org.now().timestamp() * 1000)), "signature": "c2lnbmF0dXJl"}
    return Reply(200, answer)


def _client(ask: Ask, form: dict[str, str]) -> tuple[str, str]:
    scheme, _, encoded = ask.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, ValueError):
            raise _Denied("invalid_client", "invalid client credentials") from None
        return name, secret
    return form.get("client_id", ""), form.get("client_secret", "")


def _known_client(ask: Ask, form: dict[str, str]) -> None:
    name, secret = _client(ask, form)
    if name != CLIENT_ID:
        raise _Denied("invalid_client_id", "client identifier invalid")
    if secret != CLIENT_SECRET:
        raise _Denied("invalid_client", "invalid client credentials")


def _client_credentials(desk: Desk, ask: Ask, form: dict[str, str]) -> None:
    _known_client(ask, form)
    if not desk.switches["run_as_user"]:
        raise _Denied("invalid_grant", "no client credentials user enabled")


def _password(desk: Desk, ask: Ask, form: dict[str, str]) -> None:
    _known_client(ask, form)
    if desk.passwords.get(form.get("username", "")) != form.get("password", ""):
        raise _Denied("invalid_grant", "authentication failure")


def _assertion(desk: Desk, ask: Ask, form: dict[str, str]) -> None:
    text = form.get("assertion", "")
    try:
        claims = jwt.decode(text, options={"verify_signature": False, "verify_exp": False, "verify_aud": False})
    except jwt.PyJWTError:
        raise _Denied("invalid_grant", "invalid assertion") from None
    if claims.get("iss") != CLIENT_ID:
        raise _Denied("invalid_client_id", "client identifier invalid")
    key = desk.keys.get(str(claims.get("sub")))
    if key is None:
        raise _Denied("invalid_grant", "user hasn't approved this consumer")
    own = f"http://{ask.headers.get('host', '')}"
    audience = str(claims.get("aud"))
    if audience not in (*_AUDIENCES, own) and not audience.endswith(".my.salesforce.com"):
        raise _Denied("invalid_grant", "audience is invalid")
    try:
        jwt.decode(text, key, algorithms=["RS256"], options={"verify_aud": False, "verify_exp": False})
        expires_s = int(claims["exp"])
    except (jwt.PyJWTError, KeyError, ValueError):
        raise _Denied("invalid_grant", "invalid assertion") from None
    left_s = expires_s - desk.org.now().timestamp()
    if not 0 < left_s <= 600:
        raise _Denied("invalid_grant", "expired authorization code" if left_s <= 0 else "invalid assertion")
