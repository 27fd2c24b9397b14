"""What Dagster is given, and what a run of it does: in process, against the emulators."""

import shlex

import dagster as dg
import pytest
import typer

from prm_sync.cli import program
from prm_sync.errors import ConfigError, FencedOff, Misconfigured, QuotaSpent, Unavailable
from prm_sync.flows.report import FlowReport, State
from prm_sync.orchestration.definitions import definitions_of
from prm_sync.orchestration.edge import headlines, settled
from prm_sync.orchestration.jobs import allowed_age
from prm_sync.orchestration.project_asset import mappings_check

ASSETS = [
    "core_lead", "core_partner", "crm__Lead", "ledger_lead_offer", "ledger_signal_audience", "mart_expiry_forecast",
    "mart_partner_performance", "mart_partner_standing", "ops_field_lineage", "prm__leads", "prm__partnerships",
    "push_crm__Lead", "push_prm__leads", "raw_crm__Lead", "raw_prm__leads", "raw_prm__partnerships",
]  # fmt: skip
JOBS = ["deliver", "measure", "purge", "reconcile", "sync_all", "sync_crm", "sync_prm"]
SCHEDULES = {
    "daily_purge": "40 3 * * *", "measuring": "30 5 * * *", "reconciling": "20 2 * * 0", "sync": "0 * * * *",
}  # fmt: skip
SENSORS = ["alert_on_failure", "go_on_without", "watch"]


@pytest.fixture
def defs(sandbox):
    return definitions_of(sandbox.catalogue(), opener=sandbox.opener, settings=lambda: sandbox.settings)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(defs, job, instance):
    return defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)


def metadata(result, node):
    (made,) = result.asset_materializations_for_node(node)
    return {key: value.value for key, value in made.metadata.items()}


def checks(result):
    return {f"{c.asset_key.path[-1]}.{c.check_name}": c for c in result.get_asset_check_evaluations()}


# --- what there is -----------------------------------------------------------------------------------------------


def test_the_names_of_everything_are_as_they_were(defs):
    repository = defs.get_repository_def()
    assert sorted(spec.key.path[-1] for spec in defs.resolve_all_asset_specs()) == ASSETS
    assert sorted(name for name in repository.job_names if not name.startswith("__")) == JOBS
    assert {s.name: s.cron_schedule for s in repository.schedule_defs} == SCHEDULES
    assert sorted(s.name for s in repository.sensor_defs) == SENSORS


def test_everything_loads_and_runs_from_the_start(defs):
    dg.Definitions.validate_loadable(defs)
    repository = defs.get_repository_def()
    assert {s.default_status for s in repository.schedule_defs} == {dg.DefaultScheduleStatus.RUNNING}
    assert {s.default_status for s in repository.sensor_defs} == {dg.DefaultSensorStatus.RUNNING}


def test_lineage_leads_from_a_lead_in_the_crm_to_the_partner(defs):
    up = {spec.key.path[-1]: {d.asset_key.path[-1] for d in spec.deps} for spec in defs.resolve_all_asset_specs()}
    assert up["raw_crm__Lead"] == {"crm__Lead"}
    assert "raw_crm__Lead" in up["core_lead"]
    assert {"core_lead", "core_partner"} <= up["ledger_lead_offer"]
    assert {"core_lead", "ledger_lead_offer"} <= up["push_prm__leads"]
    assert {"core_lead", "ledger_lead_offer"} <= up["push_crm__Lead"]


def test_no_asset_is_retried_by_dagster_and_one_connection_does_one_thing_at_a_time(defs):
    made = [a for a in defs.assets if isinstance(a, dg.AssetsDefinition)]
    assert all(a.op.retry_policy is None for a in made)
    assert {a.op.pool for a in made if a.key.path[-1].endswith("prm__leads")} == {"api_prm"}


def test_an_asset_shows_where_its_columns_come_from(defs):
    spec = next(s for s in defs.resolve_all_asset_specs() if s.key.path[-1] == "core_lead")
    columns = {c.name: c for c in spec.metadata["dagster/column_schema"].columns}
    assert columns["company"].description.startswith("from Lead.Company (crm), leads.meta.company (prm). ")
    assert columns["email"].tags == {"pii": "personal"}
    assert "| crm.Lead.`Email` | read as email | lead.`email` |" in spec.metadata["source to target"].value


