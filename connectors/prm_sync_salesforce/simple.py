"""A ready simple-salesforce client on our session: for what people script, and for corners this connector leaves out.

It shares the token (session injection), so it makes no login of its own; unlike a bare client, no call waits for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from prm_sync_salesforce.config import SalesforceConfig

if TYPE_CHECKING:
    from simple_salesforce.api import Salesforce


def simple_salesforce_session(config: SalesforceConfig, token: str, instance_url: str | None = None) -> Salesforce:
    """A `simple_salesforce.Salesforce` that uses `token` at the instance (default: the config's `instance_url`).

    Its answer to an expired token is SalesforceExpiredSession: make a new one from a fresh token.
    """
    import requests
    from simple_salesforce.api import Salesforce

    url = instance_url or config.instance_url or ""
    web = requests.Session()
    web.mount("https://", _adapter(url, config.timeout_s))
    return Salesforce(instance_url=url, session_id=token, session=web, version=config.api_version)


def _adapter(url: str, timeout_s: float) -> Any:
    from requests.adapters import HTTPAdapter

    origin = urlsplit(url)

    class TimedAdapter(HTTPAdapter):
        """Sets a time-out on every call. The library writes https:// before any host: an instance that is reached by
        plain http (an emulator) gets its own scheme back."""

        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            if not kwargs.get("timeout"):
                kwargs["timeout"] = (10.0, timeout_s)
            if origin.scheme == "http":
                request.url = urlunsplit((origin.scheme, origin.netloc, *urlsplit(request.url)[2:]))
            return super().send(request, *args, **kwargs)

    return TimedAdapter()
