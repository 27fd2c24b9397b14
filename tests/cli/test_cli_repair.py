"""`quarantine edit`, `drift` and `reconcile` over a list of leads: every queue can be worked from here alone."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from commandline import Cli, lead


@pytest.fixture
def lists(cli: Cli) -> Cli:
    cli.write(connections={"lists": cli.lists()})
    cli.leads(*(lead(n) for n in range(1, 4)), lead(4, Status="Strange", Country="Atlantis"))
    cli("run", "pull", "refine")
    return cli


def query(cli: Cli, statement: str) -> list[Any]:
    engine = sa.create_engine(cli.env["PRM_SYNC_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as tx:
            result = tx.execute(sa.text(statement))
            return list(result.all()) if result.returns_rows else []
    finally:
        engine.dispose()


def test_a_record_is_corrected_replayed_and_taken_back(lists: Cli) -> None:
    edit = ("quarantine", "edit", "lists", "leads", "4")
    said = lists(*edit, "--set", "Status=New", "--set", "Country=Perú", "--by", "Linh", "--note", "phoned", "--json")
    assert said.json == {"state": "done", "fields": ["Country", "Status"], "resolved": 2, "still": 0}
    assert query(lists, "SELECT country FROM core.lead_source WHERE remote_id = '4'") == [("PE",)]
    (one, other) = lists("quarantine", "edits", "--json").json["edits"]
    assert (one["made_by"], one["note"], one["ended_at"]) == ("Linh", "phoned", None)
    assert "value" not in one
    assert "Perú" not in lists("quarantine", "edits").out
    lists(*edit, "--set", "Email=an@other.example")
    show = ("quarantine", "show", "lists", "leads", "4")
    assert lists(*show, "--json").json["corrected"] == {"Country": "Perú", "Email": "•••", "Status": "New"}
    assert lists(*show, "--show-values", "--json").json["corrected"]["Email"] == "an@other.example"
    back = lists("quarantine", "unedit", "lists", "leads", "4", "--field", "Status", "--by", "Ngọc", "--json").json
    assert (back["fields"], back["still"]) == (["Status"], 1)
    assert "unmapped" not in lists("quarantine", "list", "--field", "country").out
    assert "a value that `choices` does not know" in lists("quarantine", "list").out
    assert other["field"] in ("Country", "Status")


def test_values_may_be_json_and_what_is_none_is_wrong_usage(lists: Cli) -> None:
    edit = ("quarantine", "edit", "lists", "leads", "4", "--set")
    assert lists(*edit, "Country:=null", "--json").json["resolved"] == 1
    assert "what follows := is not JSON" in lists(*edit, "Country:=Peru", code=2).err
    assert 'no field "Contry"; did you mean "Country"?' in lists(*edit, "Contry=Peru", code=2).err
    assert "say what to correct" in lists(*edit, "=Peru", code=2).err


def test_the_list_takes_filters_by_entity_code_class_and_age(lists: Cli) -> None:
    def fields(*options: str) -> set[str]:
        return {r["field"] for r in lists("quarantine", "list", *options, "--json").json["records"]}

    assert fields() == {"status", "country"}
    assert fields("--code", "unmapped_value") == {"status"}
    assert fields("--entity", "partner") == set()
    assert fields("--class", "fixable", "--newer-than", "2h") == {"status", "country"}
    assert fields("--older-than", "7d") == set()
    assert '"soon" is no age' in lists("quarantine", "list", "--older-than", "soon", code=2).err
    assert "there are: transient, fixable, permanent" in lists("quarantine", "list", "--class", "bad", code=2).err


def test_drift_is_listed_shown_checked_and_accepted(lists: Cli) -> None:
    assert lists("drift", "list", "--json").json == {"state": "done", "drift": []}
    text = (lists.folder / "data" / "leads.csv").read_text(encoding="utf-8")
    lists.text("data/leads.csv", "\n".join(",".join(w for n, w in enumerate(line.split(",")) if n != 5)
                                            for line in text.splitlines()) + "\n")  # without Country
    said = lists("run", "pull", "--json", code=3).json
    assert said["flows"][0]["state"] == "held"
    (found,) = lists("drift", "list", "--json", code=3).json["drift"]
    assert (found["field"], found["kind"], found["severity"]) == ("Country", "removed", "breaking")
    assert "lead.country" in found["concerns"]
    checked = lists("check", "--json", code=1).json["findings"]
    told = next(f["message"] for f in checked if "Country is gone" in f["message"])
    assert "`prm-sync drift accept lists leads Country`" in told
    assert "drift: lists.leads: Country is gone" in lists("status").out
    shown = lists("drift", "show", "lists", "leads", "Country", "--json").json
    assert (shown["expected"]["type"], shown["is"]) == ("text", None)
    assert lists("drift", "accept", "lists", "leads", "Country", "--by", "Linh", "--json").json["mapped_again"] is True
    assert lists("run", "pull", "refine", "--json").json["state"] == "done"
    assert "there is no open drift" in lists("drift", "accept", "lists", "leads", code=1).err
    assert "nothing is known of 'Contry'" in lists("drift", "show", "lists", "leads", "Contry", code=1).err


def test_reconcile_tells_what_differs_and_mends_it_when_asked(lists: Cli) -> None:
    assert lists("reconcile", "--json").json["state"] == "done"
    query(lists, "UPDATE core.lead_source SET company = 'Nobody' WHERE remote_id = '2'")
    said = lists("reconcile", "lists.leads", "--json", code=3).json
    (stream,) = said["streams"]
    assert (stream["counts"]["edited"], stream["samples"]) == (1, {"edited": {"2": ["company"]}})
    assert "`prm-sync reconcile lists.leads --repair` mends it" in stream["message"]
    assert lists("reconcile", "lists", "--last", "--json").json["streams"][0]["edited"] == 1
    assert lists("reconcile", "lists", "--repair", "--json").json["streams"][0]["counts"]["mended"] == 1
    assert query(lists, "SELECT company FROM core.lead_source WHERE remote_id = '2'") == [("Company 2",)]
    assert "there are: lists.leads" in lists("reconcile", "lists.leeds", code=2).err
