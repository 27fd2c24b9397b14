"""The whole demo, once, on a small company: real systems, a real database, three rounds."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from rich.console import Console

from prm_sync.demo.company import TWINS, Company, Size, company
from prm_sync.demo.cycle import Demo, DemoOptions, run_demo
from prm_sync.demo.folder import SECRETS, home_of
from prm_sync.demo.result import DemoResult
from prm_sync.demo.scenes import CONFLICTS, Scene
from prm_sync.demo.service import RESOLUTION, RESPOND_H, SOLVE_H
from prm_sync.demo.words import TONGUES
from prm_sync.errors import ConfigError
from prm_sync.warehouse import db, embedded

SIZE, SEED, MONDAY = Size(300, 100, 12), 7, datetime(2026, 3, 16, 8, tzinfo=UTC)


@dataclass
class Played:
    """A demo that was played, and what it left."""

    folder: Path
    result: DemoResult
    company: Company
    prm: dict[str, list[dict[str, Any]]]
    crm: dict[str, list[dict[str, Any]]]
    secrets: list[str]
    spoken: str
    logged: list[str]

    def query(self, statement: str) -> list[Any]:
        engine = db.engine(embedded.attach_or_start(home_of(self.folder)).url())
        try:
            with engine.begin() as tx:
                return list(tx.execute(sa.text(statement)).all())
        finally:
            engine.dispose()


class Keeping(logging.Handler):
    """Keeps every record with all that it carries: message, extras, traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.plain = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.plain.format(record)} {record.__dict__}")


@pytest.fixture(scope="module")
def played() -> Iterator[Played]:
    base = Path(tempfile.mkdtemp(prefix="prm-demo-"))
    base.chmod(0o711)
    spoken, handler, seen = io.StringIO(), Keeping(), {}

    def look(demo: Demo) -> None:
        seen["prm"], seen["crm"] = demo.systems.prm.control.snapshot(), demo.systems.crm.control.snapshot()
        credentials = (demo.systems.prm.credentials, demo.systems.crm.credentials)
        seen["secrets"] = [str(value) for c in credentials for name, value in c.items() if name in SECRETS]

    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        console = Console(file=spoken, width=200)
        result = run_demo(DemoOptions(base, SIZE, SEED, now=MONDAY, then=look, console=console))
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    folder = base / "demo"
    try:
        yield Played(
            folder, result, company(SIZE, SEED, MONDAY), seen["prm"], seen["crm"], seen["secrets"],
            spoken.getvalue(), handler.lines
        )
    finally:
        embedded.remove(home_of(folder))
        shutil.rmtree(base)


def test_the_third_run_sends_nothing_and_reads_only_what_its_predecessor_changed(played):
    assert played.result.third_run_writes == 0
    assert played.result.third_run_records < played.result.pulled / 3
    assert played.result.third_run_reads < played.result.first_run_reads / 2


def test_every_offer_is_one_record_in_the_prm(played):
    keys = Counter(row["external_key"] for row in played.prm["leads"] if row["external_key"])
    assert len(keys) == played.result.offers
    assert set(keys.values()) == {1}
    ran_out = played.query("SELECT lead_id || ':' || rank AS key FROM ledger.lead_offer WHERE state = 'expired'")
    taken_back = {row["external_key"] for row in played.prm["leads"] if row["archived"]}
    assert taken_back == {r.key for r in ran_out}


def test_partners_took_declined_and_overlooked_offers_and_those_went_to_others(played):
    offers = played.result.offers_by
    assert offers["accepted"] > offers["declined"] > 0
    assert offers["expired"] > 0
    assert played.result.answered == offers["accepted"] + offers["declined"]
    again = played.query(
        "SELECT a.partner_id, b.partner_id FROM ledger.lead_offer a JOIN ledger.lead_offer b "
        "ON b.lead_id = a.lead_id AND b.rank = a.rank + 1"
    )
    assert again
    assert all(first != second for first, second in again)


def test_the_quarantine_holds_each_kind_of_bad_row(played):
    rows = played.query("SELECT field, code FROM ops.quarantine WHERE state = 'open' AND stream = 'Lead'")
    held = Counter((r.field, r.code) for r in rows)
    bad = played.result.bad
    assert all(bad.values())
    assert held["status", "unmapped_value"] == bad["unknown_status"]
    assert held["country", "invalid"] == bad["unknown_country"] - 1  # one is mended by the demo
    assert held["*", "unreachable"] == bad["no_contact_data"]
    assert held["phone", "invalid"] >= bad["invalid_phone"]
    assert played.result.refused == 0


