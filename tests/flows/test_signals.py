"""Signals of demand: in none of them, nor in what they leave of their country, can fewer than k customers be found."""

from __future__ import annotations

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from partnerside import PartnerSide, grant, partner_side
from workbench import Project, rows

from prm_sync.flows.measure import measure
from prm_sync.rules.signals import SignalPolicy, months_before
from prm_sync.warehouse import bulk, signal_effect, signals
from prm_sync.warehouse.signals import Asked

K = 4
MONTH = date(2027, 2, 1)
CODES = {("DE", "Bayern"): "DE-BY", ("DE", "Bavaria"): "DE-BY", ("DE", "DE-NW"): "DE-NW", ("DE", "HH"): "DE-HH",
         ("VN", "Huế"): "VN-26", ("VN", "HN"): "VN-HN"}  # fmt: skip
WRITTEN = {"DE": ["Bayern", "Bavaria", "DE-NW", "HH", None, "Irgendwo"], "VN": ["Huế", "HN", None]}
ALL = Asked(("leads",), (MONTH,), 2, K, 1.0, 0, 1)  #: whatever may be told, as it is
PRODUCTS = ("水泵", "مضخة")


@dataclass(frozen=True)
class Event:
    """One lead: `company` is the customer."""

    at: datetime
    country: str
    region: str | None
    product: str
    company: str

    @property
    def code(self) -> str | None:
        return CODES.get((self.country, self.region or ""))

    @property
    def new(self) -> bool:
        return self.at.date() >= MONTH


def chance(rng: random.Random) -> list[Event]:
    """Some places with many customers, some with few of whom one asks often."""
    out = []
    for country, product in itertools.product(WRITTEN, PRODUCTS):
        for region in WRITTEN[country]:
            companies = rng.choice((0, 1, 2, 3, 4, 5, 9))
            for _ in range(companies * rng.choice((1, 2, 5))):
                at = datetime(2026, 12, 1) + timedelta(days=rng.uniform(0, 89))
                out.append(Event(at, country, region, product, f"{rng.randrange(companies)}.{region}.example"))
    return out


def load(db: sa.Engine, events: Sequence[Event]) -> None:
    columns = ("id", "created_at", "country", "region", "product", "domain", "provenance", "sources", "arrived",
               "touched", "valid_from")  # fmt: skip
    with db.begin() as tx:
        tx.exec_driver_sql("TRUNCATE core.lead")
        bulk.copy(
            tx, "core.lead", columns,
            ((f"lead_{n}", e.at.astimezone(), e.country, e.region, e.product, e.company, "{}", 1, n, n,
              e.at.astimezone()) for n, e in enumerate(events)),
        )  # fmt: skip


def people(events: Sequence[Event], *, new: bool) -> int:
    return len({e.company for e in events if e.new is new})


def told(db: sa.Engine, asked: Asked = ALL) -> list[Any]:
    with db.begin() as tx:
        return list(signals.told(tx, asked, CODES))


def test_no_number_and_no_difference_of_numbers_is_about_fewer_than_k_customers(warehouse: sa.Engine) -> None:
    seen: Counter[str] = Counter()
    for seed in range(30):
        events = chance(random.Random(seed))
        load(warehouse, events)
        cells: dict[tuple[str, str], list[Event]] = defaultdict(list)
        for e in events:
            cells[e.country, e.product].append(e)
        rows = told(warehouse)
        regions = defaultdict(list)
        for r in rows:
            inside = [e for e in cells[r.country, r.product] if r.region is None or e.code == r.region]
            assert r.count == sum(e.new for e in inside), "the number is right"
            assert min(people(inside, new=True), people(inside, new=False)) >= K
            if r.region is not None:
                regions[r.country, r.product].append(r.region)
            seen["region" if r.region else "country"] += 1
        for r in (r for r in rows if r.region is None):
            of_country, named = cells[r.country, r.product], regions[r.country, r.product]
            for some in (s for n in range(len(named) + 1) for s in itertools.combinations(named, n)):
                left = [e for e in of_country if e.code not in some]
                if left:
                    assert min(people(left, new=True), people(left, new=False)) >= K, (seed, r.country, r.product, some)
            enough = {
                code for code in {e.code for e in of_country} - {None}
                if min(people([e for e in of_country if e.code == code], new=new) for new in (True, False)) >= K
            }  # fmt: skip
            assert len(enough) - len(named) in (0, 1), "nothing is kept back without need"
            seen["kept back for others"] += len(enough) - len(named)
    assert min(seen["region"], seen["country"], seen["kept back for others"]) > 5, seen


