"""What belongs to partners goes to their portal as copies: made, kept up to date, moved, taken back, and logged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from partnerside import NOTICES, PartnerSide, grant, partner_side
from workbench import Project

from prm_sync.errors import ConfigError
from prm_sync.flows.disclosing import seen_of
from prm_sync.flows.push import plan
from prm_sync.rules.sharing import SharingPolicy
from prm_sync.warehouse import targets

FIELDS = ("number", "carrier", "tracking", "promised_date")


@pytest.fixture
def side(project: Project) -> Iterator[PartnerSide]:
    with partner_side(project, grant("order", FIELDS)) as made:
        made.erp.put("partners", "p1", Name="东风贸易", Key="dongfeng", Tier="gold")
        made.erp.put("partners", "p2", Name="Nguyễn & Con", Key="nguyen", Tier="silver")
        yield made


def say(side: PartnerSide, policy: dict[str, Any]) -> None:
    side.app.policies = replace(side.app.policies, sharing=SharingPolicy.model_validate(policy))


def seen(side: PartnerSide, *names: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(r[n] for n in names) for r in side.drop.all("notices"))


def test_a_record_goes_once_to_its_partner_is_kept_up_to_date_and_costs_nothing_while_nothing_changes(
    side: PartnerSide,
) -> None:
    side.erp.put("orders", "o1", Number="100", Partner="p1")
    side.erp.put("orders", "o2", Number="101", Partner=None)
    side.erp.put("orders", "o3", Number="102", Partner="p2", Test="true")
    assert side.cycle() == 1
    assert seen(side, "Partner", "Number", "Carrier") == [("dongfeng", "100", None)]
    side.erp.put("orders", "o1", Carrier="顺丰", Tracking="SF-1")
    assert side.cycle() == 1
    assert side.drop.writes[-1]["id"] is not None
    assert seen(side, "Number", "Carrier", "Tracking") == [("100", "顺丰", "SF-1")]
    assert [side.cycle(), side.cycle()] == [0, 0]
    assert side.push().numbers["compared"] == 0
    [order] = side.rows("SELECT id, shared_key, sources FROM core.order WHERE number = '100'")
    assert order["sources"] == 2
    assert order["shared_key"].startswith(order["id"] + ":partner_")


def test_a_record_that_changes_hands_is_deleted_for_one_partner_and_made_for_the_other_and_back(
    side: PartnerSide,
) -> None:
    side.erp.put("orders", "o1", Number="100", Partner="p1", Carrier="DHL")
    for key, partner in (("dongfeng", "p1"), ("nguyen", "p2"), ("dongfeng", "p1")):
        side.erp.put("orders", "o1", Partner=partner)
        side.cycle()
        assert seen(side, "Partner", "Number", "Carrier") == [(key, "100", "DHL")]
        assert side.cycle() == 0
    log = side.rows("SELECT kind, partner_key FROM ops.share_log ORDER BY id")
    assert [(r["kind"], r["partner_key"]) for r in log] == [
        ("shared", "dongfeng"), ("shared", "nguyen"), ("revoked", "dongfeng"), ("shared", "dongfeng"),
        ("revoked", "nguyen"),
    ]  # fmt: skip
    assert side.rows("SELECT count(*) AS n FROM core.order") == [{"n": 1}]


@pytest.mark.parametrize("why", ["deleted", "no partner", "partner ended", "not shared", "test"])
def test_what_belongs_to_a_partner_no_longer_is_deleted_there(side: PartnerSide, why: str) -> None:
    side.erp.put("orders", "o1", Number="100", Partner="p1")
    side.erp.put("orders", "o2", Number="101", Partner="p2")
    side.cycle()
    assert seen(side, "Partner") == [("dongfeng",), ("nguyen",)]
    match why:
        case "deleted":
            side.erp.tables["orders"].pop("o1")
        case "no partner":
            side.erp.put("orders", "o1", Partner=None)
        case "partner ended":
            side.erp.put("partners", "p1", Status="ended")
        case "test":
            side.erp.put("orders", "o1", Test="true")
        case _:
            say(side, grant("order", FIELDS, where={"number": "101"}))
    side.cycle()
    assert seen(side, "Partner") == [("nguyen",)]
    assert side.rows("SELECT fields FROM ops.share_log WHERE kind = 'revoked'") == [{"fields": ["*"]}]
    assert side.cycle() == 0
    assert side.rows("SELECT count(*) AS n FROM core.order WHERE merged_into IS NULL") == [{"n": 2}]


def test_without_an_entry_for_the_entity_nothing_leaves_not_even_a_key(side: PartnerSide) -> None:
    say(side, grant("lead", ["last_name"], pii=["personal"]))
    side.erp.put("orders", "o1", Number="100", Partner="p1")
    assert side.cycle() == 0
    assert side.rows("SELECT * FROM ops.share_log") == []
    say(side, grant("order", FIELDS, tiers=["gold"]))
    assert side.cycle() == 1
    say(side, {})
    [planned] = plan(side.app, "drop", "notices")
    assert [i.op for i in planned.intents] == ["delete"]


def test_a_field_that_is_taken_back_is_blanked_and_one_that_comes_back_is_written_again(side: PartnerSide) -> None:
    side.erp.put("orders", "o1", Number="100", Partner="p1", Carrier="DHL", Tracking="77")
    side.cycle()
    say(side, grant("order", ("number", "carrier")))
    side.cycle()
    assert seen(side, "Carrier", "Tracking") == [("DHL", None)]
    say(side, {})
    side.cycle()
    assert seen(side) == []
    say(side, grant("order", FIELDS))
    side.cycle()
    assert seen(side, "Partner", "Carrier", "Tracking") == [("dongfeng", "DHL", "77")]
    assert side.cycle() == 0


def test_what_a_partner_is_decides_and_its_tier_may_change(side: PartnerSide) -> None:
    say(side, grant("order", FIELDS, tiers=["gold"]))
    side.erp.put("orders", "o1", Number="100", Partner="p2")
    assert side.cycle() == 0
    side.erp.put("partners", "p2", Tier="gold")
    assert side.cycle() == 1
    assert seen(side, "Partner", "Number") == [("nguyen", "100")]


def test_a_record_whose_partner_arrives_later_goes_when_the_partner_is_known(side: PartnerSide) -> None:
    side.erp.put("orders", "o1", Number="100", Partner="p9")
    assert side.cycle() == 0
    side.erp.put("partners", "p9", Name="شریک", Key="sharik")
    assert side.cycle() == 1
    assert seen(side, "Partner") == [("sharik",)]


def test_a_copy_whose_creation_was_never_confirmed_is_found_by_its_key_and_is_no_new_record(side: PartnerSide) -> None:
    side.erp.put("orders", "o1", Number="100", Partner="p1")
    side.read()
    [planned] = plan(side.app, "drop", "notices")
    side.drop.put("notices", **planned.intents[0].values)  # it arrived, and nobody was told
    assert side.cycle() == 0
    assert len(side.drop.all("notices")) == 1
    assert side.rows("SELECT count(*) AS n FROM core.order") == [{"n": 1}]


def test_what_somebody_deletes_at_the_portal_is_not_made_again(side: PartnerSide) -> None:
    side.erp.put("orders", "o1", Number="100", Partner="p1")
    side.cycle()
    side.cycle()
    side.drop.tables["notices"].clear()
    side.drop.put("notices", Key="another", Number="7")
    assert side.cycle() == 0
    side.erp.put("orders", "o1", Carrier="DHL")
    assert side.cycle() == 0


def test_a_mapping_that_asks_for_what_only_copies_have_is_told_so(project: Project) -> None:
    wrong = NOTICES.replace("  Key: shared_key\n", "  Key: number\n")
    with (
        partner_side(project, grant("order", FIELDS), {"drop/order": wrong}) as side,
        pytest.raises(ConfigError, match="shared_partner_key is known of the copies"),
    ):
        side.push()


def test_what_a_partner_sees_is_explained_for_whoever_the_record_belongs_to(side: PartnerSide) -> None:
    side.erp.put("orders", "o1", Number="100", Partner="p1", Carrier="DHL")
    side.read()
    [order] = side.rows("SELECT id FROM core.order WHERE number = '100'")
    [mine] = seen_of(side.app, "order", order["id"], None)
    assert (mine.partner.key, mine.told.values) == ("dongfeng", {"number": "100", "carrier": "DHL"})
    assert mine.told.withheld["partner_ref"] == "no entry in force names it"
    [other] = seen_of(side.app, "order", order["id"], "nguyen")
    assert (other.partner.tier, other.told.terms["carrier"].purpose) == ("silver", "The partner tells the customer")


def test_pages_of_records_that_nobody_sees_are_no_end(side: PartnerSide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "BATCH", 3)
    for n in range(20):
        side.erp.put("orders", f"o{n}", Number=str(n), Partner={0: "p1", 1: "p2"}.get(n % 10))
    assert side.cycle() == 4
    assert sorted(r["Number"] for r in side.drop.all("notices")) == ["0", "1", "10", "11"]
    assert side.cycle() == 0
    side.erp.put("partners", "p1", Status="ended")
    assert side.cycle() == 2
    assert sorted(r["Number"] for r in side.drop.all("notices")) == ["1", "11"]
