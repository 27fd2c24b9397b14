"""The instance: its storage, launcher and files; alerts, sensors and the purge, on the real PostgreSQL."""

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import httpx
import pytest
import yaml
from dagster._core.launcher import WorkerStatus
from dagster_postgres import DagsterPostgresStorage, PostgresRunStorage
from pydantic import SecretStr

from prm_sync.app import open_app
from prm_sync.errors import WarehouseError
from prm_sync.orchestration import services
from prm_sync.orchestration.alerts import post_waiting, raise_alert
from prm_sync.orchestration.definitions import definitions_of
from prm_sync.orchestration.launcher import MonitoredRunLauncher
from prm_sync.orchestration.purge import purge_runs
from prm_sync.orchestration.storage import PrmSyncStorage

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def instance(sandbox):
    home = services.dagster_home(sandbox.settings)
    with dg.DagsterInstance.from_config(str(home)) as made:
        yield made


@pytest.fixture(scope="module")
def engine(sandbox):
    with open_app(sandbox.settings, env=sandbox.env) as app:
        yield app.db


@pytest.fixture(scope="module")
def defs(sandbox):
    return definitions_of(sandbox.catalogue(), opener=sandbox.opener, settings=lambda: sandbox.settings)


def test_the_files_of_the_checkout_are_those_that_are_shipped():
    for name in ("dagster.yaml", "workspace.yaml"):
        assert (ROOT / name).read_text() == (services.SHIPPED / name).read_text()
    assert yaml.safe_load((ROOT / "dagster.yaml").read_text())["telemetry"] == {"enabled": False}


def test_a_projects_own_dagster_yaml_is_used_instead(sandbox, tmp_path):
    own = sandbox.folder / "dagster.yaml"
    own.write_text("nux: {enabled: true}\n")
    try:
        assert (services.dagster_home(sandbox.settings) / "dagster.yaml").read_text() == own.read_text()
    finally:
        own.unlink()
        services.dagster_home(sandbox.settings)


def test_dagster_keeps_its_state_in_its_own_database_of_the_same_server(instance, sandbox):
    assert isinstance(instance.run_storage, PostgresRunStorage)
    storage = PrmSyncStorage.from_config_value(None, {})
    assert isinstance(storage, DagsterPostgresStorage)
    assert storage.postgres_url.startswith("postgresql+psycopg2://")
    assert "/dagster?" in storage.postgres_url
    assert sandbox.query("SELECT count(*) FROM pg_database WHERE datname = 'dagster'")[0][0] == 1


def test_a_worker_is_dead_once_it_was_not_found_twice_in_a_row(instance):
    launcher = instance.run_launcher
    assert isinstance(launcher, MonitoredRunLauncher)
    assert launcher.supports_check_run_worker_health
    run = instance.create_run_for_job(_nothing, status=dg.DagsterRunStatus.STARTED)
    first, second = (launcher.check_run_worker_health(run) for _ in range(2))
    assert first.status is WorkerStatus.RUNNING
    assert second.status is WorkerStatus.NOT_FOUND
    assert "no code server" in second.msg
    with socket.socket() as closed:  # an address where nobody answers
        closed.bind(("127.0.0.1", 0))
        address = {"host": "127.0.0.1", "port": closed.getsockname()[1]}
    instance.add_run_tags(run.run_id, {".dagster/grpc_info": json.dumps(address)})
    for expected in (WorkerStatus.RUNNING, WorkerStatus.NOT_FOUND):
        found = launcher.check_run_worker_health(run)
        assert found.status is expected
        assert "does not answer" in found.msg
    instance.delete_run(run.run_id)


@dg.op
def _nothing_op():
    pass


@dg.job(executor_def=dg.in_process_executor)
def _nothing():
    _nothing_op()


def test_dagsters_own_command_finds_everything_valid(sandbox):
    home = services.dagster_home(sandbox.settings)
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(home / "workspace.yaml")]
    env = {**os.environ, **sandbox.env, "DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


# --- purge -------------------------------------------------------------------------------------------------------


def test_the_purge_deletes_old_runs_after_it_kept_their_outline(instance, engine, sandbox):
    old = _nothing.execute_in_process(instance=instance)
    assert purge_runs(instance, engine, datetime.now(UTC) - timedelta(days=30)) == 0
    assert instance.has_run(old.run_id)
    assert purge_runs(instance, engine, datetime.now(UTC) + timedelta(seconds=1)) >= 1
    assert not instance.has_run(old.run_id)
    outline = "SELECT verb, target, state, ended_at IS NOT NULL FROM ops.run WHERE dagster_run_id = :run"
    assert sandbox.query(outline, run=old.run_id) == [("dagster", "_nothing", "done", True)]


def test_the_purge_job_spares_itself_and_what_is_young(defs, instance):
    young = _nothing.execute_in_process(instance=instance)
    result = defs.resolve_job_def("purge").execute_in_process(instance=instance)
    assert result.success
    assert instance.has_run(young.run_id)
    refused = defs.resolve_job_def("purge").execute_in_process(
        instance=instance, raise_on_error=False, run_config={"ops": {"delete_old_runs": {"config": {"keep_days": 0}}}}
    )
    assert not refused.success


# --- alerts ------------------------------------------------------------------------------------------------------


def test_an_alert_is_said_once_a_day_and_posted_until_it_is_taken(engine):
    assert raise_alert(engine, "late", "core_lead", "is old", NOW)
    assert not raise_alert(engine, "late", "core_lead", "is old", NOW + timedelta(hours=5))
    assert raise_alert(engine, "late", "core_lead", "is older", NOW)
    url, bodies, answers = SecretStr("https://hooks.example/hush"), [], [500, 200, 200]

    def hook(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(answers.pop(0))

    with httpx.Client(transport=httpx.MockTransport(hook)) as client:
        assert post_waiting(engine, None, NOW, client) == (0, 0)
        assert post_waiting(engine, url, NOW, client) == (0, 2)  # refused: nothing is lost, the order is kept
        assert post_waiting(engine, url, NOW, client) == (2, 0)
        assert post_waiting(engine, url, NOW, client) == (0, 0)
    assert [b["message"] for b in bodies] == ["is old", "is old", "is older"]
    assert bodies[0]["text"] == "prm-sync: core_lead: is old"
    assert raise_alert(engine, "late", "core_lead", "is old", NOW + timedelta(hours=25))


def test_the_webhooks_address_stands_in_no_log(engine, caplog):
    raise_alert(engine, "late", "x", "y", NOW)
    with httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(500))) as client:
        post_waiting(engine, SecretStr("https://hooks.example/hush"), NOW, client)
    assert "not delivered" in caplog.text
    assert "hush" not in caplog.text.replace("HTTP Request: POST https://hooks.example/hush", "")