def test_duplicates_are_one_lead_and_each_of_them_learns_of_the_offer(played):
    twice = played.query(
        "SELECT entity_id, array_agg(remote_id) AS ids FROM core.crosswalk "
        "WHERE entity = 'lead' AND connection = 'crm' GROUP BY 1 HAVING count(*) > 1"
    )
    assert sum(len(r.ids) - 1 for r in twice) >= played.result.duplicates
    rows = {row["Id"]: row for row in played.crm["Lead"]}
    offered = [r for r in twice if rows[r.ids[0]].get("Prm_Offer_Status__c")]
    assert offered
    for r in offered:
        assert {rows[i]["Prm_Lead_Id__c"] for i in r.ids} == {r.entity_id}
        assert len({rows[i]["Prm_Offer_Status__c"] for i in r.ids}) == 1


@pytest.mark.parametrize("tongue", TONGUES, ids=lambda t: t.code)
def test_names_of_every_language_arrive_letter_for_letter(played, tongue):
    people = {(r.first_name, r.last_name,
               r.email) for r in played.query("SELECT first_name, last_name, email FROM core.lead")}
    families = set(tongue.family)
    seeded = [
        r for r in played.company.crm["Lead"]
        if r["LastName"] in families and r["FirstName"] in tongue.given and r["Email"] and r["Email"].islower()
    ]  # fmt: skip
    assert len(seeded) > 5
    missing = [r["Email"] for r in seeded if (r["FirstName"], r["LastName"], r["Email"]) not in people]
    assert missing == []


def test_every_partner_of_the_crm_got_its_key_and_its_figures(played):
    partners = [row for row in played.crm["Account"] if row.get("Prm_Partner_Id__c")]
    assert len(partners) == SIZE.partners
    assert all(row["Prm_Partner_Key__c"] for row in partners)
    assert {row["Prm_Period__c"] for row in partners} == {"2026-03"}
    assert sum(row["Prm_Leads_Offered__c"] for row in partners) == played.result.offers
    assert sum(row["Prm_Leads_Accepted__c"] for row in partners) == played.result.offers_by["accepted"]


def test_the_winner_and_two_losers_of_a_lead_are_explained(played):
    lead, chosen, less, out = played.result.explained
    assert lead.startswith("lead_")
    assert ": chosen: highest score" in chosen
    assert ": not chosen: " in less
    assert ": no, " in out
    assert lead in played.spoken
    assert str(played.folder) in played.spoken.replace("\n", "")


def scene(played: Played, name: str) -> Scene:
    """The scene of that name, which is told on the console, with its command."""
    [found] = [s for s in played.result.scenes if s.name == name]
    spoken = played.spoken
    assert all(text in spoken for text in (found.happened, found.outcome, f"$ {found.command}"))
    return found


def test_one_of_each_queue_is_decided_and_the_rest_is_left_for_people_to_try(played):
    assert [s.name for s in played.result.scenes] == ["plan", "match", "conflict", "quarantine"]
    assert {s.name: s.left_open for s in played.result.scenes} | {"quarantine": 0} == {
        "plan": 0, "match": TWINS - 1, "conflict": CONFLICTS - 1, "quarantine": 0,
    }  # fmt: skip
    told = json.loads(json.dumps(dataclasses.asdict(played.result)))["scenes"]
    assert {frozenset(s) for s in told} == {
        frozenset(("name", "happened", "outcome", "command", "left_open", "concerns"))
    }


