"""The ASGI app around an emulated vendor's routes: counts calls, strikes with faults, keeps the vendor's own time.

Other processes drive it by control routes, answered to this machine only:

    POST   /__emulator__/faults    one Fault or a list of them, as JSON       DELETE: forget all
    POST   /__emulator__/clock     {"advance_s": 5, "hold": true, "skew_s": -90}, each optional; answers the time
    GET    /__emulator__/calls     counts by method and route, bodies of writes
    POST   /__emulator__/do/NAME   runs the emulator's action NAME with the JSON object as its arguments
    POST   /__emulator__/reset     back to how it began
    GET    /__emulator__/snapshot  all records, to compare end states by
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Message, Receive, Scope, Send

from prm_sync.connect.emulator.calls import BODY_KEPT, Call, Calls
from prm_sync.connect.emulator.clock import Clock
from prm_sync.connect.emulator.faults import Fault, Faults
from prm_sync.connect.emulator.store import Store

log = logging.getLogger(__name__)

CONTROL = "/__emulator__/"
HANG_UP = "prm_sync.hang_up"  #: the key of the scope under which `serve` puts what closes the caller's connection
GATEWAY_PAGE = "<!doctype html><html><head><title>{0}</title></head><body><h1>{0} from the gateway</h1></body></html>"


class EmulatedApp:
    """An emulated vendor: its routes, with a clock, a store, faults and a record of the calls.

    `routes` are Starlette's; plain `def` endpoints are easiest (they run in threads). `actions` are named deeds that
    faults and other processes can start (`expire_tokens`, `seed`, `remove` ...). `reset` is called after the store, the
    faults and the calls were cleared: it seeds anew. `error_body` gives the vendor's own JSON for an injected status.
    """

    def __init__(
        self,
        routes: Sequence[BaseRoute],
        *,
        clock: Clock,
        store: Store,
        actions: Mapping[str, Callable[..., Any]] | None = None,
        reset: Callable[[], None] | None = None,
        error_body: Callable[[int], Any] | None = None,
        switches: Mapping[str, Any] | None = None,
    ) -> None:
        self.clock, self.store, self.calls = clock, store, Calls()
        self.faults = Faults(dict(actions or {}))
        self.switches = dict(switches or {})
        self._seed_anew, self._error_body = reset, error_body or (lambda status: {"error": f"injected {status}"})
        self._vendor = Starlette(routes=list(routes))
        self._control = Starlette(routes=_control_routes(self))

    def reset(self) -> None:
        self.faults.clear()
        self.store.clear()
        self.calls.clear()
        if self._seed_anew is not None:
            self._seed_anew()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"an emulator speaks HTTP only, not {scope['type']}")
        if scope["path"].startswith(CONTROL):
            await (self._control if _is_local(scope) else _FORBIDDEN)(scope, receive, send)
            return
        body = await _whole_body(receive)
        # Noted before the answer leaves: whoever has the answer finds the call counted.
        answer = _Answer(send, self.clock, lambda status: self._note(scope, body, status))
        await self._answer(scope, body, receive, answer)

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, answer: _Answer) -> None:
        fault = self.faults.next(scope["method"], scope["path"])
        if fault is None:
            await self._handle(scope, body, answer.send)
            return
        match fault.kind:
            case "status":
                if fault.applied:
                    await self._handle(scope, body, _discard)
                await self._injected(fault)(scope, receive, answer.send)
            case "lose_answer":
                if fault.applied is not False:
                    await self._handle(scope, body, _discard)
                self._note(scope, body, 0)
                await _wait_for_disconnect(receive, fault.delay_s)
                await _hang_up(scope, receive)
            case "cut":
                held: list[Message] = []
                await self._handle(scope, body, _keep_in(held))
                await answer.send(held[0])
                whole = b"".join(message.get("body", b"") for message in held[1:])
                await answer.send({"type": "http.response.body", "body": whole[: len(whole) // 2], "more_body": True})
                await _hang_up(scope, receive)
            case "slow":
                await asyncio.sleep(fault.delay_s)
                await self._handle(scope, body, answer.send)
            case "action":
                deed = self.faults.actions[fault.action]
                if fault.when == "before":
                    await run_in_threadpool(deed)
                    await self._handle(scope, body, answer.send)
                else:
                    held = []
                    await self._handle(scope, body, _keep_in(held))
                    await run_in_threadpool(deed)  # before the answer leaves, so that the next page is sure to see it
                    for message in held:
                        await answer.send(message)

    async def _handle(self, scope: Scope, body: bytes, send: Send) -> None:
        try:
            await self._vendor(scope, _replay(body), send)
        except Exception:  # Starlette has answered 500 already; here is the edge that says why
            log.exception("emulator crashed", extra={"path": scope["path"]})

    def _injected(self, fault: Fault) -> Response:
        headers = dict(fault.headers or {})
        if fault.retry_after_s is not None:
            until = self.clock.now() + timedelta(seconds=fault.retry_after_s)
            seconds = f"{fault.retry_after_s:g}"
            headers["Retry-After"] = format_datetime(until, usegmt=True) if fault.retry_after_as_date else seconds
        if fault.html:
            return HTMLResponse(GATEWAY_PAGE.format(fault.status), fault.status, headers)
        body = self._error_body(fault.status) if fault.body is None else fault.body
        return JSONResponse(body, fault.status, headers)

    def _note(self, scope: Scope, body: bytes, status: int) -> None:
        found = next((r for r in self._vendor.routes if r.matches(scope)[0] is Match.FULL), None)
        route = str(getattr(scope.get("route") or found, "path", scope["path"]))
        query = scope["query_string"].decode("latin-1")
        self.calls.note(Call(scope["method"], scope["path"], route, query, body[:BODY_KEPT], status))


class _Answer:
    """Passes an answer on, tells its status first, and sets the vendor's `Date`."""

    def __init__(self, send: Send, clock: Clock, tell: Callable[[int], None]) -> None:
        self._send, self._clock, self._tell = send, clock, tell

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._tell(message["status"])
            headers = [(k, v) for k, v in message.get("headers", ()) if k.lower() != b"date"]
            message = {**message, "headers": [*headers, (b"date", self._clock.http_date().encode())]}
        await self._send(message)


