"""What people get wrong, and what they are told: what is wrong, where, and what to do; never a secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from openpyxl import Workbook
from workbench import Bench, Project, Vendors, rows

from prm_sync.errors import ConfigError, Misconfigured, PrmSyncError, Unavailable, WarehouseError
from prm_sync.flows.pull import pull
from prm_sync.flows.refine import refine
from prm_sync.flows.report import State

SECRET = "sk-5b1f0c-not-to-be-seen"
LEADS = (
    "from: files.leads\nto: lead\nfields:\n  email: Email\n  phone: Phone\n  last_name: Last\n"
    "  status: {from: Status, choices: {Open: new}}\n"
)


@pytest.fixture
def lists(project: Project) -> Project:
    config = {"folder": str(project.folder / "data"), "key": "Id"}
    project.write(connections={"lists": {"connector": "files", "config": config}}, mappings="mappings")
    project.mapping(LEADS)
    return project


def line_of(path: Path, text: str) -> int:
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line)


# --- the way to a vendor -----------------------------------------------------------------------------------------


def pulled(project: Project, vendors: Vendors, connection: str, stream: str, **changes: Any) -> PrmSyncError:
    """The error of a pull with a config that is wrong."""
    project.env = {**vendors.env, **changes.pop("env", {})}
    project.write(connections=vendors.connections(**{connection: {"config": changes}}))
    with project.open() as app, pytest.raises(PrmSyncError) as caught:
        pull(app, connection, stream)
    with project.open() as app:
        [run] = rows(app.db, "SELECT state, message FROM ops.run")
    assert run["state"] == ("held" if isinstance(caught.value, Misconfigured) else "failed")
    assert str(caught.value) in run["message"]
    return caught.value


def test_a_wrong_secret_of_the_crm_is_named_and_not_shown(project: Project, vendors: Vendors) -> None:
    error = pulled(project, vendors, "crm", "Lead", env={"SF_SECRET": SECRET})
    assert isinstance(error, Misconfigured)
    assert SECRET not in str(error)
    assert "crm" in str(error)
    assert re.search(r"client_id|client_secret|consumer", str(error), re.IGNORECASE)


def test_a_wrong_key_of_the_prm_is_named_and_not_shown(project: Project, vendors: Vendors) -> None:
    error = pulled(project, vendors, "prm", "leads", env={"PS_SECRET": SECRET})
    assert isinstance(error, Misconfigured)
    assert SECRET not in str(error)
    assert str(error).startswith("prm: GET /leads answered 401: the credentials are not accepted; renew them")


@pytest.mark.parametrize(
    ("connection", "stream", "setting"), [("prm", "leads", "base_url"), ("crm", "Lead", "instance_url")]
)
def test_a_host_that_does_not_answer_is_unavailable_and_named(
    project: Project, vendors: Vendors, connection: str, stream: str, setting: str
) -> None:
    error = pulled(project, vendors, connection, stream, **{setting: "http://127.0.0.1:9"})
    assert isinstance(error, Unavailable)
    assert str(error).startswith(f"{connection}: ")
    assert "found no connection (ConnectError): check the network and URL" in str(error)
    for secret in vendors.env.values():
        assert secret not in str(error)


def test_a_variable_that_is_not_set_is_named_with_its_line(project: Project, vendors: Vendors) -> None:
    path = project.write(connections=vendors.connections())
    project.env = {k: v for k, v in vendors.env.items() if k != "SF_SECRET"}
    with project.open() as app, pytest.raises(ConfigError) as caught:
        pull(app, "crm", "Lead")
    assert str(caught.value).startswith(f"{path}:{line_of(path, 'client_secret')}: ")
    assert "environment variable SF_SECRET is not set, needed for config.client_secret" in str(caught.value)


def test_a_secret_in_the_file_is_refused_without_showing_it(project: Project, vendors: Vendors) -> None:
    path = project.write(connections=vendors.connections(prm={"config": {"secret_key": SECRET}}))
    project.env = vendors.env
    with project.open() as app, pytest.raises(ConfigError) as caught:
        pull(app, "prm", "leads")
    message = str(caught.value)
    assert message.startswith(f"{path}:{line_of(path, SECRET)}: ")
    assert "secret_key is a secret and may not stand in the file" in message
    assert "{env: NAME}" in message
    assert SECRET not in message


def test_a_database_that_cannot_be_reached_does_not_show_its_password(project: Project) -> None:
    project.write(connections={})
    project.database_url = f"postgresql://ann:{SECRET}@127.0.0.1:9/prm"
    words = r"@127\.0\.0\.1:9/prm cannot be used: .*refused.*check PRM_SYNC_DATABASE_URL"
    with pytest.raises(WarehouseError, match=words) as caught, project.open(migrate=True):
        pass
    assert SECRET not in str(caught.value)


# --- files that are written by hand ------------------------------------------------------------------------------


def test_an_unknown_field_in_a_mapping_has_file_line_and_suggestion(lists: Project) -> None:
    path = lists.mapping(LEADS.replace("last_name:", "last_nmae:"))
    with lists.open() as app:
        [problem] = app.problems
    assert str(problem).startswith(f"{path}:{line_of(path, 'last_nmae')}: ")
    assert 'did you mean "last_name"' in str(problem)


def test_a_connection_name_that_stands_twice_is_refused_with_its_line(project: Project) -> None:
    path = project.folder / "prm_sync.yaml"
    one = "  crm: {connector: files, config: {folder: data}}\n"
    path.write_text("connections:\n" + one + one.replace("files", "salesforce"))
    with pytest.raises(ConfigError) as caught, project.open():
        pass
    assert str(caught.value).startswith(f"{path}:3: ")
    assert 'duplicate name "crm" in connections, first in line 2' in str(caught.value)


def test_an_unknown_connector_has_a_suggestion(project: Project) -> None:
    path = project.write(connections={"crm": {"connector": "salesfroce"}})
    with pytest.raises(ConfigError) as caught, project.open():
        pass
    assert str(caught.value).startswith(f"{path}:3: ")
    assert 'no connector "salesfroce" is installed' in str(caught.value)
    assert "salesforce" in str(caught.value).replace("salesfroce", "")


def test_an_unknown_connection_and_an_unknown_stream_are_named_with_those_there_are(lists: Project) -> None:
    lists.csv("leads.csv", ["Id", "Email"], [(1, "a@x.example")])
    with lists.open() as app:
        with pytest.raises(ConfigError, match=r"there is no connection 'crm' \(connections: lists\)"):
            pull(app, "crm", "leads")
        with pytest.raises(Misconfigured, match="there is no file for the stream 'leeds'; did you mean 'leads'"):
            pull(app, "lists", "leeds")


def test_a_setting_that_the_connector_does_not_know_has_its_line(lists: Project) -> None:
    data = yaml.safe_load((lists.folder / "prm_sync.yaml").read_text())
    data["connections"]["lists"]["config"]["fodler"] = "x"
    path = lists.write(**data)
    with lists.open() as app, pytest.raises(ConfigError) as caught:
        pull(app, "lists", "leads")
    assert str(caught.value).startswith(f"{path}:{line_of(path, 'fodler')}: ")


# --- files that others wrote -------------------------------------------------------------------------------------


def test_rows_of_a_corrupt_csv_are_held_back_and_the_sound_ones_come_in(lists: Project) -> None:
    path = lists.csv("leads.csv", ["Id", "Email", "Phone", "Last", "Status"], [])
    with path.open("a", encoding="utf-8") as file:
        file.write("1,a@x.example,,Ng,Open\n2,b@x.example,,Ng,Open,extra,cells\n3,c@x.example,,Ng,Open\n")
    with lists.open() as app:
        report = pull(app, "lists", "leads")
        refine(app)
        assert report.state is State.DONE
        found = rows(app.db, "SELECT email FROM core.lead ORDER BY 1")
        assert [r["email"] for r in found] == ["a@x.example", "c@x.example"]
        [held] = rows(app.db, "SELECT * FROM ops.quarantine")
    assert (held["remote_id"], held["field"], held["code"], held["state"]) == ("2", "*", "unreadable_row", "open")
    assert "row 3" in held["reason"] or "cells" in held["reason"]
    assert "b@x.example" not in held["reason"]


def test_a_file_that_is_no_table_is_refused_by_name(lists: Project) -> None:
    path = lists.csv("leads.csv", ["x"], [])
    path.write_bytes(b"PK\x03\x04" + bytes(range(256)) * 20)
    words = r"leads\.csv: this is a workbook with another name; give it"
    with lists.open() as app, pytest.raises(PrmSyncError, match=words):
        pull(app, "lists", "leads")


def test_a_workbook_of_500_columns_comes_in_whole(lists: Project) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    header = ["Id", "Email", "Last", "Status", *(f"Column {n}" for n in range(496))]
    sheet.append(header)
    for n in range(20):
        sheet.append([n, f"l{n}@x.example", "Ng", "Open", *(f"v{n}.{c}" for c in range(496))])
    (lists.folder / "data").mkdir(exist_ok=True)
    book.save(lists.folder / "data" / "leads.xlsx")
    book.close()
    with lists.open() as app:
        report = pull(app, "lists", "leads")
        refine(app)
        assert report.numbers["read"] == 20
        assert len(rows(app.db, "SELECT FROM core.lead")) == 20
        [row] = rows(app.db, "SELECT payload FROM raw.record WHERE remote_id = '7'")
    assert len(row["payload"]) == 500
    assert row["payload"]["Column 495"] == "v7.495"


# --- records -----------------------------------------------------------------------------------------------------


def test_a_lead_that_nobody_can_reach_is_held_back_with_words(lists: Project) -> None:
    leads = [(1, "", "", "Ng", "Open"), (2, "b@x.example", "", "Bo", "Open")]
    lists.csv("leads.csv", ["Id", "Email", "Phone", "Last", "Status"], leads)
    with lists.open() as app:
        pull(app, "lists", "leads")
        refine(app)
        [held] = rows(app.db, "SELECT * FROM ops.quarantine")
        assert len(rows(app.db, "SELECT FROM core.lead")) == 1
    assert (held["remote_id"], held["field"], held["code"]) == ("1", "*", "unreachable")
    assert "email" in held["reason"]
    assert "phone" in held["reason"]


def test_a_picklist_value_that_nobody_mapped_says_which_field_of_which_mapping(bench: Bench) -> None:
    lead = bench.vendors.lead(Status="Waiting for Godot")
    bench.pull(("crm", "Lead"))
    [held] = bench.quarantine()
    where = (held["remote_id"], held["field"], held["code"], held["source"])
    assert where == (lead, "status", "unmapped_value", "Status")
    assert held["class"] == "fixable"
    assert "does not know" in held["reason"]
    refine(bench.app)
    assert bench.one("SELECT status, last_name FROM core.lead") == {"status": None, "last_name": "Weber"}
    assert bench.offers() == []


def test_an_error_that_quotes_a_record_does_not_get_into_the_list_of_runs(lists: Project) -> None:
    """PostgreSQL's errors quote rows; what is kept of a failed run says what and where, without them."""
    lists.csv("leads.csv", ["Id", "Email"], [(1, "ann@secret-corp.example")])
    with lists.open() as app:
        with app.db.begin() as tx:
            tx.exec_driver_sql("ALTER TABLE raw.record ADD CONSTRAINT impossible CHECK (remote_id = 'x')")
        with pytest.raises(Exception, match="impossible"):
            pull(app, "lists", "leads")
        [run] = rows(app.db, "SELECT state, message FROM ops.run")
    assert run["state"] == "failed"
    assert "CheckViolation" in run["message"]
    assert "secret-corp" not in run["message"]
