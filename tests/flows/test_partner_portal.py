"""Shipping notices, needs and signals in a portal's folder: shipped mappings and policies, real vendors and files."""

from __future__ import annotations

import csv
import json
import logging
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from workbench import Bench, Vendors

from prm_sync.flows.disclosing import seen_of
from prm_sync.flows.forget import forget
from prm_sync.flows.measure import measure
from prm_sync.flows.push import plan, push
from prm_sync.flows.refine import refine
from prm_sync.rules.sharing import SharingPolicy

COLUMNS = {
    "shipping_notices": ["Key", "Partner", "Order", "Status", "Product", "Promised", "Shipped", "Carrier", "Tracking",
                         "Delivered", "City", "Postcode", "Country"],
    "needs": ["Key", "Partner", "Date", "Subject", "Theme", "Product", "Country", "Score", "Scale", "Text"],
    "market_signals": ["Key", "Partner", "Month", "Measure", "Country", "Region", "Product", "Direction", "About",
                       "Times"],
}  # fmt: skip
CRM = ["Account", "Contact", "Lead", "Order", "Feedback__c"]
STREAMS = tuple(COLUMNS)
NOTICES = "shipping_notices"


@pytest.fixture
def portal(make_bench: Callable[..., Bench], vendors: Vendors, tmp_path: Path) -> Bench:
    folder = tmp_path / "portal"
    folder.mkdir()
    writes = {name: {"key": "Key", "columns": columns} for name, columns in COLUMNS.items()}
    drop = {
        "connector": "files", "kind": "prm", "config": {"folder": str(folder), "writes": writes},
        "streams": list(COLUMNS), "limits": {"max_update_share": 1.0},
    }  # fmt: skip
    bench = make_bench({**vendors.connections(crm={"streams": CRM}), "portal": drop})
    bench.app.settings = bench.app.settings.model_copy(update={"hash_key": SecretStr("a secret of the tests")})
    return bench


def cycle(bench: Bench, *streams: str) -> dict[str, int]:
    """Pull, refine, measure, push; how many changes each stream of the portal got, and the orders of the CRM.

    `streams`: only these of the portal, and of the CRM orders; all: everything.
    """
    ours = streams or STREAMS
    theirs = ["Order"] if streams else CRM
    bench.pull(*(("crm", s) for s in theirs), *(() if streams else [("prm", "partnerships")]),
               *(("portal", s) for s in ours))  # fmt: skip
    bench.clock.advance(seconds=10)
    refine(bench.app, ["order"] if streams else None)
    if not streams:
        measure(bench.app)
    bench.clock.advance(seconds=10)
    done = {s: push(bench.app, "portal", s).numbers.get("written", 0) for s in ours}
    done["Order"] = push(bench.app, "crm", "Order").numbers.get("written", 0)
    bench.clock.advance(minutes=10)
    return done


def path_of(bench: Bench, name: str) -> Path:
    return bench.app.source.root / "portal" / f"{name}.csv"


def table(bench: Bench, name: str) -> list[dict[str, str]]:
    path = path_of(bench, name)
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as f:
        return list(csv.DictReader(f))


def partner(bench: Bench, key: str, **fields: Any) -> str:
    """A partner in both systems; its account's id in the CRM."""
    bench.vendors.partner(key, **fields)
    row = {"Name": key.title(), "Type": "Partner", "Prm_Partner_Key__c": key, "BillingCountry": "VN"}
    return bench.vendors.sf.load("Account", [row])[0]


def order(bench: Bench, of: str | None, **values: Any) -> str:
    customer = bench.vendors.sf.load("Account", [{"Name": "مشتري Zq0", "Type": "Other", "BillingCountry": "VN"}])[0]
    row = {
        "AccountId": customer, "Status": "Activated", "EffectiveDate": "2027-03-01", "Prm_Partner__c": of,
        "Promised_Date__c": "2027-03-05", "Product__c": "Máy bơm", "ShippingCity": "Huế", "ShippingCountry": "Vietnam",
        "TotalAmount": 900.0, "Delivery_Preference__c": "sáng, hỏi bà Zq1",
    }  # fmt: skip
    return bench.vendors.sf.load("Order", [{**row, **values}])[0]


