"""Matching by likeness in the warehouse: links, the review queue, decisions that stay, whatever comes when."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from workbench import Project, SteppedClock, rows

from prm_sync.app import App
from prm_sync.errors import ConfigError
from prm_sync.flows import match
from prm_sync.flows.pull import pull
from prm_sync.flows.refine import refine
from prm_sync.warehouse import match_decisions

HEADER = ["Id", "Given", "Last", "Email", "Mobile", "Phone", "Company"]
MAPPING = """\
from: files.{stream}
to: lead
fields:
  first_name: Given
  last_name: Last
  email: Email
  mobile: Mobile
  phone: Phone
  company: Company
  country: {{from: Country, choices: {{null: DE}}}}
"""
POLICY = """\
entities:
  lead:
    same_if: [[email]]
    resembles:
      fields: {given: first_name, family: last_name, mail: email, mobile: mobile, phone: phone, company: company}
      candidates: [[mobile], [phone, name], [company, name], [mail_local]]
      merge: 0.9
      review: 0.2
"""
#: Alike beyond doubt with one another (mobile and name), each with an e-mail of its own.
ONE = ["1", "Ann", "Weber", "ann@acme.example", "01701234567", "", "Acme GmbH"]
TWO = ["2", "Anna", "Webber", "a.weber@web.de", "01701234567", "", "ACME"]
#: Perhaps ONE: the name and nothing else.
MAYBE = ["3", "Ann", "Weber", "office@acme.example", "01709999999", "", "Acme"]


def prepared(project: Project, policy: str = POLICY) -> None:
    files = {"connector": "files", "config": {"folder": str(project.folder / "data"), "key": "Id"}}
    project.write(connections={"one": files}, trust=["one"], mappings="mappings", policies="policies")
    for stream in ("leads", "more", "late"):
        project.mapping(MAPPING.format(stream=stream), name=stream)
    (project.folder / "policies").mkdir(exist_ok=True)
    (project.folder / "policies" / "identity.yaml").write_text(policy, encoding="utf-8")


@pytest.fixture
def app(project: Project) -> Iterator[App]:
    prepared(project)
    with project.open() as opened:
        assert opened.problems == ()
        yield opened


def give(project: Project, app: App, stream: str, *leads: list[str]) -> None:
    project.csv(f"{stream}.csv", HEADER, leads)
    pull(app, "one", stream)
    refine(app)


def clusters(app: App) -> set[frozenset[str]]:
    found = rows(app.db, "SELECT array_agg(stream || '/' || remote_id) AS who FROM core.crosswalk GROUP BY entity_id")
    return {frozenset(r["who"]) for r in found}


def live(app: App) -> dict[str, int]:
    return {r["id"]: r["sources"] for r in rows(app.db, "SELECT id, sources FROM core.lead WHERE merged_into IS NULL")}


def waiting(app: App) -> list[tuple[str, str]]:
    with app.db.begin() as tx:
        return [(r["record_a"], r["record_b"]) for r in match_decisions.waiting(tx, "lead")]


def decide(app: App, verb: str, one: str, other: str) -> int:
    return match.decide(app, "lead", verb, match.pair_of(app, "lead", [f"one/{one}", f"one/{other}"]), "Linh").id


def test_records_that_share_no_key_but_are_alike_become_one_with_reasons(project: Project, app: App) -> None:
    give(project, app, "leads", ONE)
    give(project, app, "more", TWO)
    assert clusters(app) == {frozenset({"leads/1", "more/2"})}
    [pair] = rows(app.db, "SELECT * FROM core.match_review")
    assert (pair["record_a"], pair["record_b"], pair["state"]) == ("one/leads/1", "one/more/2", "merged")
    assert {"mobile_same", "given_short", "company_same", "names_alike"} <= set(pair["reasons"])
    assert rows(app.db, "SELECT DISTINCT matched_by FROM core.crosswalk WHERE remote_id = '2'") == [
        {"matched_by": "likeness"}
    ]
    assert waiting(app) == []


def test_an_entity_without_likeness_in_the_policy_keeps_no_block_keys(project: Project, app: App) -> None:
    policy = project.folder / "policies" / "identity.yaml"
    policy.write_text(POLICY.partition("    resembles:")[0], encoding="utf-8")
    with project.open() as plain:
        give(project, plain, "leads", ONE, TWO)
        assert len(clusters(plain)) == 2
        assert rows(plain.db, "SELECT * FROM core.match_key") == []


def test_a_pair_in_doubt_waits_and_accepting_it_makes_one(project: Project, app: App) -> None:
    give(project, app, "leads", ONE, MAYBE)
    assert len(clusters(app)) == 2
    assert waiting(app) == [("one/leads/1", "one/leads/3")]
    decision = decide(app, "accept", "leads/3", "leads/1")
    assert clusters(app) == {frozenset({"leads/1", "leads/3"})}
    assert list(live(app).values()) == [2]
    assert waiting(app) == []
    match.undo(app, decision)
    assert len(clusters(app)) == 2
    assert sorted(live(app).values()) == [1, 1]
    assert waiting(app) == [("one/leads/1", "one/leads/3")]
    with pytest.raises(ConfigError, match="no decision"):
        match.undo(app, decision)


def test_a_rejected_pair_is_never_offered_again(project: Project, app: App) -> None:
    give(project, app, "leads", ONE, MAYBE)
    decide(app, "reject", "leads/1", "leads/3")
    give(project, app, "leads", ONE, [*MAYBE[:-1], "Acme GmbH"])  # it changes, and is looked at again
    assert waiting(app) == []
    assert len(clusters(app)) == 2
    assert [r["state"] for r in rows(app.db, "SELECT state FROM core.match_review")] == ["rejected"]


@pytest.mark.parametrize("oldest", [True, False])
def test_a_record_that_was_split_off_stays_apart_and_the_entity_keeps_its_id(
    project: Project, app: App, oldest: bool
) -> None:
    same_mail = [["1", *ONE[1:]], ["2", *ONE[1:]], ["3", *ONE[1:]]]
    give(project, app, "leads", *same_mail)
    [id_] = live(app)
    out = "1" if oldest else "3"
    made = match.split(app, "lead", f"one/leads/{out}", "Linh")
    rest = {"leads/1", "leads/2", "leads/3"} - {f"leads/{out}"}
    expected = {frozenset({f"leads/{out}"}), frozenset(rest)}
    assert clusters(app) == expected
    assert live(app)[id_] == 2
    give(project, app, "leads", *([*line[:-1], "Acme AG"] for line in same_mail))  # all change: all are looked at again
    assert clusters(app) == expected
    assert sorted(live(app).values()) == [1, 2]
    match.undo(app, made.id)
    assert clusters(app) == {frozenset({"leads/1", "leads/2", "leads/3"})}
    assert live(app) == {id_: 3}


def test_a_bridge_between_two_that_were_said_to_be_two_does_not_join_them(project: Project, app: App) -> None:
    give(project, app, "leads", ONE, TWO)
    decide(app, "reject", "leads/1", "leads/2")
    assert len(clusters(app)) == 2
    give(project, app, "late", ["9", "Ann", "Weber", "ann@acme.example", "01701234567", "", "Acme"])
    found = clusters(app)
    assert len(found) == 2
    assert not any({"leads/1", "leads/2"} <= group for group in found)


def test_two_that_nothing_links_can_be_merged_and_parted_again(project: Project, app: App) -> None:
    give(project, app, "leads", ONE, ["7", "Boris", "Iwanow", "b@x.example", "", "", ""])
    decision = decide(app, "merge", "leads/1", "leads/7")
    assert clusters(app) == {frozenset({"leads/1", "leads/7"})}
    refine(app)
    assert len(clusters(app)) == 1
    match.undo(app, decision)
    assert len(clusters(app)) == 2
    assert sorted(live(app).values()) == [1, 1]


def test_a_pair_that_is_no_longer_alike_leaves_the_queue(project: Project, app: App) -> None:
    give(project, app, "leads", ONE, MAYBE)
    assert len(waiting(app)) == 1
    give(project, app, "leads", ONE, ["3", "Boris", "Iwanow", "office@other.example", "", "", "Other"])
    assert waiting(app) == []


def test_a_pair_that_became_one_by_another_road_leaves_the_queue(project: Project, app: App) -> None:
    give(project, app, "leads", ONE, MAYBE)
    give(project, app, "more", ["5", "Ann", "Weber", "ann@acme.example", "01709999999", "", "Acme"])
    assert len(clusters(app)) == 1
    assert waiting(app) == []


@pytest.mark.parametrize(("seed", "most_rows"), [(0, 50), (1, 50), (2, 3), (3, 3), (4, 5), (5, 5)])
def test_likeness_gives_the_same_clusters_in_any_order_and_batching(
    project: Project, make_database: Any, clock: SteppedClock, seed: int, most_rows: int
) -> None:
    """Also where keys wear out on the way: few rows may share one."""
    rng = random.Random(seed)
    prepared(project, f"{POLICY}      most_rows: {most_rows}\n")
    names = [("Ann", "Weber"), ("Anna", "Webber"), ("王", "伟"), ("Wang", "Wei"), ("محمد", "علي"), ("Mohammed", "Ali"),
             ("Weber", "Ann"), ("Nguyễn", "Văn"), ("Van", "Nguyen")]  # fmt: skip
    leads = [
        [
            str(n), *rng.choice(names), rng.choice(["", f"e{rng.randrange(8)}@x.example", f"ann{n}@web.de"]),
            rng.choice(["", f"0170123456{rng.randrange(4)}"]), rng.choice(["", f"03012345{rng.randrange(3)}"]),
            rng.choice(["", "Acme GmbH", "Acme"]),
        ]
        for n in range(30)
    ]  # fmt: skip
    leads = [lead for lead in leads if any(lead[3:6])]
    found, queues = [], []
    for order in range(3):
        folder = Project(project.folder, make_database(), clock)
        with folder.open() as app:
            shuffled = rng.sample(leads, len(leads))
            cut = len(leads) if order == 0 else rng.randrange(1, len(leads))
            give(folder, app, "leads", *shuffled[:cut])
            give(folder, app, "leads", *shuffled)
            found.append(clusters(app))
            queues.append({frozenset(pair) for pair in waiting(app)})
            assert len(live(app)) == len(found[-1])
    assert found[0] == found[1] == found[2]
    assert queues[0] == queues[1] == queues[2]
    assert len(found[0]) < len(leads)


def test_weights_are_learned_from_the_decisions(project: Project, app: App) -> None:
    """Somebody for whom a shared mobile number is no evidence at all, but the company's name is."""
    lines = []
    for n, letter in enumerate("abcdefghijklmnopqrstuvwxy"):
        mail = [f"{letter}{who}@{who}{n}.example" for who in ("anna", "weber", "boris", "carla")]
        lines += [
            [f"a{n}", "Ann", f"Weber{n}", mail[0], "", "", f"Werk{n}"],
            [f"b{n}", "Ann", f"Weber{n}", mail[1], "", "", f"Werk{n}"],
            [f"c{n}", "Boris", f"Ng{n}", mail[2], f"0171{1000000 + n}", "", ""],
            [f"d{n}", "Carla", f"Ng{n}", mail[3], f"0171{1000000 + n}", "", ""],
        ]
    give(project, app, "leads", *lines)
    with pytest.raises(ConfigError, match="too few"):
        match.learn(app, "lead")
    pairs = rows(app.db, "SELECT a, record_a, record_b FROM core.match_review ORDER BY a")
    assert len(pairs) == 50
    with app.db.begin() as tx:  # as 50 decisions would leave them
        tx.exec_driver_sql(
            "UPDATE core.match_review SET decided_by = 'Linh', decided_at = now(), "
            "state = CASE WHEN 'mobile_same' = ANY(reasons) THEN 'rejected' ELSE 'accepted' END"
        )
    learned = match.learn(app, "lead")
    assert learned.decisions == len(pairs)
    assert learned.agree_after == learned.decisions >= learned.agree_before
    assert learned.matching.weights.of["mobile_same"] < 4.5
    assert learned.matching.weights.of["company_same"] > 0.7
