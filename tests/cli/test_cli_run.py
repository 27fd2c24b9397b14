"""`run`, `status`, `explain` and `quarantine` over a list of leads."""

from __future__ import annotations

import pytest
from commandline import Cli, lead

FLOW_KEYS = {"verb", "target", "state", "message", "counts", "work_s"}


@pytest.fixture
def lists(cli: Cli) -> Cli:
    cli.write(connections={"lists": cli.lists()})
    cli.leads(*(lead(n) for n in range(1, 6)), lead(6, Status="Strange"))
    return cli


def test_run_reports_every_flow_in_its_order(lists: Cli) -> None:
    said = lists("run", "--json").json
    assert said.keys() == {"state", "seconds", "work_s", "flows"}
    assert [f["verb"] for f in said["flows"]] == ["pull", "refine", "route", "measure"]
    assert all(f.keys() == FLOW_KEYS for f in said["flows"])
    pull, refine = said["flows"][:2]
    assert pull["counts"]["read"] == 6
    assert refine["counts"]["made"] == 6
    assert said["work_s"] == pytest.approx(sum(f["work_s"] for f in said["flows"]), abs=0.01)
    assert 0 < said["work_s"] <= said["seconds"]


def test_verbs_are_run_in_their_order_whatever_the_order_they_were_given_in(lists: Cli) -> None:
    assert [f["verb"] for f in lists("run", "refine", "pull", "--json").json["flows"]] == ["pull", "refine"]


def test_people_get_a_table(lists: Cli) -> None:
    out = lists("run").out
    assert "lists.leads" in out
    assert "done in" in out
    assert "{" not in out


def test_a_failing_connection_does_not_stop_the_others(lists: Cli) -> None:
    gone = {"connector": "files", "config": {"folder": str(lists.folder / "gone")}, "streams": ["leads"]}
    lists.write(connections={"broken": gone, "lists": lists.lists()})
    said = lists("run", "pull", "refine", "--json", code=3).json
    states = {f["target"]: f["state"] for f in said["flows"] if f["verb"] == "pull"}
    assert states == {"broken.leads": "held", "lists.leads": "done"}
    assert said["state"] == "held"
    message = next(f["message"] for f in said["flows"] if f["state"] == "held")
    assert "there is no such folder" in message
    assert "nothing is deleted or blanked for it" in message


def test_only_one_connection_is_run_where_one_is_named(lists: Cli) -> None:
    lists.write(connections={"more": lists.lists(), "lists": lists.lists()})
    flows = lists("run", "pull", "-c", "more", "--json").json["flows"]
    assert [f["target"] for f in flows] == ["more.leads"]


def test_an_unknown_connection_is_told_before_anything_is_run(lists: Cli) -> None:
    said = lists("run", "--connection", "list", "--json", code=2).json
    assert "there is no connection 'list' (connections: lists)" in said["message"]
    assert lists("status", "--json").json["runs"] == []


def test_an_unknown_entity_is_told_with_those_there_are(lists: Cli) -> None:
    assert "there is no entity 'leed'; there are: " in lists("run", "--entity", "leed", code=2).err


def test_a_missing_environment_variable_is_a_configuration_error(lists: Cli) -> None:
    config = {
        "instance_url": "https://acme.my.salesforce.com",
        "client_id": "x",
        "client_secret": {"env": "NOT_SET_HERE"},
    }
    lists.write(
        connections={"crm": {"connector": "salesforce", "config": config, "streams": ["Lead"]}, "lists": lists.lists()}
    )
    said = lists("run", "pull", "--json", code=2).json
    (failed,) = [f for f in said["flows"] if f["state"] == "failed"]
    assert 'connection "crm": environment variable NOT_SET_HERE is not set' in failed["message"]


def test_a_broken_mapping_leaves_itself_out_and_the_run_is_partial(lists: Cli) -> None:
    lists.text("mappings/files/partner.yaml", "from: files.partners\nto: partner\nfields:\n  naem: Name\n")
    lists.write(connections={"lists": lists.lists()}, mappings="mappings")
    said = lists("run", "pull", "refine", "--json", code=3)
    assert said.json["state"] == "partial"
    assert "partner.yaml:4: " in said.json["problems"][0]
    assert "left out: " in said.err
    assert {f["state"] for f in said.json["flows"]} == {"done"}