def test_the_first_push_was_held_and_nothing_left_before_it_was_approved(played):
    told = scene(played, "plan")
    [plan] = played.query(f"SELECT * FROM ops.plan WHERE id = '{told.concerns}'")
    assert (plan.state, plan.approved_by, plan.stream) == ("applied", "demo", "leads")
    assert plan.counts["create"] > min(8 * SIZE.partners, SIZE.leads // 12)
    assert f"prm-sync approve {plan.id}" == told.command
    [report] = played.query("SELECT min(at) AS first, count(*) AS n FROM ops.write_log WHERE stream = 'leads'")
    assert report.n > 0
    assert report.first >= plan.approved_at
    assert played.query("SELECT 1 FROM ops.plan WHERE state = 'held'") == []


def test_an_accepted_pair_of_contacts_is_one_entity_and_another_pair_still_waits(played):
    told = scene(played, "match")
    records = played.query(f"SELECT remote_id FROM core.crosswalk WHERE entity_id = '{told.concerns}'")
    people = {row["Id"]: {row["FirstName"], row["LastName"]} for row in played.crm["Contact"]}
    names = [people[r.remote_id] for r in records]
    assert len(names) == 2
    assert names[0] == names[1]
    assert all(r.remote_id in told.command for r in records)
    states = played.query("SELECT state, decided_by FROM core.match_review ORDER BY state")
    assert [tuple(r) for r in states] == [("accepted", "demo"), ("open", None)]


def test_the_decision_of_a_conflict_reached_the_prm_and_the_open_one_is_written_nowhere(played):
    told = scene(played, "conflict")
    found = {r.id: r for r in played.query("SELECT * FROM ops.conflict")}
    assert sorted(r.state for r in found.values()) == ["open", "resolved"]
    crm = {row["Id"]: row for row in played.crm["Lead"]}
    prm = {row["key"]: row for row in played.prm["leads"]}
    for row in found.values():
        both = played.query(f"SELECT connection, remote_id FROM core.crosswalk WHERE entity_id = '{row.entity_id}'")
        at = {r.connection: r.remote_id for r in both}
        there = (crm[at["crm"]]["Product_Interest__c"], prm[at["prm"]]["fields"]["product"])
        said = {s["connection"]: s["value"] for s in row.sides}
        if row.id == told.concerns:
            assert there == (said["crm"], said["crm"])
            assert row.resolved_by == "demo"
        else:
            assert there == (said["crm"], said["prm"])
            assert len({*there, row.agreed}) == 3


def test_the_mended_record_is_out_of_quarantine_and_its_source_is_as_it_was(played):
    told = scene(played, "quarantine")
    [edit] = played.query("SELECT * FROM ops.correction")
    [held] = played.query(
        f"SELECT state FROM ops.quarantine WHERE remote_id = '{edit.remote_id}' AND field = 'country'"
    )
    assert held.state == "resolved"
    [lead] = played.query(f"SELECT country FROM core.lead WHERE id = '{told.concerns}'")
    assert lead.country in {place.code for tongue in TONGUES for place in tongue.places}
    [source] = [row for row in played.crm["Lead"] if row["Id"] == edit.remote_id]
    assert source["Country"] == "Atlantis"
    assert told.left_open == played.result.bad["unknown_country"] - 1


def test_a_changed_routing_policy_is_played_over_the_same_leads_and_moves_nothing(played):
    told = played.result.what_if
    assert told.happened in played.spoken
    moved = int(told.outcome.split()[0].replace(",", ""))
    assert 0 < moved < SIZE.leads
    versions = {r.rule_version for r in played.query("SELECT DISTINCT rule_version FROM ledger.routing_decision")}
    assert len(versions) == 1
    assert told.concerns not in versions
    assert (played.folder / "what-if.yaml").is_file()


def test_no_secret_and_no_field_value_in_any_log_line(played):
    complaints = (played.folder / "emulators.log").read_text(encoding="utf-8")
    text = "\n".join([*played.logged, complaints])
    assert "page staged" in text
    assert "emulator started" in text
    assert "http call" in text
    personal = {
        str(row[name]) for row in [*played.company.crm["Lead"], *played.company.crm["Contact"]]
        for name in ("Email", "Phone", "MobilePhone", "Company", "LastName", "Street") if row.get(name)
    }  # fmt: skip
    personal = {value for value in personal if len(value) > 6 or not value.isascii()}
    found = [value for value in (*personal, *played.secrets) if value in text]
    assert found == []


def test_secrets_stand_in_files_that_only_their_owner_can_read(played):
    project = (played.folder / "prm_sync.yaml").read_text(encoding="utf-8")
    assert not [secret for secret in played.secrets if secret in project]
    files = list((played.folder / "secrets").iterdir())
    assert len(files) == 3
    assert {f.stat().st_mode & 0o777 for f in files} == {0o600}


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="no demo's"):
        run_demo(DemoOptions(tmp_path))
    assert (tmp_path / "demo" / "mine.txt").read_text() == "mine"


