"""The parsers of the canonical kinds: what they read, in many scripts, and what they refuse."""

from __future__ import annotations

import datetime as dt
import unicodedata
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prm_sync.canonical import values
from prm_sync.canonical.countries import COUNTRIES
from prm_sync.canonical.currencies import EXPONENTS
from prm_sync.canonical.model import Kind

UTC = dt.UTC
SECRET = "Zebrafink"


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Acme", "Acme"),
        ("  Acme \t\n", "Acme"),
        ("Ac\0me", "Acme"),
        ("\ufeffAcme\u200b", "Acme"),
        ("\u200e‫شرکت\u200f ", "شرکت"),
        ("Nguyễn", "Nguyễn"),
        (unicodedata.normalize("NFD", "Nguyễn Đức"), "Nguyễn Đức"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # the joiner within a Persian word is spelling
        ("क्\u200dष", "क्\u200dष"),
        ("株式会社\u3000", "株式会社"),
        ("two\nlines", "two\nlines"),
        ("half \ud83d of a pair", "half \ufffd of a pair"),
        ("\ud83d\ude00", "😀"),
        (10115, "10115"),
        (10115.0, "10115"),
        (1.5, "1.5"),
        (True, "true"),
        (Decimal("1.10"), "1.10"),
        (dt.date(2026, 1, 31), "2026-01-31"),
    ],
)
def test_a_text_is_trimmed_and_keeps_its_script(raw: Any, clean: str) -> None:
    assert values.text(raw) == clean


@pytest.mark.parametrize("raw", ["", "  ", "\0", "\u200b", "\ufeff \u200e", None, [], {}, ["a"], float("nan"), 10**40])
def test_what_is_no_text_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError):
        values.text(raw)


@given(st.text())
def test_a_cleaned_text_is_clean_and_can_be_stored(raw: str) -> None:
    if values.is_empty(raw):
        return
    clean = values.text(raw)
    assert values.text(clean) == clean
    assert "\0" not in clean.encode().decode()
    assert unicodedata.is_normalized("NFC", clean)


def test_texts_are_a_list_without_repetitions_and_empty_ones() -> None:
    assert values.texts(["DE", " DE ", "", None, "AT", 7]) == ["DE", "AT", "7"]
    assert values.texts("DE") == ["DE"]
    with pytest.raises(ValueError):
        values.texts([["nested"]])


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Ann.Lee+x@Example.COM", "ann.lee+x@example.com"),
        (" ann@example.com ", "ann@example.com"),
        ("mailto:ann@example.com", "ann@example.com"),
        ("Ann Lee <Ann@Example.com>", "ann@example.com"),
        ("info@MÜLLER.de", "info@xn--mller-kva.de"),
        ("info@straße.de", "info@xn--strae-oqa.de"),
        ("用户@例子.公司", "用户@xn--fsqu00a.xn--55qx5d"),
        ("o'brien@example.ie", "o'brien@example.ie"),
        ("a@b.co", "a@b.co"),
        ("ann@xn--mller-kva.de", "ann@xn--mller-kva.de"),
    ],
)
def test_an_email_is_lower_case_with_an_ascii_domain(raw: str, clean: str) -> None:
    assert values.email(raw) == clean


@pytest.mark.parametrize(
    "raw",
    [
        "ann", "ann@", "@example.com", "ann@example", "ann@@example.com", "ann lee@example.com", "ann@exa mple.com",
        "ann@-example.com", "ann@example-.com", ".ann@example.com", "ann.@example.com", "a..b@example.com", "n/a",
        f"{'a' * 65}@example.com", f"ann@{'a' * 64}.com", "ann@127.0.0.1", f"ann@{'a.' * 130}com", 17, "ann@example.c",
    ],
)  # fmt: skip
def test_what_is_no_email_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError):
        values.email(raw)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("example.com", "example.com"),
        ("HTTPS://www.Example.com:8080/path?q=1#x", "example.com"),
        ("www.example.co.uk.", "example.co.uk"),
        ("//user:secret@shop.example.com/", "shop.example.com"),
        ("ann@example.com", "example.com"),
        ("https://www.müller.de", "xn--mller-kva.de"),
        ("http://例子。公司", "xn--fsqu00a.xn--55qx5d"),
        ("www.de", "www.de"),
        ("www.co.uk/about", "co.uk"),
        ("example.com/a//b@c.de", "example.com"),
        ("ftp://example.com?x=//y", "example.com"),
    ],
)
def test_a_domain_is_found_in_urls_and_addresses(raw: str, clean: str) -> None:
    assert values.domain(raw) == clean


