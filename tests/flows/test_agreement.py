"""Two systems that stay in agreement: echoes, who owns a field, conflicts, and fields that go back and forth."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from twosystems import Between, System, set_up
from workbench import Project, SteppedClock

from prm_sync.connect import registry
from prm_sync.flows.pull import pull
from prm_sync.flows.push import plan
from prm_sync.flows.reconcile import reconcile
from prm_sync.flows.refine import refine
from prm_sync.flows.report import State
from prm_sync.warehouse import conflicts as kept

Make = Callable[..., Between]


@pytest.fixture
def between(project: Project, clock: SteppedClock) -> Iterator[Make]:
    """`between(one, two, authority=..., survivorship=...)`: the app between these systems."""
    with ExitStack() as stack:

        def made(*systems: System, **policies: str) -> Between:
            for s in systems:
                stack.enter_context(registry.register(s.connector()))
            set_up(project, *systems, **policies)
            app = stack.enter_context(project.open())
            assert app.problems == ()
            return Between(app, clock, systems)

        yield made


def pair(clock: SteppedClock, **kinds: Any) -> tuple[System, System]:
    return System("alpha", clock, "crm"), System("beta", clock, kinds.get("beta", "crm"))


def account(system: System, **values: Any) -> str:
    usual = {"Name": "Nguyễn & Söhne", "Number": "A-1", "City": "Hà Nội", "Industry": "Retail", "Country": "VN"}
    return system.add(**{**usual, **values})


# --- echoes ------------------------------------------------------------------------------------------------------


def national(phone: str) -> str:
    """+84912345678 as people there write it: 0912 345 678."""
    digits = re.sub(r"\D", "", phone)
    local = "0" + digits[2:] if digits.startswith(("84", "49", "98")) else digits
    return " ".join([local[:4], local[4:7], local[7:]]).strip()


ALPHA = {
    "Name": lambda v: v.strip(), "City": lambda v: str(v).upper(), "Phone": national,
    "Revenue": lambda v: round(float(v)), "Industry": lambda v: v[:12],
}  # fmt: skip
BETA = {
    "Name": lambda v: v[:10].strip(), "City": lambda v: " ".join(str(v).split()).title(),
    "Phone": lambda v: f"{v[:3]} ({v[3:5]}) {v[5:]}" if v.startswith("+") else v,
    "Revenue": lambda v: f"{float(v):.1f}", "Industry": lambda v: f" {v.lower()} ",
}  # fmt: skip


@pytest.mark.parametrize(
    ("authority", "cycles"),
    [("default: latest", 100), ("", 12), ("default: review", 12), ("default: beta", 12)],
    ids=["latest", "survivorship", "review", "beta"],
)
def test_two_systems_that_normalise_differently_come_to_rest_within_two_cycles(
    between: Make, clock: SteppedClock, authority: str, cycles: int
) -> None:
    """A person edits now and then; after each edit nothing is written but in the two cycles that follow."""
    alpha, beta = System("alpha", clock, habits=ALPHA), System("beta", clock, habits=BETA)
    names = [
        "Công ty Cổ phần Hà Nội", "  Müller Großhandel GmbH", "شركة النور للتجارة", "北京科技有限公司 分公司",
        "José Núñez S.A.",
    ]  # fmt: skip
    for n, name in enumerate(names):
        phone = ("+84912345678", "+493012345678", "+982112345678")[n % 3]
        country = ("VN", "DE", "IR")[n % 3]
        usual = {"Number": f"A-{n}", "Country": country, "Currency": "EUR"}
        revenue = 1234567.89 + n
        alpha.add(Name=name, Phone=phone, City="thành phố huế", Revenue=revenue, Industry="Manufacturing", **usual)
        beta.add(Name=name.upper(), Phone=phone, City=f"Cũ {n}", Revenue="99.5", Industry="trade", **usual)
        clock.advance(minutes=1)
    app = between(alpha, beta, authority=authority)
    rng, quiet, edits = random.Random(7), 0, 0
    for cycle in range(cycles):
        if cycle in (4, 8):
            system = (alpha, beta)[cycle // 4 - 1]
            who = rng.choice(sorted(system.records))
            system.edit(who, Name=f"Nhà máy số {cycle} Đồng Nai", City=f"cần thơ {cycle}", Revenue=5000.55 + cycle)
            edits, quiet = edits + 1, 0
        written = app.cycle()
        quiet += 1
        assert quiet <= 2 or written == 0, f"cycle {cycle} wrote {written}"
    assert edits == 2
    assert app.conflicts("open") == []
    assert [p.intents for s in app.systems for p in plan(app.app, s.name, "accounts")] == [[], []]
    told = app.rows("SELECT remote_id, shown FROM core.echo WHERE shown <> '{}'")
    assert told, "nothing was normalised: the test would show nothing"
    pasts = app.rows("SELECT id FROM core.account_past")
    assert len(pasts) <= 2 * len(names), "golden records went on changing"


def test_a_value_that_the_remote_cuts_stays_whole_in_the_other_system(between: Make, clock: SteppedClock) -> None:
    alpha, beta = System("alpha", clock), System("beta", clock, habits={"Name": lambda v: v[:8]})
    a, b = account(alpha, Name="Công ty Cổ phần Hà Nội"), account(beta, Name="old")
    app = between(alpha, beta, authority="default: latest")
    alpha.edit(a, Name="Công ty Cổ phần Hà Nội mới")
    for _ in range(4):
        app.cycle()
    assert alpha[a]["Name"] == "Công ty Cổ phần Hà Nội mới"
    assert beta[b]["Name"] == "Công ty "
    assert app.golden()["name"] == "Công ty Cổ phần Hà Nội mới"
    assert len(beta.writes) == 1


def test_an_edit_of_what_was_cut_is_a_change_and_travels(between: Make, clock: SteppedClock) -> None:
    alpha, beta = System("alpha", clock), System("beta", clock, habits={"Name": lambda v: v[:8]})
    a, b = account(alpha, Name="Trường Sơn Lâm Đồng"), account(beta, Name="Trường")
    app = between(alpha, beta, authority="default: latest")
    for _ in range(2):
        app.cycle()
    beta.edit(b, Name="Trường Hải")
    app.cycle()
    assert alpha[a]["Name"] == "Trường H"


def test_a_change_made_while_our_write_was_on_its_way_is_not_lost(between: Make, clock: SteppedClock) -> None:
    """alpha's second edit is older than the stamp of our write at beta, and must not lose to it."""
    alpha, beta = pair(clock)
    a, b = account(alpha), account(beta)
    app = between(alpha, beta, authority="default: latest")
    app.cycle()
    alpha.edit(a, City="Huế")
    app.pull()
    clock.advance(minutes=1)
    alpha.edit(a, City="Đà Nẵng")  # after the pull, before the push
    clock.advance(minutes=1)
    refine(app.app)
    app.push()
    assert beta[b]["City"] == "Huế"
    clock.advance(minutes=1)
    for _ in range(3):
        app.cycle()
    assert alpha[a]["City"] == beta[b]["City"] == "Đà Nẵng"
    assert app.conflicts() == []


