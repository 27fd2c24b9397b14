"""PartnerStack's Vendor API v2 over HTTP: Basic keys, the envelope, and one route for each documented call.

Other processes drive it by `POST /__emulator__/do/<action>` with a JSON object of arguments: `load`, `answer`,
`progress`, `submit_lead`, `register_deal`, `edit_deal`, `reward`, `settle_reward`, `remove` (hard), `switch`, and
`each` for many of these in one call.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prm_sync.connect.emulator import Clock, EmulatedApp, Emulator, Store, switch_values
from prm_sync_partnerstack.emulator.account import Account, ApiError
from prm_sync_partnerstack.emulator.objects import KINDS, Kind, Row
from prm_sync_partnerstack.emulator.partner_side import PartnerSide
from prm_sync_partnerstack.emulator.switches import SWITCHES

ROOT = "/api/v2"
LIVE = ("pk_live_emulated", "sk_live_emulated_5b1f0c")  #: the production pair
TEST = ("pk_test_emulated", "sk_test_emulated_9d27aa")  #: the pair whose rows carry `test: true`

Endpoint = Callable[[Request, bool], Awaitable[Response]]


class PartnerStackApp(EmulatedApp):
    """The emulated vendor. `account` holds the rows, `partners` does what partners do."""

    def __init__(self, *, clock: Clock | None = None, switches: Mapping[str, Any] | None = None) -> None:
        clock = clock or Clock()
        store, chosen = Store(clock), switch_values(SWITCHES, switches)
        self.account = Account(clock, store, chosen)
        self.partners = PartnerSide(self.account)
        self._second, self._calls_in_second = 0, 0
        deeds = self.partners
        super().__init__(
            self._routes(),
            clock=clock,
            store=store,
            actions={
                "switch": self.switch, "load": self.load, "remove": self.account.remove,
                "answer": deeds.answer, "progress": deeds.progress,
                "submit_lead": deeds.submit_lead, "edit_lead": deeds.edit_lead,
                "register_deal": deeds.register_deal, "edit_deal": deeds.edit_deal,
                "reward": deeds.reward, "settle_reward": deeds.settle_reward, "merge": deeds.merge,
                "each": self.each,
            },
            reset=self.account.begin,
            error_body=lambda status: {"status": status, "message": f"Error {status}"},
            switches=chosen,
        )  # fmt: skip

    def load(self, name: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Puts rows into an object (`partnerships`, `leads` ...) as they are; their keys."""
        return self.account.load(name, rows)

    def each(self, deeds: Iterable[Mapping[str, Any]]) -> None:
        """Does many actions in one call, in their order: `{"do": name, ...its arguments}`."""
        for deed in deeds:
            arguments = {name: value for name, value in deed.items() if name != "do"}
            self.faults.actions[deed["do"]](**arguments)

    def switch(self, **values: Any) -> None:
        """Sets switches while it runs, all others to their defaults. Raises ConfigError for a name that is none."""
        self.switches = switch_values(SWITCHES, values)
        self.account.switches = self.switches

    # --- routes ---------------------------------------------------------------------------------------------------

    def _routes(self) -> list[Route]:
        routes = [Route(f"{ROOT}/sales-cycles/{{object_type}}/stages", self._guarded(self._stages), methods=["GET"])]
        for kind in KINDS.values():
            many, one = f"{ROOT}/{kind.name}", f"{ROOT}/{kind.name}/{{key}}"
            for verb, method, path in (
                ("list", "GET", many), ("create", "POST", many), ("get", "GET", one), ("patch", "PATCH", one),
                ("delete", "DELETE", one),
            ):  # fmt: skip
                if verb in kind.verbs:
                    routes.append(Route(path, self._guarded(self._verb(verb, kind)), methods=[method]))
        return routes

    def _verb(self, verb: str, kind: Kind) -> Endpoint:
        account, name, one = self.account, kind.name, kind.one

        async def list_(request: Request, test: bool) -> Response:
            items, more = account.page(name, request.query_params, test=test)
            return _answer(f"{kind.one}s retrieved", {"items": items, "has_more": more})

        async def create(request: Request, test: bool) -> Response:
            row = account.create(name, await _body(request), test=test)
            return _answer(f"{one} created", row, int(account.switches["create_status"]))

        async def get(request: Request, _test: bool) -> Response:
            return _answer(f"{one} retrieved", account.get(name, request.path_params["key"]))

        async def patch(request: Request, test: bool) -> Response:
            row = account.patch(name, request.path_params["key"], await _body(request), test=test)
            return _answer(f"{one} updated", row)

        async def delete(request: Request, _test: bool) -> Response:
            return _answer(f"{one} archived", account.archive(name, request.path_params["key"]))

        return {"list": list_, "create": create, "get": get, "patch": patch, "delete": delete}[verb]

    async def _stages(self, _request: Request, _test: bool) -> Response:
        stages = [{"key": f"stage_{n}", "name": name, "order": n} for n, name in enumerate(self.account.stages)]
        return _answer("Stages retrieved", {"items": stages, "has_more": False})

    def _guarded(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        """Keys first, then the rate, then the deed; refusals in the API's words."""

        async def guarded(request: Request) -> Response:
            pair = _pair(request.headers.get("authorization", ""))
            if pair not in (LIVE, TEST):
                return _error(ApiError(int(self.switches["bad_keys_status"]), "Invalid API keys"))
            if self._too_fast():
                headers = {"Retry-After": "1"} if self.switches["retry_after"] else None
                return _error(ApiError(429, "Too many requests"), headers)
            try:
                return await endpoint(request, pair == TEST)
            except ApiError as error:
                return _error(error)

        return guarded

    def _too_fast(self) -> bool:
        second, most = self.account.now_ms() // 1000, int(self.switches["calls_per_second"])
        if second != self._second:
            self._second, self._calls_in_second = second, 0
        self._calls_in_second += 1
        return 0 < most < self._calls_in_second


def _answer(message: str, data: Row, status: int = 200) -> JSONResponse:
    return JSONResponse({"status": status, "message": message, "data": data}, status)


def _error(error: ApiError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"status": error.status, "message": error.message}, error.status, headers)


async def _body(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        raise ApiError(400, "The body must be a JSON object") from None


def _pair(authorization: str) -> tuple[str, str] | None:
    kind, _, token = authorization.partition(" ")
    try:
        user, colon, password = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if kind.lower() == "basic" and colon else None


def build(options: Mapping[str, Any]) -> PartnerStackApp:
    """Options: `switches` (see `SWITCHES`) and `load` ({object: rows})."""
    app = PartnerStackApp(switches=options.get("switches"))
    for name, rows in (options.get("load") or {}).items():
        app.load(name, rows)
    return app


def credentials(url: str) -> dict[str, str]:
    return {"base_url": url + ROOT, "public_key": LIVE[0], "secret_key": LIVE[1]}


EMULATOR = Emulator(name="partnerstack", build=build, credentials=credentials, switches=SWITCHES)
