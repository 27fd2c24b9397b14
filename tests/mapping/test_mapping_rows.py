"""From a record to a canonical row: every word of the format."""

from __future__ import annotations

import datetime as dt

import pytest

from prm_sync.canonical.entities import ENTITIES
from prm_sync.rules.mapping import FaultCode, compile_mapping

MAIL = {"Email": "ann@example.com"}


def test_a_row_has_the_fields_that_are_mapped_in_the_order_of_the_field_table(spec_of):
    compiled = compile_mapping(spec_of("fields: {email: Email, first_name: Name}"), "acme")
    assert compiled.columns == ("first_name", "email")
    assert {*compiled.columns, *compiled.unfilled} == {f.name for f in ENTITIES["lead"].fields}
    row = compiled.run(MAIL, [])
    assert row == (None, "ann@example.com")
    named = compiled.named(row)
    assert set(named) == {f.name for f in ENTITIES["lead"].fields}
    assert [v for v in named.values() if v is not None] == ["ann@example.com"]


def test_each_kind_is_read_by_itself(spec_of, run_one):
    spec = spec_of("""
        fields:
          email: Email
          phone: Phone
          country: Country
          domain: Website
          language: Language
          annual_revenue: Revenue
          currency: Currency
          employees: Employees
          score: Score
          no_email: OptOut
          created_at: CreatedDate
          status: Status
          company: Company
          account_ref: AccountId
    """)
    record = {
        "Email": " Ann@Example.COM ", "Phone": "069 90009000", "Country": "Deutschland", "Website": "https://www.example.com/x",
        "Language": "de_AT", "Revenue": "1.234,56", "Currency": "eur", "Employees": "1,200",
        "Score": 12.5, "OptOut": False,
        "CreatedDate": "2026-11-20T08:15:30.000+0000", "Status": "new", "Company": " 株式会社 山田 ",
        "AccountId": " 001x ",
    }  # fmt: skip
    row, faults = run_one(spec, record)
    assert faults == []
    assert {k: v for k, v in row.items() if v is not None} == {
        "email": "ann@example.com", "phone": "+496990009000", "country": "DE", "domain": "example.com",
        "language": "de",
        "annual_revenue": 123456, "currency": "EUR",
        "employees": 1200, "score": 12.5, "no_email": False, "status": "new",
        "created_at": dt.datetime(2026, 11, 20, 8, 15, 30, tzinfo=dt.UTC), "company": "株式会社 山田",
        "account_ref": "acme:001x",
    }  # fmt: skip


def test_a_phone_is_read_by_the_country_of_its_record_even_where_the_country_stands_after_it(spec_of, run_one):
    spec = spec_of("fields: {phone: Phone, country: Country}")
    row, faults = run_one(spec, {"Phone": "0912 345 678", "Country": "Việt Nam"})
    assert (row["phone"], faults) == ("+84912345678", [])


def test_without_a_country_only_international_numbers_are_read(spec_of, run_one):
    spec = spec_of("fields: {phone: Phone, email: Email}")
    assert run_one(spec, {"Phone": "+84 912 345 678"})[0]["phone"] == "+84912345678"
    row, [fault] = run_one(spec, {"Phone": "0912 345 678", **MAIL})
    assert row["phone"] is None
    assert (fault.field, fault.source, fault.code, fault.fatal) == ("phone", "Phone", FaultCode.INVALID, False)


def test_a_bad_field_is_a_fault_and_the_rest_of_the_row_is_kept(spec_of, run_one):
    spec = spec_of("fields: {email: Email, phone: Phone, employees: N}")
    row, [fault] = run_one(spec, {"Email": "nonsense", "Phone": "+12125550123", "N": 3})
    assert (row["email"], row["phone"], row["employees"]) == (None, "+12125550123", 3)
    assert fault.value == "nonsense"
    assert "nonsense" not in fault.reason


@pytest.mark.parametrize("nothing", [None, "", "  ", "\u200b", [], {}])
def test_an_empty_value_is_no_fault(spec_of, run_one, nothing):
    spec = spec_of("""
        fields: {email: Email, phone: X, country: X, domain: X, employees: X, score: X, no_email: X, created_at: X,
                 budget: X, currency: X, first_name: X, account_ref: X, rating: X, status: {from: X, choices: {a: new}},
                 company: {from: [X, Y]}, last_name: {from: X, do: last_words}, title: {from: [X, Y], do: join_name}}
    """)
    row, faults = run_one(spec, {**MAIL, "X": nothing})
    assert faults == []
    assert {k for k, v in row.items() if v is not None} == {"email"}


