"""Golden records: who is the same, what survives, what was before; by way of files, as they come in life."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from workbench import Project, SteppedClock, rows

from prm_sync.app import App
from prm_sync.flows.pull import pull
from prm_sync.flows.refine import refine

HEADER = ["Id", "Email", "Mobile", "Last", "City", "Ours", "Changed"]
MAPPING = """\
from: files.{stream}
to: lead
fields:
  email: Email
  mobile: Mobile
  last_name: Last
  city: City
  prm_lead_id: Ours
  country: {{from: Country, choices: {{null: DE}}}}
"""


def settings(project: Project, streams: Sequence[str], trust: Sequence[str] = ("one", "two"), **config: Any) -> None:
    """Two connections to the same folder, each with a mapping of every stream."""
    files = {"connector": "files", "config": {"folder": str(project.folder / "data"), "key": "Id", **config}}
    project.write(connections={"one": files, "two": files}, trust=list(trust), mappings="mappings")
    for stream in streams:
        project.mapping(MAPPING.format(stream=stream), name=stream)


def lead(id_: str, email: str = "", mobile: str = "", last: str = "", city: str = "", ours: str = "") -> list[str]:
    return [id_, email, mobile, last, city, ours, ""]


@pytest.fixture
def app(project: Project) -> Iterator[App]:
    settings(project, ["leads", "more"])
    with project.open() as opened:
        assert opened.problems == ()
        yield opened


def give(project: Project, app: App, stream: str, *leads: list[str], connection: str = "one") -> None:
    project.csv(f"{stream}.csv", HEADER, leads)
    pull(app, connection, stream)


def clusters(app: App) -> set[frozenset[tuple[str, str]]]:
    """Which remote records (stream, id) are one entity."""
    found = rows(
        app.db, "SELECT entity_id, array_agg(stream || '/' || remote_id) AS who FROM core.crosswalk GROUP BY 1"
    )
    return {frozenset(tuple(w.split("/")) for w in r["who"]) for r in found}  # type: ignore[misc]


def live(app: App) -> list[dict[str, Any]]:
    return rows(app.db, "SELECT * FROM core.lead WHERE merged_into IS NULL ORDER BY email")


# --- identity ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_same_keys_make_the_same_clusters_in_any_order_and_batching(
    project: Project, make_database: Any, clock: SteppedClock, seed: int
) -> None:
    """Against a union-find of its own: records that share an e-mail, or a mobile and name, however they arrive."""
    rng = random.Random(seed)
    streams = ["a", "b", "c", "d"]
    settings(project, streams)
    people = [
        (
            rng.choice(streams), str(n),
            rng.choice(["", f"e{rng.randrange(9)}@x.example"]), rng.choice(["", f"017{rng.randrange(8)}0000000"]),
        )
        for n in range(36)
    ]  # fmt: skip
    people = [p for p in people if p[2] or p[3]]
    expected = {frozenset((s, i) for s, i, *_ in group) for group in together(people)}
    for order in (0, 1):
        folder = Project(project.folder, make_database(), clock)
        with folder.open() as app:
            for stream in rng.sample(streams, len(streams)):
                mine = [p for p in people if p[0] == stream]
                half = rng.randrange(len(mine) + 1) if order else 0
                for part in filter(None, (mine[:half], mine)):  # the second file holds the first one's lines too
                    give(folder, app, stream, *(lead(i, e, m, "Ng") for _, i, e, m in rng.sample(part, len(part))))
                    if rng.random() < 0.6:
                        refine(app)
            refine(app)
            assert clusters(app) == expected
            assert len(live(app)) == len(expected)
            sizes = rows(app.db, "SELECT sources FROM core.lead WHERE merged_into IS NULL")
            assert sorted(r["sources"] for r in sizes) == sorted(len(g) for g in expected)


def together(people: list[tuple[str, str, str, str]]) -> list[list[tuple[str, str, str, str]]]:
    groups: list[list[tuple[str, str, str, str]]] = []
    for person in people:
        same = [g for g in groups if any((p[2] and p[2] == person[2]) or (p[3] and p[3] == person[3]) for p in g)]
        groups = [g for g in groups if g not in same] + [[person, *(p for g in same for p in g)]]
    return groups


def test_a_bridging_record_makes_one_entity_of_two_and_the_older_id_stays(project: Project, app: App) -> None:
    give(project, app, "leads", lead("1", email="a@x.example", city="Kiel"), lead("2", mobile="01701234567", last="Ng"))
    refine(app)
    first, second = rows(app.db, "SELECT id FROM core.lead ORDER BY arrived")
    give(project, app, "more", lead("3", email="a@x.example", mobile="01701234567", last="Ng"))
    report = refine(app)
    assert report.numbers["merged"] == 1
    [survivor] = live(app)
    assert (survivor["id"], survivor["sources"]) == (first["id"], 3)
    assert (survivor["email"], survivor["mobile"], survivor["city"]) == ("a@x.example", "+491701234567", "Kiel")
    [loser] = rows(app.db, "SELECT merged_into FROM core.lead WHERE id = :id", id=second["id"])
    assert loser["merged_into"] == first["id"]
    assert {r["entity_id"] for r in rows(app.db, "SELECT entity_id FROM core.crosswalk")} == {first["id"]}


def test_entities_that_were_merged_can_be_merged_again(project: Project, app: App) -> None:
    four = (lead(str(n), email=f"{n}@x.example", mobile=f"0170000000{n}", last="Ng") for n in range(4))
    give(project, app, "leads", *four)
    refine(app)
    oldest = rows(app.db, "SELECT id FROM core.lead ORDER BY arrived LIMIT 1")[0]["id"]
    for stream, (email, mobile) in {"more": (3, 2), "leads": (2, 1)}.items():
        link = lead(f"x{email}", f"{email}@x.example", f"0170000000{mobile}", "Ng")
        give(project, app, stream, link, connection="two")
        refine(app)
    links = lead("x3", "3@x.example", "01700000002", "Ng"), lead("last", "1@x.example", "01700000000", "Ng")
    give(project, app, "more", *links, connection="two")
    refine(app)
    assert [r["id"] for r in live(app)] == [oldest]
    others = rows(app.db, "SELECT merged_into FROM core.lead WHERE id <> :id", id=oldest)
    assert {r["merged_into"] for r in others} == {oldest}


def test_a_record_that_bears_our_own_id_is_that_entity_whatever_else_it_says(project: Project, app: App) -> None:
    give(project, app, "leads", lead("1", email="a@x.example"))
    refine(app)
    [known] = live(app)
    give(project, app, "more", lead("9", email="other@y.example", ours=known["id"]))
    refine(app)
    [one] = live(app)
    assert (one["id"], one["sources"]) == (known["id"], 2)
    [row] = rows(app.db, "SELECT matched_by FROM core.crosswalk WHERE remote_id = '9'")
    assert row["matched_by"] == "external_id"


def test_an_id_that_was_merged_away_still_leads_to_the_entity(project: Project, app: App) -> None:
    give(project, app, "leads", lead("1", email="a@x.example"), lead("2", mobile="01701234567", last="Ng"))
    refine(app)
    gone = rows(app.db, "SELECT id FROM core.lead ORDER BY arrived DESC LIMIT 1")[0]["id"]
    give(project, app, "more", lead("3", email="a@x.example", mobile="01701234567", last="Ng"))
    refine(app)
    give(project, app, "more", lead("4", email="new@x.example", ours=gone), connection="two")
    refine(app)
    assert [r["sources"] for r in live(app)] == [4]


def test_the_crosswalk_keeps_its_ids_when_all_is_derived_anew(project: Project, app: App) -> None:
    give(project, app, "leads", *(lead(str(n), email=f"{n % 3}@x.example") for n in range(7)))
    refine(app)
    before = rows(app.db, "SELECT * FROM core.crosswalk ORDER BY remote_id")
    golden = rows(app.db, "SELECT id, email, valid_from, touched FROM core.lead ORDER BY id")
    with app.db.begin() as tx:
        tx.exec_driver_sql("DELETE FROM core.progress WHERE step LIKE 'refine:%%'")
    refine(app)
    assert rows(app.db, "SELECT * FROM core.crosswalk ORDER BY remote_id") == before
    assert rows(app.db, "SELECT id, email, valid_from, touched FROM core.lead ORDER BY id") == golden


# --- survivorship and history ------------------------------------------------------------------------------------


def test_what_changed_leaves_its_past_behind(project: Project, app: App, clock: SteppedClock) -> None:
    for city in ("Kiel", "Bremen", "Bremen", "Ulm"):
        give(project, app, "leads", lead("1", email="a@x.example", city=city))
        refine(app)
        clock.advance(hours=1)
    history = rows(app.db, "SELECT city, valid_from, valid_to FROM core.lead_history ORDER BY valid_from")
    assert [h["city"] for h in history] == ["Kiel", "Bremen", "Ulm"]
    assert [h["valid_to"] for h in history] == [history[1]["valid_from"], history[2]["valid_from"], None]
    assert [r["city"] for r in rows(app.db, "SELECT city FROM core.lead_past ORDER BY version")] == ["Kiel", "Bremen"]


def test_each_field_says_where_it_came_from(project: Project, app: App) -> None:
    give(project, app, "leads", lead("1", email="a@x.example", city="Kiel"))
    give(project, app, "more", lead("7", email="a@x.example", last="Ng"), connection="two")
    refine(app)
    [golden] = live(app)
    sources = golden["provenance"]
    assert (sources.get("city", sources["*"]), sources.get("last_name", sources["*"])) == ("one/leads/1", "two/more/7")


def test_changed_trust_derives_the_golden_records_anew(project: Project, app: App) -> None:
    give(project, app, "leads", lead("1", email="a@x.example", last="Nguyen"))
    give(project, app, "more", lead("7", email="a@x.example", last="Ng"), connection="two")
    refine(app)
    names = {}
    for trust in (("one", "two"), ("two", "one")):
        settings(project, ["leads", "more"], trust)
        with project.open() as opened:
            refine(opened)
            names[trust] = [r["last_name"] for r in live(opened)]
            again = refine(opened)
            assert again.numbers.get("refined", 0) == 0
    assert names == {("one", "two"): ["Nguyen"], ("two", "one"): ["Ng"]}


def test_a_deleted_record_no_longer_speaks_and_the_last_one_takes_the_entity_along(project: Project) -> None:
    settings(project, ["leads", "more"], snapshot=True)
    with project.open() as app:
        give(project, app, "leads", lead("1", email="a@x.example", city="Kiel"), lead("0", email="z@x.example"))
        give(project, app, "more", lead("7", email="a@x.example", last="Ng"))
        refine(app)
        give(project, app, "leads", lead("0", email="z@x.example"))
        refine(app)
        golden = next(r for r in live(app) if r["email"] == "a@x.example")
        assert (golden["city"], golden["last_name"], golden["sources"], golden["deleted_at"]) == (None, "Ng", 1, None)
        give(project, app, "more", lead("8", email="b@x.example"))
        refine(app)
        golden = next(r for r in live(app) if r["email"] == "a@x.example")
        assert golden["deleted_at"] is not None
        assert golden["last_name"] == "Ng"
        give(project, app, "more", lead("7", email="a@x.example", last="Ng"), lead("8", email="b@x.example"))
        refine(app)
        assert next(r for r in live(app) if r["email"] == "a@x.example")["deleted_at"] is None
