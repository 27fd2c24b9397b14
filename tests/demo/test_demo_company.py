"""The invented company by itself: repeatable, in six languages, and as untidy as it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from prm_sync.canonical.countries import COUNTRIES, country_key
from prm_sync.canonical.phone import e164
from prm_sync.demo.company import MISTAKES, TWINS, Size, company
from prm_sync.demo.cycle import THIRD_H, monday_before
from prm_sync.demo.words import TONGUES

NOW = datetime(2026, 3, 16, 8, tzinfo=UTC)


def test_the_same_seed_makes_the_same_company_and_another_seed_another():
    first, again, other = (company(Size(60, 20, 6), seed, NOW) for seed in (1, 1, 2))
    assert first == again
    assert first.crm["Lead"] != other.crm["Lead"]


def test_every_kind_of_mistake_is_made_and_counted():
    made = company(Size(1_000, 50, 6), 1, NOW)
    leads = made.crm["Lead"]
    assert set(made.bad) == set(MISTAKES)
    assert made.bad["unknown_status"] == sum(r["Status"] == "Nurture-Maybe" for r in leads) == 5
    assert made.bad["unknown_country"] == sum(r["Country"] == "Atlantis" for r in leads) == 5
    assert made.bad["invalid_phone"] == sum(r["Phone"] == "12-34" for r in leads) == 5
    assert made.bad["no_contact_data"] == sum(not (r["Email"] or r["Phone"] or r["MobilePhone"]) for r in leads) == 5
    emails = [r["Email"].lower() for r in leads if r["Email"]]
    assert len(emails) - len(set(emails)) == made.duplicates == 39


def test_some_contacts_stand_there_twice_with_names_exchanged_and_no_key_in_common():
    contacts = company(Size(60, 20, 6), 1, NOW).crm["Contact"]
    for row, twin in zip(contacts[:TWINS], contacts[-TWINS:], strict=True):
        assert (twin["FirstName"], twin["LastName"]) == (row["LastName"], row["FirstName"])
        assert twin["Email"] != row["Email"]
        assert twin["Phone"] == row["Phone"]
        assert twin["MobilePhone"] is None
    assert len(contacts) == 20 + TWINS


def test_all_mail_goes_to_example_domains_only():
    made = company(Size(200, 50, 12), 1, NOW)
    rows = [r for table in (*made.crm.values(), *made.prm.values()) for r in table]
    values = [value for r in rows for value in (*r.values(), *(r.get("meta") or {}).values())]
    addresses = [value for value in values if isinstance(value, str) and "@" in value]
    assert len(addresses) > 300
    assert {a.lower().rpartition(".")[2] for a in addresses} == {"example"}


def test_nothing_is_younger_than_a_day_or_older_than_eighteen_months():
    made = company(Size(300, 50, 12), 1, NOW)
    changed = [datetime.fromisoformat(r["SystemModstamp"]) for table in made.crm.values() for r in table]
    assert min(changed) > NOW - timedelta(days=541)
    assert max(changed) <= NOW - timedelta(days=1)


@pytest.mark.parametrize("tongue", TONGUES, ids=lambda t: t.code)
def test_every_telephone_pattern_is_a_number_of_its_country_and_every_spelling_names_it(tongue):
    for place in tongue.places:
        assert {COUNTRIES[country_key(word)] for word in place.written} == {place.code}
        for pattern in (*place.mobiles, *place.landlines):
            for digit in "02468":
                number = "".join(digit if c == "#" else c for c in pattern)
                assert e164(number, place.code) == e164(number.translate(str.maketrans("0123456789", tongue.digits)),
                                                        place.code)


@pytest.mark.parametrize("size", [Size(1, 1, 1), Size(2, 1, 40), Size(30, 3, 2)], ids=str)
def test_a_tiny_company_can_be_made_too(size):
    made = company(size, 1, NOW)
    assert len(made.crm["Lead"]) == size.leads
    assert len(made.crm["Account"]) == size.accounts + size.partners


def test_the_demo_begins_on_a_monday_morning_and_is_over_by_now():
    for hours in range(0, 24 * 15, 5):
        now = NOW + timedelta(hours=hours)
        monday = monday_before(now)
        assert (monday.weekday(), monday.hour) == (0, 8)
        assert monday + timedelta(hours=THIRD_H) < now <= monday + timedelta(days=7, hours=THIRD_H + 1)
