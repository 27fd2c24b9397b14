"""A whole installation for tests: a project in a folder, a warehouse, two served vendors, one clock for all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml
from pydantic import SecretStr

from prm_sync.app import App, open_app
from prm_sync.flows.measure import measure
from prm_sync.flows.pull import pull
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.report import FlowReport
from prm_sync.flows.route import route
from prm_sync.settings import PROJECT_FILE, Settings
from prm_sync.warehouse import db as database
from prm_sync_partnerstack.emulator import PartnerStackApp
from prm_sync_partnerstack.emulator import credentials as partnerstack_credentials
from prm_sync_salesforce.emulator import EMULATOR as SALESFORCE
from prm_sync_salesforce.emulator import SalesforceApp

MONDAY = datetime(2027, 3, 1, 8, tzinfo=UTC)


class SteppedClock:
    """A clock that stands still until it is moved. Whatever else has a clock (emulators) moves with it."""

    def __init__(self, at: datetime = MONDAY) -> None:
        self.at = at
        self.followers: list[Any] = []

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **by: float) -> datetime:
        self.at += timedelta(**by)
        for follower in self.followers:
            follower.hold(self.at)
        return self.at


@dataclass
class Vendors:
    """Both vendors as served, empty, their clocks held."""

    sf: SalesforceApp
    sf_url: str
    ps: PartnerStackApp
    ps_url: str
    clock: SteppedClock

    @property
    def env(self) -> dict[str, str]:
        return {
            "SF_SECRET": str(SALESFORCE.credentials(self.sf_url)["client_secret"]),
            "PS_PUBLIC": partnerstack_credentials(self.ps_url)["public_key"],
            "PS_SECRET": partnerstack_credentials(self.ps_url)["secret_key"],
        }

    def connections(self, **changes: Mapping[str, Any]) -> dict[str, Any]:
        """`crm` and `prm` for prm_sync.yaml; `changes` by connection are laid over them."""
        sf = SALESFORCE.credentials(self.sf_url)
        crm = {
            "connector": "salesforce",
            "config": {
                "instance_url": sf["instance_url"], "client_id": sf["client_id"], "client_secret": {"env": "SF_SECRET"},
                "lookback_s": 0, "safety_s": 0, "timeout_s": 30, "attempts": 1, "page_size": 200,
            },
            "streams": ["Lead", "Account"],
        }  # fmt: skip
        prm = {
            "connector": "partnerstack",
            "config": {
                "base_url": partnerstack_credentials(self.ps_url)["base_url"], "public_key": {"env": "PS_PUBLIC"},
                "secret_key": {"env": "PS_SECRET"}, "timeout_s": 30, "attempts": 1, "calls_per_s": 10000,
                "page_size": 50,
            },
            "streams": ["partnerships", "leads"],
        }  # fmt: skip
        both = {"crm": crm, "prm": prm}
        for name, change in changes.items():
            config = {**both[name]["config"], **change.get("config", {})}
            both[name] = {**both[name], **change, "config": config}
        return both

    def lead(self, name: str = "Weber", country: str = "DE", **values: Any) -> str:
        """One lead in the CRM; its id."""
        row = {
            "FirstName": "Ann", "LastName": name, "Company": f"{name} GmbH", "Country": country,
            "Email": f"{name.lower()}@{name.lower()}-gmbh.example", "Status": "Open - Not Contacted",
        }  # fmt: skip
        return self.sf.load("Lead", [{**row, **values}])[0]

    def partner(self, key: str, **fields: Any) -> str:
        """One active partner in the PRM; its key there."""
        usual = {"company_name": key.title(), "territories": "DE,AT", "weekly_capacity": 50}
        row = {"partner_key": key, "email": f"ops@{key}.example", "fields": {**usual, **fields}}
        return self.ps.load("partnerships", [row])[0]

    def prm_leads(self, *, archived: bool | None = False) -> list[dict[str, Any]]:
        return self._prm_rows("leads", archived)

    def partnerships(self) -> list[dict[str, Any]]:
        return self._prm_rows("partnerships", False)

    def _prm_rows(self, name: str, archived: bool | None) -> list[dict[str, Any]]:
        rows = self.ps.store.snapshot()[name]
        return [r for r in rows if archived is None or r["archived"] is archived]

    def crm_row(self, name: str, row_id: str) -> dict[str, Any]:
        return dict(self.sf.org.tables[name].rows[row_id])

    def forget_calls(self) -> None:
        self.sf.calls.clear()
        self.ps.calls.clear()

    def bodies(self) -> list[dict[str, Any]]:
        """What was written to the PRM, call by call."""
        return [json.loads(c.body) for c in self.ps.calls.writes() if c.body]


@dataclass
class Bench:
    """An opened app and the vendors it talks to."""

    app: App
    vendors: Vendors
    reports: list[FlowReport] = field(default_factory=list)

    @property
    def clock(self) -> SteppedClock:
        return self.vendors.clock

    def pull(self, *streams: tuple[str, str]) -> None:
        every = (("crm", "Account"), ("crm", "Lead"), ("prm", "partnerships"), ("prm", "leads"))
        for connection, stream in streams or every:
            self.reports.append(pull(self.app, connection, stream))

    def push(self) -> tuple[FlowReport, FlowReport]:
        """Offers to the PRM, then news to the CRM: the reports of both."""
        to_prm, to_crm = push(self.app, "prm", "leads"), push(self.app, "crm", "Lead")
        self.reports += [to_prm, to_crm]
        return to_prm, to_crm

    def cycle(self, *, minutes: float = 10) -> tuple[FlowReport, FlowReport]:
        """Pull, refine, route, push, with the clock moving on after each as it does in life."""
        self.pull()
        self.clock.advance(seconds=10)
        self.reports.append(refine(self.app))
        self.clock.advance(seconds=10)
        self.reports.append(route(self.app))
        self.clock.advance(seconds=10)
        pushed = self.push()
        self.clock.advance(minutes=minutes)
        return pushed

    def measure(self) -> FlowReport:
        return measure(self.app)

    def rows(self, query: str, **params: Any) -> list[dict[str, Any]]:
        return rows(self.app.db, query, **params)

    def one(self, query: str, **params: Any) -> dict[str, Any]:
        found = self.rows(query, **params)
        assert len(found) == 1, found
        return found[0]

    def offers(self) -> list[dict[str, Any]]:
        return self.rows(
            "SELECT o.*, p.partner_key FROM ledger.lead_offer o JOIN core.partner p ON p.id = o.partner_id "
            "ORDER BY o.lead_id, o.rank"
        )

    def quarantine(self, state: str = "open") -> list[dict[str, Any]]:
        return self.rows(
            "SELECT * FROM ops.quarantine WHERE state = :state ORDER BY connection, stream, remote_id, field",
            state=state,
        )


def unhurried(app: App) -> App:
    """The same app with limits so wide that nothing waits: emulators have no pace to keep."""
    app.connectors = {
        name: replace(c, limits=tuple(replace(x, permits=10**6) if x.per_s < 60 else x for x in c.limits))
        for name, c in app.connectors.items()
    }
    return app


def rows(db: sa.Engine, query: str, **params: Any) -> list[dict[str, Any]]:
    """The rows of a query as dictionaries."""
    with db.begin() as tx:
        return [dict(r) for r in tx.execute(sa.text(query), params).mappings()]


@dataclass
class Project:
    """A folder with a prm_sync.yaml and a database of its own."""

    folder: Path
    database_url: str
    clock: SteppedClock
    env: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return Settings(
            project=self.folder, home=self.folder / ".prm_sync", database_url=SecretStr(self.database_url)
        )

    def write(self, **content: Any) -> Path:
        """prm_sync.yaml with this content; returns its path."""
        path = self.folder / PROJECT_FILE
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return path

    def lists(self, mapping: str) -> Project:
        """Makes of it a folder of files with `leads`, each file complete."""
        config = {"folder": str(self.folder / "data"), "key": "Id", "snapshot": True}
        self.write(connections={"lists": {"connector": "files", "config": config}}, mappings="mappings")
        self.mapping(mapping)
        return self

    def mapping(self, text: str, name: str = "lead", connector: str = "files") -> Path:
        path = self.folder / "mappings" / connector / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def csv(self, name: str, header: Sequence[str], lines: Iterable[Sequence[object]]) -> Path:
        """A CSV file in the folder `data`."""
        path = self.folder / "data" / name
        path.parent.mkdir(exist_ok=True)
        text = [",".join(header), *(",".join("" if c is None else str(c) for c in line) for line in lines)]
        path.write_text("\n".join(text) + "\n", encoding="utf-8")
        return path

    @contextmanager
    def open(self, *, migrate: bool = False, **options: Any) -> Iterator[App]:
        with open_app(self.settings, clock=self.clock, env=self.env, migrate=migrate, **options) as app:
            yield unhurried(app)


def engine(url: str) -> sa.Engine:
    return database.engine(url)
