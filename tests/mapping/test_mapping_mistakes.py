"""Mistakes in mapping files: each is a ConfigError with its line, what is wrong, and what may have been meant."""

from __future__ import annotations

import pytest

from prm_sync.errors import ConfigError
from prm_sync.rules.mapping import load_all, load_mappings

HEAD = "from: salesforce.Lead\nto: lead\n"
FIELDS = HEAD + "fields:\n  email: Email\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("to: lead\nfields: {email: Email}", 1, "`from` must be <connector>.<stream>"),
        ("from: salesforce\nto: lead", 1, "`from` must be <connector>.<stream>"),
        ("from: salesforce.Lead\nto: leed\nfields: {email: E}", 2, 'unknown entity "leed"; did you mean "lead"?'),
        ("from: salesforce.Lead\nfields: {email: E}", 1, "`to` must name a canonical entity"),
        (HEAD, 1, "neither `fields` nor `back`"),
        (HEAD + "feilds: {email: E}", 3, 'unknown key "feilds"; did you mean "fields"?'),
        (HEAD + "fields: [email]", 3, "fields must be a mapping"),
        ("- a list", 1, "the file must be a mapping"),
        (FIELDS + "  fist_name: X", 5, 'unknown field "fist_name" of lead; did you mean "first_name"?'),
        (FIELDS + "  email: X", 5, 'duplicate name "email" in fields, first in line 4'),
        (
            FIELDS + "  title: {from: X, requird: true}",
            5,
            'unknown key "requird" in fields.title; did you mean "required"?',
        ),
        (
            FIELDS + "  title:\n    from: X\n    do: first_wrd",
            7,
            'unknown function "first_wrd"; did you mean "first_word"?',
        ),
        (FIELDS + "  title: {from: X, do: to_epoch_ms}", 5, 'unknown function "to_epoch_ms"'),  # of the way back only
        (FIELDS + "  title: {do: lower}", 5, "fields.title: `from` is missing"),
        (FIELDS + "  title:", 5, "fields.title must be a name or {from: ...}"),
        (FIELDS + "  title: {from: []}", 5, "fields.title: `from` is missing"),
        (FIELDS + "  title: {from: [X, 3]}", 5, "fields.title: `from` is missing"),
        (FIELDS + "  title: {from: X, required: 1}", 5, "`required` is true or false"),
        (
            FIELDS + "  status:\n    from: S\n    choices:\n      Open: new\n      Busy: workin",
            9,
            'fields.status: "workin" is no choice of it; did you mean "working"?',
        ),
        (FIELDS + "  status: {from: S, choices: {}}", 5, "fields.status: `choices` is empty"),
        (FIELDS + "  status: {from: S, choices: {a: [new]}}", 5, "a choice must be a plain value"),
        (FIELDS + "  status:\n    from: S\n    else: neww", 7, '"neww" is no choice of it; did you mean "new"?'),
        (FIELDS + "  status:\n    from: S\n    choices:\n      null: neww", 8, '"neww" is no choice of it'),
        (FIELDS + "  country: {from: C, choices: {D: Germoney}}", 5, "not a country known by code or name"),
        (FIELDS + "  phone: {from: P, choices: {a: b}}", 5, "a phone has no choices"),
        (FIELDS + "  budget: B", 5, '"budget" is an amount: map "currency", too'),
        (FIELDS + "  title: {from: X, do: minor_units}", 5, '"minor_units" is for amounts, title is none'),
        (HEAD + "fields:\n  title: Title", 3, "map at least one of email, phone, mobile, offer_key: a lead needs one"),
        (FIELDS + "when: {A: {b: c}}", 5, "when.A must be a value or a list of values"),
        (FIELDS + "when: {A: []}", 5, "when.A must be a value or a list of values"),
        (
            FIELDS + "back:\n  X: offer_stat",
            6,
            '"offer_stat" is neither a field nor a fact of lead; did you mean "offer_state"?',
        ),
        (
            FIELDS + "back:\n  X: {from: budget, do: major_unit}",
            6,
            'unknown function "major_unit"; did you mean "major_units"?',
        ),
        (FIELDS + "back:\n  X: {from: email, do: major_units}", 6, "major_units takes an amount"),
        (FIELDS + "back:\n  X: {from: email, required: true}", 6, 'unknown key "required" in back.X'),
        (
            FIELDS + "back:\n  X: {from: rating, choices: {hot: H, cold: C}}",
            6,
            "`choices` lacks warm; add them or `else`",
        ),
        (
            FIELDS + "back:\n  X: {from: rating, choices: {hott: H}, else: C}",
            6,
            '"hott" is no choice; did you mean "hot"?',
        ),
        (FIELDS + "back:\n  meta.x: email\n  meta: phone", 6, 'back.meta.x stands within "meta"'),
        (FIELDS + "  bad: [", 6, "not YAML"),
    ],
)
def test_a_mistake_is_told_with_its_line(spec_of, text, line, message):
    with pytest.raises(ConfigError) as wrong:
        spec_of(text, whole=True)
    assert message in str(wrong.value)
    assert wrong.value.line == line
    assert f"lead.yaml:{line}: " in str(wrong.value)


def test_one_broken_file_leaves_the_others_usable(tmp_path):
    folder = tmp_path / "salesforce"
    folder.mkdir()
    (folder / "lead.yaml").write_text(FIELDS)
    (folder / "lead.cases.yaml").write_text("- not a mapping")
    (folder / "contact.yaml").write_text("from: salesforce.Contact\nto: contact\nfields: {emial: Email}")
    (tmp_path / "partnerstack").mkdir()
    (tmp_path / "partnerstack" / "lead.yaml").write_text(FIELDS)  # says that it is of salesforce
    specs, errors = load_all(tmp_path)
    assert [s.name for s in specs] == ["salesforce.Lead -> lead"]
    assert [e.file.parent.name for e in errors] == ["partnerstack", "salesforce"]
    assert 'the connector "salesforce", the folder "partnerstack"' in str(errors[0])
    with pytest.raises(ConfigError, match="the folder"):
        load_mappings(tmp_path)


def test_a_file_that_is_not_there_is_an_error_with_its_name(tmp_path):
    from prm_sync.rules.mapping import load_mapping

    with pytest.raises(ConfigError, match=r"none\.yaml: there is no such file"):
        load_mapping(tmp_path / "none.yaml")
