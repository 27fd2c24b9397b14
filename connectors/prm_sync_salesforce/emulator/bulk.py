"""Bulk API 2.0: query jobs and ingest jobs. Bulk API 2.0 and Bulk API Developer Guide.

A job goes UploadComplete -> InProgress -> JobComplete over as many looks as the switch `bulk_polls` says. The rows of a
query are taken when it completes; a locator is the offset in base64, stable as long as the job is there.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import random
from dataclasses import dataclass, field
from typing import Any, Final

from .desk import Ask, Desk, Reply
from .errors import Fault, RowRefused
from .evaluate import bulk_columns, matching, source_of
from .org import ADMIN_ID, Table
from .schema import NUMBERS
from .soql import Query, parse
from .values import stamp

DELIMITERS: Final = {"COMMA": ",", "SEMICOLON": ";", "TAB": "\t", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
UPLOAD_MAX: Final = 150 * 1024 * 1024 * 2 // 3  #: 150 MB after base64: some 100 MB as sent
OVER: Final = frozenset(("JobComplete", "Failed", "Aborted"))


@dataclass
class Job:
    """One job of either kind; `lines` are its results, `header` their columns."""

    id: str
    operation: str
    object: str
    version: str
    created: str
    delimiter: str
    newline: str
    state: str
    query: Query | None = None
    external: str | None = None
    assign: bool = False
    polls: int = 0
    header: list[str] = field(default_factory=list)
    lines: list[list[str]] = field(default_factory=list)
    upload: bytes | None = None
    good: list[list[str]] = field(default_factory=list)
    bad: list[list[str]] = field(default_factory=list)
    left: list[list[str]] = field(default_factory=list)
    processed: int = 0
    error: str | None = None

    def described(self, *, full: bool) -> dict[str, Any]:
        shown = {
            "id": self.id, "operation": self.operation, "object": self.object, "createdById": ADMIN_ID,
            "createdDate": self.created, "systemModstamp": self.created, "state": self.state,
            "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": float(self.version),
        }  # fmt: skip
        names = {v: k for k, v in DELIMITERS.items()}
        shown |= {"lineEnding": "CRLF" if self.newline == "\r\n" else "LF", "columnDelimiter": names[self.delimiter]}
        if self.query is None and not full:
            shown["contentUrl"] = f"services/data/v{self.version}/jobs/ingest/{self.id}/batches"
        if self.external:
            shown["externalIdFieldName"] = self.external
        if full:
            shown |= {
                "jobType": "V2Query" if self.query else "V2Ingest", "retries": 0, "totalProcessingTime": 12,
                "numberRecordsProcessed": self.processed,
            }  # fmt: skip
            if self.query is None:
                shown |= {"numberRecordsFailed": len(self.bad), "apiActiveProcessingTime": 9, "apexProcessingTime": 0}
            if self.error:
                shown["errorMessage"] = self.error
        return shown


def _new_job(desk: Desk, ask: Ask, given: dict[str, Any], operation: str, state: str, name: str) -> Job:
    delimiter = DELIMITERS.get(str(given.get("columnDelimiter", "COMMA")))
    newline = {"LF": "\n", "CRLF": "\r\n"}.get(str(given.get("lineEnding", "LF")))
    if delimiter is None or newline is None:
        raise Fault(400, "INVALIDJOB", "columnDelimiter or lineEnding is not one of the allowed values")
    return Job(desk.new_id("750"), operation, name, ask.version, stamp(desk.org.now()), delimiter, newline, state)


def _job(desk: Desk, ask: Ask, *, is_query: bool) -> Job:
    job = desk.jobs.get(ask.params["job"])
    if not isinstance(job, Job) or (job.query is not None) != is_query:
        raise Fault(404, "NOT_FOUND", "The requested resource does not exist")
    return job


def _looked_at(desk: Desk, job: Job) -> None:
    """One look at a job that runs: it goes on by one state."""
    if job.state == "UploadComplete":
        job.state = "InProgress"
    if job.state == "InProgress":
        job.polls += 1
        if job.polls > desk.switches["bulk_polls"]:
            _finish(desk, job)


def _finish(desk: Desk, job: Job) -> None:
    job.state = "JobComplete"
    failure = desk.switches["bulk_failure"]
    if failure:
        job.state, job.error = "Failed", failure
    elif job.query is not None:
        _run_query(desk, job, job.query)
    else:
        _run_ingest(desk, job)


def jobs(desk: Desk, ask: Ask) -> Reply:
    wanted = "query" in ask.params["kind"]
    found = [j.described(full=True) for j in desk.jobs.values() if (j.query is not None) == wanted]
    return Reply(200, {"done": True, "nextRecordsUrl": None, "records": found})


# --- query jobs ----------------------------------------------------------------------------------------------------


def create_query(desk: Desk, ask: Ask) -> Reply:
    given = ask.object()
    operation = str(given.get("operation"))
    if operation not in ("query", "queryAll"):
        raise Fault(400, "INVALIDOPERATION", f"operation is not valid: {operation}")
    query = parse(str(given.get("query", "")))
    if query.count or query.offset:
        raise Fault(400, "API_ERROR", "Aggregate functions and OFFSET are not supported in Bulk Query")
    name = source_of(desk.org, query).object.name
    if name in desk.switches["no_bulk"]:
        raise Fault(400, "INVALIDENTITY", f"Entity '{name}' is not supported by the Bulk API.")
    header = [h for h, _ in bulk_columns(desk.org, query)]
    if query.where is not None:
        matching(desk.org, query, include_deleted=True, sort=False)  # a wrong condition is refused now, not later
    job = _new_job(desk, ask, given, operation, "UploadComplete", name)
    job.query, job.header = query, header
    desk.jobs[job.id] = job
    return Reply(200, job.described(full=False))


def query_job(desk: Desk, ask: Ask) -> Reply:
    job = _job(desk, ask, is_query=True)
    _looked_at(desk, job)
    return Reply(200, job.described(full=True))


def change_query(desk: Desk, ask: Ask) -> Reply:
    job = _job(desk, ask, is_query=True)
    if ask.object().get("state") != "Aborted" or job.state in OVER:
        raise Fault(400, "INVALIDJOBSTATE", f"the job is {job.state}; it can only be aborted while it runs")
    job.state = "Aborted"
    return Reply(200, job.described(full=True))


def delete_job(desk: Desk, ask: Ask) -> Reply:
    job = _job(desk, ask, is_query="query" in ask.params["kind"])
    if job.state not in OVER:
        raise Fault(400, "INVALIDJOBSTATE", "only a finished job can be deleted")
    del desk.jobs[job.id]
    return Reply(204)


def results(desk: Desk, ask: Ask) -> Reply:
    """One page of CSV: `maxRecords` rows from `locator` on; the last page's Sforce-Locator is the text `null`."""
    job = _job(desk, ask, is_query=True)
    if job.version != ask.version:
        raise Fault(409, "VERSION_MISMATCH", "the job was created with another API version")
    if job.state != "JobComplete":
        raise Fault(
            desk.switches["bulk_not_ready_status"], "INVALIDJOBSTATE", f"the job is {job.state}: no results yet"
        )
    start = _offset(ask.query.get("locator"))
    asked = int(ask.query.get("maxRecords") or 50_000)
    size = min(asked, desk.switches["bulk_page_rows"] or asked)
    lines = job.lines[start : start + size]
    more = start + size < len(job.lines)
    with_header = start == 0 or desk.switches["bulk_header_every_page"]
    content = written(job, ([job.header] if with_header else []) + lines)
    if desk.switches["bulk_bom"] and start == 0:
        content = b"\xef\xbb\xbf" + content
    locator = base64.urlsafe_b64encode(str(start + size).encode()).decode().rstrip("=") if more else "null"
    return Reply(200, content, {"Sforce-NumberOfRecords": str(len(lines)), "Sforce-Locator": locator}, "text/csv")