def test_every_command_that_an_asset_shows_is_one_that_can_be_given(defs):
    commands = typer.main.get_command(program).commands
    shown = [
        value.value.strip("`")
        for spec in defs.resolve_all_asset_specs()
        for value in spec.metadata.values()
        if isinstance(value, dg.MarkdownMetadataValue) and value.value.startswith("`prm-sync ")
    ]
    assert len(shown) >= 10
    for words in shown:
        _, name, *rest = shlex.split(words)
        parsed = commands[name].make_context(name, rest)
        assert parsed.params, words


def test_another_mapping_is_another_code_version(sandbox):
    def versions():
        specs = definitions_of(sandbox.catalogue()).resolve_all_asset_specs()
        return {s.key.path[-1]: s.code_version for s in specs}

    path = sandbox.folder / "mappings" / "salesforce" / "lead.yaml"
    text, before = path.read_text(), versions()
    try:
        path.write_text(text.replace("  country: Country\n", "  country: Country\n  city: City\n"))
        after = versions()
    finally:
        path.write_text(text)
    assert {name for name in before if before[name] != after[name]} == {"raw_crm__Lead", "core_lead", "push_crm__Lead"}


def test_a_broken_mapping_fails_a_check_and_leaves_the_rest_alone(sandbox, caplog):
    path = sandbox.mapping("salesforce/broken.yaml", "from: salesforce.Lead\nto: leed\n")
    try:
        catalogue = sandbox.catalogue()
        found = mappings_check(catalogue)
    finally:
        path.unlink()
    assert not found.passed
    assert "broken.yaml:2" in found.description
    assert 'did you mean "lead"' in found.description
    assert "broken.yaml:2" in caplog.text
    assert "lead" in catalogue.entities
    assert definitions_of(catalogue).get_repository_def().has_job("sync_all")


def test_a_wrong_project_file_is_an_error_with_its_line(sandbox):
    path = sandbox.folder / "prm_sync.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("connector: partnerstack", "connector: partnerstak"))
        with pytest.raises(ConfigError, match=r'yaml:8: .*did you mean "partnerstack"'):
            sandbox.catalogue()
    finally:
        path.write_text(text)


@pytest.mark.parametrize(
    ("cron", "warn_h", "fail_h"),
    [("0 * * * *", 1.5, 3), ("*/15 * * * *", 0.375, 0.75), ("30 5 * * *", 36, 72), ("0 8-17 * * 1-5", 63.5, 65)],
)
def test_data_may_be_late_by_one_run_and_not_by_three(cron, warn_h, fail_h):
    allowed = allowed_age(cron)
    assert (allowed.warn.total_seconds() / 3600, allowed.fail.total_seconds() / 3600) == (warn_h, fail_h)


# --- a run -------------------------------------------------------------------------------------------------------


def test_one_sync_brings_leads_from_the_crm_to_partners_and_says_what_it_did(sandbox, defs, instance):
    result = run(defs, "sync_all", instance)
    assert result.success, [e.message for e in result.all_events if e.is_failure]
    lead = metadata(result, "raw_crm__Lead")
    assert (lead["dagster/row_count"], lead["read"], lead["new"], lead["state"]) == (20, 20, 20, "done")
    assert metadata(result, "core_lead")["dagster/row_count"] == 20
    assert metadata(result, "ledger_lead_offer")["offered"] == 20
    assert len(sandbox.prm.store.snapshot()["leads"]) == 20
    assert sandbox.query("SELECT count(*) FROM ops.write_log WHERE connection = 'prm'")[0][0] > 0
    assert sandbox.query("SELECT count(DISTINCT dagster_run_id) FROM ops.run")[0][0] == 1
    assert sandbox.query("SELECT count(*) FROM ops.field_lineage WHERE direction = 'back'")[0][0] > 10
    columns = metadata(result, "core_lead")["dagster/column_lineage"].deps_by_column
    assert ("raw_crm__Lead", "Company") in {(d.asset_key.path[-1], d.column_name) for d in columns["company"]}
    assert {name for name, c in checks(result).items() if not c.passed} == set()
    assert "core_lead.records_reconcile" in checks(result)


def test_a_plan_beyond_its_limits_is_held_and_says_how_to_release_it(sandbox, defs, instance):
    path = sandbox.folder / "prm_sync.yaml"
    text = path.read_text()
    sandbox.crm.load("Lead", sandbox.leads(40, start=500))
    try:
        path.write_text(text.replace("max_update_share: 1.0", "max_update_share: 0.0"))
        result = run(defs, "sync_all", instance)
    finally:
        path.write_text(text)
    found = checks(result)["push_crm__Lead.nothing_is_held"]
    assert result.success
    assert not found.passed
    assert "prm-sync approve " in found.description
    assert metadata(result, "push_crm__Lead")["state"] == "held"
    assert checks(result)["push_prm__leads.nothing_is_held"].passed