@pytest.mark.parametrize(
    "raw", ["n/a", "none", "http://", "192.168.0.1", "exa mple.com", "-a.com", "a_b.com", "[::1]", 5]
)
def test_what_is_no_domain_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError):
        values.domain(raw)


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("DE", "Germany|germany|GERMANY|Deutschland|DE|DEU|deu| Germany |Federal Republic of Germany|德国"),
        ("CN", "China|中国|中國|PRC|P.R. China|People's Republic of China|People’s Republic of China|CHN"),
        ("VN", "Vietnam|Viet Nam|Việt Nam|việt nam|VIỆT NAM|VN|vnm|越南"),
        ("SA", "Saudi Arabia|السعودية|المملكة العربية السعودية|KSA|Kingdom of Saudi Arabia"),
        ("IR", "Iran|ایران|إيران|ايران|Iran, Islamic Republic of"),
        ("ES", "Spain|España|ESPAÑA|espana|Espanya"),
        ("RU", "Russia|Россия|РОССИЯ|Russian Federation"),
        ("JP", "Japan|日本|日本国|ﾆｯﾎﾟﾝ|JPN"),
        ("US", "United States|the United States|USA|usa|U.S.A.|U.S.|US|United States of America|EE.UU."),
        ("GB", "United Kingdom|UK|Great Britain|England|Scotland|GBR"),
        ("KR", "South Korea|Korea|Korea, Republic of|대한민국|한국"),
        ("TR", "Turkey|Türkiye|TÜRKİYE|Turkiye"),
        ("NL", "Netherlands|The Netherlands|Nederland|Holland"),
        ("AE", "UAE|United Arab Emirates|الإمارات|الامارات"),
        ("IL", "Israel|ישראל"), ("TH", "Thailand|ประเทศไทย|ไทย"), ("GR", "Greece|Ελλάδα|ΕΛΛΆΔΑ|Hellas"),
        ("IN", "India|भारत|இந்தியா|IND"), ("UA", "Ukraine|Україна"), ("PL", "Poland|Polska"), ("SE", "Sweden|Sverige"),
        ("BR", "Brazil|Brasil"), ("MX", "México|Mexico"), ("IT", "Italia|Italy"), ("CA", "Canada|CAN"),
        ("FR", "france|FRA"),
        ("CI", "Côte d'Ivoire|Cote d’Ivoire|Ivory Coast"), ("BA", "Bosnia & Herzegovina|Bosnia and Herzegovina"),
        ("MY", "MY|my|Malaysia"), ("NG", "NGA|Nigeria"), ("TW", "Taiwan|台灣"), ("HK", "Hong Kong|香港"), ("EG", "مصر"),
        ("CH", "Schweiz|Suisse|Svizzera"), ("AT", "Österreich|Oesterreich"), ("NO", "NO|no|Norge"),
        ("CZ", "Česko|Czechia"),
        ("BD", "বাংলাদেশ"), ("GE", "საქართველო"), ("AM", "Հայաստան"), ("LK", "ශ්‍රී ලංකාව"), ("KH", "កម្ពុជា"), ("ET", "ኢትዮጵያ"),
    ],
)  # fmt: skip
def test_a_country_is_known_by_code_and_name_in_many_scripts(code: str, names: str) -> None:
    for name in names.split("|"):
        assert values.country(name) == code, name


def test_every_country_has_its_codes_and_a_name() -> None:
    codes = set(COUNTRIES.values())
    assert len(codes) == 250  # the 249 of ISO 3166-1, and Kosovo
    assert all(COUNTRIES[code] == code == COUNTRIES[code.lower()] for code in codes)
    assert len([n for n in COUNTRIES if len(n) == 3 and n.isascii() and n.isupper()]) >= 250