def test_an_order_is_told_to_its_partner_when_it_ships_and_its_arrival_is_told_to_the_crm(portal: Bench) -> None:
    mine = partner(portal, "saigon")
    made = order(portal, mine)
    order(portal, None)
    order(portal, mine, Promised_Date__c=None)
    assert cycle(portal)["shipping_notices"] == 1
    [notice] = table(portal, "shipping_notices")
    assert notice | {"Key": ""} == {
        "Key": "", "Partner": "saigon", "Order": portal.vendors.crm_row("Order", made)["OrderNumber"],
        "Status": "confirmed", "Product": "Máy bơm", "Promised": "2027-03-05", "Shipped": "", "Carrier": "",
        "Tracking": "", "Delivered": "", "City": "Huế", "Postcode": "", "Country": "VN",
    }  # fmt: skip
    portal.vendors.sf.org.update(
        "Order", made, {"Status": "Shipped", "Shipped_At__c": "2027-03-02T08:00:00.000+0000", "Carrier__c": "VNPost"}
    )
    assert cycle(portal, NOTICES)["shipping_notices"] == 1
    [notice] = table(portal, "shipping_notices")
    assert (notice["Status"], notice["Carrier"]) == ("shipped", "VNPost")
    assert sum(cycle(portal, NOTICES).values()) == 0
    path = path_of(portal, "shipping_notices")
    head, row, *_ = path.read_text(encoding="utf-8-sig").splitlines()
    cells = dict(zip(head.split(","), row.split(","), strict=True))
    path.write_text(f"{head}\n{','.join((cells | {'Delivered': '2027-03-04'}).values())}\n", encoding="utf-8-sig")
    assert cycle(portal, NOTICES)["Order"] == 1
    assert portal.vendors.crm_row("Order", made)["Delivered_At__c"].startswith("2027-03-04T00:00:00")
    assert [sum(cycle(portal, NOTICES).values()), sum(cycle(portal).values())] == [0, 0]
    assert table(portal, "shipping_notices")[0]["Delivered"].startswith("2027-03-04")


def test_what_a_customer_says_reaches_the_partner_who_serves_it_only_with_consent(portal: Bench) -> None:
    mine = partner(portal, "saigon")
    rows = [
        {"Partner__c": mine, "Subject__c": "Product", "Theme__c": "备件", "Text__c": "需要备件 Zq1", **more}
        for more in (
            {"Consent_Evidence__c": "phiếu 7"}, {"Consent_Evidence__c": None},
            {"Consent_Evidence__c": "phiếu 8", "Do_Not_Share__c": True},
            {"Consent_Evidence__c": "phiếu 9", "Subject__c": "Partner"},
        )
    ]  # fmt: skip
    said = portal.vendors.sf.load("Feedback__c", rows)
    assert cycle(portal)["needs"] == 1
    [need] = table(portal, "needs")
    assert (need["Partner"], need["Theme"], need["Text"]) == ("saigon", "备件", "需要备件 Zq1")
    [one] = portal.rows("SELECT id FROM core.feedback WHERE consent_evidence = 'phiếu 7'")
    [seen] = seen_of(portal.app, "feedback", one["id"], None)
    assert (seen.partner.key, seen.told.values["theme"]) == ("saigon", "备件")
    portal.vendors.sf.org.update("Feedback__c", said[0], {"Consent_Evidence__c": None})
    [planned] = plan(portal.app, "portal", "needs")
    assert planned.intents == []
    assert cycle(portal)["needs"] == 1
    assert table(portal, "needs") == []
    log = portal.rows("SELECT kind, entity, partner_key FROM ops.share_log WHERE stream = 'needs' ORDER BY id")
    assert [(r["kind"], r["entity"], r["partner_key"]) for r in log] == [
        ("shared", "feedback", "saigon"), ("revoked", "feedback", "saigon")
    ]  # fmt: skip