def test_a_write_whose_answer_is_not_known_yet_is_no_change_of_the_remote(between: Make, clock: SteppedClock) -> None:
    alpha, beta = System("alpha", clock), System("beta", clock, habits={"City": str.upper})
    a, b = account(alpha, City="Huế"), account(beta, City="Vinh")
    app = between(alpha, beta, authority="default: review")
    app.cycle()
    app.cycle()
    alpha.edit(a, City="Quảng Ngãi")
    app.pull()
    refine(app.app)
    with app.app.db.begin() as tx:  # as a push leaves it that was killed after its call
        tx.exec_driver_sql(
            "INSERT INTO ops.outbox "
            "(token, connection, stream, entity, entity_id, target, op, values, before, remote_id, state, created_at) "
            "SELECT 'killed', 'beta', 'accounts', 'account', entity_id, remote_id, 'upsert', "
            "'{\"City\": \"Quảng Ngãi\"}', '{}', remote_id, 'sent', now() FROM core.crosswalk WHERE connection = 'beta'"
        )
    beta.edit(b, City="Quảng Ngãi")
    clock.advance(minutes=1)
    for _ in range(3):
        app.cycle()
    assert app.conflicts() == []
    assert (alpha[a]["City"], beta[b]["City"]) == ("Quảng Ngãi", "QUẢNG NGÃI")