@pytest.mark.parametrize("raw", ["Atlantis", "XX", "", "Europe", 49, None, "unknown", ["DE"], True])
def test_an_unknown_country_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError):
        values.country(raw)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("de", "de"), ("DE", "de"), ("deu", "de"), ("ger", "de"), ("de-AT", "de"), ("de_AT", "de"), ("German", "de"),
        ("Deutsch", "de"), ("en_US", "en"), ("zh-Hans-CN", "zh"), ("中文", "zh"), ("Tiếng Việt", "vi"), ("فارسی", "fa"),
        ("Farsi", "fa"), ("العربية", "ar"), ("日本語", "ja"), ("Português", "pt"), ("PT-br", "pt"), ("русский", "ru"),
    ],
)  # fmt: skip
def test_a_language_is_known_by_code_and_name(raw: str, code: str) -> None:
    assert values.language(raw) == code


@pytest.mark.parametrize("raw", ["Klingon", "xx", "", "qq-DE", "english please"])
def test_an_unknown_language_is_refused(raw: str) -> None:
    with pytest.raises(ValueError):
        values.language(raw)


def test_a_currency_is_a_code_or_a_sign_that_means_one() -> None:
    assert [
        values.currency(c) for c in ("EUR", "eur", " usd ", "€", "₫", "R$", "元")
    ] == [
        "EUR", "EUR", "USD", "EUR", "VND", "BRL", "CNY",
    ]  # fmt: skip
    for unclear in ("$", "¥", "kr", "EURX", "", 978):
        with pytest.raises(ValueError):
            values.currency(unclear)


@pytest.mark.parametrize(
    ("raw", "currency", "minor"),
    [
        (12, "EUR", 1200), (12.34, "EUR", 1234), ("12.34", "EUR", 1234), ("12,34", "EUR", 1234), (0.1 + 0.2, "EUR", 30),
        ("1,234.56", "USD", 123456), ("1.234,56", "EUR", 123456), ("1 234,56", "PLN", 123456),
        ("1\u202f234,56", "EUR", 123456),
        ("1'234.50", "CHF", 123450), ("1’234.50", "CHF", 123450), ("1,234", "USD", 123400),
        ("12,345,678", "INR", 1234567800),
        ("1.234.567", "EUR", 123456700), (1000, "JPY", 1000), ("1,000", "JPY", 1000), ("¥1,000", "JPY", 1000),
        ("1.5", "BHD", 1500), ("1.234", "KWD", 1234), ("50000000", "VND", 50000000), ("50,000,000 ₫", "VND", 50000000),
        ("€ 12,50", "EUR", 1250), ("12.50 EUR", "EUR", 1250), ("$1,234.56", "USD", 123456),
        ("R$ 1.234,56", "BRL", 123456),
        ("-12.50", "EUR", -1250), ("−12.50", "EUR", -1250), (Decimal("0.005"), "EUR", 0), (Decimal("0.015"), "EUR", 2),
        ("١٬٢٣٤٫٥٦", "SAR", 123456), ("۱۲۳۴", "IRR", 123400), ("１２３４", "JPY", 1234), (1e6, "EUR", 100000000),
        ("90071992547409.93", "EUR", 9007199254740993), ("1e3", "EUR", 100000),
    ],
)  # fmt: skip
def test_money_is_exact_in_minor_units_of_its_currency(raw: Any, currency: str, minor: int) -> None:
    assert values.money(raw, currency) == minor


@pytest.mark.parametrize(
    ("raw", "currency"),
    [
        (12, None), (12, "XXX"), ("1.234", "EUR"), ("1,234", "BHD"), ("12 USD", "EUR"), ("$12", "EUR"), ("", "EUR"),
        ("twelve", "EUR"), (float("inf"), "EUR"), (float("nan"), "EUR"), (True, "EUR"), ([12], "EUR"), (10**30, "EUR"),
        ("1,23,4", "EUR"), ("1.2.3", "EUR"), ("--5", "EUR"), ("1e999", "EUR"), (1e300, "JPY"),
    ],
)  # fmt: skip
def test_an_unclear_or_impossible_amount_is_refused(raw: Any, currency: str | None) -> None:
    with pytest.raises(ValueError):
        values.money(raw, currency)


@given(st.integers(-(2**53), 2**53), st.sampled_from(sorted(EXPONENTS)))
def test_money_survives_being_written_as_a_decimal(minor: int, currency: str) -> None:
    written = Decimal(minor).scaleb(-EXPONENTS[currency])
    assert values.money(written, currency) == minor
    if EXPONENTS[currency] != 3:  # "1.234" as a text may be thousands
        assert values.money(f"{written:f}", currency) == minor


