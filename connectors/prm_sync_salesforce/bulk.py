"""Bulk API 2.0 query: a job is made, waited for, fetched page by page, and deleted.

A page's locator stays good as long as the job is there (7 days): it is the place where a broken read goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from prm_sync.connect import ConnectorError, Record, Stream, Unavailable, Undecoded
from prm_sync_salesforce.remote import Remote, server_time
from prm_sync_salesforce.rows import records_of_csv

PAGE_ROWS: Final = 2_500  #: rows in one result page: some 8 MB of records in memory, and a few pages are under way
FIRST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 30.0
JOB_LIFE_S: Final = 86_400.0  #: Salesforce gives a job up after a day
NOT_FOR_BULK: Final = frozenset(("INVALIDENTITY", "INVALIDJOB", "API_ERROR", "FUNCTIONALITY_NOT_ENABLED"))


class NotForBulk(Exception):  # noqa: N818 - a fork in the road, not an error
    """The Bulk API does not take this object or query, or gave up on it: read it page by page."""


@dataclass(frozen=True, slots=True)
class Job:
    """A finished job: how many rows, and the server's time when it was made."""

    id: str
    rows: int
    made_at: datetime | None


@dataclass(frozen=True, slots=True)
class ResultPage:
    """One page of CSV as it came; `after` is the locator of the next, None on the last."""

    content: bytes
    rows: int | None
    after: str | None


def run_job(remote: Remote, soql: str, sleep: Callable[[float], None] = time.sleep) -> Job:
    """A query job, waited for until it is complete. Raises NotForBulk."""
    job_request = {
        "operation": "query",
        "query": soql,
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    }
    try:
        # A repeated call may leave a second job behind: it costs one of 10,000 a day and changes nothing.
        response = remote.http.request("POST", f"{remote.base}/jobs/query", json=job_request, safe=True)
    except ConnectorError as error:
        if error.code in NOT_FOR_BULK:
            raise NotForBulk(error.code) from error
        raise
    job_id = str(remote.http.json_of(response)["id"])
    return _waited(remote, job_id, server_time(response), sleep)


def find_job(remote: Remote, job_id: str, sleep: Callable[[float], None] = time.sleep) -> Job | None:
    """A job of an earlier run, or None where it is gone or did not end well."""
    try:
        return _waited(remote, job_id, None, sleep)
    except NotForBulk:
        return None
    except ConnectorError as error:
        if error.status == 404:
            return None
        raise


def _waited(remote: Remote, job_id: str, made_at: datetime | None, sleep: Callable[[float], None]) -> Job:
    wait_s, waited_s = FIRST_WAIT_S, 0.0
    while True:
        job = remote.get(f"/jobs/query/{job_id}")
        if job["state"] == "JobComplete":
            return Job(job_id, int(job.get("numberRecordsProcessed", 0)), made_at)
        if job["state"] in ("Failed", "Aborted"):
            remote.context.log.warning(
                "bulk job failed", extra={"connection": remote.context.connection, "job": job_id}
            )
            raise NotForBulk(job["state"])
        if waited_s > JOB_LIFE_S:
            raise Unavailable(
                f"{remote.context.connection}: bulk job {job_id} did not end within a day; it is tried again later"
            )
        sleep(wait_s)
        waited_s, wait_s = waited_s + wait_s, min(LONGEST_WAIT_S, wait_s * 1.6)


def result_pages(remote: Remote, job: Job, locator: str | None) -> Iterator[ResultPage]:
    """The result pages from `locator` on (None: from the first)."""
    while True:
        params = {"maxRecords": str(PAGE_ROWS), **({"locator": locator} if locator else {})}
        headers = {"Accept": "text/csv"}
        response = remote.http.request(
            "GET", f"{remote.base}/jobs/query/{job.id}/results", params=params, headers=headers
        )
        after = response.headers.get("sforce-locator", "null")
        locator = None if after in ("", "null") else after
        counted = response.headers.get("sforce-numberofrecords", "")
        yield ResultPage(response.content, int(counted) if counted.isdigit() else None, locator)
        if locator is None:
            return


def page_records(remote: Remote, page: ResultPage, columns: Sequence[str], stream: Stream) -> Sequence[Record]:
    """The records of a result page; not decoded yet where the server says how many they are."""
    decode = partial(
        records_of_csv, columns=tuple(columns), stream=stream, connection=remote.context.connection, count=page.rows
    )
    return decode(page.content) if page.rows is None else Undecoded(page.content, decode, page.rows)


def forget(remote: Remote, job: Job) -> None:
    """Delete the job; that it stays for a week does no harm."""
    try:
        remote.http.request("DELETE", f"{remote.base}/jobs/query/{job.id}", ok=(200, 204, 404), safe=True)
    except ConnectorError as error:
        about = {"connection": remote.context.connection, "job": job.id, "code": error.code}
        remote.context.log.info("bulk job not deleted", extra=about)
