"""A served Salesforce org, its clock held, and sessions on it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prm_sync.connect import Context, Cursor, Page, Record, Session
from prm_sync.connect.emulator import Clock, serve
from prm_sync_salesforce import CONNECTOR, SalesforceConfig
from prm_sync_salesforce.emulator import EMULATOR, SalesforceApp

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class FreeBudget:
    """Permits without end; keeps what it is told."""

    taken: int = 0
    learned: dict[str, int] = field(default_factory=dict)

    def take(self, *limits: str, cost: int = 1) -> None:
        self.taken += cost

    def learn(self, limit: str, *, left: int, resets_in_s: float) -> None:
        self.learned[limit] = left


@dataclass
class Held:
    """What an engine holds that stages pages and keeps cursors."""

    records: dict[str, Record]
    deleted: set[str]
    cursor: Cursor | None
    pages: list[Page]


class Org:
    """One served org and what an engine does with it."""

    def __init__(self, app: SalesforceApp, url: str) -> None:
        self.app, self.url, self.org, self.desk = app, url, app.org, app.desk
        self.clock, self.faults = app.clock, app.faults
        self.budget = FreeBudget()

    def config(self, **changes: Any) -> SalesforceConfig:
        quick = {"attempts": 1, "timeout_s": 30, "lookback_s": 0, "safety_s": 0}
        return SalesforceConfig.model_validate({**EMULATOR.credentials(self.url), **quick, **changes})

    def context(self, **changes: Any) -> Context:
        return Context("sf", self.budget, logging.getLogger("test.sf"), lambda name, value: None, **changes)

    def open(self, **changes: Any) -> AbstractContextManager[Session]:
        return CONNECTOR.open(self.config(**changes), self.context())

    def advance(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))

    def leads(self, n: int, **values: Any) -> list[str]:
        """n new leads, with the clock's time unless `values` has a SystemModstamp."""
        rows = [
            {"LastName": f"Lead {i}", "Company": "Contoso", "Email": f"l{i}@contoso.example", **values}
            for i in range(n)
        ]
        return self.app.load("Lead", rows)

    def pull(
        self, cursor: Cursor | None = None, *, name: str = "Lead", stop_after: int | None = None,
        fields: list[str] | None = None, **changes: Any,
    ) -> Held:  # fmt: skip
        """Everything after `cursor`, or what is kept when killed after `stop_after` pages."""
        held = Held({}, set(), cursor, [])
        with self.open(**changes) as session:
            stream = session.discover([name])[0]
            for page in session.read(stream, cursor, fields or [f.name for f in stream.fields]):
                if len(held.pages) == stop_after:
                    break
                held.pages.append(page)
                for gone in page.deleted:
                    held.records.pop(gone, None)
                    held.deleted.add(gone)
                held.records |= {r["Id"]: r for r in page.records}
                held.cursor = page.cursor or held.cursor
        return held

    def settled_calls(self) -> int:
        """The count of calls once it stands still: a call is noted after its answer has left."""
        count = -1
        while count != self.app.calls.count():
            count = self.app.calls.count()
            time.sleep(0.01)
        return count


@pytest.fixture(scope="session")
def served_salesforce() -> Iterator[tuple[SalesforceApp, str]]:
    app = SalesforceApp({}, Clock())
    with serve(app) as running:
        yield app, running.url


@pytest.fixture
def make_org(served_salesforce: tuple[SalesforceApp, str]) -> Any:
    """An org that holds nothing yet, its clock held at NOON; `make_org(switch=value)`."""

    def make(**switches: Any) -> Org:
        app, url = served_salesforce
        app.switches.clear()
        app.switches.update(EMULATOR.switched(switches))
        app.clock.hold(NOON)
        app.reset()
        return Org(app, url)

    return make


@pytest.fixture
def org(make_org: Any) -> Org:
    return make_org()