# --- who owns a field --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("authority", "city"),
    [("alpha", "of alpha"), ("beta", "of beta"), ("prm", "of beta"), ("crm", "of alpha"), ("latest", "of alpha")],
)
def test_two_changes_of_one_field_are_decided_by_its_rule_and_told(
    between: Make, clock: SteppedClock, authority: str, city: str
) -> None:
    alpha, beta = pair(clock, beta="prm")
    a, b = account(alpha), account(beta)
    app = between(alpha, beta, authority=f"entities: {{account: {{city: {authority}}}}}")
    app.cycle()
    beta.edit(b, City="of beta")
    clock.advance(minutes=1)
    alpha.edit(a, City="of alpha")
    for _ in range(3):
        app.cycle()
    assert alpha[a]["City"] == beta[b]["City"] == city
    [told] = app.conflicts()
    assert (told["state"], told["field"], told["rule"], told["value"], told["agreed"]) == (
        "ruled", "city", authority, city, "Hà Nội",
    )  # fmt: skip
    assert [(s["connection"], s["value"], s["before"]) for s in told["sides"]] == [
        ("beta", "of beta", "Hà Nội"), ("alpha", "of alpha", "Hà Nội"),
    ]  # fmt: skip
    assert app.rows("SELECT changed FROM core.field_time WHERE changed::text LIKE '%%before%%'") == []


def test_the_time_of_the_field_decides_and_not_that_of_the_record(between: Make, clock: SteppedClock) -> None:
    alpha, beta = pair(clock)
    a, b = account(alpha), account(beta)
    app = between(alpha, beta, authority="entities: {account: {city: latest}}")
    app.cycle()
    alpha.edit(a, City="Huế")
    clock.advance(minutes=5)
    beta.edit(b, Industry="Wholesale")  # beta's record is the newer one, its city is not
    for _ in range(3):
        app.cycle()
    assert alpha[a]["City"] == beta[b]["City"] == "Huế"


@pytest.mark.parametrize("authority", ["latest", "review"])
def test_a_change_of_one_system_alone_travels(between: Make, clock: SteppedClock, authority: str) -> None:
    alpha, beta = pair(clock)
    a, b = account(alpha), account(beta)
    app = between(alpha, beta, authority=f"default: {authority}")
    app.cycle()
    for system, id_, city in ((beta, b, "Cần Thơ"), (alpha, a, "شیراز"), (beta, b, "上海")):
        system.edit(id_, City=city)
        for _ in range(2):
            app.cycle()
        assert alpha[a]["City"] == beta[b]["City"] == city
    assert app.conflicts() == []


# --- review ------------------------------------------------------------------------------------------------------


@pytest.fixture
def torn(between: Make, clock: SteppedClock) -> tuple[Between, str, str]:
    """Two systems that changed the city differently; a person is to decide."""
    alpha, beta = pair(clock)
    a, b = account(alpha), account(beta)
    app = between(alpha, beta, authority="entities: {account: {city: review}}")
    app.cycle()
    alpha.edit(a, City="Huế")
    beta.edit(b, City="Vinh")
    app.cycle()
    return app, a, b


def test_a_conflict_holds_the_field_back_on_both_sides_and_nothing_else(torn: tuple[Between, str, str]) -> None:
    app, a, b = torn
    alpha, beta = app.systems
    [conflict] = app.conflicts("open")
    assert (conflict["agreed"], [s["value"] for s in conflict["sides"]]) == ("Hà Nội", ["Huế", "Vinh"])
    assert app.golden()["city"] == "Hà Nội"
    assert app.golden()["provenance"]["city"] == "agreed"
    alpha.edit(a, Industry="Wholesale")
    for _ in range(2):
        app.cycle()
    assert beta[b]["Industry"] == "Wholesale"
    assert (alpha[a]["City"], beta[b]["City"]) == ("Huế", "Vinh")
    assert not any("City" in w for s in app.systems for w in s.writes)
    assert len(app.conflicts()) == 1


