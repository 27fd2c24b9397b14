"""Web server and daemon as `prm-sync up` starts them: runs, crashes, and what the web UI shows."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import browser as chromium
import psutil
import pytest
from installation import Sandbox, installation

from prm_sync.connect.emulator import Fault
from prm_sync.errors import WarehouseError
from prm_sync.orchestration import services

pytestmark = pytest.mark.e2e

NEVER = 'schedules: {pull: "0 0 1 1 *", measure: "0 0 1 1 *"}\n'  # the tests start every run themselves
UP = (
    "import os, sys; from prm_sync.settings import Settings; from prm_sync.orchestration.services import up; "
    "raise SystemExit(up(Settings.from_env(os.environ), int(sys.argv[1]), say=lambda words: print(words, flush=True)))"
)
LAUNCH = """mutation L($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUNS = """{ runsOrError { ... on Runs { results { runId jobName status tags { key value }
  stats { ... on RunStatsSnapshot { stepsFailed } } } } } }"""
ASSET = """query A($k: AssetKeyInput!) { assetOrError(assetKey: $k) { ... on Asset { assetMaterializations(limit: 1) {
  runId metadataEntries { label ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text } } } } } }"""
SCREENSHOTS = os.environ.get("PRM_SYNC_SCREENSHOTS")  #: a folder to keep the pictures in


@dataclass
class Up:
    """A running installation."""

    sandbox: Sandbox
    url: str
    process: subprocess.Popen[str]

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found["errors"]
        return found["data"]

    def launch(self, job: str) -> str:
        selector = {"repositoryLocationName": "prm_sync", "repositoryName": "__repository__", "jobName": job}
        params = {"selector": selector, "runConfigData": {}, "executionMetadata": {"tags": []}}
        made = self.ask(LAUNCH, p=params)["launchPipelineExecution"]
        assert made["__typename"] == "LaunchRunSuccess", made
        return made["run"]["runId"]

    def runs(self) -> dict[str, dict[str, Any]]:
        found = self.ask(RUNS)["runsOrError"]["results"]
        return {r["runId"]: {**r, "tags": {t["key"]: t["value"] for t in r["tags"]}} for r in found}

    def until(self, true: Any, within_s: float, what: str) -> Any:
        deadline = time.monotonic() + within_s
        while not (found := true()):
            assert time.monotonic() < deadline, f"waited {within_s} s for {what}: {self.runs()}"
            time.sleep(0.3)
        return found

    def ended(self, run_id: str, within_s: float = 240) -> str:
        over = ("SUCCESS", "FAILURE", "CANCELED")
        self.until(lambda: self.runs()[run_id]["status"] in over, within_s, f"the end of {run_id}")
        return str(self.runs()[run_id]["status"])

    def service(self, name: str) -> psutil.Process:
        noted = json.loads((self.sandbox.settings.home / "services.json").read_text())
        return psutil.Process(noted["services"][name][0])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(sandbox: Sandbox) -> Up:
    port = free_port()
    env = {**os.environ, **sandbox.env}
    command = [sys.executable, "-c", UP, str(port)]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, cwd="/")
    made = Up(sandbox, f"http://127.0.0.1:{port}", process)
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "prm-sync is up" in line:
            return made
    raise AssertionError("".join(said))


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    with installation(NEVER) as sandbox:
        shipped = (services.SHIPPED / "dagster.yaml").read_text()
        quick = shipped.replace("poll_interval_seconds: 15", "poll_interval_seconds: 3")  # a project may have its own
        (sandbox.folder / "dagster.yaml").write_text(quick)
        made = start(sandbox)
        yield made
        made.process.send_signal(signal.SIGINT)
        made.process.communicate(timeout=120)
        assert made.process.returncode == 0
        assert not services.health(made.url).ready


def test_a_sync_through_the_daemon_ends_well_and_shows_its_numbers(up):
    run_id = up.launch("sync_all")
    assert up.ended(run_id) == "SUCCESS"
    found = up.ask(ASSET, k={"path": ["raw_crm__Lead"]})["assetOrError"]["assetMaterializations"][0]
    entries = {e["label"]: e.get("intValue", e.get("text")) for e in found["metadataEntries"]}
    assert found["runId"] == run_id
    assert (entries["dagster/row_count"], entries["read"], entries["state"]) == (20, 20, "done")
    assert len(up.sandbox.prm.store.snapshot()["leads"]) == 20


def test_a_second_up_of_the_same_installation_is_refused(up):
    with pytest.raises(WarehouseError, match="is up already"):
        services.up(up.sandbox.settings, free_port())


