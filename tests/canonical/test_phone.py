"""Telephone numbers: the short cut answers as libphonenumber does, over all the ways in which people type."""

from __future__ import annotations

import gc
import random
import weakref

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prm_sync.canonical import phone

# region: calling code, trunk prefix, national numbers with # for any digit
COUNTRIES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "US": ("1", "", ("212#######", "415#######", "206#######", "800#######")),
    "CA": ("1", "", ("416#######", "604#######", "514#######")),
    "GB": ("44", "0", ("74########", "77########", "207#######", "7781######", "1534######")),
    "DE": ("49", "0", ("151########", "1601#######", "30#######", "89########", "69####", "700########")),
    "FR": ("33", "0", ("6########", "7########", "1########", "8########")),
    "ES": ("34", "", ("6########", "91#######")),
    "MX": ("52", "", ("55########", "33########", "1##########")),
    "IT": ("39", "", ("347#######", "333#######", "02########", "06698#####")),
    "BR": ("55", "0", ("119########", "219########", "113#######", "15119########")),
    "NL": ("31", "0", ("6########", "20#######")),
    "SE": ("46", "0", ("70#######", "8#######")),
    "PL": ("48", "", ("501######", "22#######")),
    "TR": ("90", "0", ("532#######", "212#######")),
    "RU": ("7", "8", ("916#######", "495#######", "701#######")),
    "UA": ("380", "0", ("50#######", "44#######")),
    "GR": ("30", "", ("694#######", "210#######")),
    "JP": ("81", "0", ("90########", "3########")),
    "CN": ("86", "0", ("138########", "10########", "21########")),
    "KR": ("82", "0", ("10########", "2########")),
    "IN": ("91", "0", ("98########", "22########", "91########")),
    "SA": ("966", "0", ("50#######", "112######")),
    "AE": ("971", "0", ("50#######", "4#######")),
    "IL": ("972", "0", ("50#######", "3#######")),
    "TH": ("66", "0", ("81#######", "2#######")),
    "VN": ("84", "0", ("912######", "24########", "168#######")),
    "IR": ("98", "0", ("912#######", "21########")),
    "AR": ("54", "0", ("11########", "911########", "1115########")),
    "AU": ("61", "0", ("4########", "2########")),
    "KZ": ("7", "8", ("701#######",)),
    "JM": ("1", "", ("876#######",)),
    "GG": ("44", "0", ("7781######", "1481######")),
    "FI": ("358", "0", ("40#######", "18#####")),
}
DIGITS = [
    str.maketrans("0123456789", other) for other in ("٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "０１２３４５６７８９", "०१२३४५६७८९")
]
EXTENSIONS = (" x", " ext. ", "ext", "#", " extn ", ", x", ";ext=", " доб. ", " X:", " Extension 0")


def typed(chance: random.Random, code: str, trunk: str, pattern: str) -> str:
    """A number as somebody may type it; now and then garbage."""
    n = "".join(chance.choice("0123456789") if c == "#" else c for c in pattern)
    a, b, c = n[:2], n[2:-4], n[-4:]
    text = chance.choice((
        f"+{code}{n}", f"+{code} {a} {b} {c}", f"+{code}-{a}-{b}-{c}", f"({trunk}{a}) {b}-{c}", f"{trunk}{a}-{b}-{c}",
        f"{trunk}{a}.{b}.{c}", f"{trunk}{n}", f"00{code} {a} {b}{c}", f"011{code}{n}", f"810{code}{n}",
        f"1-{a}-{b}-{c}",
        f"+{code} (0){n}", f"+{code} 0{n}", f"+{code}{trunk}{n}", f"0 {n}", f"8 {n}", f"{code}{n}",
        f"{code} {trunk}{n}", n,
        f"{trunk}{a}/{b}{c}", f"tel: +{code} {n}", f"[+{code}] {n}", f"＋{code}\u00a0{n}", f"+{code} {a} – {b} – {c}",
        f"{n}{n[: chance.randrange(5)]}", n[chance.randrange(4) :], f"++{code}{n}", f"+ {code} {n}", f"00+{code}{n}",
        "".join(chance.choice("0123456789+ -()/.") for _ in range(chance.randrange(3, 18))),
    ))  # fmt: skip
    if chance.random() < 0.12:
        text += chance.choice(EXTENSIONS) + str(chance.randrange(1, 9999))
    if chance.random() < 0.06:
        text = text.translate(chance.choice(DIGITS))
    if chance.random() < 0.02:
        text = chance.choice(("n/a", "-", "unknown", "0000000000", "ask assistant", "", "+", "1-800-FLOWERS"))
    return text


def library(text: str, region: str | None) -> str | None:
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def ours(text: str, region: str | None) -> str | None:
    try:
        return phone.e164(text, region)
    except ValueError:
        return None


def test_the_short_cut_answers_as_the_library_for_every_way_of_typing() -> None:
    chance = random.Random(20261120)
    valid = short = 0
    for region, (code, trunk, patterns) in COUNTRIES.items():
        for _ in range(1000):
            text = typed(chance, code, trunk, chance.choice(patterns))
            written_in = (
                region if chance.random() < 0.9 else chance.choice([None, "XX", "US", "GB", "IT", "RU", "VA", "AX"])
            )
            expected = library(text, written_in)
            assert ours(text, written_in) == expected, (text, written_in)
            valid += expected is not None
            short += bool(phone._short_cut(text, written_in))
    assert valid > 15_000  # the corpus is not mostly garbage
    assert short > 0.75 * valid  # and the short cut is the usual way


@given(st.text("0123456789+-() ./xX#٣۵９", max_size=24), st.sampled_from([*COUNTRIES, None]))
def test_the_short_cut_never_disagrees_with_the_reference(text: str, region: str | None) -> None:
    try:
        expected: str | None = phone.reference(text, region)
    except ValueError:
        expected = None
    assert ours(text, region) == expected


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("0 69 90009000", "DE", "+496990009000"),
        ("0 69..90009000", "DE", "+496990009000"),
        ("+84 0912 345 678", "VN", "+84912345678"),
        ("0912345678", "VN", "+84912345678"),
        ("۰۹۱۲ ۳۴۵ ۶۷۸۹", "IR", "+989123456789"),
        ("\u200f+966 50 123 4567\u200e", None, "+966501234567"),
        ("０３－１２３４－５６７８", "JP", "+81312345678"),
        ("+49 69 90009000 Durchwahl 12", "DE", "+496990009000"),
        ("010-12345678 转 123", "CN", "+861012345678"),
        ("0912345678 / 0987654321", "VN", "+84912345678"),
        ("0912345678/0987654321", "VN", "+84912345678"),
        ("0912 345 678; 0987 654 321", "VN", "+84912345678"),
        ("0912 345 678 hoặc 0987 654 321", "VN", "+84912345678"),
        ("+1 212 555 0123, +1 415 555 0123", "US", "+12125550123"),
        ("212-555-0123 or 415-555-0123", "US", "+12125550123"),
        ("0301234567 - 0307654321", "DE", "+49301234567"),
        ("030/1234567", "DE", "+49301234567"),
        ("069\t9000\t9000", "DE", "+496990009000"),
        ("02 1234 5678", "IT", "+390212345678"),  # an Italian zero belongs to the number
    ],
)
def test_a_number_is_read_as_it_is_typed(text: str, region: str | None, number: str) -> None:
    assert phone.e164(text, region) == number


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("01681234567", "VN"),  # eleven digits: mobile numbers of Vietnam before 2018
        ("0912345678", None), ("0912345678", "XX"), ("n/a", "DE"), ("", "DE"), ("+", "DE"), ("12", "DE"),
        ("0000000000", "US"),
        ("+999 12345678", None), ("x" * 300, "US"), ("0" * 300, "US"),
    ],
)  # fmt: skip
def test_what_is_no_valid_number_is_refused_without_its_digits(text: str, region: str | None) -> None:
    with pytest.raises(ValueError) as wrong:
        phone.e164(text, region)
    assert not any(c.isdigit() for c in str(wrong.value))


def test_the_short_cut_answers_as_the_library_in_every_country() -> None:
    chance = random.Random(7)
    formats = (
        phonenumbers.PhoneNumberFormat.NATIONAL,
        phonenumbers.PhoneNumberFormat.INTERNATIONAL,
        phonenumbers.PhoneNumberFormat.E164,
    )
    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    compared = 0
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in kinds:
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None:
                continue
            for written in formats:
                text = phonenumbers.format_number(example, written)
                for _ in range(5):  # the example itself, then with some of its digits changed
                    assert ours(text, region) == library(text, region), (text, region)
                    compared += 1
                    at = chance.randrange(len(text))
                    if text[at].isdigit():
                        text = text[:at] + chance.choice("0123456789") + text[at + 1 :]
    assert compared > 5000


def test_a_refused_number_keeps_nothing_of_its_callers_in_memory() -> None:
    """The library's error is part of a cycle; left to the collector, whole pages of records would stay with it."""

    class Page:
        pass

    def refused() -> weakref.ref[Page]:
        page = Page()
        with pytest.raises(ValueError):
            phone.reference("+999 123 4567", None)
        return weakref.ref(page)

    gc.collect()
    gc.disable()
    try:
        assert refused()() is None
    finally:
        gc.enable()
