"""One org over HTTP: its REST paths, its clock, its quota. Everything that talks to Salesforce goes through here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import msgspec

from prm_sync.connect import Context, ContractBroken, Http, StatusRule, Unavailable
from prm_sync_salesforce.config import SalesforceConfig
from prm_sync_salesforce.errors import classify
from prm_sync_salesforce.login import Login
from prm_sync_salesforce.rows import records_of_json

FREES_S: Final = 3_600.0  #: the quota is of the last 24 hours: within an hour some of it comes back
NO_DATE_S: Final = 300.0  #: how wrong our own clock is taken to be where an answer has no Date header
_USAGE = re.compile(r"(?:^|[;\s])api-usage=(\d+)/(\d+)")
# The load balancer's own words for "again"; both are retried by long-lived clients.
_RULES: Final = {
    406: StatusRule(Unavailable, "the load balancer did not pass the call on; it is tried again later"),
    420: StatusRule(Unavailable, "the call was not routed; it is tried again later"),
}


class RawPage(msgspec.Struct):
    """One page of a query, its records not decoded yet: that is done where no call is waiting for it."""

    records: msgspec.Raw
    totalSize: int = 0  # noqa: N815 - the names of the wire
    done: bool = True
    nextRecordsUrl: str | None = None  # noqa: N815

    def decoded(self) -> list[dict[str, Any]]:
        """Its records."""
        return records_of_json(bytes(self.records))


_PAGE: Final = msgspec.json.Decoder(RawPage)


class Remote:
    """The org's REST API at one pinned version. Thread safe."""

    def __init__(self, config: SalesforceConfig, context: Context, login: Login) -> None:
        self.config, self.context, self.login = config, context, login
        self.base = f"/services/data/v{config.api_version}"
        self.http = Http(
            context, base_url=login.instance_url, auth=login.auth(), rules=_RULES, classify=classify,
            limits=("burst", "daily"), timeout_s=config.timeout_s, attempts=config.attempts, observe=self._observe,
            headers={"Sforce-Call-Options": "client=prm-sync"}, secrets=(login.token(),),
        )  # fmt: skip

    def get(self, path: str, **kwargs: Any) -> Any:
        """The JSON of a GET below the version's path."""
        return self.http.get_json(self.base + path, **kwargs)

    # --- queries --------------------------------------------------------------------------------------------------

    def first_page(self, soql: str, *, deleted: bool = False) -> tuple[RawPage, datetime]:
        """The first page of a query, and the server's time when it answered. `deleted`: with the recycle bin."""
        path = "/queryAll" if deleted else "/query"
        response = self.http.request("GET", self.base + path, params={"q": soql}, headers=self._batch())
        return self._page(response), server_time(response)

    def next_pages(self, url: str) -> Iterator[RawPage]:
        """The pages from `nextRecordsUrl` on. Raises CursorExpired where the locator is gone."""
        following: str | None = url
        while following is not None:
            label = f"{self.base}/query/<locator>"
            page = self._page(self.http.request("GET", following, headers=self._batch(), label=label))
            yield page
            following = None if page.done else page.nextRecordsUrl

    def rows(self, soql: str, *, deleted: bool = False) -> list[dict[str, Any]]:
        """All rows of a small query, without `attributes`."""
        first, _ = self.first_page(soql, deleted=deleted)
        return self.rows_from(first)

    def rows_from(self, first: RawPage) -> list[dict[str, Any]]:
        """Those of a query's first page and of the pages after it."""
        found = first.decoded()
        if not first.done and first.nextRecordsUrl:
            for more in self.next_pages(first.nextRecordsUrl):
                found += more.decoded()
        return found

    def _batch(self) -> dict[str, str]:
        return {"Sforce-Query-Options": f"batchSize={self.config.page_size}"}

    def _page(self, response: httpx.Response) -> RawPage:
        try:
            return _PAGE.decode(response.content)
        except msgspec.DecodeError:
            self.http.json_of(response)  # words a gateway's HTML page and broken JSON
            message = f"{self.context.connection}: the answer to a query has no records; check instance_url"
            raise ContractBroken(message, status=response.status_code) from None

    # --- what every answer tells ----------------------------------------------------------------------------------

    def _observe(self, response: httpx.Response) -> None:
        found = _USAGE.search(response.headers.get("sforce-limit-info", ""))
        if found:
            used, most = int(found.group(1)), int(found.group(2))
            self.context.budget.learn("daily", left=max(0, most - used), resets_in_s=FREES_S)

    def close(self) -> None:
        self.http.close()


def server_time(response: httpx.Response) -> datetime:
    """The server's clock at this answer. Without a Date header: our own, set back so that nothing is passed over."""
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).astimezone(UTC)
    except (TypeError, ValueError):
        return datetime.now(UTC) - timedelta(seconds=NO_DATE_S)
