"""The invented company: what its CRM, its PRM and its sheet of targets hold before the first run.

The same size, seed and time give the same rows. Beside good records it has what real ones have: duplicates in another
spelling, records that cannot be used, test records, people who want no e-mail, a lead that was converted long ago.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from prm_sync.demo.people import Firm, Person, firm, person
from prm_sync.demo.words import CERTIFICATES, INDUSTRIES, PRODUCTS, TONGUES, TROUBLES

Row = dict[str, Any]

TWINS = 2  #: contacts that stand there twice and share no key: somebody has to look
DUPLICATES = 0.04  #: leads that repeat an earlier one
BAD = 0.02  #: leads with something wrong, of each kind in turn
AGE_DAYS = 540  #: how far back the oldest record goes
AREAS = {"SA": "GCC", "EG": "EMEA", "VN": "ASEAN", "MX": "LATAM", "ES": "Iberia"}
TIERS = ("platinum", "gold", "silver", "bronze")
PARTNER_TYPES = ("Partner", "Channel Partner / Reseller", "Installation Partner", "Technology Partner")
LEAD_STATUSES = ("Open - Not Contacted", "Working - Contacted", "Closed - Not Converted")
PRIORITIES = ("High", "Medium", "Low")
SERVES = 2  #: every fourth partner serves: what the CRM calls an installation partner, counted from 0
MISTAKES = ("invalid_phone", "no_contact_data", "unknown_status", "unknown_country")


@dataclass(frozen=True, slots=True)
class Size:
    """How big the company is."""

    leads: int = 5_000
    accounts: int = 2_000
    partners: int = 60


@dataclass(frozen=True, slots=True)
class Company:
    """Rows by object for each system, in the order in which they must be loaded."""

    crm: Mapping[str, Sequence[Row]]
    prm: Mapping[str, Sequence[Row]]
    targets_csv: str
    bad: Mapping[str, int]  #: leads that are made to fail, by what is wrong with them
    duplicates: int


def company(size: Size, seed: int, now: datetime) -> Company:
    """Everything, as it stands at `now`."""
    return _Making(size, random.Random(seed), now).company()  # noqa: S311 - chance that can be repeated


class _Making:
    """One company being made up."""

    def __init__(self, size: Size, rng: random.Random, now: datetime) -> None:
        self.size, self.rng, self.now = size, rng, now
        self.people = 0
        places = tuple((tongue, place) for tongue in TONGUES for place in tongue.places)
        self.partner_firms = [firm(rng, n, "partner", places) for n in range(size.partners)]
        self.customers = [firm(rng, n, "customer") for n in range(size.accounts)]
        served = {f.place.code for n, f in enumerate(self.partner_firms) if n % 4 == SERVES}
        self.near = [n for n, f in enumerate(self.customers) if f.place.code in served] or [0]
        self.duplicates = 0
        self.bad = dict.fromkeys(MISTAKES, 0)

    def company(self) -> Company:
        partner_accounts = [self._partner_account(n, f) for n, f in enumerate(self.partner_firms)]
        accounts = [self._account(n, f) for n, f in enumerate(self.customers)]
        crm = {
            "Account": [*partner_accounts, *accounts],
            "Contact": self._contacts(),
            "Lead": self._leads(),
            "Opportunity": [self._deal(n) for n in range(max(len(self.customers) // 3, 20))],
            "Case": [self._case(n) for n in range(len(self.customers) // 20)],
        }
        customers = self._prm_customers()
        prm = {
            "partnerships": [*(self._partnership(n, f) for n, f in enumerate(self.partner_firms)),
                             *self._test_partnerships()],
            "customers": customers,
            "transactions": self._transactions(customers),
            "deals": self._registrations(),
            "leads": self._partners_own_leads(),
        }
        targets = self._targets()
        orders = [self._order(n) for n in range(max(len(self.customers) // 20, 6))]
        return Company({**crm, "Order": orders}, prm, targets, self.bad, self.duplicates)

    # --- time and people ----------------------------------------------------------------------------------------------

    def _times(self) -> tuple[datetime, datetime]:
        """When a record was made and last changed: any time in the past, a day ago at the latest."""
        made = self.now - timedelta(days=self.rng.uniform(3, AGE_DAYS))
        return made, made + (self.now - timedelta(days=1) - made) * self.rng.random() ** 2

    def _stamps(self) -> Row:
        made, changed = self._times()
        return {"CreatedDate": _iso(made), "LastModifiedDate": _iso(changed), "SystemModstamp": _iso(changed)}

    def _prm_stamps(self) -> Row:
        made, changed = self._times()
        return {"created_at": _ms(made), "updated_at": _ms(changed)}

    def _person(self, at: Firm) -> Person:
        self.people += 1
        return person(self.rng, self.people, at)

    # --- the CRM ------------------------------------------------------------------------------------------------------

    def _partner_account(self, n: int, f: Firm) -> Row:
        kind = PARTNER_TYPES[n % len(PARTNER_TYPES)]
        return {**self._account(n, f), "Id": _sf_id("001", 900_000 + n), "Type": kind, "AccountNumber": None}

    def _account(self, n: int, f: Firm) -> Row:
        someone = person(self.rng, 0, f)
        return {
            "Id": _sf_id("001", n + 1), "Name": f.name, "Website": f"https://www.{f.domain}/", "Phone": someone.phone,
            "Type": self.rng.choice(("Prospect", "Customer - Direct", "Customer - Channel", "Other")),
            "AccountNumber": f"K-{n:06}", "BillingStreet": f.street, "BillingCity": f.city, "BillingState": f.region,
            "BillingPostalCode": f.postcode, "BillingCountry": self.rng.choice(f.place.written),
            "Industry": self.rng.choice(INDUSTRIES), "NumberOfEmployees": int(self.rng.lognormvariate(4, 1.3)) + 1,
            "AnnualRevenue": float(self.rng.randrange(50, 90_000) * 1000), "CurrencyIsoCode": f.place.currency,
            **self._stamps(),
        }  # fmt: skip

    def _contacts(self) -> list[Row]:
        rows = [self._contact(n) for n in range(len(self.customers))]
        return [*rows, *(_exchanged(row, n) for n, row in enumerate(rows[:TWINS]))]

    def _contact(self, n: int) -> Row:
        f = self.customers[n]
        p = self._person(f)
        return {
            "Id": _sf_id("003", 800_000 + n), "AccountId": _sf_id("001", n + 1), "FirstName": p.given,
            "LastName": p.family, "Title": p.title,
            "Email": p.email, "Phone": p.phone, "MobilePhone": p.mobile, "MailingCity": f.city,
            "MailingCountry": self.rng.choice(f.place.written),
            "HasOptedOutOfEmail": self.rng.random() < 0.03, **self._stamps(),
        }  # fmt: skip

    def _leads(self) -> list[Row]:
        rows: list[Row] = []
        good: list[Row] = []
        for n in range(self.size.leads):
            if good and n % round(1 / DUPLICATES) == 0:
                rows.append(self._repeated(self.rng.choice(good)))
                self.duplicates += 1
            elif n % round(1 / BAD) == 1:
                mistake = MISTAKES[sum(self.bad.values()) % len(MISTAKES)]
                self.bad[mistake] += 1
                rows.append(_spoilt(self._lead(), mistake))
            else:
                good.append(self._lead())
                rows.append(good[-1])
        good[-1] |= {"Status": "Closed - Converted", "IsConverted": True, "ConvertedAccountId": _sf_id("001", 1)}
        return rows

    def _lead(self) -> Row:
        rng = self.rng
        f = firm(rng, self.people, "lead")
        p = self._person(f)
        return {
            "FirstName": p.given, "LastName": p.family, "Title": p.title, "Company": f.name, "Email": p.email,
            "Phone": p.phone, "MobilePhone": p.mobile, "Website": f.domain, "Street": f.street, "City": f.city,
            "State": f.region,
            "PostalCode": f.postcode, "Country": rng.choice(f.place.written), "Industry": rng.choice(INDUSTRIES),
            "Product_Interest__c": rng.choice(PRODUCTS), "NumberOfEmployees": int(rng.lognormvariate(4, 1.2)) + 1,
            "Budget__c": float(rng.randrange(2, 200) * 500), "CurrencyIsoCode": f.place.currency,
            "Description": rng.choice(f.tongue.needs), "LeadSource": rng.choice(("Web", "Phone Inquiry", "Other")),
            "Status": rng.choices(LEAD_STATUSES, (70, 18, 12))[0],
            "Rating": rng.choice(("Hot", "Warm", "Cold")), "HasOptedOutOfEmail": rng.random() < 0.03,
            "Required_Certification__c": rng.choice(CERTIFICATES) if rng.random() < 0.1 else None, **self._stamps(),
        }  # fmt: skip

    def _repeated(self, row: Row) -> Row:
        """The same person once more, typed by somebody else: other case, no postcode."""
        again = {**row, "PostalCode": None, **self._stamps()}
        if again.get("Email"):
            again["Email"] = again["Email"].upper()
        again["Company"] = again["Company"].upper()
        return again

    def _deal(self, n: int) -> Row:
        rng = self.rng
        stage = rng.choices(("Closed Won", "Closed Lost", "Proposal/Price Quote", "Qualification"), (35, 25, 20,
            20))[0]
        partner = rng.randrange(self.size.partners) if rng.random() < 0.7 else None
        closes = self.now + timedelta(days=rng.randint(-120, 0) if stage.startswith("Closed") else rng.randint(5, 90))
        at = n % len(self.customers)
        return {
            "AccountId": _sf_id("001", at + 1), "Name": f"{rng.choice(PRODUCTS)} {n + 1}", "StageName": stage,
            "Amount": float(rng.randrange(20, 2_000) * 100), "CurrencyIsoCode": rng.choices(("USD", "EUR"), (85,
                15))[0],
            "CloseDate": f"{closes:%Y-%m-%d}", "Type": "New Customer",
            "Prm_Partner__c": _sf_id("001", 900_000 + partner) if partner is not None else None,
            "Prm_Credit__c": rng.choices(("sourced", "influenced"), (75, 25))[0] if partner is not None else None,
            **self._stamps(),
        }  # fmt: skip

    def _case(self, n: int) -> Row:
        """Every second one came in lately, from a customer near to somebody who serves, in the customer's language."""
        product, status = self.rng.choice(PRODUCTS), self.rng.choice(("New", "Working", "Closed"))
        row = {
            "AccountId": _sf_id("001", n + 1), "Subject": product, "Origin": "Web", "Status": status,
            "Priority": self.rng.choice(PRIORITIES), **self._stamps(),
        }  # fmt: skip
        if n % 2:
            return row
        at, made = self.near[n % len(self.near)], _iso(self.now - timedelta(days=1, hours=n % 9))
        return {
            **row, "AccountId": _sf_id("001", at + 1), "ContactId": _sf_id("003", 800_000 + at), "Status": "New",
            "Subject": TROUBLES[self.customers[at].tongue.code], "Description": product, "CreatedDate": made,
            "LastModifiedDate": made, "SystemModstamp": made,
        }  # fmt: skip

    def _order(self, n: int) -> Row:
        """An order that is promised for one of the next weeks; every third is not delivered through a partner."""
        at, made = n % len(self.customers), self.now - timedelta(days=self.rng.uniform(2, 9))
        f = self.customers[at]
        partner = None if n % 3 == 2 else _sf_id("001", 900_000 + n % self.size.partners)
        return {
            "Id": _sf_id("801", n + 1), "AccountId": _sf_id("001", at + 1), "Status": "Activated",
            "EffectiveDate": f"{made:%Y-%m-%d}", "Prm_Partner__c": partner, "Product__c": self.rng.choice(PRODUCTS),
            "Promised_Date__c": f"{self.now + timedelta(days=self.rng.randint(4, 20)):%Y-%m-%d}",
            "TotalAmount": float(self.rng.randrange(20, 900) * 50), "CurrencyIsoCode": f.place.currency,
            "ShippingCity": f.city, "ShippingPostalCode": f.postcode, "ShippingCountry": f.place.written[0],
            "Delivery_Preference__c": "before noon", "CreatedDate": _iso(made), "LastModifiedDate": _iso(made),
            "SystemModstamp": _iso(made),
        }  # fmt: skip

    # --- the PRM ------------------------------------------------------------------------------------------------------

    def _partnership(self, n: int, f: Firm) -> Row:
        rng = self.rng
        contact = person(rng, 0, f)
        everywhere = n % 10 == 9
        land = AREAS.get(f.place.code, f.place.code) if n % 3 == 0 else f.place.code
        return {
            "partner_key": f"partner-{n:03}", "email": f"channel@{f.domain}", "first_name": contact.given,
            "last_name": contact.family,
            "approved_status": "suspended" if n % 20 == 19 else "approved",
            "joined_at": _ms(self.now - timedelta(days=rng.randint(60, 900))),
            "fields": {
                "company_name": f.name, "country": f.place.code, "city": f.city, "phone": contact.phone,
                "tier": TIERS[n % 4],
                "territories": ["*"] if everywhere else [land],
                "products": [] if n % 5 == 0 else sorted(rng.sample(PRODUCTS, 4)),
                "industries": [] if n % 2 == 0 else sorted(rng.sample(INDUSTRIES, 8)),
                "languages": [f.tongue.code, "en"],
                "certifications": sorted(rng.sample(CERTIFICATES, rng.randint(1, 3))),
                "weekly_capacity": rng.choice((10, 15, 20, 30)),
                "partner_type": "service" if n % 4 == SERVES else "reseller",
            },
            **self._prm_stamps(),
        }  # fmt: skip

    def _test_partnerships(self) -> list[Row]:
        return [
            {"partner_key": f"test-partner-{n}", "email": f"qa{n}@test{n}.example", "test": True,
             **self._prm_stamps(),
             "fields": {"company_name": f"Test partner {n}", "territories": ["*"]}}
            for n in range(2)
        ]  # fmt: skip

    def _prm_customers(self) -> list[Row]:
        rows = []
        for n, f in enumerate(self.customers[:: max(len(self.customers) // 120, 1)]):
            rows.append(
                {"key": f"cust_{n:06}", "customer_key": f"K-{f.number:06}", "email": f"billing@{f.domain}",
                 "name": f.name,
                 "partner_key": f"partner-{n % self.size.partners:03}", "meta": {"country": f.place.code},
                 **self._prm_stamps()}
            )  # fmt: skip
        return rows

    def _transactions(self, customers: Sequence[Row]) -> list[Row]:
        rows = []
        for n in range(len(customers) * 2):
            c = customers[n % len(customers)]
            shown = {name: c[name] for name in ("key", "customer_key", "email", "name", "partner_key")}
            rows.append(
                {"key": f"order-{n:05}", "amount": self.rng.randrange(5_000, 900_000), "currency": "USD",
                 "customer": shown,
                 "customer_key": c["key"], "product_key": self.rng.choice(PRODUCTS), **self._prm_stamps()}
            )  # fmt: skip
        return rows

    def _registrations(self) -> list[Row]:
        rows = []
        for n in range(max(self.size.partners // 2, 2)):
            f = self.customers[-1 - n % len(self.customers)]
            p = self._person(f)
            stage = ("Submitted", "Qualified", "Proposal")[n % 3]
            rows.append(
                {"partner_key": f"partner-{n % self.size.partners:03}", "account_name": f.name, "stage": stage,
                 "source": "partner",
                 "amount": self.rng.randrange(100_000, 9_000_000), "contact_first_name": p.given,
                 "contact_last_name": p.family,
                 "fields": {"website": f.domain, "country": f.place.code, "currency": "USD"}, **self._prm_stamps()}
            )  # fmt: skip
        return rows

    def _partners_own_leads(self) -> list[Row]:
        """Leads that partners brought: they are the partner's already, and in no CRM."""
        rows = []
        for n in range(max(self.size.partners // 4, 2)):
            f = firm(self.rng, 10_000_000 + n, "brought")
            p = self._person(f)
            meta = {"first_name": p.given, "last_name": p.family, "email": p.email, "phone": p.mobile,
                    "company": f.name, "country": f.place.code}
            rows.append({"partner_key": f"partner-{n % self.size.partners:03}", "approved": True, "meta": meta,
                         **self._prm_stamps()})
        return rows

    # --- the sheet ----------------------------------------------------------------------------------------------------

    def _targets(self) -> str:
        """Revenue targets of the quarter that `now` is in, as a channel manager keeps them in a spreadsheet."""
        first = datetime(self.now.year, 3 * ((self.now.month - 1) // 3) + 1, 1, tzinfo=UTC)
        last = (first + timedelta(days=95)).replace(day=1) - timedelta(days=1)
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["Partner Key", "Metric", "Amount", "Currency", "Period Start", "Period End"])
        for n in range(self.size.partners):
            writer.writerow([f"partner-{n:03}", "Revenue", self.rng.randrange(50, 400) * 1000, "USD",
                             f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"])
        return out.getvalue()


def _exchanged(row: Row, n: int) -> Row:
    """The same contact as a form on the web got it: names exchanged, a private address, the switchboard's number."""
    names = {"FirstName": row["LastName"], "LastName": row["FirstName"]}
    own = {"Id": _sf_id("003", 900_000 + n), "Email": f"me{n}@private.example", "MobilePhone": None, "Title": None}
    return {**row, **names, **own}


def _spoilt(row: Row, mistake: str) -> Row:
    """The lead with one thing wrong: a number that no country has, nobody to contact, words that no list knows."""
    match mistake:
        case "invalid_phone":
            return {**row, "Phone": "12-34"}
        case "no_contact_data":
            return {**row, "Email": None, "Phone": None, "MobilePhone": None}
        case "unknown_status":
            return {**row, "Status": "Nurture-Maybe"}
        case _:
            return {**row, "Country": "Atlantis"}


def _sf_id(prefix: str, n: int) -> str:
    """A Salesforce id of 15 characters; the org adds the last three."""
    return f"{prefix}dM{n:010d}"


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000+0000"


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