def test_what_a_forgotten_person_has_said_is_gone_from_the_warehouse_and_the_portal(portal: Bench) -> None:
    mine = partner(portal, "saigon")
    contact = portal.vendors.sf.load("Contact", [{"LastName": "Nguyễn", "Email": "an@zq9.example"}])[0]
    words = {"Partner__c": mine, "Subject__c": "Product", "Consent_Evidence__c": "phiếu 7"}
    portal.vendors.sf.load(
        "Feedback__c", [{**words, "Contact__c": contact, "Text__c": "bí mật Zq2"}, {**words, "Text__c": "khác"}]
    )
    assert cycle(portal)["needs"] == 2
    assert len(table(portal, "needs")) == 2
    receipt = forget(portal.app, "an@zq9.example")
    assert receipt.deleted == {"portal.needs": 1}
    assert [r["Text"] for r in table(portal, "needs")] == ["khác"]
    assert receipt.kept_by_crm == {"crm.Contact": 1, "crm.Feedback__c": 1}
    assert sum(cycle(portal).values()) == 0
    told = portal.rows(
        "SELECT to_jsonb(r)::text AS t FROM raw.record r UNION ALL SELECT to_jsonb(f)::text FROM core.feedback f"
    )
    assert not any("Zq2" in r["t"] for r in told)
    assert [r["Text"] for r in table(portal, "needs")] == ["khác"]


def test_signals_of_demand_reach_the_portal_in_numbers_only(portal: Bench) -> None:
    partner(portal, "saigon", territories="VN")
    at = portal.clock.at
    for n in range(24):
        when = at - timedelta(days=20 if n >= 8 else 50)
        portal.vendors.lead(
            f"Zq{n}", "Vietnam", Product_Interest__c="Máy bơm", Company=f"Zq{n} Co", Website=f"zq{n}.example",
            CreatedDate=f"{when:%Y-%m-%dT%H:%M:%S}.000+0000",
        )  # fmt: skip
    assert cycle(portal)["market_signals"] == 1
    [signal] = table(portal, "market_signals")
    assert signal | {"Key": ""} == {
        "Key": "", "Partner": "saigon", "Month": "2027-02-01", "Measure": "leads", "Country": "VN", "Region": "",
        "Product": "Máy bơm", "Direction": "rise", "About": "15", "Times": "6",
    }  # fmt: skip
    assert "Zq" not in json.dumps(signal)
    assert sum(cycle(portal).values()) == 0


def test_no_file_log_or_error_text_holds_what_random_policies_deny(
    portal: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    rng = random.Random(11)
    texts = {
        "product": "水泵Zq1", "carrier": "Viettel Zq2", "tracking": "Zq3-77", "city": "شیراز Zq4", "postcode": "Zq5 71"
    }  # fmt: skip
    crm = dict(zip(texts, ("Product__c", "Carrier__c", "Tracking_Number__c", "ShippingCity", "ShippingPostalCode"),
                   strict=True))  # fmt: skip
    made = order(portal, partner(portal, "saigon"), **{crm[n]: v for n, v in texts.items()})
    portal.app.policies = replace(portal.app.policies, sharing=SharingPolicy())
    shown: Counter[str] = Counter()
    for n in range(7):
        fields = rng.sample(list(texts), rng.randint(0, 5))
        mask = {f: "hash" for f in fields if rng.random() < 0.3}
        grant = {"streams": ["shipping_notices"], "entity": "order", "purpose": f"try {n}", "pii": ["none", "company"],
                 "fields": fields, "mask": mask}  # fmt: skip
        portal.app.policies = replace(portal.app.policies, sharing=SharingPolicy.model_validate({"grants": [grant]}))
        portal.vendors.sf.org.update("Order", made, {"PoNumber": str(n)})
        caplog.clear()
        cycle(portal, NOTICES) if n else cycle(portal)
        content = path_of(portal, "shipping_notices").read_text(encoding="utf-8-sig")
        told = json.dumps(
            portal.rows(
                "SELECT message FROM ops.run UNION ALL SELECT message FROM ops.outbox "
                "UNION ALL SELECT reason FROM ops.quarantine UNION ALL SELECT message FROM ops.alert"
            ), ensure_ascii=False,
        )  # fmt: skip
        logs = "\n".join(f"{r.getMessage()} {vars(r)}" for r in caplog.records if r.name.startswith("prm_sync"))
        for name, value in texts.items():
            plain = name in fields and name not in mask
            assert (value in content) == plain, (n, name)
            assert value not in told, name
            assert value not in logs, name
            shown[name] += plain
    assert min(shown.values()) >= 1
