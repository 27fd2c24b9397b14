"""The connectors' HTTP client: single answers by a mock transport, the way itself over real sockets."""

from __future__ import annotations

import gc
import gzip
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from prm_sync import __version__
from prm_sync.connect import (
    BearerToken,
    ConnectorError,
    Context,
    ContractBroken,
    Http,
    Misconfigured,
    QuotaSpent,
    RateLimited,
    StatusRule,
    Unavailable,
    body_or_none,
)
from prm_sync.connect.emulator import Clock, EmulatedApp, Running, Store, serve

Answer = Callable[[httpx.Request], httpx.Response]


class CountingBudget:
    """A budget with `permits` left; it counts what is taken."""

    def __init__(self, permits: int = 1000) -> None:
        self.taken: list[tuple[tuple[str, ...], int]] = []
        self.permits = permits

    def take(self, *limits: str, cost: int = 1) -> None:
        if len(self.taken) >= self.permits:
            raise QuotaSpent("acme: the day's share of 'api' is used up; the next run goes on")
        self.taken.append((limits, cost))

    def learn(self, limit: str, *, left: int, resets_in_s: float) -> None:
        return


class Remote:
    """Answers in turn, the last one for ever; it keeps the requests."""

    def __init__(self, *answers: httpx.Response | type[httpx.HTTPError] | Answer) -> None:
        self.answers, self.requests, self.slept = list(answers), [], list[float]()
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, type):
            raise answer("no", request=request) if answer is not httpx.LocalProtocolError else answer("Illegal s3cret")
        return answer if isinstance(answer, httpx.Response) else answer(request)


def context(transport: Any = None, budget: CountingBudget | None = None) -> Context:
    log = logging.getLogger("test.http")
    return Context("acme", budget or CountingBudget(), log, lambda name, value: None, transport)


def http(remote: Remote, budget: CountingBudget | None = None, **options: Any) -> Http:
    lent = context(httpx.MockTransport(remote), budget)
    return Http(lent, base_url="https://api.test", sleep=remote.slept.append, chance=lambda: 1.0, **options)


def again(status: int, **headers: str) -> Answer:
    """A fresh answer for each attempt: an httpx.Response can be read once."""
    return lambda _: httpx.Response(status, headers={k.replace("_", "-"): v for k, v in headers.items()}, json={})


OK = again(200)


def test_the_answer_is_decoded_and_the_client_says_who_it_is() -> None:
    remote = Remote(httpx.Response(200, json={"id": 2**60, "größe": None}))
    assert http(remote).get_json("/leads", params={"a": "1"}) == {"id": 2**60, "größe": None}
    assert remote.requests[0].headers["user-agent"] == f"prm-sync/{__version__}"
    assert str(remote.requests[0].url) == "https://api.test/leads?a=1"


def test_an_answer_is_gone_as_soon_as_nobody_has_it() -> None:
    """Not only when the collector comes by: answers are megabytes."""
    client = http(Remote(OK))
    gc.collect()
    gc.disable()
    try:
        answer = client.request("GET", "/leads")
        seen = weakref.ref(answer)
        del answer
        assert seen() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ContractBroken),
        (401, Misconfigured),
        (403, Misconfigured),
        (404, ContractBroken),
        (408, Unavailable),
        (409, Unavailable),
        (410, ContractBroken),
        (418, ContractBroken),
        (420, RateLimited),
        (429, RateLimited),
        (500, Unavailable),
        (503, Unavailable),
        (599, Unavailable),
        (302, ContractBroken),
    ],
)
def test_a_status_becomes_an_error_by_the_table(status: int, error: type[ConnectorError]) -> None:
    with pytest.raises(error) as raised:
        http(Remote(again(status)), attempts=1).request("GET", "/leads")
    assert type(raised.value) is error
    assert raised.value.status == status
    assert str(raised.value).startswith(f"acme: GET /leads answered {status}: ")


def test_a_connector_extends_the_table() -> None:
    rules = {404: StatusRule(Misconfigured, "the partner programme was closed")}
    with pytest.raises(Misconfigured, match=r"^acme: GET /p answered 404: the partner programme was closed$"):
        http(Remote(again(404)), rules=rules).request("GET", "/p")
    with pytest.raises(Misconfigured, match="401"):
        http(Remote(again(401)), rules=rules).request("GET", "/p")


def by_code(response: httpx.Response) -> ConnectorError | None:
    match body_or_none(response):
        case [{"errorCode": "REQUEST_LIMIT_EXCEEDED"}, *_]:
            return QuotaSpent("the org's calls of this day are used up", code="REQUEST_LIMIT_EXCEEDED")
        case [{"errorCode": "SERVER_BUSY"}, *_]:
            return RateLimited("busy", after_s=3.0, code="SERVER_BUSY")
    return None