def _control_routes(app: EmulatedApp) -> list[Route]:
    async def add_faults(request: Request) -> Response:
        try:
            app.faults.add(*_decoded_faults(await request.body()))
        except (ValueError, msgspec.ValidationError, msgspec.DecodeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"pending": len(app.faults.pending())})

    async def clear_faults(_: Request) -> Response:
        app.faults.clear()
        return JSONResponse({"pending": 0})

    async def set_clock(request: Request) -> Response:
        wanted = await request.json()
        if "skew_s" in wanted:
            app.clock.set_skew(timedelta(seconds=wanted["skew_s"]))
        if "hold" in wanted:
            _ = app.clock.hold() if wanted["hold"] else app.clock.release()
        return JSONResponse({"now": app.clock.advance(timedelta(seconds=wanted.get("advance_s", 0))).isoformat()})

    async def show_calls(_: Request) -> Response:
        counts = [{"method": m, "route": r, "count": n} for (m, r), n in sorted(app.calls.counts().items())]
        writes = [
            {"method": c.method, "path": c.path, "route": c.route, "query": c.query, "status": c.status,
             "body": c.body.decode("utf-8", "replace")}
            for c in app.calls.writes()
        ]  # fmt: skip
        return JSONResponse({"total": app.calls.count(), "counts": counts, "writes": writes})

    async def do(request: Request) -> Response:
        deed = app.faults.actions.get(request.path_params["name"])
        if deed is None:
            return JSONResponse({"error": "no such action", "known": sorted(app.faults.actions)}, 404)
        body = await request.body()
        result = await run_in_threadpool(deed, **(msgspec.json.decode(body) if body else {}))
        return JSONResponse({"result": msgspec.to_builtins(result)})

    async def reset(_: Request) -> Response:
        await run_in_threadpool(app.reset)
        return JSONResponse({"reset": True})

    async def snapshot(_: Request) -> Response:
        rows = await run_in_threadpool(app.store.snapshot)
        return Response(msgspec.json.encode(rows), media_type="application/json")

    return [
        Route(CONTROL + "faults", add_faults, methods=["POST"]),
        Route(CONTROL + "faults", clear_faults, methods=["DELETE"]),
        Route(CONTROL + "clock", set_clock, methods=["POST"]),
        Route(CONTROL + "calls", show_calls),
        Route(CONTROL + "do/{name}", do, methods=["POST"]),
        Route(CONTROL + "reset", reset, methods=["POST"]),
        Route(CONTROL + "snapshot", snapshot),
    ]


def _decoded_faults(body: bytes) -> list[Fault]:
    data = msgspec.json.decode(body)
    return msgspec.convert(data if isinstance(data, list) else [data], list[Fault])


_FORBIDDEN = JSONResponse({"error": "the control routes answer to this machine only"}, 403)


def _is_local(scope: Scope) -> bool:
    client = scope.get("client")
    try:
        return client is not None and ip_address(client[0]).is_loopback
    except ValueError:
        return False


async def _whole_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(parts)


def _replay(body: bytes) -> Receive:
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        message = next(messages, None)
        if message is None:
            # A streaming answer waits here for a hang-up; it is cancelled when the answer is complete.
            await asyncio.Event().wait()
        return message or {"type": "http.disconnect"}

    return receive


def _keep_in(held: list[Message]) -> Send:
    async def send(message: Message) -> None:
        held.append(message)

    return send


async def _discard(_: Message) -> None:
    return


async def _wait_for_disconnect(receive: Receive, at_most_s: float) -> None:
    try:
        async with asyncio.timeout(at_most_s):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


async def _hang_up(scope: Scope, receive: Receive) -> None:
    """Closes the connection as it is. The server would answer 500 for us: `serve` lends the way around that."""
    scope[HANG_UP]()
    await _wait_for_disconnect(receive, 1.0)
