"""What Dagster is given for a partners' folder: the same assets as for any stream, made by the same code."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml

from prm_sync.orchestration.catalogue import read_catalogue
from prm_sync.orchestration.definitions import definitions_of
from prm_sync.settings import PROJECT_FILE, Settings

STREAMS = {
    "shipping_notices": "order", "needs": "feedback", "market_signals": "signal", "recommendations": "recommendation",
}  # fmt: skip


@pytest.fixture
def defs(tmp_path: Path) -> dg.Definitions:
    crm = {"connector": "salesforce", "config": {}, "streams": ["Account", "Contact", "Lead", "Order", "Feedback__c"]}
    portal = {"connector": "files", "kind": "prm", "config": {"folder": "portal"}, "streams": list(STREAMS)}
    content = yaml.safe_dump({"connections": {"crm": crm, "portal": portal}})
    (tmp_path / PROJECT_FILE).write_text(content, encoding="utf-8")
    settings = Settings(project=tmp_path, home=tmp_path)

    def never() -> None:
        raise AssertionError("nothing is opened to say what there is")

    return definitions_of(read_catalogue(settings), opener=never, settings=lambda: settings)


def test_each_stream_of_the_portal_is_pushed_after_what_it_is_made_of(defs: dg.Definitions) -> None:
    up = {spec.key.path[-1]: {d.asset_key.path[-1] for d in spec.deps} for spec in defs.resolve_all_asset_specs()}
    for stream, entity in STREAMS.items():
        assert {f"raw_portal__{stream}", f"core_{entity}", "core_partner"} <= up[f"push_portal__{stream}"]
    assert "ledger_signal_audience" in up["push_portal__market_signals"]
    assert {"core_lead", "core_order", "core_account"} <= up["ledger_signal_audience"]
    assert "ledger_recommendation_audience" in up["push_portal__recommendations"]
    assert {"core_contact", "core_account", "mart_partner_service"} <= up["ledger_recommendation_audience"]


def test_the_job_that_measures_pushes_what_it_made_and_the_hourly_one_everything(defs: dg.Definitions) -> None:
    def pushed(job: str) -> set[str]:
        keys = {key.path[-1] for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys}
        return {key for key in keys if key.startswith("push_portal")}

    assert pushed("measure") == {"push_portal__market_signals", "push_portal__recommendations"}
    assert pushed("sync_all") == {f"push_portal__{stream}" for stream in STREAMS}
