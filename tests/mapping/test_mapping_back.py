"""From canonical values and facts to what is written to the remote."""

from __future__ import annotations

import datetime as dt

import pytest

from prm_sync.rules.mapping import compile_back

AT = dt.datetime(2026, 11, 20, 8, 15, 30, 123456, tzinfo=dt.UTC)
HEAD = "fields: {email: Email}\nback:\n"


def test_values_are_written_in_the_json_of_the_remote(spec_of):
    back = compile_back(
        spec_of(
            HEAD + "  A__c: offered_at\n"
            "  B__c: {from: offered_at, do: to_epoch_ms}\n"
            "  C__c: {from: offered_at, do: to_iso_z}\n"
            "  D__c: {from: offered_at, do: to_date}\n"
            "  E__c: {from: budget, do: major_units}\n"
            "  F__c: budget\n"
            "  G__c: {from: account_ref, do: remote_id}\n"
        )
    )
    assert back.fields == ("A__c", "B__c", "C__c", "D__c", "E__c", "F__c", "G__c")
    assert back.uses == ("offered_at", "budget", "account_ref", "currency")
    assert back.run({"offered_at": AT, "budget": 123456, "currency": "EUR", "account_ref": "acme:001:x"}) == {
        "A__c": "2026-11-20T08:15:30.123+0000", "B__c": 1795162530123, "C__c": "2026-11-20T08:15:30Z",
        "D__c": "2026-11-20",
        "E__c": 1234.56, "F__c": 123456, "G__c": "001:x",
    }  # fmt: skip


def test_dotted_names_are_nested(spec_of):
    back = compile_back(
        spec_of(HEAD + "  meta.first_name: first_name\n  meta.address.city: city\n  external_key: id\n")
    )
    assert back.run({"first_name": "Ann", "city": "Huế", "id": "L1"}) == {
        "meta": {"first_name": "Ann", "address": {"city": "Huế"}}, "external_key": "L1",
    }  # fmt: skip


def test_what_is_not_given_is_left_out_and_null_clears(spec_of):
    back = compile_back(
        spec_of(
            HEAD + "  A: email\n  B: [mobile, phone]\n  C: {from: [first_name, last_name], do: join_name}\n"
            "  D: {from: budget, do: major_units}\n  E: {from: rating, choices: {hot: H, null: none}, else: X}\n"
        )
    )
    assert back.run({}) == {}
    assert back.run({"email": None, "phone": "+1", "first_name": "Ann", "budget": 5}) == {"A": None, "B": "+1"}
    assert back.run({"mobile": None, "phone": "+1", "rating": None}) == {"B": "+1", "E": "none"}
    assert back.run({"first_name": None, "last_name": "Lee", "budget": None, "currency": None}) == {
        "C": "Lee",
        "D": None,
    }
    assert back.run({"first_name": None, "last_name": None, "rating": "warm"}) == {"C": None, "E": "X"}


def test_choices_are_translated_back(spec_of):
    back = compile_back(
        spec_of(
            HEAD + "  S: {from: status, choices: {new: Open, null: null}, else: Working}\n"
            "  T: {from: no_email, choices: {true: 'Y', false: 'N'}}\n"
        )
    )
    assert back.run({"status": "new", "no_email": True}) == {"S": "Open", "T": "Y"}
    assert back.run({"status": "qualified", "no_email": False}) == {"S": "Working", "T": "N"}
    assert back.run({"status": None, "no_email": None}) == {"S": None, "T": None}


def test_the_revenue_of_a_partner_is_read_by_the_currency_of_its_figures(spec_of):
    for rule in (
        "{from: perf_sourced_revenue, do: major_units}",
        "{from: [perf_sourced_revenue, perf_currency], do: major_units}",
    ):
        back = compile_back(spec_of(f"fields: {{name: Name}}\nback: {{Revenue__c: {rule}}}", to="partner"))
        assert back.uses == ("perf_sourced_revenue", "perf_currency")
        assert back.run({"perf_sourced_revenue": 5000, "perf_currency": "JPY"}) == {"Revenue__c": 5000}
        assert back.run({"perf_sourced_revenue": 5050, "perf_currency": "USD"}) == {"Revenue__c": 50.5}


def test_a_list_is_written_as_a_list_or_joined(spec_of):
    back = compile_back(
        spec_of("fields: {name: N}\nback: {A: products, B: {from: products, do: semicolon_join}}", to="partner")
    )
    assert back.run({"products": ["ERP", "CRM"]}) == {"A": ["ERP", "CRM"], "B": "ERP;CRM"}
    assert back.run({"products": []}) == {"A": None, "B": None}


def test_a_value_that_is_not_canonical_is_refused_with_the_remote_field_but_without_the_value(spec_of):
    back = compile_back(
        spec_of(HEAD + "  A: {from: offered_at, do: to_epoch_ms}\n  B: {from: first_name, choices: {a: b}}\n")
    )
    with pytest.raises(ValueError, match=r"back\.A: not an instant") as wrong:
        back.run({"offered_at": "Zebrafink"})
    assert "Zebrafink" not in str(wrong.value)
    with pytest.raises(ValueError, match=r"back\.B: a value that `choices` does not know"):
        back.run({"first_name": "Zebrafink"})


def test_a_mapping_may_only_write(spec_of):
    spec = spec_of("back: {Rate__c: perf_acceptance_rate}", to="partner")
    assert spec.fields == ()
    assert compile_back(spec).run({"perf_acceptance_rate": 0.5}) == {"Rate__c": 0.5}
