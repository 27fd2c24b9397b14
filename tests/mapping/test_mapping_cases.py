"""Golden cases: what they compare, and that a wrong one fails."""

from __future__ import annotations

import json

import pytest

from prm_sync.errors import ConfigError
from prm_sync.rules.mapping import cases_file, run_cases

MAPPING = """
when: {IsConverted: [false, null]}
fields:
  email: Email
  last_name: {from: LastName, required: true}
  status: {from: Status, choices: {Open: new}}
  created_at: CreatedDate
  budget: Budget
  currency: {from: Currency, choices: {null: USD}}
  account_ref: AccountId
back:
  Offer__c: {from: offer_state, choices: {pending: P}, else: X}
  meta.at: offered_at
"""
RECORD = {"Email": "a@b.co", "LastName": "Lee", "CreatedDate": "2026-11-20T08:15:30Z", "Budget": 5, "AccountId": 7}


@pytest.fixture
def problems_of(spec_of):
    def run(text):
        spec = spec_of(MAPPING)
        cases_file(spec).write_text(text)
        return [p for r in run_cases(spec) for p in r.problems]

    return run


def case(*, record=None, **parts):
    """One case as YAML; a record is RECORD with what is given."""
    record = {} if record is None else {"record": {**RECORD, **record}}
    return json.dumps([{"name": "c", **record, **parts}])


@pytest.mark.parametrize(
    "text",
    [
        case(record={}, expect={"email": "a@b.co", "budget": 500, "currency": "USD", "status": None}),
        case(record={}, expect={"created_at": "2026-11-20T08:15:30+00:00", "account_ref": "example:7"}),
        case(record={"Status": "Odd"}, quarantine={"status": "does not know"}),
        case(record={"Status": "Odd"}, quarantine={"status": "unmapped_value"}, expect={"status": None}),
        case(record={"IsConverted": True}, skip=True),
        case(record={"LastName": None}, quarantine={"last_name": "empty"}),
        case(record={"Email": ""}, quarantine={"email|phone|mobile|offer_key": "unreachable"}),
        case(values={"offer_state": "pending"}, back={"Offer__c": "P"}),
        case(values={"offered_at": "2026-11-20T08:15:30Z"}, back={"meta": {"at": "2026-11-20T08:15:30.000+0000"}}),
    ],
)
def test_a_true_case_passes(problems_of, text):
    assert problems_of(text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (case(record={}, expect={"email": "b@b.co"}), "email: 'a@b.co', not 'b@b.co'"),
        (case(record={}, expect={"status": "new"}), "status: None, not 'new'"),
        (
            case(record={}, expect={"created_at": "2026-11-20T08:15:31Z"}),
            "created_at: '2026-11-20T08:15:30.000+0000', not",
        ),
        (case(record={}, expect={"budget": True}), "budget: 500, not True"),
        (case(record={"Status": "Odd"}, expect={"email": "a@b.co"}), "status: not expected"),
        (case(record={}, quarantine={"status": "any"}), "status: should be quarantined, and was not"),
        (case(record={"Status": "Odd"}, quarantine={"status": "too old"}), 'not for "too old"'),
        (case(record={}, skip=True), "should be skipped"),
        (case(record={"IsConverted": True}, expect={"email": "a@b.co"}), "was skipped by `when`"),
        (case(record={"LastName": ""}, expect={"email": "a@b.co"}), "was refused: last_name"),
        (case(values={"offer_state": "pending"}, back={"Offer__c": "X"}), "Offer__c: 'P', not 'X'"),
        (case(values={"offer_state": "pending"}, back={}), "Offer__c: 'P' is written, and not expected"),
        (case(values={}, back={"Offer__c": "P"}), "Offer__c: not written"),
    ],
)
def test_a_false_case_fails(problems_of, text, problem):
    assert any(problem in p for p in problems_of(text)), problems_of(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "a cases file is a list of cases"),
        ("- {record: {}, expect: {}}", "a case is a mapping with a `name`"),
        ("- {name: c, recrod: {}, expect: {}}", 'unknown key "recrod" of a case; did you mean "record"?'),
        ("- {name: c, record: {}}", "a case has `record` and"),
        (
            "- {name: c, record: {Email: a@b.co, LastName: x}, expect: {emial: x}}",
            'unknown field "emial" of lead; did you',
        ),
        (
            "- {name: c, values: {offer_stat: x}, back: {}}",
            '"offer_stat" is neither field nor fact; did you mean "offer_state"',
        ),
        ("- {name: c, values: {offered_at: soon}, back: {}}", "offered_at: not an instant"),
    ],
)
def test_a_malformed_case_is_an_error_with_its_line(problems_of, text, message):
    with pytest.raises(ConfigError) as wrong:
        problems_of(text)
    assert message in str(wrong.value)
    assert "lead.cases.yaml:1: " in str(wrong.value)


def test_a_mapping_without_cases_is_an_error(spec_of):
    with pytest.raises(ConfigError, match=r"lead\.cases\.yaml: there is no such file"):
        run_cases(spec_of(MAPPING))