def test_a_vendors_code_in_the_body_goes_before_the_table() -> None:
    body = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "for jane@example.org"}]
    remote = Remote(httpx.Response(403, json=body))
    with pytest.raises(QuotaSpent) as raised:
        http(remote, classify=by_code).request("GET", "/q")
    text = "acme: GET /q answered 403 (REQUEST_LIMIT_EXCEEDED): the org's calls of this day are used up"
    assert (str(raised.value), raised.value.status, len(remote.requests)) == (text, 403, 1)


def test_a_classified_rate_limit_is_waited_for_as_long_as_it_says() -> None:
    remote = Remote(lambda _: httpx.Response(403, json=[{"errorCode": "SERVER_BUSY"}]), OK)
    http(remote, classify=by_code).request("POST", "/q")
    assert remote.slept == [pytest.approx(3.3)]
    header = Remote(lambda _: httpx.Response(403, json=[{"errorCode": "SERVER_BUSY"}], headers={"retry-after": "9"}))
    with pytest.raises(RateLimited) as raised:
        http(header, classify=by_code, attempts=1).request("GET", "/q")
    assert raised.value.after_s == 9


@pytest.mark.parametrize("page", [b"<html>bad gateway</html>", b"", b"\xff\xfe\x00", b'{"half":'])
def test_a_body_that_is_no_json_does_not_break_the_error(page: bytes) -> None:
    remote = Remote(lambda _: httpx.Response(502, content=page, headers={"content-type": "text/html"}))
    with pytest.raises(Unavailable, match="answered 502"):
        http(remote, classify=by_code, attempts=2).get_json("/q")
    assert len(remote.requests) == 2


def test_a_web_page_where_json_was_promised_is_unavailable_and_broken_json_a_broken_contract() -> None:
    html = httpx.Response(200, html="<h1>Maintenance</h1>")
    with pytest.raises(Unavailable, match="web page"):
        http(Remote(html)).get_json("/q")
    with pytest.raises(ContractBroken, match="without valid JSON"):
        http(Remote(httpx.Response(200, content=b'{"a": \xff'))).get_json("/q")


# --- retries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteTimeout])
def test_what_may_have_been_done_is_repeated_only_where_that_is_safe(fault: type[httpx.HTTPError]) -> None:
    read = Remote(fault, OK)
    assert http(read).request("GET", "/leads").status_code == 200
    write = Remote(fault, OK)
    with pytest.raises(Unavailable, match=f"POST /leads was not answered .{fault.__name__}.: it may have been done"):
        http(write).request("POST", "/leads", json={})
    assert len(write.requests) == 1
    idempotent = Remote(fault, OK)
    assert http(idempotent).request("PATCH", "/leads/1", json={}, safe=True).status_code == 200
    careful = Remote(fault, OK)
    with pytest.raises(Unavailable):
        http(careful).request("GET", "/next-lead", safe=False)
    assert len(careful.requests) == 1


