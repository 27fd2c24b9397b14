"""The settings of a Salesforce connection. Three ways to log in; exactly one must be given."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

OBJECTS = ("Lead", "Account", "Contact", "Opportunity", "Case", "Order")
Way = Literal["client_credentials", "jwt", "session"]


class SalesforceConfig(BaseModel):
    """What `connections.<name>` of prm_sync.yaml holds for `connector: salesforce`."""

    # The input is hidden: what is wrong may stand beside a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    instance_url: str | None = Field(None, description="My Domain address, https://<name>.my.salesforce.com")
    login_url: str | None = Field(None, description="Where tokens come from, if that is not instance_url")
    client_id: str | None = Field(None, description="Consumer key of the External Client App (or Connected App)")
    client_secret: SecretStr | None = Field(None, description="Consumer secret: client credentials flow")
    username: str | None = Field(None, description="Integration user: JWT bearer flow")
    private_key: SecretStr | None = Field(
        None, description="Private key (PEM) of the app's certificate: JWT bearer flow"
    )
    private_key_file: Path | None = Field(None, description="File with the private key, instead of private_key")
    audience: str | None = Field(None, description="JWT audience, if not login.salesforce.com or test.salesforce.com")
    session_id: SecretStr | None = Field(None, description="A session id from elsewhere; it is not renewed")

    api_version: str = Field(
        "66.0", pattern=r"^\d\d\.0$", description="Pinned: column order and null rules depend on it"
    )
    objects: tuple[str, ...] = Field(OBJECTS, description="Objects that `discover` shows by default")
    fields: dict[str, tuple[str, ...]] = Field({}, description="Object -> fields to read; others: all that are visible")
    page_size: int = Field(2000, ge=200, le=2000, description="Rows in a page of a query")
    bulk_threshold: int = Field(20_000, ge=0, description="More rows than this are read by Bulk API 2.0; 0: never")
    lookback_s: float = Field(
        600, ge=0, description="Longest transaction: rows may appear so late with an old timestamp"
    )
    safety_s: float = Field(60, ge=0, description="How far the clocks of Salesforce's own servers may differ")
    allow_duplicates: bool = Field(False, description="Save in spite of duplicate rules that only warn")
    attempts: int = Field(5, ge=1, le=10, description="Tries of a call that failed on the way")
    timeout_s: float = Field(120, gt=0, description="Longest wait for an answer")

    @field_validator("instance_url", "login_url")
    @classmethod
    def _origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("give a whole address, such as https://acme.my.salesforce.com")
        if parts.path.strip("/") or parts.query:
            raise ValueError("give the address without a path")
        if parts.hostname.endswith(".lightning.force.com"):
            raise ValueError(
                "that is the address of the user interface; the API is at https://<name>.my.salesforce.com"
            )
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("objects")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one object")
        return value

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        ways = {
            "client_secret": self.client_secret is not None,
            "private_key": self.private_key is not None or self.private_key_file is not None,
            "session_id": self.session_id is not None,
        }
        given = [name for name, there in ways.items() if there]
        if len(given) != 1:
            what = "none is given" if not given else f"{' and '.join(given)} are given"
            raise ValueError(
                "give one way to log in: client_id + client_secret, client_id + username + private_key, or session_id;"
                f" {what}"
            )
        if self.private_key is not None and self.private_key_file is not None:
            raise ValueError("give private_key or private_key_file, not both")
        if self.instance_url is None and (self.session_id is not None or self.login_url is None):
            raise ValueError("instance_url is missing: https://<name>.my.salesforce.com")
        if self.session_id is None and not self.client_id:
            raise ValueError("client_id is missing: the consumer key of the app")
        if ways["private_key"] and not self.username:
            raise ValueError("username is missing: the integration user that the app may act for")
        if ways["client_secret"]:
            self._client_credentials_fit()
        return self

    def _client_credentials_fit(self) -> None:
        if self.username:
            raise ValueError("username goes with private_key; with client_secret the app itself names its user")
        if urlsplit(self.token_url).hostname in ("login.salesforce.com", "test.salesforce.com"):
            raise ValueError(
                "client credentials work at the My Domain address only, not at login or test.salesforce.com"
            )

    @property
    def way(self) -> Way:
        if self.session_id is not None:
            return "session"
        return "client_credentials" if self.client_secret is not None else "jwt"

    @property
    def token_url(self) -> str:
        """The origin that gives tokens."""
        return self.login_url or self.instance_url or ""

    @property
    def jwt_audience(self) -> str:
        """Salesforce takes the login host of production or of sandboxes, whatever the My Domain is."""
        if self.audience:
            return self.audience
        host = urlsplit(self.token_url).hostname or ""
        sandbox = host == "test.salesforce.com" or ".sandbox." in host or ".scratch." in host
        return "https://test.salesforce.com" if sandbox else "https://login.salesforce.com"
