"""The asset of targets' pacing, and its check that says how many are behind plan."""

import dagster as dg
import pytest

from prm_sync.flows.measure import measure
from prm_sync.flows.pull import pull
from prm_sync.flows.refine import refine
from prm_sync.orchestration import checks
from prm_sync.orchestration.catalogue import read_catalogue
from prm_sync.orchestration.definitions import definitions_of
from prm_sync.orchestration.keys import MARTS

HEADER = ("Partner Key", "Metric", "Quantity", "Period Start", "Period End")


@pytest.fixture
def folder(project):
    streams = {"partners": {"file": "partners.csv", "key": "Partner Key"},
               "targets": {"file": "targets.csv", "key": ["Partner Key", "Metric"]}}  # fmt: skip
    config = {"folder": str(project.folder / "data"), "snapshot": True, "streams": streams}
    project.write(connections={"portal": {"connector": "files", "config": config, "streams": list(streams)}})
    project.csv("partners.csv", ("Partner Key", "Name"), [("alnoor", "شركة النور")])
    return project


@pytest.mark.parametrize(
    ("begun", "passed"), [("2027-02-28", True), ("2027-02-01", False)], ids=["early days", "half of the time is over"]
)
def test_the_check_warns_of_targets_behind_plan_and_names_the_command(folder, begun, passed):
    folder.csv("targets.csv", HEADER, [("alnoor", "Deals", 5, begun, "2027-03-31")])
    with folder.open() as app:
        for stream in ("partners", "targets"):
            pull(app, "portal", stream)
        refine(app)
        measure(app, ["pacing"])
        [found] = checks.mart_results("pacing", MARTS["pacing"], app)
    assert (found.check_name, found.passed) == ("nobody_is_behind_plan", passed)
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert found.metadata["wrong"].value == (0 if passed else 1)
    assert "prm-sync targets --behind" in found.metadata["look"].value


def test_targets_are_an_asset_made_of_what_counts_for_them_where_there_are_any(folder):
    defs = definitions_of(read_catalogue(folder.settings), opener=lambda: None, settings=lambda: folder.settings)
    up = {s.key.path[-1]: {d.asset_key.path[-1] for d in s.deps} for s in defs.resolve_all_asset_specs()}
    assert up["mart_target_pacing"] == {"core_partner", "core_target"}
