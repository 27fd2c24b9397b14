"""Two small remote systems with habits of their own, in memory, behind the real protocol; and an app between them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel
from workbench import Project, SteppedClock, rows

from prm_sync.app import App
from prm_sync.connect import Change, Connector, Context, Cursor, Done, Field, Outcome, Page, Stream, Tenant
from prm_sync.flows.pull import pull
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.report import FlowReport

FIELDS = ("Name", "Number", "Phone", "City", "Industry", "Revenue", "Currency", "Country")
ACCOUNTS = Stream(
    "accounts", "Id", (*(Field(f, "text", writable=True) for f in FIELDS), Field("Id", "text"), Field("At", "text")),
    modified="At", incremental=True, write_batch=50,
)  # fmt: skip
MAPPING = """\
from: {system}.accounts
to: account
fields:
  name: Name
  account_number: Number
  country: Country
  phone: Phone
  city: City
  industry: Industry
  currency: Currency
  annual_revenue: Revenue
back:
  Name: name
  Phone: phone
  City: city
  Industry: industry
  Currency: currency
  Revenue: {{from: [annual_revenue, currency], do: major_units}}
"""
SHARING = """\
streams:
  accounts:
    entity: account
    purpose: The partner keeps the account up to date
    pii: [none, company, personal]
    fields: [name, phone, city, industry, currency, annual_revenue]
"""

Habit = Callable[[Any], Any]


@dataclass
class System:
    """A remote system: `habits` are what it makes of the values that it is given. It stamps what is changed."""

    name: str
    clock: SteppedClock
    kind: Literal["crm", "prm", "files"] = "crm"
    habits: dict[str, Habit] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: list[dict[str, Any]] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def taken(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {n: self.habits[n](v) if n in self.habits and v is not None else v for n, v in values.items()}

    def add(self, **values: Any) -> str:
        """A record that a person makes."""
        id_ = f"{self.name}{next(self.ids)}"
        blank: dict[str, Any] = dict.fromkeys(FIELDS)
        self.records[id_] = {**blank, **self.taken(values), "Id": id_, "At": self.clock.at.isoformat()}
        return id_

    def edit(self, id_: str, **values: Any) -> None:
        """What a person changes."""
        self.records[id_] |= {**self.taken(values), "At": self.clock.at.isoformat()}

    def __getitem__(self, id_: str) -> dict[str, Any]:
        return self.records[id_]

    # --- the session ---

    def check(self) -> Tenant:
        return Tenant(self.name, self.name, sandbox=True)

    def discover(self, only: Collection[str] | None = None) -> Sequence[Stream]:
        return [ACCOUNTS] if only is None or ACCOUNTS.name in only else []

    def read(self, stream: Stream, cursor: Cursor | None, fields: Collection[str]) -> Iterator[Page]:
        since = cursor["at"] if cursor else ""
        found = sorted((r for r in self.records.values() if r["At"] >= since), key=lambda r: (r["At"], r["Id"]))
        if found:
            yield Page([dict(r) for r in found], cursor={"at": found[-1]["At"]})

    def write(self, stream: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        out: list[Outcome] = []
        for change in changes:
            assert change.remote_id is not None
            self.writes.append({"id": change.remote_id, **change.values})
            self.edit(change.remote_id, **change.values)
            out.append(Done(change.remote_id, created=False))
        return out

    def fetch(self, stream: Stream, by: str, values: Sequence[str], fields: Collection[str]) -> Sequence[Any]:
        found = {str(r[by]): r for r in self.records.values()}
        return [{n: found[v][n] for n in (*fields, "Id")} if v in found else None for v in values]

    def connector(self) -> Connector:
        @contextmanager
        def opened(config: Any, context: Context) -> Iterator[System]:
            yield self

        return Connector(self.name, self.name.title(), self.kind, _NoConfig, opened)


class _NoConfig(BaseModel):
    pass


@dataclass
class Between:
    """Two systems and the app between them."""

    app: App
    clock: SteppedClock
    systems: tuple[System, ...]

    def cycle(self, *, minutes: float = 10) -> int:
        """Pull, refine, push, with the clock going on after each; how many fields were written anywhere."""
        before = sum(len(s.writes) for s in self.systems)
        self.pull()
        self.clock.advance(seconds=10)
        refine(self.app, ["account"])
        self.clock.advance(seconds=10)
        self.push()
        self.clock.advance(minutes=minutes)
        return sum(len(s.writes) for s in self.systems) - before

    def pull(self) -> None:
        for s in self.systems:
            pull(self.app, s.name, "accounts")

    def push(self) -> list[FlowReport]:
        return [push(self.app, s.name, "accounts") for s in self.systems]

    def rows(self, query: str, **params: Any) -> list[dict[str, Any]]:
        return rows(self.app.db, query, **params)

    def conflicts(self, state: str | None = None) -> list[dict[str, Any]]:
        found = self.rows("SELECT * FROM ops.conflict ORDER BY opened_at, field, id")
        return [r for r in found if state is None or r["state"] == state]

    def golden(self) -> dict[str, Any]:
        [found] = self.rows("SELECT * FROM core.account WHERE merged_into IS NULL")
        return found


def set_up(project: Project, *systems: System, authority: str = "", survivorship: str = "") -> None:
    """A project between these systems; the policies are those given, and the first system is trusted most."""
    for s in systems:
        project.mapping(MAPPING.format(system=s.name), "account", s.name)
    folder = project.folder / "policies"
    folder.mkdir(exist_ok=True)
    (folder / "sharing.yaml").write_text(SHARING, encoding="utf-8")
    (folder / "authority.yaml").write_text(authority or "{}\n", encoding="utf-8")
    (folder / "survivorship.yaml").write_text(survivorship or "{}\n", encoding="utf-8")
    project.write(
        connections={
            s.name: {"connector": s.name, "limits": {"max_update_share": 1.0}, "streams": ["accounts"]} for s in systems
        },
        trust=[s.name for s in systems], mappings="mappings", policies="policies",
    )  # fmt: skip
