"""A parser for each `Kind` of the canonical model: from what a remote system wrote to the canonical value.

Each takes any JSON value (or Python value of the same meaning) and returns the canonical value, or raises
ValueError with a reason that says what is wrong *without the value itself*: reasons are logged, values are not.
Nothing else is ever raised. "Empty" is the caller's affair: an empty text is refused here (`is_empty` tells).
"""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

from prm_sync.canonical import phone as _phone
from prm_sync.canonical.countries import COUNTRIES, country_key
from prm_sync.canonical.currencies import CURRENCY_NAMES, EXPONENTS, SHARED_SIGNS
from prm_sync.canonical.languages import CODES, LANGUAGE_NAMES
from prm_sync.canonical.model import Kind

BIGINT = 2**63  #: the database's widest integer
LONGEST_NUMBER = 80  #: characters; nothing longer is a number, and patterns stay quick
_EXACT = Context(prec=60)  # wide enough that no amount in a bigint is ever rounded by the context itself
_SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_ZERO_WIDTH = "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u2060\ufeff" + "".join(
    map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)
_ENDS = _SPACES + _ZERO_WIDTH


# --- text ----------------------------------------------------------------------------------------------------------


def is_empty(value: object) -> bool:
    """Whether a remote value says nothing: null, blank text, or an empty list or object."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value.strip() or not _clean(value)
    return isinstance(value, list | tuple | dict) and not value


def _clean(value: str) -> str:
    """Trimmed, NFC, without NUL and BOM, and such that UTF-8 can hold it; the script is kept."""
    if value.isascii():
        return value.replace("\0", "").strip()
    value = value.replace("\0", "").replace("\ufeff", "")
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: JSON can write it, no database takes it
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    # Zero-width signs go at the ends only: within a word they are spelling (Persian, Hindi).
    return unicodedata.normalize("NFC", value).strip(_ENDS)


def text(value: object) -> str:
    """Text as written, trimmed. Numbers become their digits (an Excel postcode 10115.0 is "10115")."""
    if isinstance(value, str):
        if value := _clean(value):
            return value
        raise ValueError("empty")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("not a finite number")
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, int):
        return str(_bounded(value))
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dt.date):  # a datetime is one, too
        return value.isoformat()
    raise ValueError(
        "a list or object where a text belongs" if isinstance(value, list | tuple | dict) else "not a text"
    )


def texts(value: object) -> list[str]:
    """A list of texts without empty ones and repetitions, in their order; a single text is a list of one."""
    if isinstance(value, list | tuple):
        return list(dict.fromkeys(text(v) for v in value if not is_empty(v)))
    return [text(value)]


# --- internet and telephone -----------------------------------------------------------------------------------------

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"  # RFC 5322
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{{2,}})")
_WIDE_LOCAL = re.compile(r"[^\s@<>()\[\]\\,;:\"]+")  # RFC 6531 lets all scripts stand before the @
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_URL = re.compile(  # the usual forms; `domain` reads the others, too
    r"(?:https?://)?(?:www\.)?((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63})(?:/.*)?"
)
_TOP = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,59}")


def email(value: object) -> str:
    """An e-mail address, lower case; the domain of other scripts as punycode. Takes "Name <address>", too."""
    mail = text(value).lower()
    if len(mail) <= 254 and (found := _EMAIL.fullmatch(mail)) and mail.index("@") <= 64 and "--" not in found[1]:
        return mail if max(map(len, found[1].split("."))) <= 63 else _refuse("a label of the domain is too long")
    if mail.endswith(">") and "<" in mail:
        mail = mail[mail.rindex("<") + 1 : -1].strip()
    mail = mail.removeprefix("mailto:").strip()
    local, at, host = mail.rpartition("@")
    if not at:
        raise ValueError("not an e-mail address: no @")
    if len(local) > 64 or not _WIDE_LOCAL.fullmatch(local) or local[0] == "." or local[-1] == "." or ".." in local:
        raise ValueError("not an e-mail address: what stands before the @")
    try:
        mail = f"{local}@{_host(host)}"
    except ValueError as wrong:
        raise ValueError("not an e-mail address: its domain") from wrong
    return mail if len(mail) <= 254 else _refuse("not an e-mail address: too long")


def domain(value: object) -> str:
    """A host name: of a URL, an address or as it is; without scheme, www, port and path; lower case, punycode."""
    host = text(value).lower()
    if len(host) <= 253 and (found := _URL.fullmatch(host)):
        return found[1]
    host = re.sub(r"^(?:[a-z][a-z0-9+.-]{0,20}:)?//", "", host)
    for end in "/?#":
        host = host.partition(end)[0]
    host = host.rpartition("@")[2].partition(":")[0].rstrip(".")
    if host.startswith("www.") and host.count(".") > 1:
        host = host[4:]
    return _host(host)


def _host(host: str) -> str:
    if not host.isascii():
        host = unicodedata.normalize("NFKC", host).lower().replace("。", ".")
        try:  # IDNA 2008 for names in lower case: the codec "idna" of Python would make ß an ss, another company's name
            host = ".".join(p if p.isascii() else f"xn--{p.encode('punycode').decode()}" for p in host.split("."))
        except UnicodeError as wrong:
            raise ValueError("not a domain") from wrong
    labels = host.split(".")
    if len(labels) < 2 or len(host) > 253 or not _TOP.fullmatch(labels[-1]):
        raise ValueError("not a domain")
    if not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("not a domain: a sign that no domain has")
    return host


def phone(value: object, region: str | None = None) -> str:
    """A telephone number as E.164. Without `region` (ISO country) only international numbers can be read."""
    return _phone.e164(text(value), region)


# --- codes ----------------------------------------------------------------------------------------------------------


def country(value: object) -> str:
    """ISO 3166-1 alpha-2, from codes (2, 3 letters) and names in English and the country's own languages."""
    if isinstance(value, str):
        if found := COUNTRIES.get(value):
            return found
        if found := COUNTRIES.get(country_key(_clean(value))):
            return found
    raise ValueError("not a country known by code or name" if isinstance(value, str) else "not a country: not a text")