def test_a_source_that_lost_many_records_is_held_until_its_deletes_are_accepted(lists: Cli) -> None:
    lists.write(connections={"lists": lists.lists(snapshot=True)})
    lists.leads(*(lead(n) for n in range(1, 31)))
    lists("run", "pull", "refine")
    lists.leads(lead(1), lead(2))
    said = lists("run", "pull", "refine", "--json", code=3).json
    assert said["state"] == "held"
    assert "prm-sync quarantine accept-deletes lists leads" in said["flows"][0]["message"]
    assert lists("quarantine", "accept-deletes", "lists", "leads", "--json").json["counts"]["deleted"] == 28
    assert lists("run", "pull", "refine", "--json").json["state"] == "done"
    assert lists("explain", "lead", "lists:3", "--json").json["deleted_at"] is not None


def test_accept_deletes_of_a_stream_that_is_not_there_names_those_that_are(lists: Cli) -> None:
    assert (
        "lists has no stream 'leeds' here; there are: leads"
        in lists("quarantine", "accept-deletes", "lists", "leeds", code=2).err
    )


def test_a_dry_run_runs_nothing(lists: Cli) -> None:
    flows = lists("run", "--dry-run", "--json").json["flows"]
    assert {f["message"] for f in flows} == {"would be read", "would be run"}
    status = lists("status", "--json").json
    assert status["streams"] == []
    assert status["never_read"] == ["lists.leads"]


def test_status_shows_streams_queues_and_last_runs(lists: Cli) -> None:
    lists("run")
    said = lists("status", "--json").json
    (stream,) = said["streams"]
    assert (stream["stream"], stream["records"], stream["behind"]) == ("leads", 6, False)
    assert 0 <= stream["lag_s"] < 60
    assert said["quarantine"] == {"fixable": 1}
    assert said["outbox"] == {}
    assert said["held"] == []
    assert {r["verb"] for r in said["runs"]} == {"pull", "refine", "route", "measure"}
    assert "quarantine: fixable 1" in lists("status").out


def test_quarantine_counts_by_reason_and_hides_personal_values(lists: Cli) -> None:
    lists("run", "pull", "refine")
    said = lists("quarantine", "list", "--json").json
    assert [(r["field"], r["n"]) for r in said["reasons"]] == [("status", 1)]
    assert lists("quarantine", "list", "--field", "phone", "--json").json["records"] == []
    record = lists("quarantine", "show", "lists", "leads", "6", "--json").json["record"]["payload"]
    assert (record["Status"], record["Email"], record["Last Name"]) == ("Strange", "•••", "•••")
    shown = lists("quarantine", "show", "lists", "leads", "6", "--show-values", "--json").json["record"]["payload"]
    assert shown["Email"] == "an6@company6.example"


def test_replay_maps_the_records_again(lists: Cli) -> None:
    lists("run", "pull", "refine")
    assert lists("quarantine", "replay", "--json").json == {"state": "done", "records": 1, "resolved": 0, "still": 1}
    status = "status: {from: Status, choices: {New: new, Strange: new}}"
    text = f"from: files.leads\nto: lead\nfields:\n  last_name: Last Name\n  email: Email\n  {status}\n"
    lists.text("mappings/files/lead.yaml", text)
    lists.write(connections={"lists": lists.lists()}, mappings="mappings")
    assert lists("quarantine", "replay", "6", "--json").json["resolved"] == 1
    assert lists("quarantine", "list", "--json").json["records"] == []


def test_explain_finds_a_lead_by_every_name_and_says_where_its_values_came_from(lists: Cli) -> None:
    lists("run")
    by_email = lists("explain", "lead", "AN1@company1.example", "--json").json
    values = {v["field"]: v for v in by_email["values"]}
    assert values["country"] == {"field": "country", "value": "VN", "from": "lists/leads/1"}
    assert values["email"]["value"] == "•••"
    assert by_email["records"][0]["remote_id"] == "1"
    (decision,) = by_email["decisions"]
    assert decision["partner_id"] is None
    assert "goes to nobody" in decision["words"][0]
    for name in (by_email["id"], "1", "lists:1"):
        assert lists("explain", "lead", name, "--json").json["id"] == by_email["id"]
    assert "goes to nobody" in lists("explain", "lead", "1").out


def test_explain_of_an_unknown_lead_or_entity_says_so(lists: Cli) -> None:
    assert "there is no lead with this id" in lists("explain", "lead", "nobody@nowhere.example", code=1).err
    assert "there is no entity 'leads'" in lists("explain", "leads", "1", code=2).err


def test_logs_hold_no_values_and_go_to_stderr(lists: Cli) -> None:
    said = lists("run", "--verbose", "--json")
    assert "INFO prm_sync.flows.pull: pulled" in said.err
    assert "connection=lists stream=leads" in said.err
    assert "Nguyen" not in said.err
    assert "@company" not in said.err
    assert len(said.out.splitlines()) == 1
