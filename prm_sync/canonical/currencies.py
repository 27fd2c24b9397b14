"""Currencies of ISO 4217: how many digits their minor unit has, and the signs that mean one of them only."""

from __future__ import annotations

_EXPONENT_0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_EXPONENT_3 = "BHD IQD JOD KWD LYD OMR TND"
_EXPONENT_4 = "CLF UYW"
_EXPONENT_2 = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP
COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD
KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK
NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT
TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""

EXPONENTS: dict[str, int] = {
    code: digits
    for digits, codes in ((0, _EXPONENT_0), (2, _EXPONENT_2), (3, _EXPONENT_3), (4, _EXPONENT_4))
    for code in codes.split()
}
"""Digits of the minor unit by ISO 4217 code. VND, JPY ... have none: 1,000 dong are 1000 minor units."""

CURRENCY_NAMES: dict[str, str] = {
    "€": "EUR", "EURO": "EUR", "EUROS": "EUR",
    "US$": "USD", "£": "GBP", "₹": "INR", "₩": "KRW", "₫": "VND", "Đ": "VND",
    "₽": "RUB", "РУБ": "RUB", "₺": "TRY", "TL": "TRY", "₴": "UAH", "ГРН": "UAH", "฿": "THB", "₪": "ILS", "ZŁ": "PLN",
    "R$": "BRL", "元": "CNY", "人民币": "CNY", "RMB": "CNY",
    "円": "JPY", "원": "KRW", "₱": "PHP", "₦": "NGN", "₸": "KZT",
    "HK$": "HKD", "NT$": "TWD", "A$": "AUD", "C$": "CAD", "S$": "SGD", "MX$": "MXN", "SFR": "CHF",
    "ریال": "IRR", "د.إ": "AED", "ر.س": "SAR", "﷼": "IRR",
}  # fmt: skip
"""Signs and words, upper case, that mean one currency. "$", "¥" and "kr" mean several and are not here."""

_SHARED = """
$ USD AUD CAD NZD SGD HKD TWD MXN ARS CLP COP UYU BMD BBD BSD BZD FJD JMD KYD TTD NAD LRD XCD
¥ JPY CNY
￥ JPY CNY
KR SEK NOK DKK ISK
KR. DKK NOK
RS INR PKR LKR NPR MUR
RS. INR PKR
"""

SHARED_SIGNS: dict[str, frozenset[str]] = {
    sign: frozenset(codes) for sign, *codes in (row.split() for row in _SHARED.strip().splitlines())
}
"""Signs that say nothing by themselves, and the currencies whose amounts they may stand beside."""
