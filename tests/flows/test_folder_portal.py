"""A folder as a partner portal: offers, answers, sharing, logs and forgetting as with any PRM; and no road around."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from workbench import Project, SteppedClock, rows

from prm_sync.app import App, connectors_of
from prm_sync.errors import ConfigError
from prm_sync.flows.forget import forget
from prm_sync.flows.pull import pull
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.report import FlowReport, State
from prm_sync.flows.route import route
from prm_sync.orchestration.catalogue import read_catalogue
from prm_sync.project import read_project

COLUMNS = ["offer_key", "partner_key", "name", "company", "email", "score", "status", "expires_at"]
ANSWER = ["answer", "answered_at", "reason"]  # written by partners alone
CRM_LEAD = """\
from: files_crm.leads
to: lead
fields:
  last_name: Name
  company: Company
  email: Email
  country: Country
  need: Need
  status: {from: Status, choices: {null: new, Converted: converted}}
  score: Score
back: {Name: last_name}
"""
PORTAL_LEAD = """\
from: files_prm.leads
to: lead
fields:
  prm_lead_id: {from: offer_key, do: before_colon}
  offer_key: offer_key
  partner_ref: partner_key
  email: email
  answer: {from: answer, choices: {ja: accepted, nein: declined}}
  answered_at: answered_at
  decline_reason: reason
back:
  offer_key: offer_key
  partner_key: offer_partner_key
  name: last_name
  company: company
  email: email
  score: score
  status: offer_partner_stage
  expires_at: {from: offer_expires_at, do: to_iso_z}
"""
PORTAL_PARTNER = """\
from: files_prm.partners
to: partner
fields:
  partner_key: {from: Partner Key, required: true}
  name: Partner Key
  status: {from: Status, choices: {Active: active}}
  territories: {from: Territories, do: split_list}
  weekly_capacity: Capacity
"""


@dataclass
class Portal:
    """A CRM's exports in one folder, the partners' folder beside it, and the app between them."""

    folder: Path
    app: App
    clock: SteppedClock

    def crm(self, *leads: tuple[str, str, str], converted: int = 0) -> None:
        """The CRM's export: (id, name, e-mail) of each lead, of which the first so many are converted."""
        lines = [
            f"{i},{name},{name} GmbH,{email},DE,88,{'Converted' if n < converted else ''}"
            for n, (i, name, email) in enumerate(leads)
        ]
        text = "\n".join(["Id,Name,Company,Email,Country,Score,Status", *lines, ""])
        (self.folder / "crm" / "leads.csv").write_text(text, encoding="utf-8")

    def shown(self) -> list[dict[str, str]]:
        """What the partners see."""
        with (self.folder / "portal" / "leads.csv").open(encoding="utf-8-sig", newline="") as f:
            header = f.readline()
            f.seek(0)
            return list(csv.DictReader(f, delimiter=";" if ";" in header else ","))

    def fill_in(self, **values: str) -> None:
        """A partner writes into all rows, and saves with other delimiters and a column of their own."""
        found = [{**row, **values, "Notiz": "nur für uns"} for row in self.shown()]
        with (self.folder / "portal" / "leads.csv").open("w", encoding="utf-8", newline="") as f:
            out = csv.DictWriter(f, list(found[0]), delimiter=";")
            out.writeheader()
            out.writerows(found)

    def cycle(self) -> list[FlowReport]:
        """Pull, refine, route, push; the reports of pulls and push."""
        reports = [pull(self.app, c, s) for c, s in (("crm", "leads"), ("portal", "partners"), ("portal", "leads"))]
        self.clock.advance(seconds=10)
        refine(self.app)
        self.clock.advance(seconds=10)
        route(self.app)
        self.clock.advance(seconds=10)
        reports.append(push(self.app, "portal", "leads"))
        self.clock.advance(minutes=10)
        return reports

    def rows(self, query: str) -> list[dict[str, Any]]:
        return rows(self.app.db, query)


def connections(**portal: Any) -> dict[str, Any]:
    crm_config = {"folder": "crm", "key": "Id", "snapshot": True}
    config = {
        "folder": "portal", "streams": {"partners": {"file": "partners.csv", "key": "Partner Key"}},
        "writes": {"leads": {"key": "offer_key", "columns": COLUMNS + ANSWER}},
    }  # fmt: skip
    return {
        "crm": {"connector": "files", "kind": "crm", "config": crm_config, "streams": ["leads"]},
        "portal": {"connector": "files", "kind": "prm", "config": config, "streams": ["leads", "partners"], **portal},
    }  # fmt: skip


@pytest.fixture
def portal(project: Project) -> Iterator[Portal]:
    for name in ("crm", "portal"):
        (project.folder / name).mkdir()
    project.mapping(CRM_LEAD, "lead", "files_crm")
    project.mapping(PORTAL_LEAD, "lead", "files_prm")
    project.mapping(PORTAL_PARTNER, "partner", "files_prm")
    (project.folder / "portal" / "partners.csv").write_text(
        "Partner Key,Status,Territories,Capacity\nnordwind,Active,DE,50\n", encoding="utf-8"
    )
    project.write(connections=connections(), mappings="mappings", trust=["crm", "portal"])
    with project.open() as app:
        assert app.problems == ()
        app.settings = app.settings.model_copy(update={"hash_key": SecretStr("a secret of the tests")})
        yield Portal(project.folder, app, project.clock)


