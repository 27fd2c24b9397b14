"""The emulated Salesforce org as a web app: the routes, the switches, the named deeds, and `EMULATOR`.

`build(options)`: `seed` {object: rows}, `switches` {name: value}. Deeds (`POST /__emulator__/do/<name>`): load, edit,
remove, purge, undelete, merge, expire_tokens, expire_cursors, clear_object, assign_to, hide, lock, late, trim_deletes,
duplicates, trust_key.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from prm_sync.connect.emulator import Clock, EmulatedApp, Emulator, Store, Switch, switch_values

from . import bulk, many, oauth, query, sobjects
from .desk import CLIENT_ID, CLIENT_SECRET, Ask, Desk, Handler, Reply
from .errors import Fault, RowRefused
from .org import Org
from .values import id18

SWITCHES: Final = (
    Switch("api_requests", 100_000, "Requests in 24 hours; past it every call is refused", assumed=False),
    Switch("page_rows", 0, "The server shortens query pages to so many rows; 0: as asked", assumed=False),
    Switch("ignore_order_by", False, "Rows come in no useful order, whatever ORDER BY says"),
    Switch("run_as_user", True, "The app has a user to run as (client credentials)", assumed=False),
    Switch("unknown_field_fails_call", True, "An unknown field in one row refuses the whole collection"),
    Switch("too_many_rows_code", "INVALID_BATCH_SIZE", "errorCode for more than 200 rows in a collection"),
    Switch("bulk_polls", 1, "Looks at a job before it is complete", assumed=False),
    Switch("bulk_page_rows", 0, "The server shortens result pages to so many rows; 0: as asked", assumed=False),
    Switch("bulk_header_every_page", True, "Each result page begins with the header; False: only the first"),
    Switch("bulk_bom", False, "The first result page begins with a byte order mark"),
    Switch("bulk_int_as_double", False, "Whole numbers come as 5.0 in CSV", assumed=False),
    Switch("bulk_failure", "", "Every job fails with this errorMessage", assumed=False),
    Switch("bulk_not_ready_status", 409, "Status of results that are asked for too early"),
    Switch("no_bulk", [], "Objects that the Bulk API does not support", assumed=False),
    Switch("json_gzip", False, "JSON answers are compressed where the client accepts it", assumed=False),
)

_D, _S = "/services/data/v{version}", "/services/data/v{version}/sobjects/{name}"
_C, _J = "/services/data/v{version}/composite", "/services/data/v{version}/jobs/{kind}"

ROUTES: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("GET", f"{_D}/query", query.query),
    ("GET", f"{_D}/queryAll", query.query_all),
    ("GET", f"{_D}/query/{{locator}}", query.query_more),
    ("GET", f"{_D}/queryAll/{{locator}}", query.query_more),
    ("GET", f"{_D}/limits", query.limits),
    ("GET", f"{_D}/limits/recordCount", query.record_count),
    ("GET", f"{_D}/sobjects", sobjects.list_all),
    ("GET", _S, sobjects.basic),
    ("POST", _S, sobjects.create),
    ("GET", f"{_S}/describe", sobjects.describe),
    ("GET", f"{_S}/deleted", query.deleted),
    ("GET", f"{_S}/updated", query.updated),
    ("GET", f"{_S}/{{id}}", sobjects.read),
    ("PATCH", f"{_S}/{{id}}", sobjects.update),
    ("DELETE", f"{_S}/{{id}}", sobjects.delete),
    ("GET", f"{_S}/{{key}}/{{value:path}}", sobjects.read_by_key),
    ("PATCH", f"{_S}/{{key}}/{{value:path}}", sobjects.upsert),
    ("DELETE", f"{_S}/{{key}}/{{value:path}}", sobjects.delete_by_key),
    ("POST", f"{_C}/sobjects", many.create),
    ("PATCH", f"{_C}/sobjects", many.update),
    ("DELETE", f"{_C}/sobjects", many.delete),
    ("POST", f"{_C}/sobjects/{{name}}", many.read),
    ("PATCH", f"{_C}/sobjects/{{name}}/{{key}}", many.upsert),
    ("POST", f"{_D}/jobs/query", bulk.create_query),
    ("POST", f"{_D}/jobs/ingest", bulk.create_ingest),
    ("GET", _J, bulk.jobs),
    ("GET", f"{_D}/jobs/query/{{job}}", bulk.query_job),
    ("PATCH", f"{_D}/jobs/query/{{job}}", bulk.change_query),
    ("GET", f"{_D}/jobs/query/{{job}}/results", bulk.results),
    ("GET", f"{_D}/jobs/ingest/{{job}}", bulk.ingest_job),
    ("PATCH", f"{_D}/jobs/ingest/{{job}}", bulk.change_ingest),
    ("PUT", f"{_D}/jobs/ingest/{{job}}/batches", bulk.upload),
    ("GET", f"{_D}/jobs/ingest/{{job}}/{{which}}", bulk.ingest_results),
    ("DELETE", f"{_J}/{{job}}", bulk.delete_job),
)


class OrgStore(Store):
    """The org's rows for the toolkit's snapshot and reset. The tables themselves are the org's: they keep the order
    of SystemModstamp, which a general store does not."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.org = Org(clock.now)

    def snapshot(self, without: Collection[str] = ()) -> dict[str, list[dict[str, Any]]]:
        with self.org.lock:
            tables = self.org.tables.items()
            return {n: [{k: v for k, v in r.items() if k not in without} for r in t.rows.values()] for n, t in tables}

    def clear(self) -> None:
        with self.org.lock:
            self.org.__init__(self.clock.now)  # type: ignore[misc]