def many(at: datetime, region: str | None, companies: int, each: int = 1, country: str = "DE") -> list[Event]:
    return [Event(at, country, region, "Pumpe", f"{n}.{region}.example") for n in range(companies) for _ in range(each)]


def test_only_what_changed_enough_is_told_in_round_numbers_with_its_direction(warehouse: sa.Engine) -> None:
    before, after = datetime(2027, 1, 10), datetime(2027, 2, 10)
    load(
        warehouse,
        [*many(before, "Bayern", 10), *many(after, "Bavaria", 23), *many(before, "DE-NW", 40),
         *many(after, "DE-NW", 10), *many(before, "HH", 8), *many(after, "HH", 5)],
    )  # fmt: skip
    asked = replace(ALL, months=(MONTH,), baseline_months=1, min_lift=1.5, min_count=10, round_to=5)
    found = {(r.region, r.direction, r.count, r.lift) for r in told(warehouse, asked)}
    assert found == {  # of HH there are too few, and the country's 38 are less than two thirds of its 58
        ("DE-BY", "rise", 25, 2.3), ("DE-NW", "fall", 10, 0.3), (None, "fall", 40, 0.7)
    }  # fmt: skip
    longer = replace(asked, baseline_months=2)
    assert {(r.region, r.lift) for r in told(warehouse, longer)} == {("DE-BY", 4.6), ("DE-NW", 0.5)}


def test_months_are_counted_backwards_over_the_year() -> None:
    assert [months_before(date(2027, 2, 1), n) for n in (0, 1, 2, 14)] == [
        date(2027, 2, 1), date(2027, 1, 1), date(2026, 12, 1), date(2025, 12, 1)
    ]  # fmt: skip


# --- what became of it ------------------------------------------------------------------------------------------

EFFECTS = """SELECT signal_id, before, after, change_percent, elsewhere_percent, effect_points FROM mart.signal_effect
             ORDER BY signal_id"""
AT_LAST = datetime(2027, 5, 3, tzinfo=UTC)


def tell(db: sa.Engine, *told: tuple[str, str, str | None, date, str]) -> None:
    """(signal, country, region, day on which a partner was told, product)."""
    with db.begin() as tx:
        tx.exec_driver_sql("TRUNCATE core.signal; TRUNCATE ops.share_log; TRUNCATE mart.signal_effect")
        columns = ("id", "measure", "country", "region", "product", "direction", "provenance", "sources", "arrived",
                   "touched", "valid_from")  # fmt: skip
        bulk.copy(
            tx, "core.signal", columns,
            ((id_, "leads", country, region, product, "rise", "{}", 1, n, n, AT_LAST)
             for n, (id_, country, region, _, product) in enumerate(told)),
        )  # fmt: skip
        for id_, _, _, day, _ in told:
            tx.execute(
                sa.text("INSERT INTO ops.share_log (at, connection, stream, entity, entity_id, partner_key, fields, "
                        "policy_hash) VALUES (:at, 'drop', 's', 'signal', :id, 'acme', '{count}', 'x')"),
                {"at": datetime(day.year, day.month, 3, tzinfo=UTC), "id": id_},
            )  # fmt: skip


def effects(db: sa.Engine, asked: Asked = ALL, months: int = 1, now: datetime = AT_LAST) -> list[tuple[Any, ...]]:
    with db.begin() as tx:
        signal_effect.recount(tx, asked, CODES, months, date(2026, 1, 1), now)
    return [tuple(r.values()) for r in rows(db, EFFECTS)]