def test_reconcile_does_not_take_an_open_conflict_for_a_difference(between: Make, clock: SteppedClock) -> None:
    """Nothing was agreed before: the golden value is empty, and both systems say something."""
    alpha, beta = pair(clock)
    a, b = account(alpha, City=None), account(beta, City=None)
    app = between(alpha, beta, authority="entities: {account: {city: review}}")
    app.cycle()
    alpha.edit(a, City="Huế")
    beta.edit(b, City="Vinh")
    for _ in range(2):
        app.cycle()
    [conflict] = app.conflicts("open")
    assert (conflict["agreed"], app.golden()["city"]) == (None, None)
    for system in ("alpha", "beta"):
        clock.advance(hours=1)
        report = reconcile(app.app, system, "accounts")
        assert (report.state, report.numbers["golden"]) == (State.DONE, 0)


@pytest.mark.parametrize("value", ["Huế", "Vinh", "Đồng Hới"])
def test_a_decision_goes_to_both_sides_and_is_remembered(torn: tuple[Between, str, str], value: str) -> None:
    app, a, b = torn
    [conflict] = app.conflicts("open")
    assert kept.resolve(app.app.db, conflict, value, "Linh", app.clock.at)
    assert not kept.resolve(app.app.db, conflict, "again", "Minh", app.clock.at)
    for _ in range(3):
        app.cycle()
    assert app.systems[0][a]["City"] == app.systems[1][b]["City"] == app.golden()["city"] == value
    with app.app.db.begin() as tx:
        tx.exec_driver_sql("UPDATE core.progress SET policy_hash = 'another' WHERE step = 'refine:account'")
    app.cycle()
    [row] = app.conflicts()
    assert (row["state"], row["value"], row["resolved_by"], row["in_force"]) == ("resolved", value, "Linh", False)


def test_a_change_after_the_decision_is_a_change_again(torn: tuple[Between, str, str]) -> None:
    app, a, b = torn
    alpha, beta = app.systems
    kept.resolve(app.app.db, app.conflicts("open")[0], "Huế", "Linh", app.clock.at)
    beta.edit(b, City="Tam Kỳ")  # before the decision could reach it
    app.cycle()
    app.cycle()
    assert alpha[a]["City"] == beta[b]["City"] == "Tam Kỳ"
    alpha.edit(a, City="Pleiku")
    app.cycle()
    app.cycle()
    assert alpha[a]["City"] == beta[b]["City"] == "Pleiku"
    assert [c["state"] for c in app.conflicts()] == ["resolved"]


def test_a_conflict_that_the_systems_end_themselves_is_closed(torn: tuple[Between, str, str]) -> None:
    app, a, b = torn
    app.systems[0].edit(a, City="Vinh")
    app.cycle()
    assert [c["state"] for c in app.conflicts()] == ["closed"]
    assert app.golden()["city"] == "Vinh"
    app.systems[1].edit(b, City="Kon Tum")
    app.cycle()
    app.cycle()
    assert app.systems[0][a]["City"] == "Kon Tum"


# --- flip-flops --------------------------------------------------------------------------------------------------