def test_measuring_is_a_job_of_its_own(defs, instance):
    result = run(defs, "measure", instance)
    assert result.success, [e.message for e in result.all_events if e.is_failure]
    assert metadata(result, "mart_partner_performance")["dagster/row_count"] >= 3


def test_values_that_no_mapping_knows_fail_a_check_without_showing_them(sandbox, defs, instance):
    sandbox.crm.load("Lead", [{"LastName": "L", "Company": "C", "Country": "DE", "Status": "Closed - Converted"}])
    result = run(defs, "sync_crm", instance)
    found = checks(result)["raw_crm__Lead.values_are_mapped"]
    assert result.success
    assert not found.passed
    assert "| status | Status | 1 |" in found.metadata["unmapped"].value
    assert "Converted" not in str(found.metadata)


def test_a_quarantine_of_much_of_a_stream_stops_what_comes_after(sandbox, defs, instance):
    before = metadata(run(defs, "deliver", instance), "core_lead")["dagster/row_count"]
    sandbox.crm.load(
        "Lead", [{"LastName": None, "Company": None, "Country": "DE", "Status": "Open - Not Contacted"}] * 60
    )
    result = run(defs, "sync_crm", instance)
    found = checks(result)["raw_crm__Lead.quarantine_share"]
    assert not found.passed
    assert found.blocking
    assert not result.success
    assert result.asset_materializations_for_node("core_lead") == []
    assert sandbox.query("SELECT count(*) FROM core.lead WHERE deleted_at IS NULL")[0][0] == before


# --- failures ----------------------------------------------------------------------------------------------------


def failure_of(result, node):
    (event,) = [e for e in result.all_events if e.is_step_failure and e.step_key == node]
    return event.step_failure_data.user_failure_data


def test_wrong_credentials_are_the_headline_of_the_run_and_are_not_retried(sandbox, defs, instance, monkeypatch):
    monkeypatch.setitem(sandbox.env, "PRM_SECRET_KEY", "sk_live_wrong_hush")
    result = run(defs, "sync_prm", instance)
    assert not result.success
    failure = failure_of(result, "raw_prm__leads")
    assert failure.description.startswith("prm.leads: ")
    assert failure.metadata["class"].value == "misconfigured"
    assert not result.asset_materializations_for_node("raw_prm__leads")
    assert "hush" not in "".join(str(e) for e in result.all_events)


def test_a_missing_variable_is_told_with_file_and_line(sandbox, defs, instance, monkeypatch):
    monkeypatch.delitem(sandbox.env, "PRM_SECRET_KEY")
    result = run(defs, "sync_prm", instance)
    assert "prm_sync.yaml:9: " in failure_of(result, "raw_prm__leads").description
    assert "PRM_SECRET_KEY is not set" in failure_of(result, "raw_prm__leads").description


@pytest.mark.parametrize(
    ("error", "name"),
    [(Misconfigured("no scope"), "misconfigured"), (Unavailable("503"), "unavailable"),
     (QuotaSpent("spent"), "unavailable"), (FencedOff("another run"), "fenced"), (ConfigError("wrong"), "config")],
    ids=["misconfigured", "unavailable", "quota", "fenced", "config"],
)  # fmt: skip
def test_each_kind_of_error_says_what_to_do_and_is_never_retried(error, name):
    with pytest.raises(dg.Failure) as raised, headlines("crm.Lead"):
        raise error
    assert raised.value.description == f"crm.Lead: {error}"
    assert raised.value.metadata["class"].value == name
    assert raised.value.metadata["what to do"].value
    assert raised.value.allow_retries is False


def test_what_the_database_refuses_is_told_without_its_values(sandbox):
    with pytest.raises(dg.Failure) as raised, headlines("crm.Lead"):
        sandbox.query("SELECT cast(:x AS int)", x="hush")
    assert "InvalidTextRepresentation sqlstate=22P02" in raised.value.description
    assert "hush" not in raised.value.description
    assert raised.value.__suppress_context__


def test_a_bug_stays_what_it_is():
    with pytest.raises(ZeroDivisionError), headlines("crm.Lead"):
        1 / 0  # noqa: B018


def test_a_flow_that_says_it_failed_is_a_failure():
    with pytest.raises(dg.Failure, match=r"route: no policy"):
        settled("route", FlowReport("route", "", State.FAILED, "no policy"))
