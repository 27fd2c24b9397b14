"""Sharing over both emulated vendors: what partners get, what is taken back, what is logged; nothing else leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from workbench import Bench, Vendors

from prm_sync.errors import ConfigError
from prm_sync.flows.push import plan, push
from prm_sync.flows.refine import refine
from prm_sync.rules.sharing import SharingPolicy

KEYS = ["id", "offer_key", "offer_partner_key", "offer_partner_stage"]
PERSON = ["first_name", "last_name", "email", "phone", "company", "country", "city", "need"]
LIMITS = {"max_delete": 1000, "max_update_share": 1.0, "max_blank_share": 1.0}


def entry(fields: list[str], **more: Any) -> dict[str, Any]:
    return {"entity": "lead", "purpose": "call them", "pii": ["none", "company", "personal"], "fields": fields, **more}


@pytest.fixture
def sharing(make_bench: Callable[..., Bench], vendors: Vendors) -> Bench:
    """Limits that hold nothing, and a key."""
    wide = make_bench(vendors.connections(prm={"limits": LIMITS}))
    wide.app.settings = wide.app.settings.model_copy(update={"hash_key": SecretStr("a secret of the tests")})
    wide.vendors.partner("nordwind")
    return wide


def say(bench: Bench, *grants: dict[str, Any], **more: Any) -> None:
    policy = SharingPolicy.model_validate({"grants": [{"streams": ["leads"], **g} for g in grants], **more})
    bench.app.policies = replace(bench.app.policies, sharing=policy)


def at_the_prm(bench: Bench) -> dict[str, Any]:
    [row] = bench.vendors.prm_leads()
    return dict(row["meta"])


def test_a_field_that_is_taken_back_is_blanked_once_shown_in_the_plan_and_logged(sharing: Bench) -> None:
    sharing.vendors.lead("阮氏安", Email="an@an.example", City="Huế")
    say(sharing, entry(KEYS + PERSON))
    sharing.cycle()
    assert (at_the_prm(sharing)["email"], at_the_prm(sharing)["city"]) == ("an@an.example", "Huế")
    say(sharing, entry([n for n in KEYS + PERSON if n != "email"]))
    [planned] = plan(sharing.app, "prm", "leads")
    [change] = planned.intents
    assert (change.after, change.revoked) == ({"meta.email": None}, ("email",))
    assert at_the_prm(sharing)["email"] == "an@an.example"
    sharing.cycle()
    assert not at_the_prm(sharing).get("email")
    assert at_the_prm(sharing)["city"] == "Huế"
    log = sharing.rows("SELECT kind, fields, partner_key, purpose FROM ops.share_log ORDER BY id")
    assert [r for r in log if r["kind"] == "revoked"] == [
        {"kind": "revoked", "fields": ["email"], "partner_key": "nordwind", "purpose": None}
    ]
    assert log[0]["purpose"] == "call them"
    assert "email" in log[0]["fields"]
    sharing.vendors.forget_calls()
    sharing.cycle()
    assert sharing.vendors.bodies() == []


def test_a_lead_that_may_no_longer_be_shared_at_all_is_deleted_at_the_prm(sharing: Bench) -> None:
    crm_id = sharing.vendors.lead("رضایی", Country="DE")
    say(sharing, entry(KEYS + PERSON, where={"country": "DE"}))
    sharing.cycle()
    assert len(sharing.vendors.prm_leads()) == 1
    sharing.vendors.sf.org.update("Lead", crm_id, {"Country": "Vietnam"})
    sharing.pull(("crm", "Lead"))
    refine(sharing.app)
    [planned] = plan(sharing.app, "prm", "leads")
    assert [i.op for i in planned.intents] == ["delete"]
    push(sharing.app, "prm", "leads")
    assert sharing.vendors.prm_leads() == []
    last = sharing.rows("SELECT kind, fields FROM ops.share_log ORDER BY id DESC LIMIT 1")
    assert last == [{"kind": "revoked", "fields": ["*"]}]
    assert plan(sharing.app, "prm", "leads")[0].intents == []


@pytest.mark.parametrize(
    ("flag", "hidden"),
    [("HasOptedOutOfEmail", ["email"]), ("DoNotCall", ["phone"]), ("Do_Not_Share__c", ["email", "phone", "last_name"])],
)
def test_a_flag_in_the_crm_keeps_back_what_the_person_does_not_want_to_leave(
    sharing: Bench, flag: str, hidden: list[str]
) -> None:
    crm_id = sharing.vendors.lead("Muñoz", Email="m@munoz.example", Phone="+49 30 901820")
    say(sharing, entry(KEYS + PERSON))
    sharing.cycle()
    assert (at_the_prm(sharing)["email"], at_the_prm(sharing)["phone"]) == ("m@munoz.example", "+4930901820")
    sharing.vendors.sf.org.update("Lead", crm_id, {flag: True})
    sharing.cycle()
    left = [dict(row["meta"]) for row in sharing.vendors.prm_leads()] or [{}]
    assert [n for n in ("email", "phone", "last_name") if not left[0].get(n)] == hidden


def test_fields_leave_masked_and_more_for_a_tier_when_the_partner_reaches_it(sharing: Bench) -> None:
    sharing.vendors.lead("Nguyễn Văn", Email="v@v.example", City="Huế")
    say(
        sharing,
        entry([*KEYS, "last_name", "email", "city", "country"],
              mask={"last_name": "initials", "email": "hash", "city": "country"}),
        entry(["last_name"], tiers=["gold"], purpose="gold partners call by name"),
    )  # fmt: skip
    sharing.cycle()
    seen = at_the_prm(sharing)
    assert (seen["last_name"], seen["city"]) == ("N. V.", "DE")
    assert len(seen["email"]) == 32
    masked = sharing.rows("SELECT masked FROM ops.share_log ORDER BY id")[0]["masked"]
    assert sorted(masked) == ["city=country", "email=hash", "last_name=initials"]
    with sharing.app.db.begin() as tx:
        tx.exec_driver_sql("UPDATE core.partner SET tier = 'gold', touched = nextval('core.change_seq')")
    push(sharing.app, "prm", "leads")
    assert at_the_prm(sharing)["last_name"] == "Nguyễn Văn"
    latest = sharing.rows("SELECT purpose, fields FROM ops.share_log WHERE purpose LIKE 'gold%'")
    assert latest == [{"purpose": "gold partners call by name", "fields": ["last_name"]}]


def test_an_entry_ends_with_its_last_day_without_any_change_of_the_record(sharing: Bench) -> None:
    sharing.vendors.lead("Weber", Phone="+49 30 901820")
    say(sharing, entry([*KEYS, "last_name"]), entry(["phone"], until=str(sharing.clock.at.date())))
    sharing.cycle()
    assert at_the_prm(sharing)["phone"] == "+4930901820"
    sharing.clock.advance(days=1)
    push(sharing.app, "prm", "leads")
    assert not at_the_prm(sharing).get("phone")


def test_without_a_key_a_policy_that_hashes_stops_the_push_before_anything_is_sent(sharing: Bench) -> None:
    sharing.app.settings = sharing.app.settings.model_copy(update={"hash_key": None})
    sharing.vendors.lead()
    say(sharing, entry([*KEYS, "email"], mask={"email": "hash"}))
    sharing.pull()
    with pytest.raises(ConfigError, match="PRM_SYNC_HASH_KEY"):
        push(sharing.app, "prm", "leads")
    assert sharing.vendors.bodies() == []
