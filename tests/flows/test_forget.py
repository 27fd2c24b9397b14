"""Forgetting a person, over both emulated vendors and a real warehouse."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from workbench import Bench

from prm_sync.errors import ConfigError
from prm_sync.flows.forget import forget
from prm_sync.flows.reconcile import reconcile
from prm_sync.rules.sharing import SharingPolicy

KEY = "a secret of the tests"
WHO = {"FirstName": "玉蘭Zq1", "Email": "an@zq9.example", "City": "Huế Zq3", "Description": "máy in Zq4"}
TRACES = ("阮氏Zq2", "玉蘭Zq1", "zq9.example", "Huế Zq3", "máy in Zq4")


@pytest.fixture
def keyed(bench: Bench) -> Bench:
    bench.app.settings = bench.app.settings.model_copy(update={"hash_key": SecretStr(KEY)})
    bench.vendors.partner("nordwind")
    return bench


def tables_that_say(bench: Bench, texts: tuple[str, ...]) -> list[str]:
    """Tables of the warehouse in which one of these texts stands, whatever the column."""
    found = []
    with bench.app.db.begin() as tx:
        for name in bench.app.tables.metadata.tables:
            schema, _, table = name.partition(".")
            query = f'SELECT count(*) FROM {schema}."{table}" t WHERE to_jsonb(t)::text LIKE ANY(:texts)'
            if tx.execute(sa.text(query), {"texts": [f"%{t}%" for t in texts]}).scalar_one():
                found.append(name)
    return found


def test_a_forgotten_person_is_in_no_table_and_not_in_the_prm_and_no_pull_brings_them_back(
    keyed: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    person = keyed.vendors.lead("阮氏Zq2", **WHO)
    other = keyed.vendors.lead("رضایی")
    keyed.cycle()
    keyed.vendors.sf.org.update("Lead", person, {"City": "Huế Zq3 Nord"})
    keyed.cycle()
    keyed.cycle()
    assert {"raw.record", "core.lead", "core.lead_past", "ops.outbox"} <= set(tables_that_say(keyed, TRACES))
    assert len(keyed.vendors.prm_leads()) == 2
    caplog.clear()
    receipt = forget(keyed.app, " AN@zq9.example ")
    assert receipt.report.state == "done"
    assert receipt.deleted == {"prm.leads": 1}
    assert (receipt.left, receipt.kept_by_crm) == ({}, {"crm.Lead": 1})
    assert receipt.removed["core.lead"] == 1
    assert receipt.removed["raw.record"] == 2
    assert tables_that_say(keyed, TRACES) == []
    assert [r["meta"]["last_name"] for r in keyed.vendors.prm_leads()] == ["رضایی"]
    assert not any(t in f"{r.getMessage()} {vars(r)}" for r in caplog.records for t in TRACES if "prm_sync" in r.name)

    keyed.vendors.sf.org.update("Lead", person, {"City": "Huế Zq3 Süd"})
    keyed.vendors.lead("阮氏Zq2", **{**WHO, "Company": "Another GmbH"})
    keyed.cycle()
    with keyed.app.db.begin() as tx:
        tx.exec_driver_sql("UPDATE raw.cursor SET cursor = NULL")
    keyed.cycle()
    reconcile(keyed.app, "crm", "Lead", repair=True)
    assert tables_that_say(keyed, TRACES) == []
    assert len(keyed.vendors.prm_leads()) == 1
    left = keyed.one("SELECT records FROM raw.cursor WHERE stream = 'Lead'")["records"]
    assert left == keyed.one("SELECT count(*) AS n FROM raw.record WHERE stream = 'Lead'")["n"] == 1
    assert keyed.one("SELECT remote_id FROM raw.record WHERE stream = 'Lead'")["remote_id"] == other
    again = forget(keyed.app, "an@zq9.example")
    assert (again.removed, again.deleted) == ({}, {})


def test_without_its_key_a_pull_does_not_begin_once_somebody_was_forgotten(keyed: Bench) -> None:
    keyed.vendors.lead("Weber")
    keyed.cycle()
    forget(keyed.app, "weber@weber-gmbh.example")
    keyed.app.settings = keyed.app.settings.model_copy(update={"hash_key": None})
    with pytest.raises(ConfigError, match="PRM_SYNC_HASH_KEY"):
        keyed.pull(("crm", "Lead"))
    with pytest.raises(ConfigError, match="PRM_SYNC_HASH_KEY"):
        forget(keyed.app, "weber@weber-gmbh.example")


def test_a_person_that_the_prm_does_not_let_go_is_on_the_receipt_and_deleted_by_the_next_push(keyed: Bench) -> None:
    keyed.vendors.lead("Muñoz", Email="m@munoz.example")
    keyed.cycle()
    keyed.vendors.ps.faults.status(503, method="DELETE", times=1)
    receipt = forget(keyed.app, "m@munoz.example")
    assert (receipt.deleted, receipt.left) == ({}, {"prm.leads": 1})
    keyed.clock.advance(hours=2)
    keyed.push()
    assert keyed.vendors.prm_leads() == []
    assert tables_that_say(keyed, ("munoz.example", "Muñoz")) == []


def test_forgetting_one_sends_nothing_of_another_that_may_no_longer_be_shared(keyed: Bench) -> None:
    keyed.vendors.lead("Weber")
    keyed.vendors.ps.faults.status(503, method="POST", times=1)
    keyed.cycle()
    assert keyed.vendors.prm_leads() == []
    assert keyed.rows("SELECT state FROM ops.outbox WHERE connection = 'prm'") != []
    keyed.app.policies = replace(keyed.app.policies, sharing=SharingPolicy())
    keyed.vendors.forget_calls()
    keyed.clock.advance(hours=2)
    forget(keyed.app, "somebody@else.example")
    assert keyed.vendors.bodies() == []
    keyed.push()
    assert keyed.vendors.bodies() == []