def _offset(locator: str | None) -> int:
    if locator in (None, "", "null"):
        return 0
    try:
        return int(base64.urlsafe_b64decode(str(locator) + "=" * (-len(str(locator)) % 4)))
    except (ValueError, binascii.Error):
        raise Fault(400, "INVALIDLOCATOR", "the locator is not valid") from None


def _run_query(desk: Desk, job: Job, query: Query) -> None:
    table = source_of(desk.org, query)
    getters = [g for _, g in bulk_columns(desk.org, query)]
    columns = [table.object.by_lower.get(h.lower()) for h in job.header]
    writers = [_writer(c.type if c else "string", desk.switches["bulk_int_as_double"]) for c in columns]
    ids = matching(desk.org, query, include_deleted=job.operation == "queryAll")
    rows = (table.rows[i] for i in ids)
    job.lines = [[w(g(row)) for g, w in zip(getters, writers, strict=True)] for row in rows]
    job.processed = len(job.lines)


def _writer(kind: str, int_as_double: bool) -> Any:
    if kind == "boolean":
        return lambda v: "true" if v else "false"
    if kind == "datetime":
        return lambda v: "" if v is None else v.replace("+0000", "Z")
    if kind == "int" and not int_as_double:
        return lambda v: "" if v is None else str(v)
    if kind in NUMBERS:
        return lambda v: "" if v is None else _java_double(float(v))
    return lambda v: "" if v is None else v


