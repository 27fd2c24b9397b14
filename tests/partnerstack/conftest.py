"""A served PartnerStack and sessions on it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prm_sync.connect import Context, Cursor, Record, Session, Stream
from prm_sync.connect.emulator import Clock, serve
from prm_sync_partnerstack import CONNECTOR, PartnerStackConfig
from prm_sync_partnerstack.emulator import PartnerStackApp, credentials

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)


class FreeBudget:
    """Permits without end."""

    def take(self, *limits: str, cost: int = 1) -> None: ...

    def learn(self, limit: str, *, left: int, resets_in_s: float) -> None: ...


@dataclass
class Held:
    """What an engine holds that stages pages and keeps cursors."""

    records: dict[str, Record]
    deleted: set[str]
    cursor: Cursor | None


class Bench:
    """One served account, its clock held at NOON, and what an engine does with it."""

    def __init__(self, app: PartnerStackApp, url: str) -> None:
        self.app, self.url, self.account, self.partners = app, url, app.account, app.partners
        self.clock, self.faults, self.calls = app.clock, app.faults, app.calls

    def settled_calls(self) -> int:
        """The count of calls once it stands still: a call is noted after its answer has left."""
        count = -1
        while count != self.calls.count():
            count = self.calls.count()
            time.sleep(0.01)
        return count

    def forget_calls(self) -> None:
        self.settled_calls()
        self.calls.clear()

    def config(self, **changes: Any) -> PartnerStackConfig:
        quick = {"attempts": 1, "calls_per_s": 10_000, "timeout_s": 30}
        return PartnerStackConfig.model_validate({**credentials(self.url), **quick, **changes})

    def open(self, **changes: Any) -> AbstractContextManager[Session]:
        context = Context("ps", FreeBudget(), logging.getLogger("test.ps"), lambda name, value: None)
        return CONNECTOR.open(self.config(**changes), context)

    def stream(self, name: str) -> Stream:
        with self.open() as session:
            return session.discover([name])[0]

    def pull(self, name: str, cursor: Cursor | None = None, *, stop_after: int | None = None, **changes: Any) -> Held:
        """Everything after `cursor`, or what is safe when killed after `stop_after` pages."""
        held = Held({}, set(), cursor)
        with self.open(**changes) as session:
            stream = session.discover([name])[0]
            for n, page in enumerate(session.read(stream, cursor, [f.name for f in stream.fields])):
                if n == stop_after:
                    break
                held.records |= {str(r["key"]): r for r in page.records}
                held.deleted |= set(page.deleted)
                held.cursor = page.cursor or held.cursor
        return held

    def partner(self, partner_key: str = "nordwind", **values: Any) -> str:
        row = {"partner_key": partner_key, "email": f"ops@{partner_key}.example", **values}
        return self.app.load("partnerships", [row])[0]

    def leads(self, n: int, *, apart: timedelta = timedelta(hours=1)) -> list[str]:
        """`n` leads of nordwind, the first made NOON + apart."""
        keys = []
        for i in range(n):
            self.clock.advance(apart)
            keys += self.app.load("leads", [{"external_key": f"crm-{i}", "partner_key": "nordwind", "meta": {"n": i}}])
        return keys


@pytest.fixture(scope="session")
def served_partnerstack() -> Iterator[tuple[PartnerStackApp, str]]:
    app = PartnerStackApp(clock=Clock())
    with serve(app) as running:
        yield app, running.url


@pytest.fixture
def make_bench(served_partnerstack: tuple[PartnerStackApp, str]) -> Callable[..., Bench]:
    """An account as on its first day, the clock held at NOON, with these switches."""
    app, url = served_partnerstack

    def make(**switches: Any) -> Bench:
        app.clock.hold(NOON)
        app.switch(**switches)
        app.reset()
        return Bench(app, url)

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """The same with one partner, nordwind, and the switches as assumed."""
    made = make_bench()
    made.partner()
    return made