def sensor(defs, name):
    return defs.get_repository_def().get_sensor_def(name)


def failed_run(defs, instance, job):
    result = defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    event = next(e for e in result.all_events if e.event_type_value == "PIPELINE_FAILURE")
    run = instance.get_run_by_id(result.run_id)
    return dg.build_run_status_sensor_context(
        sensor_name="x", dagster_event=event, dagster_instance=instance, dagster_run=run
    ).for_run_failure()


@pytest.fixture
def without_prm(sandbox, monkeypatch):
    monkeypatch.setitem(sandbox.env, "PRM_SECRET_KEY", "sk_live_wrong")


def test_a_failed_run_leaves_its_headline_as_an_alert(sandbox, defs, instance, engine, without_prm):
    context = failed_run(defs, instance, "sync_prm")
    sensor(defs, "alert_on_failure")(context)
    run_id = context.dagster_run.run_id
    ((subject, message),) = sandbox.query("SELECT subject, message FROM ops.alert WHERE dagster_run_id = :r", r=run_id)
    assert subject == "sync_prm"
    assert message.startswith("prm.")
    assert message.endswith("(and 1 more)")


def test_a_sync_goes_on_without_a_system_that_is_away(defs, instance, engine, without_prm):
    context = failed_run(defs, instance, "sync_all")
    found = sensor(defs, "go_on_without")(context)
    assert isinstance(found, dg.RunRequest)
    assert found.run_key == f"after-{context.dagster_run.run_id}"


def test_a_sync_of_one_connection_is_not_gone_on_from(defs, instance, engine, without_prm):
    assert isinstance(sensor(defs, "go_on_without")(failed_run(defs, instance, "sync_prm")), dg.SkipReason)


def test_a_stream_that_is_blocked_by_its_quarantine_is_not_gone_on_from(sandbox, defs, instance, engine):
    sandbox.crm.load("Lead", [{"Country": "DE", "Status": "Open - Not Contacted"}] * 60)
    found = sensor(defs, "go_on_without")(failed_run(defs, instance, "sync_all"))
    assert isinstance(found, dg.SkipReason)
    assert "must be seen to first" in found.skip_message


def test_watch_tells_of_flows_that_are_held_once(sandbox, defs, instance, engine):
    def look(cursor):
        return sensor(defs, "watch")(dg.build_sensor_context(instance=instance, cursor=cursor))

    first = look(None)
    sandbox.query(
        "INSERT INTO ops.run (id, verb, target, state, started_at, ended_at, message) VALUES "
        "('push-x', 'push', 'crm.Lead', 'held', clock_timestamp(), clock_timestamp(), 'beyond its limits')"
    )
    second = look(first.cursor)
    look(second.cursor)
    found = sandbox.query("SELECT subject, message FROM ops.alert WHERE kind = 'held'")
    assert found == [("push crm.Lead", "beyond its limits")]


def test_a_schedule_passes_over_its_time_while_the_run_before_is_at_work(defs, instance):
    schedule = defs.get_repository_def().get_schedule_def("sync")
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=NOW)
    assert isinstance(schedule(context), dg.RunRequest)
    busy = instance.create_run_for_job(defs.resolve_job_def("sync_all"), status=dg.DagsterRunStatus.STARTED)
    found = schedule(context)
    instance.delete_run(busy.run_id)
    assert isinstance(found, dg.SkipReason)
    assert busy.run_id in found.skip_message


# --- services ----------------------------------------------------------------------------------------------------


def test_up_refuses_a_port_that_is_taken(sandbox):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(WarehouseError, match=r"port \d+ of 127.0.0.1 is taken"):
            services.up(sandbox.settings, taken.getsockname()[1])


def test_down_without_anything_up_says_so(sandbox):
    assert not services.down(sandbox.settings)


def test_a_service_that_dies_is_started_again_ever_more_slowly(tmp_path):
    service = services.Service("short", ["true"], {"PATH": "/usr/bin:/bin"}, tmp_path)
    service.start()
    waits = []
    now = 0.0
    for _ in range(6):
        service.process.wait(10)
        assert not service.look_after(now)
        waits.append(service.restart_at - now)
        assert not service.look_after(service.restart_at - 0.1)
        now = service.restart_at
        assert service.look_after(now)
    service.process.wait(10)
    assert waits == [1.0, 2.0, 5.0, 15.0, 60.0, 60.0]
