"""Telephone numbers to E.164, with libphonenumber's answers, several times faster for numbers that are plainly valid.

Two roads. `reference` asks the library `phonenumbers`. `e164` takes a short cut where the answer is certain: what is
left without punctuation is digits, its prefix is taken off by the library's own metadata, and the rest matches a
pattern of fixed or mobile numbers in full. Whatever is doubtful or invalid goes to the reference, so that the answers
are the same (tests/canonical compares them over tens of thousands of numbers).
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.phonemetadata import PhoneMetadata

_ZEROS = (  # the digit 0 of every script that telephone numbers are typed in
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0E50, 0x0ED0,
    0x1040, 0x17E0, 0xFF10,
)  # fmt: skip
_MARKS = (0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF, 0x200C, 0x200D)
_BARE: dict[int, str | None] = {zero + n: str(n) for zero in _ZEROS for n in range(10)}
_BARE |= dict.fromkeys(map(ord, " -().[]/\u00a0\u200b\u2060\u3000\u2010\u2011\u2012\u2013\u2014\u2212（）"), None)
_BARE |= dict.fromkeys(_MARKS, None) | {0xFF0B: "+"}
_TIDY: dict[int, str | None] = dict.fromkeys(_MARKS, None) | {ord(c): " " for c in "\t\r\v\f\u202f\u2009"}

_EXTENSION = re.compile(r"[ ,]*(?:extension|extn|ext|x)[.:]? *[0-9]{1,6}$", re.IGNORECASE)
_OWN_EXTENSION = re.compile(  # words for "extension" that the library does not know
    r"[\s,;-]*(?:durchwahl|dw|apparat|app|poste|ramal|interno|внутр|内线|內線|分机|分機|转|轉|내선|داخلی|داخلي|تحويلة"
    r"|máy lẻ)"
    r"[.:]?\s*\d{1,6}$",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"\s*[/;,|、\n]\s*|\s+(?:or|oder|ou|hoặc|und|and|[-–](?=\s+[+0]))\s+", re.IGNORECASE)
_DIGIT = re.compile(r"\d")


_KINDS = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan",
    "voicemail",
)  # fmt: skip
LONGEST = 250  #: the library reads no longer texts
NOT_VALID = "not a valid telephone number"
_NONE = ""  #: the short cut's answer where there is certainly no such number


def e164(text: str, region: str | None) -> str:
    """The number as E.164 (+4915112345678), without extension; of two numbers in one text the first.

    `region` (ISO country) is where a number without + was written; None reads international numbers only. Raises
    ValueError where libphonenumber knows no such number.
    """
    found = _short_cut(text, region) if len(text) <= 40 else None
    if found == _NONE:
        raise ValueError(NOT_VALID)
    return found or reference(text, region)


def reference(text: str, region: str | None) -> str:
    """As `e164`, by the library alone."""
    number, why = _answer(text, region)
    if number is None:
        raise ValueError(why)
    return number


@lru_cache(maxsize=4096)  # what is no number comes again and again: "n/a", "-", 0000000000
def _answer(text: str, region: str | None) -> tuple[str | None, str]:
    """The number, or None and why there is none."""
    if len(text) > LONGEST:
        return None, "too long for a telephone number"
    try:
        parsed = phonenumbers.parse(_first_number(text), region)
    except phonenumbers.NumberParseException as wrong:
        traceback.clear_frames(wrong.__traceback__)  # the library's hold it, and all that called: a cycle
        return None, "not a telephone number" if region else "not an international telephone number"
    if not phonenumbers.is_valid_number(parsed):
        return None, NOT_VALID
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)), ""


def _first_number(text: str) -> str:
    """Without direction marks, with one number only, without extensions in words that the library does not know."""
    text = text.translate(_TIDY).strip()
    for found in _SEPARATOR.finditer(text):
        long = 9 if found[0].strip() in ("-", "–") else 7  # shorter parts are one number: 030/1234567
        before, after = text[: found.start()], text[found.end() :]
        if len(_DIGIT.findall(before)) >= long and len(_DIGIT.findall(after)) >= long:
            text = before
            break
    return _OWN_EXTENSION.sub("", text)


# --- the short cut --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the short cut needs of one region's metadata."""

    code: str  #: country calling code
    idd: re.Pattern[str] | None  #: what is dialled before a foreign number
    prefix: re.Pattern[str] | None  #: what is dialled before a number of the same country
    transforms: int  #: the prefix pattern's last group: where it matched, digits are rewritten; 0: never
    general: re.Pattern[str]
    lengths: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Code:
    """A country calling code: the plan of its main region, and the fixed and mobile numbers of all its regions.

    `leads`: regions told by their first digits; where one matches, that region's numbers alone count.
    `any_kind`: numbers of every kind (free, premium, pager ...) in any of the regions: what it does not match is none.
    """

    plan: _Plan
    any_lead: re.Pattern[str] | None
    leads: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]
    valid: re.Pattern[str] | None
    any_kind: re.Pattern[str]