def test_a_dotted_name_is_a_path_but_a_key_with_dots_wins(spec_of, run_one):
    spec = spec_of("fields: {email: meta.email, city: meta.address.city, title: tags.0.name, need: meta.need}")
    record = {
        "meta": {"email": "path@example.com", "address": {"city": "Huế"}, "need": "by path"},
        "meta.email": "key@example.com", "tags": [{"name": "first"}], "meta.need": None,
    }  # fmt: skip
    row, faults = run_one(spec, record)
    assert faults == []
    assert (row["email"], row["city"], row["title"], row["need"]) == ("key@example.com", "Huế", "first", None)
    row, _ = run_one(spec, {**MAIL, "meta": "no object", "tags": [], "meta.email": "a@example.com"})
    assert (row["city"], row["title"]) == (None, None)


def test_of_several_sources_the_first_that_is_not_empty_is_taken(spec_of, run_one):
    spec = spec_of("fields: {email: Email, title: {from: [A, B, C.d]}, score: {from: [X, Y]}, no_email: [P, Q]}")
    for record, title in [
        ({"A": "a", "B": "b"}, "a"), ({"A": "", "B": "b"}, "b"), ({"A": "  ", "B": None, "C": {"d": "c"}}, "c"),
        ({"B": [], "C": {"d": "c"}}, "c"), ({}, None),
    ]:  # fmt: skip
        assert run_one(spec, {**MAIL, **record})[0]["title"] == title
    row, _ = run_one(spec, {**MAIL, "X": 0, "Y": 5, "P": False, "Q": True})  # zero and false are values
    assert (row["score"], row["no_email"]) == (0, False)


def test_when_skips_other_records_without_a_fault(spec_of, run_one):
    spec = spec_of("""
        when: {IsConverted: [false, null], RecordType.Name: Partner}
        fields: {email: Email}
    """)
    partner = {**MAIL, "RecordType": {"Name": "Partner"}}
    assert run_one(spec, {**partner, "IsConverted": False})[0] is not None
    assert run_one(spec, partner)[0] is not None  # a missing key is null
    assert run_one(spec, {**partner, "IsConverted": ""})[0] is not None  # and so is an empty cell of a file
    assert run_one(spec, {**partner, "IsConverted": "false"})[0] is not None
    for other in (
        {**partner, "IsConverted": True},
        {**MAIL, "IsConverted": False},
        {**partner, "IsConverted": {"a": [1]}},
    ):
        assert run_one(spec, other) == (None, [])


def test_choices_translate_and_unknown_values_are_quarantined(spec_of, run_one):
    spec = spec_of("""
        fields:
          email: Email
          status: {from: Status, choices: {Open - Not Contacted: new, Closed: disqualified, "": recycled}}
    """)
    for remote, status in [
        ("Open - Not Contacted", "new"),
        (" Closed ", "disqualified"),
        (None, "recycled"),
        ("", "recycled"),
    ]:
        assert run_one(spec, {**MAIL, "Status": remote})[0]["status"] == status
    for unknown in ("open - not contacted", "Other", 7, ["Closed"], {"a": 1}):
        row, [fault] = run_one(spec, {**MAIL, "Status": unknown})
        assert row["status"] is None
        assert (fault.code, fault.fatal, fault.value) == (FaultCode.UNMAPPED_VALUE, False, unknown)
        assert str(unknown) not in fault.reason


def test_choices_may_have_booleans_numbers_and_null_as_keys(spec_of, run_one):
    spec = spec_of("""
        fields:
          email: Email
          answer: {from: approved, choices: {true: accepted, false: declined}}
          rating: {from: stars, choices: {1: cold, 2: warm, 3: hot, null: cold}}
    """)
    for remote, answer in [
        (True, "accepted"),
        (False, "declined"),
        ("true", "accepted"),
        ("FALSE", "declined"),
        (None, None),
    ]:
        row, faults = run_one(spec, {**MAIL, "approved": remote})
        assert (row["answer"], faults) == (answer, [])
    for remote, rating in [(1, "cold"), ("2", "warm"), (3.0, "hot"), (None, "cold")]:
        assert run_one(spec, {**MAIL, "stars": remote})[0]["rating"] == rating