def test_an_offer_is_a_row_that_the_partner_answers_in_the_same_file(portal: Portal) -> None:
    portal.crm(("L1", "阮氏安", "an@an.example"))
    reports = portal.cycle()
    assert [r.state for r in reports] == [State.DONE] * 4
    [row] = portal.shown()
    assert (row["name"], row["partner_key"], row["email"], row["answer"]) == ("阮氏安", "nordwind", "an@an.example", "")
    portal.fill_in(answer="ja", answered_at=portal.clock.at.isoformat())
    portal.cycle()
    [offer] = portal.rows("SELECT state, answered_at FROM ledger.lead_offer")
    assert offer["state"] == "accepted"
    [row] = portal.shown()
    assert (row["answer"], row["Notiz"]) == ("ja", "nur für uns")


def test_what_is_so_already_is_not_sent_again(portal: Portal) -> None:
    portal.crm(("L1", "نرگس", "n@n.example"), ("L2", "Núñez", "nn@nn.example"))
    portal.cycle()
    before = (portal.folder / "portal" / "leads.csv").stat()
    assert portal.cycle()[-1].numbers.get("written", 0) == 0
    assert (portal.folder / "portal" / "leads.csv").stat().st_mtime_ns == before.st_mtime_ns


def test_the_sharing_policy_decides_what_stands_in_the_folder_and_every_field_is_logged(portal: Portal) -> None:
    portal.crm(("L1", "Weber", "w@weber.example"))
    portal.cycle()
    [row] = portal.shown()
    assert row["score"] == ""  # the mapping writes it, the policy does not share it
    [log] = portal.rows("SELECT kind, connection, partner_key, fields FROM ops.share_log")
    assert (log["kind"], log["connection"], log["partner_key"]) == ("shared", "portal", "nordwind")
    assert {"last_name", "company", "email"} <= set(log["fields"])
    assert "score" not in log["fields"]


def test_that_the_folder_lacks_or_has_nothing_of_what_we_removed_ourselves_is_no_surprise(portal: Portal) -> None:
    with (portal.folder / "portal" / "partners.csv").open("a", encoding="utf-8") as f:
        f.write("südwind,Active,DE,50\n")
    leads = [(f"L{n}", f"Name{n}", f"n{n}@company{n}.example") for n in range(15)]
    portal.crm(*leads)
    portal.cycle()
    portal.cycle()
    assert len(portal.shown()) == 15
    for converted, left in ((12, 3), (15, 0)):
        portal.crm(*leads, converted=converted)
        portal.cycle()
        assert len(portal.shown()) == left
        assert [r.state for r in portal.cycle()] == [State.DONE] * 4
        [living] = portal.rows(
            "SELECT count(*) AS n FROM raw.record WHERE connection = 'portal' "
            "AND stream = 'leads' AND deleted_at IS NULL"
        )
        assert living["n"] == left
    assert [r.state for r in portal.cycle()] == [State.DONE] * 4


def test_an_emptied_folder_is_held_and_nothing_is_deleted(portal: Portal) -> None:
    portal.crm(*((f"L{n}", f"Name{n}", f"n{n}@company{n}.example") for n in range(20)))
    portal.cycle()
    portal.cycle()
    (portal.folder / "portal" / "leads.csv").unlink()
    held = pull(portal.app, "portal", "leads")
    assert held.state is State.HELD
    assert "nothing was marked as deleted" in (held.message or "")
    assert portal.rows("SELECT count(*) AS n FROM raw.record WHERE stream = 'leads' AND deleted_at IS NOT NULL") == [
        {"n": 0}
    ]


def test_a_person_who_is_forgotten_stands_in_the_folder_no_more(portal: Portal) -> None:
    portal.crm(("L1", "Weber", "w@weber.example"), ("L2", "Đặng", "d@dang.example"))
    portal.cycle()
    portal.cycle()
    receipt = forget(portal.app, "w@weber.example")
    assert receipt.kept_by_crm == {"crm.leads": 1}  # exports of the CRM are the CRM's
    assert [row["name"] for row in portal.shown()] == ["Đặng"]


def test_streams_that_are_not_in_use_are_not_written(portal: Portal) -> None:
    assert [(m.connection, m.stream) for m in portal.app.back_mappings()] == [("crm", "leads"), ("portal", "leads")]
    portal.app.source = read_project(portal.app.settings.project_file)
    connection = portal.app.source.project.connections["portal"]
    portal.app.source.project.connections["portal"] = connection.model_copy(update={"streams": ("partners",)})
    assert [m.connection for m in portal.app.back_mappings()] == ["crm"]


def test_the_catalogue_knows_what_is_written_and_reads_no_mapping_of_plain_files(portal: Portal) -> None:
    catalogue = read_catalogue(portal.app.settings)
    assert [(s.connection, s.stream, bool(s.backs)) for s in catalogue.streams] == [
        ("crm", "leads", True), ("portal", "leads", True), ("portal", "partners", False),
    ]  # fmt: skip
    assert {m.spec.connector for s in catalogue.streams for m in s.feeds} == {"files_crm", "files_prm"}


def test_a_kind_is_only_for_what_has_none_of_its_own(project: Project) -> None:
    project.write(connections={**connections(), "sf": {"connector": "salesforce", "kind": "prm"}})
    with pytest.raises(ConfigError, match=r"prm_sync\.yaml:\d+: .*Salesforce is a crm and nothing else") as told:
        connectors_of(read_project(project.settings.project_file))
    lines = project.settings.project_file.read_text().splitlines()
    assert lines[(told.value.line or 0) - 1] == "    kind: prm"
    assert (told.value.line or 0) > lines.index("  sf:")


def test_a_kind_that_there_is_not_is_told_with_its_line(project: Project) -> None:
    project.write(connections={"portal": {"connector": "files", "kind": "portal"}})
    with pytest.raises(ConfigError, match=r"prm_sync\.yaml:4: .*kind"):
        read_project(project.settings.project_file)
