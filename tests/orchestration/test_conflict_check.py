"""The check of a core asset that says how many fields wait for a person."""

import dagster as dg
import pytest
from workbench import rows

from prm_sync.orchestration import checks, figures
from prm_sync.warehouse.conflicts import Frozen, freeze, resolve

KEY = dg.AssetKey("core_account")


def disputed(bench):
    return {c.check_name: c for c in checks.core_results(KEY, [], figures.disputed(bench.app, "account"), 0)}[
        "nothing_is_in_conflict"
    ]


@pytest.mark.parametrize("n", [0, 2])
def test_the_check_tells_what_waits_and_how_to_work_it(bench, n):
    writes = [{"at": bench.clock.at, "old": "a", "new": "b"}]
    frozen = [
        Frozen("account", "account_1", "crm", "Account", f"00{i}", "Phone", writes, "more than 3 times in 24 hours")
        for i in range(n)
    ]
    assert freeze(bench.app.db, frozen, bench.clock.at) == n
    assert freeze(bench.app.db, frozen, bench.clock.at) == 0, "the same again is not told again"
    found = disputed(bench)
    assert found.passed is (n == 0)
    assert found.metadata["conflicts"].value == n
    assert "prm-sync conflict list --entity account" in found.metadata["look"].value
    alerts = rows(bench.app.db, "SELECT message FROM ops.alert")
    assert len(alerts) == n
    assert all("--thaw" in a["message"] for a in alerts)
    for row in rows(bench.app.db, "SELECT * FROM ops.conflict"):
        assert resolve(bench.app.db, row, None, "Linh", bench.clock.at)
    assert disputed(bench).passed
