"""The toy vendor: a CRM of leads behind HTTP, whose clock is as coarse as one second."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prm_sync.connect.emulator import EXPIRE_TOKENS, Clock, EmulatedApp, Emulator, Store

SECRET = "s3cret-key"
PAGE = 3
FIELDS = ("id", "email", "name", "city", "updated")


class ToyVendor:
    """The vendor's side of the wire."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.leads = (store := Store(self.clock)).add(
            "leads", modified="updated", stamp=lambda at: int(at.timestamp()), index=("email",)
        )
        self.tokens, self.logins = 0, 0
        self.app = EmulatedApp(
            [
                Route("/login", self.login, methods=["POST"]),
                Route("/me", self.me),
                Route("/leads", self.listing),
                Route("/leads.ndjson", self.dump),
                Route("/leads/batch", self.batch, methods=["POST"]),
                Route("/leads/find", self.find, methods=["POST"]),
            ],
            clock=self.clock,
            store=store,
            actions={EXPIRE_TOKENS: self.expire, "seed": self.seed},
            reset=self.reset,
        )

    def reset(self) -> None:
        self.logins = 0
        self.clock.set_skew(timedelta())

    def expire(self) -> None:
        self.tokens += 1

    def seed(self, n: int) -> list[str]:
        """n leads, two to a second."""
        self.clock.hold()
        made = []
        for i in range(n):
            lead = {"email": f"lead{len(self.leads)}@seed.example", "name": f"n{i}", "city": None}
            made.append(str(self.leads.insert(lead)["id"]))
            self.clock.advance(timedelta(seconds=i % 2))
        self.clock.release()
        return made

    def merge(self, loser: str, winner: str) -> None:
        """The loser goes, and its tombstone says where to."""
        self.leads.update(loser, {"into": winner})
        self.leads.remove(loser)
        self.leads.update(winner, {})

    async def login(self, request: Request) -> Response:
        if (await request.json())["secret"] != SECRET:
            return JSONResponse({"error": "BAD_SECRET"}, 401)
        self.logins += 1
        return JSONResponse({"token": f"toy-token-{self.tokens}"})

    def barred(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Bearer toy-token-{self.tokens}":
            return None
        return JSONResponse({"error": "TOKEN"}, 401)

    def me(self, request: Request) -> Response:
        return self.barred(request) or JSONResponse({"id": "toy-1", "name": "Toy GmbH"})

    def listing(self, request: Request) -> Response:
        """Leads and the gone ones, by (updated, id), after the given pair."""
        after = (int(request.query_params.get("updated", -1)), request.query_params.get("id", ""))
        gone = [{**t.row, "updated": int(t.at.timestamp()), "gone": True} for t in self.leads.tombstones()]
        rows = sorted([*map(dict, self.leads.rows()), *gone], key=lambda row: (row["updated"], row["id"]))
        page = [row for row in rows if (row["updated"], row["id"]) > after][:PAGE]
        return self.barred(request) or JSONResponse({"leads": page})

    def dump(self, request: Request) -> Response:
        lines = "".join(json.dumps(dict(row)) + "\n" for row in self.leads.rows())
        return self.barred(request) or Response(lines, media_type="application/x-ndjson")

    async def find(self, request: Request) -> Response:
        asked = await request.json()
        found = [next(iter(self.leads.find(asked["by"], value)), None) for value in asked["values"]]
        return self.barred(request) or JSONResponse({"leads": [row and dict(row) for row in found]})

    async def batch(self, request: Request) -> Response:
        changes = (await request.json())["changes"]
        return self.barred(request) or JSONResponse({"results": [self.one(change) for change in changes]})

    def one(self, change: Mapping[str, Any]) -> dict[str, Any]:
        if change["op"] == "delete":
            self.leads.remove(change["id"])
            return {"id": change["id"], "created": False}
        values = change["values"]
        if "email" in values and "@" not in str(values["email"]):
            return {"error": "INVALID_EMAIL", "field": "email"}
        matched = [str(row["id"]) for row in self.leads.find("email", change["match"])] if change["match"] else []
        row_id = change["id"] or next(iter(matched), None)
        if row_id is None:
            return {"id": self.leads.insert({"city": None, **values})["id"], "created": True}
        self.leads.update(row_id, values)
        return {"id": row_id, "created": False}


def build(options: Mapping[str, Any]) -> EmulatedApp:
    vendor = ToyVendor()
    vendor.seed(int(options.get("leads", 0)))
    return vendor.app


EMULATOR = Emulator("toy", build, lambda url: {"url": url, "secret": SECRET})