def test_a_case_went_to_a_service_partner_who_solved_it_and_the_crm_knows(played):
    told = played.result.case
    assert all(text in played.spoken for text in (told.happened, told.outcome, f"$ {told.command}"))
    [remote] = played.query(
        f"SELECT remote_id FROM core.crosswalk WHERE entity_id = '{told.concerns}' AND connection = 'crm'"
    )
    [row] = [r for r in played.crm["Case"] if r["Id"] == remote.remote_id]
    assert (row["Prm_Status__c"], row["Prm_Resolution__c"], row["Status"]) == ("resolved", RESOLUTION, "New")
    given, responded, solved = (
        datetime.fromisoformat(row[f"Prm_{n}_At__c"].replace("+0000", "+00:00"))
        for n in ("Assigned", "First_Response", "Resolved")
    )
    assert (responded - given, solved - given) == (timedelta(hours=RESPOND_H), timedelta(hours=SOLVE_H))
    with (played.folder / "portal" / "cases.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {r["Key"]: r for r in csv.DictReader(file)}
    [seen] = [r for key, r in rows.items() if key.startswith(f"{told.concerns}:partner_")]
    assert (seen["Subject"], seen["Contact"] != "") == (row["Subject"], True)
    addresses = {r["Email"] for r in played.crm["Contact"]}
    assert not any(cell in addresses for r in rows.values() for cell in r.values())
    assert seen["Partner"] == row["Prm_Partner_Key__c"]


def test_a_case_that_a_partner_declined_or_left_unanswered_went_on(played):
    ended = played.query("SELECT case_id, state FROM ledger.case_assignment WHERE state IN ('declined', 'expired')")
    assert {r.state for r in ended} == {"declined", "expired"}
    further = played.query(
        "SELECT d.case_id, d.rank, d.reasons FROM ledger.case_decision d JOIN ledger.case_assignment o USING (case_id) "
        "WHERE o.state IN ('declined', 'expired') AND d.rank > o.rank"
    )
    assert {r.case_id for r in further} == {r.case_id for r in ended}


def test_a_partner_sees_when_an_order_of_its_customer_ships_and_nothing_of_its_price(played):
    notice = played.result.notice
    with (played.folder / "portal" / "shipping_notices.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    [shipped] = [r for r in rows if r["Status"] == "shipped"]
    assert shipped["Key"].startswith(f"{notice.concerns}:partner_")
    assert (shipped["Carrier"], shipped["Tracking"]) == ("顺丰速运", "SF-0711")
    [order] = [r for r in played.crm["Order"] if r["OrderNumber"] == shipped["Order"]]
    assert order["Status"] == "Shipped"
    assert shipped["Partner"] in notice.outcome
    mine = [r for r in played.crm["Order"] if r["Prm_Partner__c"]]
    assert {r["OrderNumber"] for r in mine} >= {r["Order"] for r in rows}
    assert len(rows) >= 3
    assert not any(str(r["TotalAmount"]) in ",".join(shipped.values()) for r in mine)
    logged = played.query("SELECT DISTINCT unnest(fields) AS f FROM ops.share_log WHERE stream = 'shipping_notices'")
    assert {r.f for r in logged}.isdisjoint({"amount", "delivery_preference", "account_ref"})


def test_the_demo_shows_a_lead_whose_offer_ran_out_and_went_to_the_next_partner(played: Played) -> None:
    told = played.result.offered_again
    offers = played.query(f"SELECT state FROM ledger.lead_offer WHERE lead_id = '{told.concerns}' ORDER BY rank")
    assert [offers[0].state, len(offers) > 1] == ["expired", True]


def test_the_demo_shows_a_lead_of_which_a_partner_sees_initials(played: Played) -> None:
    told = played.result.masked
    [lead] = played.query(f"SELECT last_name FROM core.lead WHERE id = '{told.concerns}'")
    assert lead.last_name not in told.outcome
    [left] = played.query(
        "SELECT DISTINCT p.tier FROM ops.share_log s JOIN core.partner p ON p.partner_key = s.partner_key "
        "WHERE 'last_name=initials' = ANY(s.masked)"
    )
    assert left.tier == "bronze"
