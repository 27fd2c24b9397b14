"""The emulated org's SOQL: what it finds, in which order, and what it refuses."""

from __future__ import annotations

import random

import pytest

from prm_sync_salesforce.emulator.errors import Fault
from prm_sync_salesforce.emulator.evaluate import matching, projection
from prm_sync_salesforce.emulator.soql import Logic, parse
from prm_sync_salesforce.soql import after, from_time, quoted, select


def found(org, text, *, include_deleted=False):
    """The last names that a query finds, in its order."""
    query = parse(text)
    rows = org.org.tables["Lead"].rows
    return [rows[i]["LastName"] for i in matching(org.org, query, include_deleted=include_deleted)]


@pytest.fixture
def leads(org):
    org.app.load(
        "Lead",
        [
            {"LastName": "Ann", "Company": 'Ö\'s \\ "Bar"', "Rating": "Hot", "NumberOfEmployees": 5, "Budget__c": 10.5},
            {
                "LastName": "Bob",
                "Company": "100% Foo_Bar",
                "Rating": "Cold",
                "NumberOfEmployees": 50,
                "DoNotCall": True,
            },
            {"LastName": "Cid", "Company": "100 Foo", "Rating": None, "NumberOfEmployees": None, "Title": "two\nlines"},
            {"LastName": "Dee", "Company": "Bar", "Rating": "hot", "ConvertedDate": "2026-11-20", "IsConverted": True},
        ],
    )
    return org


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("Rating = 'Hot'", "Ann Dee"),
        ("rating = 'HOT'", "Ann Dee"),
        ("Rating != 'Hot'", "Bob Cid"),
        ("Rating = null", "Cid"),
        ("Rating != NULL", "Ann Bob Dee"),
        ("Rating IN ('Hot', 'Cold')", "Ann Bob Dee"),
        ("Rating NOT IN ('Hot')", "Bob Cid"),
        ("NumberOfEmployees > 5", "Bob"),
        ("NumberOfEmployees >= 5", "Ann Bob"),
        ("NumberOfEmployees < 50", "Ann"),
        ("Budget__c = 10.5", "Ann"),
        ("Budget__c > 1.05e1", ""),
        ("DoNotCall = true", "Bob"),
        ("DoNotCall = FALSE AND NOT Rating = 'Hot'", "Cid"),
        ("DoNotCall = null", "Ann Cid Dee"),
        ("ConvertedDate >= 2026-11-20", "Dee"),
        ("ConvertedDate < 2026-11-20", ""),
        ("Company = 'Ö\\'s \\\\ \\\"Bar\\\"'", "Ann"),
        ("Company LIKE '100%'", "Bob Cid"),
        ("Company LIKE '100\\% %'", "Bob"),
        ("Company LIKE '%foo\\_bar'", "Bob"),
        ("Company LIKE '_ar'", "Dee"),
        ("Title = 'two\\nlines'", "Cid"),
        ("LastName = 'Ann' OR LastName = 'Bob' AND Rating = 'Hot'", "Ann"),
        ("(LastName = 'Ann' OR LastName = 'Bob') AND (NOT (Rating = 'Hot'))", "Bob"),
        ("Owner.Name = 'Integration' AND LastName = 'Ann'", "Ann"),
        ("Lead.LastName = 'Ann'", "Ann"),
        ("SystemModstamp = 2026-11-20T13:00:00+01:00", "Ann Bob Cid Dee"),
        ("SystemModstamp > 2026-11-20T12:00:00Z", ""),
    ],
)
def test_conditions_find_what_salesforce_finds(leads, where, names):
    assert found(leads, f"SELECT Id FROM Lead WHERE {where}") == names.split()


