"""A seller's system and a portal for partners, both in memory behind the real protocol, and an app between them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml
from pydantic import BaseModel
from workbench import Project, SteppedClock, rows

from prm_sync.app import App
from prm_sync.connect import (
    Change,
    Connector,
    Context,
    Cursor,
    Deletes,
    Done,
    Field,
    Outcome,
    Page,
    Stream,
    Tenant,
    registry,
)  # fmt: skip
from prm_sync.flows.pull import pull
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.report import FlowReport

PARTNERS = """\
from: erp.partners
to: partner
fields: {name: Name, partner_key: Key, tier: Tier, status: {from: Status, choices: {null: active, ended: terminated}}}
"""
ORDERS = """\
from: erp.orders
to: order
fields:
  number: {from: Number, required: true}
  partner_ref: Partner
  carrier: Carrier
  tracking: Tracking
  promised_date: Promised
  is_test: Test
"""
NOTICES = """\
from: drop.notices
to: order
fields: {shared_key: Key}
back:
  Key: shared_key
  Partner: shared_partner_key
  Number: number
  Carrier: carrier
  Tracking: tracking
  Promised: promised_date
"""


class _NoConfig(BaseModel):
    pass


@dataclass
class Tables:
    """A remote system of plain tables. `matched`: the column that an upsert is matched by."""

    name: str
    kind: Literal["crm", "prm"]
    clock: SteppedClock
    columns: Mapping[str, Sequence[str]]
    matched: str = "Key"
    tables: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    writes: list[dict[str, Any]] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, table: str, id_: str | None = None, **values: Any) -> str:
        """A record that a person makes or changes."""
        id_ = id_ or f"{self.name}-{next(self.ids)}"
        known = self.tables.setdefault(table, {}).get(id_, dict.fromkeys(self.columns[table]))
        self.tables[table][id_] = {**known, **values, "Id": id_}
        return id_

    def all(self, table: str) -> list[dict[str, Any]]:
        return list(self.tables.get(table, {}).values())

    # --- the session ---

    def check(self) -> Tenant:
        return Tenant(self.name, self.name, sandbox=True)

    def discover(self, only: Collection[str] | None = None) -> Sequence[Stream]:
        return [
            Stream(
                name, "Id", (*(Field(c, "text", writable=True) for c in columns), Field("Id", "text")),
                deletes=Deletes.BY_ABSENCE, match_on=(self.matched,) if self.matched in columns else (), write_batch=50,
            )
            for name, columns in self.columns.items() if only is None or name in only
        ]  # fmt: skip

    def read(self, stream: Stream, cursor: Cursor | None, fields: Collection[str]) -> Iterator[Page]:
        yield Page([dict(r) for r in self.all(stream.name)])

    def write(self, stream: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        return [self._one(stream.name, change) for change in changes]

    def _one(self, table: str, change: Change) -> Outcome:
        self.writes.append({"table": table, "op": change.op, "id": change.remote_id, **change.values})
        if change.op == "delete":
            assert change.remote_id is not None
            self.tables[table].pop(change.remote_id, None)
            return Done(change.remote_id, created=False)
        id_ = change.remote_id
        if id_ is None and change.match:
            by, value = change.match
            id_ = next((r["Id"] for r in self.all(table) if r[by] == value), None)
        made = id_ is None
        return Done(self.put(table, id_, **change.values), created=made)

    def connector(self) -> Connector:
        @contextmanager
        def opened(config: Any, context: Context) -> Iterator[Tables]:
            yield self

        return Connector(self.name, self.name.title(), self.kind, _NoConfig, opened)


@dataclass
class PartnerSide:
    """The seller's `erp`, the partners' `drop`, and the app between them."""

    app: App
    project: Project
    erp: Tables
    drop: Tables

    @property
    def clock(self) -> SteppedClock:
        return self.project.clock

    def rows(self, query: str, **params: Any) -> list[dict[str, Any]]:
        return rows(self.app.db, query, **params)

    def read(self) -> None:
        for (connection, stream), _ in self.app.mappings.items():
            pull(self.app, connection, stream)
        self.clock.advance(seconds=10)
        refine(self.app)
        self.clock.advance(seconds=10)

    def push(self, stream: str = "notices") -> FlowReport:
        return push(self.app, "drop", stream)

    def cycle(self, stream: str = "notices") -> int:
        """Pull, refine, push; how many writes reached the portal."""
        before = len(self.drop.writes)
        self.read()
        self.push(stream)
        self.clock.advance(minutes=10)
        return len(self.drop.writes) - before


def grant(entity: str, fields: Sequence[str], stream: str = "notices", **more: Any) -> dict[str, Any]:
    """A policy with one entry."""
    entry = {"entity": entity, "purpose": "The partner tells the customer", "fields": list(fields), **more}
    return {"grants": [{"streams": [stream], **entry}]}


@contextmanager
def partner_side(
    project: Project, sharing: Mapping[str, Any], mappings: Mapping[str, str] | None = None,
    columns: Mapping[str, Mapping[str, Sequence[str]]] | None = None, **content: Any,
) -> Iterator[PartnerSide]:  # fmt: skip
    """`mappings` by "<connector>/<name>", `columns` by system and table, besides orders, partners and notices."""
    more = columns or {}
    erp = Tables(
        "erp", "crm", project.clock,
        {"partners": ("Name", "Key", "Tier", "Status"),
         "orders": ("Number", "Partner", "Carrier", "Tracking", "Promised", "Test"), **more.get("erp", {})},
    )  # fmt: skip
    drop = Tables(
        "drop", "prm", project.clock,
        {"notices": ("Key", "Partner", "Number", "Carrier", "Tracking", "Promised"), **more.get("drop", {})},
    )  # fmt: skip
    texts = {"erp/partner": PARTNERS, "erp/order": ORDERS, "drop/order": NOTICES, **(mappings or {})}
    for name, text in texts.items():
        connector, _, entity = name.partition("/")
        project.mapping(text, entity, connector)
    folder = project.folder / "policies"
    folder.mkdir(exist_ok=True)
    (folder / "sharing.yaml").write_text(yaml.safe_dump(dict(sharing)), encoding="utf-8")
    project.write(
        connections={"erp": {"connector": "erp"}, "drop": {"connector": "drop"}},
        trust=["erp", "drop"], mappings="mappings", policies="policies", **content,
    )  # fmt: skip
    with ExitStack() as stack:
        for system in (erp, drop):
            stack.enter_context(registry.register(system.connector()))
        app = stack.enter_context(project.open())
        assert app.problems == (), app.problems
        yield PartnerSide(app, project, erp, drop)


Made = Callable[..., PartnerSide]
