"""How fast records become rows, and telephone numbers E.164, on one core. Run: python benchmarks/mapping.py"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prm_sync.canonical import phone
from prm_sync.rules.mapping import Compiled, Fault, compile_mapping, load_mapping
from prm_sync.rules.mapping.compile import Run

TEXTS = """
from: bench.leads
to: lead
fields:
  first_name: FirstName
  last_name: {from: LastName, required: true}
  title: Title
  company: Company
  email: Email
  domain: Website
  street: Street
  city: City
  region: State
  postcode: PostalCode
  country: Country
  industry: Industry
  product: Product
  segment: Segment
  language: Language
  employees: Employees
  need: Description
  source: LeadSource
  status: {from: Status, choices: {Open: new, Working: working, Closed: disqualified}}
  rating: {from: Rating, choices: {Hot: hot, Warm: warm, Cold: cold}}
  score: Score
  owner: OwnerId
  no_email: HasOptedOutOfEmail
  account_ref: AccountId
  created_at: CreatedDate
"""
CITIES = ("Berlin", "München", "Hà Nội", "東京", "الرياض", "New York", "São Paulo", "Paris")
NAMES = ("Anna", "Jürgen", "Nguyễn", "Maria", "John", "王伟", "Sergey", "Fatima")


def records(count: int, chance: random.Random) -> list[dict[str, Any]]:
    def one(n: int) -> dict[str, Any]:
        name = chance.choice(NAMES)
        return {
            "Id": f"00Q{n:012d}", "FirstName": name, "LastName": f"Lee{n}", "Title": chance.choice(("CEO", None)),
            "Company": f"Acme {n} GmbH", "Email": f"User{n}@Example{n % 97}.com", "Website": f"https://www.example{n}.com/x",
            "Street": f"Hauptstr. {n}", "City": chance.choice(CITIES), "State": None, "PostalCode": f"{n % 100000:05d}",
            "Country": chance.choice(("Germany", "Deutschland", "VN", "United States")), "Industry": "Energy",
            "Product": "ERP Core", "Segment": "Mid", "Language": "de", "Employees": n % 5000, "Description": None,
            "LeadSource": "Web", "Status": chance.choice(("Open", "Working", "Closed")), "Rating": "Hot",
            "Score": n % 100 / 1,
            "OwnerId": "005x", "HasOptedOutOfEmail": False, "AccountId": f"001{n:012d}",
            "CreatedDate": "2026-11-20T08:15:30.000+0000", "Phone": f"+4930 {n + 200_000:06d}",
            "MobilePhone": f"+49 151 {n:08d}",
        }  # fmt: skip

    return [one(n) for n in range(count)]


def compiled(text: str) -> Compiled:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "lead.yaml"
        path.write_text(text)
        return compile_mapping(load_mapping(path), "bench")


def per_s(run: Callable[[Any], Any], items: list[Any]) -> float:
    """The best of three rounds."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for item in items:
            run(item)
        best = min(best, time.perf_counter() - start)
    return len(items) / best


def main() -> None:
    leads = records(30_000, random.Random(1))
    for name, text in (
        ("25 fields", TEXTS),
        ("27 fields, two phones", f"{TEXTS}  phone: Phone\n  mobile: MobilePhone\n"),
    ):
        run = compiled(text).run
        print(f"mapping, {name}: {per_s(partial(_mapped, run), leads):,.0f} records/s")
    numbers = [lead["Phone"] for lead in leads if _is_valid(lead["Phone"])]
    for name, road in (("short cut", phone.e164), ("library alone", phone.reference)):
        print(f"phone, {name}: {per_s(partial(road, region='DE'), numbers):,.0f} numbers/s")


def _mapped(run: Run, record: dict[str, Any]) -> None:
    faults: list[Fault] = []
    run(record, faults)


def _is_valid(number: str) -> bool:
    try:
        return bool(phone.e164(number, "DE"))
    except ValueError:
        return False


if __name__ == "__main__":
    main()
