"""The budget of a connection, spent by several processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa
from workbench import rows

from prm_sync.connect.protocol import Limit
from prm_sync.errors import QuotaSpent
from prm_sync.warehouse.budget import SharedBudget

SPEND = """
import json, sys, time
from prm_sync.connect.protocol import Limit
from prm_sync.errors import QuotaSpent
from prm_sync.warehouse import db
from prm_sync.warehouse.budget import SharedBudget
budget = SharedBudget(db.engine(sys.argv[1]), "crm", [Limit("day", 40, 86400.0)])
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
taken = 0
try:
    while True:
        budget.take("day")
        taken += 1
except QuotaSpent as spent:
    sys.stdout.write(json.dumps({"taken": taken, "said": str(spent)}))
"""


def test_three_processes_together_take_no_more_than_the_limit(warehouse: sa.Engine, database_url: str) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SPEND, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]  # fmt: skip
    for p in started:
        assert p.stdout is not None
        assert p.stdout.readline() == "ready\n"
    for p in started:
        assert p.stdin is not None
        p.stdin.write("\n")
        p.stdin.flush()
    said = [json.loads(p.communicate(timeout=60)[0]) for p in started]
    assert sum(s["taken"] for s in said) == 40
    assert all("crm" in s["said"] for s in said)
    assert len(rows(warehouse, "SELECT FROM ops.budget")) == 1


def test_what_a_response_says_corrects_the_count_for_everybody(warehouse: sa.Engine) -> None:
    limit = Limit("day", 1000, 86400.0)
    one, other = SharedBudget(warehouse, "crm", [limit]), SharedBudget(warehouse, "crm", [limit])
    one.take("day")
    one.learn("day", left=0, resets_in_s=80_000)
    with pytest.raises(QuotaSpent):
        other.take("day")


def test_what_a_response_says_is_written_where_it_is_not_what_was_counted(warehouse: sa.Engine) -> None:
    """Most say what we know. A row that every call of a connection waits for is left alone then."""
    moment, limit = [1_000_000.0], Limit("day", 1000, 86400.0)
    one = SharedBudget(warehouse, "crm", [limit], now=lambda: moment[0])
    other = SharedBudget(warehouse, "crm", [limit], now=lambda: moment[0])

    def answered(left: int) -> bool:
        """A call of `one`, and whether its answer was written."""
        one.take("day")
        before = rows(warehouse, "SELECT state, xmin::text FROM ops.budget")
        one.learn("day", left=left, resets_in_s=80_000)
        return rows(warehouse, "SELECT state, xmin::text FROM ops.budget") != before

    assert answered(900), "nothing was known"
    assert not answered(899)
    assert answered(870), "somebody else called meanwhile"
    other.take("day")
    assert not answered(868), "another process of ours did, and counted it"
    moment[0] += 61
    assert answered(867), "it resets later than we believed"
    assert rows(warehouse, "SELECT state->>'left' AS left FROM ops.budget") == [{"left": "867"}]


def test_a_short_wait_is_waited(warehouse: sa.Engine) -> None:
    slept: list[float] = []
    moment = [time.time()]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        moment[0] += seconds

    budget = SharedBudget(warehouse, "crm", [Limit("second", 2, 1.0)], now=lambda: moment[0], sleep=sleep)
    for _ in range(5):
        budget.take("second")
    assert 1.0 <= sum(slept) <= 2.5


def test_connections_do_not_spend_each_others_budget(warehouse: sa.Engine) -> None:
    limit = Limit("day", 1, 86400.0)
    SharedBudget(warehouse, "crm", [limit]).take("day")
    SharedBudget(warehouse, "other", [limit]).take("day")
    with pytest.raises(QuotaSpent):
        SharedBudget(warehouse, "crm", [limit]).take("day")
