"""Corrections of records in quarantine: applied before mapping, remembered until the source changes, never sent."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from workbench import Bench, Project, Vendors, rows

from prm_sync.app import App
from prm_sync.errors import ConfigError, PrmSyncError
from prm_sync.flows.pull import pull
from prm_sync.flows.refine import refine
from prm_sync.flows.replay import RecordKey, correct, replay, take_back
from prm_sync.rules.corrections import Correction, corrected, fingerprint
from prm_sync.warehouse import quarantine
from prm_sync.warehouse.quarantine import Chosen

MAPPING = """\
from: files.leads
to: lead
fields:
  email: Email
  status: {from: Status, choices: {Open: new, Working: working}}
  country: Country
  phone: Phone
  city: City
"""
HEADER = ["Id", "Email", "Status", "Country", "Phone", "City"]
ONE = RecordKey("lists", "leads", "1")


@pytest.fixture
def lists(project: Project) -> Project:
    return project.lists(MAPPING)


def given(project: Project, app: App, *leads: Sequence[Any]) -> None:
    project.csv("leads.csv", HEADER, leads)
    project.clock.advance(minutes=1)
    pull(app, "lists", "leads")
    refine(app)


def golden(app: App) -> list[tuple[Any, ...]]:
    return [tuple(r.values()) for r in rows(app.db, "SELECT status, country, city FROM core.lead ORDER BY email")]


def open_(app: App) -> list[tuple[str, str]]:
    found = rows(app.db, "SELECT remote_id, field FROM ops.quarantine WHERE state = 'open' ORDER BY 1, 2")
    return [(r["remote_id"], r["field"]) for r in found]


def test_a_corrected_record_leaves_the_quarantine_and_its_source_stays_as_received(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [1, "l1@x.example", "مفتوح", "Atlantis", "", "تهران"])
        assert open_(app) == [("1", "country"), ("1", "status")]
        done = correct(app, ONE, {"Status": "Open", "Country": "ایران"}, by="Linh", note="as the seller said")
        assert (done.resolved, done.still) == (2, 0)
        assert golden(app) == [("new", "IR", "تهران")]
        assert rows(app.db, "SELECT payload ->> 'Country' AS c FROM raw.record") == [{"c": "Atlantis"}]
        told = rows(app.db, "SELECT field, made_by, made_at, note, ended_at FROM ops.correction ORDER BY 1")
        assert [(r["field"], r["made_by"], r["note"], r["ended_at"]) for r in told] == [
            ("Country", "Linh", "as the seller said", None), ("Status", "Linh", "as the seller said", None),
        ]  # fmt: skip


def test_a_correction_holds_while_other_fields_change_and_ends_when_the_source_changes_its_field(
    lists: Project,
) -> None:
    with lists.open() as app:
        given(lists, app, [1, "l1@x.example", "Open", "Atlantis", "", "Huế"])
        correct(app, ONE, {"Country": "Vietnam"}, by="Linh")
        given(lists, app, [1, "l1@x.example", "Working", "Atlantis", "", "Vinh"])
        assert (golden(app), open_(app)) == ([("working", "VN", "Vinh")], [])
        given(lists, app, [1, "l1@x.example", "Working", "Laos", "", "Vinh"])
        assert golden(app) == [("working", "LA", "Vinh")]
        [row] = rows(app.db, "SELECT ended_by, ended_at FROM ops.correction")
        assert (row["ended_by"], row["ended_at"]) == ("source", lists.clock.at)
        given(lists, app, [1, "l1@x.example", "Working", "Atlantis", "", "Vinh"])  # wrong anew: a person looks anew
        assert open_(app) == [("1", "country")]


def test_a_correction_outlives_a_changed_mapping(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [1, "l1@x.example", "Open", "Atlantis", "", "Huế"])
        correct(app, ONE, {"Country": "Vietnam"}, by="Linh")
    lists.mapping(MAPPING.replace("Open: new", "Open: qualified"))
    with lists.open() as app:
        refine(app)
        assert golden(app) == [("qualified", "VN", "Huế")]


def test_a_correction_that_is_taken_back_brings_the_trouble_back(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [1, "l1@x.example", "Open", "Atlantis", "", "Huế"])
        correct(app, ONE, {"Country": "Vietnam", "City": "Vinh"}, by="Linh")
        fields, done = take_back(app, ONE, ["Country"], by="Ngọc")
        assert (fields, done.still, open_(app)) == (["Country"], 1, [("1", "country")])
        assert golden(app) == [("new", "VN", "Vinh")]  # the field keeps what it had while it is in quarantine
        assert take_back(app, ONE, None, by="Ngọc")[0] == ["City"]
        with pytest.raises(PrmSyncError, match="no correction of it applies"):
            take_back(app, ONE, None, by="Ngọc")


def test_a_correction_of_nothing_that_is_there_is_refused_with_a_near_name(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [1, "l1@x.example", "Open", "Atlantis", "", "Huế"])
        with pytest.raises(ConfigError, match=r'it has no field "Contry"; did you mean "Country"\?'):
            correct(app, ONE, {"Contry": "x"}, by="Linh")
        with pytest.raises(PrmSyncError, match="there is no such record"):
            correct(app, RecordKey("lists", "leads", "99"), {"Country": "x"}, by="Linh")
        assert rows(app.db, "SELECT 1 FROM ops.correction") == []


def test_no_log_line_holds_what_was_corrected(lists: Project, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with lists.open() as app:
        given(lists, app, [1, "l1@x.example", "Open", "Atlantis", "", "Huế"])
        correct(app, ONE, {"City": "Cần Thơ", "Email": "geheim@y.example"}, by="Linh")
    told = "".join(f"{r.getMessage()} {vars(r)}" for r in caplog.records if r.name.startswith("prm_sync"))
    assert "corrected" in told
    assert "Cần Thơ" not in told
    assert "geheim" not in told


def test_a_field_within_an_object_is_corrected_over_a_vendor(bench: Bench, vendors: Vendors) -> None:
    key = vendors.partner("nordwind", country="Atlantis")
    bench.pull(("prm", "partnerships"))
    refine(bench.app)
    held = bench.quarantine()
    assert [(r["field"], r["source"]) for r in held] == [("country", "fields.country, field_data.country")]
    done = correct(bench.app, RecordKey("prm", "partnerships", key), {"fields.country": "Norge"}, by="Linh")
    assert (done.resolved, done.still) == (1, 0)
    told = bench.one("SELECT country, name FROM core.partner WHERE partner_key = 'nordwind'")
    assert told == {"country": "NO", "name": "Nordwind"}
    with pytest.raises(ConfigError, match="stands in a list"):
        correct(bench.app, RecordKey("prm", "partnerships", key), {"tags.0": "x"}, by="Linh")


def test_a_record_whose_field_is_held_is_still_found_by_the_key_that_it_had(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [1, "l1@x.example", "Open", "Vietnam", "024 3825 5555", "Huế"])
        before = rows(app.db, "SELECT email, key_1, key_2, key_3, key_4 FROM core.lead_source")
        given(lists, app, [1, "no address", "Open", "Vietnam", "024 3825 5555", "Huế"])
        assert open_(app) == [("1", "email")]
        assert rows(app.db, "SELECT email, key_1, key_2, key_3, key_4 FROM core.lead_source") == before


# --- lists and replays -------------------------------------------------------------------------------------------


def test_quarantine_is_listed_counted_and_replayed_by_every_filter(lists: Project) -> None:
    with lists.open() as app:
        given(lists, app, [1, "l1@x.example", "Strange", "Vietnam", "", "Huế"])
        lists.clock.advance(days=3)
        given(
            lists, app, [1, "l1@x.example", "Strange", "Vietnam", "", "Huế"], [2, "l2@x.example", "Open", "Atlantis"],
            [3, "", "Open", "Laos", "", ""],
        )  # fmt: skip
        with app.db.begin() as tx:
            for chosen, ids in (
                (Chosen(), {"1", "2", "3"}),
                (Chosen(connection="lists", stream="leads", entity="lead"), {"1", "2", "3"}),
                (Chosen(entity="partner"), set()),
                (Chosen(field="status"), {"1"}),
                (Chosen(code="unreadable_row"), {"2"}),
                (Chosen(klass="permanent"), {"2"}),
                (Chosen(before=app.clock() - timedelta(days=1)), {"1"}),
                (Chosen(since=app.clock() - timedelta(days=1)), {"2", "3"}),
                (Chosen(ids=("3",)), {"3"}),
                (Chosen(push=True), set()),
            ):
                assert {r["remote_id"] for r in quarantine.rows(tx, chosen, 100)} == ids, chosen
            assert len(quarantine.reasons(tx, Chosen())) == 3
    lists.mapping(MAPPING.replace("Open: new", "Open: new, Strange: recycled"))
    with lists.open() as app:
        done = replay(app, Chosen(field="status"))
        assert (done.records, done.resolved, done.still) == (1, 1, 0)


# --- the rule ----------------------------------------------------------------------------------------------------


def test_a_correction_copies_what_it_changes_and_leaves_the_record_alone() -> None:
    record = {"a": {"b": 1, "c": 2}, "x.y": 3}
    made, over = corrected(record, [Correction("a.b", None, fingerprint(1)), Correction("x.y", 4, fingerprint(3))])
    assert (made, over) == ({"a": {"b": None, "c": 2}, "x.y": 4}, [])
    assert record == {"a": {"b": 1, "c": 2}, "x.y": 3}


def test_a_value_that_went_through_a_database_is_still_the_same_value() -> None:
    assert fingerprint(1e5) == fingerprint(100000)
    assert fingerprint("a\0b") == fingerprint("ab")
    assert fingerprint({"b": [1.0], "a": None}) == fingerprint({"a": None, "b": [1]})
    assert fingerprint(None) != fingerprint("")
