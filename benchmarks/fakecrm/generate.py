"""Deterministic fake CRM data: accounts, contacts, leads and opportunities with known duplicates.

    python generate.py --out data --leads 1000000 --accounts 200000 --contacts 500000 --opportunities 100000

Every entity (a person, a company) is a pure function of (seed, entity number) and every record is a pure function
of (seed, object, record number), so the output does not depend on the number of worker processes.

Written per object, in (SystemModstamp, Id) order:
                     X.json  records, each followed by ",\n" (a slice is the inside of a JSON array)
                     X.json.idx  uint64 little-endian byte offsets, n+1 of them
                     X.csv, X.csv.idx  the same rows for the bulk API (header in meta.json)
                     X.keys  37 bytes a row: SystemModstamp to the second, and Id
                     X.delta.*  the rows that changed after the first sync (default 1 %)
Truth:               truth_person.csv (Id, entity), truth_company.csv (Id, entity)

Only the standard library is needed; orjson is used when it is there.
"""

import argparse
import array
import csv
import hashlib
import io
import json
import mmap
import multiprocessing as mp
import os
import random
import time
from datetime import UTC, datetime, timedelta

import locales as L  # noqa: N812

try:
    import orjson

    def dumps(obj):
        return orjson.dumps(obj)
except ImportError:

    def dumps(obj):
        return json.dumps(obj, ensure_ascii=False, separators=(",", ":")).encode()