def test_else_holds_for_every_other_value_but_not_for_an_empty_one(spec_of, run_one):
    spec = spec_of("""
        fields:
          email: Email
          status: {from: Status, choices: {Open: new, n/a: null}, else: working}
          source: {from: Email, else: Salesforce}
    """)
    for remote, status in [
        ("Open", "new"),
        ("Whatever", "working"),
        ({"an": "object"}, None),
        (None, None),
        ("n/a", None),
    ]:
        row, _ = run_one(spec, {**MAIL, "Status": remote})
        assert (row["status"], row["source"]) == (status, "Salesforce")


def test_choices_of_null_alone_are_a_default(spec_of, run_one):
    spec = spec_of("fields: {email: Email, budget: Budget, currency: {from: Currency, choices: {null: USD}}}")
    assert run_one(spec, {**MAIL, "Budget": 5})[0]["currency"] == "USD"
    row, faults = run_one(spec, {**MAIL, "Budget": 5, "Currency": "JPY"})
    assert (row["budget"], row["currency"], faults) == (5, "JPY", [])
    row, faults = run_one(spec, {**MAIL, "Currency": "nonsense"})  # a wrong value is no empty one
    assert (row["currency"], [f.field for f in faults]) == (None, ["currency"])


def test_a_choice_without_choices_must_be_ours(spec_of, run_one):
    spec = spec_of("fields: {email: Email, rating: Rating}")
    assert run_one(spec, {**MAIL, "Rating": " hot "})[0]["rating"] == "hot"
    row, [fault] = run_one(spec, {**MAIL, "Rating": "Hot"})
    assert (row["rating"], fault.code) == (None, FaultCode.UNMAPPED_VALUE)


def test_choices_of_a_list_translate_each_item(spec_of, run_one):
    spec = spec_of(
        """
        fields:
          name: N
          territories: {from: T, do: semicolon_list, choices: {Germany: DE, Bavaria: DE-BY, None: null}}
        """,
        to="partner",
    )
    assert run_one(spec, {"N": "Haus", "T": "Germany; Bavaria;None"})[0]["territories"] == ["DE", "DE-BY"]
    row, [fault] = run_one(spec, {"N": "Haus", "T": "Germany;Mars"})
    assert (row["territories"], fault.code) == (None, FaultCode.UNMAPPED_VALUE)


def test_a_record_without_a_required_field_is_refused(spec_of, run_one):
    spec = spec_of(
        "fields: {email: Email, last_name: {from: LastName, required: true}, employees: {from: N, required: true}}"
    )
    assert run_one(spec, {**MAIL, "LastName": "Lee", "N": 1})[0] is not None
    row, [fault] = run_one(spec, {**MAIL, "LastName": " ", "N": 1})
    assert row is None
    assert (fault.field, fault.code, fault.fatal) == ("last_name", FaultCode.EMPTY_REQUIRED, True)
    row, [fault] = run_one(spec, {**MAIL, "LastName": "Lee", "N": "many"})
    assert row is None
    assert (fault.field, fault.code, fault.fatal) == ("employees", FaultCode.INVALID, True)


def test_a_fault_of_the_record_before_does_not_make_an_empty_required_field_look_failed(spec_of):
    compiled = compile_mapping(spec_of("fields: {email: Email, employees: {from: N, required: true}}"), "acme")
    faults = []
    compiled.run({**MAIL, "N": "many"}, faults)
    compiled.run(MAIL, faults)
    assert [(f.code, f.fatal) for f in faults] == [(FaultCode.INVALID, True), (FaultCode.EMPTY_REQUIRED, True)]


def test_a_record_nobody_can_be_reached_by_is_refused(spec_of, run_one):
    spec = spec_of("fields: {email: Email, phone: Phone, last_name: LastName}")
    row, [fault] = run_one(spec, {"LastName": "Lee"})
    assert row is None
    assert (fault.field, fault.source, fault.code, fault.fatal) == (
        "email|phone|mobile|offer_key", "Email, Phone", FaultCode.UNREACHABLE, True,
    )  # fmt: skip
    row, faults = run_one(spec, {"Email": "nonsense"})
    assert row is None
    assert [(f.code, f.fatal) for f in faults] == [(FaultCode.INVALID, False), (FaultCode.UNREACHABLE, True)]


