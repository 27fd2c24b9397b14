"""The toolkit for emulated vendors, over real sockets."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prm_sync.connect.emulator import (
    EXPIRE_TOKENS,
    Clock,
    Control,
    EmulatedApp,
    Emulator,
    Fault,
    Running,
    Store,
    Switch,
    load_emulator,
    serve,
)
from prm_sync.errors import ConfigError


def notes_app(options: dict[str, object] | None = None) -> EmulatedApp:
    """A vendor that keeps notes: list, make, read one."""
    clock = Clock()
    store = Store(clock)
    notes = store.add("notes", created="made", modified="changed", index=("title",))

    def seed(n: int = 2) -> int:
        for i in range(n):
            notes.insert({"title": f"note {i}"})
        return len(notes)

    def listing(_: Request) -> Response:
        return JSONResponse([dict(row) for row in notes.rows()])

    async def make(request: Request) -> Response:
        return JSONResponse(dict(notes.insert(await request.json())), 201)

    def one(request: Request) -> Response:
        row = notes.get(request.path_params["id"])
        return JSONResponse(dict(row)) if row else JSONResponse({"error": "none"}, 404)

    routes = [
        Route("/notes", listing),
        Route("/notes", make, methods=["POST"]),
        Route("/notes/{id}", one),
        Route("/crash", lambda _: 1 / 0),
    ]
    app = EmulatedApp(routes, clock=clock, store=store, actions={"seed": seed}, reset=lambda: seed(2) and None)
    app.reset()
    return app


EMULATOR = Emulator(
    "notes",
    notes_app,
    lambda url: {"url": url},
    (Switch("strict", False, "refuses unknown fields"), Switch("v2", True, "documented", assumed=False)),
)


@pytest.fixture
def app() -> EmulatedApp:
    return notes_app()


@pytest.fixture
def running(app: EmulatedApp) -> Iterator[Running]:
    with serve(app) as running:
        yield running


@pytest.fixture
def client(running: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=5) as client:
        yield client


def test_the_date_header_is_the_emulators_own_clock(app: EmulatedApp, client: httpx.Client) -> None:
    app.clock.set_skew(timedelta(hours=-3))
    answer = client.get("/notes")
    assert answer.headers.get_list("date") == [answer.headers["date"]]
    behind = datetime.now(UTC) - parsedate_to_datetime(answer.headers["date"])
    assert timedelta(hours=2, minutes=59) < behind < timedelta(hours=3, minutes=1)


def test_a_held_clock_moves_only_when_told_and_never_back() -> None:
    clock = Clock()
    held = clock.hold()
    time.sleep(0.01)
    assert clock.now() == held
    assert clock.advance(timedelta(minutes=5)) == held + timedelta(minutes=5)
    after = clock.release()
    assert held + timedelta(minutes=5) <= after < held + timedelta(minutes=6)


def test_a_status_fault_strikes_so_many_calls_of_its_path_and_does_nothing(
    app: EmulatedApp, client: httpx.Client
) -> None:
    app.faults.status(429, times=2, path="/notes", method="POST", retry_after_s=7)
    assert client.get("/notes").status_code == 200
    first, second, third = (client.post("/notes", json={"title": "a"}) for _ in range(3))
    assert (first.status_code, second.status_code, third.status_code) == (429, 429, 201)
    assert first.headers["retry-after"] == "7"
    assert len(app.store["notes"]) == 3


def test_retry_after_as_a_date_counts_from_the_emulators_clock(app: EmulatedApp, client: httpx.Client) -> None:
    app.clock.set_skew(timedelta(days=2))
    app.faults.status(503, retry_after_s=90, retry_after_as_date=True, html=True)
    answer = client.get("/notes")
    wait = parsedate_to_datetime(answer.headers["retry-after"]) - parsedate_to_datetime(answer.headers["date"])
    assert abs(wait.total_seconds() - 90) <= 1
    assert answer.headers["content-type"].startswith("text/html")
    assert "503" in answer.text


def test_a_lost_answer_was_applied(app: EmulatedApp, client: httpx.Client) -> None:
    app.faults.lose_answer(delay_s=30, path="/notes")
    with pytest.raises(httpx.ReadTimeout):
        client.post("/notes", json={"title": "kept"}, timeout=1)
    assert [row["title"] for row in app.store["notes"].rows()][-1] == "kept"


def test_a_lost_answer_ends_in_a_closed_connection_and_never_in_a_status(
    app: EmulatedApp, client: httpx.Client
) -> None:
    app.faults.lose_answer(delay_s=0.05)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/notes", json={"title": "kept"})
    app.faults.lose_answer(delay_s=0, applied=False)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/notes", json={"title": "not kept"})
    assert [row["title"] for row in app.store["notes"].rows()][-1] == "kept"
    assert app.calls.writes()[-1].status == 0


def test_a_cut_answer_stops_in_the_middle_of_its_body(app: EmulatedApp, client: httpx.Client) -> None:
    app.faults.cut(path="/notes")
    with client.stream("GET", "/notes") as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            list(answer.iter_bytes())
    assert client.get("/notes").json()


def test_a_slow_answer_is_late_but_whole(app: EmulatedApp, client: httpx.Client) -> None:
    app.faults.slow(0.15)
    started = time.monotonic()
    assert len(client.get("/notes").json()) == 2
    assert time.monotonic() - started >= 0.15


def test_who_waits_for_an_answer_learns_at_once_that_the_server_has_stopped() -> None:
    app, failed = notes_app(), list[Exception]()
    app.faults.slow(60)

    def ask(url: str) -> None:
        try:
            httpx.get(f"{url}/notes", timeout=60)
        except httpx.TransportError as error:
            failed.append(error)

    with serve(app) as running:
        waiting = threading.Thread(target=ask, args=(running.url,))
        waiting.start()
        while app.faults.pending():
            time.sleep(0.01)
    waiting.join(30)
    assert [type(e) for e in failed] in ([httpx.RemoteProtocolError], [httpx.ReadError])


def test_a_deed_can_run_between_two_calls(app: EmulatedApp, client: httpx.Client) -> None:
    app.faults.run(lambda: app.store["notes"].insert({"title": "late"}), when="after", path="/notes")
    assert [len(client.get("/notes").json()) for _ in range(2)] == [2, 3]


def test_a_fault_can_let_some_calls_pass_first(app: EmulatedApp, client: httpx.Client) -> None:
    app.faults.status(500, skip=2)
    assert [client.get("/notes").status_code for _ in range(4)] == [200, 200, 500, 200]


def test_calls_are_counted_by_route_template_with_the_bodies_of_writes(app: EmulatedApp, client: httpx.Client) -> None:
    client.get("/notes/notes-000001")
    client.get("/notes/nobody")
    client.post("/notes", json={"title": "b"}, params={"dry": "1"})
    app.faults.status(500)
    client.get("/notes/notes-000001")
    assert app.calls.counts() == {("GET", "/notes/{id}"): 3, ("POST", "/notes"): 1}
    (write,) = app.calls.writes("/notes")
    assert (write.json(), write.query, write.status) == ({"title": "b"}, "dry=1", 201)
    assert app.calls.count("GET") == 3
    assert app.calls.count() == 4


def test_another_process_drives_it_by_the_control_routes(app: EmulatedApp, running: Running) -> None:
    with Control(running.url) as control, httpx.Client(base_url=running.url) as client:
        control.fault(Fault(kind="status", status=418, body={"code": "TEAPOT"}))
        assert (answer := client.get("/notes")).status_code == 418
        assert answer.json() == {"code": "TEAPOT"}
        assert control.do("seed", n=3) == 5
        assert control.clock(hold=True) == control.clock()
        assert control.clock(advance_s=60) == app.clock.now().isoformat()
        client.post("/notes", json={"title": "c"})
        assert control.calls()["writes"][0]["body"] == '{"title":"c"}'
        assert len(control.snapshot()["notes"]) == 6
        control.reset()
        assert len(control.snapshot()["notes"]) == 2
        assert control.calls()["total"] == 0


def test_tokens_can_be_made_to_expire_before_a_call(app: EmulatedApp, client: httpx.Client) -> None:
    with pytest.raises(ValueError, match="no action 'expire_tokens'; it has: seed"):
        app.faults.expire_tokens()
    expired: list[int] = []
    app.faults.actions[EXPIRE_TOKENS] = lambda: expired.append(app.calls.count())
    app.faults.expire_tokens(skip=1, path="/notes")
    client.get("/notes")
    client.get("/notes")
    assert expired == [1]
    assert app.faults.pending() == []


def test_a_fault_that_is_misspelt_is_refused(running: Running) -> None:
    url = running.url + "/__emulator__/faults"
    assert httpx.post(url, json={"kind": "explode"}).status_code == 400
    unknown = httpx.post(url, json={"kind": "action", "action": "seeed"})
    assert (unknown.status_code, "seed" in unknown.json()["error"]) == (400, True)


def test_control_routes_refuse_other_machines(app: EmulatedApp) -> None:
    far = httpx.ASGITransport(app=app, client=("192.0.2.7", 4000))

    async def ask() -> int:
        async with httpx.AsyncClient(transport=far, base_url="http://emulator") as client:
            return (await client.get("/__emulator__/snapshot")).status_code

    assert asyncio.run(ask()) == 403


def test_a_crash_of_the_emulator_is_a_500_and_is_logged(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    assert client.get("/crash").status_code == 500
    give_up = time.monotonic() + 5
    while not caplog.text and time.monotonic() < give_up:
        time.sleep(0.01)  # the log line follows the answer
    assert "ZeroDivisionError" in caplog.text


def test_a_table_keeps_order_stamps_and_tombstones() -> None:
    clock = Clock()
    at = clock.hold(datetime(2026, 8, 1, 9, 30, tzinfo=UTC))
    table = Store(clock).add("leads", created="made", modified="changed", index=("email",))
    first, second = table.insert({"email": "a"}), table.insert({"email": "b"})
    clock.advance(timedelta(seconds=1))
    table.update(first["id"], {"email": "c"})
    assert [row["email"] for row in table.rows()] == ["c", "b"]
    assert first["email"] == "a", "a row that was handed out stays as it was"
    assert table.get(first["id"]) == {
        "id": first["id"],
        "made": "2026-08-01T09:30:00.000Z",
        "changed": "2026-08-01T09:30:01.000Z",
        "email": "c",
    }
    assert (table.find("email", "a"), len(table.find("email", "c"))) == ([], 1)
    table.remove(second["id"])
    assert [(t.row_id, t.at) for t in table.tombstones()] == [(second["id"], at + timedelta(seconds=1))]
    table.remove(first["id"], tombstone=False)
    assert (len(table), len(table.tombstones()), table.find("email", "c")) == (0, 1, [])
    with pytest.raises(KeyError):
        table.update(first["id"], {})


def test_a_table_gives_each_of_many_threads_its_own_id() -> None:
    table = Store(Clock()).add("leads")
    threads = [threading.Thread(target=lambda: [table.insert({}) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({row["id"] for row in table.rows()}) == 800


def test_two_end_states_are_compared_without_their_stamps() -> None:
    def state(at: datetime) -> dict[str, list[dict[str, object]]]:
        clock = Clock()
        clock.hold(at)
        store = Store(clock)
        store.add("leads", modified="changed").insert({"email": "a"})
        return store.snapshot(without={"changed"})

    assert state(datetime(2026, 1, 1, tzinfo=UTC)) == state(datetime(2027, 1, 1, tzinfo=UTC))


def test_switches_have_defaults_and_refuse_unknown_names() -> None:
    assert EMULATOR.switched({"strict": True}) == {"strict": True, "v2": True}
    assert EMULATOR.assumed == {"strict"}
    with pytest.raises(ConfigError, match="strict, v2"):
        EMULATOR.switched({"strct": True})


@pytest.mark.parametrize("address", ["no_such_package:X", "prm_sync.errors:NOBODY", "prm_sync.errors:ConfigError", ""])
def test_an_address_without_an_emulator_is_a_config_error(address: str) -> None:
    with pytest.raises(ConfigError):
        load_emulator(address)


def test_a_stopped_emulator_frees_its_port_at_once(app: EmulatedApp) -> None:
    with serve(app) as first:
        port = int(first.url.rsplit(":", 1)[1])
        with pytest.raises(OSError):
            serve(app, port)
    with serve(app, port) as second:
        assert httpx.get(second.url + "/notes").status_code == 200


def test_as_a_process_it_says_when_it_is_ready_and_ends_on_sigterm(tmp_path: object) -> None:
    command = [sys.executable, "-m", "prm_sync.connect.emulator", "test_emulator_toolkit:EMULATOR"]
    here = str(__file__).rsplit("/", 1)[0]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=here) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert httpx.get(ready["url"] + "/notes").status_code == 200
        assert ready["credentials"] == {"url": ready["url"]}
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, -signal.SIGTERM)
