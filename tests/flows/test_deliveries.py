"""Orders that are late, or put off: who is told, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from partnerside import ORDERS, PartnerSide, grant, partner_side
from workbench import MONDAY, Project

MORE = "  shipped_at: Shipped\n  delivered_at: Delivered\n  status: {from: Status, choices: {null: confirmed}}\n"
COLUMNS = ("Number", "Partner", "Carrier", "Tracking", "Promised", "Test", "Shipped", "Delivered", "Status")


@pytest.fixture
def side(project: Project) -> Iterator[PartnerSide]:
    with partner_side(
        project, grant("order", ["number", "promised_date"]), {"erp/order": ORDERS + MORE}, {"erp": {"orders": COLUMNS}}
    ) as made:
        made.erp.put("partners", "p1", Name="东风", Key="dongfeng")
        yield made


def day(n: int) -> str:
    return (MONDAY + timedelta(days=n)).date().isoformat()


def alerts(side: PartnerSide) -> list[tuple[Any, ...]]:
    found = side.rows("SELECT kind, subject, message FROM ops.alert ORDER BY id")
    return [(r["kind"], r["subject"], r["message"].partition(" (")[0]) for r in found]


def test_a_promise_that_passes_without_shipping_is_told_once_a_day_until_it_is_sent(side: PartnerSide) -> None:
    side.erp.put("orders", "o1", Number="1", Partner="p1", Promised=day(1))
    side.erp.put("orders", "o2", Number="2", Partner="p1", Promised=day(1), Shipped=day(0))
    side.erp.put("orders", "o3", Number="3", Promised=day(1), Test="true")
    side.cycle()
    side.clock.advance(days=1)
    side.cycle()
    assert alerts(side) == []  # the promised day is not over
    side.clock.advance(days=1)
    side.cycle()
    [partner] = side.rows("SELECT id FROM core.partner")
    late = ("delivery_late", f"partner {partner['id']}", "1 order")
    assert alerts(side) == [late]
    side.cycle()
    assert alerts(side) == [late]
    side.clock.advance(days=1)
    side.cycle()
    assert alerts(side) == [late, late]
    side.erp.put("orders", "o1", Shipped=day(3))
    side.clock.advance(days=1)
    side.cycle()
    assert alerts(side) == [late, late]


def test_a_promise_that_is_put_off_is_told_and_one_that_comes_sooner_is_not(side: PartnerSide) -> None:
    for n in range(3):
        side.erp.put("orders", f"o{n}", Number=str(n), Partner="p1" if n else None, Promised=day(5))
    side.cycle()
    side.erp.put("orders", "o0", Promised=day(9))
    side.erp.put("orders", "o1", Promised=day(7))
    side.erp.put("orders", "o2", Promised=day(4))
    side.cycle()
    side.cycle()
    told = side.rows("SELECT subject, message FROM ops.alert WHERE kind = 'delivery_put_off' ORDER BY id")
    assert [t["subject"].split()[0] for t in told] == ["orders", "partner"]
    assert ["by up to 4 days" in told[0]["message"], "by up to 2 days" in told[1]["message"]] == [True, True]
    assert len(alerts(side)) == 2