def test_a_function_comes_before_choices_and_the_kind(spec_of, run_one):
    spec = spec_of("""
        fields:
          email: Email
          created_at: {from: created, do: epoch_ms}
          domain: {from: Email, do: work_domain}
          budget: {from: cents, do: minor_units}
          currency: currency
          status: {from: status, do: lower, choices: {open: new}}
          first_name: {from: name, do: first_word}
          last_name: {from: name, do: last_words}
          street: {from: [line1, line2], do: join_lines}
    """)
    record = {
        **MAIL, "created": 1795162530123, "cents": 12345, "currency": "EUR", "status": "OPEN",
        "name": "Ann van der Lee",
        "line2": "c/o Bob",
    }  # fmt: skip
    row, faults = run_one(spec, record)
    assert faults == []
    assert row["created_at"] == dt.datetime(2026, 11, 20, 8, 15, 30, 123000, tzinfo=dt.UTC)
    assert (row["domain"], row["budget"], row["status"]) == ("example.com", 12345, "new")
    assert (row["first_name"], row["last_name"], row["street"]) == ("Ann", "van der Lee", "c/o Bob")
    row, [fault] = run_one(spec, {**record, "created": "soon"})
    assert (row["created_at"], fault.field, fault.source) == (None, "created_at", "created")


def test_a_free_mail_domain_is_no_company(spec_of, run_one):
    spec = spec_of("fields: {email: Email, domain: {from: Email, do: work_domain}}")
    row, faults = run_one(spec, {"Email": "ann@gmail.com"})
    assert (row["email"], row["domain"], faults) == ("ann@gmail.com", None, [])


def test_an_amount_without_its_currency_is_quarantined(spec_of, run_one):
    spec = spec_of("fields: {email: Email, budget: Budget, currency: Currency}")
    row, [fault] = run_one(spec, {**MAIL, "Budget": 5})
    assert (row["budget"], fault.field, fault.reason) == (None, "budget", "an amount without currency")


def test_a_reference_names_the_connection(spec_of, run_one):
    spec = spec_of("fields: {email: Email, account_ref: AccountId, partner_ref: {from: P, choices: {us: '007'}}}")
    row, _ = run_one(spec, {**MAIL, "AccountId": 17, "P": "us"}, "acme-eu")
    assert (row["account_ref"], row["partner_ref"]) == ("acme-eu:17", "acme-eu:007")


def test_the_hash_changes_with_what_is_made_of_a_record_and_with_nothing_else(spec_of):
    def hash_of(text):
        return compile_mapping(spec_of(text), "acme").hash

    base = hash_of("fields: {email: Email, status: {from: S, choices: {Open: new}}}")
    assert base == hash_of("# a remark\nfields:\n  status: {choices: {Open: new}, from: S}\n  email: Email")
    assert base == hash_of("fields: {email: Email, status: {from: S, choices: {Open: new}}}\nback: {X: email}")
    others = {
        hash_of("fields: {email: Mail, status: {from: S, choices: {Open: new}}}"),
        hash_of("fields: {email: Email, status: {from: S, choices: {Open: working}}}"),
        hash_of("fields: {email: Email, status: {from: S, choices: {Open: new}, else: new}}"),
        hash_of("fields: {email: Email, status: {from: S, choices: {Open: new}, required: true}}"),
        hash_of("fields: {email: Email, status: {from: S, do: lower, choices: {Open: new}}}"),
        hash_of("when: {A: 1}\nfields: {email: Email, status: {from: S, choices: {Open: new}}}"),
    }
    assert len(others | {base}) == 7


def test_lineage_and_sources_tell_where_a_column_comes_from(spec_of):
    spec = spec_of("""
        when: {IsConverted: [false]}
        fields:
          phone: [MobilePhone, Phone]
          email: {from: Email, required: true}
          domain: {from: Email, do: work_domain}
          status: {from: Status, choices: {Open: new}, else: working}
    """)
    assert spec.sources == ("IsConverted", "Email", "MobilePhone", "Phone", "Status")
    lineage = {column: (sources, words) for column, sources, words in compile_mapping(spec, "acme").lineage()}
    assert list(lineage) == ["email", "phone", "domain", "status"]
    assert lineage["phone"] == (("MobilePhone", "Phone"), "first that is not empty; read as phone by country")
    assert lineage["email"] == (("Email",), "read as email, required")
    assert lineage["domain"][1].startswith("work_domain: The domain of an e-mail address")
    assert lineage["status"][1] == "choices Open = new; else working; read as choice"


def test_odd_names_in_a_mapping_are_only_names(spec_of, run_one):
    spec = spec_of("""
        when: {"a'\\"]": [x]}
        fields:
          email: "E-Mail (\\"work\\")'); raise SystemExit  #"
          title: "a\\nb"
    """)
    record = {"a'\"]": "x", 'E-Mail ("work")\'); raise SystemExit  #': "ann@example.com", "a\nb": "Boss"}
    row, faults = run_one(spec, record)
    assert (row["email"], row["title"], faults) == ("ann@example.com", "Boss", [])
