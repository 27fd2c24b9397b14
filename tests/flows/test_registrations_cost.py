"""Registrations cost what changed: looking at what changed comes to what judging everything comes to."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from workbench import MONDAY, Project, rows

from prm_sync.app import App
from prm_sync.flows.register import STEP, judge_registrations
from prm_sync.flows.report import FlowReport
from prm_sync.warehouse import registrations as ledger
from prm_sync.warehouse import source

NAMES = (
    "شركة الفهد", "Al-Fahd Co.", "Alfahd Trading", "Weber GmbH", "Weber Maschinen AG", "Kaya A.Ş.", "华为有限公司",
    "Huawei Ltd.", "Công ty Bình Minh", "CONG TY BINH MINH", "شرکت پارسیان", "Parsian Co.",
)  # fmt: skip
TABLES: dict[str, str] = {
    "registration_decision": "registration_id, partner_id, outcome, because, decided_at, decided_by, protected_until, "
        "opportunity_id",
    "deal_conflict": "id, kind, registration_id, partner_id, other_kind, other_id, other_partner_id, other_first, "
        "apart_s, score, evidence, state",
    "deal_credit": "opportunity_id, partner_id, kind, is_primary, amount, currency, because, registration_id",
    "registered_deal": "registration_id, partner_id, status, how, opportunity_id, connection, account_id, credit, "
        "stage, protected_until",
    "claim_key": "key, kind, id",
}  # fmt: skip
KEPT = (*(f"ledger.{t}" for t in TABLES), "core.progress")


class World:
    """Registrations, deals, accounts and accepted leads of three partners, written straight into the warehouse."""

    def __init__(self, app: App, seed: int) -> None:
        self.app, self.random, self.now, self.n = app, random.Random(seed), MONDAY, 0
        self.registrations: list[str] = []
        for partner in "pqs":
            self._row("partner", f"partner_{partner}", name=partner, partner_key=partner)
            self._cross("partner", partner, f"partner_{partner}")

    def _row(self, entity: str, id_: str, **values: Any) -> None:
        with self.app.db.begin() as tx:
            touched = source.change_number(tx, entity)
            told = {"provenance": "{}", "sources": 1, "arrived": touched, "valid_from": MONDAY, **values}
            names = ["id", "touched", *told]
            sets = ", ".join(f'"{n}" = excluded."{n}"' for n in ("touched", *values))
            tx.execute(
                sa.text(
                    f'INSERT INTO core."{entity}" ({", ".join(f"{chr(34)}{n}{chr(34)}" for n in names)}) '
                    f"VALUES ({', '.join(f':{n}' for n in names)}) ON CONFLICT (id) DO UPDATE SET {sets}"
                ),
                {"id": id_, "touched": touched, **told},
            )

    def _cross(self, entity: str, remote_id: str, entity_id: str) -> None:
        with self.app.db.begin() as tx:
            tx.execute(
                sa.text(
                    "INSERT INTO core.crosswalk (connection, stream, remote_id, entity, entity_id, matched_by, score, "
                    "since) VALUES ('crm', 's', :r, :e, :i, 'new', 1, :at) ON CONFLICT DO NOTHING"
                ),
                {"r": remote_id, "e": entity, "i": entity_id, "at": MONDAY},
            )

    def who(self) -> dict[str, Any]:
        tax = self.random.choice([None, None, "1", "2"])
        return {"country": self.random.choice(["SA", "VN", None]), "tax_id": tax,
                "domain": self.random.choice([None, None, "weber.example", "alfahd.example"])}  # fmt: skip

    def step(self) -> None:
        """Something happens."""
        some = self.random
        self.now += timedelta(seconds=some.choice([1, 30, 600, 86_400, 20 * 86_400]))
        rare = ["account", "decide", "edit", "close", "lead", "move", "gone"]
        deed = some.choice([*["register"] * 5, *["deal"] * 3, *rare])
        id_ = f"{some.randrange(8)}"
        partner = some.choice([None, *"pqs"])
        reference = f"crm:{partner}" if partner else None
        match deed:
            case "register":
                self.n += 1
                self._register(f"deal_registration_{self.n}")
            case "edit" if self.registrations:
                self._row("deal_registration", some.choice(self.registrations), account_name=some.choice(NAMES))
            case "gone" if self.registrations:
                self._row("deal_registration", some.choice(self.registrations), deleted_at=self.now)
            case "move" if self.registrations:
                status = some.choice(["approved", "submitted", "lost"])
                self._row("deal_registration", some.choice(self.registrations), status=status)
            case "deal":
                self._cross("opportunity", f"o{id_}", f"opportunity_{id_}")
                self._row(
                    "opportunity", f"opportunity_{id_}", name=some.choice(NAMES), stage="qualified", amount=900,
                    currency="EUR", partner_ref=reference, created_at=self.now, product=some.choice([None, "Pumpe"]),
                    account_ref=some.choice([None, "crm:a1", "crm:a2"]),
                )  # fmt: skip
            case "close":
                self._row(
                    "opportunity", f"opportunity_{id_}", stage=some.choice(["won", "lost", "qualified"]), amount=900,
                    currency="EUR", closed_at=self.now, name=some.choice(NAMES),
                )  # fmt: skip
            case "account":
                n = some.randrange(3)
                self._cross("account", f"a{n}", f"account_{n}")
                self._row("account", f"account_{n}", name=some.choice(NAMES), partner_ref=reference, **self.who())
            case "lead":
                who = self.who()
                who.pop("tax_id")
                self._row("lead", f"lead_{id_}", company=some.choice(NAMES), **who)
                self._offer(f"lead_{id_}", partner or "p")
            case "decide":
                self._decide()

    def _register(self, id_: str) -> None:
        some = self.random
        self.registrations.append(id_)
        self._row(
            "deal_registration", id_, partner_ref=f"crm:{some.choice('pqs')}", account_name=some.choice(NAMES),
            status="submitted", submitted_at=self.now, number=id_, amount=100, currency="EUR",
            product=some.choice([None, None, "Pumpe"]), **self.who(),
        )  # fmt: skip

    def _offer(self, lead_id: str, partner: str) -> None:
        with self.app.db.begin() as tx:
            touched = source.change_number(tx, "lead_offer")
            tx.execute(
                sa.text(
                    "INSERT INTO ledger.lead_offer (id, lead_id, partner_id, decision_id, rank, state, offered_at, "
                    "expires_at, answered_at, touched) VALUES (:l, :l, :p, 'd', 1, 'accepted', :at, :at, :at, :t) "
                    "ON CONFLICT (id) DO UPDATE SET partner_id = :p, touched = :t, "
                    "state = CASE lead_offer.state WHEN 'accepted' THEN 'withdrawn' ELSE 'accepted' END"
                ),
                {"l": lead_id, "p": f"partner_{partner}", "at": self.now, "t": touched},
            )

    def _decide(self) -> None:
        waiting = rows(self.app.db, "SELECT registration_id AS id FROM ledger.registration_decision ORDER BY 1")
        if waiting:
            id_, outcome = self.random.choice(waiting)["id"], self.random.choice(["approve", "reject"])
            until = self.now + timedelta(days=90) if outcome == "approve" else None
            with self.app.db.begin() as tx:
                ledger.settle(tx, id_, outcome, "a person", "Linh", self.now, until)

    def run(self) -> FlowReport:
        report = FlowReport("route", "")
        judge_registrations(self.app, self.now, "run", report)
        return report

    def told(self) -> dict[str, list[Any]]:
        return {
            t: [tuple(r.values()) for r in rows(self.app.db, f"SELECT {c} FROM ledger.{t} ORDER BY {c}")]
            for t, c in TABLES.items()
        }

    def remember(self) -> None:
        with self.app.db.begin() as tx:
            for t in KEPT:
                tx.exec_driver_sql(f"DROP TABLE IF EXISTS public.{t.split('.')[1]}_kept")
                tx.exec_driver_sql(f"CREATE TABLE public.{t.split('.')[1]}_kept AS TABLE {t}")

    def recall(self) -> None:
        with self.app.db.begin() as tx:
            for t in KEPT:
                tx.exec_driver_sql(f"DELETE FROM {t}")
                tx.exec_driver_sql(f"INSERT INTO {t} SELECT * FROM public.{t.split('.')[1]}_kept")


@pytest.fixture
def world(project: Project, vendors: Any) -> Any:
    project.env = vendors.env
    project.write(connections=vendors.connections(crm={"streams": ["Account", "Opportunity"]}), trust=["crm", "prm"])
    with project.open() as app:
        yield lambda seed: World(app, seed)


@pytest.mark.parametrize("seed", [1, 2])
def test_looking_at_what_changed_comes_to_what_judging_everything_comes_to(
    world: Callable[[int], World], seed: int
) -> None:
    """After each step both are done from the same state."""
    here = world(seed)
    conflicts = approved = 0
    for _ in range(40):
        here.step()
        here.remember()
        here.run()
        by_change = here.told()
        here.recall()
        with here.app.db.begin() as tx:
            tx.exec_driver_sql(f"DELETE FROM core.progress WHERE step = '{STEP}'")
        here.run()
        everything = here.told()
        for table in TABLES:
            assert by_change[table] == everything[table], (table, here.n)
        conflicts, approved = len(by_change["deal_conflict"]), len(by_change["registered_deal"])
    assert conflicts > 3
    assert approved > 5


def test_one_registration_among_many_judges_only_those_that_are_like_it(world: Callable[[int], World]) -> None:
    here = world(1)
    letters = "bcdfghjklmnpqrstvw"
    for n in range(200):
        name = "".join(letters[(n * 7 + k * n) % len(letters)] + "a" for k in range(1, 5)) + f" {n}"
        here._row("deal_registration", f"r{n}", partner_ref="crm:p", account_name=name, status="submitted",
                  submitted_at=here.now, domain=f"k{n}.example", number=str(n))  # fmt: skip
    assert here.run().numbers["judged"] >= 200
    assert here.run().numbers["judged"] == 0
    here._row("deal_registration", "new", partner_ref="crm:q", account_name="Anything", status="submitted",
              submitted_at=here.now + timedelta(hours=1), domain="k17.example", number="new")  # fmt: skip
    here.now += timedelta(hours=2)
    report = here.run()
    assert 2 <= report.numbers["judged"] <= 6
    assert rows(here.app.db, "SELECT outcome FROM ledger.registration_decision WHERE registration_id = 'new'") == [
        {"outcome": "reject"}
    ]
