"""What Dagster shows and starts of quarantine, drift and reconciliation: in process, against the emulators."""

import dagster as dg
import pytest

from prm_sync.orchestration.definitions import definitions_of


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(sandbox, job, instance):
    defs = definitions_of(sandbox.catalogue(), opener=sandbox.opener, settings=lambda: sandbox.settings)
    return defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)


def checks(result):
    return {f"{c.asset_key.path[-1]}.{c.check_name}": c for c in result.get_asset_check_evaluations()}


def test_the_reconcile_job_compares_every_stream_and_its_findings_are_a_check(sandbox, instance):
    assert run(sandbox, "sync_all", instance).success
    with sandbox.opener() as app, app.db.begin() as tx:
        tx.exec_driver_sql("UPDATE core.partner_source SET name = 'Somebody else'")
    result = run(sandbox, "reconcile", instance)
    assert result.success
    seen = {
        e.event_specific_data.asset_observation.asset_key.path[-1]: e.event_specific_data.asset_observation.metadata
        for e in result.all_events
        if e.is_asset_observation
    }
    assert sorted(seen) == ["raw_crm__Lead", "raw_prm__leads", "raw_prm__partnerships"]
    partners = seen["raw_prm__partnerships"]
    assert partners["edited"].value == partners["mended"].value > 0
    found = checks(run(sandbox, "sync_prm", instance))["raw_prm__partnerships.agrees_with_the_remote"]
    assert found.passed
    assert found.metadata["edited"].value == partners["edited"].value


def test_a_difference_that_nobody_mended_fails_its_check(sandbox, instance):
    project = sandbox.folder / "prm_sync.yaml"
    text = project.read_text()
    project.write_text(f"{text}schedules: {{reconcile_repairs: false}}\n")
    try:
        assert run(sandbox, "sync_all", instance).success
        with sandbox.opener() as app, app.db.begin() as tx:
            tx.exec_driver_sql("UPDATE core.partner_source SET name = 'Somebody else'")
        run(sandbox, "reconcile", instance)
        found = checks(run(sandbox, "sync_prm", instance))["raw_prm__partnerships.agrees_with_the_remote"]
        assert not found.passed
        assert "edited" in found.description
        assert "--repair" in found.metadata["mend"].value
    finally:
        project.write_text(text)


def test_drift_fails_its_check_and_says_how_to_accept_it(sandbox, instance):
    assert run(sandbox, "sync_all", instance).success
    with sandbox.opener() as app, app.db.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO ops.drift (connection, stream, field, kind, severity, concerns, holds, message, state, "
            "first_seen_at, last_seen_at) VALUES ('crm', 'Lead', 'Rating', 'new_choice', 'warning', '{}', false, "
            "'Rating has new values', 'open', now(), now())"
        )
    found = checks(run(sandbox, "sync_crm", instance))["raw_crm__Lead.as_expected"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == "Rating has new values"
    assert found.metadata["accept"].value == "`prm-sync drift accept crm Lead`"