def test_a_field_that_goes_back_and_forth_is_frozen_told_and_thawed(between: Make, clock: SteppedClock) -> None:
    alpha, beta = pair(clock)
    a, b = account(alpha), account(beta)
    app = between(alpha, beta, authority="{default: alpha, flip_flop: {times: 2, hours: 24}}")
    app.cycle()
    alpha.edit(a, City="Huế")
    app.cycle()
    for _ in range(6):
        beta.edit(b, City="Vinh", Industry="Retail")  # an automation over there sets it back each time
        app.cycle()
    cities = [w["City"] for w in beta.writes if "City" in w]
    assert len(cities) == 3
    [frozen] = app.conflicts("open")
    told = (frozen["kind"], frozen["field"], frozen["connection"], frozen["remote_id"])
    assert told == ("flip_flop", "City", "beta", b)
    [alert] = app.rows("SELECT subject, message FROM ops.alert WHERE kind = 'flip_flop'")
    assert alert["subject"] == "beta.accounts"
    assert "Huế" not in alert["message"]
    alpha.edit(a, Industry="Wholesale")
    app.cycle()
    assert beta[b]["Industry"] == "Wholesale"
    assert beta[b]["City"] == "Vinh"
    assert kept.resolve(app.app.db, frozen, None, "Linh", clock.at)
    app.cycle()
    assert beta[b]["City"] == "Huế"


def test_a_person_who_changes_a_field_often_is_not_stopped(between: Make, clock: SteppedClock) -> None:
    alpha, beta = pair(clock)
    a, b = account(alpha), account(beta)
    app = between(alpha, beta, authority="{default: latest, flip_flop: {times: 1, hours: 24}}")
    for n in range(6):
        alpha.edit(a, City=f"Quận {n}")
        app.cycle()
    assert beta[b]["City"] == "Quận 5"
    assert app.conflicts() == []


# --- policies ----------------------------------------------------------------------------------------------------


def test_another_policy_derives_golden_records_anew_without_a_pull(
    project: Project, between: Make, clock: SteppedClock
) -> None:
    alpha, beta = pair(clock)
    account(alpha, Name="Ngắn", City="Huế")
    clock.advance(minutes=1)
    account(beta, Name="Một cái tên dài hơn", City="Vinh")
    app = between(alpha, beta)
    app.pull()
    refine(app.app)
    assert (app.golden()["name"], app.golden()["city"]) == ("Ngắn", "Huế")
    before = app.rows("SELECT max(seq) AS seq, max(seen_at) AS seen FROM raw.record")
    policy = project.folder / "policies" / "survivorship.yaml"
    for rule, name in (("longest", "Một cái tên dài hơn"), ("trusted, trust: [beta]", "Một cái tên dài hơn")):
        policy.write_text(f"entities: {{account: {{name: {{rule: {rule}}}}}}}", encoding="utf-8")
        with project.open() as changed:
            refine(changed)
        assert app.golden()["name"] == name
    provenance = app.golden()["provenance"]
    assert provenance.get("name", provenance["*"]) == "beta/accounts/beta1"
    assert app.rows("SELECT max(seq) AS seq, max(seen_at) AS seen FROM raw.record") == before
    (project.folder / "policies" / "authority.yaml").write_text("entities: {account: {name: alpha, city: beta}}")
    with project.open() as changed:
        assert refine(changed).numbers["golden_changed"] == 1
        assert refine(changed).numbers.get("refined", 0) == 0
    assert (app.golden()["name"], app.golden()["city"]) == ("Ngắn", "Vinh")
    history = app.rows("SELECT name, valid_to FROM core.account_history ORDER BY valid_to NULLS LAST")
    assert [h["name"] for h in history] == ["Ngắn", "Một cái tên dài hơn", "Ngắn"]


def test_a_field_that_is_never_null_keeps_its_last_value(between: Make, clock: SteppedClock) -> None:
    alpha, beta = pair(clock)
    a, _ = account(alpha, City="Huế"), account(beta, City=None)
    app = between(
        alpha, beta, survivorship="entities: {account: {city: {never_null: true}}}", authority="default: latest"
    )
    app.pull()
    refine(app.app)
    alpha.edit(a, City=None, Industry=None)
    clock.advance(minutes=1)
    pull(app.app, "alpha", "accounts")
    refine(app.app)
    golden = app.golden()
    assert golden["city"] == "Huế"
    assert golden["provenance"].get("city", golden["provenance"]["*"]) == "alpha/accounts/alpha1"
    alpha.edit(a, City="Vinh")
    clock.advance(minutes=1)
    pull(app.app, "alpha", "accounts")
    refine(app.app)
    assert app.golden()["city"] == "Vinh"