def _java_double(value: float) -> str:
    """As Java prints a double: 1.0E7 from ten million on."""
    if value and not 1e-3 <= abs(value) < 1e7:
        mantissa, _, exponent = f"{value:.16e}".partition("e")
        short = repr(float(mantissa))
        exact = f"{short}E{int(exponent)}"
        return exact if float(exact) == value else repr(value)
    return repr(value)


def written(job: Job, lines: list[list[str]]) -> bytes:
    """Lines as Salesforce writes CSV: every cell quoted."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=job.delimiter, lineterminator=job.newline, quoting=csv.QUOTE_ALL).writerows(lines)
    return text.getvalue().encode()


# --- ingest jobs ---------------------------------------------------------------------------------------------------


def create_ingest(desk: Desk, ask: Ask) -> Reply:
    given = ask.object()
    operation, name = str(given.get("operation")), str(given.get("object"))
    if operation not in ("insert", "update", "upsert", "delete", "hardDelete"):
        raise Fault(400, "INVALIDOPERATION", f"operation is not valid: {operation}")
    if name not in desk.org.tables:
        raise Fault(400, "INVALIDENTITY", f"Entity '{name}' is not supported by the Bulk API.")
    external = given.get("externalIdFieldName")
    if operation == "upsert":
        column = desk.org.column(desk.org.table(name), str(external)) if external else None
        if column is None or not (column.external or column.name == "Id"):
            raise Fault(400, "INVALIDJOB", "externalIdFieldName is required for upsert and must be an external id")
    job = _new_job(desk, ask, given, operation, "Open", name)
    job.external, job.assign = external, bool(given.get("assignmentRuleId"))
    desk.jobs[job.id] = job
    return Reply(200, job.described(full=False))


def upload(desk: Desk, ask: Ask) -> Reply:
    job = _job(desk, ask, is_query=False)
    if job.state != "Open" or job.upload is not None:
        raise Fault(400, "INVALIDJOBSTATE", "one upload for each job, while it is Open")
    if not ask.headers.get("content-type", "").startswith("text/csv"):
        raise Fault(415, "UNSUPPORTED_MEDIA_TYPE", "text/csv was expected")
    if len(ask.body) > UPLOAD_MAX:
        raise Fault(413, "FILESIZELIMIT", "the upload is larger than 100 MB")
    job.upload = ask.body
    return Reply(201)


def ingest_job(desk: Desk, ask: Ask) -> Reply:
    job = _job(desk, ask, is_query=False)
    _looked_at(desk, job)
    return Reply(200, job.described(full=True))


def change_ingest(desk: Desk, ask: Ask) -> Reply:
    job = _job(desk, ask, is_query=False)
    state = ask.object().get("state")
    if state not in ("UploadComplete", "Aborted") or job.state in OVER:
        raise Fault(400, "INVALIDJOBSTATE", f"the job is {job.state}")
    if state == "UploadComplete" and job.upload is None:
        raise Fault(400, "INVALIDJOBSTATE", "nothing was uploaded")
    job.state = state
    return Reply(200, job.described(full=False))


def ingest_results(desk: Desk, ask: Ask) -> Reply:
    job = _job(desk, ask, is_query=False)
    match ask.params["which"].lower():
        case "successfulresults":
            lines = [["sf__Id", "sf__Created", *job.header], *job.good]
        case "failedresults":
            lines = [["sf__Id", "sf__Error", *job.header], *job.bad]
        case "unprocessedrecords":
            lines = [job.header, *job.left]
        case _:
            raise Fault(404, "NOT_FOUND", "The requested resource does not exist")
    return Reply(200, written(job, lines), media="text/csv")


def _run_ingest(desk: Desk, job: Job) -> None:
    table = desk.org.table(job.object)
    text = (job.upload or b"").decode("utf-8", "replace")
    lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=job.delimiter))
    if not lines or (job.newline == "\r\n") != ("\r\n" in text.partition("\n")[0] + "\n"):
        job.state, job.error = "Failed", "ClientInputError : LineEnding is invalid on user data"
        return
    job.header = lines[0]
    for name in job.header:
        if desk.org.column(table, name.partition(".")[0] if "." not in name else "Id") is None:
            job.state, job.error = "Failed", f"InvalidBatch : Field name not found : {name}"
            return
    if job.operation in ("delete", "hardDelete") and job.header != ["Id"]:
        job.state, job.error = "Failed", "InvalidBatch : The 'delete' batch must contain only ids"
        return
    seen: set[str] = set()
    for line in lines[1:]:
        if not line:
            continue
        job.processed += 1
        try:
            made, created = _one(desk, job, table, line, seen)
        except (RowRefused, Fault) as refused:
            fields = ",".join(getattr(refused, "fields", None) or [])
            job.bad.append(["", f"{refused.code}:{refused.message}:{fields} --", *line])
        else:
            job.good.append([made, "true" if created else "false", *line])
    random.Random(job.id).shuffle(job.good)  # noqa: S311 - the order of results is not that of the input


def _one(desk: Desk, job: Job, table: Table, line: list[str], seen: set[str]) -> tuple[str, bool]:
    if len(line) != len(job.header):
        raise RowRefused("CSV_PARSE_ERROR", "the row does not have as many cells as the header")
    # An empty cell leaves the field as it is, #N/A clears it.
    cells = {h: None if c == "#N/A" else c for h, c in zip(job.header, line, strict=True) if c != ""}
    name, row_id = table.object.name, str(cells.pop("Id", "") or "")
    match job.operation:
        case "insert":
            return desk.org.insert(name, cells, csv=True, assign=job.assign), True
        case "update":
            return desk.org.update(name, row_id, cells, csv=True, assign=job.assign), False
        case "upsert" if job.external != "Id":
            key = str(job.external)
            value = str(cells.get(key, "")).lower()
            if value and value in seen:
                raise RowRefused("DUPLICATE_VALUE", f"Duplicate external id specified: {cells[key]}", [key])
            seen.add(value)
            return desk.org.upsert(name, key, cells, csv=True, assign=job.assign)
        case "upsert":
            if not row_id:
                return desk.org.insert(name, cells, csv=True, assign=job.assign), True
            return desk.org.update(name, row_id, cells, csv=True, assign=job.assign), False
        case _:
            desk.org.delete(name, row_id)
            if job.operation == "hardDelete":
                desk.org.purge(name, row_id)
            return row_id, False
