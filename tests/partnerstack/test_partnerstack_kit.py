"""The conformance kit over the emulator, for each stream that is read and written by change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from prm_sync.connect import kit
from prm_sync_partnerstack import CONNECTOR

VALUES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "leads": (
        {"external_key": "crm-{i}", "partner_key": "nordwind", "status": "open", "meta": {"last_name": "Wei"}},
        {"status": "maybe"},
    ),
    "customers": (
        {"customer_key": "crm-{i}", "email": "c{i}@haus.example", "partner_key": "nordwind"},
        {"email": "none"},
    ),
    "partnerships": ({"partner_key": "p{i}", "email": "p{i}@partners.example"}, {"email": "none"}),
}
"""A good record of each stream, and what makes it a bad one."""
LOOSE = {"leads": "amount", "customers": "name", "partnerships": "first_name"}


class KitBench:
    """One stream of a served account."""

    connector = CONNECTOR
    secrets = ("sk_live_emulated_5b1f0c", "sk_live_wrong_77", "pk_live_emulated")
    roads = ()

    def __init__(self, bench, stream: str) -> None:
        self.bench, self.stream, self.table = bench, stream, bench.app.store[stream]
        self._n = 0

    def config(self, *, good: bool = True):
        wrong = {} if good else {"secret_key": "sk_live_wrong_77"}
        return self.bench.config(page_size=2, **wrong)

    def seed(self, n):
        keys = []
        for _ in range(n):
            self._n += 1
            keys += self.bench.app.load(self.stream, [self.good_values(1000 + self._n)])
        return keys

    def touch(self, ids):
        for key in ids:
            self.table.update(key, {"touched": True})

    def remove(self, ids):
        for key in ids:
            self.bench.account.archive(self.stream, key)

    def merge(self, loser, winner):
        self.bench.app.partners.merge(self.stream, loser, winner)

    def count(self):
        return len(self.table.rows(lambda row: not row["archived"]))

    def calls(self):
        return self.bench.settled_calls()

    def logins(self):
        return 0

    def hold_clock(self):
        return True  # it is held from the start

    def advance(self, seconds):
        self.bench.clock.advance(timedelta(seconds=seconds))
        return True

    def fail(self, status, retry_after_s=None):
        self.bench.faults.status(status, retry_after_s=retry_after_s)

    def lose_answer(self):
        self.bench.faults.lose_answer(method="POST", delay_s=0)
        return True

    def expire_token(self):
        return False

    def force_road(self, road):
        raise NotImplementedError(road)

    def good_values(self, i):
        good = {k: v.format(i=i) if isinstance(v, str) else v for k, v in VALUES[self.stream][0].items()}
        return {**good, LOOSE[self.stream]: i if LOOSE[self.stream] == "amount" else f"n{i}"}

    def bad_values(self):
        return {**self.good_values(999), **VALUES[self.stream][1]}


@pytest.mark.parametrize("check", kit.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("stream", list(VALUES))
def test_the_connector_keeps_its_promises(check, stream, make_bench):
    bench = make_bench(production_lists_test_rows=False)
    if stream != "partnerships":
        bench.partner()
    check(KitBench(bench, stream))