@pytest.mark.parametrize("authority", ["default: latest", "", "default: review", "default: alpha"])
def test_a_value_that_was_cleared_where_it_came_from_is_cleared_in_what_we_wrote(
    between: Make, clock: SteppedClock, authority: str
) -> None:
    both = between(*pair(clock), authority=authority)
    alpha, beta = both.systems
    a, b = account(alpha), account(beta)
    both.cycle()
    alpha.edit(a, City="Đà Nẵng")
    both.cycle()
    assert beta[b]["City"] == "Đà Nẵng"
    alpha.edit(a, City=None)
    both.cycle()
    both.cycle()
    assert (alpha[a]["City"], both.golden()["city"], beta[b]["City"]) == (None, None, None)
    assert both.cycle() == 0
    beta.edit(b, City="Huế")
    both.cycle()
    both.cycle()
    assert (alpha[a]["City"], beta[b]["City"]) == ("Huế", "Huế")


def test_a_new_mapping_is_no_change_of_a_system(project: Project, between: Make, clock: SteppedClock) -> None:
    alpha, beta = pair(clock)
    account(alpha, Industry="Retail")
    account(beta, Industry="Trade")
    app = between(alpha, beta, authority="default: review")
    app.cycle()
    for name in ("alpha", "beta"):
        path = project.folder / "mappings" / name / "account.yaml"
        path.write_text(path.read_text().replace("  city: City\n", "  city: {from: City, do: upper}\n", 1), "utf-8")
    with project.open() as changed:
        assert changed.problems == ()
        refine(changed)
    assert app.golden()["city"] == "HÀ NỘI"
    assert app.conflicts() == []
    assert app.rows("SELECT FROM core.field_time WHERE jsonb_exists(changed, 'city')") == []


# --- late facts --------------------------------------------------------------------------------------------------


def test_a_fact_that_arrives_late_lands_in_history_and_leaves_the_present_alone(
    between: Make, clock: SteppedClock
) -> None:
    alpha, beta = pair(clock)
    a = account(alpha, City="Hà Nội")
    begin = clock.at
    app = between(alpha, beta)
    app.cycle()
    clock.advance(hours=10)
    alpha.edit(a, City="Huế")
    app.cycle()
    present = dict(alpha.records[a])
    alpha.records[a] |= {"City": "Đà Nẵng", "At": (begin + timedelta(hours=5)).isoformat()}
    with app.app.db.begin() as tx:
        tx.exec_driver_sql("UPDATE raw.cursor SET cursor = NULL")  # the late export is read from its beginning
    report = pull(app.app, "alpha", "accounts")
    assert report.numbers["late"] == 1
    alpha.records[a] = present
    app.cycle()
    assert app.golden()["city"] == "Huế"

    def as_of(hours: float) -> str:
        [found] = app.rows(
            "SELECT city FROM core.account_history WHERE valid_from <= :at AND (valid_to IS NULL OR valid_to > :at)",
            at=begin + timedelta(hours=hours),
        )
        return str(found["city"])

    assert [as_of(h) for h in (1, 4.9, 5, 9.9, 10.5, 99)] == ["Hà Nội", "Hà Nội", "Đà Nẵng", "Đà Nẵng", "Huế", "Huế"]
    assert pull(app.app, "alpha", "accounts").numbers.get("late", 0) == 0


def test_a_record_with_a_clock_gone_wrong_is_still_followed(between: Make, clock: SteppedClock) -> None:
    alpha, beta = pair(clock)
    a = account(alpha)
    app = between(alpha, beta)
    app.cycle()
    alpha.records[a] |= {"City": "Huế", "At": "2099-01-01T00:00:00+00:00"}
    app.cycle()
    alpha.edit(a, City="Vinh")
    with app.app.db.begin() as tx:
        tx.exec_driver_sql("UPDATE raw.cursor SET cursor = NULL")
    app.cycle()
    assert app.golden()["city"] == "Vinh"