class SalesforceApp(EmulatedApp):
    """The emulated org: `org` for its rows, `desk` for sessions, cursors and jobs."""

    def __init__(self, options: Mapping[str, Any] | None = None, clock: Clock | None = None) -> None:
        options = options or {}
        clock = clock or Clock()
        store = OrgStore(clock)
        self.org = store.org
        switches = switch_values(SWITCHES, options.get("switches"))
        self.desk = Desk(self.org, switches)
        self._seed = dict(options.get("seed") or {})
        super().__init__(
            self._routes(), clock=clock, store=store, actions=self._deeds(), reset=self._begin_anew,
            error_body=_injected, switches=switches,
        )  # fmt: skip
        self.desk.switches = self.switches
        self._load_seed()

    def load(self, name: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Rows of object `name` as they are (their own Id and SystemModstamp where given); their ids."""
        with self.org.lock:
            return self.org.load(name, rows)

    def _load_seed(self) -> None:
        for name, rows in self._seed.items():
            self.load(name, rows)

    def _begin_anew(self) -> None:
        self.desk = Desk(self.org, self.switches)
        self._load_seed()

    # --- answering ------------------------------------------------------------------------------------------------

    def _routes(self) -> list[BaseRoute]:
        routes: list[BaseRoute] = [
            Route("/services/data", self._endpoint(sobjects.versions, session=False)),
            Route("/services/data/", self._endpoint(sobjects.versions, session=False)),
            Route("/services/oauth2/token", self._endpoint(oauth.token, session=False), methods=["POST"]),
            Route(f"{_C}", self._endpoint(lambda d, a: many.composite(d, a, self._dispatch)), methods=["POST"]),
            Route(f"{_C}/batch", self._endpoint(lambda d, a: many.batch(d, a, self._dispatch)), methods=["POST"]),
        ]
        self._table: list[tuple[Route, Handler]] = []
        for method, path, handler in ROUTES:
            for template in (path, path + "/") if not path.endswith(":path}") else (path,):
                route = Route(template, self._endpoint(handler), methods=[method])
                routes.append(route)
                self._table.append((route, handler))
        return routes

    def _dispatch(self, ask: Ask, path: str) -> Reply:
        """The answer to a call within a call."""
        scope = {"type": "http", "method": ask.method, "path": path, "root_path": "", "headers": []}
        for route, handler in self._table:
            match, found = route.matches(scope)
            if match is Match.FULL:
                return handler(self.desk, Ask(ask.method, found["path_params"], ask.query, ask.headers, ask.body))
        raise Fault(404, "NOT_FOUND", "The requested resource does not exist")

    def _endpoint(self, handler: Handler, *, session: bool = True) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            headers = {k.lower(): v for k, v in request.headers.items()}
            params = {k: str(v) for k, v in request.path_params.items()}
            ask = Ask(request.method, params, dict(request.query_params), headers, await request.body())
            return await run_in_threadpool(self._answered, handler, ask, session)

        return endpoint

    def _answered(self, handler: Handler, ask: Ask, session: bool) -> Response:
        with self.org.lock:
            try:
                if session:
                    self.desk.admit(ask)
                reply = handler(self.desk, ask)
            except RowRefused as refused:
                reply = Reply(refused.fault().status, refused.fault().body())
            except Fault as fault:
                reply = Reply(fault.status, fault.body())
            usage = {"Sforce-Limit-Info": self.desk.usage()} if session else {}
        return self._response(reply, usage, ask)

    def _response(self, reply: Reply, usage: Mapping[str, str], ask: Ask) -> Response:
        content = (
            reply.body
            if isinstance(reply.body, bytes)
            else b""
            if reply.body is None
            else msgspec.json.encode(reply.body)
        )
        headers = {**usage, **reply.headers}
        zipped = "gzip" in ask.headers.get("accept-encoding", "") and len(content) > 1000
        if zipped and (reply.media == "text/csv" or self.switches["json_gzip"]):
            content, headers["Content-Encoding"] = gzip.compress(content, 1), "gzip"
        if reply.body is None:
            return Response(status_code=reply.status, headers=headers)
        return Response(content, reply.status, headers, media_type=reply.media)

    # --- deeds ----------------------------------------------------------------------------------------------------

    def _deeds(self) -> dict[str, Callable[..., Any]]:
        org = self.org

        def held(deed: Callable[..., Any]) -> Callable[..., Any]:
            def run(**arguments: Any) -> Any:
                with org.lock:
                    return deed(**arguments)

            return run

        def edit(object: str, rows: Mapping[str, Mapping[str, Any]]) -> None:  # noqa: A002 - Salesforce's own word
            for row_id, values in rows.items():
                org.update(object, row_id, values, assign=False)

        def remove(object: str, ids: Iterable[str]) -> None:  # noqa: A002
            for row_id in ids:
                org.delete(object, row_id)

        def purge(object: str, ids: Iterable[str]) -> None:  # noqa: A002
            for row_id in ids:
                org.purge(object, row_id)

        def undelete(object: str, ids: Iterable[str]) -> None:  # noqa: A002
            for row_id in ids:
                org.undelete(object, row_id)

        def hide(object: str, fields: Iterable[str]) -> None:  # noqa: A002
            org.hidden[object] = set(fields)

        def trim_deletes(hours: float = 0) -> None:
            org.delete_log_from = org.now() - timedelta(hours=hours)

        deeds: dict[str, Callable[..., Any]] = {
            "load": lambda object, rows: org.load(object, rows),  # noqa: A006
            "edit": edit,
            "remove": remove,
            "purge": purge,
            "undelete": undelete,
            "merge": lambda object, winner, losers: org.merge(object, winner, losers),  # noqa: A006
            "expire_tokens": lambda: self.desk.expire_tokens(),
            "expire_cursors": lambda: self.desk.expire_cursors(),
            "assign_to": lambda owner: setattr(org, "assignment_owner", owner and id18(owner)),
            "hide": hide,
            "lock": lambda times: org.locked.update(times),
            "late": lambda seconds: setattr(org, "late_s", float(seconds)),
            "trim_deletes": trim_deletes,
            "duplicates": lambda rule: setattr(org, "duplicate_rule", rule),
            "trust_key": lambda username, pem: self.desk.keys.update({username: pem}),
        }
        return {name: held(deed) for name, deed in deeds.items()}


def _injected(status: int) -> Any:
    """Salesforce's body for a status that a fault injects."""
    codes = {
        400: "UNKNOWN_EXCEPTION", 401: "INVALID_SESSION_ID", 403: "REQUEST_LIMIT_EXCEEDED", 404: "NOT_FOUND",
        500: "UNKNOWN_EXCEPTION", 503: "SERVER_UNAVAILABLE",
    }  # fmt: skip
    return [{"errorCode": codes.get(status, "UNKNOWN_EXCEPTION"), "message": f"injected {status}"}]


def _credentials(url: str) -> Mapping[str, Any]:
    return {"instance_url": url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


EMULATOR: Final = Emulator(name="salesforce", build=SalesforceApp, credentials=_credentials, switches=SWITCHES)
