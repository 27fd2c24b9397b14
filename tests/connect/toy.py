"""A whole connector, for the toy vendor: the smallest example, and what the kit is tested on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import httpx
import msgspec
from pydantic import BaseModel, SecretStr

from prm_sync.connect import (
    BearerToken,
    Change,
    Connector,
    ConnectorError,
    Context,
    Cursor,
    Deletes,
    Done,
    Field,
    Http,
    Limit,
    Misconfigured,
    Outcome,
    Page,
    Record,
    Refused,
    Session,
    Stream,
    Tenant,
    body_or_none,
)

LEADS = Stream(
    name="leads",
    key="id",
    modified="updated",
    incremental=True,
    deletes=Deletes.MARKED,
    match_on=("email",),
    write_batch=10,
    fields=(
        Field("id", "text"),
        Field("email", "text", writable=True),
        Field("name", "text", writable=True),
        Field("city", "text", writable=True),
        Field("updated", "integer"),
    ),
)


class ToyConfig(BaseModel):
    url: str
    secret: SecretStr
    attempts: int = 5
    timeout_s: float = 30
    road: Literal["paged", "dump"] = "paged"


class ToySession:
    def __init__(self, config: ToyConfig, context: Context) -> None:
        self.config, self.context = config, context
        self.http = self.client(auth=BearerToken(self.login, self.login))

    def client(self, **options: Any) -> Http:
        config = self.config
        return Http(
            self.context,
            base_url=config.url,
            limits=("burst",),
            attempts=config.attempts,
            timeout_s=config.timeout_s,
            secrets=[config.secret.get_secret_value()],
            classify=by_code,
            **options,
        )

    def login(self) -> str:
        with self.client() as door:
            secret = self.config.secret.get_secret_value()
            return str(door.json_of(door.request("POST", "/login", json={"secret": secret}, safe=True))["token"])

    def check(self) -> Tenant:
        me = self.http.get_json("/me")
        return Tenant(me["id"], me["name"], sandbox=True)

    def discover(self, only: Collection[str] | None = None) -> Sequence[Stream]:
        return [LEADS] if only is None or LEADS.name in only else []

    def read(self, stream: Stream, cursor: Cursor | None, fields: Collection[str]) -> Iterator[Page]:
        if self.config.road == "dump" and cursor is None:
            yield from self.read_dump(fields)
            return
        # Begin again at the start of the cursor's second: a change may have come later within it, with a lower id.
        after: dict[str, Any] = {"updated": cursor["updated"] - 1, "id": "~"} if cursor else {}
        while rows := self.http.get_json("/leads", params=after)["leads"]:
            after = {"updated": rows[-1]["updated"], "id": rows[-1]["id"]}
            yield Page(
                records=[{k: row[k] for k in fields} for row in rows if not row.get("gone")],
                deleted=[row["id"] for row in rows if row.get("gone")],
                cursor={"updated": after["updated"]},
                merged={row["id"]: row["into"] for row in rows if row.get("gone") and row.get("into")},
            )

    def read_dump(self, fields: Collection[str]) -> Iterator[Page]:
        with self.http.stream("GET", "/leads.ndjson") as download:
            rows = msgspec.json.Decoder().decode_lines(b"".join(download))
        yield Page([self.dumped(row, fields) for row in rows])

    def dumped(self, row: Mapping[str, Any], fields: Collection[str]) -> Record:
        return {k: row[k] for k in fields}

    def write(self, stream: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        sent = [{"op": c.op, "id": c.remote_id, "match": c.match and c.match[1], "values": c.values} for c in changes]
        answer = self.http.json_of(self.http.request("POST", "/leads/batch", json={"changes": sent}))
        return [
            Refused(r["error"], "the vendor refused the value", r["field"])
            if "error" in r
            else Done(r["id"], r["created"])
            for r in answer["results"]
        ]

    def fetch(self, stream: Stream, by: str, values: Sequence[str], fields: Collection[str]) -> Sequence[Record | None]:
        asked = {"by": by, "values": list(values)}
        found = self.http.json_of(self.http.request("POST", "/leads/find", json=asked, safe=True))["leads"]
        return [row and {k: row[k] for k in fields} for row in found]

    def close(self) -> None:
        self.http.close()


def outcome_of(result: Mapping[str, Any]) -> Outcome:
    if "error" in result:
        return Refused(result["error"], "the vendor refused the value", result["field"])
    return Done(result["id"], result["created"])


def by_code(response: httpx.Response) -> ConnectorError | None:
    match body_or_none(response):
        case {"error": "BAD_SECRET"}:
            return Misconfigured("the secret is wrong; paste it again", code="BAD_SECRET")
    return None


def connector(session: type[ToySession] = ToySession, config: type[Any] = ToyConfig) -> Connector:
    @contextmanager
    def opened(settings: ToyConfig, context: Context) -> Iterator[Session]:
        one = session(settings, context)
        try:
            yield one
        finally:
            one.close()

    limits = (Limit("burst", 100, 1.0),)
    return Connector("toy", "Toy CRM", "crm", config, opened, limits, "toy_emulator:EMULATOR")


CONNECTOR = connector()