def test_the_change_after_a_signal_is_told_beside_the_change_where_nobody_was_told(warehouse: sa.Engine) -> None:
    told_in, before, between, after = date(2027, 3, 1), *(datetime(2027, m, 10) for m in (2, 3, 4))
    load(
        warehouse,
        [*many(before, "Bayern", 20), *many(between, "Bayern", 99), *many(after, "Bavaria", 30),
         *many(before, "HH", 10), *many(after, "HH", 11), *many(before, None, 50), *many(after, None, 5),
         *many(before, "HN", 10, country="VN"), *many(after, "HN", 11, country="VN"),
         *many(before, "DE-NW", 10), *many(after, "DE-NW", 90)],
    )  # fmt: skip
    signals_ = (("bayern", "DE", "DE-BY", told_in, "Pumpe"), ("nw", "DE", "DE-NW", date(2027, 4, 1), "Pumpe"))
    tell(warehouse, *signals_)
    # 20 to 30 is half as much again; 20 to 22 in Hamburg and Hanoi. Told of the same: North Rhine; nameless: the rest
    assert effects(warehouse) == [("bayern", 20, 30, 50, 10, 40)]
    assert effects(warehouse, months=1, now=datetime(2027, 4, 30, tzinfo=UTC)) == [], "April is not over"
    assert effects(warehouse, replace(ALL, smallest_group=21)) == []
    tell(warehouse, *signals_, ("viet", "VN", None, told_in, "Pumpe"), ("other", "DE", "DE-HH", told_in, "Ventil"))
    assert effects(warehouse)[0] == ("bayern", 20, 30, 50, 10, 40), "that of another product is none of its own"
    tell(warehouse, *signals_, ("de", "DE", None, told_in, "Pumpe"))
    assert effects(warehouse) == [("bayern", 20, 30, 50, 10, 40), ("de", 90, 136, 50, 10, 40)]


def test_no_number_of_an_effect_is_about_fewer_than_k_customers(warehouse: sa.Engine) -> None:
    shown = hidden = 0
    for seed in range(20):
        rng = random.Random(seed)
        events = [replace(e, at=datetime(2027, rng.choice((2, 4)), rng.randint(1, 28))) for e in chance(rng)]
        load(warehouse, events)
        places = [(c, code, p) for (c, _), code in CODES.items() for p in PRODUCTS]
        told_ = sorted(set(rng.sample(places, 3)))
        tell(warehouse, *((f"{c}{r}{p}", c, r, date(2027, 3, 1), p) for c, r, p in told_))
        found = {r[0]: r for r in effects(warehouse)}
        for country, region, product in told_:
            same = [e for e in events if e.product == product]
            here = [e for e in same if e.code == region and e.country == country]
            silent = [(c, r) for c, r, p in told_ if p == product]
            countries = {c for c, _ in silent}
            there = [e for e in same if (e.country, e.code) not in silent and (e.code or e.country not in countries)]
            parts = [[e for e in where if (e.at >= datetime(2027, 4, 1)) is later]
                     for where in (here, there) for later in (False, True)]  # fmt: skip
            enough = min(len({e.company for e in part}) for part in parts) >= K
            assert (f"{country}{region}{product}" in found) == enough, (seed, country, region, product)
            if enough:
                assert found[f"{country}{region}{product}"][1:3] == (len(parts[0]), len(parts[1]))
            shown, hidden = shown + enough, hidden + (not enough)
    assert min(shown, hidden) > 5, (shown, hidden)


# --- the whole way ------------------------------------------------------------------------------------------------

LEADS = """\
from: erp.leads
to: lead
fields: {email: Email, domain: Domain, country: Country, region: Region, product: Product, created_at: At}
"""
PARTNERS = """\
from: erp.partners
to: partner
fields: {name: Name, partner_key: Key, territories: Places}
"""
SIGNALS = """\
from: drop.signals
to: signal
fields: {shared_key: Key}
back: {Key: shared_key, Partner: shared_partner_key, Region: region, Country: country, About: count, Way: direction}
"""