def _short_cut(text: str, region: str | None) -> str | None:
    """The number where it is certain, `_NONE` where it is certain that there is none; else None."""
    bare = text.translate(_BARE)
    if not bare.isdigit() and bare[:1] != "+":
        found = _EXTENSION.search(text)
        if not found:
            return None
        bare = text[: found.start()].translate(_BARE)
    if len(bare) > 13 and "/" in text:
        return None  # may be two numbers
    if bare[:1] == "+":
        bare = bare[1:]
        return _international(bare) if bare.isascii() and bare.isdigit() else None
    if region is None or not bare.isascii() or not bare.isdigit() or (plan := _plan(region)) is None:
        return None
    if plan.idd and (dialled := plan.idd.match(bare)) and bare[dialled.end() : dialled.end() + 1] != "0":
        return _international(bare[dialled.end() :])
    code = _code(plan.code)
    if code is None:
        return None
    if bare.startswith(plan.code):
        known = plan.general.fullmatch(bare) is not None
        too_long = len(bare) > max(plan.lengths)
        if not known or too_long:  # then the code may stand there without +
            rest = bare[len(plan.code) :]
            if any(p.prefix and p.prefix.match(rest) for p in (plan, code.plan)):
                return None
            if not (too_long or plan.general.fullmatch(rest)) or not _is_valid(rest, code):
                return None
            return f"+{plan.code}{rest}"
        return _national(bare, plan, code) or None  # not certain: the library may read the code as one
    return _national(bare, plan, code)


def _international(digits: str) -> str | None:
    for size in (1, 2, 3):  # no code is the beginning of another
        code = _code(digits[:size])
        if code is not None:
            return _national(digits[size:], code.plan, code)
    return None


def _national(number: str, plan: _Plan, code: _Code) -> str | None:
    """The number without the prefix of its country, if it is then valid."""
    given = number
    if plan.prefix and (found := plan.prefix.match(number)):
        if plan.transforms and found.group(plan.transforms) is not None:
            return None
        rest = number[found.end() :]
        # The library strips only where this leaves a possible number, which is what we can say for sure.
        if len(rest) not in plan.lengths or not plan.general.fullmatch(rest):
            return None if plan.transforms or _may_be(given, code) or _may_be(rest, code) else _NONE
        number = rest
    if _is_valid(number, code):
        return f"+{plan.code}{number}"
    return None if plan.transforms or _may_be(given, code) or _may_be(number, code) else _NONE


def _may_be(number: str, code: _Code) -> bool:
    """Whether the library may find it valid. Very short and very long ones it refuses in words of their own."""
    return not 4 <= len(number) <= 15 or code.any_kind.fullmatch(number) is not None


def _is_valid(number: str, code: _Code) -> bool:
    if code.any_lead and code.any_lead.match(number):
        for lead, valid in code.leads:
            if lead.match(number):
                return valid.fullmatch(number) is not None
    return code.valid is not None and code.valid.fullmatch(number) is not None


# --- metadata, read once a region -----------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _plan(region: str) -> _Plan | None:
    metadata: Any = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or not metadata.general_desc.possible_length:
        return None
    prefix = metadata.national_prefix_for_parsing
    return _Plan(
        str(metadata.country_code),
        re.compile(metadata.international_prefix) if metadata.international_prefix else None,
        re.compile(prefix) if prefix else None,
        re.compile(prefix).groups if prefix and metadata.national_prefix_transform_rule else 0,
        re.compile(metadata.general_desc.national_number_pattern),
        frozenset(metadata.general_desc.possible_length),
    )


@cache
def _code(code: str) -> _Code | None:
    regions = COUNTRY_CODE_TO_REGION_CODE.get(int(code), ()) if code.isdigit() and code[0] != "0" else ()
    if not regions or regions[0] == "001":  # 001: satellites and free numbers of no country
        return None
    plan = _plan(regions[0])
    known: list[Any] = [m for r in regions if (m := PhoneMetadata.metadata_for_region(r, None)) is not None]
    if plan is None:
        return None
    leads = [(m.leading_digits, p) for m in known if m.leading_digits and (p := _numbers(m))]
    unknown = [m.leading_digits for m in known if m.leading_digits and not _numbers(m)]
    others = [p for m in known if not m.leading_digits and (p := _numbers(m))]
    never = re.compile(r"(?!)")
    return _Code(
        plan,
        re.compile("|".join(f"(?:{lead})" for lead in [*(lead for lead, _ in leads), *unknown]))
        if leads or unknown
        else None,
        (*((re.compile(u), never) for u in unknown), *((re.compile(lead), re.compile(p)) for lead, p in leads)),
        re.compile("|".join(others)) if others else None,
        re.compile("|".join(f"(?:{p})" for m in known for p in _patterns(m)) or r"(?!)"),
    )


def _patterns(metadata: Any) -> Iterator[str]:
    """The patterns of a region's numbers, of each kind that the library tells apart."""
    for kind in _KINDS:
        description = getattr(metadata, kind)
        if description is not None and description.national_number_pattern:
            yield description.national_number_pattern


def _numbers(metadata: Any) -> str:
    """A pattern of a region's fixed and mobile numbers, with their lengths; "" where it has none."""
    kinds = [d for d in (metadata.mobile, metadata.fixed_line) if d is not None and d.national_number_pattern]
    able = "|".join(f"{_lengths(d)}(?:{d.national_number_pattern})" for d in kinds)
    general = metadata.general_desc
    return f"(?:{_lengths(general)}(?=(?:{general.national_number_pattern})\\Z)(?:{able}))" if able else ""


def _lengths(description: Any) -> str:
    sizes = "|".join(f"\\d{{{n}}}" for n in description.possible_length)
    return f"(?=(?:{sizes})\\Z)" if sizes else ""
