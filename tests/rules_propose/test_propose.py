"""Proposals for files of eight languages: what is placed, what is asked, what is said to be missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prm_sync.canonical.entities import ENTITIES
from prm_sync.rules.labels import CHOICES, LABELS, MEANS
from prm_sync.rules.mapping import MappingSpec, compile_mapping, load_mapping
from prm_sync.rules.propose import Proposal, label_key, propose


def loaded(proposal: Proposal, folder: Path) -> MappingSpec:
    path = folder / "proposed.yaml"
    path.write_text(proposal.text, encoding="utf-8")
    return load_mapping(path)


def fields(proposal: Proposal) -> dict[str, tuple[str, ...]]:
    return {p.field: p.headers for p in proposal.placed}


LEADS: dict[str, list[tuple[str, str | None]]] = {
    "en": [("Lead ID", None), ("First Name", "first_name"), ("Surname", "last_name"), ("Company", "company"),
           ("E-mail Address", "email"), ("Tel.", "phone"), ("Country", "country"), ("Lead Source", "source")],
    "es": [("Código", None), ("Nombre", "first_name"), ("Apellidos", "last_name"), ("Empresa", "company"),
           ("Correo electrónico", "email"), ("Teléfono", "phone"), ("País", "country"), ("Origen", "source")],
    "vi": [("Mã khách hàng", None), ("Họ", "last_name"), ("Tên", "first_name"), ("Công ty", "company"),
           ("Thư điện tử", "email"), ("Số điện thoại", "phone"), ("Quốc gia", "country"),
           ("Nguồn khách hàng", "source")],
    "zh": [("编号", None), ("姓", "last_name"), ("名", "first_name"), ("公司名称", "company"), ("邮箱", "email"),
           ("手机", "mobile"), ("国家", "country"), ("线索来源", "source")],
    "ar": [("رقم العميل", None), ("الاسم الأول", "first_name"), ("اسم العائلة", "last_name"), ("الشركة", "company"),
           ("البريد الإلكتروني", "email"), ("الجوال", "mobile"), ("الدولة", "country"), ("المصدر", "source")],
    "fa": [("كد مشتري", None), ("نام کوچک", "first_name"), ("نام خانوادگي", "last_name"), ("شرکت", "company"),
           ("ایمیل", "email"), ("تلفن", "phone"), ("کشور", "country"), ("نحوه آشنایی", "source")],
    "de": [("Kundennummer", None), ("Vorname", "first_name"), ("Nachname", "last_name"), ("Firma", "company"),
           ("E-Mail-Adresse", "email"), ("Telefonnummer", "phone"), ("Land", "country"), ("Herkunft", "source")],
    "fr": [("Code client", None), ("Prénom", "first_name"), ("Nom", "last_name"), ("Société", "company"),
           ("Courriel", "email"), ("Téléphone portable", "mobile"), ("Pays", "country"), ("Provenance", "source")],
}  # fmt: skip


@pytest.mark.parametrize("language", LEADS)
def test_a_lead_list_is_placed_whatever_its_language(language: str, tmp_path: Path) -> None:
    headers = [header for header, _ in LEADS[language]]
    proposal = propose(headers, [])
    assert proposal.entity == "lead"
    expected = {name: (header,) for header, name in LEADS[language] if name}
    assert {name: found for name, found in fields(proposal).items() if name != "domain"} == expected
    assert proposal.unplaced == tuple(header for header, name in LEADS[language] if name is None)
    assert {rule.field.name for rule in loaded(proposal, tmp_path).fields} == {*expected, "domain"}


OTHERS: dict[str, tuple[list[str], dict[str, str]]] = {
    "partner": (
        ["Partner Name", "Partner Key", "Tier", "Country", "Territories", "Status", "Website"],
        {"name": "Partner Name", "partner_key": "Partner Key", "tier": "Tier", "territories": "Territories"},
    ),
    "account": (
        ["客户编号", "客户名称", "行业", "员工数", "城市", "网址"],
        {"account_number": "客户编号", "name": "客户名称", "industry": "行业", "employees": "员工数", "domain": "网址"},
    ),
    "contact": (
        ["Vorname", "Nachname", "Position", "E-Mail", "Handy", "PLZ", "Ort"],
        {"first_name": "Vorname", "last_name": "Nachname", "title": "Position", "mobile": "Handy", "city": "Ort"},
    ),
    "opportunity": (
        ["Deal Name", "Stage", "Amount", "Currency", "Close Date", "Probability", "Owner"],
        {"name": "Deal Name", "stage": "Stage", "amount": "Amount", "close_date": "Close Date"},
    ),
    "target": (
        ["Partner Key", "Metric", "Target Amount", "Currency", "Period Start", "Period End"],
        {"partner_key": "Partner Key", "metric": "Metric", "amount": "Target Amount", "period_end": "Period End"},
    ),
}


@pytest.mark.parametrize("entity", OTHERS)
def test_the_entity_is_told_by_what_its_columns_are(entity: str) -> None:
    headers, expected = OTHERS[entity]
    proposal = propose(headers, [])
    assert proposal.entity == entity
    found = fields(proposal)
    assert {name: found.get(name) for name in expected} == {name: (header,) for name, header in expected.items()}


def test_a_given_entity_is_kept() -> None:
    assert propose(["Email", "Company"], [], "contact").entity == "contact"
    with pytest.raises(ValueError, match="unknown entity 'leed'"):
        propose(["Email"], [], "leed")


def test_a_header_with_a_slip_is_placed_with_a_question() -> None:
    proposal = propose(["Email", "Last Name", "Organisaton Name"], [], "lead")
    placed = {p.field: p for p in proposal.placed}["company"]
    assert placed.headers == ("Organisaton Name",)
    assert not placed.sure
    (line,) = [line for line in proposal.text.splitlines() if "Organisaton" in line]
    assert 'please confirm: its name is near to "organisation name"' in line


def test_marks_that_nobody_sees_do_not_hide_a_header() -> None:
    assert label_key("\ufeff*E\u2011Mail:") == "e mail"
    assert label_key("نام\u200cخانوادگي") == label_key("نام‌خانوادگی")
    assert label_key("postalCode") == label_key("Postal_code")
    assert label_key("Địa chỉ") == "dia chi"


def test_values_place_a_column_with_a_strange_name_and_a_question_is_asked() -> None:
    rows = [
        {"X1": "ann@example.com", "X2": "+49 30 1234567", "X3": "Germany", "X4": "12345678", "X5": "2026-01-31"}
    ] * 5
    proposal = propose(["X1", "X2", "X3", "X4", "X5"], rows, "lead")
    assert {n: h for n, h in fields(proposal).items() if n != "domain"} == {
        "email": ("X1",),
        "phone": ("X2",),
        "country": ("X3",),
    }
    assert not any(p.sure for p in proposal.placed)
    assert proposal.unplaced == ("X4", "X5"), "bare digits and dates are no phone numbers"


def test_a_column_whose_values_belie_its_name_is_asked_about() -> None:
    proposal = propose(["Email", "Phone"], [{"Email": "yes", "Phone": "+4930123456"}, {"Email": "no"}], "lead")
    sure = {p.field: p.sure for p in proposal.placed}
    assert sure["phone"]
    assert not sure["email"]
    assert "none of its values looks like an e-mail address" in proposal.text


def test_two_columns_of_one_meaning_are_both_taken_with_a_question(tmp_path: Path) -> None:
    proposal = propose(["Email", "Phone", "Telephone"], [], "lead")
    assert fields(proposal)["phone"] == ("Phone", "Telephone")
    rules = {rule.field.name: rule.sources for rule in loaded(proposal, tmp_path).fields}
    assert rules["phone"] == ("Phone", "Telephone")
    assert "please confirm: two columns" in proposal.text


def test_a_whole_name_is_parted_with_a_question(tmp_path: Path) -> None:
    proposal = propose(["Full Name", "Email"], [], "lead")
    compiled = compile_mapping(loaded(proposal, tmp_path), "files")
    row = compiled.named(compiled.run({"Full Name": "Ann Mary Lee", "Email": "a@example.com"}, []) or ())
    assert (row["first_name"], row["last_name"]) == ("Ann", "Mary Lee")
    assert proposal.text.count("please confirm: the whole name") == 2


def test_a_pick_list_has_its_values_and_asks_for_those_it_does_not_know(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"Email": "a@b.com", "Status": s} for s in ("New", "Working", "Qualifed", "Moon", "Nuevo", "")
    ]
    proposal = propose(["Email", "Status"], rows, "lead")
    text = proposal.text
    assert "      New: new\n" in text
    assert "      Qualifed: qualified  # please confirm\n" in text
    assert "      Nuevo: new  # please confirm\n" in text
    assert "      # Moon:  # please choose" in text
    rule = {rule.field.name: rule for rule in loaded(proposal, tmp_path).fields}["status"]
    assert rule.choices is not None
    assert rule.choices.known == {"New": "new", "Working": "working", "Qualifed": "qualified", "Nuevo": "new"}


def test_a_pick_list_of_which_nothing_is_known_stands_as_a_comment(tmp_path: Path) -> None:
    proposal = propose(["Email", "Status"], [{"Status": "A"}, {"Status": "B"}], "lead")
    assert "  # status:" in proposal.text
    assert "status" not in {rule.field.name for rule in loaded(proposal, tmp_path).fields}


def test_an_amount_without_a_currency_stands_as_a_comment(tmp_path: Path) -> None:
    proposal = propose(["Email", "Budget"], [], "lead")
    assert any("no column for currency: budget" in words for words in proposal.missing)
    assert "  # budget: Budget" in proposal.text
    assert "budget" not in {rule.field.name for rule in loaded(proposal, tmp_path).fields}


def test_what_matters_and_is_not_there_is_said() -> None:
    missing = " | ".join(propose(["Last Name", "Company"], [], "lead").missing)
    (needed,) = ENTITIES["lead"].any_of
    assert f"no column for {', '.join(needed)}: a lead must have one of them" in missing
    assert "no column for country" in missing
    missing = " | ".join(propose(["Email", "Phone"], [], "lead").missing)
    assert "a number in phone that does not begin with + cannot be read" in missing


HOSTILE = ["Yes", "no: way", 'say "hi"', "a # b", "- x", "", "Email", "{x}", "No.", "12", "l1\nl2", "'", "\\"]


def test_no_header_breaks_the_file(tmp_path: Path) -> None:
    rows = [{h: f"{h}@x.org" for h in HOSTILE} | {"Email": "a@b.com", "Status": value} for value in HOSTILE]
    proposal = propose([*HOSTILE, "Status"], rows, "lead")
    loaded(proposal, tmp_path)
    assert set(proposal.unplaced) | {h for p in proposal.placed for h in p.headers} == {*HOSTILE, "Status"}


def test_the_connectors_own_fields_are_not_proposed() -> None:
    proposal = propose(["Email", "__key__", "__error__"], [])
    assert "__" not in proposal.text


def test_the_tables_name_fields_and_choices_that_exist() -> None:
    known = {f.name for e in ENTITIES.values() for f in e.fields}
    wrong = {name for entity, means in MEANS.items() for names in means.values() for name in names} - known
    assert not wrong
    assert {meaning for means in MEANS.values() for meaning in means} <= set(LABELS)
    assert set(CHOICES) <= {c for e in ENTITIES.values() for f in e.fields for c in f.choices}
    assert set(LABELS) - known == {"full_name", "company", "partner", "deal", "code"} - known
