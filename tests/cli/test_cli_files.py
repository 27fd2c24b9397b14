"""`mappings`, `schemas`, `connectors` and `emulate`: what needs no warehouse."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from commandline import Cli

GOOD = "from: files.leads\nto: lead\nfields:\n  last_name: Name\n  email: Mail\n"


def test_mappings_test_passes_where_all_cases_hold(folder_only: Cli) -> None:
    folder_only.text("m/files/lead.yaml", GOOD)
    folder_only.text(
        "m/files/lead.cases.yaml",
        "- {name: one, record: {Name: An, Mail: AN@x.example}, expect: {email: an@x.example}}\n",
    )
    (row,) = folder_only("mappings", "test", "--dir", "m", "--json").json["mappings"]
    assert (row["cases"], row["passed"], row["failures"]) == (1, 1, [])


def test_mappings_test_fails_with_file_and_line_where_a_case_does_not_hold(folder_only: Cli) -> None:
    folder_only.text("m/files/lead.yaml", GOOD)
    folder_only.text(
        "m/files/lead.cases.yaml", "\n- {name: one, record: {Name: An, Mail: b@x.example}, expect: {last_name: Bo}}\n"
    )
    said = folder_only("mappings", "test", "--dir", "m", code=1)
    assert "lead.cases.yaml:2: one: last_name: 'An', not 'Bo'" in said.out


def test_mappings_test_tells_an_unknown_field_with_file_and_line(folder_only: Cli) -> None:
    folder_only.text("m/files/lead.yaml", GOOD.replace("last_name", "lastname"))
    said = folder_only("mappings", "test", "--dir", "m", code=2)
    assert "lead.yaml:4: " in said.err
    assert 'did you mean "last_name"' in said.err


def test_mappings_are_listed_and_shown_with_their_lineage(folder_only: Cli) -> None:
    rows = folder_only("mappings", "list", "--json").json["mappings"]
    assert {("salesforce", "lead"), ("partnerstack", "lead"), ("files", "lead")} <= {
        (r["connector"], r["entity"]) for r in rows
    }
    said = folder_only("mappings", "show", "salesforce", "lead", "--json").json
    assert {"field": "last_name", "from": ["LastName"], "how": "read as text"} in said["fields"]
    assert "Prm_Offer_Status__c" in {b["remote"] for b in said["back"]}
    assert (
        "no mapping makes a target of salesforce" in folder_only("mappings", "show", "salesforce", "target", code=2).err
    )


def test_schemas_are_written_and_checked(folder_only: Cli) -> None:
    assert folder_only("schemas", "write", "--check", "--dir", "s", "--json", code=1).json["state"] == "failed"
    assert len(folder_only("schemas", "write", "--dir", "s", "--json").json["changed"]) == 13
    assert folder_only("schemas", "write", "--check", "--dir", "s", "--json").json["changed"] == []
    Path("s/routing.schema.json").write_text("{}")
    assert folder_only("schemas", "write", "--check", "--dir", "s", "--json", code=1).json["changed"] == [
        "s/routing.schema.json"
    ]
    assert folder_only("mappings", "schema").json["title"] == "prm-sync mapping"


def test_the_committed_schemas_are_up_to_date(folder_only: Cli) -> None:
    folder = Path(__file__).parents[2] / "schemas"
    assert folder_only("schemas", "write", "--check", "--dir", str(folder), "--json").json["changed"] == []


def test_connectors_are_listed_with_what_they_ask_for(folder_only: Cli) -> None:
    rows = {c["name"]: c for c in folder_only("connectors", "list", "--json").json["connectors"]}
    assert rows["partnerstack"]["required"] == ["public_key", "secret_key"]
    assert rows["files"]["emulator"] is False
    assert rows["salesforce"]["emulator"] is True
    assert "PartnerStack" in folder_only("connectors", "list").out


def test_an_emulator_answers_once_it_has_said_so_and_stops_on_sigterm() -> None:
    command = [sys.executable, "-m", "prm_sync.cli", "emulate", "partnerstack", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["credentials"]["base_url"].startswith(ready["url"])
        with urllib.request.urlopen(f"{ready['url']}/__emulator__/calls", timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_connector_without_emulator_is_told(folder_only: Cli) -> None:
    assert "the connector 'files' has no emulator" in folder_only("emulate", "files", code=2).err
    assert "did you mean 'salesforce'?" in folder_only("emulate", "salesfroce", code=2).err


def test_a_taken_port_is_told(folder_only: Cli) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = folder_only("emulate", "partnerstack", "--port", str(taken.getsockname()[1]), code=2)
    assert "choose another with --port" in said.err