def test_numbers_are_read_with_a_decimal_point_or_comma() -> None:
    assert [values.number(n) for n in (1, 1.5, "1.5", "1,5", "-0,25", "1.234,5", "1,234,567", "1.234", "٣٫٥")] == [
        1.0, 1.5, 1.5, 1.5, -0.25, 1234.5, 1234567.0, 1.234, 3.5,
    ]  # fmt: skip
    for unclear in ("1,234", "", "abc", True, None, [], float("inf"), "1e999", "1.2.3"):
        with pytest.raises(ValueError):
            values.number(unclear)


def test_an_integer_has_no_fraction_and_fits_a_bigint() -> None:
    assert [values.integer(n) for n in (7, 7.0, "7", "1,234", "1 234", "-5", "７")] == [7, 7, 7, 1234, 1234, -5, 7]
    for wrong in (7.5, "7.5", 2**63, "9223372036854775808", True, "", None, "seven", {}):
        with pytest.raises(ValueError):
            values.integer(wrong)


def test_a_boolean_is_read_in_several_languages() -> None:
    assert all(values.boolean(v) is True for v in (True, 1, 1.0, "true", "TRUE", "Yes", "ja", "oui", "да", "是", "نعم"))
    assert all(values.boolean(v) is False for v in (False, 0, "false", "No", "0", "nein", "нет", "否", "لا", " n "))
    for unclear in ("maybe", "", 2, None, [], 0.5):
        with pytest.raises(ValueError):
            values.boolean(unclear)


@pytest.mark.parametrize(
    "raw",
    [
        "2026-11-20", "2026-11-20 ", "2026/11/20", "20.11.2026", "2026年11月20日", "2026년 11월 20일", "20261120",
        "2026-11-20T08:15:30Z", "2026-11-20T23:15:30-00:30", dt.date(2026, 11, 20),
        dt.datetime(2026, 11, 20, 23, 59, tzinfo=UTC),
        dt.datetime(2026, 11, 21, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    ],
)  # fmt: skip
def test_a_date_is_read_where_its_month_is_clear(raw: Any) -> None:
    assert values.date(raw) == dt.date(2026, 11, 20)


@pytest.mark.parametrize("raw", ["11/12/2026", "2026-13-01", "2026-02-30", "30.02.2026", "soon", "", 20261120, None, 0])
def test_an_unclear_date_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError):
        values.date(raw)


@pytest.mark.parametrize(
    "raw",
    [
        "2026-11-20T08:15:30.000+0000", "2026-11-20T08:15:30Z", "2026-11-20T08:15:30.000Z", "2026-11-20T08:15:30+00:00",
        "2026-11-20 08:15:30", "2026-11-20T15:15:30+07:00", "2026-11-20t08:15:30z", " 2026-11-20T08:15:30Z ",
        dt.datetime(2026, 11, 20, 8, 15, 30), dt.datetime(2026, 11, 20, 8, 15, 30, tzinfo=UTC),
        dt.datetime(2026, 11, 20, 9, 15, 30, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    ],
)  # fmt: skip
def test_an_instant_is_aware_and_in_utc(raw: Any) -> None:
    made = values.instant(raw)
    assert made == dt.datetime(2026, 11, 20, 8, 15, 30, tzinfo=UTC)
    assert made.tzinfo is UTC


@pytest.mark.parametrize(
    "raw", ["", "yesterday", 1795162530, None, "2026-11-20T25:00:00Z", "0001-01-01T00:00:00+05:00", []]
)
def test_what_is_no_instant_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError):
        values.instant(raw)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["1e400", "９٫٥", "@", "<@>", "//", "١"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(JSON, st.sampled_from(list(Kind)))
def test_no_parser_raises_anything_but_value_error(raw: Any, kind: Kind) -> None:
    for parse in [values.PARSERS[kind]] if kind in values.PARSERS else [lambda v: values.money(v, "EUR")]:
        try:
            made = parse(raw)
        except ValueError:
            continue
        assert made is not None


@pytest.mark.parametrize(
    "kind", [k for k in Kind if k not in (Kind.TEXT, Kind.TEXTS, Kind.CHOICE, Kind.REFERENCE, Kind.MONEY)]
)
def test_a_reason_never_holds_the_value(kind: Kind) -> None:
    with pytest.raises(ValueError) as wrong:
        values.PARSERS[kind](SECRET)
    assert SECRET.lower() not in str(wrong.value).lower()