@pytest.fixture
def side(project: Project) -> Iterator[PartnerSide]:
    fields = ["period", "measure", "country", "region", "product", "direction", "count", "lift"]
    with partner_side(
        project, grant("signal", fields, "signals"),
        {"erp/lead": LEADS, "erp/partner": PARTNERS, "drop/signal": SIGNALS},
        {"erp": {"leads": ("Email", "Domain", "Country", "Region", "Product", "At"),
                 "partners": ("Name", "Key", "Places")},
         "drop": {"signals": ("Key", "Partner", "Region", "Country", "About", "Way")}},
    ) as made:  # fmt: skip
        made.app.policies = replace(made.app.policies, signals=SignalPolicy(published_months=1, baseline_months=1))
        yield made


def lead(side: PartnerSide, n: int, at: str, region: str) -> None:
    side.erp.put("leads", f"l{n}", Email=f"an@{n}.example", Domain=f"{n}.example", Country="DE", Region=region,
                 Product="Pumpe", At=at)  # fmt: skip


def round_(side: PartnerSide) -> int:
    before = len(side.drop.writes)
    side.read()
    measure(side.app)
    side.push("signals")
    side.clock.advance(minutes=10)
    return len(side.drop.writes) - before


def seen(side: PartnerSide) -> list[tuple[Any, ...]]:
    return sorted((r["Partner"], r["Region"] or "", r["Way"], r["About"]) for r in side.drop.all("signals"))


def test_signals_reach_the_partners_of_the_region_and_are_taken_back_when_the_month_is_old(side: PartnerSide) -> None:
    for key, places in (("bayern", "DE-BY"), ("deutschland", "DE"), ("wien", "AT")):
        side.erp.put("partners", key, Name=key, Key=key, Places=places)
    for n in range(60):
        lead(side, n, "2027-01-20" if n < 12 else "2027-02-10", "Bayern")
    assert round_(side) == 3
    told = [("bayern", "DE-BY", "rise", 50), ("deutschland", "", "rise", 50), ("deutschland", "DE-BY", "rise", 50)]
    assert seen(side) == told
    assert [round_(side), round_(side)] == [0, 0]
    side.erp.put("partners", "wien", Places="DE-BY")
    assert round_(side) == 1
    assert ("wien", "DE-BY", "rise", 50) in seen(side)
    side.erp.put("partners", "bayern", Places="AT")
    round_(side)
    assert "bayern" not in {partner for partner, *_ in seen(side)}
    side.clock.advance(days=40)
    round_(side)
    assert seen(side) == []
    log = side.rows("SELECT kind, count(*) AS n FROM ops.share_log GROUP BY 1 ORDER BY 1")
    assert log == [{"kind": "revoked", "n": 4}, {"kind": "shared", "n": 4}]


def test_when_the_months_after_it_are_over_it_is_known_what_became_of_a_signal(side: PartnerSide) -> None:
    policy = SignalPolicy(published_months=1, baseline_months=1, effect_months=1)
    side.app.policies = replace(side.app.policies, signals=policy)
    side.erp.put("partners", "bayern", Name="bayern", Key="bayern", Places="DE-BY")
    for n in range(40):
        lead(side, n, "2027-01-20" if n < 10 else "2027-02-10", "Bayern")
        lead(side, 100 + n, "2027-04-10" if n < 20 else "2027-02-10", "DE-NW" if n % 2 else "Bayern")
        lead(side, 200 + n, "2027-01-20", "DE-NW" if n < 10 else "HH")
    assert round_(side) == 1
    assert side.rows("SELECT * FROM mart.signal_effect") == []
    side.clock.advance(days=62)
    round_(side)
    [row] = side.rows("SELECT region, told_in, partners, months, before, after, effect_points FROM mart.signal_effect")
    assert row == {"region": "DE-BY", "told_in": date(2027, 3, 1), "partners": 1, "months": 1, "before": 40,
                   "after": 10, "effect_points": -75}  # fmt: skip


def test_where_nothing_that_is_counted_changes_nothing_is_counted_again(side: PartnerSide) -> None:
    side.erp.put("partners", "de", Name="de", Key="de", Places="DE")
    lead(side, 1, "2027-02-10", "Bayern")
    side.read()
    assert "signals" in measure(side.app).numbers
    assert "signals" not in measure(side.app).numbers
    lead(side, 2, "2027-02-10", "Bayern")
    side.read()
    assert "signals" in measure(side.app).numbers
