"""One open connection to a PartnerStack account: check, discover, read, write, fetch."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from prm_sync.connect import (
    Change,
    ConnectorError,
    Context,
    Cursor,
    Http,
    Misconfigured,
    Outcome,
    Page,
    Record,
    Session,
    Stream,
    Tenant,
    basic,
)
from prm_sync_partnerstack import reading, writing
from prm_sync_partnerstack.api import list_page, refused_read
from prm_sync_partnerstack.config import PartnerStackConfig
from prm_sync_partnerstack.lookup import Lookup
from prm_sync_partnerstack.pace import PacedBudget
from prm_sync_partnerstack.streams import SOURCES, declared

log = logging.getLogger(__name__)


class PartnerStackSession:
    """A `Session` that also `Fetches`. Thread safe, as far as its `Http` is."""

    def __init__(self, http: Http, config: PartnerStackConfig) -> None:
        self._http, self._config = http, config
        self._lookup = Lookup(http, config)

    def check(self) -> Tenant:
        """Who are we? No call names the account: the id is a digest of the public key, so it changes with the key.

        Raises Misconfigured for refused keys, and for a key pair that is of the other environment by its own words.
        """
        list_page(self._http, "partnerships", {"limit": "1"})
        public = self._config.public_key.get_secret_value()
        spoken, said = _environment_of(public), self._config.environment
        if spoken is not None and spoken != said:
            raise Misconfigured(
                f"partnerstack: the public key looks like a {spoken} key, but `environment` says {said}: "
                "correct the setting, or use the other key pair"
            )
        digest = hashlib.sha256(public.encode()).hexdigest()[:16]
        return Tenant(id=f"{said}-{digest}", name=f"PartnerStack ({said} keys)", sandbox=said == "test")

    def discover(self, only: Collection[str] | None = None) -> Sequence[Stream]:
        return declared(self._config.archived, only)

    def read(self, stream: Stream, cursor: Cursor | None, fields: Collection[str]) -> Iterator[Page]:
        return reading.pages(self._http, SOURCES[stream.name], self._config, cursor, fields)

    def write(self, stream: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        return writing.write(self._http, self._lookup, self._config, SOURCES[stream.name], changes)

    def fetch(self, stream: Stream, by: str, values: Sequence[str], fields: Collection[str]) -> Sequence[Record | None]:
        """Archived records count as gone. Raises where one value could not be looked up."""
        found = self._lookup.by(stream.name, by, values)
        wanted = {stream.key, by, *fields}
        records: list[Record | None] = []
        for value in values:
            record = found[value]
            if isinstance(record, ConnectorError):
                raise record
            records.append(None if record is None else reading.cut(record, wanted))
        return records


@contextmanager
def opened(config: PartnerStackConfig, context: Context) -> Iterator[Session]:
    """A session over its own connection pool."""
    public, secret = config.public_key.get_secret_value(), config.secret_key.get_secret_value()
    paced = replace(context, budget=PacedBudget(context.budget, config.calls_per_s))
    with Http(
        paced,
        base_url=config.base_url,
        auth=basic(public, config.secret_key),
        headers={"Accept": "application/json"},
        classify=refused_read,
        limits=("calls",),
        timeout_s=config.timeout_s,
        attempts=config.attempts,
        secrets=(secret, public),
    ) as http:
        yield PartnerStackSession(http, config)


def _environment_of(public_key: str) -> str | None:
    """What the key says of itself. Assumed: keys with `test` or `live` among their first parts, as pk_test_..."""
    parts = public_key.lower().replace("-", "_").split("_")[:-1]
    return "test" if "test" in parts else "production" if {"live", "prod", "production"} & set(parts) else None
