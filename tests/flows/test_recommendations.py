"""Customers who buy much or may buy, in the portal folder of the partner who serves them; and taken back from there."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from workbench import Project, SteppedClock, rows

from prm_sync.app import App
from prm_sync.flows.forget import forget
from prm_sync.flows.measure import measure
from prm_sync.flows.pull import pull
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.rules.recommendations import RecommendationPolicy, Weights
from prm_sync.rules.sharing import SharingPolicy

COLUMNS = ["Key", "Partner", "Since", "Customer", "City", "Country", "Industry", "Score", "Why", "Product"]
FIELDS = ["name", "city", "country", "industry", "score", "why", "product", "as_of"]
MAPPINGS = {
    "partner": "{name: Name, partner_key: Key, products: {from: Products, do: split_list}}",
    "account": "{name: Name, city: City, country: Country, industry: Industry, domain: Domain, kind: Kind, "
    "partner_ref: Partner, is_test: Test}",
    "contact": "{last_name: Name, email: Email, account_ref: Account, consent_evidence: Consent, do_not_share: Silent}",
    "opportunity": "{account_ref: Account, stage: Stage, amount: Amount, currency: Currency, close_date: On, "
    "created_at: On, product: Product}",
    "order": "{account_ref: Account, ordered_at: On, status: Status, product: Product}",
    "lead": "{email: Email, domain: Domain, product: Product, created_at: On, do_not_share: Silent, status: Status}",
    "feedback": "{account_ref: Account, subject: Subject, product: Product, at: On, consent_evidence: Consent}",
}
HEADS = {
    "partner": ["Id", "Name", "Key", "Products"],
    "account": ["Id", "Name", "City", "Country", "Industry", "Domain", "Kind", "Partner", "Test"],
    "contact": ["Id", "Name", "Email", "Account", "Consent", "Silent"],
    "opportunity": ["Id", "Account", "Stage", "Amount", "Currency", "On", "Product"],
    "order": ["Id", "Account", "On", "Status", "Product"],
    "lead": ["Id", "Email", "Domain", "Product", "On", "Silent", "Status"],
    "feedback": ["Id", "Account", "Subject", "Product", "On", "Consent"],
}
POLICY = RecommendationPolicy(
    enabled=True, threshold=50, round_to=10,
    weights=Weights(won=50, orders=0, recency=0, opportunities=50, leads=0, needs=0),
)  # fmt: skip


@dataclass
class Portal:
    """The seller's tables in one folder, the partners' in another, and the app between them."""

    folder: Path
    app: App
    clock: SteppedClock
    tables: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)

    def put(self, table: str, id_: str, **values: str) -> None:
        known = self.tables.setdefault(table, {}).get(id_, {})
        self.tables[table][id_] = {**known, **values, "Id": id_}

    def customer(self, n: int, **account: str) -> None:
        """Customer n: the more, the more it has bought; one person, who has agreed; one open deal."""
        self.put("account", f"a{n}", **{"Name": f"شرکت {n}", "City": "Huế", "Country": "VN", "Industry": "Energy",
                                        "Partner": "p1", **account})  # fmt: skip
        self.put("contact", f"c{n}", Name=f"An {n}", Email=f"an@{n}.example", Account=f"a{n}", Consent=f"form {n}")
        self.put("opportunity", f"w{n}", Account=f"a{n}", Stage="won", Amount=f"{n}000", Currency="EUR",
                 On="2027-01-10", Product="Pumpe")  # fmt: skip
        self.put("opportunity", f"o{n}", Account=f"a{n}", Stage="proposal", On="2027-02-10", Product="水泵")

    def cycle(self) -> int:
        """Pull, refine, measure, push; how many changes reached the portal."""
        self.read()
        self.measure()
        return self.push()

    def measure(self) -> dict[str, int]:
        return measure(self.app, ["service", "recommendations"]).numbers

    def read(self) -> None:
        for table, head in HEADS.items():
            with (self.folder / "crm" / f"{table}.csv").open("w", encoding="utf-8", newline="") as f:
                out = csv.DictWriter(f, head)
                out.writeheader()
                out.writerows(self.tables.get(table, {}).values())
            pull(self.app, "crm", table)
        pull(self.app, "portal", "recommendations")
        self.clock.advance(seconds=10)
        refine(self.app)
        self.clock.advance(seconds=10)

    def push(self) -> int:
        report = push(self.app, "portal", "recommendations")
        self.clock.advance(minutes=10)
        return report.numbers.get("written", 0)

    def shown(self) -> list[dict[str, str]]:
        path = self.folder / "portal" / "recommendations.csv"
        if not path.exists():
            return []
        with path.open(encoding="utf-8-sig", newline="") as f:
            return sorted(csv.DictReader(f), key=lambda r: r["Customer"])

    def names(self) -> list[tuple[str, str]]:
        return [(r["Partner"], r["Customer"]) for r in self.shown()]

    def say(self, **policy: Any) -> None:
        self.app.policies = replace(self.app.policies, recommendations=POLICY.model_copy(update=policy))


@pytest.fixture
def portal(project: Project) -> Iterator[Portal]:
    for name in ("crm", "portal"):
        (project.folder / name).mkdir()
    for entity, fields in MAPPINGS.items():
        project.mapping(f"from: files_crm.{entity}\nto: {entity}\nfields: {fields}\n", entity, "files_crm")
    writes = {"recommendations": {"key": "Key", "columns": COLUMNS}}
    project.write(
        connections={
            "crm": {"connector": "files", "kind": "crm", "streams": list(HEADS),
                    "config": {"folder": "crm", "key": "Id", "snapshot": True}},
            "portal": {"connector": "files", "kind": "prm", "streams": ["recommendations"],
                       "config": {"folder": "portal", "writes": writes}, "limits": {"max_update_share": 1.0}},
        },
        mappings="mappings", trust=["crm", "portal"],
    )  # fmt: skip
    with project.open() as app:
        assert app.problems == ()
        app.settings = app.settings.model_copy(update={"hash_key": SecretStr("a secret of the tests")})
        made = Portal(project.folder, app, project.clock)
        made.say()
        entry = {"entity": "recommendation", "purpose": "sales", "pii": ["none", "company"], "fields": FIELDS}
        share = SharingPolicy.model_validate({"streams": {"recommendations": entry}})
        app.policies = replace(app.policies, sharing=share)
        made.put("partner", "p1", Name="Sài Gòn", Key="saigon")
        made.put("partner", "p2", Name="东风", Key="dongfeng")
        yield made


def test_a_customer_is_told_with_score_and_reasons_and_taken_back_when_consent_is_withdrawn(portal: Portal) -> None:
    for n in (1, 2):
        portal.customer(n)
    assert portal.cycle() == 2
    assert portal.shown()[1] | {"Key": ""} == {
        "Key": "", "Partner": "saigon", "Since": "2027-03-01", "Customer": "شرکت 2", "City": "Huế", "Country": "VN",
        "Industry": "Energy", "Score": "70", "Product": "水泵",
        "Why": "in the upper tenth of all customers by what was bought in 12 months; has open deals",
    }  # fmt: skip
    portal.clock.advance(days=1)
    assert portal.cycle() == 0, "another day alone says nothing new"
    portal.put("contact", "c2", Consent="")
    assert portal.cycle() == 1
    assert portal.names() == [("saigon", "شرکت 1")]
    log = rows(portal.app.db, "SELECT kind, purpose, partner_key FROM ops.share_log ORDER BY id")
    assert [(r["kind"], r["purpose"]) for r in log] == [("shared", "sales")] * 2 + [("revoked", None)]


def test_a_withdrawn_consent_takes_back_without_anything_being_measured_anew(portal: Portal) -> None:
    portal.customer(1)
    portal.cycle()
    portal.cycle()  # the copy is read back
    portal.put("contact", "c1", Silent="true")
    portal.read()
    assert portal.push() == 1
    assert portal.names() == []


def test_what_holds_no_longer_is_taken_back_and_a_change_of_partner_moves_it(portal: Portal) -> None:
    portal.say(threshold=30)
    for n in range(1, 6):
        portal.customer(n)
    portal.cycle()
    assert len(portal.names()) == 5
    for table in ("account", "contact"):
        portal.tables[table].pop(f"{table[0]}1")
    portal.put("opportunity", "o2", Stage="lost")  # its score falls
    portal.put("account", "a3", Partner="p2")
    portal.put("account", "a4", Partner="")
    portal.cycle()
    assert portal.names() == [("dongfeng", "شرکت 3"), ("saigon", "شرکت 5")]
    assert portal.cycle() == 0
    portal.say(most_per_partner=1, threshold=99)
    portal.cycle()
    assert portal.names() == []
    portal.say(threshold=30)
    portal.cycle()
    assert len(portal.names()) == 2
    portal.say(enabled=False)
    portal.cycle()
    assert portal.names() == []
    assert rows(portal.app.db, "SELECT * FROM mart.recommendations WHERE deleted_at IS NULL") == []


def test_a_forgotten_person_was_the_one_who_agreed(portal: Portal) -> None:
    for n in (1, 2):
        portal.customer(n)
    portal.cycle()
    portal.cycle()
    assert "recommendations" not in portal.measure(), "nothing has changed"
    forget(portal.app, "an@1.example")
    assert portal.measure()["recommendations"] == 1
    assert portal.push() == 1
    assert portal.names() == [("saigon", "شرکت 2")]
    portal.put("contact", "c9", Name="Bình", Email="binh@1.example", Account="a1", Consent="form 9")
    portal.cycle()
    assert len(portal.names()) == 2


@pytest.mark.parametrize("without", ["entry", "policy", "consent", "partner", "company", "test"])
def test_without_any_one_of_these_nothing_leaves(portal: Portal, without: str) -> None:
    portal.customer(1)
    match without:
        case "entry":
            portal.app.policies = replace(portal.app.policies, sharing=SharingPolicy())
        case "policy":
            portal.say(enabled=False)
        case "consent":  # one person has agreed, another one has objected
            portal.put("contact", "c2", Name="Bo", Email="bo@1.example", Account="a1", Silent="true")
        case "partner":
            portal.put("account", "a1", Partner="")
        case "company":
            portal.put("account", "a1", Kind="person")
        case "test":
            portal.put("account", "a1", Test="true")
    assert portal.cycle() == 0
    assert portal.shown() == []
    assert rows(portal.app.db, "SELECT * FROM ops.share_log") == []


def test_what_counts_is_what_customers_bought_and_asked_for_in_time_and_may_be_passed_on(portal: Portal) -> None:
    weights = Weights(won=0, orders=40, recency=20, opportunities=0, leads=20, needs=20)
    portal.say(weights=weights, threshold=1, round_to=1, enough=POLICY.enough.model_copy(update={"orders": 2}))
    portal.put("partner", "p1", Products="Pumpe, Ventil")
    for n, counts in enumerate((True, False)):
        portal.customer(n + 1, Domain=f"{n + 1}.example")
        for table in ("w", "o"):
            portal.tables["opportunity"].pop(f"{table}{n + 1}")
        common = {"Account": f"a{n + 1}", "Product": "Ventil"}
        portal.put("order", f"b{n}", **common, On="2027-02-01" if counts else "2025-12-01")
        portal.put("order", f"d{n}", **common, On="2027-02-01", Status="" if counts else "cancelled")
        portal.put("lead", f"l{n}", Domain=f"{n + 1}.example", Email=f"x@{n + 1}.example", On="2027-02-10",
                   Product="水泵", Silent="" if counts else "true")  # fmt: skip
        portal.put("feedback", f"f{n}", **common, On="2027-02-10", Subject="product" if counts else "partner",
                   Consent="yes")  # fmt: skip
    portal.cycle()
    first, second = portal.shown()
    assert (first["Score"], first["Product"]) == ("75", "Ventil"), "40 + 20 * 90 / 118 + 10 + 10; of 水泵 it sells none"
    assert (second["Score"], second["Why"]) == ("3", "")