def language(value: object) -> str:
    """ISO 639-1, from codes ("de", "deu", "de-AT") and names in English and in the language itself."""
    name = text(value).casefold()
    if found := LANGUAGE_NAMES.get(name):
        return found
    tag = re.split(r"[-_]", name, maxsplit=1)[0]
    if tag in CODES and len(name) <= 12:
        return tag
    if tag != name and len(tag) == 3 and (found := LANGUAGE_NAMES.get(tag)):
        return found
    raise ValueError("not a language known by code or name")


def currency(value: object) -> str:
    """ISO 4217, from codes and from signs that mean one currency only ("€", "₫", not "$")."""
    code = text(value).upper()
    if code in EXPONENTS:
        return code
    if found := CURRENCY_NAMES.get(code):
        return found
    raise ValueError("not a currency of ISO 4217")


# --- numbers --------------------------------------------------------------------------------------------------------

_PLAIN = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:([.,' ])\d{3})(?:\1\d{3})*(?:(?!\1)[.,]\d+)?")
_SIGNS = str.maketrans(
    {"٫": ".", "٬": ",", "−": "-", "，": ",", "．": ".", "’": "'", "\xa0": " ", "\u202f": " ", "\u2009": " "}
)


def _bounded(whole: int) -> int:
    if -BIGINT <= whole < BIGINT:
        return whole
    raise ValueError("number out of range")


def _decimal(value: object, *, comma_thousands: bool) -> Decimal:
    """The number, exactly. A single comma before three digits is a thousand only where the caller knows that."""
    if isinstance(value, bool | dict | list | tuple):
        raise ValueError("not a number")
    if isinstance(value, float):
        value = repr(value)
    if isinstance(value, int | Decimal):
        made = Decimal(value)
    else:
        made = _decimal_of_text(text(value), comma_thousands=comma_thousands)
    if not made.is_finite() or made.adjusted() > 40:
        raise ValueError("number out of range")
    return made


def _decimal_of_text(written: str, *, comma_thousands: bool) -> Decimal:
    if len(written) > LONGEST_NUMBER:
        raise ValueError("too long for a number")
    if not written.isascii():
        written = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in written.translate(_SIGNS))
    if not _PLAIN.fullmatch(written):
        whole, _, part = written.rpartition(",")
        if (grouped := _GROUPED.fullmatch(written)) and (comma_thousands or written.count(",") != 1 or "." in written):
            point = max(written.rfind(","), written.rfind("."))
            if point >= 0 and written[point] != grouped[1]:
                written = re.sub(r"[., ']", "", written[:point]) + "." + written[point + 1 :]
            else:
                written = re.sub(r"[., ']", "", written)
        elif re.fullmatch(r"[+-]?\d+", whole) and re.fullmatch(r"\d+", part) and len(part) != 3:
            written = f"{whole}.{part}"  # the decimal comma
        elif re.fullmatch(r"[+-]?\d+", whole) and re.fullmatch(r"\d{3}", part):
            raise ValueError("not clear: a decimal comma or thousands")
        elif grouped:
            written = re.sub(r"[ ']", "", written)
        else:
            raise ValueError("not a number")
    try:
        return Decimal(written)
    except InvalidOperation as wrong:
        raise ValueError("not a number") from wrong


def number(value: object) -> float:
    """A number as float (no money: that is `money`). Refuses "1,234", which may be two different numbers."""
    if isinstance(value, float) and math.isfinite(value):
        return value
    return float(_decimal(value, comma_thousands=False))


def integer(value: object) -> int:
    """A whole number that a database's bigint holds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _bounded(value)
    made = _decimal(value, comma_thousands=True)
    if made != made.to_integral_value(context=_EXACT):
        raise ValueError("not a whole number")
    return _bounded(int(made))


def money(value: object, currency: str | None) -> int:
    """Minor units of `currency` (ISO 4217, by its exponent: JPY 0, EUR 2, BHD 3), halves to the even one.

    Takes numbers and texts ("1.234,56", "1,234.56", "€ 12", "12 EUR"); the sign or code of another currency is refused.
    """
    if currency is None:
        raise ValueError("an amount without currency")
    exponent = EXPONENTS.get(currency)
    if exponent is None:
        raise ValueError("an amount in an unknown currency")
    if isinstance(value, int) and not isinstance(value, bool):
        return _bounded(value * 10**exponent)
    if isinstance(value, float) and abs(value) < _CERTAIN:
        scale: int = 10**exponent
        minor = round(value * scale)
        if minor / scale == value:  # the float means exactly this amount; else go by its digits
            return minor
    if isinstance(value, str):
        value = _without_currency(text(value), currency)
        if exponent <= 2 and re.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}", value):
            raise ValueError("not clear: a decimal point or thousands")
    made = _decimal(value, comma_thousands=exponent <= 2)
    return _bounded(int(made.scaleb(exponent, _EXACT).to_integral_value(ROUND_HALF_EVEN, _EXACT)))


def _without_currency(written: str, currency: str) -> str:
    if len(written) > LONGEST_NUMBER:
        raise ValueError("too long for an amount")
    sign = re.match(r"[^\d\s.,+−-]+", written) or re.search(r"[^\d\s,+−'-]+$", written)
    if not sign:
        return written
    word = sign[0].upper()
    if CURRENCY_NAMES.get(word, word) != currency and currency not in SHARED_SIGNS.get(word, ()):
        raise ValueError("not an amount in the record's currency")
    return written[: sign.start()].strip() + written[sign.end() :].strip()


_CERTAIN = 1e11  #: below, a float has digits enough to tell every amount in minor units from its neighbours


_YES = "true t yes y 1 on ja j oui si sí sì sim tak da да так evet ναι はい 是 예 네 हाँ نعم بله כן có ใช่"
_NO = "false f no n 0 off nein non não nao nie nee net нет ні hayır όχι いいえ 否 아니오 नहीं لا خیر לא không ไม่"
_TRUE, _FALSE = frozenset(_YES.split()), frozenset(_NO.split())


def boolean(value: object) -> bool:
    """true/false, 1/0, and yes/no in several languages."""
    if value is True or value is False:
        return value
    if isinstance(value, str):
        word = _clean(value).casefold()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
    elif isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    raise ValueError("neither yes nor no")


# --- time -----------------------------------------------------------------------------------------------------------

_DATES = (
    re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"),
    re.compile(r"(?P<d>\d{1,2})\.\s?(?P<m>\d{1,2})\.\s?(?P<y>\d{4})"),  # with points the day stands first, everywhere
    re.compile(r"(?P<y>\d{4})\s?[年년]\s?(?P<m>\d{1,2})\s?[月월]\s?(?P<d>\d{1,2})\s?[日일]"),
)


def date(value: object) -> dt.date:
    """A day: ISO, 20.11.2026, 2026年11月20日, or an instant's in UTC. Refuses 11/12/2026: which is the month?"""
    if isinstance(value, dt.datetime):
        return instant(value).date()
    if isinstance(value, dt.date):
        return value
    if not isinstance(value, str):
        raise ValueError("not a date")
    written = _clean(value)
    if len(written) == 10 and written.isascii() and written[4] == "-":
        try:
            return dt.date.fromisoformat(written)
        except ValueError as wrong:
            raise ValueError("not a date") from wrong
    for form in _DATES:
        if found := form.fullmatch(written):
            try:
                return dt.date(int(found["y"]), int(found["m"]), int(found["d"]))
            except ValueError as wrong:
                raise ValueError("not a day of the calendar") from wrong
    try:
        return instant(written).date()
    except ValueError as wrong:
        raise ValueError("not a date, or not clear which is the month") from wrong


def instant(value: object) -> dt.datetime:
    """An aware instant in UTC, from ISO 8601 (Z, +0000, +00:00) or a datetime; without a zone UTC is meant."""
    if isinstance(value, str):
        try:
            made = dt.datetime.fromisoformat(value)
        except ValueError:
            try:
                made = dt.datetime.fromisoformat(_clean(value).upper())
            except ValueError as wrong:
                raise ValueError("not an instant in ISO 8601") from wrong
    elif isinstance(value, dt.datetime):
        made = value
    elif isinstance(value, dt.date):
        made = dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    else:
        raise ValueError("not an instant in ISO 8601")
    if made.tzinfo is dt.UTC:
        return made
    try:
        return made.replace(tzinfo=dt.UTC) if made.tzinfo is None else made.astimezone(dt.UTC)
    except OverflowError as wrong:
        raise ValueError("an instant out of range") from wrong


def _refuse(reason: str) -> Any:
    raise ValueError(reason)


PARSERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: text, Kind.EMAIL: email, Kind.PHONE: phone, Kind.DOMAIN: domain, Kind.COUNTRY: country,
    Kind.LANGUAGE: language, Kind.CURRENCY: currency, Kind.NUMBER: number, Kind.INTEGER: integer,
    Kind.BOOLEAN: boolean, Kind.DATE: date, Kind.INSTANT: instant, Kind.CHOICE: text, Kind.TEXTS: texts,
    Kind.REFERENCE: text,
}  # fmt: skip
"""The parser of each kind that needs the value alone. `money` needs the currency; `phone` takes the country, too."""
