"""The toy vendor under the kit's hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from toy import CONNECTOR, ToyConfig
from toy_emulator import SECRET, ToyVendor

from prm_sync.connect import Connector


class ToyBench:
    stream = "leads"
    secrets = (SECRET, "wr0ng-key", "toy-token")
    roads = ("paged", "dump")

    def __init__(self, vendor: ToyVendor, url: str, connector: Connector = CONNECTOR) -> None:
        vendor.app.reset()
        self.vendor, self.url, self.connector, self.road = vendor, url, connector, "paged"

    def config(self, *, good: bool = True) -> ToyConfig:
        secret = SECRET if good else "wr0ng-key"
        given = {"url": self.url, "secret": secret, "attempts": 1, "road": self.road}
        return self.connector.config(**given)

    def seed(self, n: int) -> list[str]:
        return self.vendor.seed(n)

    def touch(self, ids: Sequence[str]) -> None:
        for row_id in ids:
            self.vendor.leads.update(row_id, {"name": "new"})

    def remove(self, ids: Sequence[str]) -> None:
        for row_id in ids:
            self.vendor.leads.remove(row_id)

    def merge(self, loser: str, winner: str) -> None:
        self.vendor.merge(loser, winner)

    def count(self) -> int:
        return len(self.vendor.leads)

    def calls(self) -> int:
        return self.vendor.app.calls.count()

    def logins(self) -> int:
        return self.vendor.logins

    def hold_clock(self) -> bool:
        return bool(self.vendor.clock.hold())

    def advance(self, seconds: float) -> bool:
        return bool(self.vendor.clock.advance(timedelta(seconds=seconds)))

    def fail(self, status: int, retry_after_s: float | None = None) -> None:
        # /me or /leads, not /login: a session of this connector logs in with its first call.
        self.vendor.app.faults.status(status, path="/[ml]e*", retry_after_s=retry_after_s)

    def lose_answer(self) -> bool:
        self.vendor.app.faults.lose_answer(delay_s=0, path="/leads/batch")
        return True

    def expire_token(self) -> bool:
        self.vendor.expire()
        return True

    def force_road(self, road: str) -> None:
        self.road = road

    def good_values(self, i: int) -> dict[str, Any]:
        return {"email": f"good{i}@good.example", "name": f"Good {i}", "city": f"City {i}"}

    def bad_values(self) -> dict[str, Any]:
        return {"email": "nonsense", "name": "Bad"}
