"""500 random policies, each pushed to the emulated PRM: what one denies is in no request, no log and no error text."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from leaking import KEY, PARTNERS, fields_of, form, policies, texts_of
from pydantic import SecretStr
from workbench import Bench, Vendors

from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.route import route
from prm_sync.rules.disclosure import Audience

POLICIES = 500
WIDE = {"max_delete": 10_000, "max_update_share": 1.0, "max_blank_share": 1.0, "max_gone_share": 1.0}
WORDS = {
    "FirstName": "玉蘭 Zq{n}a", "LastName": "رضایی Zq{n}b", "Title": "Giám đốc Zq{n}c", "Company": "Muñoz Zq{n}d GmbH",
    "Email": "zq{n}e@zq{n}f.example", "Phone": "+49301234{n}1", "MobilePhone": "+4917012345{n}2",
    "Website": "zq{n}g.example", "Street": "شارع Zq{n}h", "City": "Añelo Zq{n}i", "State": "Zq{n}j",
    "PostalCode": "Zq{n}k", "Description": "máy in Zq{n}l", "Product_Interest__c": "Zq{n}m",
    "Consent_Evidence__c": "formulario Zq{n}n",
}  # fmt: skip
PEOPLE: tuple[dict[str, Any], ...] = (
    {"Country": "VN"}, {"Country": "DE", "HasOptedOutOfEmail": True, "DoNotCall": True},
    {"Country": "DE", "Consent_Evidence__c": None, "Status": "Qualified"}, {"Country": "VN", "Do_Not_Share__c": True},
)  # fmt: skip


@pytest.fixture
def offered(make_bench: Callable[..., Bench], vendors: Vendors) -> Bench:
    """Leads, each with texts that stand nowhere else, offered to partners of several levels; nothing is pushed yet."""
    bench = make_bench(vendors.connections(prm={"limits": WIDE}))
    bench.app.settings = bench.app.settings.model_copy(update={"hash_key": SecretStr(KEY.decode())})
    for n, (key, tier, programme) in enumerate(p for p in PARTNERS if p[0]):
        id_ = vendors.partner(str(key), territories="DE,VN", weekly_capacity=2 - bool(n), tier=tier)
        vendors.ps.store["partnerships"].update(id_, {"group": {"name": programme} if programme else None})
    for n, person in enumerate(PEOPLE):
        texts = {name: text.format(n=n) for name, text in WORDS.items()}
        vendors.lead("", **{**texts, **person})
    bench.pull()
    bench.clock.advance(seconds=10)
    refine(bench.app)
    route(bench.app)
    return bench


def known_of(bench: Bench) -> list[tuple[Audience, dict[str, Any]]]:
    """Each offered lead with all that is known of it, and who gets it."""
    rows = bench.rows(
        "SELECT g.*, f.*, p.tier AS partner_tier, p.group_name AS programme FROM core.lead g "
        "JOIN core.lead_facts f ON f.id = g.id JOIN core.partner p ON p.id = f.offer_partner_id ORDER BY g.arrived"
    )
    return [(Audience("prm/leads", r["offer_partner_key"], r["partner_tier"], r["programme"]), r) for r in rows]


def test_what_500_random_policies_deny_is_in_no_request_log_or_error_text(
    offered: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="prm_sync")
    rng = random.Random(20261122)
    people, texts = known_of(offered), [n for n in texts_of("lead") if n in fields_of("lead")]
    assert len(people) >= 3
    sent = refused = shown = denied = 0
    for n, policy in enumerate(policies(rng, POLICIES, "lead")):
        offered.app.policies = replace(offered.app.policies, sharing=policy)
        offered.vendors.forget_calls()
        caplog.clear()
        if n % 5 == 4:  # the remote quotes what it was sent in its refusal
            offered.vendors.ps.faults.status(400, method="P*", times=1)
        push(offered.app, "prm", "leads")
        offered.clock.advance(seconds=1)
        bodies = offered.vendors.bodies()
        sent += bool(bodies)
        requests = json.dumps([bodies, [c.path for c in offered.vendors.ps.calls.writes()]], ensure_ascii=False)
        told = json.dumps(
            offered.rows(
                "SELECT message FROM ops.run UNION ALL SELECT message FROM ops.outbox "
                "UNION ALL SELECT reason FROM ops.quarantine UNION ALL SELECT message FROM ops.alert"
            ), ensure_ascii=False,
        )  # fmt: skip
        logs = "\n".join(f"{r.getMessage()} {vars(r)}" for r in caplog.records if r.name.startswith("prm_sync"))
        for who, row in people:
            for name in texts:
                if not row[name] or name in ("offer_partner_name", "offer_partner_key", "offer_key", "id"):
                    continue
                assert row[name] not in logs, (n, name)
                assert row[name] not in told, (n, name)
                if None in form(policy, who, row, "lead", name):
                    shown += row[name] in requests
                else:
                    denied += 1
                    assert row[name] not in requests, (n, name, row[name])
    refused = len(offered.rows("SELECT FROM ops.outbox WHERE code IS NOT NULL"))
    assert min(sent, shown, refused) > 50, (sent, shown, refused)
    assert denied > 1000