@pytest.mark.crash
def test_after_a_kill_of_everything_the_run_is_failed_and_its_retry_goes_on_from_the_cursor(up):
    sandbox = up.sandbox
    page = 200
    sandbox.crm.load("Lead", sandbox.leads(5 * page, start=10_000))
    path = sandbox.folder / "prm_sync.yaml"
    text = path.read_text()
    path.write_text(text.replace("{instance_url", f"{{page_size: {page}, instance_url"))
    sandbox.crm.faults.add(Fault(kind="slow", times=None, path="*/query*", delay_s=2.0))
    staged = "SELECT count(*) FROM raw.record WHERE connection = 'crm'"
    try:
        run_id = up.launch("sync_crm")
        before = sandbox.query(staged)[0][0]
        up.until(lambda: sandbox.query(staged)[0][0] > before, 120, "the first page")
        daemon = up.service("daemon")
        victims = [*daemon.children(recursive=True), daemon]  # its code servers and the run's worker, too
        for victim in victims:
            victim.kill()
        kept = sandbox.query(staged)[0][0]
        assert before < kept < before + 5 * page, "killed too late to show anything"
        sandbox.crm.faults.clear()
        assert up.runs()[run_id]["status"] == "STARTED"
        assert up.ended(run_id, within_s=240) == "FAILURE"  # `up` starts the daemon again, which looks for the worker
    finally:
        sandbox.crm.faults.clear()
        path.write_text(text)

    def retry():
        return next((r for r in up.runs().values() if r["tags"].get("dagster/parent_run_id") == run_id), None)

    again = up.until(retry, 180, "the retry")
    assert up.ended(again["runId"]) == "SUCCESS"
    assert sandbox.query(staged)[0][0] == before + 5 * page
    counts = "SELECT counts, state FROM ops.run WHERE verb = 'pull' AND target = 'crm.Lead' AND dagster_run_id = :run"
    (numbers, state) = sandbox.query(counts, run=again["runId"])[0]
    assert state == "done"
    assert numbers["new"] == before + 5 * page - kept, "what was committed before the kill is not news again"
    assert {r["status"] for r in up.runs().values()} <= {"SUCCESS", "FAILURE"}


def test_a_refused_login_is_the_headline_of_its_run_an_alert_and_no_hindrance_to_others(up):
    sandbox = up.sandbox
    sandbox.prm.faults.add(Fault(kind="status", times=None, status=403, path="*"))
    sandbox.crm.load("Lead", sandbox.leads(1, start=90_000))
    try:
        run_id = up.launch("sync_all")
        assert up.ended(run_id) == "FAILURE"
        alert = "SELECT message FROM ops.alert WHERE kind = 'run_failed' AND dagster_run_id = :run"
        (message,) = up.until(lambda: sandbox.query(alert, run=run_id), 180, "the alert")[0]
        assert message.startswith(("prm.leads: GET", "prm.partnerships: GET"))
        go_on = up.until(
            lambda: [r for r in up.runs().values() if r["tags"].get("prm_sync/after") == run_id], 180, "the delivery"
        )[0]
        up.ended(go_on["runId"])
    finally:
        sandbox.prm.faults.clear()
    found = "SELECT count(*) FROM core.lead WHERE last_name = 'Lead 90000'"
    assert sandbox.query(found)[0][0] == 1, "the lead was refined although the PRM was away"


# --- what people see ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    if chromium.PROGRAM is None:
        pytest.skip("there is no Chromium here: the web UI is not looked at (install chromium to do so)")
    opened = chromium.Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


def keep(tab: chromium.Browser, name: str) -> None:
    if SCREENSHOTS:
        tab.screenshot(Path(SCREENSHOTS) / f"{name}.png")


def test_the_lineage_graph_leads_from_the_leads_of_the_crm_to_the_push_to_partners(up, tab):
    tab.open(f"{up.url}/assets/push_prm__leads?view=lineage&lineageScope=upstream&lineageDepth=5")
    tab.wait_for("crm__Lead", "raw_crm__Lead", "core_lead", "core_partner", "ledger_lead_offer", "push_prm__leads")
    keep(tab, "lineage")
    tab.open(f"{up.url}/asset-groups")
    tab.wait_for("crm", "prm", "core", "ledger", "mart", "push")
    keep(tab, "groups")
    assert "Join the Dagster community" not in tab.text()


def test_a_failed_run_says_in_its_page_what_happened(up, tab):
    failed = [r for r in up.runs().values() if r["status"] == "FAILURE" and r["jobName"] == "sync_all"]
    tab.open(f"{up.url}/runs/{failed[0]['runId']}")
    tab.wait_for("prm.leads: ")
    keep(tab, "failed-run")


def test_an_asset_page_shows_row_counts_columns_and_the_way_of_each_field(up, tab):
    tab.open(f"{up.url}/assets/core_lead")
    tab.wait_for("Row count", "from Lead.Email (crm), leads.meta.email (prm).", "source to target")
    keep(tab, "asset")
    told = ("source\ttransform\ttarget", "crm.Lead.Email\tread as email\tlead.email")
    tab.click("[Show Markdown]", after="source to target", shows=told)
    keep(tab, "source-to-target")