@pytest.mark.parametrize("fault", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_what_was_never_sent_is_always_tried_again(fault: type[httpx.HTTPError]) -> None:
    remote = Remote(fault, fault, OK)
    assert http(remote).request("POST", "/leads").status_code == 200
    with pytest.raises(Unavailable, match="found no connection"):
        http(Remote(fault)).request("POST", "/leads")


def test_a_server_error_of_a_write_is_not_repeated_but_that_of_a_read_is() -> None:
    write, read = Remote(again(500), OK), Remote(again(500), OK)
    with pytest.raises(Unavailable):
        http(write).request("POST", "/leads")
    assert http(read).request("GET", "/leads").status_code == 200
    assert (len(write.requests), len(read.requests)) == (1, 2)


def test_a_refusal_before_any_work_is_repeated_for_writes_too() -> None:
    for refusal in (again(429), again(429, retry_after="2"), again(503, retry_after="2")):
        remote = Remote(refusal, OK)
        assert http(remote).request("POST", "/leads").status_code == 200
    plain_503 = Remote(again(503), OK)
    with pytest.raises(Unavailable):
        http(plain_503).request("POST", "/leads")


def test_waits_double_and_retry_after_is_honoured() -> None:
    remote = Remote(again(503), again(503), again(503), again(503), OK)
    http(remote).request("GET", "/leads")
    assert remote.slept == [0.5, 1.0, 2.0, 4.0]
    asked = Remote(again(429, retry_after="20"), OK)
    http(asked).request("GET", "/leads")
    assert asked.slept == [21.0]
    at_once = Remote(again(429, retry_after="0"), OK)
    http(at_once).request("GET", "/leads")
    assert at_once.slept == [0.5]


def test_retry_after_may_be_a_date_by_the_remotes_own_clock() -> None:
    wrong_clock = again(429, date="Sat, 01 Jan 2000 00:00:00 GMT", retry_after="Sat, 01 Jan 2000 00:00:30 GMT")
    remote = Remote(wrong_clock, OK)
    http(remote).request("GET", "/leads")
    assert remote.slept == [31.0]


def test_a_longer_wait_than_is_sensible_is_said_at_once() -> None:
    for status in (429, 503):
        remote = Remote(again(status, retry_after="3600"))
        with pytest.raises(RateLimited) as raised:
            http(remote, max_wait_s=60).request("GET", "/leads")
        assert (raised.value.after_s, raised.value.status) == (3600, status)
        assert (len(remote.requests), remote.slept) == (1, [])


def test_after_the_last_attempt_the_tables_error_is_raised() -> None:
    remote = Remote(again(429, retry_after="2"))
    with pytest.raises(RateLimited) as raised:
        http(remote, attempts=3).request("GET", "/leads")
    assert (len(remote.requests), raised.value.after_s) == (3, 2.0)


def test_attempts_of_one_switch_retries_off() -> None:
    remote = Remote(again(429))
    with pytest.raises(RateLimited) as raised:
        http(remote, attempts=1).request("GET", "/leads")
    assert (len(remote.requests), remote.slept, raised.value.after_s > 0) == (1, [], True)


def test_a_body_that_cannot_be_sent_twice_is_refused() -> None:
    with pytest.raises(TypeError, match="sent again"):
        http(Remote(OK)).request("POST", "/leads", content=iter([b"a"]))


# --- permits -----------------------------------------------------------------------------------------------------


def test_every_attempt_takes_a_permit() -> None:
    budget = CountingBudget()
    http(Remote(again(500), again(500), OK), budget, limits=("api",)).request("GET", "/leads")
    assert budget.taken == [(("api",), 1)] * 3


def test_a_call_may_cost_more_and_count_on_other_limits() -> None:
    budget = CountingBudget()
    client = http(Remote(OK), budget, limits=("api",))
    client.request("GET", "/search", limits=("api", "search"), cost=5)
    assert budget.taken == [(("api", "search"), 5)]


def test_the_repeat_after_a_new_login_takes_a_permit_too() -> None:
    budget = CountingBudget()
    remote = Remote(again(401), OK)
    http(remote, budget, limits=("api",), auth=BearerToken(lambda: "old", lambda: "new")).request("GET", "/leads")
    assert [r.headers["authorization"] for r in remote.requests][-1] == "Bearer new"
    assert len(budget.taken) == 2


def test_a_spent_quota_sends_nothing_and_is_not_retried() -> None:
    remote = Remote(again(500))
    with pytest.raises(QuotaSpent):
        http(remote, CountingBudget(permits=2), limits=("api",)).request("GET", "/leads")
    assert (len(remote.requests), len(remote.slept)) == (2, 2)


# --- what must not be seen ---------------------------------------------------------------------------------------


def test_neither_messages_nor_logs_show_secrets_queries_or_values(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    remote = Remote(lambda _: httpx.Response(400, json={"message": "jane@example.org is a duplicate"}))
    client = http(remote, auth=BearerToken(lambda: "t0ken-value"), secrets=("s3cret/x",))
    with pytest.raises(ContractBroken) as raised:
        client.request("GET", "/key/s3cret%2Fx/leads/Email__c/jane@example.org", params={"q": "name='Doe'"})
    with pytest.raises(ContractBroken) as labelled:
        client.request("GET", "/leads/ext/Doe", label="/leads/ext/{id}")
    seen = " ".join(
        [str(raised.value), str(labelled.value), repr(raised.value)]
        + [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    )
    for hidden in ("s3cret", "jane", "Doe", "t0ken", "example.org"):
        assert hidden not in seen
    assert str(raised.value).startswith("acme: GET /key/***/leads/Email__c/*** answered 400: ")
    assert str(labelled.value).startswith("acme: GET /leads/ext/{id} answered 400: ")


def test_one_debug_line_tells_each_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    http(Remote(again(503), OK)).request("GET", "/leads", params={"q": "x"})
    calls = [r.__dict__ for r in caplog.records if r.getMessage() == "http call"]
    assert [(c["method"], c["path"], c["status"]) for c in calls] == [("GET", "/leads", 503), ("GET", "/leads", 200)]
    assert all(c["ms"] >= 0 and c["connection"] == "acme" for c in calls)
    assert [r.wait_s for r in caplog.records if r.getMessage() == "http call waits"] == [0.5]


def test_a_pasted_token_with_a_line_break_is_misconfigured_and_not_shown() -> None:
    for bad in ("s3cret\nx", "s3cret é", ""):
        with pytest.raises(Misconfigured) as raised:
            http(Remote(OK), auth=BearerToken(lambda bad=bad: bad)).request("GET", "/leads")
        assert "s3cret" not in repr(raised.value)
    with pytest.raises(Misconfigured) as raised:
        http(Remote(httpx.LocalProtocolError)).request("GET", "/leads")
    assert "s3cret" not in str(raised.value)


def test_the_token_does_not_follow_a_next_page_to_another_host() -> None:
    remote = Remote(OK)
    for url in ("https://evil.test/leads", "http://api.test/leads", "https://api.test:8443/leads"):
        with pytest.raises(ContractBroken, match="nothing was sent"):
            http(remote).get_json(url)
    assert remote.requests == []
    assert http(remote).get_json("https://api.test/leads?page=2") == {}


# --- over real sockets -------------------------------------------------------------------------------------------


def big(_: object) -> Response:
    return Response(gzip.compress(b"id,name\n" * 50_000), headers={"content-encoding": "gzip", "sforce-locator": "7"})


@pytest.fixture(scope="module")
def app() -> EmulatedApp:
    clock = Clock()
    routes = [
        Route("/leads", lambda _: JSONResponse([1])),
        Route("/leads", lambda _: JSONResponse({}, 201), methods=["POST"]),
        Route("/big", big),
        Route("/plain", lambda _: PlainTextResponse("x" * 100_000)),
    ]
    return EmulatedApp(routes, clock=clock, store=Store(clock))


@pytest.fixture(scope="module")
def running(app: EmulatedApp) -> Iterator[Running]:
    with serve(app) as running:
        yield running


@pytest.fixture
def client(app: EmulatedApp, running: Running) -> Iterator[Http]:
    app.reset()
    with Http(context(), base_url=running.url, sleep=lambda s: None) as client:
        yield client


def test_a_download_comes_in_pieces_with_its_headers(client: Http) -> None:
    with client.stream("GET", "/big") as download:
        assert download.headers["sforce-locator"] == "7"
        assert b"".join(download) == b"id,name\n" * 50_000


def test_a_download_that_is_cut_is_unavailable(app: EmulatedApp, client: Http) -> None:
    app.faults.cut(path="/plain")
    with client.stream("GET", "/plain") as download, pytest.raises(Unavailable, match="RemoteProtocolError"):
        list(download)
    assert client.get_json("/leads") == [1]


def test_opening_a_download_is_retried_and_a_bad_status_is_an_error(app: EmulatedApp, client: Http) -> None:
    app.faults.status(503, path="/big")
    with client.stream("GET", "/big") as download:
        assert next(download)
    app.faults.status(404, path="/big")
    with pytest.raises(ContractBroken, match="404"), client.stream("GET", "/big"):
        pass


def test_a_cut_answer_to_a_read_is_asked_again(app: EmulatedApp, client: Http) -> None:
    app.faults.cut(path="/leads", times=2)
    assert client.get_json("/leads") == [1]
    assert app.calls.count("GET", "/leads") == 3


def test_a_write_whose_answer_is_lost_is_sent_once_and_raises_unavailable(app: EmulatedApp, running: Running) -> None:
    app.reset()
    app.faults.lose_answer(delay_s=30, path="/leads")
    started = time.monotonic()
    with Http(context(), base_url=running.url, timeout_s=1) as client, pytest.raises(Unavailable, match="may have"):
        client.request("POST", "/leads", json={"a": 1})
    assert time.monotonic() - started < 20, "not as long as the remote holds it"
    assert app.calls.count("POST", "/leads") == 1


def test_a_closed_port_is_unavailable_after_all_attempts() -> None:
    slept: list[float] = []
    with (
        Http(context(), base_url="http://127.0.0.1:9", attempts=3, sleep=slept.append) as client,
        pytest.raises(Unavailable, match="ConnectError"),
    ):
        client.request("POST", "/leads")
    assert len(slept) == 2


def test_threads_share_one_client(app: EmulatedApp, client: Http) -> None:
    app.faults.status(503, times=4)  # fewer than the attempts of one call: no thread can meet them all
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: [answers.append(client.get_json("/leads")) for _ in range(10)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[1]] * 40
    assert app.calls.count() == 44
