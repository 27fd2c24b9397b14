"""Logging in: the three ways, one token shared by all threads of a session.

Salesforce tells no expiry: a 401 is the only sign, and `BearerToken` then asks `renew` once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from pydantic import SecretStr

from prm_sync.connect import BearerToken, Context, ContractBroken, Http, Misconfigured, jwt_assertion
from prm_sync_salesforce.config import SalesforceConfig
from prm_sync_salesforce.errors import classify

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Login:
    """The token of a connection, and the org's own address, which the first login tells."""

    def __init__(self, config: SalesforceConfig, context: Context, now_s: Callable[[], float] = time.time) -> None:
        self._config, self._context, self._now_s = config, context, now_s
        self._token: str | None = None
        self._instance_url: str | None = config.instance_url if config.way == "session" else None

    @property
    def instance_url(self) -> str:
        """Where everything after the login goes; logs in if nobody has."""
        if self._instance_url is None:
            self.token()
        return self._instance_url or ""

    def token(self) -> str:
        """The access token; logs in if nobody has. Raises Misconfigured."""
        if self._token is None:
            self._token = self._new_token()
        return self._token

    def renew(self) -> str:
        """A new token. Raises Misconfigured, for a session id from elsewhere too: it cannot be renewed."""
        if self._config.way == "session":
            raise Misconfigured(
                f"{self._context.connection}: the session id is not valid any more; give a new one, or an app's login",
                status=401,
                code="INVALID_SESSION_ID",
            )
        self._token = self._new_token()
        return self._token

    def auth(self) -> BearerToken:
        return BearerToken(self.token, self.renew)

    def _new_token(self) -> str:
        config = self._config
        if config.session_id is not None:
            return config.session_id.get_secret_value()
        form = self._form()
        secrets = (form.get("client_secret", ""), form.get("assertion", ""))
        with Http(
            self._context, base_url=config.token_url, classify=classify, limits=("burst",), attempts=config.attempts,
            timeout_s=config.timeout_s, secrets=secrets,
        ) as http:  # fmt: skip
            answer = http.json_of(http.request("POST", TOKEN_PATH, data=form, safe=True))
        token, instance_url = answer.get("access_token"), answer.get("instance_url")
        if not isinstance(token, str) or not isinstance(instance_url, str):
            raise ContractBroken(
                f"{self._context.connection}: the token endpoint's answer holds no token; check login_url"
            )
        if urlsplit(config.token_url).scheme == "https" and urlsplit(instance_url).scheme != "https":
            raise ContractBroken(
                f"{self._context.connection}: the login names an instance without https; nothing was sent"
            )
        self._instance_url = instance_url.rstrip("/")
        self._context.log.info("logged in", extra={"connection": self._context.connection, "way": config.way})
        return token

    def _form(self) -> dict[str, str]:
        config = self._config
        if config.client_secret is not None:
            secret = config.client_secret.get_secret_value()
            return {"grant_type": "client_credentials", "client_id": config.client_id or "", "client_secret": secret}
        assertion = jwt_assertion(
            self._private_key(), issuer=config.client_id or "", subject=config.username or "",
            audience=config.jwt_audience, now_s=self._now_s(),
        )  # fmt: skip
        return {"grant_type": JWT_GRANT, "assertion": assertion}

    def _private_key(self) -> SecretStr:
        if self._config.private_key is not None:
            return self._config.private_key
        path = self._config.private_key_file
        try:
            return SecretStr(path.read_text()) if path else SecretStr("")
        except OSError as error:
            raise Misconfigured(
                f"{self._context.connection}: private_key_file cannot be read ({error.strerror}): {path}"
            ) from None
