"""One open connection to an org: what the engine talks to."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from prm_sync.connect import Change, Context, Cursor, Misconfigured, Outcome, Page, Record, Stream, Tenant
from prm_sync_salesforce.config import SalesforceConfig
from prm_sync_salesforce.describe import external_ids, stream_of
from prm_sync_salesforce.fetch import fetch
from prm_sync_salesforce.login import Login
from prm_sync_salesforce.read import read
from prm_sync_salesforce.remote import Remote
from prm_sync_salesforce.simple import simple_salesforce_session
from prm_sync_salesforce.write import write


class SalesforceSession:
    """A `Session` that also `Fetches`. Logs in at the first call."""

    def __init__(self, config: SalesforceConfig, context: Context) -> None:
        self._config, self._context = config, context
        self._login = Login(config, context)
        self._lock = threading.Lock()
        self._remote: Remote | None = None
        self._described: dict[str, dict[str, Any]] = {}

    def check(self) -> Tenant:
        """The org. Raises Misconfigured where the login or the permission to look does not do."""
        found = self.remote.rows("SELECT Id, Name, IsSandbox, OrganizationType FROM Organization LIMIT 1")
        if not found:
            raise Misconfigured(
                f"{self._context.connection}: the integration user does not see the org itself; grant 'View Setup'"
            )
        listed = {o["name"] for o in self.remote.get("/sobjects")["sobjects"] if o.get("queryable")}
        missing = tuple(f"read {name}" for name in self._config.objects if name not in listed)
        org = found[0]
        return Tenant(id=org["Id"], name=org["Name"], sandbox=bool(org["IsSandbox"]), missing_scopes=missing)

    def discover(self, only: Collection[str] | None = None) -> Sequence[Stream]:
        """Raises Misconfigured for an object that the integration user does not see."""
        names = self._config.objects if only is None else only
        return [stream_of(self._describe(name), self._config.fields.get(name)) for name in names]

    def read(self, stream: Stream, cursor: Cursor | None, fields: Collection[str]) -> Iterator[Page]:
        return read(self.remote, stream, cursor, fields)

    def write(self, stream: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        return write(self.remote, stream, external_ids(self._describe(stream.name)), changes)

    def fetch(self, stream: Stream, by: str, values: Sequence[str], fields: Collection[str]) -> Sequence[Record | None]:
        return fetch(self.remote, stream, by, values, fields)

    def simple(self) -> Any:
        """A `simple_salesforce.Salesforce` on this session's token, for what the protocol does not offer."""
        return simple_salesforce_session(self._config, self._login.token(), self._login.instance_url)

    @property
    def remote(self) -> Remote:
        with self._lock:
            if self._remote is None:
                self._remote = Remote(self._config, self._context, self._login)
            return self._remote

    def close(self) -> None:
        if self._remote is not None:
            self._remote.close()

    def _describe(self, name: str) -> dict[str, Any]:
        if name not in self._described:
            response = self.remote.http.request("GET", f"{self.remote.base}/sobjects/{name}/describe", ok=(200, 404))
            if response.status_code == 404:
                message = f"{self._context.connection}: there is no object {name!r} that the integration user sees"
                raise Misconfigured(f"{message}; grant it, or leave it out", status=404, code="NOT_FOUND")
            self._described[name] = self.remote.http.json_of(response)
        return self._described[name]


@contextmanager
def opened(config: SalesforceConfig, context: Context) -> Iterator[SalesforceSession]:
    session = SalesforceSession(config, context)
    try:
        yield session
    finally:
        session.close()