@pytest.mark.parametrize(
    ("tail", "names"),
    [
        ("ORDER BY LastName DESC", "Dee Cid Bob Ann"),
        ("ORDER BY NumberOfEmployees NULLS LAST, LastName", "Ann Bob Cid Dee"),
        ("ORDER BY NumberOfEmployees, LastName DESC", "Dee Cid Ann Bob"),
        ("ORDER BY NumberOfEmployees DESC NULLS LAST, LastName", "Bob Ann Cid Dee"),
        ("ORDER BY Rating ASC, LastName ASC", "Cid Bob Ann Dee"),
        ("ORDER BY LastName LIMIT 2", "Ann Bob"),
        ("ORDER BY LastName LIMIT 2 OFFSET 3", "Dee"),
        ("order by lastname limit 1", "Ann"),
        ("LIMIT 0", ""),
    ],
)
def test_rows_come_in_the_order_that_was_asked(leads, tail, names):
    assert found(leads, f"SELECT Id FROM Lead {tail}") == names.split()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "MALFORMED_QUERY"),
        ("SELECT FROM Lead", "MALFORMED_QUERY"),
        ("SELECT Id Lead", "MALFORMED_QUERY"),
        ("SELECT Id, FROM Lead", "MALFORMED_QUERY"),
        ("SELECT * FROM Lead", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE LastName", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE LastName = 'a", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE LastName = '\\x'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE (LastName = 'a'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE LastName IN ()", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead LIMIT x", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead; DROP", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead GROUP BY Id", "MALFORMED_QUERY"),
        ("SELECT Id, Id FROM Lead", "MALFORMED_QUERY"),
        (f"SELECT Id FROM Lead WHERE LastName = '{'x' * 4001}'", "MALFORMED_QUERY"),
        (f"SELECT Id FROM Lead WHERE {'(' * 200}Id = null{')' * 200}", "MALFORMED_QUERY"),
        ("SELECT Id FROM Leed", "INVALID_TYPE"),
        ("SELECT Fooo FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE Fooo = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Lead ORDER BY Fooo", "INVALID_FIELD"),
        ("SELECT Nobody.Name FROM Lead", "INVALID_FIELD"),
        ("SELECT Owner.Fooo FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE Description = 'a'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE NumberOfEmployees = '5'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE LastName = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE SystemModstamp > '2026-11-20'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE SystemModstamp > 2026-11-20", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Lead OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ],
)
def test_what_salesforce_refuses_is_refused(org, text, code):
    org.leads(1)

    def asked():
        query = parse(text)
        projection(org.org, query, "66.0")
        return matching(org.org, query, include_deleted=False)

    with pytest.raises(Fault) as raised:
        asked()
    assert (raised.value.status, raised.value.code) == (400, code)


def test_order_is_an_object_and_a_word_of_the_language():
    query = parse("SELECT Id FROM Order ORDER BY Id DESC LIMIT 2")
    assert (query.source, [o.field for o in query.order]) == ("Order", ["Id"])
    with pytest.raises(Fault):
        parse("SELECT Id FROM ORDER BY Id")


def test_a_malformed_query_says_where(org):
    with pytest.raises(Fault, match=r"ERROR at Row:1:Column:12\nNo such column 'Fooo' on entity 'Lead'"):
        projection(org.org, parse("SELECT Id, Fooo FROM Lead"), "66.0")


def test_records_show_relations_and_compounds(leads):
    query = parse(
        "SELECT id, owner.name, Owner.Email, PartnerAccount.Name, Address, City FROM Lead WHERE LastName = 'Ann'"
    )
    [row_id] = matching(leads.org, query, include_deleted=False)
    record = projection(leads.org, query, "66.0")(leads.org.tables["Lead"].rows[row_id])
    assert record["Owner"]["Name"] == "Integration"
    assert record["Owner"]["attributes"]["type"] == "User"
    assert (record["PartnerAccount"], record["Address"], record["Id"]) == (None, None, row_id)


def test_deleted_rows_are_seen_by_query_all_only(leads):
    [ann, *_] = matching(leads.org, parse("SELECT Id FROM Lead"), include_deleted=False)
    leads.org.delete("Lead", ann)
    assert found(leads, "SELECT Id FROM Lead") == ["Bob", "Cid", "Dee"]
    assert found(leads, "SELECT Id FROM Lead WHERE IsDeleted = true", include_deleted=True) == ["Ann"]
    assert found(leads, f"SELECT Id FROM Lead WHERE Id = '{ann[:15]}'", include_deleted=True) == ["Ann"]


def test_the_index_finds_what_a_look_at_every_row_finds(org):
    chance = random.Random(7)
    for i in range(300):
        stamp = f"2026-11-20T10:00:{chance.randrange(20):02}.000+0000"
        org.app.load("Lead", [{"LastName": f"L{i:03}", "Company": "C", "SystemModstamp": stamp}])
    for _ in range(200):
        row_id = chance.choice(list(org.org.tables["Lead"].rows))
        org.advance(seconds=chance.randrange(2))
        org.org.update("Lead", row_id, {"Title": "x"})
    rows = sorted((r["SystemModstamp"], r["Id"]) for r in org.org.tables["Lead"].rows.values())
    assert org.org.tables["Lead"].by_stamp == rows
    for _ in range(60):
        low, high = sorted(chance.sample(rows, 2))
        place = chance.choice(rows)
        where = [*from_time("SystemModstamp", low[0]), f"SystemModstamp < {high[0].replace('+0000', 'Z')}"]
        text = select(["Id"], "Lead", where, ["SystemModstamp", "Id"])
        assert matching(org.org, parse(text), include_deleted=False) == [i for s, i in rows if low[0] <= s < high[0]]
        text = select(["Id"], "Lead", after("SystemModstamp", *place), ["SystemModstamp", "Id"])
        assert matching(org.org, parse(text), include_deleted=False) == [i for s, i in rows if (s, i) > place]


@pytest.mark.parametrize(
    "text", ["", "O'Brien", "a\\'b", "line\nbreak\r\t", 'say "hi"', "100%_", "\\", "北京 🎈", "\\n"]
)
def test_every_text_survives_a_literal(text):
    query = parse(f"SELECT Id FROM Lead WHERE LastName = {quoted(text)}")
    assert not isinstance(query.where, Logic)
    assert query.where.value == text