API = "/services/data/v61.0"
PREFIX = {"Lead": "00Q", "Contact": "003", "Account": "001", "Opportunity": "006"}
T0 = datetime(2023, 1, 1, tzinfo=UTC)  # records are created in [T0, T1)
T1 = datetime(2025, 1, 1, tzinfo=UTC)  # "now" of the first sync
T2 = T1 + timedelta(days=1)  # the delta's changes lie in [T1, T2)
CHUNK = 5000
B62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FREE_MAIL = ("gmail.com", "yahoo.com", "outlook.com", "web.de", "qq.com", "mail.ru")
_SPAN = int((T1 - T0).total_seconds())
_LOC_W = [loc for loc in L.LOCALES for _ in range(loc.weight)]
_DIGITS = {"JP": str.maketrans("0123456789", "０１２３４５６７８９"), "SA": str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")}

FIELDS = {
    "Lead": [
        "Id",
        "IsDeleted",
        "FirstName",
        "LastName",
        "Salutation",
        "Title",
        "Company",
        "Email",
        "Phone",
        "MobilePhone",
        "Website",
        "Street",
        "City",
        "State",
        "PostalCode",
        "Country",
        "LeadSource",
        "Status",
        "Rating",
        "Industry",
        "AnnualRevenue",
        "NumberOfEmployees",
        "OwnerId",
        "IsConverted",
        "HasOptedOutOfEmail",
        "ProductInterest__c",
        "PartnerTier__c",
        "Certification__c",
        "Score__c",
        "CreatedDate",
        "LastModifiedDate",
        "SystemModstamp",
    ],
    "Contact": [
        "Id",
        "IsDeleted",
        "FirstName",
        "LastName",
        "Salutation",
        "Title",
        "AccountId",
        "Email",
        "Phone",
        "MobilePhone",
        "HomePhone",
        "Department",
        "MailingStreet",
        "MailingCity",
        "MailingState",
        "MailingPostalCode",
        "MailingCountry",
        "LeadSource",
        "Birthdate",
        "OwnerId",
        "DoNotCall",
        "HasOptedOutOfEmail",
        "HasOptedOutOfFax",
        "AssistantName",
        "ReportsToId",
        "Languages__c",
        "Level__c",
        "Score__c",
        "LastActivityDate",
        "CreatedDate",
        "LastModifiedDate",
        "SystemModstamp",
    ],
    "Account": [
        "Id",
        "IsDeleted",
        "Name",
        "AccountNumber",
        "Type",
        "Industry",
        "Rating",
        "Ownership",
        "AnnualRevenue",
        "NumberOfEmployees",
        "Website",
        "Phone",
        "Fax",
        "BillingStreet",
        "BillingCity",
        "BillingState",
        "BillingPostalCode",
        "BillingCountry",
        "Description",
        "Site",
        "Sic",
        "TickerSymbol",
        "ParentId",
        "OwnerId",
        "YearStarted",
        "DunsNumber",
        "CustomerPriority__c",
        "SLA__c",
        "Region__c",
        "CreatedDate",
        "LastModifiedDate",
        "SystemModstamp",
    ],
    "Opportunity": [
        "Id",
        "IsDeleted",
        "AccountId",
        "ContactId",
        "Name",
        "StageName",
        "Amount",
        "Probability",
        "ExpectedRevenue",
        "TotalOpportunityQuantity",
        "CloseDate",
        "Type",
        "NextStep",
        "LeadSource",
        "IsClosed",
        "IsWon",
        "ForecastCategory",
        "CurrencyIsoCode",
        "CampaignId",
        "OwnerId",
        "FiscalYear",
        "FiscalQuarter",
        "Product__c",
        "PartnerId__c",
        "PartnerTier__c",
        "Region__c",
        "Description",
        "HasOpenActivity",
        "LastActivityDate",
        "CreatedDate",
        "LastModifiedDate",
        "SystemModstamp",
    ],
}


class Rng(random.Random):
    """random.Random seeded from a tuple, with the few helpers used here (cheap ones)."""

    def __init__(self, *key):
        h = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
        super().__init__(int.from_bytes(h, "little"))

    def below(self, n):
        return int(self.random() * n)

    def pick(self, seq):
        return seq[int(self.random() * len(seq))]

    def digits(self, template):
        r = self.getrandbits(64)
        out = []
        for ch in template:
            if ch == "#":
                out.append("0123456789"[r % 10])
                r //= 10
            else:
                out.append(ch)
        return "".join(out)


def sf_id(prefix, n):
    s = ""
    for _ in range(9):
        n, r = divmod(n, 62)
        s = B62[r] + s
    return prefix + "5f0" + s + "AAA"


def iso(seconds):
    d = T0 + timedelta(seconds=seconds)
    return d.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def slug(s):
    return "".join(c for c in L.ascii_fold(s).lower() if c.isascii() and c.isalnum())


# ---------------------------------------------------------------- entities
def company(seed, j):
    r = Rng(seed, "company", j)
    loc = r.pick(_LOC_W)
    a, b, c = r.pick(L.COMPANY_A), r.pick(L.COMPANY_B), r.pick(L.COMPANY_C)
    family = r.pick(loc.family)
    kind = r.random()
    if kind < 0.55:
        core, core_roman = a + b, a + b
    elif kind < 0.8:
        core, core_roman = family[0], family[1]
        core += " " + r.pick(L.COMPANY_A)
        core_roman += "-" + r.pick(L.COMPANY_B)
    else:
        core, core_roman = a + " " + b.title(), a + "-" + b
    name = f"{core} {c}".strip()
    city, state = r.pick(loc.cities)
    zipc = r.digits("#" * loc.zip_digits)
    if loc.code == "GB":
        zipc = r.digits("M#1 #") + "QX"
    elif loc.code == "CA":
        zipc = r.digits("M#V #L#")
    return {
        "loc": loc,
        "name": name,
        "suffix": r.pick(loc.suffixes),
        "domain": f"{slug(core_roman)}{slug(c)[:4]}{j % 97 if r.random() < 0.6 else ''}."
        f"{loc.tld if r.random() < 0.6 else 'com'}",
        "city": city,
        "state": state,
        "zip": zipc,
        "n": 1 + r.below(199),
        "street": r.pick(L.STREET_WORDS),
        "phone": r.digits(_nsn(r, loc.land)),
        "industry": r.pick(L.INDUSTRIES),
        "employees": int(10 ** (0.7 + 3.6 * r.random())),
        "revenue": round(10 ** (5 + 4 * r.random()), 2),
    }


def _nsn(r, templates):
    t = r.pick(templates)
    if t[0] != "0" and t.count("#") >= 6:  # the first free digit is 2..9, as real numbering plans want
        i = t.index("#")
        t = t[:i] + str(2 + r.below(8)) + t[i + 1 :]
    return t


def person(seed, i, n_companies):
    r = Rng(seed, "person", i)
    j = int(n_companies * r.random() ** 1.5)
    co = company(seed, j)
    loc = co["loc"] if r.random() < 0.92 else r.pick(_LOC_W)
    given, family = r.pick(loc.given), loc.family[int(len(loc.family) * r.random() ** 1.3)]
    g, f = slug(given[1]) or "x", slug(family[1]) or "y"
    k = r.random()
    local = (
        f"{g}.{f}"
        if k < 0.5
        else f"{g[0]}{f}"
        if k < 0.7
        else f"{g}{f}"
        if k < 0.8
        else f"{f}.{g}"
        if k < 0.9
        else f"{g}_{f}"
    )
    tail = str(r.below(1000)) if r.random() < 0.35 else ""
    return {
        "co": co,
        "j": j,
        "loc": loc,
        "given": given,
        "family": family,
        "work_mail": f"{local}{tail}@{co['domain']}",
        "home_mail": f"{g}{f}{1950 + r.below(60)}{tail}@{r.pick(_FREE_MAIL)}",
        "mobile": r.digits(_nsn(r, loc.mobile)),
        "phone": co["phone"] if r.random() < 0.5 else r.digits(_nsn(r, co["loc"].land)),
        "title": r.pick(L.TITLES),
        "roman": r.random() < 0.35,
    }


# ---------------------------------------------------------------- noise
def typo(r, s):
    if len(s) < 3:
        return s
    i = 1 + r.below(len(s) - 2)
    k = r.below(4)
    if k == 0:
        return s[:i] + s[i + 1] + s[i] + s[i + 2 :]
    if k == 1:
        return s[:i] + s[i + 1 :]
    if k == 2:
        return s[:i] + s[i] + s[i:]
    return s[:i] + "aeiorstnl"[r.below(9)] + s[i + 1 :]


def fmt_phone(r, loc, nsn):
    """One of the many ways in which people type a number."""
    if r.random() < 0.02:
        return r.pick(("n/a", "-", "unknown", "0000000000", "ask assistant"))
    a, b, c = nsn[:-7] or nsn[:2], nsn[-7:-4], nsn[-4:]
    if a + b + c != nsn:
        a, b, c = nsn[:2], nsn[2:-4], nsn[-4:]
    k = r.random()
    if k < 0.30:
        out = f"+{loc.dial}{nsn}"
    elif k < 0.50:
        out = f"+{loc.dial} {a} {b} {c}"
    elif k < 0.65:
        out = f"({loc.trunk}{a}) {b}-{c}"
    elif k < 0.80:
        out = f"{loc.trunk}{a}-{b}-{c}"
    elif k < 0.90:
        out = f"{loc.trunk}{a}{b}{c}"
    elif k < 0.95:
        out = f"00{loc.dial} {a} {b}{c}" if loc.dial != "1" else f"1-{a}-{b}-{c}"
    else:
        out = f"{loc.trunk}{a}.{b}.{c}"
    if r.random() < 0.03:
        out += r.pick((" x", " ext. ")) + str(100 + r.below(900))
    if loc.code in _DIGITS and r.random() < 0.03:
        out = out.translate(_DIGITS[loc.code])
    return out


def fmt_mail(r, mail):
    k = r.random()
    if k < 0.06:
        return mail.upper()
    if k < 0.12:
        return mail.title()
    if k < 0.14:
        return " " + mail + " "
    return mail


def fmt_country(r, loc):
    return loc.countries[0] if r.random() < 0.6 else r.pick(loc.countries)


def fmt_company(r, co, noisy):
    name = co["name"]
    if r.random() < (0.5 if noisy else 0.7):
        name = f"{name} {co['suffix']}"
    if noisy:
        k = r.random()
        if k < 0.2:
            name = typo(r, name)
        elif k < 0.3:
            name = name.upper()
        elif k < 0.35:
            name = name.replace(" ", "")
    return name


def names(r, p, noisy):
    k = 1 if p["roman"] else 0
    if noisy and r.random() < 0.15:
        k = 1 - k
    g, f = p["given"][k], p["family"][k]
    if noisy:
        if r.random() < 0.12:
            g = L.NICK.get(g, g)
        if r.random() < 0.10:
            g = g[:1] + "."
        if r.random() < 0.15:
            f = typo(r, f)
        if r.random() < 0.08:
            g = typo(r, g)
        if r.random() < 0.08:
            g, f = L.ascii_fold(g), L.ascii_fold(f)
        if r.random() < 0.02:
            g, f = f, g
    k = r.random()
    if k < 0.03:
        f = f.upper()
    elif k < 0.06:
        g = g.lower()
        f = f.lower()
    elif k < 0.07:
        f = f + " "
    return g, f


def contact_points(r, p, noisy):
    """(email, phone, mobile) as this one record has them; a noisy view may lack or change them."""
    co = p["co"]
    if noisy:
        k = r.random()
        mail = None if k < 0.12 else p["home_mail"] if k < 0.32 else p["work_mail"]
        if mail and r.random() < 0.05:
            at = mail.index("@")
            mail = typo(r, mail[:at]) + mail[at:]
        phone = None if r.random() < 0.3 else p["phone"]
        mobile = None if r.random() < 0.35 else p["mobile"]
        if mobile and r.random() < 0.1:
            mobile = r.digits(_nsn(r, p["loc"].mobile))
    else:
        mail = None if r.random() < 0.05 else p["work_mail"]
        phone = None if r.random() < 0.15 else p["phone"]
        mobile = None if r.random() < 0.25 else p["mobile"]
    return (
        mail and fmt_mail(r, mail),
        phone and fmt_phone(r, co["loc"], phone),
        mobile and fmt_phone(r, p["loc"], mobile),
    )


# ---------------------------------------------------------------- records
def _dates(r):
    created = r.below(_SPAN - 10)
    modified = created + r.below(_SPAN - created)
    return iso(created), iso(modified)


def person_entity(seed, obj, k, cfg):
    """(entity number, noisy) of the k-th contact or lead."""
    r = Rng(seed, obj, "entity", k)
    u = r.random()
    if obj == "Contact":
        return (r.below(k), True) if k and u < 0.03 else (k, False)
    if cfg["contacts"] and u < 0.12:
        return r.below(cfg["contacts"]), True
    if k and u < 0.17:
        return cfg["contacts"] + r.below(k), True
    return cfg["contacts"] + k, False


def company_entity(seed, k):
    r = Rng(seed, "Account", "entity", k)
    return (r.below(k), True) if k and r.random() < 0.06 else (k, False)


def make_lead(seed, k, cfg):
    e, noisy = person_entity(seed, "Lead", k, cfg)
    p = person(seed, e, cfg["accounts"])
    r = Rng(seed, "Lead", k)
    co = p["co"]
    g, f = names(r, p, noisy)
    mail, phone, mobile = contact_points(r, p, noisy)
    created, modified = _dates(r)
    addr = r.random() < (0.7 if noisy else 0.9)
    return e, {
        "Id": sf_id("00Q", k),
        "IsDeleted": False,
        "FirstName": g,
        "LastName": f,
        "Salutation": r.pick(("Mr.", "Ms.", "Dr.", None)),
        "Title": p["title"] if r.random() < 0.8 else None,
        "Company": fmt_company(r, co, noisy),
        "Email": mail,
        "Phone": phone,
        "MobilePhone": mobile,
        "Website": f"https://www.{co['domain']}" if r.random() < 0.6 else None,
        "Street": co["loc"].street.format(n=co["n"], w=co["street"]) if addr else None,
        "City": co["city"] if addr else None,
        "State": co["state"] if addr else None,
        "PostalCode": co["zip"] if addr else None,
        "Country": fmt_country(r, co["loc"]),
        "LeadSource": r.pick(L.SOURCES),
        "Status": r.pick(L.STATUSES),
        "Rating": r.pick(("Hot", "Warm", "Cold", None)),
        "Industry": co["industry"],
        "AnnualRevenue": co["revenue"],
        "NumberOfEmployees": co["employees"],
        "OwnerId": sf_id("005", r.below(400)),
        "IsConverted": r.random() < 0.1,
        "HasOptedOutOfEmail": r.random() < 0.05,
        "ProductInterest__c": r.pick(L.PRODUCTS),
        "PartnerTier__c": r.pick(L.TIERS),
        "Certification__c": r.pick(L.CERTS),
        "Score__c": round(100 * r.random(), 2),
        "CreatedDate": created,
        "LastModifiedDate": modified,
        "SystemModstamp": modified,
    }


def make_contact(seed, k, cfg):
    e, noisy = person_entity(seed, "Contact", k, cfg)
    p = person(seed, e, cfg["accounts"])
    r = Rng(seed, "Contact", k)
    co = p["co"]
    g, f = names(r, p, noisy)
    mail, phone, mobile = contact_points(r, p, noisy)
    created, modified = _dates(r)
    addr = r.random() < (0.7 if noisy else 0.9)
    return e, {
        "Id": sf_id("003", k),
        "IsDeleted": False,
        "FirstName": g,
        "LastName": f,
        "Salutation": r.pick(("Mr.", "Ms.", "Dr.", None)),
        "Title": p["title"] if r.random() < 0.8 else None,
        "AccountId": sf_id("001", p["j"]),
        "Email": mail,
        "Phone": phone,
        "MobilePhone": mobile,
        "HomePhone": None,
        "Department": r.pick(("Sales", "IT", "Finance", "Operations", None)),
        "MailingStreet": co["loc"].street.format(n=co["n"], w=co["street"]) if addr else None,
        "MailingCity": co["city"] if addr else None,
        "MailingState": co["state"] if addr else None,
        "MailingPostalCode": co["zip"] if addr else None,
        "MailingCountry": fmt_country(r, co["loc"]),
        "LeadSource": r.pick(L.SOURCES),
        "Birthdate": None,
        "OwnerId": sf_id("005", r.below(400)),
        "DoNotCall": r.random() < 0.05,
        "HasOptedOutOfEmail": r.random() < 0.05,
        "HasOptedOutOfFax": False,
        "AssistantName": None,
        "ReportsToId": sf_id("003", r.below(k)) if k and r.random() < 0.3 else None,
        "Languages__c": p["loc"].code.lower(),
        "Level__c": r.pick(("Primary", "Secondary", "Tertiary")),
        "Score__c": round(100 * r.random(), 2),
        "LastActivityDate": modified[:10],
        "CreatedDate": created,
        "LastModifiedDate": modified,
        "SystemModstamp": modified,
    }


def make_account(seed, k, cfg):  # noqa: ARG001 - all makers are called alike
    e, noisy = company_entity(seed, k)
    co = company(seed, e)
    r = Rng(seed, "Account", k)
    loc = co["loc"]
    created, modified = _dates(r)
    addr = r.random() < (0.7 if noisy else 0.95)
    return e, {
        "Id": sf_id("001", k),
        "IsDeleted": False,
        "Name": fmt_company(r, co, noisy),
        "AccountNumber": f"A{k:08d}",
        "Type": r.pick(("Prospect", "Customer", "Partner", None)),
        "Industry": co["industry"],
        "Rating": r.pick(("Hot", "Warm", "Cold", None)),
        "Ownership": r.pick(("Public", "Private", None)),
        "AnnualRevenue": co["revenue"],
        "NumberOfEmployees": co["employees"],
        "Website": None
        if r.random() < (0.3 if noisy else 0.1)
        else r.pick(("https://www.", "http://", "www.", "")) + co["domain"],
        "Phone": None if r.random() < (0.3 if noisy else 0.1) else fmt_phone(r, loc, co["phone"]),
        "Fax": None,
        "BillingStreet": loc.street.format(n=co["n"], w=co["street"]) if addr else None,
        "BillingCity": co["city"] if addr else None,
        "BillingState": co["state"] if addr else None,
        "BillingPostalCode": co["zip"] if addr else None,
        "BillingCountry": fmt_country(r, loc),
        "Description": f"{co['name']} works in {co['industry'].lower()}.",
        "Site": None,
        "Sic": r.digits("####"),
        "TickerSymbol": None,
        "ParentId": sf_id("001", r.below(k)) if k and r.random() < 0.05 else None,
        "OwnerId": sf_id("005", r.below(400)),
        "YearStarted": str(1900 + r.below(124)),
        "DunsNumber": r.digits("#########"),
        "CustomerPriority__c": r.pick(("High", "Medium", "Low")),
        "SLA__c": r.pick(L.TIERS),
        "Region__c": loc.code,
        "CreatedDate": created,
        "LastModifiedDate": modified,
        "SystemModstamp": modified,
    }


def make_opportunity(seed, k, cfg):
    r = Rng(seed, "Opportunity", k)
    created, modified = _dates(r)
    amount = round(10 ** (3 + 3 * r.random()), 2)
    prob = 10 * r.below(11)
    product = r.pick(L.PRODUCTS)
    q = 1 + r.below(4)
    return None, {
        "Id": sf_id("006", k),
        "IsDeleted": False,
        "AccountId": sf_id("001", r.below(max(1, cfg["accounts"]))),
        "ContactId": sf_id("003", r.below(max(1, cfg["contacts"]))),
        "Name": f"{product} deal {k}",
        "StageName": r.pick(("Prospecting", "Qualification", "Proposal", "Negotiation", "Closed Won", "Closed Lost")),
        "Amount": amount,
        "Probability": prob,
        "ExpectedRevenue": round(amount * prob / 100, 2),
        "TotalOpportunityQuantity": 1 + r.below(500),
        "CloseDate": modified[:10],
        "Type": r.pick(("New Business", "Existing Business", None)),
        "NextStep": None,
        "LeadSource": r.pick(L.SOURCES),
        "IsClosed": prob in (0, 100),
        "IsWon": prob == 100,
        "ForecastCategory": r.pick(("Pipeline", "Best Case", "Commit")),
        "CurrencyIsoCode": r.pick(("USD", "EUR", "GBP", "JPY")),
        "CampaignId": None,
        "OwnerId": sf_id("005", r.below(400)),
        "FiscalYear": 2024,
        "FiscalQuarter": q,
        "Product__c": product,
        "PartnerId__c": None,
        "PartnerTier__c": r.pick(L.TIERS),
        "Region__c": r.pick(_LOC_W).code,
        "Description": None,
        "HasOpenActivity": r.random() < 0.4,
        "LastActivityDate": modified[:10],
        "CreatedDate": created,
        "LastModifiedDate": modified,
        "SystemModstamp": modified,
    }


MAKERS = {"Lead": make_lead, "Contact": make_contact, "Account": make_account, "Opportunity": make_opportunity}
_CHANGE = {
    "Lead": ("Status", L.STATUSES),
    "Contact": ("Level__c", ("Primary", "Secondary", "Tertiary")),
    "Account": ("CustomerPriority__c", ("High", "Medium", "Low")),
    "Opportunity": ("StageName", ("Prospecting", "Qualification", "Proposal", "Negotiation", "Closed Won")),
}


def changed(seed, obj, k, rec):
    """The same record after a user edited it between T1 and T2."""
    r = Rng(seed, obj, "delta", k)
    rec = dict(rec)
    field, values = _CHANGE[obj]
    rec[field] = r.pick(values)
    if "Score__c" in rec:
        rec["Score__c"] = round(100 * r.random(), 2)
    stamp = iso(_SPAN + r.below(86400))
    rec["LastModifiedDate"] = rec["SystemModstamp"] = stamp
    return rec


def build_chunk(job):
    seed, obj, start, stop, cfg, share = job
    make, fields = MAKERS[obj], FIELDS[obj]
    js, cs, djs, dcs, truth = [], [], [], [], []
    keys, dkeys = [], []
    buf = io.StringIO()
    w = csv.writer(buf, lineterminator="\n", quoting=csv.QUOTE_ALL)  # as the real bulk API quotes

    def emit(rec, jlist, clist, klist):
        klist.append((rec["SystemModstamp"][:19] + rec["Id"]).encode())
        jlist.append(dumps({"attributes": {"type": obj, "url": f"{API}/sobjects/{obj}/{rec['Id']}"}, **rec}) + b",\n")
        w.writerow(
            [("" if v is None else ("true" if v is True else "false" if v is False else v)) for v in rec.values()]
        )
        clist.append(buf.getvalue().encode())
        buf.seek(0)
        buf.truncate()

    for k in range(start, stop):
        e, rec = make(seed, k, cfg)
        assert k != start or list(rec) == fields, obj
        emit(rec, js, cs, keys)
        if e is not None:
            truth.append(f"{rec['Id']},{e}\n")
        if Rng(seed, obj, "is-changed", k).random() < share:
            emit(changed(seed, obj, k, rec), djs, dcs, dkeys)
    return (js, cs, djs, dcs), (keys, dkeys), "".join(truth)


class Sink:
    """One output file while it is written, in the order of record numbers."""

    def __init__(self, path):
        self.path, self.f = path, open(path, "wb")  # noqa: SIM115 - closed by `sorted_by`
        self.offs = array.array("Q", [0])

    @property
    def size(self):
        return self.offs[-1]

    def add(self, rows):
        pos = self.size
        for row in rows:
            pos += len(row)
            self.offs.append(pos)
        self.f.write(b"".join(rows))

    def sorted_by(self, order):
        """Close the file and write it again with its rows in this order, and its index beside it."""
        self.f.close()
        offs, pos = array.array("Q", [0]), 0
        with open(self.path, "rb") as f, open(self.path + ".new", "wb") as new:
            old = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) if self.size else b""
            for i in order:
                row = old[self.offs[i] : self.offs[i + 1]]
                new.write(row)
                pos += len(row)
                offs.append(pos)
        os.replace(self.path + ".new", self.path)
        with open(self.path + ".idx", "wb") as f:
            f.write(offs.tobytes())


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", default="data")
    ap.add_argument("--seed", type=int, default=20250101)
    ap.add_argument("--leads", type=int, default=1_000_000)
    ap.add_argument("--accounts", type=int, default=200_000)
    ap.add_argument("--contacts", type=int, default=500_000)
    ap.add_argument("--opportunities", type=int, default=100_000)
    ap.add_argument("--changed", type=float, default=0.01, help="share of rows in the delta")
    ap.add_argument(
        "--only", nargs="*", choices=sorted(MAKERS), help="write these objects only; the counts hold for all"
    )
    ap.add_argument("--jobs", type=int, default=os.cpu_count())
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    cfg = {"accounts": a.accounts, "contacts": a.contacts}
    counts = {"Account": a.accounts, "Contact": a.contacts, "Lead": a.leads, "Opportunity": a.opportunities}
    t = time.time()
    meta = {
        "seed": a.seed,
        "api": API,
        "first_sync": iso(_SPAN),
        "delta_end": iso(_SPAN + 86400),
        "fields": FIELDS,
        "counts": {},
        "delta_counts": {},
    }
    with (
        mp.Pool(a.jobs) as pool,
        open(f"{a.out}/truth_person.csv", "w") as person,
        open(f"{a.out}/truth_company.csv", "w") as company,
    ):
        truth = {"Lead": person, "Contact": person, "Account": company}
        for f in (person, company):
            f.write("Id,entity\n")
        for obj in a.only or counts:
            n = counts[obj]
            sinks = [Sink(f"{a.out}/{obj}.{x}") for x in ("json", "csv", "delta.json", "delta.csv")]
            keys = ([], [])
            jobs = [(a.seed, obj, s, min(n, s + CHUNK), cfg, a.changed) for s in range(0, n, CHUNK)]
            for rows, chunk_keys, tr in pool.imap(build_chunk, jobs):
                for sink, chunk in zip(sinks, rows, strict=True):
                    sink.add(chunk)
                for known, chunk in zip(keys, chunk_keys, strict=True):
                    known.extend(chunk)
                if obj in truth:
                    truth[obj].write(tr)
            for i, prefix in enumerate(("", "delta.")):
                order = sorted(range(len(keys[i])), key=keys[i].__getitem__)
                for sink in sinks[2 * i : 2 * i + 2]:
                    sink.sorted_by(order)
                with open(f"{a.out}/{obj}.{prefix}keys", "wb") as f:
                    f.writelines(keys[i][k] for k in order)
            meta["counts"][obj], meta["delta_counts"][obj] = n, len(keys[1])
            print(
                f"{obj}: {n} rows, {sinks[0].size / 1e6:.0f} MB JSON, {sinks[1].size / 1e6:.0f} MB CSV, "
                f"{len(keys[1])} changed, {time.time() - t:.0f} s",
                flush=True,
            )
    with open(f"{a.out}/meta.json", "w") as f:
        json.dump(meta, f, indent=1)


if __name__ == "__main__":
    main()
