"""`prm-sync match`: the review queue, worked from the command line alone."""

from __future__ import annotations

import pytest
from commandline import Cli, lead

POLICY = """\
entities:
  lead:
    same_if: [[email]]
    resembles:
      fields: {given: first_name, family: last_name, mail: email, company: company}
      candidates: [[company, name]]
      review: 0.1
"""
WEBER = {"First Name": "Ann", "Last Name": "Weber", "Company": "Acme GmbH", "Country": "Germany"}
PAIR = ("lists/leads/1", "lists/leads/2")


@pytest.fixture
def reviewed(cli: Cli) -> Cli:
    """Two leads that may be one, and one that is neither."""
    cli.write(connections={"lists": cli.lists(key="Lead Id")}, policies="policies", mappings="mappings")
    cli.text("policies/identity.yaml", POLICY)
    cli.text(
        "mappings/files/lead.yaml",
        "from: files.leads\nto: lead\nfields:\n  first_name: First Name\n  last_name: Last Name\n"
        "  company: Company\n  email: Email\n  country: Country\n",
    )
    cli.leads(
        lead(1, **WEBER, Email="ann@acme.example"), lead(2, **{**WEBER, "Company": "ACME"}, Email="office@web.de"),
        lead(3, Email="an3@company3.example"),
    )  # fmt: skip
    cli("run", "pull", "refine")
    return cli


def test_the_queue_is_listed_with_the_reasons(reviewed: Cli) -> None:
    said = reviewed("match", "list", "lead", "--json").json
    assert said["open"] == 1
    [pair] = said["pairs"]
    assert (pair["record_a"], pair["record_b"]) == PAIR
    assert {"family_same", "given_same", "company_same"} <= set(pair["reasons"])
    assert "same family name" in reviewed("match", "list").out


def test_both_records_are_shown_side_by_side_and_personal_values_only_on_request(reviewed: Cli) -> None:
    hidden, shown = reviewed("match", "show", "lead", *PAIR), reviewed("match", "show", "lead", *PAIR, "--show-values")
    assert "office@web.de" not in hidden.out
    assert "office@web.de" in shown.out
    assert "Acme GmbH" in hidden.out
    said = reviewed("match", "show", "lead", *PAIR, "--json").json
    assert said["match"]["state"] == "open"
    assert [r["record"] for r in said["records"]] == list(PAIR)


def test_accept_undo_reject_and_what_is_left_of_them(reviewed: Cli) -> None:
    accepted = reviewed("match", "accept", "lead", *PAIR, "--by", "Linh", "--json").json
    assert reviewed("match", "list", "lead", "--json").json["open"] == 0
    ids = {r["entity_id"] for r in reviewed("match", "show", "lead", *PAIR, "--json").json["records"]}
    assert len(ids) == 1
    reviewed("match", "undo", str(accepted["decision"]))
    assert reviewed("match", "list", "lead", "--json").json["open"] == 1
    reviewed("match", "reject", "lead", *PAIR, "--by", "Linh")
    reviewed("run", "refine")
    assert reviewed("match", "list", "lead", "--json").json["open"] == 0
    decisions = reviewed("match", "list", "--decided", "--json").json["decisions"]
    assert [(d["verb"], d["decided_by"], d["undone_at"] is None) for d in decisions] == [
        ("reject", "Linh", True), ("accept", "Linh", False),
    ]  # fmt: skip


def test_merge_and_split(reviewed: Cli) -> None:
    reviewed("match", "merge", "lead", "lists/leads/1", "lists/leads/3")
    moved = reviewed("match", "split", "lead", "lists/leads/3", "--json").json["moved"]
    assert len(moved) == 1
    records = reviewed("match", "show", "lead", "lists/leads/1", "lists/leads/3", "--json").json
    assert len({r["entity_id"] for r in records["records"]}) == 2
    assert records["match"]["state"] == "rejected"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("accept", "lead", "lists/leads/1", "lists/leads/99"), "no lead record is named 'lists/leads/99'"),
        (("accept", "lead", "lists/leads/1", "lists/leads/1"), "two different records"),
        (("split", "lead", "lists/leads/1"), "only record"),
        (("undo", "77"), "no decision 77"),
        (("list", "led"), "'led' is no entity"),
        (("train", "lead"), "too few"),
        (("train", "contact"), "no `resembles` for contact"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    reviewed: Cli, command: tuple[str, ...], words: str
) -> None:
    said = reviewed("match", *command, code=2)
    assert words in " ".join(said.err.split())
    assert reviewed("match", "list", "--decided", "--json").json["decisions"] == []
